//! Structures about what is around the processors: chassis, management controller, TPM.

use smbioslib::{
    SMBiosIpmiDeviceInformation, SMBiosManagementControllerHostInterface, SMBiosStruct,
    SMBiosSystemChassisInformation, SMBiosTpmDevice,
};

use super::Table;
use super::decode::string;
use crate::inventory::Chassis;

/// What the table says about the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Platform {
    /// Whether there was a whole table, so that what is not in it is known to be missing there.
    pub listed: bool,
    /// Type 3.
    pub chassis: Chassis,
    /// Type 38.
    pub ipmi: Option<IpmiDevice>,
    /// Type 42: interfaces between the host and a management controller.
    pub host_interface: HostInterface,
    /// Type 43: the specification's major and minor version.
    pub tpm: Option<(u8, u8)>,
}

/// A management controller (type 38).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpmiDevice {
    /// `kcs`, `smic`, `bt` or `ssif`.
    pub interface: Option<&'static str>,
    /// Version of the IPMI specification.
    pub version: Option<String>,
}

/// Which interfaces to a management controller are listed (type 42).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostInterface {
    /// Any that a standard defines.
    pub any: bool,
    /// A network, as Redfish uses it.
    pub network: bool,
}

pub(super) fn decode(table: &Table) -> Platform {
    let data = &table.data;
    let mut platform = Platform {
        listed: table.warnings.is_empty(),
        ..Platform::default()
    };
    if let Some(chassis) = data.first::<SMBiosSystemChassisInformation<'_>>() {
        let parts = chassis.parts();
        platform.chassis = Chassis {
            vendor: string(parts, 0x04),
            kind: parts
                .get_field_byte(0x05)
                .and_then(chassis_kind)
                .map(str::to_owned),
            version: string(parts, 0x06),
            serial: string(parts, 0x07),
        };
    }
    if let Some(device) = data.first::<SMBiosIpmiDeviceInformation<'_>>() {
        let parts = device.parts();
        platform.ipmi = Some(IpmiDevice {
            interface: parts.get_field_byte(0x04).and_then(ipmi_interface),
            // Binary coded decimal: 20h for 2.0.
            version: parts
                .get_field_byte(0x05)
                .map(|bcd| (bcd >> 4, bcd & 15))
                .filter(|(major, minor)| (1..=9).contains(major) && *minor <= 9)
                .map(|(major, minor)| format!("{major}.{minor}")),
        });
    }
    for interface in data.defined_struct_iter::<SMBiosManagementControllerHostInterface<'_>>() {
        const NETWORK: u8 = 0x40;
        const OEM: u8 = 0xf0;
        match interface.parts().get_field_byte(0x04) {
            Some(NETWORK) => {
                platform.host_interface = HostInterface {
                    any: true,
                    network: true,
                }
            }
            // What makers of desktop boards mean by theirs is anybody's guess.
            None | Some(0 | OEM..) => {}
            Some(_) => platform.host_interface.any = true,
        }
    }
    if let Some(device) = data.first::<SMBiosTpmDevice<'_>>() {
        let parts = device.parts();
        platform.tpm = parts.get_field_byte(0x08).zip(parts.get_field_byte(0x09));
    }
    platform
}

fn ipmi_interface(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "kcs",
        2 => "smic",
        3 => "bt",
        4 => "ssif",
        _ => return None,
    })
}

/// Names of chassis types (DSP0134, 7.4.1); bit 7 says that there is a lock.
pub(crate) fn chassis_kind(code: u8) -> Option<&'static str> {
    Some(match code & 0x7f {
        0x03 => "desktop",
        0x04 => "low-profile-desktop",
        0x05 => "pizza-box",
        0x06 => "mini-tower",
        0x07 => "tower",
        0x08 => "portable",
        0x09 => "laptop",
        0x0a => "notebook",
        0x0b => "hand-held",
        0x0c => "docking-station",
        0x0d => "all-in-one",
        0x0e => "sub-notebook",
        0x0f => "space-saving",
        0x10 => "lunch-box",
        0x11 => "main-server",
        0x12 => "expansion",
        0x13 => "sub-chassis",
        0x14 => "bus-expansion",
        0x15 => "peripheral",
        0x16 => "raid",
        0x17 => "rack-mount",
        0x18 => "sealed-pc",
        0x19 => "multi-system",
        0x1a => "compact-pci",
        0x1b => "advanced-tca",
        0x1c => "blade",
        0x1d => "blade-enclosure",
        0x1e => "tablet",
        0x1f => "convertible",
        0x20 => "detachable",
        0x21 => "iot-gateway",
        0x22 => "embedded-pc",
        0x23 => "mini-pc",
        0x24 => "stick-pc",
        _ => return None,
    })
}
