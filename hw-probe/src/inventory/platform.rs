//! Board, firmware, buses, and how the system was started.

use serde::{Deserialize, Serialize};

use crate::text::Untrusted;
use crate::units::Bytes;

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
    /// Product family.
    pub family: Option<Untrusted>,
    /// Stock keeping unit.
    pub sku: Option<Untrusted>,
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
    /// Whether the firmware is in setup mode: it has no platform key, and anybody may enrol one.
    pub setup_mode: Option<bool>,
    /// The local disk this system was started from; unknown when none was recognised, as after a
    /// start over the network.
    pub medium: Option<BootMedium>,
}

/// The disk this system was started from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BootMedium {
    /// Kernel name of the disk.
    pub disk: Untrusted,
    /// What gave it away.
    pub source: BootMediumSource,
}

/// How the boot medium was recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootMediumSource {
    /// The caller of the probe named the disk.
    Caller,
    /// The disk carries the locator, or the FARMCFG partition, of our boot images.
    Label,
    /// The boot loader left the partition's id in the EFI variable `LoaderDevicePartUUID`.
    LoaderVariable,
    /// The kernel's command line names it (`farm.medium=`, `root=`).
    CommandLine,
    /// `/`, `/boot`, the EFI partition or a live system's medium is mounted from it.
    Mounted,
    /// Written by a newer version of this library.
    #[default]
    #[serde(other)]
    Other,
}

/// Case (SMBIOS type 3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Chassis {
    /// Maker.
    pub vendor: Option<Untrusted>,
    /// Form, such as `rack-mount` or `desktop` (DSP0134, 7.4.1).
    pub kind: Option<String>,
    /// Version.
    pub version: Option<Untrusted>,
    /// Serial number.
    pub serial: Option<Untrusted>,
}

/// One function on a PCI bus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PciDevice {
    /// Domain, bus, device and function, such as `0000:01:00.0`.
    pub address: Untrusted,
    /// Base class, subclass and programming interface in six hexadecimal digits.
    pub class: Option<String>,
    /// What the class means, such as `Ethernet controller`.
    pub class_name: Option<String>,
    /// Vendor id in four hexadecimal digits.
    pub vendor_id: Option<String>,
    /// Device id in four hexadecimal digits.
    pub device_id: Option<String>,
    /// Subsystem vendor id in four hexadecimal digits.
    pub subsystem_vendor_id: Option<String>,
    /// Subsystem device id in four hexadecimal digits.
    pub subsystem_device_id: Option<String>,
    /// Name of the vendor, for the common ones.
    pub vendor: Option<String>,
    /// Kernel driver bound to it.
    pub driver: Option<Untrusted>,
}

/// A graphics or compute accelerator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gpu {
    /// PCI address.
    pub address: Untrusted,
    /// Name of the vendor, for the common ones.
    pub vendor: Option<String>,
    /// Vendor id in four hexadecimal digits.
    pub vendor_id: Option<String>,
    /// Device id in four hexadecimal digits.
    pub device_id: Option<String>,
    /// Name of the model, where the driver tells.
    pub model: Option<Untrusted>,
    /// Kernel driver bound to it.
    pub driver: Option<Untrusted>,
    /// Memory of its own, where the driver tells.
    pub memory_bytes: Option<Bytes>,
}

/// Baseboard management controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bmc {
    /// Whether there is one. Unknown when neither the kernel nor the firmware's tables could tell.
    pub present: Option<bool>,
    /// How the host reaches it: `kcs`, `smic`, `bt`, `ssif`.
    pub interface: Option<String>,
    /// Version of the IPMI specification, such as `2.0`.
    pub ipmi_version: Option<String>,
    /// Firmware revision, where the kernel's driver is loaded.
    pub firmware: Option<Untrusted>,
    /// Whether it offers a network to the host, as for Redfish (SMBIOS type 42).
    pub host_network: Option<bool>,
    /// What gave it away: `driver`, `smbios-38`, `smbios-42`, `acpi-spmi`, `acpi-device`.
    pub evidence: Vec<String>,
}

/// Trusted platform module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tpm {
    /// Whether there is one. Unknown when neither the kernel nor the firmware's tables could tell.
    pub present: Option<bool>,
    /// Version of the specification: `1.2` or `2.0`.
    pub version: Option<String>,
    /// What gave it away: `driver`, `acpi`, `smbios-43`.
    pub evidence: Vec<String>,
}
