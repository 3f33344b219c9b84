//! The pane with all that is known of the selected node.

use directory::wire::Node;
use hw_probe::inventory::{Disk, DiskKind, Inventory};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use super::{fit, freshness_style, put};
use crate::columns::place;
use crate::node::{
    Assessment, Liveness, decision, duration_text, inventory, report_age_seconds, uptime_seconds,
};
use crate::state::State;

/// Width of the names in front of the values.
const LABEL: usize = 12;

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, pane: Rect) {
    let theme = state.settings.theme;
    put(frame, pane, 0, rule(state, pane.width));
    let selected = state
        .selected_index()
        .and_then(|index| state.nodes.get(index));
    // Until the details come, the list's row tells what it can.
    let Some(node) = state.detail.as_deref().or(selected) else {
        return;
    };
    let lines = lines(node, state);
    let room = usize::from(pane.height.saturating_sub(1));
    let top = state.detail_top.min(lines.len().saturating_sub(room));
    for (row, (label, value)) in (1_u16..).zip(lines.into_iter().skip(top).take(room)) {
        let value_width = pane
            .width
            .saturating_sub(u16::try_from(LABEL + 1).unwrap_or(0));
        let line = Line::from(vec![
            Span::styled(format!("{label:<LABEL$} "), theme.dim()),
            Span::raw(fit(&value, value_width, theme.glyphs)),
        ]);
        put(frame, pane, row, line);
    }
}

fn rule(state: &State, width: u16) -> Line<'static> {
    let theme = state.settings.theme;
    let freshness = state
        .detail_health
        .freshness(state.now, state.settings.interval);
    let word = freshness.text();
    let dashes = usize::from(width).saturating_sub(word.width() + 11);
    Line::from(vec![
        Span::raw(format!("{} details ", theme.glyphs.rule())),
        Span::styled(word, freshness_style(theme, freshness)),
        Span::raw(format!(" {}", theme.glyphs.rule().repeat(dashes))),
    ])
}

type Entry = (&'static str, String);

fn lines(node: &Node, state: &State) -> Vec<Entry> {
    let assessment = Assessment::of_node(node);
    let hardware = inventory(node);
    let mut lines: Vec<Entry> = vec![
        ("node", node.node_id.to_string()),
        ("state", state_text(node, state)),
        ("farm", node.farm_id.to_string()),
        ("host", node.hostname.to_string()),
        ("place", place(node)),
        ("system", node.os_version.to_string()),
    ];
    if let Some(seconds) = uptime_seconds(node, state.wall) {
        lines.push(("up for", duration_text(seconds)));
    }
    if node.total_resources.cru == 0 {
        lines.push(("capacity", "not reported yet".to_owned()));
        return lines;
    }
    lines.extend(capacity_lines(&assessment));
    match hardware {
        Some(hardware) => lines.extend(hardware_lines(&hardware)),
        None if state.detail.is_some() => {
            lines.push(("hardware", "shown to the farm's owner only".to_owned()));
        }
        None => {}
    }
    lines
}

fn state_text(node: &Node, state: &State) -> String {
    let liveness = Liveness::of(node, state.wall);
    let shape = state.settings.theme.glyphs.liveness(liveness);
    let seen = report_age_seconds(node, state.wall).map_or("never reported".to_owned(), |age| {
        format!("reported {} ago", duration_text(age))
    });
    format!("{shape} {}, {}, {seen}", liveness.word(), decision(node))
}

fn capacity_lines(assessment: &Assessment) -> Vec<Entry> {
    let capacity = assessment.capacity;
    let units = assessment.cloud_units;
    let bare = &assessment.as_bare_metal;
    let mut lines = vec![
        (
            "capacity",
            format!(
                "{} threads, {} memory, {} SSD, {} HDD",
                capacity.cru, capacity.mru_bytes, capacity.sru_bytes, capacity.hru_bytes
            ),
        ),
        (
            "cloud units",
            format!("{} CU, {} SU (grid v3)", units.cu(), units.su()),
        ),
    ];
    if let Some(reward) = &assessment.as_measured {
        let why = reward
            .zero_because
            .map_or(String::new(), |why| format!(" ({})", why.text()));
        lines.push(("reward", format!("{} TFT a month{why}", reward.tft())));
    }
    if assessment.virtualised != Some(false) {
        lines.push((
            "bare metal",
            format!("{} TFT a month for this hardware", bare.tft()),
        ));
    }
    lines
}

fn hardware_lines(hardware: &Inventory) -> Vec<Entry> {
    let mut lines = Vec::new();
    let system = [&hardware.system.vendor, &hardware.system.product];
    let system: Vec<String> = system
        .into_iter()
        .flatten()
        .map(ToString::to_string)
        .collect();
    if !system.is_empty() {
        lines.push(("machine", system.join(" ")));
    }
    if let Some(model) = &hardware.cpu.model {
        lines.push(("processor", model.to_string()));
    }
    if let Some(installed) = hardware.memory.installed_bytes {
        lines.push(("memory", format!("{installed} installed")));
    }
    for disk in &hardware.disks {
        lines.push(("disk", disk_text(disk)));
    }
    for warning in &hardware.warnings {
        lines.push((
            "warning",
            format!("{}: {}", warning.section, warning.message),
        ));
    }
    lines
}

/// Name, size, verdict, and why a disk does not count.
fn disk_text(disk: &Disk) -> String {
    let size = disk
        .size_bytes
        .map_or("size unknown".to_owned(), |size| format!("{size:#}"));
    let kind = match disk.kind {
        DiskKind::Ssd => "SSD",
        DiskKind::Hdd => "HDD",
        DiskKind::UnknownVm => "virtual disk",
        DiskKind::Virtual => "virtual",
        DiskKind::Optical => "optical",
        DiskKind::Mmc => "card",
        DiskKind::Pmem => "persistent memory",
        DiskKind::Unknown => "kind unknown",
    };
    let model = disk
        .model
        .as_ref()
        .map_or(String::new(), |model| format!(" {model}"));
    let counted = match (disk.counted, disk.reason) {
        (true, _) => String::new(),
        (false, Some(reason)) => format!(" (not counted: {})", reason.text()),
        (false, None) => " (not counted)".to_owned(),
    };
    format!("{} {size} {kind}{model}{counted}", disk.name)
}
