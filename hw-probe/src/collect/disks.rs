//! Block devices, from `/sys/block`: what each is, whether it counts, and why not.

mod ask;
mod candidate;
mod class;
mod identity;
mod nvme_admin;
mod seek;
mod sensor;
mod sgio;
mod transport;
mod usage;
mod verdict;

use std::collections::BTreeSet;

use super::ProbeOptions;
use super::boot_medium;
use super::mounts::Mounts;
use crate::inventory::{BootMedium, Disk, DiskKind, Exclusion, Warning};
use crate::root::Root;
use crate::text::Untrusted;
use crate::units::Bytes;

use class::Class;

pub(super) use candidate::Candidate;

/// More disks than any machine has; a snapshot may hold anything.
const DISKS_MAX: usize = 4096;

/// The disks, and the one this system was started from.
#[derive(Debug, Default)]
pub(super) struct Disks {
    pub list: Vec<Disk>,
    pub boot_medium: Option<BootMedium>,
}

pub(super) fn collect(root: &Root, options: &ProbeOptions, warnings: &mut Vec<Warning>) -> Disks {
    let mounts = Mounts::read(root);
    let mut candidates: Vec<Candidate> = names(root, warnings)
        .iter()
        .map(|name| Candidate::read(root, name, &mounts))
        .collect();
    if root.answers_questions() {
        let questions = candidates.iter().enumerate();
        let questions = questions
            .filter_map(|(index, candidate)| candidate.question(index, options.seek_test))
            .collect();
        ask::all(root, questions, warnings, |index, answer| {
            if let Some(candidate) = candidates.get_mut(index) {
                candidate.learn(answer);
            }
        });
    }
    let told = options.boot_medium_disk.as_deref();
    let booted = boot_medium::find(root, told, &candidates, &mounts);
    let mut list: Vec<Disk> = candidates
        .into_iter()
        .map(|candidate| {
            let is_boot_medium = booted.disks.contains(candidate.disk.name.raw());
            let word = options.overrides.get(&candidate.disk);
            candidate.judge(is_boot_medium, word)
        })
        .collect();
    exclude_second_paths(&mut list);
    for disk in list
        .iter()
        .filter(|disk| disk.counted && disk.kind == DiskKind::Unknown)
    {
        warnings.push(Warning::new(
            "disks",
            format!(
                "{}: not known whether SSD or HDD, so it adds to neither",
                disk.name
            ),
        ));
    }
    for id in options.overrides.unused(&list) {
        let text = format!("no disk has the world wide name or serial number {id}");
        warnings.push(Warning::new("disks", text));
    }
    Disks {
        list,
        boot_medium: booted.medium,
    }
}

/// Whole disks, in the order people count them (`sdz` before `sdaa`).
fn names(root: &Root, warnings: &mut Vec<Warning>) -> Vec<String> {
    let mut names = root.names("/sys/block");
    if names.is_empty() {
        names = root.names("/sys/class/block");
        names.retain(|name| !root.exists(format!("/sys/class/block/{name}/partition")));
    }
    names.sort_by(|a, b| {
        let key = |name: &str| {
            let letters = name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
            (
                name[..letters].len(),
                name[..letters].to_owned(),
                name[letters..].parse::<u64>().ok(),
            )
        };
        key(a).cmp(&key(b)).then_with(|| a.cmp(b))
    });
    if names.len() > DISKS_MAX {
        let text = format!(
            "{} block devices; only {DISKS_MAX} are looked at",
            names.len()
        );
        warnings.push(Warning::new("disks", text));
        // Thousands of volumes must not push out the hardware they lie on.
        names.sort_by_key(|name| Class::is_virtual_name(name));
        names.truncate(DISKS_MAX);
    }
    names
}

/// A second path to a disk is the same identity, size and serial again. The first name wins.
fn exclude_second_paths(disks: &mut [Disk]) {
    type Identity = (String, Option<Bytes>, Option<Untrusted>);
    let identity = |disk: &Disk| -> Option<Identity> {
        let wwn = disk.wwn.as_ref()?.raw().trim().to_ascii_lowercase();
        // Some devices have an identifier of zeros only: no identity.
        let digits = wwn.rsplit(['.', 'x']).next().unwrap_or(&wwn);
        let is_one = digits.bytes().any(|b| b != b'0');
        is_one.then(|| (wwn, disk.size_bytes, disk.serial.clone()))
    };
    // What is left out for a reason of the disk's own is left out by every path.
    let own_reason = |disk: &&Disk| {
        matches!(
            disk.reason,
            Some(Exclusion::BootMedium | Exclusion::ReadOnly | Exclusion::Operator)
        )
    };
    let left_out = disks.iter().filter(own_reason).filter_map(identity);
    let mut seen: BTreeSet<Identity> = left_out.collect();
    for disk in disks.iter_mut().filter(|disk| disk.counted) {
        if identity(disk).is_some_and(|identity| !seen.insert(identity)) {
            disk.counted = false;
            disk.reason = Some(Exclusion::DuplicatePath);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_paths_need_the_same_identity() {
        let disk = |name: &str, wwn: &str, gib: u64, serial: &str| Disk {
            name: name.into(),
            wwn: Some(wwn.into()),
            serial: Some(serial.into()),
            size_bytes: Some(Bytes::from_gib(gib)),
            counted: true,
            ..Disk::default()
        };
        let mut disks = [
            disk("sda", "naa.5000c500a", 100, "S1"),
            disk("sdb", "naa.5000C500A", 100, "S1"),
            disk("sdc", "naa.5000c500a", 200, "S1"),
            disk("sdd", "naa.5000c500a", 100, "S2"),
            disk("sde", "naa.0000000000000000", 100, "S1"),
            disk("sdf", "naa.0000000000000000", 100, "S1"),
        ];
        exclude_second_paths(&mut disks);
        let counted: Vec<bool> = disks.iter().map(|disk| disk.counted).collect();
        assert_eq!(counted, [true, false, true, true, true, true]);
        assert_eq!(disks[1].reason, Some(Exclusion::DuplicatePath));

        let mut boot = disk("sda", "naa.5000c500a", 100, "S1");
        boot.counted = false;
        boot.reason = Some(Exclusion::BootMedium);
        let mut paths = [boot, disk("sdb", "naa.5000c500a", 100, "S1")];
        exclude_second_paths(&mut paths);
        assert_eq!(paths[0].reason, Some(Exclusion::BootMedium));
        assert_eq!(paths[1].reason, Some(Exclusion::DuplicatePath));
    }
}
