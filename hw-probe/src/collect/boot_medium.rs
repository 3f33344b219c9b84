//! Which disks this system was started from: they are not capacity.

use std::collections::BTreeSet;

use super::disks::Candidate;
use super::mounts::Mounts;
use crate::inventory::{BootMedium, BootMediumSource, Signature};
use crate::root::Root;

/// systemd's Boot Loader Interface: partition that the boot loader was loaded from.
const LOADER_PARTITION: &str =
    "/sys/firmware/efi/efivars/LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
/// Where a running system, or a live one's medium, is mounted.
const SYSTEM_MOUNTS: [&str; 10] = [
    "/",
    "/boot",
    "/boot/efi",
    "/efi",
    "/cdrom",
    "/isodevice",
    "/run/live/medium",
    "/lib/live/mount/medium",
    "/run/initramfs/live",
    "/run/archiso/bootmnt",
];
/// Devices built on devices: a volume on an encrypted volume on a RAID is three.
const STACK_MAX: u32 = 8;

/// The medium by the strongest evidence, and every disk that is one by any.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub medium: Option<BootMedium>,
    pub disks: BTreeSet<String>,
}

impl Found {
    fn add(&mut self, disk: &str, source: BootMediumSource) {
        self.medium.get_or_insert_with(|| BootMedium {
            disk: disk.into(),
            source,
        });
        self.disks.insert(disk.to_owned());
    }
}

pub(super) fn find(root: &Root, told: Option<&str>, disks: &[Candidate], mounts: &Mounts) -> Found {
    let mut found = Found::default();
    if let Some(disk) = told {
        found.add(disk, BootMediumSource::Caller);
    }
    let machine = Machine { root, disks };
    for disk in machine.named_by_command_line() {
        found.add(&disk, BootMediumSource::CommandLine);
    }
    if let Some(disk) = machine.named_by_loader() {
        found.add(&disk, BootMediumSource::LoaderVariable);
    }
    for point in SYSTEM_MOUNTS {
        let mounts = mounts.iter().filter(|mount| mount.point == point);
        let holding: BTreeSet<String> = mounts
            .flat_map(|mount| machine.owners(|number, name| mount.is_of(number, name), STACK_MAX))
            .collect();
        for disk in holding {
            found.add(&disk, BootMediumSource::Mounted);
        }
    }
    // Only one of several of our media can be the one; without better evidence, one alone is.
    let ours: Vec<&Candidate> = disks
        .iter()
        .filter(|disk| disk.is_farmer_medium())
        .collect();
    if let [disk] = ours.as_slice() {
        found.add(disk.disk.name.raw(), BootMediumSource::Label);
    }
    found
}

struct Machine<'a> {
    root: &'a Root,
    disks: &'a [Candidate],
}

impl Machine<'_> {
    /// The hardware disks that hold what the test recognises, itself or through devices built on
    /// them.
    fn owners(&self, test: impl Fn(Option<&str>, &str) -> bool, depth: u32) -> BTreeSet<String> {
        let mut owners = BTreeSet::new();
        for disk in self.disks {
            let partitions = disk.disk.partitions.iter().flatten();
            let mut parts = partitions.zip(&disk.partition_numbers);
            let is_it = test(disk.number.as_deref(), disk.disk.name.raw())
                || parts.any(|(part, number)| test(number.as_deref(), part.name.raw()));
            if !is_it {
                continue;
            }
            if disk.is_hardware() {
                owners.insert(disk.disk.name.raw().to_owned());
            }
            if depth > 0 && !disk.slaves.is_empty() {
                let below = |_: Option<&str>, name: &str| disk.slaves.iter().any(|s| s == name);
                owners.extend(self.owners_below(&below, depth - 1));
            }
        }
        owners
    }

    // The recursion needs one type for all its levels.
    fn owners_below(
        &self,
        test: &dyn Fn(Option<&str>, &str) -> bool,
        depth: u32,
    ) -> BTreeSet<String> {
        self.owners(test, depth)
    }

    fn named_by_command_line(&self) -> BTreeSet<String> {
        let line = self.root.text("/proc/cmdline").unwrap_or_default();
        let mut named = BTreeSet::new();
        for word in line.split_ascii_whitespace() {
            if let Some(guid) = word.strip_prefix("farm.medium=") {
                named.extend(self.with_signature(|s| {
                    (s.kind == "gpt" || s.is_farmer_medium()) && has_id(s, guid)
                }));
            } else if let Some(device) = word.strip_prefix("root=") {
                named.extend(self.named_by_root(device));
            }
        }
        named
    }

    /// Kernel and initramfs understand these forms of `root=`.
    fn named_by_root(&self, device: &str) -> BTreeSet<String> {
        let value = |prefix: &str| device.strip_prefix(prefix).map(|v| v.trim_matches('"'));
        if let Some(uuid) = value("PARTUUID=") {
            // `UUID/PARTNROFF=n` counts from the partition named.
            let uuid = uuid.split('/').next().unwrap_or(uuid);
            return self.with_partition_id(uuid).into_iter().collect();
        }
        if let Some(uuid) = value("UUID=") {
            return self.with_signature(|s| has_id(s, uuid));
        }
        if let Some(label) = value("LABEL=") {
            return self.with_signature(|s| s.label.as_ref().is_some_and(|l| l.raw() == label));
        }
        if device.starts_with("/dev/") {
            let node = self.root.resolve(device);
            let node = node.to_string_lossy();
            let name = node.trim_start_matches("/dev/");
            return self.owners(|_, candidate| candidate == name, STACK_MAX);
        }
        BTreeSet::new()
    }

    /// Four bytes of attributes, then the id in UTF-16.
    fn named_by_loader(&self) -> Option<String> {
        let data = self.root.read(LOADER_PARTITION).ok()?;
        let (units, _) = data.get(4..)?.as_chunks::<2>();
        let text: String = char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit)))
            .map_while(Result::ok)
            .take_while(|c| *c != '\0')
            .collect();
        self.with_partition_id(&text)
    }

    fn with_partition_id(&self, uuid: &str) -> Option<String> {
        let has = |disk: &&Candidate| {
            let mut partitions = disk.disk.partitions.iter().flatten();
            partitions.any(|partition| {
                let known = partition.uuid.as_ref();
                known.is_some_and(|known| known.raw().eq_ignore_ascii_case(uuid))
            })
        };
        let disk = self.disks.iter().find(has)?;
        Some(disk.disk.name.raw().to_owned())
    }

    /// Disks with such a signature on them or on a partition, through devices built on them too.
    fn with_signature(&self, test: impl Fn(&Signature) -> bool) -> BTreeSet<String> {
        let any = |list: &Option<Vec<Signature>>| list.iter().flatten().any(&test);
        let mut named = BTreeSet::new();
        for disk in self.disks {
            let mut partitions = disk.disk.partitions.iter().flatten();
            if any(&disk.disk.signatures) || partitions.any(|p| any(&p.signatures)) {
                let name = disk.disk.name.raw();
                named.extend(self.owners(|_, candidate| candidate == name, STACK_MAX));
            }
        }
        named
    }
}

fn has_id(signature: &Signature, id: &str) -> bool {
    let known = signature.uuid.as_ref();
    known.is_some_and(|known| known.raw().eq_ignore_ascii_case(id))
}
