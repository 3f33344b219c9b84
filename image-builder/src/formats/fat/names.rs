//! Long and short names of FAT (VFAT): unique 8.3 names, the lower-case bits of Windows NT, and the
//! long-name entries that go before a short one.

use std::collections::HashSet;

use crate::error::FormatError;

/// UTF-16 units in one long-name entry.
const UNITS_PER_ENTRY: usize = 13;
/// NT byte: the base is to be shown in lower case.
const LOWER_BASE: u8 = 0x08;
/// NT byte: the extension is to be shown in lower case.
const LOWER_EXTENSION: u8 = 0x10;

/// How a name is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredName {
    /// Base and extension, blank padded.
    pub short: [u8; 11],
    /// The NT case byte.
    pub nt_case: u8,
    /// UTF-16 units of the long name; `None` where the short one says it all.
    pub long: Option<Vec<u16>>,
}

impl StoredName {
    /// Directory slots the name takes, its short entry included.
    pub(super) fn slots(&self) -> usize {
        1 + self
            .long
            .as_ref()
            .map_or(0, |units| units.len().div_ceil(UNITS_PER_ENTRY))
    }

    /// The long-name entries in the order they are stored: last part first.
    pub(super) fn long_entries(&self) -> Vec<[u8; 32]> {
        let Some(units) = &self.long else {
            return Vec::new();
        };
        let checksum = self
            .short
            .iter()
            .fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
        let count = units.len().div_ceil(UNITS_PER_ENTRY);
        (0..count)
            .rev()
            .map(|part| {
                let mut entry = [0; 32];
                let last = if part + 1 == count { 0x40 } else { 0 };
                entry[0] = (part as u8 + 1) | last;
                entry[11] = 0x0F;
                entry[13] = checksum;
                let places = (1..11)
                    .step_by(2)
                    .chain((14..26).step_by(2))
                    .chain([28, 30]);
                for (index, place) in places.enumerate() {
                    let at = part * UNITS_PER_ENTRY + index;
                    // One terminator, then filler.
                    let filler = if at == units.len() { 0 } else { 0xFFFF };
                    let unit = units.get(at).copied().unwrap_or(filler);
                    entry[place..place + 2].copy_from_slice(&unit.to_le_bytes());
                }
                entry
            })
            .collect()
    }
}

/// Gives every name of one directory its stored form. Names that are 8.3 already keep theirs; the
/// others get `BASIS~N`.
pub(super) fn store(names: &[&str]) -> Result<Vec<StoredName>, FormatError> {
    let mut taken = HashSet::new();
    let mut stored: Vec<Option<StoredName>> = Vec::with_capacity(names.len());
    for name in names {
        check(name)?;
        let exact = exact_short(name);
        if let Some((short, _)) = exact {
            taken.insert(short);
        }
        stored.push(exact.map(|(short, nt_case)| StoredName {
            short,
            nt_case,
            long: None,
        }));
    }
    Ok(stored
        .into_iter()
        .zip(names)
        .map(|(exact, name)| {
            exact.unwrap_or_else(|| {
                let short = numbered_short(name, &mut taken);
                StoredName {
                    short,
                    nt_case: 0,
                    long: Some(name.encode_utf16().collect()),
                }
            })
        })
        .collect())
}

fn check(name: &str) -> Result<(), FormatError> {
    let bad = name.is_empty()
        || name.encode_utf16().count() > 255
        || name.ends_with(['.', ' '])
        || name
            .chars()
            .any(|c| c.is_control() || "\"*/:<>?\\|".contains(c));
    if bad {
        return Err(FormatError::Name {
            path: name.to_owned(),
            format: "FAT",
        });
    }
    Ok(())
}

fn is_short_char(c: u8) -> bool {
    c.is_ascii_alphanumeric() || b"!#$%&'()-@^_`{}~".contains(&c)
}

/// The 8.3 form of a name that needs no long one, with its NT case byte.
fn exact_short(name: &str) -> Option<([u8; 11], u8)> {
    let (base, extension) = match name.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (name, ""),
    };
    if base.is_empty() || base.len() > 8 || extension.len() > 3 {
        return None;
    }
    let mut nt_case = 0;
    for (part, bit) in [(base, LOWER_BASE), (extension, LOWER_EXTENSION)] {
        if !part.bytes().all(is_short_char) {
            return None;
        }
        let lower = part.bytes().any(|b| b.is_ascii_lowercase());
        if lower && part.bytes().any(|b| b.is_ascii_uppercase()) {
            return None;
        }
        if lower {
            nt_case |= bit;
        }
    }
    Some((
        pack(&base.to_ascii_uppercase(), &extension.to_ascii_uppercase()),
        nt_case,
    ))
}

/// `BASIS~N.EXT` with the smallest free N.
fn numbered_short(name: &str, taken: &mut HashSet<[u8; 11]>) -> [u8; 11] {
    let clean = |part: &str, most: usize| -> String {
        part.chars()
            .filter(|c| !matches!(c, ' ' | '.'))
            .map(|c| match u8::try_from(c) {
                Ok(b) if is_short_char(b) => b.to_ascii_uppercase() as char,
                _ => '_',
            })
            .take(most)
            .collect()
    };
    let trimmed = name.trim_start_matches('.');
    let (base, extension) = trimmed.rsplit_once('.').unwrap_or((trimmed, ""));
    let (base, extension) = (clean(base, 8), clean(extension, 3));
    let mut number = 1_u64;
    loop {
        let tail = format!("~{number}");
        let keep = base.len().min(8 - tail.len().min(8));
        let short = pack(&format!("{}{tail}", &base[..keep]), &extension);
        if taken.insert(short) {
            return short;
        }
        number += 1;
    }
}

fn pack(base: &str, extension: &str) -> [u8; 11] {
    let mut out = [b' '; 11];
    out[..base.len()].copy_from_slice(base.as_bytes());
    out[8..8 + extension.len()].copy_from_slice(extension.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str) -> StoredName {
        store(&[name]).expect("valid name").remove(0)
    }

    #[test]
    fn short_names_keep_their_case_in_two_bits() {
        assert_eq!(one("BOOTX64.EFI").short, *b"BOOTX64 EFI");
        assert_eq!(one("BOOTX64.EFI").nt_case, 0);
        assert_eq!(one("grub.cfg").nt_case, LOWER_BASE | LOWER_EXTENSION);
        assert_eq!(one("README.txt").nt_case, LOWER_EXTENSION);
        assert_eq!(one("boot").short, *b"BOOT       ");
        assert!(one("boot").long.is_none());
        assert!(one("Boot").long.is_some());
    }

    #[test]
    fn long_names_get_unique_short_ones() {
        let names = [
            "farm.toml",
            "FARM~1.TOM",
            "farm.tomlx",
            "very long name.tar.gz",
            ".hidden",
        ];
        let stored = store(&names).expect("valid names");
        assert_eq!(stored[0].short, *b"FARM~2  TOM");
        assert_eq!(stored[1].short, *b"FARM~1  TOM");
        assert_eq!(stored[2].short, *b"FARM~3  TOM");
        assert_eq!(stored[3].short, *b"VERYLO~1GZ ");
        assert_eq!(stored[4].short, *b"HIDDEN~1   ");
        assert_eq!(stored[3].slots(), 3);
    }

    #[test]
    fn long_entries_carry_checksum_terminator_and_filler() {
        let stored = one("farm.toml");
        assert_eq!(stored.short, *b"FARM~1  TOM");
        let entries = stored.long_entries();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0][0], 0x41);
        assert_eq!(&entries[0][1..11], b"f\0a\0r\0m\0.\0");
        assert_eq!(&entries[0][14..26], b"t\0o\0m\0l\0\0\0\xFF\xFF");
        // Exactly 13 units: no terminator, no second entry.
        let exact = one("abcdefghijklm");
        assert_eq!(exact.long_entries().len(), 1);
        assert_eq!(&exact.long_entries()[0][28..], b"l\0m\0");
    }

    #[test]
    fn bad_names_are_refused() {
        for name in ["", "a/b", "a:b", "end.", "end ", "tab\t", "q?"] {
            assert!(store(&[name]).is_err(), "{name:?}");
        }
        assert!(store(&[&"x".repeat(256)]).is_err());
    }
}
