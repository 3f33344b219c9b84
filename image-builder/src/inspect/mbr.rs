//! Master boot record: four partition entries and the boot signature.

use super::{Probe, u32_at};
use crate::error::ShowError;
use crate::regions::Span;

/// An entry in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MbrEntry {
    /// Number, from 1.
    pub number: usize,
    /// Marked active.
    pub active: bool,
    /// Type byte.
    pub kind: u8,
    /// Where the partition lies.
    pub span: Span,
}

/// A boot sector with a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mbr {
    /// Whether there is boot code.
    pub has_code: bool,
    /// Entries in use.
    pub entries: Vec<MbrEntry>,
}

impl Mbr {
    /// Whether an entry protects a GPT.
    #[must_use]
    pub fn protects(&self) -> bool {
        self.entries.iter().any(|entry| entry.kind == 0xEE)
    }
}

/// Reads sector 0; `None` without a boot signature.
///
/// # Errors
/// [`ShowError::Read`].
pub fn read(probe: &mut Probe<'_>) -> Result<Option<Mbr>, ShowError> {
    let Some(sector) = probe.bytes(0, 512)? else {
        return Ok(None);
    };
    if sector[510..] != [0x55, 0xAA] {
        return Ok(None);
    }
    let entries = sector[446..510].chunks_exact(16).enumerate();
    let entries = entries
        .filter(|(_, entry)| entry[0] & 0x7F == 0 && u32_at(entry, 12) > 0)
        .map(|(index, entry)| MbrEntry {
            number: index + 1,
            active: entry[0] == 0x80,
            kind: entry[4],
            span: Span {
                offset: u64::from(u32_at(entry, 8)) * 512,
                length: u64::from(u32_at(entry, 12)) * 512,
            },
        });
    Ok(Some(Mbr {
        has_code: sector[..440].iter().any(|byte| *byte != 0),
        entries: entries.collect(),
    }))
}
