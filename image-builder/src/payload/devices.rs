//! What people call the devices behind drivers that ask for firmware, and where Debian has it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// The table that comes with this program.
const TABLE: &str = include_str!("../../../kernel-config/firmware.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    driver: BTreeMap<String, Driver>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Driver {
    device: String,
    package: String,
}

/// Firmware that a driver in the image may ask for and the image does not carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingFirmware {
    /// The kernel module.
    pub driver: String,
    /// What people call its devices, if that is known.
    pub device: Option<String>,
    /// Debian package that has the files, if that is known.
    pub package: Option<String>,
    /// The files, relative to `/lib/firmware`.
    pub files: Vec<String>,
}

/// Words for what is missing, by driver.
#[must_use]
pub fn describe_missing(missing: &BTreeMap<String, Vec<String>>) -> Vec<MissingFirmware> {
    let table = table();
    missing
        .iter()
        .map(|(driver, files)| {
            let known = table.get(driver);
            MissingFirmware {
                driver: driver.clone(),
                device: known.map(|known| known.device.clone()),
                package: known.map(|known| known.package.clone()),
                files: files.clone(),
            }
        })
        .collect()
}

/// The Debian packages that have firmware of any known driver, each once.
#[must_use]
pub fn packages() -> Vec<String> {
    let drivers = table().values();
    let mut packages: Vec<String> = drivers.map(|driver| driver.package.clone()).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// What people call the devices of each of these drivers.
pub(super) fn names<'a>(drivers: impl IntoIterator<Item = &'a String>) -> BTreeMap<String, String> {
    drivers
        .into_iter()
        .filter_map(|driver| {
            let known = table().get(driver)?;
            Some((driver.clone(), known.device.clone()))
        })
        .collect()
}

fn table() -> &'static BTreeMap<String, Driver> {
    static PARSED: LazyLock<Table> = LazyLock::new(|| {
        #[expect(clippy::expect_used, reason = "part of the program; a test parses it")]
        toml::from_str(TABLE).expect("the firmware table parses")
    });
    &PARSED.driver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_names_and_packages() {
        let missing = BTreeMap::from([
            ("bnx2".to_owned(), vec!["bnx2/a.fw".to_owned()]),
            ("obscure".to_owned(), vec!["x".to_owned()]),
        ]);
        let described = describe_missing(&missing);
        assert_eq!(
            described[0].device.as_deref(),
            Some("Broadcom NetXtreme II")
        );
        assert_eq!(described[1].device, None);
        assert!(packages().contains(&"firmware-bnx2".to_owned()));
        for (driver, entry) in table() {
            assert!(
                !entry.device.is_empty() && !driver.contains('-'),
                "{driver}"
            );
        }
    }
}
