//! How the running system was started.

use super::cpu::{CpuInfo, Family};
use crate::inventory::{Boot, Firmware, Warning};
use crate::root::Root;

/// UEFI 2.10, 32.1: `SecureBoot` in the EFI global variable namespace.
const SECURE_BOOT: &str =
    "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

pub(super) fn collect(root: &Root, cpu: &CpuInfo, warnings: &mut Vec<Warning>) -> Boot {
    if root.exists("/sys/firmware/efi") {
        let secure_boot = match root.read(SECURE_BOOT) {
            // Four bytes of attributes, one of value.
            Ok(data) if data.len() == 5 => data.get(4).map(|value| *value == 1),
            Ok(data) => {
                let text = format!("the SecureBoot variable has {} bytes, not 5", data.len());
                warnings.push(Warning::new("boot", text));
                None
            }
            // The variable is absent on firmware without Secure Boot; without efivarfs nothing is
            // known.
            Err(error) if error.is_absent() => {
                (!root.names("/sys/firmware/efi/efivars").is_empty()).then_some(false)
            }
            Err(_) => None,
        };
        Boot {
            firmware: Some(Firmware::Uefi),
            secure_boot,
            ..Boot::default()
        }
    } else if root.exists("/sys/firmware") && cpu.family == Family::X86 {
        Boot {
            firmware: Some(Firmware::Bios),
            secure_boot: Some(false),
            ..Boot::default()
        }
    } else {
        Boot::default()
    }
}
