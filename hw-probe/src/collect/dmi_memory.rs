//! Memory modules as udev remembers them. The firmware's tables can be read by root only, but at
//! boot udev's `dmi_memory_id` writes their memory devices into the record of the DMI device, which
//! everybody may read.

use super::udev::UdevRecord;
use crate::inventory::Dimm;
use crate::root::Root;
use crate::smbios::{Firmware, meaningful};
use crate::units::{Bytes, TIB};

/// More modules than any board has.
const MODULES_MAX: u32 = 4096;
/// No single module is larger today.
const MODULE_MAX: Bytes = Bytes(4 * TIB);

/// Fills the memory part of `firmware`; whether there was a record that says anything.
pub(super) fn fill(root: &Root, firmware: &mut Firmware) -> bool {
    let Some(properties) = UdevRecord::read(root, "+dmi:id") else {
        return false;
    };
    let mut total = Bytes::ZERO;
    let mut unknown = false;
    for index in 0..MODULES_MAX {
        let prefix = format!("MEMORY_DEVICE_{index}_");
        if !properties.has_any(&prefix) {
            break;
        }
        let dimm = dimm(&properties, &prefix);
        if dimm.is_system_memory {
            match dimm.size_bytes {
                Some(size) => total += size,
                None => unknown = true,
            }
        }
        firmware.dimms.push(dimm);
    }
    if firmware.dimms.is_empty() {
        return false;
    }
    // `MEMORY_ARRAY_NUM_DEVICES` is that of the last array only; every slot is listed anyway.
    let slots = firmware.dimms.iter().filter(|d| d.is_system_memory).count();
    firmware.slots = u32::try_from(slots).ok();
    firmware.installed_is_lower_bound = unknown;
    if total > Bytes::ZERO || !unknown {
        firmware.installed_bytes = Some(total);
    }
    firmware.ecc = match properties.get("MEMORY_ARRAY_EC_TYPE") {
        Some("Parity") => Some("parity"),
        Some("Single-bit ECC") => Some("single-bit"),
        Some("Multi-bit ECC") => Some("multi-bit"),
        Some("CRC") => Some("crc"),
        // `None` is what it does not print, where there is an array at all.
        None if properties.has_any("MEMORY_ARRAY_LOCATION") => Some("none"),
        _ => None,
    }
    .map(str::to_owned);
    true
}

fn dimm(properties: &UdevRecord, prefix: &str) -> Dimm {
    let get = |name: &str| properties.get(&format!("{prefix}{name}"));
    let text = |name: &str| {
        get(name)
            .filter(|t| *t != "<BAD INDEX>")
            .and_then(meaningful)
    };
    let number = |name: &str| get(name)?.parse::<u32>().ok();
    let populated = get("PRESENT") != Some("0");
    let size = if populated {
        get("SIZE")
            .and_then(|size| size.parse().ok())
            .map(Bytes)
            .filter(|size| *size <= MODULE_MAX)
    } else {
        Some(Bytes::ZERO)
    };
    let said = |name: &str| {
        get(name)
            .filter(|_| populated)
            .filter(|word| !matches!(*word, "Other" | "Unknown" | "Reserved" | "None"))
            .filter(|word| *word != "<OUT OF SPEC>")
    };
    let is_chip = matches!(
        get("TYPE"),
        Some("ROM" | "Flash" | "EEPROM" | "FEPROM" | "EPROM")
    );
    // 65535 refers to a field that udev does not read.
    let speed = |name: &str| number(name).filter(|mts| populated && !matches!(mts, 0 | 0xffff));
    let max_speed_mts = speed("SPEED_MTS");
    Dimm {
        slot: text("LOCATOR"),
        size_bytes: size,
        kind: said("TYPE").map(plain),
        form_factor: said("FORM_FACTOR").map(plain),
        bank: text("BANK_LOCATOR"),
        speed_mts: speed("CONFIGURED_SPEED_MTS").or(max_speed_mts),
        max_speed_mts,
        ranks: number("RANK").filter(|_| populated),
        ecc: number("TOTAL_WIDTH")
            .zip(number("DATA_WIDTH"))
            .filter(|_| populated)
            .map(|(total, data)| total > data),
        manufacturer: text("MANUFACTURER").filter(|_| populated),
        part_number: text("PART_NUMBER").filter(|_| populated),
        serial: text("SERIAL_NUMBER").filter(|_| populated),
        is_system_memory: !is_chip,
    }
}

/// A word of udev's vocabulary; a snapshot may hold anything.
fn plain(word: &str) -> String {
    word.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-'))
        .take(32)
        .collect()
}
