//! The firmware's tables, with the kernel's copies of single fields where the tables themselves
//! may be read by root only.

use super::dmi_memory;
use crate::inventory::Warning;
use crate::root::Root;
use crate::smbios::{self, Firmware, chassis_kind, meaningful};
use crate::text::Untrusted;

pub(super) fn collect(root: &Root, given: Option<&[u8]>, warnings: &mut Vec<Warning>) -> Firmware {
    let table = match given {
        Some(bytes) => smbios::load(bytes)
            .map(Some)
            .map_err(|error| error.to_string()),
        None => smbios::from_root(root),
    };
    let mut firmware = match table {
        Ok(Some(table)) => smbios::decode(&table),
        Ok(None) => from_udev(root, warnings),
        Err(error) => {
            warnings.push(Warning::new("firmware", error));
            if given.is_none() {
                from_udev(root, warnings)
            } else {
                Firmware::default()
            }
        }
    };
    for text in firmware.warnings.drain(..) {
        warnings.push(Warning::new("firmware", text));
    }
    if given.is_none() {
        fill_from_sysfs(root, &mut firmware);
    }
    firmware
}

/// What is known of the memory modules without the tables.
fn from_udev(root: &Root, warnings: &mut Vec<Warning>) -> Firmware {
    let mut firmware = Firmware::default();
    if dmi_memory::fill(root, &mut firmware) {
        warnings.push(Warning::new(
            "memory",
            "memory modules come from udev's record of the firmware's tables",
        ));
    }
    firmware
}

fn fill_from_sysfs(root: &Root, firmware: &mut Firmware) {
    let fill = |field: &mut Option<Untrusted>, name: &str| {
        if field.is_none() {
            *field = root
                .text(format!("/sys/class/dmi/id/{name}"))
                .and_then(|t| meaningful(&t));
        }
    };
    fill(&mut firmware.system.vendor, "sys_vendor");
    fill(&mut firmware.system.product, "product_name");
    fill(&mut firmware.system.version, "product_version");
    fill(&mut firmware.system.serial, "product_serial");
    fill(&mut firmware.system.uuid, "product_uuid");
    fill(&mut firmware.board.vendor, "board_vendor");
    fill(&mut firmware.board.product, "board_name");
    fill(&mut firmware.board.serial, "board_serial");
    fill(&mut firmware.bios.vendor, "bios_vendor");
    fill(&mut firmware.bios.version, "bios_version");
    fill(&mut firmware.bios.date, "bios_date");
    let chassis = &mut firmware.platform.chassis;
    fill(&mut chassis.vendor, "chassis_vendor");
    fill(&mut chassis.version, "chassis_version");
    fill(&mut chassis.serial, "chassis_serial");
    if chassis.kind.is_none() {
        chassis.kind = root
            .number("/sys/class/dmi/id/chassis_type")
            .and_then(chassis_kind)
            .map(str::to_owned);
    }
}
