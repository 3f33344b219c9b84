//! The management controller. Looking for it through one door only misses many: one server in
//! seven lists none in its SMBIOS tables, and drivers may not be loaded.

use std::time::Duration;

use super::{acpi, deadline::within};
use crate::inventory::{Bmc, Warning};
use crate::root::Root;
use crate::smbios::{Firmware, meaningful};
use crate::text::Untrusted;

/// The driver may ask the controller anew, which takes milliseconds, or seconds when it restarts.
const CONTROLLER_DEADLINE: Duration = Duration::from_secs(2);

pub(super) fn collect(root: &Root, firmware: &Firmware, warnings: &mut Vec<Warning>) -> Bmc {
    let platform = &firmware.platform;
    let interfaces = root.names("/sys/class/ipmi");
    let driver = interfaces.first().cloned().or_else(|| {
        // The device that programs talk to; drivers without a class had it too.
        root.exists("/dev/ipmi0").then(|| "ipmi0".to_owned())
    });
    let tables = acpi::tables(root);
    let mut evidence = Vec::new();
    let mut found = |there: bool, what: &str| {
        if there {
            evidence.push(what.to_owned());
        }
    };
    found(driver.is_some(), "driver");
    found(platform.ipmi.is_some(), "smbios-38");
    found(platform.host_interface.any, "smbios-42");
    found(acpi::has(tables.as_deref(), &["SPMI"]), "acpi-spmi");
    found(acpi::has_device(root, "IPI0001"), "acpi-device");

    let mut bmc = Bmc {
        // Only the tables together may say that there is none.
        present: if !evidence.is_empty() {
            Some(true)
        } else if tables.is_some() && tables_are_complete(root, firmware) {
            Some(false)
        } else {
            None
        },
        host_network: platform.listed.then_some(platform.host_interface.network),
        evidence,
        ..Bmc::default()
    };
    if let Some(name) = driver {
        match ask(root, &name) {
            Some(told) => {
                bmc.interface = told.interface;
                bmc.ipmi_version = told.version;
                bmc.firmware = told.firmware;
            }
            None => warnings.push(Warning::new(
                "bmc",
                "the management controller does not answer",
            )),
        }
    }
    if let Some(device) = &platform.ipmi {
        bmc.interface = bmc
            .interface
            .or_else(|| device.interface.map(str::to_owned));
        bmc.ipmi_version = bmc.ipmi_version.or_else(|| device.version.clone());
    }
    bmc
}

/// Whether the SMBIOS tables were read, or the machine has none.
fn tables_are_complete(root: &Root, firmware: &Firmware) -> bool {
    firmware.platform.listed || !root.exists("/sys/firmware/dmi/tables/DMI")
}

#[derive(Default)]
struct Told {
    interface: Option<String>,
    version: Option<String>,
    firmware: Option<Untrusted>,
}

fn ask(root: &Root, name: &str) -> Option<Told> {
    let root = root.try_clone()?;
    let dir = format!("/sys/class/ipmi/{name}/device");
    within(CONTROLLER_DEADLINE, move || {
        let text = |attribute: &str| root.text(format!("{dir}/{attribute}"));
        Told {
            interface: text("type").filter(|t| matches!(t.as_str(), "kcs" | "smic" | "bt")),
            version: text("bmc/ipmi_version").filter(|version| {
                version.len() <= 5 && version.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            }),
            firmware: text("bmc/firmware_revision").and_then(|text| meaningful(&text)),
        }
    })
}
