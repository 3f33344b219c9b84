//! What a machine is: the serde model that every later step (capacity, cloud units, rewards) and
//! every reader of our JSON stands on.
//!
//! Rules of the format: sizes are integers in bytes, `null` means "not known" and never "none",
//! fields are only ever added (a change of meaning raises [`SCHEMA_VERSION`]), readers ignore keys
//! they do not know and take missing ones as unknown. Text that came from firmware or devices is
//! [`Untrusted`].

use serde::{Deserialize, Serialize};

use crate::text::Untrusted;

mod compute;
mod disk;
mod network;
mod platform;

pub use compute::{CoreKind, Cpu, CpuSource, Dimm, Memory, NumaNode, Vulnerability};
pub use disk::{
    Confidence, Disk, DiskHealth, DiskKind, Exclusion, HealthSource, HealthStatus, KindSource,
    Partition, Signature, Transport,
};
pub use network::{Nic, NicKind};
pub use platform::{
    Bios, Bmc, Board, Boot, BootMedium, BootMediumSource, Chassis, Firmware, Gpu, PciDevice,
    System, Tpm,
};

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
    /// Case (SMBIOS type 3).
    pub chassis: Chassis,
    /// Functions on the PCI buses, in the order of their addresses; unknown when
    /// nobody looked.
    pub pci: Option<Vec<PciDevice>>,
    /// Graphics and compute accelerators among them; unknown when nobody looked.
    pub gpus: Option<Vec<Gpu>>,
    /// Baseboard management controller.
    pub bmc: Bmc,
    /// Trusted platform module.
    pub tpm: Tpm,
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
            chassis: Chassis::default(),
            pci: None,
            gpus: None,
            bmc: Bmc::default(),
            tpm: Tpm::default(),
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
