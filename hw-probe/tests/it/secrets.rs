//! What names a machine, found in its tree by other means than the probe's.

use std::collections::BTreeSet;
use std::path::Path;

/// Files in which one name stands.
const FILES: [&str; 7] = [
    "serial",
    "wwid",
    "address",
    "product_uuid",
    "product_serial",
    "board_serial",
    "chassis_serial",
];
/// Entries of udev's records that name.
const UDEV: [&str; 7] = [
    "E:ID_SERIAL_SHORT=",
    "E:ID_WWN=",
    "E:ID_FS_UUID=",
    "E:ID_FS_LABEL=",
    "E:ID_PART_ENTRY_UUID=",
    "E:ID_PART_ENTRY_NAME=",
    "E:ID_PART_TABLE_UUID=",
];
/// Shorter ones, and texts without a digit, are words of every machine.
const CHARS_MIN: usize = 6;

/// Every serial number, UUID, world wide name, hardware address and label below `dir` and in the
/// plain report `told` (firmware tables are known from there only), in lower case.
pub fn of(dir: &Path, told: &serde_json::Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(dir, &mut found);
    read(told, "", &mut found);
    let is_name = |text: &String| {
        text.chars().count() >= CHARS_MIN
            && text.bytes().any(|b| b.is_ascii_digit())
            && text.bytes().any(|b| b.is_ascii_alphanumeric() && b != b'0')
            && text != "ff:ff:ff:ff:ff:ff"
    };
    found.retain(is_name);
    found
}

fn read(value: &serde_json::Value, name: &str, found: &mut BTreeSet<String>) {
    use serde_json::Value;
    match value {
        Value::String(text) if matches!(name, "serial" | "uuid" | "wwn" | "mac" | "label") => {
            found.insert(text.trim().to_ascii_lowercase());
        }
        Value::Array(items) => items.iter().for_each(|item| read(item, name, found)),
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, item)| read(item, name, found)),
        _ => {}
    }
}

fn walk(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = || {
            let data = std::fs::read(&path).unwrap_or_default();
            String::from_utf8_lossy(&data).to_ascii_lowercase()
        };
        if kind.is_dir() {
            walk(&path, found);
        } else if kind.is_file() && path.parent().is_some_and(|dir| dir.ends_with("udev/data")) {
            for line in text().lines() {
                let value = UDEV
                    .iter()
                    .find_map(|key| line.strip_prefix(&key.to_ascii_lowercase()));
                found.extend(value.map(|value| value.trim().to_owned()));
            }
        } else if kind.is_file() && FILES.contains(&name.as_str()) {
            // An address is a network card's only below `net`; PCI slots have one too.
            if name != "address" || path.to_string_lossy().contains("/net/") {
                found.insert(text().trim().to_owned());
            }
        }
    }
}
