//! What the operator knows better than the evidence: the kind of a disk, or that it is none of the
//! grid's business. Keyed by world wide name or serial number, because kernel names change with
//! every boot.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::inventory::{Disk, DiskKind};

/// A kind an operator can vouch for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VouchedKind {
    /// Solid state.
    Ssd,
    /// Rotating.
    Hdd,
}

impl From<VouchedKind> for DiskKind {
    fn from(kind: VouchedKind) -> Self {
        match kind {
            VouchedKind::Ssd => Self::Ssd,
            VouchedKind::Hdd => Self::Hdd,
        }
    }
}

/// The operator's word on one disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskOverride {
    /// What it is made of.
    pub kind: Option<VouchedKind>,
    /// Never count it. There is no way to count a disk that the grid does not.
    pub ignore: bool,
}

/// The operator's word on disks, by world wide name or serial number:
///
/// ```toml
/// [disks."naa.5000c500a1b2c3d4"]
/// kind = "hdd"
/// [disks.S4EWNX0R123456]
/// ignore = true
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiskOverrides(BTreeMap<String, DiskOverride>);

impl DiskOverrides {
    /// Adds or replaces the word on the disk with this world wide name or serial number.
    pub fn insert(&mut self, id: impl Into<String>, word: DiskOverride) {
        self.0.insert(id.into(), word);
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is said about `disk`. Letter case, surrounding space, and the `naa.`, `eui.`, `uuid.`
    /// and `0x` that different tools put before a name do not matter.
    #[must_use]
    pub fn get(&self, disk: &Disk) -> Option<DiskOverride> {
        let names = [disk.wwn.as_ref(), disk.serial.as_ref()];
        let names: Vec<String> = names.iter().flatten().map(|n| bare(n.raw())).collect();
        self.0
            .iter()
            .find(|(id, _)| names.contains(&bare(id)))
            .map(|(_, word)| *word)
    }

    /// The names that no disk of the machine has: misspelt, or the disk is gone.
    pub fn unused<'a>(&'a self, disks: &'a [Disk]) -> impl Iterator<Item = &'a str> {
        let known: Vec<String> = disks
            .iter()
            .flat_map(|disk| [disk.wwn.as_ref(), disk.serial.as_ref()])
            .flatten()
            .map(|name| bare(name.raw()))
            .collect();
        self.0
            .keys()
            .filter(move |id| !known.contains(&bare(id)))
            .map(String::as_str)
    }
}

fn bare(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    ["naa.", "eui.", "uuid.", "0x"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(&name)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_however_they_are_written() {
        let disk = Disk {
            wwn: Some("naa.5000C500A1B2C3D4".into()),
            serial: Some("S4EWNX0R ".into()),
            ..Disk::default()
        };
        let word = DiskOverride {
            kind: Some(VouchedKind::Hdd),
            ignore: false,
        };
        for id in ["0x5000c500a1b2c3d4", "5000c500A1b2c3d4", "s4ewnx0r"] {
            let mut overrides = DiskOverrides::default();
            overrides.insert(id, word);
            assert_eq!(overrides.get(&disk), Some(word), "{id}");
            assert_eq!(overrides.unused(std::slice::from_ref(&disk)).count(), 0);
        }
        let mut overrides = DiskOverrides::default();
        overrides.insert("other", word);
        assert_eq!(overrides.get(&disk), None);
        assert_eq!(overrides.unused(&[disk]).collect::<Vec<_>>(), ["other"]);
    }
}
