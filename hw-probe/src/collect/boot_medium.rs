//! Which disks this system was started from: they are not capacity.

use std::collections::BTreeSet;

use super::disks::Candidate;
use super::mounts::{Mount, Mounts};
use crate::inventory::{BootMedium, BootMediumSource, Partition, Signature};
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
    for disk in machine.named_by_loader() {
        found.add(&disk, BootMediumSource::LoaderVariable);
    }
    for point in SYSTEM_MOUNTS {
        for mount in mounts.iter().filter(|mount| mount.point == point) {
            for disk in machine.holding(mount) {
                found.add(&disk, BootMediumSource::Mounted);
            }
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
    fn owners(&self, test: impl Fn(Option<&str>, &str) -> bool) -> BTreeSet<String> {
        let mut owners = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut wanted: Vec<&Candidate> = Vec::new();
        for disk in self.disks {
            let partitions = disk.disk.partitions.iter().flatten();
            let mut parts = partitions.zip(&disk.partition_numbers);
            if test(disk.number.as_deref(), disk.disk.name.raw())
                || parts.any(|(part, number)| test(number.as_deref(), part.name.raw()))
            {
                wanted.push(disk);
            }
        }
        while let Some(disk) = wanted.pop() {
            let name = disk.disk.name.raw();
            if !seen.insert(name) {
                continue;
            }
            if disk.is_hardware() {
                owners.insert(name.to_owned());
            }
            wanted.extend(disk.slaves.iter().filter_map(|slave| self.by_node(slave)));
        }
        owners
    }

    /// The disk of this name, or with a partition of this name.
    fn by_node(&self, node: &str) -> Option<&Candidate> {
        self.disks.iter().find(|disk| {
            let mut partitions = disk.disk.partitions.iter().flatten();
            disk.disk.name == node || partitions.any(|part| part.name == node)
        })
    }

    /// The disks under a mounted file system. Some file systems lie on several and name one, or
    /// none.
    fn holding(&self, mount: &Mount) -> BTreeSet<String> {
        if mount.kind == "zfs" {
            let pool = mount.source.split('/').next().unwrap_or_default();
            return self.with_signature(|s| {
                s.kind == "zfs_member" && s.label.as_ref().is_some_and(|l| l.raw() == pool)
            });
        }
        let mut owners = self.owners(|number, name| mount.is_of(number, name));
        if mount.kind == "btrfs" {
            let uuids: BTreeSet<String> = self
                .disks
                .iter()
                .filter(|disk| owners.contains(disk.disk.name.raw()))
                .flat_map(Candidate::signatures)
                .filter(|signature| signature.kind == "btrfs")
                .filter_map(|signature| Some(signature.uuid.as_ref()?.raw().to_owned()))
                .collect();
            let is_member = |s: &Signature| {
                s.kind == "btrfs" && s.uuid.as_ref().is_some_and(|u| uuids.contains(u.raw()))
            };
            owners.extend(self.with_signature(is_member));
        }
        owners
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
            return self.with_partition_id(uuid);
        }
        if let Some(uuid) = value("UUID=") {
            return self.with_signature(|s| has_id(s, uuid));
        }
        if let Some(label) = value("PARTLABEL=") {
            return self.with_partition(|_, part| {
                part.label
                    .as_ref()
                    .is_some_and(|known| known.raw() == label)
            });
        }
        if let Some(label) = value("LABEL=") {
            return self.with_signature(|s| s.label.as_ref().is_some_and(|l| l.raw() == label));
        }
        if device.starts_with("/dev/") {
            let node = self.root.resolve(device);
            let node = node.to_string_lossy();
            let name = node.trim_start_matches("/dev/");
            return self.owners(|_, candidate| candidate == name);
        }
        BTreeSet::new()
    }

    /// Four bytes of attributes, then the id in UTF-16.
    fn named_by_loader(&self) -> BTreeSet<String> {
        let data = self.root.read(LOADER_PARTITION).unwrap_or_default();
        let (units, _) = data.get(4..).unwrap_or_default().as_chunks::<2>();
        let text: String = char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit)))
            .map_while(Result::ok)
            .take_while(|c| *c != '\0')
            .collect();
        self.with_partition_id(&text)
    }

    /// Disks with a partition of this id: that in a GPT, or an MBR's own with the number of the
    /// partition behind it (`1234abcd-02`).
    fn with_partition_id(&self, id: &str) -> BTreeSet<String> {
        if id.is_empty() {
            return BTreeSet::new();
        }
        self.with_partition(|disk, part| {
            let of_gpt = part
                .uuid
                .as_ref()
                .is_some_and(|known| known.raw().eq_ignore_ascii_case(id));
            let of_mbr = || {
                let (disk_id, number) = id.split_once('-')?;
                let number = u32::from_str_radix(number, 16).ok()?;
                let name = part.name.raw().strip_prefix(disk.disk.name.raw())?;
                let is_number = name.trim_start_matches('p').parse() == Ok(number);
                let is_disk = disk
                    .signatures()
                    .any(|s| s.kind == "dos" && has_id(s, disk_id));
                Some(is_number && is_disk)
            };
            of_gpt || of_mbr() == Some(true)
        })
    }

    fn with_partition(&self, test: impl Fn(&Candidate, &Partition) -> bool) -> BTreeSet<String> {
        let mut named = BTreeSet::new();
        for disk in self.disks {
            for part in disk.disk.partitions.iter().flatten() {
                if test(disk, part) {
                    let name = part.name.raw();
                    named.extend(self.owners(|_, candidate| candidate == name));
                }
            }
        }
        named
    }

    /// Disks with such a signature on them or on a partition, through devices built on them too.
    fn with_signature(&self, test: impl Fn(&Signature) -> bool) -> BTreeSet<String> {
        let mut named = BTreeSet::new();
        for disk in self.disks {
            if disk.signatures().any(&test) {
                let name = disk.disk.name.raw();
                named.extend(self.owners(|_, candidate| candidate == name));
            }
        }
        named
    }
}

fn has_id(signature: &Signature, id: &str) -> bool {
    let known = signature.uuid.as_ref();
    known.is_some_and(|known| known.raw().eq_ignore_ascii_case(id))
}
