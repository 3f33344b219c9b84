//! The report for people: aligned, never wider than asked, nothing in it that a device wrote and
//! a terminal would obey.

use super::page::{Page, Style};
use super::{Report, Severity, disks, machine};
use crate::capacity::Capacity;
use crate::inventory::Nic;
use crate::reward::{Reward, Scenario};
use crate::text::Untrusted;

/// The report as aligned text, at most `width` columns wide (at least 64 are used). `colour` adds
/// SGR sequences; whether to ask for it (`NO_COLOR`, a terminal) is the caller's business.
#[must_use]
pub fn render_table(report: &Report, width: usize, colour: bool) -> String {
    let mut page = Page::new(width, colour);
    machine::machine(&mut page, &report.inventory);
    disks::disks(&mut page, &report.inventory.disks);
    nics(&mut page, &report.inventory.nics);
    capacity(&mut page, report);
    rewards(&mut page, report);
    if !report.advice.is_empty() {
        page.heading("Advice");
        for advice in &report.advice {
            let (mark, style) = match advice.severity {
                Severity::Problem => ("!! ", Style::Bad),
                Severity::Warning => ("!  ", Style::Warn),
                Severity::Info => ("   ", Style::Plain),
            };
            page.wrapped(mark, &advice.message.shown(), style);
        }
    }
    if !report.inventory.warnings.is_empty() {
        page.heading("Warnings");
        for warning in &report.inventory.warnings {
            page.wrapped(
                "   ",
                &format!("{}: {}", warning.section, warning.message),
                Style::Warn,
            );
        }
    }
    assumptions(&mut page, &report.rewards);
    page.finish()
}

pub(super) fn known(text: Option<&Untrusted>) -> String {
    text.map_or_else(|| "unknown".to_owned(), ToString::to_string)
}

fn nics(page: &mut Page, nics: &[Nic]) {
    use crate::inventory::NicKind;
    let hardware: Vec<&Nic> = nics
        .iter()
        .filter(|nic| !matches!(nic.kind, NicKind::Loopback | NicKind::Virtual))
        .collect();
    if hardware.is_empty() {
        return;
    }
    page.heading("Network");
    for nic in hardware {
        let speed = match (nic.link, nic.speed_mbps) {
            (Some(false), _) => "no link".to_owned(),
            (_, Some(speed)) => format!("{speed} Mbit/s"),
            (Some(true), None) => "link".to_owned(),
            (None, None) => "down".to_owned(),
        };
        page.row(
            &[16, 19, 15],
            &[
                &nic.name.shown(),
                &known(nic.mac.as_ref()),
                &speed,
                &known(nic.driver.as_ref()),
            ],
            Style::Plain,
        );
        let details = nic_details(nic);
        if !details.is_empty() {
            page.wrapped(&" ".repeat(18), &details.join(", "), Style::Dim);
        }
    }
}

fn nic_details(nic: &Nic) -> Vec<String> {
    let mut details = Vec::new();
    if let Some(firmware) = &nic.firmware {
        details.push(format!("firmware {firmware}"));
    }
    if nic.permanent_mac.is_some() && nic.permanent_mac != nic.mac {
        details.push(format!("burnt in {}", known(nic.permanent_mac.as_ref())));
    }
    if nic.is_virtual_function == Some(true) {
        details.push("virtual function".to_owned());
    } else if let (Some(on), Some(total @ 1..)) = (nic.sriov_vfs, nic.sriov_total_vfs) {
        details.push(format!("SR-IOV {on} of {total}"));
    }
    details
}

fn capacity(page: &mut Page, report: &Report) {
    page.heading("Capacity");
    let columns = [17, 7, 13, 13];
    page.row(&columns, &["", "CRU", "MRU", "SRU", "HRU"], Style::Dim);
    let mut line = |name: &str, capacity: &Capacity, style| {
        page.row(
            &columns,
            &[
                name,
                &capacity.cru.to_string(),
                &capacity.mru_bytes.to_string(),
                &capacity.sru_bytes.to_string(),
                &capacity.hru_bytes.to_string(),
            ],
            style,
        );
    };
    line("Zero-OS reports", &report.capacity.zero_os, Style::Strong);
    if let Some(installed) = &report.capacity.installed {
        line("installed", installed, Style::Plain);
    }
    line("usable now", &report.capacity.usable, Style::Plain);
    page.field(
        "Cloud units",
        &format!(
            "{} CU, {} SU",
            report.cloud_units.cu(),
            report.cloud_units.su()
        ),
    );
}

/// What every rule takes for granted: the sources disagree, so none is shown without.
pub(super) fn assumptions(page: &mut Page, rewards: &[Reward]) {
    page.heading("Rules and what they assume");
    let mut shown: Vec<&str> = Vec::new();
    for reward in rewards {
        if shown.contains(&reward.policy.as_str()) {
            continue;
        }
        shown.push(&reward.policy);
        let safe = |text: &str| Untrusted::from(text).to_string();
        let title = format!("{}: {}", safe(&reward.policy), safe(&reward.source));
        page.wrapped("  ", &title, Style::Plain);
        for assumption in &reward.assumptions {
            page.wrapped("   - ", &safe(assumption), Style::Dim);
        }
    }
}

fn rewards(page: &mut Page, report: &Report) {
    page.heading("Reward");
    reward_lines(page, &report.rewards);
}

pub(super) fn reward_lines(page: &mut Page, rewards: &[Reward]) {
    for reward in rewards {
        let scenario = match reward.scenario {
            Scenario::AsMeasured => "as it is",
            Scenario::AsIfBareMetal => "as if bare metal",
        };
        let amount = match reward.zero_because {
            Some(reason) => format!("0: {}", reason.text()),
            None => format!(
                "{} USD = {} TFT at {} USD/TFT per {} days",
                reward.usd(),
                reward.tft(),
                crate::reward::Usd(reward.inputs.connection_price_musd),
                reward.period_seconds / 86_400,
            ),
        };
        let style = match (reward.scenario, reward.zero_because) {
            (Scenario::AsMeasured, None) => Style::Strong,
            (Scenario::AsMeasured, Some(_)) => Style::Bad,
            (Scenario::AsIfBareMetal, _) => Style::Dim,
        };
        let policy = Untrusted::from(reward.policy.as_str());
        page.wrapped("   ", &format!("{policy}, {scenario}: {amount}"), style);
    }
}
