//! Below the table of rewards: why the selected node earns what it earns, and what would change it.

use hw_probe::planning::upgrades;
use hw_probe::reward::{RewardInputs, RewardPolicy as _, V3Minting};
use ratatui::text::Line;

use super::{field, section};
use crate::columns::tft_text;
use crate::state::State;

pub(super) fn lines(state: &State, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let summary = &state.summary;
    let farm = format!(
        "{} TFT a period at full uptime ({} CU, {} SU), {} TFT still to be had in this one",
        tft_text(summary.reward),
        summary.units.cu(),
        summary.units.su(),
        tft_text(summary.reward_left)
    );
    let Some(node) = state.node_at_hand() else {
        return vec![
            section(theme, "rewards", width),
            field(theme, "all approved", &farm, width),
        ];
    };
    let mut lines = vec![
        section(theme, &format!("why {} earns this", node.name()), width),
        field(theme, "limited by", &why(node), width),
    ];
    if node.has_capacity() {
        let inputs = RewardInputs::new(node.capacity, false);
        let best: Vec<String> = upgrades(&inputs)
            .iter()
            .filter(|upgrade| upgrade.musd > 0)
            .take(2)
            .map(ToString::to_string)
            .collect();
        for (label, text) in ["best upgrade", "next best"].into_iter().zip(&best) {
            lines.push(field(theme, label, text, width));
        }
    }
    let policy = V3Minting::default();
    lines.push(field(theme, "all approved", &farm, width));
    lines.push(field(
        theme,
        "assumes",
        &format!(
            "policy {}, 0.08 USD per TFT, no traffic and no public addresses, up all the time",
            policy.name()
        ),
        width,
    ));
    lines
}

/// What keeps a node from earning more, in words.
pub(super) fn why(node: &crate::row::NodeRow) -> String {
    match node.limit_word() {
        "unknown" => "it has not told its capacity yet".to_owned(),
        "virtual" => "it is a virtual machine: not paid at all".to_owned(),
        "CPU" => format!("CPU: {} threads are the smallest share", node.capacity.cru),
        "memory" => format!("memory: {} are the smallest share", node.capacity.mru_bytes),
        _ => format!("SSD: {} are the smallest share", node.capacity.sru_bytes),
    }
}
