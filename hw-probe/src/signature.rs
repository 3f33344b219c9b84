//! What lies on a disk or partition: partition tables, file systems, RAID and volume members, and
//! our own boot images, recognised by their signatures.
//!
//! The grid takes only empty disks, and a boot stick must never be counted, so this decides money
//! and data. No maintained crate does it without C; the names and the rules are those of
//! `blkid -p`, and the tests compare with it over file systems made by their own tools.
//!
//! Nothing is ever written. A scan reads the first 68 KiB and a few blocks further on; what it
//! returns are names, labels and ids, never contents, so that a snapshot can keep it.

mod bytes;
mod containers;
mod file_systems;
mod gpt;
mod record;

use crate::inventory::Signature;
use bytes::Bytes;

pub use gpt::{GptEntry, gpt_entries};
pub use record::{decode, decode_gpt, encode, encode_gpt};

/// How much of the start is read in one piece: up to and with the btrfs superblock's label.
const HEAD_BYTES: usize = 0x1_1000;
/// How much of the end: RAID metadata lies in its last sectors.
const TAIL_BYTES: u64 = 16 * 1024;

/// Reads `length` bytes at `offset` of the device; fewer at its end, `None` where it cannot be read.
pub type Reader<'a> = dyn FnMut(u64, usize) -> Option<Vec<u8>> + 'a;

/// Everything recognised on a device or partition of `size_bytes`, in the order of the offsets.
pub fn scan(size_bytes: u64, read: &mut Reader<'_>) -> Vec<Signature> {
    let head = Bytes::new(0, read(0, HEAD_BYTES).unwrap_or_default());
    let tail_at = size_bytes.saturating_sub(TAIL_BYTES);
    let tail = if tail_at > 0 {
        read(tail_at, bounded(size_bytes - tail_at))
    } else {
        None
    };
    let tail = Bytes::new(tail_at, tail.unwrap_or_default());
    let mut found = Vec::new();
    farmer_medium(&head, &mut found);
    file_systems::scan(&head, read, &mut found);
    containers::scan(&head, &tail, size_bytes, read, &mut found);
    gpt::scan(&head, &tail, size_bytes, &mut found);
    found.sort_by_key(|signature| signature.offset_bytes);
    found
}

fn bounded(length: u64) -> usize {
    usize::try_from(length.min(TAIL_BYTES)).unwrap_or_default()
}

/// The locator at the end of the ISO 9660 system area of our images.
fn farmer_medium(head: &Bytes, found: &mut Vec<Signature>) {
    const LOCATOR: u64 = 32_704;
    if head.has(LOCATOR, b"FARMMED1") {
        let guid = head.get(LOCATOR + 12, 16).map(bytes::guid);
        found.push(signature(Signature::FARMER_MEDIUM, LOCATOR, None, guid));
    }
}

fn signature(kind: &str, offset: u64, label: Option<String>, uuid: Option<String>) -> Signature {
    let text = |text: Option<String>| {
        text.map(|t| t.trim_end().to_owned())
            .filter(|t| !t.is_empty())
            .map(Into::into)
    };
    Signature {
        kind: kind.to_owned(),
        offset_bytes: Some(offset),
        label: text(label),
        uuid: text(uuid),
    }
}
