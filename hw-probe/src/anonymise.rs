//! Reports without names: serial numbers, UUIDs, world wide names, hardware addresses, host names
//! and labels become keyed hashes; vendors and models stay.
//!
//! Under one key equal values stay equal, so duplicates and second paths can still be told. Under
//! another key they are others, so two anonymised reports cannot be joined.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::inventory::Inventory;
use crate::text::Untrusted;

/// Keys of the report's JSON whose texts name one machine, part or owner.
const NAMING_KEYS: [&str; 18] = [
    "address_ip",
    "asset_tag",
    "eui64",
    "gateway",
    "guid",
    "hostname",
    "ip",
    "ipv4",
    "ipv6",
    "label",
    "mac",
    "mounted_at",
    "nguid",
    "permanent_mac",
    "serial",
    "uuid",
    "wwid",
    "wwn",
];
/// Endings of keys that do too.
const NAMING_ENDINGS: [&str; 6] = ["_serial", "_uuid", "_wwn", "_mac", "_label", "_hostname"];
/// Keys whose texts are words of the format, never of a machine.
const FORMAT_KEYS: [&str; 14] = [
    "class",
    "confidence",
    "core_kinds",
    "ecc",
    "firmware",
    "flags",
    "form_factor",
    "kind",
    "kind_source",
    "reason",
    "section",
    "source",
    "status",
    "transport",
];
/// Texts shorter than this are replaced only where they stand alone.
const ANYWHERE_MIN_CHARS: usize = 4;
/// Bytes of a key file that make guessing hopeless.
const KEY_MIN_BYTES: usize = 16;

/// Why an anonymised report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AnonymiseError {
    /// The kernel gives no random numbers.
    #[error("the kernel gives no random numbers")]
    Random(#[source] getrandom::Error),
    /// A key that could be guessed.
    #[error("an anonymising key has at least {KEY_MIN_BYTES} bytes, this one has {0}")]
    ShortKey(usize),
    /// The inventory did not survive; a bug.
    #[error("the inventory cannot be rewritten")]
    Format(#[source] serde_json::Error),
}

impl AnonymiseError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::ShortKey(_) => {
                Some("make one with `head -c 32 /dev/urandom >FILE` and keep it secret".to_owned())
            }
            Self::Random(_) | Self::Format(_) => None,
        }
    }
}

/// What the hashes depend on.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// A key for one report, forgotten afterwards.
    ///
    /// # Errors
    /// [`AnonymiseError::Random`].
    pub fn random() -> Result<Self, AnonymiseError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(AnonymiseError::Random)?;
        Ok(Self(key))
    }

    /// The key in a file's contents, for reports that are to be compared with each other.
    ///
    /// # Errors
    /// [`AnonymiseError::ShortKey`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AnonymiseError> {
        if bytes.len() < KEY_MIN_BYTES {
            return Err(AnonymiseError::ShortKey(bytes.len()));
        }
        Ok(Self(Sha256::digest(bytes).into()))
    }

    /// The hash of a text, in hexadecimal. The key is a block of its own in front, and only a part
    /// of the digest is ever shown, so it cannot be extended.
    fn hash(&self, text: &str) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        hasher.update([0; 32]);
        // However one tool or another writes a world wide name, it is the same one.
        hasher.update(bare(&text.trim().to_ascii_lowercase()));
        hex::encode(hasher.finalize())
    }

    /// What stands for `text`: an address for an address, a UUID for a UUID, else `anon-` and a
    /// number.
    fn pseudonym(&self, text: &str) -> String {
        let hash = self.hash(text);
        let part = |from: usize, to: usize| hash.get(from..to).unwrap_or_default();
        if is_mac(text.trim()) {
            let pairs: Vec<&str> = (0..5).map(|n| part(n * 2, n * 2 + 2)).collect();
            // The locally administered range, which no maker uses.
            return format!("02:{}", pairs.join(":"));
        }
        if is_uuid(text.trim()) {
            let groups = [
                part(0, 8),
                part(8, 12),
                part(12, 16),
                part(16, 20),
                part(20, 32),
            ];
            return groups.join("-");
        }
        format!("anon-{}", part(0, 16))
    }
}

/// A name without what tools put before it.
fn bare(name: &str) -> &str {
    ["naa.", "eui.", "uuid.", "t10.", "nvme.", "0x"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name)
}

/// The name and the other ways to write it, each with what stands for it there.
fn spellings(name: &str, pseudonym: &str) -> Vec<(String, String)> {
    let lower = name.trim().to_ascii_lowercase();
    let both = |change: &dyn Fn(&str) -> String| (change(&lower), change(pseudonym));
    let mut all = vec![(lower.clone(), pseudonym.to_owned())];
    // In a message it stands as it was shown.
    let shown = Untrusted::from(name).shown().to_ascii_lowercase();
    all.push((shown, pseudonym.to_owned()));
    if is_mac(&lower) {
        let digits = |text: &str| text.replace([':', '-'], "");
        let dotted = |text: &str| {
            let digits = digits(text);
            let part = |from: usize| digits.get(from..from + 4).unwrap_or_default();
            format!("{}.{}.{}", part(0), part(4), part(8))
        };
        all.push(both(&|text| text.replace('-', ":")));
        all.push(both(&|text| text.replace(':', "-")));
        // Interfaces are named by it: `enx525400123456`.
        all.push(both(&digits));
        all.push(both(&dotted));
    } else if is_uuid(&lower) {
        all.push(both(&|text| text.replace('-', "")));
    } else {
        let bare = bare(&lower);
        for prefix in ["", "0x", "naa.", "eui."] {
            all.push((format!("{prefix}{bare}"), pseudonym.to_owned()));
        }
    }
    all.retain(|(name, _)| !name.is_empty());
    all
}

fn is_mac(text: &str) -> bool {
    let separator = if text.contains('-') { '-' } else { ':' };
    let parts: Vec<&str> = text.split(separator).collect();
    parts.len() == 6
        && parts
            .iter()
            .all(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// The inventory without what names the machine, its parts or its owner. Free texts (warnings,
/// models) lose every such name that occurs in them.
///
/// # Errors
/// See [`AnonymiseError`].
pub fn inventory(inventory: &Inventory, key: &Key) -> Result<Inventory, AnonymiseError> {
    inventory_besides(inventory, key, std::iter::empty())
}

/// The same without `names` either, which the machine itself does not have: a warning may quote
/// what the operator wrote.
///
/// # Errors
/// See [`AnonymiseError`].
pub fn inventory_besides<'a>(
    inventory: &Inventory,
    key: &Key,
    names_besides: impl Iterator<Item = &'a str>,
) -> Result<Inventory, AnonymiseError> {
    let mut value = serde_json::to_value(inventory).map_err(AnonymiseError::Format)?;
    let mut names = BTreeMap::new();
    collect(&value, "", key, &mut names);
    for name in names_besides {
        remember(name, key, &mut names);
    }
    // The longest first: a name inside a longer one is part of it.
    let mut names: Vec<(String, String)> = names.into_iter().collect();
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    replace(&mut value, "", &names);
    serde_json::from_value(value).map_err(AnonymiseError::Format)
}

fn is_naming(key: &str) -> bool {
    NAMING_KEYS.contains(&key) || NAMING_ENDINGS.iter().any(|end| key.ends_with(end))
}

/// Places that every Linux has, and addresses of nobody.
fn is_common(text: &str) -> bool {
    matches!(
        text,
        "/" | "/boot"
            | "/boot/efi"
            | "/home"
            | "/var"
            | "/tmp"
            | "[SWAP]"
            | "00:00:00:00:00:00"
            | "ff:ff:ff:ff:ff:ff"
    )
}

fn remember(text: &str, key: &Key, names: &mut BTreeMap<String, String>) {
    if text.trim().is_empty() || is_common(text.trim()) {
        return;
    }
    let mut spellings = spellings(text, &key.pseudonym(text)).into_iter();
    if let Some((name, pseudonym)) = spellings.next() {
        names.insert(name, pseudonym);
    }
    for (name, pseudonym) in spellings {
        // What another field really says goes before a way in which this one could be written.
        names.entry(name).or_insert(pseudonym);
    }
}

fn collect(value: &Value, name: &str, key: &Key, names: &mut BTreeMap<String, String>) {
    match value {
        Value::String(text) if is_naming(name) => remember(text, key, names),
        // Mount points in a sentence. Device nodes are the same everywhere.
        Value::String(text) if name == "used_by" => text
            .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ')' | '('))
            .filter(|word| word.starts_with('/') && !word.starts_with("/dev/"))
            .for_each(|path| remember(path, key, names)),
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect(item, name, key, names)),
        Value::Object(fields) => {
            for (name, field) in fields {
                collect(field, name, key, names);
            }
        }
        _ => {}
    }
}

fn replace(value: &mut Value, name: &str, names: &[(String, String)]) {
    match value {
        Value::String(text) if is_naming(name) => {
            let known = text.trim().to_ascii_lowercase();
            if let Some((_, pseudonym)) = names.iter().find(|(name, _)| *name == known) {
                text.clone_from(pseudonym);
            }
        }
        Value::String(text) if !FORMAT_KEYS.contains(&name) => *text = scrub(text, names),
        Value::Array(items) => {
            for item in items {
                replace(item, name, names);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                replace(field, name, names);
            }
        }
        _ => {}
    }
}

/// The text with every name in it replaced, in one pass: what was put in is not looked at again.
fn scrub(text: &str, names: &[(String, String)]) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(rest) = lower.get(at..).filter(|rest| !rest.is_empty()) {
        let found = names.iter().find(|(name, _)| {
            rest.starts_with(name.as_str())
                && (name.chars().count() >= ANYWHERE_MIN_CHARS
                    || stands_alone(&lower, at, name.len()))
        });
        match found {
            Some((name, pseudonym)) => {
                out.push_str(pseudonym);
                at += name.len();
            }
            None => {
                let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else {
                    break;
                };
                out.push(c);
                at += c.len_utf8();
            }
        }
    }
    out
}

fn stands_alone(text: &str, at: usize, length: usize) -> bool {
    let before = text.get(..at).and_then(|text| text.chars().next_back());
    let after = text.get(at + length..).and_then(|text| text.chars().next());
    !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Disk, Nic, System, Warning};
    use crate::report::{Report, ReportOptions, render_table};
    use proptest::prelude::*;

    fn key() -> Key {
        Key::from_bytes(b"0123456789abcdef").unwrap()
    }

    fn machine(serial: &str, wwn: &str, uuid: &str, mac: &str) -> Inventory {
        let disk = |name: &str| Disk {
            name: name.into(),
            model: Some("Samsung SSD 980".into()),
            serial: Some(serial.into()),
            wwn: Some(wwn.into()),
            ..Disk::default()
        };
        Inventory {
            disks: vec![disk("sda"), disk("sdb")],
            nics: vec![Nic {
                name: "eth0".into(),
                mac: Some(mac.into()),
                permanent_mac: Some(mac.into()),
                ..Nic::default()
            }],
            system: System {
                vendor: Some("Maker".into()),
                product: Some("Box".into()),
                serial: Some(format!("{serial}X").into()),
                uuid: Some(uuid.into()),
                ..System::default()
            },
            warnings: vec![Warning::new(
                "disks",
                format!("disk {serial} of {} says {wwn}; {uuid}", mac.to_uppercase()),
            )],
            ..Inventory::default()
        }
    }

    #[test]
    fn names_go_and_the_rest_stays() {
        let before = machine(
            "S4EWNX0R1",
            "eui.0025385b01",
            "11112222-3333-4444-5555-666677778888",
            "52:54:00:ab:cd:ef",
        );
        let after = inventory(&before, &key()).unwrap();
        assert_eq!(
            after.disks[0].model.as_ref().unwrap().raw(),
            "Samsung SSD 980"
        );
        assert_eq!(after.system.product, before.system.product);
        let serial = after.disks[0].serial.clone().unwrap();
        assert!(serial.raw().starts_with("anon-"), "{serial:?}");
        assert_eq!(after.disks[1].serial, Some(serial), "equal stays equal");
        assert_eq!(after.nics[0].mac, after.nics[0].permanent_mac);
        let mac = after.nics[0].mac.clone().unwrap();
        assert!(is_mac(mac.raw()) && mac.raw().starts_with("02:"));
        assert!(is_uuid(after.system.uuid.as_ref().unwrap().raw()));
        assert_ne!(after, inventory(&before, &Key::random().unwrap()).unwrap());
        assert_eq!(after, inventory(&before, &key()).unwrap());
    }

    #[test]
    fn short_names_go_where_they_stand_alone() {
        let names = [("ab".to_owned(), "anon-1".to_owned())];
        assert_eq!(
            scrub("label ab, table, AB", &names),
            "label anon-1, table, anon-1"
        );
    }

    #[test]
    fn weak_keys_are_refused() {
        let error = Key::from_bytes(b"short").unwrap_err();
        assert!(error.hint().unwrap().contains("urandom"));
        assert_eq!(format!("{:?}", key()), "Key(..)");
    }

    #[test]
    fn one_disk_is_one_disk_however_its_name_is_written() {
        let mut before = machine("S4EWNX0R1", "naa.5000c500a1b2c3d4", "x", "y");
        before.disks[1].wwn = Some("0x5000C500A1B2C3D4".into());
        before.nics[0].mac = Some("00:00:00:00:00:00".into());
        let after = inventory(&before, &key()).unwrap();
        assert_eq!(after.disks[0].wwn, after.disks[1].wwn);
        assert_eq!(after.nics[0].mac, before.nics[0].mac, "nobody's address");
    }

    proptest! {
        /// Whatever names a machine is in no part of its report, however it is written there.
        #[test]
        fn none_of_the_names_is_left(
            serial in "[A-Z0-9]{2}[G-Z]{3}[A-Z0-9]{1,15}",
            digits in "[0-9a-f]{12}[1-9][0-9a-f]{3}",
            prefix in "(naa\\.|eui\\.|0x|)",
            uuid in "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            mac in "5[0-9a-f](:[0-9a-f]{2}){5}",
            label in "[g-z]{3}[G-Z]{2}[ _]?[G-Z0-9]{3,9}",
            mount in "/[g-z]{3}[G-Z]{3}/[G-Z]{2,6}",
            chassis in "CH[G-Z]{5}[0-9]{3}",
            module in "DM[G-Z]{5}[0-9]{3}",
        ) {
            use crate::inventory::{Chassis, Dimm, Partition, Signature};
            let mut before = machine(&serial, &format!("{prefix}{digits}"), &uuid, &mac);
            let signature = Signature {
                kind: "ext4".to_owned(),
                label: Some(label.as_str().into()),
                uuid: Some(uuid.to_uppercase().into()),
                ..Signature::default()
            };
            let disk = &mut before.disks[0];
            disk.signatures = Some(vec![signature.clone()]);
            disk.used_by = Some(vec![format!("mounted at {mount}, and more").into()]);
            disk.partitions = Some(vec![Partition {
                name: "sda1".into(),
                label: Some(label.to_uppercase().into()),
                uuid: Some(uuid.as_str().into()),
                signatures: Some(vec![signature]),
                mounted_at: vec![mount.as_str().into(), "/boot".into()],
                ..Partition::default()
            }]);
            before.chassis = Chassis {
                serial: Some(chassis.as_str().into()),
                ..Chassis::default()
            };
            before.memory.dimms = vec![Dimm {
                serial: Some(module.as_str().into()),
                ..Dimm::default()
            }];
            let bare_mac = mac.replace(':', "");
            before.nics[0].name = format!("enx{bare_mac}").into();
            let secrets = [
                serial.clone(), digits.clone(), uuid.clone(), uuid.replace('-', ""), mac.clone(),
                mac.replace(':', "-"), bare_mac, label, mount, chassis, module,
                format!("{}.{}.{}", &mac[0..5].replace(':', ""), &mac[6..11].replace(':', ""),
                    &mac[12..17].replace(':', "")),
            ];
            for secret in &secrets {
                for text in [secret.to_uppercase(), secret.to_lowercase(), format!("x{secret}y"),
                    format!("0x{digits} naa.{digits} eui.{digits} '{secret}'")] {
                    before.warnings.push(Warning::new("disks", text));
                }
            }
            let after = inventory(&before, &key()).unwrap();
            let report = Report::of(&after, &ReportOptions::default());
            let json = serde_json::to_string(&report).unwrap();
            let tables: String =
                [64, 80, 400].iter().map(|width| render_table(&report, *width, false)).collect();
            for text in [json.to_ascii_lowercase(), tables.to_ascii_lowercase()] {
                for secret in &secrets {
                    prop_assert!(!text.contains(&secret.to_ascii_lowercase()), "{secret} in {text}");
                }
            }
        }

        #[test]
        fn any_text_survives(serial in any::<String>(), warning in any::<String>()) {
            let mut before = machine(&serial, "x", "y", "z");
            before.warnings = vec![Warning::new("disks", warning)];
            inventory(&before, &key()).unwrap();
        }
    }
}
