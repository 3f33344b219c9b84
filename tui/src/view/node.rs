//! All that is known of one node.

use directory::cache::{NodeEvent, NodeEventKind};
use directory::clock::UnixTime;
use directory::wire::{Node, ResourceAmount};
use hw_probe::inventory::{Disk, DiskKind, HealthStatus, Inventory, Nic, NicKind};
use hw_probe::planning::upgrades;
use hw_probe::reward::{Certification, RewardInputs};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{cut, field, freshness_style, section};
use crate::columns::{place, tft_text};
use crate::node::{
    Assessment, Liveness, TWO_BOARDS, TWO_BOARDS_TODO, decision, duration_text, inventory,
    report_age_seconds, uptime_seconds,
};
use crate::state::{Open, State};
use crate::theme::Theme;
use crate::uptime::{MissedUptime, UptimeRisk};

/// Cells of a capacity bar.
const BAR: usize = 24;

pub(super) fn lines(state: &State, open: &Open, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let freshness = open
        .health
        .freshness(state.now, state.settings.interval * 2);
    let mut heading = section(theme, &format!("node {}", open.id), width);
    let word = freshness.text();
    if usize::from(width) > 60 + word.len() {
        let text = cut(
            &format!("{} node {} ", theme.glyphs.rule(), open.id),
            usize::from(width) - word.len() - 1,
            theme.glyphs,
        );
        heading = Line::from(vec![
            Span::styled(text, theme.title()),
            Span::styled(word, freshness_style(theme, freshness)),
        ]);
    }
    let mut page = Page {
        theme,
        width,
        lines: vec![heading],
    };
    match (&open.node, state.row_of(open.id)) {
        (Some(node), _) => {
            page.node(node, state);
            page.events(node, open, state);
        }
        // Until the details come, the table's row tells what it can.
        (None, Some(row)) => {
            page.field("state", row.state_word(state.wall));
            page.field("host", &row.host);
            page.field("place", &row.place());
            page.field("system", &row.os);
        }
        (None, None) => page.field("state", "gone from the directory"),
    }
    page.lines
}

struct Page {
    theme: Theme,
    width: u16,
    lines: Vec<Line<'static>>,
}

impl Page {
    fn field(&mut self, label: &str, value: &str) {
        self.lines.push(field(self.theme, label, value, self.width));
    }

    fn styled(&mut self, label: &str, value: &str, style: Style) {
        let mut line = field(self.theme, label, value, self.width);
        if let Some(value) = line.spans.get_mut(1) {
            value.style = style;
        }
        self.lines.push(line);
    }

    fn section(&mut self, text: &str) {
        self.lines.push(section(self.theme, text, self.width));
    }

    fn node(&mut self, node: &Node, state: &State) {
        let theme = self.theme;
        let now = state.wall;
        let liveness = Liveness::of(node, now);
        let seen = report_age_seconds(node, now).map_or("never reported".to_owned(), |age| {
            format!("reported {} ago", duration_text(age))
        });
        let text = format!(
            "{} {}, {}, {seen}",
            theme.glyphs.liveness(liveness),
            liveness.word(),
            decision(node)
        );
        self.styled("state", &text, theme.state(decision(node), liveness));
        self.field("farm", &node.farm_id.to_string());
        self.field("host", &node.hostname.to_string());
        self.field("place", &place(node));
        self.field("system", &node.os_version.to_string());
        if let Some(seconds) = uptime_seconds(node, now) {
            self.field("up for", &duration_text(seconds));
        }
        self.boot(node, liveness);
        self.two_boards(node, now);
        self.period(node, state);
        let free = if node.free_to_use {
            "accepted"
        } else {
            "not accepted"
        };
        self.field("FreeTFT", free);
        if let Some(config) = &node.public_config {
            let cidr = |value: Option<directory::wire::Cidr>| {
                value.map_or("-".to_owned(), |cidr| cidr.to_string())
            };
            let text = format!(
                "{}, {} on {}",
                cidr(config.ipv4),
                cidr(config.ipv6),
                config.master
            );
            self.field("public", &text);
        }
        self.capacity(node);
        match inventory(node) {
            Some(hardware) => self.hardware(&hardware),
            None => self.field("hardware", "shown to the farm's owner only"),
        }
        for iface in &node.ifaces {
            let addresses: Vec<String> = iface.addrs.iter().map(ToString::to_string).collect();
            let mac = iface
                .macaddress
                .map_or(String::new(), |mac| mac.to_string());
            self.field(
                "address",
                &format!("{} {mac} {}", iface.name, addresses.join(" ")),
            );
        }
    }

    /// How far a node has come that is not at work yet.
    fn boot(&mut self, node: &Node, liveness: Liveness) {
        if liveness != Liveness::New {
            return;
        }
        let told = |is_told, what: &str| {
            let word = if is_told { "told" } else { "not told yet" };
            format!("{what} {word}")
        };
        let text = format!(
            "registered, {}, {}",
            told(node.total_resources.cru > 0, "capacity"),
            told(node.uptime > 0, "uptime")
        );
        self.styled("boot", &text, self.theme.caution());
        let text = "what comes before is on the node's own console: no directory is told";
        self.styled("", text, self.theme.dim());
    }

    /// An identity that two machines use.
    fn two_boards(&mut self, node: &Node, now: UnixTime) {
        let Some(seen) = node.two_boards else {
            return;
        };
        let age = duration_text(now.seconds_since(UnixTime::from(seen)).max(0));
        let text = format!("{TWO_BOARDS}: from two boards, {age} ago");
        self.styled("problem", &text, self.theme.bad());
        self.field("", TWO_BOARDS_TODO);
        self.field("", "then, or if its medium only moved, a approves it again");
    }

    /// What happened to it, the newest first.
    fn events(&mut self, node: &Node, open: &Open, state: &State) {
        self.section("events");
        for (at, text) in events(node, &open.events, state) {
            let age = duration_text(state.wall.secs.saturating_sub(at));
            let room = usize::from(self.width).saturating_sub(16);
            let text = cut(&text, room, self.theme.glyphs);
            self.lines.push(Line::from(vec![
                Span::styled(format!("{age:>8} ago    "), self.theme.dim()),
                Span::raw(text),
            ]));
        }
        if open.events.is_empty() {
            let text = "more comes while this, `farmer dash` or `farmer node list` looks";
            self.styled("", text, self.theme.dim());
        }
    }

    /// What of the period may be lost, against its threshold.
    fn period(&mut self, node: &Node, state: &State) {
        let missed = MissedUptime::of(node, state.wall, Certification::Diy);
        let hours = |seconds: u64| seconds / 3600;
        let end = i64::try_from(missed.period_end).unwrap_or(i64::MAX);
        let left = duration_text(end.saturating_sub(state.wall.secs));
        let text = if missed.joined_late {
            format!("joined too late for this one, which ends in {left}")
        } else {
            format!(
                "off for {}h of the {}h allowed (95 % uptime needed), ends in {left}",
                hours(missed.off_seconds),
                hours(missed.allowed_seconds)
            )
        };
        let style = match missed.risk() {
            UptimeRisk::None => Style::new(),
            UptimeRisk::Near => self.theme.caution(),
            UptimeRisk::Lost => self.theme.bad(),
        };
        self.styled("period", &text, style);
    }

    fn capacity(&mut self, node: &Node) {
        self.section("capacity and reward");
        let total = node.total_resources;
        if total.cru == 0 {
            return self.field("capacity", "not reported yet");
        }
        let reserved = node.reserved_resources;
        #[expect(clippy::cast_precision_loss, reason = "threads are few")]
        let threads = |amount: &ResourceAmount| amount.cru as f64;
        for (label, used, all, unit) in [
            ("threads", threads(&reserved), threads(&total), ""),
            ("memory", reserved.mru, total.mru, " GiB"),
            ("SSD", reserved.sru, total.sru, " GiB"),
            ("HDD", reserved.hru, total.hru, " GiB"),
        ] {
            self.bar(label, used, all, unit);
        }
        let assessment = Assessment::of_node(node);
        let units = assessment.cloud_units;
        self.field(
            "cloud units",
            &format!("{} CU, {} SU (grid v3)", units.cu(), units.su()),
        );
        if let Some(reward) = &assessment.as_measured {
            let why = reward
                .zero_because
                .map_or(String::new(), |why| format!(" ({})", why.text()));
            self.field(
                "reward",
                &format!("{} TFT a period{why}", tft_text(reward.tft_units)),
            );
        }
        if assessment.virtualised != Some(false) {
            let bare = tft_text(assessment.as_bare_metal.tft_units);
            self.field(
                "bare metal",
                &format!("{bare} TFT a period for this hardware"),
            );
        }
        let row = crate::row::NodeRow::from(node);
        self.field("limited by", &super::rewards::why(&row));
        let best = upgrades(&RewardInputs::new(assessment.capacity, false));
        if let Some(best) = best.iter().find(|upgrade| upgrade.musd > 0) {
            self.field("best upgrade", &best.to_string());
        }
    }

    /// Reserved of what there is.
    fn bar(&mut self, label: &str, used: f64, all: f64, unit: &str) {
        if all <= 0.0 {
            return self.field(label, "none");
        }
        let glyphs = self.theme.glyphs;
        let room = BAR.min(usize::from(self.width).saturating_sub(44));
        let share = (used / all).clamp(0.0, 1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a few cells"
        )]
        let filled = (share * room as f64).round() as usize;
        let bar = format!(
            "{}{}",
            glyphs.full().repeat(filled),
            glyphs.hollow().repeat(room.saturating_sub(filled))
        );
        let number = |value: f64| {
            let text = format!("{value:.1}");
            text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
        };
        let text = format!("{bar} {} of {}{unit} in use", number(used), number(all));
        self.field(label, text.trim_start());
    }

    fn hardware(&mut self, hardware: &Inventory) {
        self.section("hardware");
        let system = [&hardware.system.vendor, &hardware.system.product];
        let system: Vec<String> = system
            .into_iter()
            .flatten()
            .map(ToString::to_string)
            .collect();
        if !system.is_empty() {
            self.field("machine", &system.join(" "));
        }
        if let Some(model) = &hardware.cpu.model {
            self.field("processor", &model.to_string());
        }
        if let Some(installed) = hardware.memory.installed_bytes {
            self.field("memory", &format!("{installed} installed"));
        }
        for disk in &hardware.disks {
            let theme = self.theme;
            let health = disk.health.as_ref();
            let style = match health.map(|health| health.status) {
                Some(HealthStatus::Failing) => theme.bad(),
                Some(HealthStatus::Warning) => theme.caution(),
                _ => Style::new(),
            };
            self.styled("disk", &disk_text(disk), style);
        }
        for nic in &hardware.nics {
            if !matches!(nic.kind, NicKind::Loopback | NicKind::Virtual) {
                self.field("network card", &nic_text(nic));
            }
        }
        for warning in &hardware.warnings {
            let text = format!("{}: {}", warning.section, warning.message);
            self.styled("warning", &text, self.theme.caution());
        }
    }
}

/// When, and what, the newest first: what the cache has seen, and what follows from the node itself.
fn events(node: &Node, seen: &[NodeEvent], state: &State) -> Vec<(i64, String)> {
    let mut events: Vec<(i64, String)> = seen.iter().map(|e| (e.at, event_text(e))).collect();
    let silent = Liveness::of(node, state.wall) == Liveness::Down;
    if silent {
        events.push((node.updated.0, "the last report; silent since".to_owned()));
    }
    let booted = node.updated.0.saturating_sub(node.uptime);
    let is_known = seen.iter().any(|event| event.kind == NodeEventKind::Booted);
    if node.uptime > 0 && !is_known {
        events.push((booted, "booted".to_owned()));
    }
    events.push((
        node.created.0,
        format!("registered in farm {}", node.farm_id),
    ));
    events.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    events
}

fn event_text(event: &NodeEvent) -> String {
    let number = |text: &hw_probe::text::Untrusted| text.raw().parse::<i64>().unwrap_or(0);
    match event.kind {
        NodeEventKind::Decided => format!("{}, was {}", event.after, event.before),
        NodeEventKind::Moved => format!("moved from farm {} to {}", event.before, event.after),
        NodeEventKind::Reported => "reported its uptime for the first time".to_owned(),
        NodeEventKind::Back => {
            let away = number(&event.after).saturating_sub(number(&event.before));
            format!("came back after {} of silence", duration_text(away))
        }
        NodeEventKind::Booted => "booted".to_owned(),
        NodeEventKind::Resized => format!("has {}; had {}", event.after, event.before),
    }
}

/// Name, size, verdict, health, and why a disk does not count.
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
    let health = match &disk.health {
        None => String::new(),
        Some(health) => {
            let word = match health.status {
                HealthStatus::Ok => ", healthy",
                HealthStatus::Warning => ", health: WARNING",
                HealthStatus::Failing => ", health: FAILING",
                HealthStatus::Unknown => "",
            };
            let reasons = if health.reasons.is_empty() {
                String::new()
            } else {
                format!(" ({})", health.reasons.join("; "))
            };
            format!("{word}{reasons}")
        }
    };
    format!("{} {size} {kind}{model}{counted}{health}", disk.name)
}

/// Name, speed or "no link", address, driver.
fn nic_text(nic: &Nic) -> String {
    let link = match (nic.link, nic.speed_mbps) {
        (Some(true), Some(speed)) => format!("{speed} Mbit/s"),
        (Some(true), None) => "link".to_owned(),
        (Some(false), _) => "no link".to_owned(),
        (None, _) => "off".to_owned(),
    };
    let some = |text: &Option<hw_probe::text::Untrusted>| {
        text.as_ref()
            .map_or(String::new(), |text| format!(" {text}"))
    };
    format!("{} {link}{}{}", nic.name, some(&nic.mac), some(&nic.driver))
}
