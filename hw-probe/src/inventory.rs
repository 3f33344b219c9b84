//! What a machine is: the serde model that every later step (capacity, cloud units, rewards) and
//! every reader of our JSON stands on.
//!
//! Rules of the format: sizes are integers in bytes, `null` means "not known" and never "none",
//! fields are only ever added (a change of meaning raises [`SCHEMA_VERSION`]), readers ignore keys
//! they do not know and take missing ones as unknown. Text that came from firmware or devices is
//! [`Untrusted`].

use serde::{Deserialize, Serialize};

use crate::text::Untrusted;
use crate::units::Bytes;

/// Version of the JSON this library writes.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything known about one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inventory {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// Processors.
    pub cpu: Cpu,
    /// Main memory.
    pub memory: Memory,
    /// Every block device of the machine, also those that do not count.
    pub disks: Vec<Disk>,
    /// Network interfaces.
    pub nics: Vec<Nic>,
    /// Whether this is a virtual machine or container.
    pub virtualisation: Virtualisation,
    /// System identity (SMBIOS type 1).
    pub system: System,
    /// Mainboard (SMBIOS type 2).
    pub board: Board,
    /// Firmware (SMBIOS type 0).
    pub bios: Bios,
    /// How the running system was started.
    pub boot: Boot,
    /// Momentary values; `null` when another machine's snapshot was read.
    pub live: Option<Live>,
    /// What could not be read or looked implausible.
    pub warnings: Vec<Warning>,
}

impl Default for Inventory {
    fn default() -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            cpu: Cpu::default(),
            memory: Memory::default(),
            disks: Vec::new(),
            nics: Vec::new(),
            virtualisation: Virtualisation::default(),
            system: System::default(),
            board: Board::default(),
            bios: Bios::default(),
            boot: Boot::default(),
            live: None,
            warnings: Vec::new(),
        }
    }
}

impl Inventory {
    /// The disks that count towards capacity.
    pub fn counted_disks(&self) -> impl Iterator<Item = &Disk> {
        self.disks.iter().filter(|disk| disk.counted)
    }
}

/// Where the processor counts were taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CpuSource {
    /// `/sys/devices/system/cpu`: what the kernel schedules on. The truth.
    Sysfs,
    /// `/proc/cpuinfo`: logical count only.
    Cpuinfo,
    /// The firmware's table (SMBIOS type 4), when nothing else was there. Wrong in many virtual
    /// machines.
    Smbios,
    /// Written by a newer version of this library.
    #[serde(other)]
    Other,
}

/// Processors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cpu {
    /// Online hardware threads: the grid's CRU.
    pub logical: Option<u32>,
    /// Hardware threads present, online or not.
    pub present: Option<u32>,
    /// Online physical cores: distinct sets of thread siblings.
    pub cores: Option<u32>,
    /// Populated sockets; unknown where the kernel's package number means something else.
    pub sockets: Option<u32>,
    /// NUMA nodes.
    pub numa_nodes: Option<u32>,
    /// Marketing name of the first processor.
    pub model: Option<Untrusted>,
    /// Vendor id, such as `GenuineIntel`.
    pub vendor: Option<Untrusted>,
    /// Microcode revision of the first processor, as the kernel prints it.
    pub microcode: Option<Untrusted>,
    /// Feature flags of the first processor, sorted (`svm` or `vmx` among them when the hardware
    /// can run virtual machines).
    pub flags: Vec<String>,
    /// Whether hardware virtualisation is there and not switched off by the firmware: `svm` or
    /// `vmx` is among the flags. The grid refuses nodes without.
    pub hardware_virtualisation: Option<bool>,
    /// Where the counts come from.
    pub source: Option<CpuSource>,
}

/// Main memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// `MemTotal`: what the kernel can use. The grid's MRU.
    pub usable_bytes: Option<Bytes>,
    /// Sum of the memory modules (SMBIOS type 17).
    pub installed_bytes: Option<Bytes>,
    /// The firmware did not tell the size of some module, so `installed_bytes` is a lower bound.
    pub installed_is_lower_bound: bool,
    /// Error correction of the main array (SMBIOS type 16): `none`, `single-bit`, `multi-bit`,
    /// `parity`, `crc`.
    pub ecc: Option<String>,
    /// Slots on the board, populated or not.
    pub slots: Option<u32>,
    /// One entry per slot the firmware lists, empty ones included.
    pub dimms: Vec<Dimm>,
}

/// One memory slot (SMBIOS type 17).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dimm {
    /// Slot name as the board prints it.
    pub slot: Option<Untrusted>,
    /// Size; 0 for an empty slot, unknown when the firmware does not say.
    pub size_bytes: Option<Bytes>,
    /// Kind of memory, such as `DDR4`.
    pub kind: Option<String>,
    /// Form factor, such as `DIMM`.
    pub form_factor: Option<String>,
    /// Configured speed in megatransfers per second, else the module's maximum.
    pub speed_mts: Option<u32>,
    /// Whether the module is wider than its data (72 bits for 64): it carries ECC bits.
    pub ecc: Option<bool>,
    /// Maker of the module.
    pub manufacturer: Option<Untrusted>,
    /// Part number of the module.
    pub part_number: Option<Untrusted>,
    /// Serial number of the module.
    pub serial: Option<Untrusted>,
    /// Whether it is main memory (false for flash chips that some boards list as modules).
    pub is_system_memory: bool,
}

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
    /// Whether partitions or other devices lie on it; Zero-OS takes only empty disks.
    pub in_use: Option<bool>,
    /// Whether it counts towards capacity. The kind then decides between SRU and HRU; a counted
    /// disk of unknown kind is in neither.
    pub counted: bool,
    /// Why it does not count.
    pub reason: Option<Exclusion>,
}

/// What a network interface is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NicKind {
    /// A wired port with hardware behind it.
    Ethernet,
    /// Wireless.
    Wifi,
    /// InfiniBand.
    Infiniband,
    /// Attached by USB.
    Usb,
    /// The loopback interface.
    Loopback,
    /// Bridge, bond, VLAN, tunnel, veth and other software interfaces.
    Virtual,
    /// Anything else.
    #[default]
    #[serde(other)]
    Other,
}

/// One network interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Nic {
    /// Interface name.
    pub name: Untrusted,
    /// Current hardware address, lower case with colons.
    pub mac: Option<Untrusted>,
    /// Negotiated speed in Mbit/s; unknown without link.
    pub speed_mbps: Option<u32>,
    /// Kernel driver.
    pub driver: Option<Untrusted>,
    /// Whether there is a carrier; unknown while the interface is down.
    pub link: Option<bool>,
    /// What it is.
    pub kind: NicKind,
}

/// Whether the machine is virtual.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Virtualisation {
    /// Hypervisor or container technology (`kvm`, `vmware`, `xen`, `hyperv`, `lxc`, ...), `none`
    /// on bare metal, unknown when a hypervisor is there but does not say which.
    pub kind: Option<String>,
    /// True for anything but bare metal.
    pub is_virtual: Option<bool>,
    /// Everything that was recognised, most specific first (`aws`, `kvm`).
    pub facts: Vec<String>,
    /// What gave it away (`cpuid`, `dmi`, `sysfs`, `cpuinfo`, `device-tree`, `container`).
    pub source: Option<String>,
}

/// System identity (SMBIOS type 1).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct System {
    /// Maker.
    pub vendor: Option<Untrusted>,
    /// Product name.
    pub product: Option<Untrusted>,
    /// Product version.
    pub version: Option<Untrusted>,
    /// Serial number.
    pub serial: Option<Untrusted>,
    /// System UUID, lower case.
    pub uuid: Option<Untrusted>,
}

/// Mainboard (SMBIOS type 2).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Board {
    /// Maker.
    pub vendor: Option<Untrusted>,
    /// Product name.
    pub product: Option<Untrusted>,
    /// Serial number.
    pub serial: Option<Untrusted>,
}

/// Firmware (SMBIOS type 0).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bios {
    /// Maker.
    pub vendor: Option<Untrusted>,
    /// Version.
    pub version: Option<Untrusted>,
    /// Release date as the firmware writes it.
    pub date: Option<Untrusted>,
}

/// Firmware interface the system was started through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// UEFI.
    Uefi,
    /// Legacy BIOS.
    Bios,
    /// Written by a newer version of this library.
    #[serde(other)]
    Other,
}

/// How the running system was started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Boot {
    /// UEFI or BIOS.
    pub firmware: Option<Firmware>,
    /// Whether Secure Boot is enforced; unknown while efivarfs is not mounted.
    pub secure_boot: Option<bool>,
}

/// Momentary values of the running system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Live {
    /// Seconds since the kernel started.
    pub uptime_seconds: u64,
    /// Load averages over 1, 5 and 15 minutes.
    pub load_average: [f64; 3],
}

/// Something that could not be read or looked wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Warning {
    /// The part of the inventory concerned: `cpu`, `memory`, `disks`, ...
    pub section: String,
    /// What happened; may quote firmware or device text.
    pub message: Untrusted,
}

impl Warning {
    /// A warning about `section`.
    pub fn new(section: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            section: section.into(),
            message: Untrusted::new(message),
        }
    }
}
