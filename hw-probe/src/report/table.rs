//! The report for people: aligned, never wider than asked, nothing in it that a device wrote and
//! a terminal would obey.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Report, Severity};
use crate::capacity::Capacity;
use crate::inventory::{Confidence, Disk, DiskKind, Firmware, KindSource, Nic, Transport};
use crate::reward::Scenario;
use crate::text::Untrusted;
use crate::units::Bytes;

const LABEL: usize = 13;

/// Below this the tables cannot be read.
const WIDTH_MIN: usize = 64;

/// The report as aligned text, at most `width` columns wide (at least 64 are used). `colour` adds
/// SGR sequences; whether to ask for it (`NO_COLOR`, a terminal) is the caller's business.
#[must_use]
pub fn render_table(report: &Report, width: usize, colour: bool) -> String {
    let mut page = Page {
        out: String::new(),
        width: width.max(WIDTH_MIN),
        colour,
    };
    machine(&mut page, report);
    disks(&mut page, &report.inventory.disks);
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
    page.out
}

fn known(text: Option<&Untrusted>) -> String {
    text.map_or_else(|| "unknown".to_owned(), ToString::to_string)
}

fn joined(parts: &[Option<&Untrusted>]) -> Option<String> {
    let parts: Vec<String> = parts.iter().flatten().map(ToString::to_string).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn machine(page: &mut Page, report: &Report) {
    let inventory = &report.inventory;
    page.heading("Machine");
    let system = &inventory.system;
    if let Some(text) = joined(&[system.vendor.as_ref(), system.product.as_ref()]) {
        page.field("System", &text);
    }
    let board = &inventory.board;
    if let Some(text) = joined(&[board.vendor.as_ref(), board.product.as_ref()]) {
        page.field("Board", &text);
    }
    let bios = &inventory.bios;
    if let Some(text) = joined(&[
        bios.vendor.as_ref(),
        bios.version.as_ref(),
        bios.date.as_ref(),
    ]) {
        page.field("Firmware", &text);
    }
    let boot = match (inventory.boot.firmware, inventory.boot.secure_boot) {
        (Some(Firmware::Uefi), Some(true)) => "UEFI, Secure Boot on",
        (Some(Firmware::Uefi), Some(false)) => "UEFI, Secure Boot off",
        (Some(Firmware::Uefi), None) => "UEFI",
        (Some(Firmware::Bios), _) => "BIOS",
        _ => "unknown",
    };
    page.field("Boot", boot);

    let cpu = &inventory.cpu;
    page.field("Processor", &known(cpu.model.as_ref()));
    let count = |n: Option<u32>, one: &str| match n {
        None => format!("? {one}s"),
        Some(1) => format!("1 {one}"),
        Some(n) => format!("{n} {one}s"),
    };
    page.field(
        "",
        &format!(
            "{}, {}, {}, {}",
            count(cpu.logical, "thread"),
            count(cpu.cores, "core"),
            count(cpu.sockets, "socket"),
            count(cpu.numa_nodes, "NUMA node"),
        ),
    );
    page.field(
        "KVM",
        match cpu.hardware_virtualisation {
            Some(true) => "supported by the processor",
            Some(false) => "not offered by the processor",
            None => "unknown",
        },
    );

    let memory = &inventory.memory;
    let size = |bytes: Option<Bytes>| bytes.map_or_else(|| "?".to_owned(), |b| b.to_string());
    let at_least = if memory.installed_is_lower_bound {
        "at least "
    } else {
        ""
    };
    let populated = memory
        .dimms
        .iter()
        .filter(|d| d.is_system_memory && d.size_bytes != Some(Bytes(0)))
        .count();
    let mut text = format!(
        "{} usable, {at_least}{} installed",
        size(memory.usable_bytes),
        size(memory.installed_bytes)
    );
    if let Some(slots) = memory.slots {
        let _ = write!(text, ", {populated} of {slots} slots");
    }
    if let Some(ecc) = &memory.ecc {
        let _ = write!(text, ", ECC {ecc}");
    }
    page.field("Memory", &text);

    let virtualisation = &inventory.virtualisation;
    let text = match (virtualisation.is_virtual, virtualisation.kind.as_deref()) {
        (Some(false), _) => "none, bare metal".to_owned(),
        (Some(true), Some(kind)) => Untrusted::from(kind).to_string(),
        (Some(true), None) => "yes, hypervisor unknown".to_owned(),
        (None, _) => "unknown".to_owned(),
    };
    page.field("Virtual", &text);
}

fn kind_name(kind: DiskKind) -> &'static str {
    match kind {
        DiskKind::Ssd => "ssd",
        DiskKind::Hdd => "hdd",
        DiskKind::UnknownVm => "unknown-vm",
        DiskKind::Virtual => "virtual",
        DiskKind::Optical => "optical",
        DiskKind::Mmc => "mmc",
        DiskKind::Pmem => "pmem",
        DiskKind::Unknown => "unknown",
    }
}

fn transport_name(transport: Option<Transport>) -> &'static str {
    match transport {
        Some(Transport::Nvme) => "nvme",
        Some(Transport::NvmeFabrics) => "nvme-of",
        Some(Transport::Ata) => "ata",
        Some(Transport::Sas) => "sas",
        Some(Transport::Scsi) => "scsi",
        Some(Transport::Usb) => "usb",
        Some(Transport::Firewire) => "firewire",
        Some(Transport::Fc) => "fc",
        Some(Transport::Iscsi) => "iscsi",
        Some(Transport::Virtio) => "virtio",
        Some(Transport::Xen) => "xen",
        Some(Transport::Hyperv) => "hyperv",
        Some(Transport::VmwarePvscsi) => "pvscsi",
        Some(Transport::Mmc) => "mmc",
        Some(Transport::Virtual) => "virtual",
        Some(Transport::Other) | None => "?",
    }
}

fn evidence(disk: &Disk) -> String {
    let source = match disk.kind_source {
        KindSource::Override => "operator",
        KindSource::Nvme => "nvme",
        KindSource::DeviceClass => "device class",
        KindSource::AtaIdentify => "ATA identify",
        KindSource::ScsiVpdB1 => "SCSI page B1",
        KindSource::UdevDb => "udev",
        KindSource::Rotational => "kernel flag",
        KindSource::Discard => "takes discards",
        KindSource::Hypervisor => "hypervisor",
        KindSource::None => "no evidence",
    };
    let mut text = source.to_owned();
    if let Some(rpm) = disk.rotation_rpm {
        let _ = write!(text, ", {rpm} rpm");
    }
    if disk.confidence == Confidence::Low {
        text.push_str(", weak");
    }
    text
}

fn disks(page: &mut Page, disks: &[Disk]) {
    page.heading("Disks");
    // Devices that are no hardware say nothing about the machine; one line stands for them.
    let (hardware, other): (Vec<_>, Vec<_>) = disks
        .iter()
        .partition(|disk| disk.kind != DiskKind::Virtual);
    if hardware.is_empty() {
        page.wrapped("   ", "none found", Style::Plain);
    } else {
        let columns = [10, 12, 11, 9];
        page.row(
            &columns,
            &["NAME", "SIZE", "KIND", "BUS", "MODEL"],
            Style::Dim,
        );
        for disk in hardware {
            let size = disk
                .size_bytes
                .map_or_else(|| "?".to_owned(), |size| size.to_string());
            let model = known(disk.model.as_ref());
            let (style, why) = match disk.reason {
                None => (Style::Plain, evidence(disk)),
                Some(reason) => (Style::Dim, format!("not counted: {}", reason.text())),
            };
            page.row(
                &columns,
                &[
                    &disk.name.shown(),
                    &size,
                    kind_name(disk.kind),
                    transport_name(disk.transport),
                    &model,
                ],
                style,
            );
            page.wrapped(&" ".repeat(2 + columns[0]), &why, Style::Dim);
        }
    }
    if !other.is_empty() {
        page.wrapped(
            "   ",
            &format!("and {} virtual devices, not counted", other.len()),
            Style::Dim,
        );
    }
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
    }
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
    line("as the grid sees", &report.capacity.zero_os, Style::Strong);
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

fn rewards(page: &mut Page, report: &Report) {
    page.heading("Reward");
    for reward in &report.rewards {
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

#[derive(Clone, Copy, PartialEq)]
enum Style {
    Plain,
    Strong,
    Dim,
    Warn,
    Bad,
}

struct Page {
    out: String,
    width: usize,
    colour: bool,
}

impl Page {
    fn styled(&mut self, text: &str, style: Style) {
        let code = match style {
            _ if !self.colour => None,
            Style::Plain => None,
            Style::Strong => Some("1"),
            Style::Dim => Some("2"),
            Style::Warn => Some("33"),
            Style::Bad => Some("31"),
        };
        match code {
            Some(code) => {
                let _ = writeln!(self.out, "\u{1b}[{code}m{text}\u{1b}[0m");
            }
            None => {
                let _ = writeln!(self.out, "{text}");
            }
        }
    }

    fn heading(&mut self, text: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.styled(text, Style::Strong);
    }

    fn field(&mut self, label: &str, value: &str) {
        let mut first = true;
        for line in wrap(value, self.width.saturating_sub(LABEL + 2)) {
            let label = if first { label } else { "" };
            self.styled(&format!("  {label:<LABEL$}{line}"), Style::Plain);
            first = false;
        }
    }

    fn wrapped(&mut self, mark: &str, text: &str, style: Style) {
        let indent = mark.width();
        for (index, line) in wrap(text, self.width.saturating_sub(indent))
            .iter()
            .enumerate()
        {
            let lead = if index == 0 { mark } else { "" };
            self.styled(&format!("{lead:<indent$}{line}"), style);
        }
    }

    /// Fixed columns, then one that takes what is left.
    fn row(&mut self, columns: &[usize], cells: &[&str], style: Style) {
        let mut line = String::from("  ");
        for (index, cell) in cells.iter().enumerate() {
            let left = self.width.saturating_sub(line.width());
            match columns.get(index) {
                Some(&column) if column < left => {
                    let text = cut(cell, column - 1);
                    line.push_str(&text);
                    line.extend(std::iter::repeat_n(' ', column - text.width()));
                }
                _ => line.push_str(&cut(cell, left)),
            }
        }
        let line = line.trim_end().to_owned();
        self.styled(&line, style);
    }
}

/// The text, shortened with an ellipsis to at most `width` columns.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > width {
            break;
        }
        out.push(c);
        used += w;
    }
    if width > 0 {
        out.push('…');
    }
    out
}

/// Lines of at most `width` columns, broken at spaces where there are any.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word.to_owned();
        let last = lines.last().map_or(0, |line| line.width());
        if last > 0 && last + 1 + word.width() > width {
            lines.push(String::new());
        }
        while word.width() > width && width > 0 {
            let mut head = String::new();
            while let Some(c) = word.chars().next() {
                if !head.is_empty() && head.width() + c.width().unwrap_or(0) > width {
                    break;
                }
                head.push(c);
                word.remove(0);
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(&head);
            }
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    lines
}
