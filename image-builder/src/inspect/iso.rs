//! ISO 9660 trees (ECMA-119, plain records) and El Torito boot catalogs.

use std::collections::HashSet;

use super::{FileEntry, MOST_FILES, MOST_LEVELS, Probe, u16_at, u32_at};
use crate::error::ShowError;
use crate::formats::iso9660::{BLOCK_BYTES, PVD_BLOCK};
use crate::regions::Span;

/// Most bytes of one directory.
const MOST_DIRECTORY_BYTES: u64 = 1 << 20;
/// Most bytes of all directories: hostile ones may overlap.
const MOST_TREE_BYTES: u64 = 64 << 20;

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsoVolume {
    /// Volume identifier: untrusted text.
    pub id: String,
    /// Size the volume says it has, in bytes.
    pub length: u64,
    /// The boot catalog, if there is one.
    pub catalog: Option<Catalog>,
    /// Its files. Names lose their version and are lower case where no Rock Ridge name is given.
    pub files: Vec<FileEntry>,
    /// What does not read: a place and what is wrong there.
    pub damage: Vec<(u64, String)>,
}

/// A boot catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// Byte offset.
    pub offset: u64,
    /// Whether the validation entry is sound.
    pub is_sound: bool,
    /// Its bootable entries: platform, byte offset of the image, 512-byte sectors.
    pub entries: Vec<(u8, u64, u16)>,
}

/// Reads the volume; `None` when there is none.
///
/// # Errors
/// [`ShowError::Read`].
pub fn read(probe: &mut Probe<'_>) -> Result<Option<IsoVolume>, ShowError> {
    let at = u64::from(PVD_BLOCK) * BLOCK_BYTES;
    let Some(pvd) = probe.bytes(at, BLOCK_BYTES)? else {
        return Ok(None);
    };
    if !pvd.starts_with(b"\x01CD001") {
        return Ok(None);
    }
    let mut volume = IsoVolume {
        id: text(&pvd[40..72]),
        length: u64::from(u32_at(&pvd, 80)).saturating_mul(u64::from(u16_at(&pvd, 128))),
        catalog: None,
        files: Vec::new(),
        damage: Vec::new(),
    };
    // The boot record follows the primary descriptor; a terminator ends the list.
    for block in 1..16 {
        let Some(descriptor) = probe.bytes(at + block * BLOCK_BYTES, BLOCK_BYTES)? else {
            break;
        };
        if descriptor.starts_with(b"\x00CD001\x01EL TORITO SPECIFICATION") {
            let offset = u64::from(u32_at(&descriptor, 71)) * BLOCK_BYTES;
            volume.catalog = catalog(probe, offset)?;
        }
        if &descriptor[1..6] != b"CD001" || descriptor[0] == 255 {
            break;
        }
    }
    let root = Span {
        offset: u64::from(u32_at(&pvd, 158)) * BLOCK_BYTES,
        length: u64::from(u32_at(&pvd, 166)),
    };
    let mut walk = Walk {
        seen: HashSet::new(),
        bytes_left: MOST_TREE_BYTES,
    };
    directory(probe, "", root, 0, &mut walk, &mut volume)?;
    Ok(Some(volume))
}

/// What keeps a walk over directories finite.
struct Walk {
    seen: HashSet<u64>,
    bytes_left: u64,
}

fn directory(
    probe: &mut Probe<'_>,
    path: &str,
    span: Span,
    level: usize,
    walk: &mut Walk,
    volume: &mut IsoVolume,
) -> Result<(), ShowError> {
    if level > MOST_LEVELS || !walk.seen.insert(span.offset) || walk.seen.len() > MOST_FILES {
        return Ok(());
    }
    walk.bytes_left = walk.bytes_left.saturating_sub(span.length);
    let name = if path.is_empty() { "/" } else { path };
    if span.length > MOST_DIRECTORY_BYTES || walk.bytes_left == 0 {
        let what = format!("directory {name} claims {} bytes", span.length);
        volume.damage.push((span.offset, what));
        return Ok(());
    }
    let Some(bytes) = probe.bytes(span.offset, span.length)? else {
        let what = format!("directory {name} lies beyond the end");
        volume.damage.push((span.offset, what));
        return Ok(());
    };
    let mut at = 0;
    while at < bytes.len() {
        let length = usize::from(bytes[at]);
        if length == 0 {
            // Records do not straddle blocks.
            at = (at / BLOCK_BYTES as usize + 1) * BLOCK_BYTES as usize;
            continue;
        }
        let Some(record) = bytes
            .get(at..at + length)
            .filter(|record| record.len() >= 34 && 33 + usize::from(record[32]) <= record.len())
        else {
            let place = span.offset + at as u64;
            volume
                .damage
                .push((place, format!("a record of {name} is cut")));
            return Ok(());
        };
        let place = span.offset + at as u64;
        at += length;
        let identifier = &record[33..33 + usize::from(record[32])];
        if matches!(identifier, [0] | [1]) {
            continue;
        }
        if !both_agree(record, 2) || !both_agree(record, 10) {
            let what = format!("the two byte orders of a record of {name} disagree");
            volume.damage.push((place, what));
        }
        let child = Span {
            offset: u64::from(u32_at(record, 2)) * BLOCK_BYTES,
            length: u64::from(u32_at(record, 10)),
        };
        let name = rock_ridge_name(record).unwrap_or_else(|| plain_name(identifier));
        let child_path = if path.is_empty() {
            name
        } else {
            format!("{path}/{name}")
        };
        if record[25] & 2 != 0 {
            directory(probe, &child_path, child, level + 1, walk, volume)?;
        } else if volume.files.len() < MOST_FILES {
            volume.files.push(FileEntry {
                path: child_path,
                length: child.length,
                extents: vec![child],
            });
        }
    }
    Ok(())
}

/// ECMA-119 7.3.3: a number in both byte orders.
fn both_agree(record: &[u8], at: usize) -> bool {
    u32_at(record, at) == u32_at(record, at + 4).swap_bytes()
}

fn plain_name(identifier: &[u8]) -> String {
    let name = String::from_utf8_lossy(identifier).to_lowercase();
    let name = name.split(';').next().unwrap_or_default();
    name.trim_end_matches('.').to_owned()
}

/// The `NM` entry of the system use area (Rock Ridge, RRIP 4.1.4).
fn rock_ridge_name(record: &[u8]) -> Option<String> {
    let name_bytes = usize::from(record[32]);
    let mut rest = record.get((33 + name_bytes).next_multiple_of(2)..)?;
    while rest.len() >= 5 {
        let length = usize::from(rest[2]);
        let entry = rest.get(..length).filter(|_| length >= 5)?;
        if entry.starts_with(b"NM") {
            return Some(String::from_utf8_lossy(&entry[5..]).into_owned());
        }
        rest = &rest[length..];
    }
    None
}

fn catalog(probe: &mut Probe<'_>, offset: u64) -> Result<Option<Catalog>, ShowError> {
    let Some(bytes) = probe.bytes(offset, BLOCK_BYTES)? else {
        return Ok(None);
    };
    if bytes[0] != 1 {
        return Ok(Some(Catalog {
            offset,
            is_sound: false,
            entries: Vec::new(),
        }));
    }
    let sum = bytes[..32]
        .chunks_exact(2)
        .fold(0_u16, |sum, word| sum.wrapping_add(u16_at(word, 0)));
    let mut platform = bytes[1];
    let mut entries = Vec::new();
    for entry in bytes.chunks_exact(32).skip(1) {
        match entry[0] {
            0x90 | 0x91 => platform = entry[1],
            0x88 => entries.push((
                platform,
                u64::from(u32_at(entry, 8)) * BLOCK_BYTES,
                u16_at(entry, 6),
            )),
            _ => break,
        }
    }
    Ok(Some(Catalog {
        offset,
        is_sound: sum == 0 && bytes[30..32] == [0x55, 0xAA],
        entries,
    }))
}

fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_end_matches([' ', '\0']).to_owned()
}
