//! Disks for people: what each is, whether it counts, how it feels and what lies on it.

use std::fmt::Write as _;

use super::page::{Page, Style};
use super::table::known;
use crate::inventory::{
    Confidence, Disk, DiskHealth, DiskKind, HealthStatus, KindSource, Transport,
};
use crate::text::Untrusted;

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
        KindSource::SeekTest => "seek test",
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

fn health(health: &DiskHealth) -> String {
    let mut words = Vec::new();
    match health.status {
        HealthStatus::Ok => words.push("healthy".to_owned()),
        HealthStatus::Warning => words.push("worn or damaged".to_owned()),
        HealthStatus::Failing => words.push("failing".to_owned()),
        HealthStatus::Unknown => {}
    }
    words.extend(
        health
            .reasons
            .iter()
            .map(|reason| Untrusted::from(reason.as_str()).to_string()),
    );
    // Full wear is among the reasons.
    let wear = health.percentage_used.filter(|used| *used < 100);
    words.extend(wear.map(|used| format!("{used} % worn")));
    words.extend(health.power_on_hours.map(|hours| format!("{hours} h")));
    words.join(", ")
}

fn content(disk: &Disk) -> Option<String> {
    if disk.in_use == Some(false) {
        return Some("empty".to_owned());
    }
    let words: Vec<String> = disk
        .used_by
        .iter()
        .flatten()
        .map(ToString::to_string)
        .collect();
    (!words.is_empty()).then(|| format!("holds data: {}", words.join(", ")))
}

pub(super) fn disks(page: &mut Page, disks: &[Disk]) {
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
            let words: Vec<String> = std::iter::once(why)
                .chain(
                    disk.temperature_celsius
                        .map(|celsius| format!("{celsius} °C")),
                )
                .chain(disk.health.as_ref().map(health))
                .chain(content(disk))
                .collect();
            let detail = match disk.health.as_ref().map(|health| health.status) {
                Some(HealthStatus::Failing) => Style::Bad,
                Some(HealthStatus::Warning) => Style::Warn,
                _ => Style::Dim,
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
            page.wrapped(&" ".repeat(2 + columns[0]), &words.join("; "), detail);
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
