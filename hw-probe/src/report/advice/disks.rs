//! Advice about disks.

use super::{Adviser, Severity};
use crate::disk_names;
use crate::inventory::{Disk, DiskKind, Exclusion, HealthStatus, Inventory, Transport};
use crate::text::Untrusted;

pub(super) fn advise(adviser: &mut Adviser, inventory: &Inventory) {
    let mut list = |severity, code: &str, text: &str, disks: Vec<String>| {
        if !disks.is_empty() {
            adviser.say(severity, code, format!("{text}: {}", disks.join(", ")));
        }
    };
    let counted = |wanted: &dyn Fn(&Disk) -> bool, word: &dyn Fn(&Disk) -> String| {
        let disks = inventory.counted_disks();
        disks.filter(|disk| wanted(disk)).map(word).collect()
    };
    let name = |disk: &Disk| disk.name.to_string();
    list(
        Severity::Warning,
        "disk-kind-unknown",
        "not counted because it is not known whether SSD or HDD; name their kind yourself if you \
         know it (--disk SERIAL=ssd), or have it measured (--seek-test)",
        counted(&|disk| disk.kind == DiskKind::Unknown, &name),
    );
    let holds_data =
        |disk: &Disk| disk.in_use == Some(true) || disk.signatures.iter().flatten().count() > 0;
    list(
        Severity::Warning,
        "disks-in-use",
        "these disks hold data, and Zero-OS takes only empty disks; save what you need, then wipe \
         them (formatting is not enough)",
        counted(&holds_data, &contents),
    );
    list(
        Severity::Warning,
        "raid-volume",
        "behind a RAID controller, which hides the kind and health of its disks; switch the \
         controller to HBA (IT) mode",
        counted(&is_raid_volume, &name),
    );
    let feels = |status| {
        move |disk: &Disk| {
            disk.health
                .as_ref()
                .is_some_and(|health| health.status == status)
        }
    };
    list(
        Severity::Problem,
        "disk-failing",
        "replace these disks now",
        counted(&feels(HealthStatus::Failing), &trouble),
    );
    list(
        Severity::Warning,
        "disk-health",
        "plan to replace these disks",
        counted(&feels(HealthStatus::Warning), &trouble),
    );
    let disks = inventory.disks.iter();
    list(
        Severity::Info,
        "system-disk",
        "not counted because the running system is on it; started from a stick or the network, and \
         with the disk wiped, the node has it too",
        disks
            .filter(|disk| is_system_disk(disk))
            .map(size)
            .collect(),
    );
}

/// A RAID controller's volume hides what is behind it.
fn is_raid_volume(disk: &Disk) -> bool {
    let model = disk.model.as_ref().map_or("", Untrusted::raw);
    matches!(
        disk.transport,
        Some(Transport::Scsi | Transport::Sas) | None
    ) && disk_names::is_raid_volume(model.split(' ').next().unwrap_or_default(), model)
}

/// A fixed disk that an installed system runs from, and no medium of ours.
fn is_system_disk(disk: &Disk) -> bool {
    disk.reason == Some(Exclusion::BootMedium)
        && disk.removable != Some(true)
        && !matches!(
            disk.transport,
            Some(Transport::Usb | Transport::Firewire | Transport::Mmc)
        )
        && !disk
            .signatures
            .iter()
            .flatten()
            .any(|signature| signature.is_farmer_medium())
}

fn size(disk: &Disk) -> String {
    match disk.size_bytes {
        Some(size) => format!("{} ({size})", disk.name),
        None => disk.name.to_string(),
    }
}

/// `sdb (8 sectors that cannot be read)`.
fn trouble(disk: &Disk) -> String {
    let reasons = disk.health.as_ref().map(|health| health.reasons.join("; "));
    match reasons.filter(|reasons| !reasons.is_empty()) {
        Some(reasons) => format!("{} ({})", disk.name, Untrusted::from(reasons)),
        None => disk.name.to_string(),
    }
}

/// A disk's name and what lies on it: `sda (gpt, ext4)`.
fn contents(disk: &Disk) -> String {
    let mut kinds: Vec<String> = Vec::new();
    let on_partitions = disk
        .partitions
        .iter()
        .flatten()
        .flat_map(|partition| partition.signatures.iter().flatten());
    for signature in disk.signatures.iter().flatten().chain(on_partitions) {
        let kind = Untrusted::from(signature.kind.as_str()).to_string();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        disk.name.to_string()
    } else {
        format!("{} ({})", disk.name, kinds.join(", "))
    }
}
