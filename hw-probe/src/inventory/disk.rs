//! Disks: what they are, what is on them, and how they feel.

use serde::{Deserialize, Serialize};

use crate::text::Untrusted;
use crate::units::Bytes;

/// What a disk is made of, as far as capacity cares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskKind {
    /// Solid state: counts as SRU.
    Ssd,
    /// Rotating: counts as HRU.
    Hdd,
    /// A hypervisor's disk that says nothing reliable about the medium behind it.
    UnknownVm,
    /// Not hardware: loop, RAM, device mapper, software RAID, network block device.
    Virtual,
    /// CD, DVD or floppy drive.
    Optical,
    /// SD card or eMMC.
    Mmc,
    /// Persistent memory.
    Pmem,
    /// Not known: counts in neither, and says so in a warning.
    #[default]
    #[serde(other)]
    Unknown,
}

/// How a disk is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// PCIe NVMe.
    Nvme,
    /// NVMe over a network.
    NvmeFabrics,
    /// SATA or PATA.
    Ata,
    /// Serial attached SCSI.
    Sas,
    /// Some SCSI host, often a RAID controller's volume.
    Scsi,
    /// USB.
    Usb,
    /// FireWire.
    Firewire,
    /// Fibre Channel.
    Fc,
    /// iSCSI.
    Iscsi,
    /// virtio block or SCSI.
    Virtio,
    /// Xen block device.
    Xen,
    /// Hyper-V storage.
    Hyperv,
    /// VMware paravirtual SCSI.
    VmwarePvscsi,
    /// SD or eMMC.
    Mmc,
    /// Made by the kernel, no hardware.
    Virtual,
    /// Written by a newer version of this library.
    #[serde(other)]
    Other,
}

/// Which evidence decided a disk's kind, strongest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KindSource {
    /// The operator said so.
    Override,
    /// An NVMe device without a rotating endurance group.
    Nvme,
    /// The kind of device (card, tape, loop, ...).
    DeviceClass,
    /// ATA IDENTIFY DEVICE word 217, nominal media rotation rate (ACS-3).
    AtaIdentify,
    /// SCSI VPD page B1h, medium rotation rate (SBC-3).
    ScsiVpdB1,
    /// udev's record of the rotation rate.
    UdevDb,
    /// `queue/rotational` on a transport that tells the truth.
    Rotational,
    /// Measured seek times.
    SeekTest,
    /// The device takes discards.
    Discard,
    /// A hypervisor's disk and nothing better.
    Hypervisor,
    /// Nothing.
    #[default]
    #[serde(other)]
    None,
}

/// How far a verdict can be trusted.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// A hint only.
    Low = 1,
    /// The kernel's view of an honest transport.
    Medium = 2,
    /// The device itself said so.
    High = 3,
    /// It cannot be otherwise.
    Certain = 4,
    /// No evidence.
    #[default]
    #[serde(other)]
    None = 0,
}

/// Why a block device does not count towards capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exclusion {
    /// Loop, RAM, device mapper, md, network block and the like: built on other devices.
    Virtual,
    /// CD, DVD or floppy.
    Optical,
    /// SD card or eMMC.
    Mmc,
    /// Persistent memory.
    Pmem,
    /// No medium (empty card reader): size 0.
    Empty,
    /// Removable medium.
    Removable,
    /// Attached by USB or FireWire.
    Usb,
    /// Fibre Channel, iSCSI, NVMe over fabrics: somebody else's machine.
    Remote,
    /// The kernel's test device.
    TestDevice,
    /// A second path to a disk that is already counted.
    DuplicatePath,
    /// Write protected.
    ReadOnly,
    /// The medium this system was started from.
    BootMedium,
    /// A hardware device that is no disk (tape, enclosure, RPMB and boot partitions).
    NotADisk,
    /// The operator said so.
    Operator,
    /// Written by a newer version of this library.
    #[serde(other)]
    Other,
}

impl Exclusion {
    /// The reason in words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Virtual => "virtual or stacked device",
            Self::Optical => "optical or floppy drive",
            Self::Mmc => "SD card or eMMC",
            Self::Pmem => "persistent memory",
            Self::Empty => "no medium",
            Self::Removable => "removable",
            Self::Usb => "attached by USB",
            Self::Remote => "remote storage",
            Self::TestDevice => "test device",
            Self::DuplicatePath => "second path to the same disk",
            Self::ReadOnly => "read-only",
            Self::BootMedium => "boot medium",
            Self::NotADisk => "not a disk",
            Self::Operator => "left out by the operator",
            Self::Other => "other reason",
        }
    }
}

/// One block device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Disk {
    /// Kernel name, such as `sda`.
    pub name: Untrusted,
    /// Device node, such as `/dev/sda`.
    pub path: Untrusted,
    /// Model as the device reports it.
    pub model: Option<Untrusted>,
    /// Serial number.
    pub serial: Option<Untrusted>,
    /// Firmware revision.
    pub firmware: Option<Untrusted>,
    /// World wide name, EUI-64 or NGUID, as the kernel writes it.
    pub wwn: Option<Untrusted>,
    /// How it is attached.
    pub transport: Option<Transport>,
    /// Size of the whole device.
    pub size_bytes: Option<Bytes>,
    /// Logical sector size in bytes.
    pub logical_sector_bytes: Option<u32>,
    /// Physical sector size in bytes.
    pub physical_sector_bytes: Option<u32>,
    /// The verdict.
    pub kind: DiskKind,
    /// What decided it.
    pub kind_source: KindSource,
    /// How far to trust it.
    pub confidence: Confidence,
    /// Revolutions per minute of a rotating disk.
    pub rotation_rpm: Option<u32>,
    /// Whether the medium can be taken out.
    pub removable: Option<bool>,
    /// Whether it is write protected.
    pub read_only: Option<bool>,
    /// Whether partitions, a file system or other devices lie on it; Zero-OS takes only empty
    /// disks.
    pub in_use: Option<bool>,
    /// Why `in_use` is true, in words; unknown when nobody looked.
    pub used_by: Option<Vec<Untrusted>>,
    /// What was found on the whole disk: partition table, file system, RAID or volume member. Empty
    /// when nothing was found; unknown when nobody could look.
    pub signatures: Option<Vec<Signature>>,
    /// The partitions the kernel sees; unknown when nobody looked.
    pub partitions: Option<Vec<Partition>>,
    /// Where the whole disk is mounted, without partitions.
    pub mounted_at: Vec<Untrusted>,
    /// Form factor, such as `2.5 inch`.
    pub form_factor: Option<String>,
    /// Temperature in degrees Celsius.
    pub temperature_celsius: Option<i32>,
    /// What the disk says about its condition; unknown when it was not or could not be asked.
    pub health: Option<DiskHealth>,
    /// Whether it counts towards capacity. The kind then decides between SRU and HRU; a counted
    /// disk of unknown kind is in neither.
    pub counted: bool,
    /// Why it does not count.
    pub reason: Option<Exclusion>,
}

/// Content recognised by its signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Signature {
    /// What it is, in the words of `blkid`: `gpt`, `dos`, `ext4`, `xfs`, `btrfs`, `crypto_LUKS`,
    /// `LVM2_member`, `linux_raid_member`, `zfs_member`, `swap`, `ntfs`, `vfat`, `iso9660`,
    /// `bcache`, ...; `farmer-medium` for our own boot images.
    pub kind: String,
    /// Where the signature lies, in bytes from the start of the disk or partition; unknown when
    /// udev found it.
    pub offset_bytes: Option<u64>,
    /// Label.
    pub label: Option<Untrusted>,
    /// UUID or serial number, lower case.
    pub uuid: Option<Untrusted>,
}

impl Signature {
    /// The kind given to media that our image builder made.
    pub const FARMER_MEDIUM: &str = "farmer-medium";

    /// Whether it marks a medium that our image builder made.
    #[must_use]
    pub fn is_farmer_medium(&self) -> bool {
        self.kind == Self::FARMER_MEDIUM
    }
}

/// One partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Partition {
    /// Kernel name, such as `sda1`.
    pub name: Untrusted,
    /// Where it starts, in bytes from the start of the disk.
    pub start_bytes: Option<u64>,
    /// Size.
    pub size_bytes: Option<Bytes>,
    /// Name in the partition table (GPT).
    pub label: Option<Untrusted>,
    /// Id in the partition table, lower case.
    pub uuid: Option<Untrusted>,
    /// What lies on it, as for the disk.
    pub signatures: Option<Vec<Signature>>,
    /// Where it is mounted.
    pub mounted_at: Vec<Untrusted>,
}

/// A disk's condition at a glance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthStatus {
    /// Nothing to see.
    Ok,
    /// It works, but has lost sectors, is worn out or too hot: plan a replacement.
    Warning,
    /// It says itself that it fails: replace it now.
    Failing,
    /// The disk does not say.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Where a disk's health was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthSource {
    /// NVMe SMART / Health Information log page 02h.
    NvmeSmart,
    /// ATA SMART and device statistics.
    AtaSmart,
    /// SCSI log pages.
    ScsiLog,
    /// Written by a newer version of this library.
    #[default]
    #[serde(other)]
    Other,
}

/// What a disk says about its condition and wear. Counts are over its whole life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskHealth {
    /// At a glance.
    pub status: HealthStatus,
    /// Where it was read.
    pub source: HealthSource,
    /// Why the status is not `ok`, in words.
    pub reasons: Vec<String>,
    /// Hours powered on.
    pub power_on_hours: Option<u64>,
    /// Times powered on.
    pub power_cycles: Option<u64>,
    /// Times power was lost without warning.
    pub unsafe_shutdowns: Option<u64>,
    /// Wear in percent of the endurance the maker promises; may exceed 100.
    pub percentage_used: Option<u32>,
    /// Spare blocks left, in percent (NVMe).
    pub available_spare_percent: Option<u32>,
    /// Sectors replaced by spare ones (ATA).
    pub reallocated_sectors: Option<u64>,
    /// Sectors waiting to be replaced (ATA).
    pub pending_sectors: Option<u64>,
    /// Errors the disk could not correct.
    pub uncorrectable_errors: Option<u64>,
    /// Errors on the cable (ATA).
    pub interface_crc_errors: Option<u64>,
    /// Data read by the host.
    pub read_bytes: Option<Bytes>,
    /// Data written by the host.
    pub written_bytes: Option<Bytes>,
}
