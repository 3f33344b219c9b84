//! What the operator knows better than the evidence: the kind of a disk, or that it is none of the
//! grid's business. Keyed by world wide name or serial number, because kernel names change with
//! every boot.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

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

impl fmt::Display for DiskOverride {
    /// `ssd`, `hdd` or `ignore`, as [`DiskWord`] takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.ignore, self.kind) {
            (true, _) => "ignore",
            (false, Some(VouchedKind::Ssd)) => "ssd",
            (false, Some(VouchedKind::Hdd)) => "hdd",
            (false, None) => "nothing",
        })
    }
}

/// The operator's word on one disk as it is typed: `ID=ssd`, `ID=hdd` or `ID=ignore`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskWord {
    /// World wide name or serial number.
    pub id: String,
    /// What is said about it.
    pub word: DiskOverride,
}

/// A word on a disk, or a table of them, that says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// Not of the form.
    #[error(
        "{0:?} is not ID=ssd, ID=hdd or ID=ignore, with the WWN or serial number of a disk as ID"
    )]
    Form(String),
    /// A table without a name.
    #[error("a disk is named by its WWN or serial number, not by an empty text")]
    NoName,
    /// Two spellings of one name.
    #[error("{0:?} and {1:?} are the same disk; say it once")]
    Twice(String, String),
}

impl FromStr for DiskWord {
    type Err = OverrideError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || OverrideError::Form(text.to_owned());
        // A serial number may hold an equals sign, a word does not.
        let (id, word) = text.rsplit_once('=').ok_or_else(fail)?;
        let kind = |kind| DiskOverride {
            kind: Some(kind),
            ignore: false,
        };
        let word = match word.trim() {
            "ssd" => kind(VouchedKind::Ssd),
            "hdd" => kind(VouchedKind::Hdd),
            "ignore" => DiskOverride {
                kind: None,
                ignore: true,
            },
            _ => return Err(fail()),
        };
        if bare(id).is_empty() {
            return Err(fail());
        }
        Ok(Self {
            id: id.trim().to_owned(),
            word,
        })
    }
}

/// The operator's word on disks, by world wide name or serial number:
///
/// ```toml
/// [disks."naa.5000c500a1b2c3d4"]
/// kind = "hdd"
/// [disks.S4EWNX0R123456]
/// ignore = true
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, DiskOverride>")]
pub struct DiskOverrides(Vec<DiskWord>);

impl TryFrom<BTreeMap<String, DiskOverride>> for DiskOverrides {
    type Error = OverrideError;

    fn try_from(words: BTreeMap<String, DiskOverride>) -> Result<Self, Self::Error> {
        let mut known: BTreeMap<String, &str> = BTreeMap::new();
        for id in words.keys() {
            let name = bare(id);
            if name.is_empty() {
                return Err(OverrideError::NoName);
            }
            if let Some(other) = known.insert(name, id) {
                return Err(OverrideError::Twice(other.to_owned(), id.clone()));
            }
        }
        let words = words.into_iter();
        Ok(Self(
            words.map(|(id, word)| DiskWord { id, word }).collect(),
        ))
    }
}

impl Serialize for DiskOverrides {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl Extend<DiskWord> for DiskOverrides {
    fn extend<T: IntoIterator<Item = DiskWord>>(&mut self, words: T) {
        for DiskWord { id, word } in words {
            self.insert(id, word);
        }
    }
}

impl DiskOverrides {
    /// Adds or replaces the word on the disk with this world wide name or serial number, however
    /// it was written before. Of two words on one disk under both its names the later counts.
    pub fn insert(&mut self, id: impl Into<String>, word: DiskOverride) {
        let id = id.into();
        let name = bare(&id);
        self.0.retain(|known| bare(&known.id) != name);
        self.0.push(DiskWord { id, word });
    }

    /// Words with commas between them, as an environment variable holds them.
    ///
    /// # Errors
    /// [`OverrideError::Form`], of the first word that is none.
    pub fn parse_list(text: &str) -> Result<Vec<DiskWord>, OverrideError> {
        let words = text.split(',').filter(|word| !word.trim().is_empty());
        words.map(str::parse).collect()
    }

    /// Every name and what is said about it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, DiskOverride)> {
        self.0.iter().map(|known| (known.id.as_str(), known.word))
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
        let mut latest_first = self.0.iter().rev();
        latest_first
            .find(|known| names.contains(&bare(&known.id)))
            .map(|known| known.word)
    }

    /// The names that no disk of the machine has: misspelt, or the disk is gone.
    pub fn unused<'a>(&'a self, disks: &'a [Disk]) -> impl Iterator<Item = &'a str> {
        let known: Vec<String> = disks
            .iter()
            .flat_map(|disk| [disk.wwn.as_ref(), disk.serial.as_ref()])
            .flatten()
            .map(|name| bare(name.raw()))
            .collect();
        let ids = self.0.iter().map(|word| word.id.as_str());
        ids.filter(move |id| !known.contains(&bare(id)))
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

    #[test]
    fn words_are_read_as_they_are_shown() {
        for text in ["naa.5000c500a1b2c3d4=hdd", "S4=EW=ssd", "x=ignore"] {
            let word: DiskWord = text.parse().unwrap();
            assert_eq!(format!("{}={}", word.id, word.word), text);
        }
        for bad in ["", "x", "=ssd", "0x=ssd", "x=nvme", "x=SSD", "x="] {
            let error = bad.parse::<DiskWord>().unwrap_err();
            assert!(error.to_string().contains("ID=ssd"), "{bad}");
        }
    }

    #[test]
    fn of_both_names_of_a_disk_the_later_counts() {
        let disk = Disk {
            wwn: Some("naa.5000c5".into()),
            serial: Some("ZC1AB".into()),
            ..Disk::default()
        };
        for (first, second) in [("0x5000c5=ssd", "ZC1AB=hdd"), ("ZC1AB=ssd", "0x5000c5=hdd")] {
            let mut overrides = DiskOverrides::default();
            overrides.extend([first, second].map(|word| word.parse().unwrap()));
            let word = overrides.get(&disk).unwrap();
            assert_eq!(word.kind, Some(VouchedKind::Hdd), "{first} {second}");
        }
    }

    #[test]
    fn a_later_word_replaces_another_spelling() {
        let mut overrides = DiskOverrides::default();
        overrides.extend(["naa.5000C5=hdd", "0x5000c5=ssd"].map(|w| w.parse().unwrap()));
        let words: Vec<_> = overrides.iter().collect();
        assert_eq!(words.len(), 1);
        assert_eq!(words[0].1.kind, Some(VouchedKind::Ssd));
    }

    #[test]
    fn tables_are_checked() {
        let read = |json: &str| serde_json::from_str::<DiskOverrides>(json);
        assert!(read(r#"{"S1": {"kind": "ssd"}, "S2": {"ignore": true}}"#).is_ok());
        for (bad, word) in [
            (r#"{"": {"kind": "ssd"}}"#, "empty"),
            (r#"{"S1": {"kind": "nvme"}}"#, "nvme"),
            (r#"{"S1": {"kin": "ssd"}}"#, "kin"),
            (
                r#"{"0xa1": {"kind": "ssd"}, "A1": {"kind": "hdd"}}"#,
                "same disk",
            ),
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
