//! GUID partition table (UEFI specification 5.3): one copy at a time, with its checksums.

use super::{Probe, u32_at, u64_at};
use crate::error::ShowError;
use crate::formats::SECTOR_BYTES;
use crate::formats::gpt::ENTRY_BYTES;
use crate::formats::guid::Guid;
use crate::regions::Span;

/// Most bytes of an entry array.
const MOST_ENTRY_BYTES: u64 = 1 << 20;

/// One copy of a partition table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GptCopy {
    /// Byte offset of the header.
    pub offset: u64,
    /// Identity of the disk.
    pub disk_guid: Guid,
    /// Sector the header says it is in.
    pub own_lba: u64,
    /// Sector of the other header.
    pub other_lba: u64,
    /// First sector a partition may use.
    pub first_usable_lba: u64,
    /// Last sector a partition may use.
    pub last_usable_lba: u64,
    /// Where the entries lie.
    pub entries_span: Span,
    /// Whether the header's checksum is right.
    pub header_is_sound: bool,
    /// Whether the entries' checksum is right.
    pub entries_are_sound: bool,
    /// The header's sector as it stands.
    pub header: Vec<u8>,
    /// The entries as they stand.
    pub entries: Vec<u8>,
    /// Partitions in use.
    pub partitions: Vec<GptEntry>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GptEntry {
    /// Number, from 1.
    pub number: usize,
    /// Kind.
    pub type_guid: Guid,
    /// Identity.
    pub guid: Guid,
    /// Name: untrusted text.
    pub name: String,
    /// Where it lies.
    pub span: Span,
}

/// Reads the copy whose header is at byte `offset`; `None` when there is none.
///
/// # Errors
/// [`ShowError::Read`].
pub fn read(probe: &mut Probe<'_>, offset: u64) -> Result<Option<GptCopy>, ShowError> {
    let Some(header) = probe.bytes(offset, SECTOR_BYTES)? else {
        return Ok(None);
    };
    if !header.starts_with(b"EFI PART") {
        return Ok(None);
    }
    let header_bytes = u32_at(&header, 12) as usize;
    let header_is_sound = (92..=512).contains(&header_bytes) && {
        let mut zeroed = header.clone();
        zeroed[16..20].fill(0);
        crc32fast::hash(&zeroed[..header_bytes]) == u32_at(&header, 16)
    };
    let size = (u32_at(&header, 84) as usize).clamp(ENTRY_BYTES, 4096);
    let wanted = u64::from(u32_at(&header, 80)).saturating_mul(size as u64);
    let entries_span = Span {
        offset: u64_at(&header, 72).saturating_mul(SECTOR_BYTES),
        length: wanted.min(MOST_ENTRY_BYTES),
    };
    let entries = probe
        .bytes(entries_span.offset, entries_span.length)?
        .unwrap_or_default();
    Ok(Some(GptCopy {
        offset,
        disk_guid: guid(&header, 56),
        own_lba: u64_at(&header, 24),
        other_lba: u64_at(&header, 32),
        first_usable_lba: u64_at(&header, 40),
        last_usable_lba: u64_at(&header, 48),
        entries_span,
        header_is_sound,
        entries_are_sound: !entries.is_empty() && crc32fast::hash(&entries) == u32_at(&header, 88),
        partitions: partitions(&entries, size),
        header,
        entries,
    }))
}

fn partitions(entries: &[u8], size: usize) -> Vec<GptEntry> {
    let mut partitions = Vec::new();
    for (index, entry) in entries.chunks_exact(size).enumerate() {
        let type_guid = guid(entry, 0);
        if type_guid.0 == [0; 16] {
            continue;
        }
        let (first, last) = (u64_at(entry, 32), u64_at(entry, 40));
        let units = entry[56..128]
            .chunks_exact(2)
            .map(|c| u16::from_le_bytes([c[0], c[1]]));
        let name: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        partitions.push(GptEntry {
            number: index + 1,
            type_guid,
            guid: guid(entry, 16),
            name: String::from_utf16_lossy(&name),
            span: Span {
                offset: first.saturating_mul(SECTOR_BYTES),
                length: last
                    .saturating_sub(first)
                    .saturating_add(1)
                    .saturating_mul(SECTOR_BYTES),
            },
        });
    }
    partitions
}

fn guid(bytes: &[u8], at: usize) -> Guid {
    let mut raw = [0; 16];
    if let Some(found) = bytes.get(at..at + 16) {
        raw.copy_from_slice(found);
    }
    Guid(raw)
}
