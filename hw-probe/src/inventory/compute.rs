//! Processors and memory.

use serde::{Deserialize, Serialize};

use crate::text::Untrusted;
use crate::units::Bytes;

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
    /// Online dies of all sockets; unknown where the kernel does not tell.
    pub dies: Option<u32>,
    /// Groups of cores that share a cache below the last level, where the kernel tells.
    pub clusters: Option<u32>,
    /// Most online threads on one core.
    pub threads_per_core: Option<u32>,
    /// Whether simultaneous multithreading is in use.
    pub smt: Option<bool>,
    /// Whether the cores differ in kind. Unknown where nothing was found to tell them apart by.
    pub hybrid: Option<bool>,
    /// The kinds of cores of a hybrid processor, fastest first; empty on any other,
    /// unknown when nobody looked.
    pub core_kinds: Option<Vec<CoreKind>>,
    /// The NUMA nodes one by one; unknown when nobody looked.
    pub numa: Option<Vec<NumaNode>>,
    /// Marketing name of the first processor.
    pub model: Option<Untrusted>,
    /// Vendor id, such as `GenuineIntel`.
    pub vendor: Option<Untrusted>,
    /// Family number (x86).
    pub family: Option<u32>,
    /// Model number (x86).
    pub model_number: Option<u32>,
    /// Stepping (x86).
    pub stepping: Option<u32>,
    /// Highest frequency of the fastest core, in MHz.
    pub max_mhz: Option<u32>,
    /// Microcode revision of the first processor, as the kernel prints it.
    pub microcode: Option<Untrusted>,
    /// Feature flags of the first processor, sorted (`svm` or `vmx` among them when the hardware
    /// can run virtual machines).
    pub flags: Vec<String>,
    /// Whether hardware virtualisation is there and not switched off by the firmware: `svm` or
    /// `vmx` is among the flags. The grid refuses nodes without.
    pub hardware_virtualisation: Option<bool>,
    /// Known weaknesses of the processor and what the kernel does about them; unknown
    /// when nobody looked.
    pub vulnerabilities: Option<Vec<Vulnerability>>,
    /// Where the counts come from.
    pub source: Option<CpuSource>,
}

/// One kind of core in a hybrid processor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CoreKind {
    /// `performance`, `efficiency` or `low-power` on x86; `kind-0`, `kind-1`, ... by falling
    /// performance where there are other or more kinds.
    pub name: String,
    /// Online cores of this kind.
    pub cores: u32,
    /// Online threads of this kind.
    pub threads: u32,
    /// Highest frequency in MHz.
    pub max_mhz: Option<u32>,
}

/// One NUMA node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NumaNode {
    /// The kernel's number; numbers may have gaps.
    pub id: u32,
    /// Its hardware threads in the kernel's list format (`0-7,16-23`); empty for a node of memory
    /// only.
    pub cpus: String,
    /// Its memory.
    pub memory_bytes: Option<Bytes>,
    /// Relative distance to every node, in the order of their ids; 10 is its own (ACPI SLIT).
    pub distances: Vec<u32>,
}

/// One processor weakness as `/sys/devices/system/cpu/vulnerabilities` has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vulnerability {
    /// The kernel's name, such as `spectre_v2`.
    pub name: String,
    /// The kernel's words.
    pub status: Untrusted,
    /// Whether the machine is open to it: it is affected and nothing is done about it.
    pub vulnerable: Option<bool>,
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
    /// Bank as the board prints it.
    pub bank: Option<Untrusted>,
    /// Configured speed in megatransfers per second, else the module's maximum.
    pub speed_mts: Option<u32>,
    /// Highest speed of the module in megatransfers per second.
    pub max_speed_mts: Option<u32>,
    /// Ranks of the module.
    pub ranks: Option<u32>,
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
