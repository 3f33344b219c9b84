//! Partition tables: GPT (UEFI 2.10, chapter 5) and MBR.

use super::bytes::{Bytes, guid, utf16};
use super::{Reader, signature};
use crate::inventory::Signature;

/// One used entry of a GPT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GptEntry {
    /// First byte on the disk.
    pub start_bytes: u64,
    /// Length.
    pub size_bytes: u64,
    /// The partition's own id, lower case.
    pub uuid: String,
    /// Its name.
    pub name: String,
}

/// Logical sector sizes there are.
const SECTORS: [u64; 2] = [512, 4096];
/// More entries than any disk has.
pub(super) const ENTRIES_MAX: u32 = 1024;

/// Where the header lies in `piece`: in sector 1, or in the last sector where the first was lost.
fn header(piece: &Bytes, at: impl Fn(u64) -> Option<u64>) -> Option<(u64, u64)> {
    SECTORS.into_iter().find_map(|sector| {
        let at = at(sector)?;
        let sane = piece.has(at, b"EFI PART")
            && piece
                .le32(at + 12)
                .is_some_and(|size| (92..=4096).contains(&size))
            && piece.le64(at + 24) == Some(at / sector);
        sane.then_some((at, sector))
    })
}

pub(super) fn scan(head: &Bytes, tail: &Bytes, size_bytes: u64, found: &mut Vec<Signature>) {
    let first = header(head, Some).map(|(at, _)| (head, at));
    let gpt = first.or_else(|| {
        header(tail, |sector| size_bytes.checked_sub(sector)).map(|(at, _)| (tail, at))
    });
    if let Some((piece, at)) = gpt {
        let id = piece.get(at + 56, 16).map(guid);
        found.push(signature("gpt", at, None, id));
        return;
    }
    // A boot sector of FAT or NTFS has the same last two bytes.
    let is_file_system = found.iter().any(|s| {
        matches!(
            s.kind.as_str(),
            "vfat" | "ntfs" | "exfat" | "BitLocker" | "ReFS"
        )
    });
    if !is_file_system && is_mbr(head) {
        let id = head
            .le32(440)
            .filter(|&id| id != 0)
            .map(|id| format!("{id:08x}"));
        found.push(signature("dos", 510, None, id));
    }
}

/// Four entries whose boot flags are flags, at least one of them used.
fn is_mbr(head: &Bytes) -> bool {
    let entries = (0..4_u64).map(|n| 446 + n * 16);
    let mut flags = entries.clone().map(|at| head.u8(at));
    let mut used = entries.map(|at| head.u8(at + 4).zip(head.le32(at + 12)));
    head.has(510, &[0x55, 0xaa])
        && flags.all(|flag| matches!(flag, Some(0 | 0x80)))
        && used.any(|entry| matches!(entry, Some((kind, length)) if kind != 0 && length != 0))
}

/// The used entries of the disk's GPT, in the table's order; empty where there is none.
pub fn gpt_entries(size_bytes: u64, read: &mut Reader<'_>) -> Vec<GptEntry> {
    entries(size_bytes, read).unwrap_or_default()
}

fn entries(size_bytes: u64, read: &mut Reader<'_>) -> Option<Vec<GptEntry>> {
    let head = Bytes::new(0, read(0, 8192)?);
    let (at, sector) = header(&head, Some)?;
    let table_at = head.le64(at + 72)?.checked_mul(sector)?;
    let count = head.le32(at + 80)?.min(ENTRIES_MAX);
    let entry_bytes = head
        .le32(at + 84)
        .filter(|size| (128..=1024).contains(size))?;
    let length = usize::try_from(count.checked_mul(entry_bytes)?).ok()?;
    let table = read(table_at, length)?;
    let list = table
        .chunks_exact(usize::try_from(entry_bytes).ok()?)
        .filter_map(|entry| {
            let kind = entry.get(..16)?;
            if kind.iter().all(|&b| b == 0) {
                return None;
            }
            let number =
                |at: usize| Some(u64::from_le_bytes(entry.get(at..at + 8)?.try_into().ok()?));
            let (first, last) = (number(32)?, number(40)?);
            let start_bytes = first.checked_mul(sector)?;
            let size = last
                .checked_sub(first)?
                .checked_add(1)?
                .checked_mul(sector)?;
            (start_bytes.checked_add(size)? <= size_bytes).then(|| GptEntry {
                start_bytes,
                size_bytes: size,
                uuid: guid(entry.get(16..32).unwrap_or_default()),
                name: utf16(entry.get(56..128).unwrap_or_default()),
            })
        })
        .collect();
    Some(list)
}
