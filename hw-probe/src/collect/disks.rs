//! Block devices, from `/sys/block`: what each is, whether it counts, and why not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::udev::UdevRecord;
use super::verdict::{self, Evidence, Verdict};
use super::{ask, transport};
use crate::inventory::{Disk, DiskKind, Exclusion, Transport, Warning};
use crate::root::Root;
use crate::smbios::meaningful;
use crate::text::Untrusted;
use crate::units::Bytes;

/// More disks than any machine has; a snapshot may hold anything.
const DISKS_MAX: usize = 4096;
/// `size` counts these whatever the sector size.
const SYSFS_SECTOR_BYTES: u64 = 512;

pub(super) fn collect(
    root: &Root,
    boot_medium: Option<&str>,
    warnings: &mut Vec<Warning>,
) -> Vec<Disk> {
    let mounted = mounted_devices(root);
    let mut candidates: Vec<Candidate> = disk_names(root)
        .iter()
        .take(DISKS_MAX)
        .map(|name| Candidate::read(root, name, &mounted))
        .collect();
    if root.answers_questions() {
        let questions = candidates
            .iter()
            .enumerate()
            .filter(|(_, c)| c.is_worth_asking())
            .map(|(index, candidate)| ask::Question {
                index,
                device: PathBuf::from(candidate.disk.path.raw()),
                ata: candidate.speaks_ata,
                scsi: candidate.speaks_scsi,
            });
        for (index, answers) in ask::all(root, questions.collect(), warnings) {
            if let Some(candidate) = candidates.get_mut(index) {
                candidate.learn(answers);
            }
        }
    }
    let mut disks: Vec<Disk> = candidates
        .into_iter()
        .map(|candidate| candidate.judge(boot_medium))
        .collect();
    exclude_second_paths(&mut disks);
    for disk in disks
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
    disks
}

/// Whole disks, in the order people count them (`sdz` before `sdaa`).
fn disk_names(root: &Root) -> Vec<String> {
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
    names
}

/// Device numbers (`8:1`) of everything that is mounted.
fn mounted_devices(root: &Root) -> Vec<String> {
    let data = root
        .read_up_to("/proc/self/mountinfo", 4 << 20)
        .unwrap_or_default();
    String::from_utf8_lossy(&data)
        .lines()
        .filter_map(|line| line.split_ascii_whitespace().nth(2))
        .map(str::to_owned)
        .collect()
}

/// What the name alone says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Virtual,
    Optical,
    Mmc,
    Pmem,
    NotADisk,
    Disk,
}

impl Class {
    fn of(name: &str, device: &Path, scsi_type: Option<u32>) -> Self {
        const VIRTUAL: [&str; 12] = [
            "loop", "ram", "zram", "dm-", "md", "nbd", "drbd", "rbd", "bcache", "zd", "nullb",
            "ublkb",
        ];
        let numbered = |prefix: &str| {
            name.strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '_'))
        };
        if VIRTUAL.iter().any(|prefix| numbered(prefix)) {
            Self::Virtual
        } else if numbered("sr") || numbered("scd") || numbered("fd") {
            Self::Optical
        } else if numbered("mmcblk") {
            Self::Mmc
        } else if numbered("pmem") {
            Self::Pmem
        } else if numbered("mtdblock") || numbered("ubiblock") {
            Self::NotADisk
        } else if device.starts_with("/sys/devices/virtual/block") {
            Self::Virtual
        } else {
            // SPC-5, peripheral device type: 0 disk, 5 and 7 optical, 0Eh and 14h kinds of disk.
            match scsi_type {
                None | Some(0 | 0x0e | 0x14) => Self::Disk,
                Some(5 | 7) => Self::Optical,
                Some(_) => Self::NotADisk,
            }
        }
    }
}

struct Candidate {
    disk: Disk,
    class: Class,
    evidence: Evidence,
    /// Path to a device's per-controller node; the head of the paths is listed by itself.
    hidden: bool,
    test_device: bool,
    /// Whether ATA commands may be sent.
    speaks_ata: bool,
    /// Whether SCSI commands may be sent.
    speaks_scsi: bool,
}

impl Candidate {
    fn read(root: &Root, name: &str, mounted: &[String]) -> Self {
        let link = if root.exists(format!("/sys/block/{name}")) {
            format!("/sys/block/{name}")
        } else {
            format!("/sys/class/block/{name}")
        };
        let path = root.resolve(&link);
        let text = |attribute: &str| root.text(format!("{link}/{attribute}"));
        let number = |attribute: &str| root.number::<u64>(format!("{link}/{attribute}"));
        let flag = |attribute: &str| number(attribute).map(|value| value != 0);

        let device_number = text("dev");
        let udev = device_number
            .as_deref()
            .and_then(|number| UdevRecord::read(root, number))
            .unwrap_or_default();
        let from_udev = |key: &str| udev.get_decoded(key);

        let vendor = text("device/vendor")
            .or_else(|| from_udev("ID_VENDOR"))
            .unwrap_or_default();
        let model = text("device/model").or_else(|| from_udev("ID_MODEL"));
        let model_name = model.clone().unwrap_or_default();
        let transport = transport::of(root, name, &path);
        let scsi_type = number("device/type").and_then(|kind| u32::try_from(kind).ok());
        let class = Class::of(name, &path, scsi_type);
        let is_ata = vendor.trim() == "ATA" || transport == Some(Transport::Ata);
        let raid_volume = verdict::is_raid_volume(&vendor, &model_name);
        let paravirtual = matches!(
            transport,
            Some(Transport::Virtio | Transport::Xen | Transport::Hyperv | Transport::VmwarePvscsi)
        );

        let size_bytes = number("size").map(|n| Bytes(n.saturating_mul(SYSFS_SECTOR_BYTES)));
        let disk = Disk {
            name: name.into(),
            path: format!("/dev/{}", name.replace('!', "/")).into(),
            model: join_model(&vendor, model.as_deref()),
            serial: text("device/serial")
                .or_else(|| text("serial"))
                .or_else(|| serial_page(root, &link))
                .or_else(|| udev.get("ID_SERIAL_SHORT").map(str::to_owned))
                .and_then(|serial| meaningful(&serial)),
            firmware: text("device/firmware_rev")
                .or_else(|| text("device/rev"))
                .or_else(|| udev.get("ID_REVISION").map(str::to_owned))
                .and_then(|rev| meaningful(&rev)),
            wwn: text("wwid")
                .or_else(|| text("device/wwid"))
                .or_else(|| udev.get("ID_WWN_WITH_EXTENSION").map(str::to_owned))
                .or_else(|| udev.get("ID_WWN").map(str::to_owned))
                .and_then(|wwn| meaningful(&wwn)),
            transport,
            size_bytes,
            logical_sector_bytes: root.number(format!("{link}/queue/logical_block_size")),
            physical_sector_bytes: root.number(format!("{link}/queue/physical_block_size")),
            removable: flag("removable"),
            read_only: flag("ro"),
            in_use: in_use(root, &link, name, device_number.as_deref(), &udev, mounted),
            ..Disk::default()
        };
        let rate_page = root
            .read(format!("{link}/device/vpd_pgb1"))
            .unwrap_or_default();
        Self {
            class,
            evidence: Evidence {
                transport,
                raid_volume,
                hypervisor: paravirtual || verdict::is_hypervisor_disk(&vendor, &model_name),
                ata_rotation: None,
                scsi_rotation: rotation_of_page(&rate_page),
                udev_rpm: udev
                    .get("ID_ATA_ROTATION_RATE_RPM")
                    .and_then(|rpm| rpm.parse().ok()),
                rotational: flag("queue/rotational"),
                discards: number("queue/discard_max_bytes").is_some_and(|bytes| bytes > 0),
            },
            hidden: flag("hidden") == Some(true),
            test_device: transport::under(&path, |part| part.starts_with("pseudo_")),
            speaks_ata: is_ata && !raid_volume,
            speaks_scsi: scsi_type.is_some(),
            disk,
        }
    }

    /// Whether it is worth disturbing the device.
    fn is_worth_asking(&self) -> bool {
        self.class == Class::Disk
            && (self.speaks_ata || self.speaks_scsi)
            && !matches!(
                self.disk.transport,
                Some(Transport::Usb | Transport::Firewire)
            )
            && self.disk.size_bytes.is_some_and(|size| size.0 > 0)
    }

    fn learn(&mut self, answers: ask::Answers) {
        if let Some(identity) = answers.identity {
            self.evidence.ata_rotation = Some(identity.rotation_rate);
            // sysfs cuts the model at 16 characters.
            let disk = &mut self.disk;
            disk.model = identity.model.or(disk.model.take());
            disk.serial = identity.serial.or(disk.serial.take());
            disk.firmware = identity.firmware.or(disk.firmware.take());
        }
        if let Some(page) = &answers.rate_page {
            self.evidence.scsi_rotation = rotation_of_page(page).or(self.evidence.scsi_rotation);
        }
    }

    fn judge(self, boot_medium: Option<&str>) -> Disk {
        let Verdict {
            kind,
            source,
            confidence,
            rpm,
        } = match self.class {
            Class::Virtual => Verdict::certain(DiskKind::Virtual),
            Class::Optical => Verdict::certain(DiskKind::Optical),
            Class::Mmc => Verdict::certain(DiskKind::Mmc),
            Class::Pmem => Verdict::certain(DiskKind::Pmem),
            Class::NotADisk => Verdict::default(),
            Class::Disk => verdict::decide(&self.evidence),
        };
        let mut disk = self.disk;
        let reason = match self.class {
            Class::Virtual => Some(Exclusion::Virtual),
            Class::Optical => Some(Exclusion::Optical),
            _ if boot_medium.is_some_and(|name| disk.name == name) => Some(Exclusion::BootMedium),
            _ if self.test_device => Some(Exclusion::TestDevice),
            Class::Mmc => Some(Exclusion::Mmc),
            Class::Pmem => Some(Exclusion::Pmem),
            Class::NotADisk => Some(Exclusion::NotADisk),
            Class::Disk if self.hidden => Some(Exclusion::DuplicatePath),
            Class::Disk => match disk.transport {
                Some(Transport::NvmeFabrics | Transport::Fc | Transport::Iscsi) => {
                    Some(Exclusion::Remote)
                }
                _ if disk.size_bytes.is_none_or(|size| size.0 == 0) => Some(Exclusion::Empty),
                _ if disk.removable == Some(true) => Some(Exclusion::Removable),
                Some(Transport::Usb | Transport::Firewire) => Some(Exclusion::Usb),
                _ if disk.read_only == Some(true) => Some(Exclusion::ReadOnly),
                _ => None,
            },
        };
        disk.kind = kind;
        disk.kind_source = source;
        disk.confidence = confidence;
        disk.rotation_rpm = rpm;
        disk.counted = reason.is_none();
        disk.reason = reason;
        disk
    }
}

/// Vendor and model as one name. `ATA` is the kernel's word for SATA disks, no vendor.
fn join_model(vendor: &str, model: Option<&str>) -> Option<Untrusted> {
    let model = model.and_then(meaningful)?;
    match vendor.trim() {
        "" | "ATA" | "NVMe" => Some(model),
        vendor
            if model
                .raw()
                .to_ascii_lowercase()
                .starts_with(&vendor.to_ascii_lowercase()) =>
        {
            Some(model)
        }
        // udev names the PCI or virtio vendor in numbers.
        vendor if vendor.starts_with("0x") => Some(model),
        vendor => Some(Untrusted::new(format!("{vendor} {}", model.raw()))),
    }
}

/// Unit serial number, SCSI VPD page 80h.
fn serial_page(root: &Root, link: &str) -> Option<String> {
    let page = root.read(format!("{link}/device/vpd_pg80")).ok()?;
    let length = usize::from(*page.get(3)?);
    let text = String::from_utf8_lossy(page.get(4..)?.get(..length)?)
        .trim()
        .to_owned();
    (!text.is_empty()).then_some(text)
}

/// Medium rotation rate in SCSI VPD page B1h.
fn rotation_of_page(page: &[u8]) -> Option<u16> {
    match page {
        [_, 0xb1, _, _, high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

fn in_use(
    root: &Root,
    link: &str,
    name: &str,
    device_number: Option<&str>,
    udev: &UdevRecord,
    mounted: &[String],
) -> Option<bool> {
    let is_mounted = |number: &str| mounted.iter().any(|m| m == number);
    let partitions = root
        .names(link)
        .iter()
        .any(|child| child.starts_with(name) && root.exists(format!("{link}/{child}/partition")));
    if partitions
        || !root.names(format!("{link}/holders")).is_empty()
        || device_number.is_some_and(is_mounted)
        || udev.get("ID_FS_TYPE").is_some()
        || udev.get("ID_PART_TABLE_TYPE").is_some()
    {
        return Some(true);
    }
    // Only udev has looked for signatures; its silence means something once it has seen the disk.
    udev.get("DEVTYPE").map(|_| false)
}

/// A second path to a disk is the same identity, size and serial again. The first name wins.
fn exclude_second_paths(disks: &mut [Disk]) {
    type Identity = (String, Option<Bytes>, Option<Untrusted>);
    let mut seen: BTreeMap<Identity, ()> = BTreeMap::new();
    for disk in disks.iter_mut().filter(|disk| disk.counted) {
        let Some(wwn) = disk
            .wwn
            .as_ref()
            .map(|wwn| wwn.raw().trim().to_ascii_lowercase())
        else {
            continue;
        };
        // Some devices have an identifier of zeros only: no identity.
        let digits = wwn.rsplit(['.', 'x']).next().unwrap_or(&wwn);
        if digits.bytes().all(|b| b == b'0') {
            continue;
        }
        if seen
            .insert((wwn, disk.size_bytes, disk.serial.clone()), ())
            .is_some()
        {
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
    }

    #[test]
    fn classes_by_name() {
        let of = |name: &str| Class::of(name, Path::new("/sys/devices/pci0000:00/x"), None);
        for name in [
            "loop0", "ram1", "zram0", "dm-3", "md127", "md_d0", "nbd0", "drbd1", "rbd0", "zd16",
        ] {
            assert_eq!(of(name), Class::Virtual, "{name}");
        }
        for name in ["sr0", "fd0", "scd1"] {
            assert_eq!(of(name), Class::Optical, "{name}");
        }
        assert_eq!(of("mmcblk0"), Class::Mmc);
        assert_eq!(of("pmem0"), Class::Pmem);
        for name in ["sda", "vda", "nvme0n1", "xvda", "hda", "cciss!c0d0"] {
            assert_eq!(of(name), Class::Disk, "{name}");
        }
        let typed = |kind| Class::of("sda", Path::new("/sys/devices/pci0000:00/x"), Some(kind));
        assert_eq!(
            (typed(0), typed(5), typed(13)),
            (Class::Disk, Class::Optical, Class::NotADisk)
        );
    }
}
