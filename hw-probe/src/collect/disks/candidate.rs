//! One block device in the making: what files say of it, what it says itself, and the judgement.

use std::collections::BTreeSet;
use std::path::Path;

use super::ask::{Answer, Language, Question};
use super::class::Class;
use super::identity::{form_factor_of_page, rotation_of_page};
use super::usage::{SYSFS_SECTOR_BYTES, Usage};
use super::verdict::{self, Evidence, Verdict};
use super::{sensor, transport};
use crate::collect::mounts::Mounts;
use crate::collect::udev::UdevRecord;
use crate::disk_names;
use crate::inventory::{Confidence, Disk, DiskKind, Exclusion, KindSource, Signature, Transport};
use crate::overrides::DiskOverride;
use crate::root::Root;
use crate::smbios::meaningful;
use crate::text::Untrusted;
use crate::units::Bytes;

/// More devices than anybody builds one volume on.
const SLAVES_MAX: usize = 256;
/// Label of the farmer's own partition on our images.
const FARMCFG_LABEL: &str = "FARMCFG";

pub(in crate::collect) struct Candidate {
    pub disk: Disk,
    class: Class,
    evidence: Evidence,
    /// Path to a device's per-controller node; the head of the paths is listed by itself.
    hidden: bool,
    test_device: bool,
    language: Language,
    /// Its directory in sysfs.
    link: String,
    /// `MAJOR:MINOR`.
    pub number: Option<String>,
    pub partition_numbers: Vec<Option<String>>,
    pub holders: Vec<String>,
    /// Devices that this one is built on.
    pub slaves: Vec<String>,
}

impl Candidate {
    pub(super) fn read(root: &Root, name: &str, mounts: &Mounts) -> Self {
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
            .and_then(|number| UdevRecord::read(root, &format!("b{number}")))
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
        let raid_volume = disk_names::is_raid_volume(&vendor, &model_name);
        let paravirtual = matches!(
            transport,
            Some(Transport::Virtio | Transport::Xen | Transport::Hyperv | Transport::VmwarePvscsi)
        );
        let usage = Usage::read(root, &link, name, device_number.as_deref(), &udev, mounts);
        let rate_page = root
            .read(format!("{link}/device/vpd_pgb1"))
            .unwrap_or_default();

        let disk = Disk {
            name: name.into(),
            path: format!("/dev/{}", name.replace('!', "/")).into(),
            model: join_model(&vendor, model.as_deref()),
            serial: text("device/serial")
                .or_else(|| text("serial"))
                .or_else(|| serial_page(root, &link))
                .or_else(|| udev.get("ID_SERIAL_SHORT").map(str::to_owned))
                .or_else(|| usb_serial(root, &path))
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
            size_bytes: number("size").map(|n| Bytes(n.saturating_mul(SYSFS_SECTOR_BYTES))),
            logical_sector_bytes: root.number(format!("{link}/queue/logical_block_size")),
            physical_sector_bytes: root.number(format!("{link}/queue/physical_block_size")),
            removable: flag("removable"),
            read_only: flag("ro"),
            form_factor: form_factor_of_page(&rate_page).map(str::to_owned),
            // A live sensor is asked with a deadline, together with the disk.
            temperature_celsius: (!root.answers_questions())
                .then(|| sensor::celsius(root, &link))
                .flatten(),
            signatures: usage.signatures,
            partitions: Some(usage.partitions),
            mounted_at: usage.mounted_at.into_iter().map(Into::into).collect(),
            ..Disk::default()
        };
        let mut slaves = if class == Class::Virtual {
            root.names(format!("{link}/slaves"))
        } else {
            Vec::new()
        };
        slaves.truncate(SLAVES_MAX);
        Self {
            class,
            evidence: Evidence {
                transport,
                raid_volume,
                hypervisor: paravirtual || disk_names::is_hypervisor_disk(&vendor, &model_name),
                ata_rotation: None,
                scsi_rotation: rotation_of_page(&rate_page),
                udev_rpm: udev
                    .get("ID_ATA_ROTATION_RATE_RPM")
                    .and_then(|rpm| rpm.parse().ok()),
                rotational: flag("queue/rotational"),
                discards: number("queue/discard_max_bytes").is_some_and(|bytes| bytes > 0),
                seek_nanos: None,
            },
            hidden: flag("hidden") == Some(true),
            test_device: transport::under(&path, |part| part.starts_with("pseudo_")),
            language: Language {
                ata: is_ata && !raid_volume,
                scsi: scsi_type.is_some(),
                nvme: transport == Some(Transport::Nvme),
            },
            link,
            number: device_number,
            partition_numbers: usage.partition_numbers,
            holders: usage.holders,
            slaves,
            disk,
        }
    }

    /// What to ask the device; `None` where it is not worth disturbing.
    pub(super) fn question(&self, index: usize, seek_test: bool) -> Option<Question> {
        let size = self.disk.size_bytes.filter(|size| size.0 > 0)?;
        if !matches!(self.class, Class::Disk | Class::Mmc) || self.hidden || self.test_device {
            return None;
        }
        // Bridges and cards get no commands, some hang on them; what lies on them anyone may read.
        let is_own_disk = self.class == Class::Disk
            && !matches!(
                self.disk.transport,
                Some(Transport::Usb | Transport::Firewire)
            );
        let partitions = self.disk.partitions.iter().flatten();
        Some(Question {
            index,
            device: self.disk.path.raw().into(),
            link: self.link.clone(),
            language: if is_own_disk {
                self.language
            } else {
                Language::default()
            },
            size_bytes: size.0,
            sector_bytes: self.disk.logical_sector_bytes.unwrap_or(512).into(),
            partitions: partitions
                .map(|p| {
                    let size = p.size_bytes.unwrap_or_default();
                    (p.start_bytes.unwrap_or_default(), size.0)
                })
                .collect(),
            seek_test: seek_test
                && is_own_disk
                && verdict::decide(&self.evidence).confidence == Confidence::None,
        })
    }

    pub(super) fn learn(&mut self, answer: Answer) {
        let disk = &mut self.disk;
        match answer {
            Answer::Identity(identity) => {
                self.evidence.ata_rotation = Some(identity.rotation_rate);
                // sysfs cuts the model at 16 characters.
                disk.model = identity.model.or(disk.model.take());
                disk.serial = identity.serial.or(disk.serial.take());
                disk.firmware = identity.firmware.or(disk.firmware.take());
                disk.form_factor = identity.form_factor.map(str::to_owned);
            }
            Answer::Medium(rate, form_factor) => {
                self.evidence.scsi_rotation = Some(rate);
                disk.form_factor = form_factor.map(str::to_owned);
            }
            Answer::Health(health, celsius) => {
                disk.health = Some(health);
                let celsius = celsius.filter(|celsius| sensor::CELSIUS.contains(celsius));
                disk.temperature_celsius = celsius.or(disk.temperature_celsius);
            }
            Answer::Temperature(celsius) => disk.temperature_celsius = Some(celsius),
            Answer::Content(found) => disk.signatures = Some(found),
            Answer::Gpt(entries) => {
                for partition in disk.partitions.iter_mut().flatten() {
                    let entry = entries
                        .iter()
                        .find(|entry| Some(entry.start_bytes) == partition.start_bytes);
                    if let Some(entry) = entry {
                        partition.uuid = Some(entry.uuid.as_str().into());
                        partition.label = Some(entry.name.as_str().into())
                            .filter(|label: &Untrusted| !label.raw().is_empty());
                    }
                }
            }
            Answer::PartitionContent(index, found) => {
                let partitions = disk.partitions.as_mut();
                if let Some(partition) = partitions.and_then(|list| list.get_mut(index)) {
                    partition.signatures = Some(found);
                }
            }
            Answer::SeekNanos(nanos) => self.evidence.seek_nanos = Some(nanos),
            Answer::Closed(_) | Answer::Done => {}
        }
    }

    /// What lies on the disk and on its partitions.
    pub(in crate::collect) fn signatures(&self) -> impl Iterator<Item = &Signature> {
        let partitions = self.disk.partitions.iter().flatten();
        let on_partitions = partitions.flat_map(|partition| partition.signatures.iter().flatten());
        self.disk.signatures.iter().flatten().chain(on_partitions)
    }

    /// Whether our image builder made it: a boot medium, whichever it was this time.
    pub(in crate::collect) fn is_farmer_medium(&self) -> bool {
        let signatures = self.disk.signatures.iter().flatten();
        let mut partitions = self.disk.partitions.iter().flatten();
        let is_farmcfg = |label: &Option<Untrusted>| {
            label
                .as_ref()
                .is_some_and(|label| label.raw().trim() == FARMCFG_LABEL)
        };
        signatures.clone().any(Signature::is_farmer_medium)
            || partitions.any(|partition| {
                is_farmcfg(&partition.label)
                    || partition
                        .signatures
                        .iter()
                        .flatten()
                        .any(|s| s.kind == "vfat" && is_farmcfg(&s.label))
            })
    }

    /// Whether it is hardware with a medium of its own that could hold the system.
    pub(in crate::collect) fn is_hardware(&self) -> bool {
        self.class != Class::Virtual && !self.hidden
    }

    pub(super) fn judge(self, is_boot_medium: bool, word: Option<DiskOverride>) -> Disk {
        let mut verdict = match self.class {
            Class::Virtual => Verdict::certain(DiskKind::Virtual),
            Class::Optical => Verdict::certain(DiskKind::Optical),
            Class::Mmc => Verdict::certain(DiskKind::Mmc),
            Class::Pmem => Verdict::certain(DiskKind::Pmem),
            Class::NotADisk => Verdict::default(),
            Class::Disk => verdict::decide(&self.evidence),
        };
        if let Some(kind) = word.and_then(|word| word.kind)
            && self.class == Class::Disk
        {
            verdict = Verdict {
                source: KindSource::Override,
                ..Verdict::certain(kind.into())
            };
        }
        let reason = self.exclusion(is_boot_medium, word.is_some_and(|word| word.ignore));
        let used_by = self.used_by();
        let mut disk = self.disk;
        let looked = disk.signatures.is_some();
        disk.in_use = (looked || !used_by.is_empty()).then_some(!used_by.is_empty());
        disk.used_by = disk
            .in_use
            .map(|_| used_by.into_iter().map(Into::into).collect());
        disk.kind = verdict.kind;
        disk.kind_source = verdict.source;
        disk.confidence = verdict.confidence;
        disk.rotation_rpm = verdict.rpm;
        disk.counted = reason.is_none();
        disk.reason = reason;
        disk
    }

    fn exclusion(&self, is_boot_medium: bool, is_ignored: bool) -> Option<Exclusion> {
        let disk = &self.disk;
        match self.class {
            Class::Virtual => Some(Exclusion::Virtual),
            Class::Optical => Some(Exclusion::Optical),
            _ if is_boot_medium || self.is_farmer_medium() => Some(Exclusion::BootMedium),
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
                _ if is_ignored => Some(Exclusion::Operator),
                _ => None,
            },
        }
    }

    /// What keeps the grid from taking the disk, in words.
    fn used_by(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut known = BTreeSet::new();
        let mut add = |word: String| {
            if known.insert(word.clone()) {
                words.push(word);
            }
        };
        let kinds = |list: &Option<Vec<Signature>>| -> Vec<String> {
            list.iter().flatten().map(|s| s.kind.clone()).collect()
        };
        kinds(&self.disk.signatures).into_iter().for_each(&mut add);
        let partitions = self.disk.partitions.as_deref().unwrap_or_default();
        for partition in partitions {
            let name = &partition.name;
            let found = kinds(&partition.signatures);
            if found.is_empty() {
                add(format!("partition {name}"));
            }
            for kind in found {
                add(format!("{kind} on {name}"));
            }
            for point in &partition.mounted_at {
                add(format!("{name} mounted at {point}"));
            }
        }
        for point in &self.disk.mounted_at {
            add(format!("mounted at {point}"));
        }
        for holder in &self.holders {
            add(format!("part of {}", Untrusted::from(holder.as_str())));
        }
        words
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

/// Serial number of the USB device that the disk is part of.
fn usb_serial(root: &Root, device: &Path) -> Option<String> {
    let device = device
        .ancestors()
        .take_while(|path| transport::under(path, |part| part.starts_with("usb")))
        .find(|path| root.exists(path.join("idVendor")))?;
    root.text(device.join("serial"))
}
