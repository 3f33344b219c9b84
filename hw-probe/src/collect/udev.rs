//! udev's database (`/run/udev/data`), where there is one: none in an initramfs, often the best
//! source in a snapshot.

use std::collections::BTreeMap;

use crate::root::Root;

/// Properties of one device.
#[derive(Debug, Default)]
pub(super) struct UdevRecord(BTreeMap<String, String>);

impl UdevRecord {
    /// The record with this name, such as `b8:0` for a block device, if udev has one.
    pub(super) fn read(root: &Root, name: &str) -> Option<Self> {
        let text = root.text(format!("/run/udev/data/{name}"))?;
        let properties = text
            .lines()
            .filter_map(|line| line.strip_prefix("E:")?.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Some(Self(properties))
    }

    /// A property that is not empty.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .get(key)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// Whether there is any property whose name starts so.
    pub(super) fn has_any(&self, prefix: &str) -> bool {
        let mut from = self.0.range(prefix.to_owned()..);
        from.next().is_some_and(|(key, _)| key.starts_with(prefix))
    }

    /// A property whose `_ENC` twin keeps the spaces that udev replaces in the plain one.
    pub(super) fn get_decoded(&self, key: &str) -> Option<String> {
        match self.get(&format!("{key}_ENC")) {
            Some(encoded) => Some(decode(encoded).trim().to_owned()).filter(|t| !t.is_empty()),
            None => self.get(key).map(str::to_owned),
        }
    }
}

/// Undoes `\xHH`.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match rest {
            [b'\\', b'x', high, low, ..] => {
                let digit = |b: u8| {
                    char::from(b)
                        .to_digit(16)
                        .and_then(|d| u8::try_from(d).ok())
                };
                digit(*high)
                    .zip(digit(*low))
                    .map(|(high, low)| high << 4 | low)
            }
            _ => None,
        };
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = rest.get(4..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_udevs_escapes() {
        assert_eq!(decode(r"QEMU\x20HARDDISK\x20\x20"), "QEMU HARDDISK  ");
        assert_eq!(decode(r"a\xZZ\x4"), r"a\xZZ\x4");
    }
}
