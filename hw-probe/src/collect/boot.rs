//! How the running system was started.

use super::cpu::{CpuInfo, Family};
use super::efivars;
use crate::inventory::{Boot, Firmware, Warning};
use crate::root::Root;

/// The namespace of variables that UEFI itself defines (UEFI 2.10, 3.3).
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";

pub(super) fn collect(root: &Root, cpu: &CpuInfo, warnings: &mut Vec<Warning>) -> Boot {
    if root.exists("/sys/firmware/efi") {
        Boot {
            firmware: Some(Firmware::Uefi),
            secure_boot: flag(root, "SecureBoot", warnings),
            setup_mode: flag(root, "SetupMode", warnings),
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

/// A global variable of one byte that is 0 or 1 (UEFI 2.10, 32.1).
fn flag(root: &Root, name: &str, warnings: &mut Vec<Warning>) -> Option<bool> {
    match root.read(format!("{}/{name}-{GLOBAL}", efivars::DIR)) {
        // Four bytes of attributes, one of value.
        Ok(data) if data.len() == 5 => data.get(4).map(|value| *value == 1),
        Ok(data) => {
            let text = format!("the {name} variable has {} bytes, not 5", data.len());
            warnings.push(Warning::new("boot", text));
            None
        }
        // The variable is absent on firmware without Secure Boot; without efivarfs nothing is
        // known.
        Err(error) if error.is_absent() => (!root.names(efivars::DIR).is_empty()).then_some(false),
        Err(_) => None,
    }
}
