//! What the image says about itself: `/etc/farmer/payload.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

/// Facts about the payload. Read leniently: an image without them still boots.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct PayloadFacts {
    /// Newest modification time among the payload's parts, seconds since 1970: the wall clock
    /// cannot be right if it is earlier.
    pub newest_mtime: u64,
    /// Kernel version, for the first line.
    pub kernel_version: String,
    /// Firmware files a module in the image may ask for and the image does not carry.
    pub missing_firmware: BTreeMap<String, Vec<String>>,
    /// What people call the devices of those modules.
    pub device_names: BTreeMap<String, String>,
}

impl PayloadFacts {
    /// Where the builder puts them.
    pub const PATH: &'static str = "/etc/farmer/payload.json";

    /// Reads the facts, or defaults when there are none.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read(path).unwrap_or_default();
        let facts: Self = serde_json::from_slice(&text).unwrap_or_default();
        Self {
            missing_firmware: facts
                .missing_firmware
                .into_iter()
                .map(|(module, files)| (module.replace('-', "_"), files))
                .collect(),
            ..facts
        }
    }
}

/// A PCI network card's name in words, from its alias; `None` for other devices.
pub fn network_card(modalias: &str) -> Option<String> {
    let id = modalias.strip_prefix("pci:v0000")?;
    let vendor = id.get(..4)?;
    let device = id.get(4..)?.strip_prefix("d0000")?.get(..4)?;
    // Base class 02: network controller.
    if !modalias.contains("bc02") {
        return None;
    }
    let maker = match vendor {
        "8086" => "Intel",
        "14E4" => "Broadcom",
        "10EC" => "Realtek",
        "15B3" => "Mellanox",
        "1077" => "QLogic",
        "1425" => "Chelsio",
        "1924" => "Solarflare",
        "19A2" | "10DF" => "Emulex",
        "1969" => "Qualcomm Atheros",
        "11AB" => "Marvell",
        "1D6A" => "Aquantia",
        "10DE" => "NVIDIA",
        "1AF4" => "virtio",
        _ => "unknown maker",
    };
    let (vendor, device) = (vendor.to_lowercase(), device.to_lowercase());
    Some(format!("network card {maker} [{vendor}:{device}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_leniently() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("payload.json");
        assert_eq!(PayloadFacts::read(&path), PayloadFacts::default());
        std::fs::write(&path, "not json").unwrap();
        assert_eq!(PayloadFacts::read(&path), PayloadFacts::default());
        std::fs::write(
            &path,
            r#"{"newest_mtime": 1760000000, "something_new": [],
                "missing_firmware": {"bnx2-x": ["bnx2/a.fw"]}}"#,
        )
        .unwrap();
        let facts = PayloadFacts::read(&path);
        assert_eq!(facts.newest_mtime, 1_760_000_000);
        assert_eq!(facts.missing_firmware["bnx2_x"], ["bnx2/a.fw"]);
    }

    #[test]
    fn cards_are_named_and_other_devices_are_not() {
        assert_eq!(
            network_card("pci:v000014E4d00001639sv00001028sd00000235bc02sc00i00").unwrap(),
            "network card Broadcom [14e4:1639]"
        );
        assert_eq!(
            network_card("pci:v00008086d00007010sv00001AF4sd00001100bc01sc01i80"),
            None
        );
        assert_eq!(network_card("virtio:d00000001v00001AF4"), None);
        assert_eq!(network_card("pci:v0000"), None);
    }
}
