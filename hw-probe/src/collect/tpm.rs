//! The trusted platform module.

use super::acpi;
use crate::inventory::Tpm;
use crate::root::Root;
use crate::smbios::Firmware;

pub(super) fn collect(root: &Root, firmware: &Firmware) -> Tpm {
    const DRIVER: &str = "/sys/class/tpm/tpm0";
    let tables = acpi::tables(root);
    let driver = root.exists(DRIVER);
    let table = |name: &str| acpi::has(tables.as_deref(), &[name]);
    let (acpi_2, acpi_1) = (table("TPM2"), table("TCPA"));
    let mut evidence = Vec::new();
    let mut found = |there: bool, what: &str| {
        if there {
            evidence.push(what.to_owned());
        }
    };
    found(driver, "driver");
    found(acpi_2 || acpi_1, "acpi");
    found(firmware.platform.tpm.is_some(), "smbios-43");

    let by_driver = || match root.text(format!("{DRIVER}/tpm_version_major")).as_deref() {
        Some("2") => Some("2.0"),
        Some("1") => Some("1.2"),
        // Kernels before 5.6.
        _ => {
            let text = root.text(format!("{DRIVER}/device/description"))?;
            ["2.0", "1.2"]
                .into_iter()
                .find(|version| text.contains(version))
        }
    };
    let version = driver
        .then(by_driver)
        .flatten()
        .or(match firmware.platform.tpm {
            Some((2, _)) => Some("2.0"),
            Some((1, _)) => Some("1.2"),
            _ => None,
        })
        .or(if acpi_2 {
            Some("2.0")
        } else {
            acpi_1.then_some("1.2")
        });
    Tpm {
        // A module that the firmware has switched off is in no table, and of no use.
        present: if !evidence.is_empty() {
            Some(true)
        } else {
            tables.is_some().then_some(false)
        },
        version: version.map(str::to_owned),
        evidence,
    }
}
