//! Members of something larger: encrypted volumes, volume groups, RAID arrays, pools, caches.

use super::bytes::{Bytes, uuid};
use super::file_systems::readable;
use super::{Reader, signature};
use crate::inventory::Signature;

pub(super) fn scan(
    head: &Bytes,
    tail: &Bytes,
    size_bytes: u64,
    read: &mut Reader<'_>,
    found: &mut Vec<Signature>,
) {
    found.extend(luks(head));
    found.extend(lvm2(head));
    found.extend(bcache(head));
    found.extend(bluestore(head));
    found.extend(vdo(head));
    found.extend(linux_raid(head, tail, size_bytes, read));
    found.extend(zfs(head, size_bytes, read));
    found.extend(firmware_raid(tail, size_bytes, read));
}

/// LUKS On-Disk Format Specification 1.2.3 and 2: both start with this magic and a version.
fn luks(head: &Bytes) -> Option<Signature> {
    if !head.has(0, b"LUKS\xba\xbe") {
        return None;
    }
    // Version 1 has the name of the cipher where version 2 has the label.
    let label = (head.be16(6)? == 2).then(|| head.text(24, 48)).flatten();
    Some(signature("crypto_LUKS", 0, label, head.text(168, 40)))
}

/// LVM2's label lies in one of the first four sectors.
fn lvm2(head: &Bytes) -> Option<Signature> {
    let at = (0..4_u64)
        .map(|sector| sector * 512)
        .find(|&at| head.has(at, b"LABELONE") && head.has(at + 24, b"LVM2 001"))?;
    let header = at.checked_add(head.le32(at + 20)?.into())?;
    let id = head.get(header, 32).map(readable).map(|id| {
        let mut text = id;
        for at in [26, 22, 18, 14, 10, 6] {
            if at < text.len() {
                text.insert(at, '-');
            }
        }
        text
    });
    Some(signature("LVM2_member", at + 24, None, id))
}

fn bcache(head: &Bytes) -> Option<Signature> {
    const AT: u64 = 4096 + 24;
    const BCACHE: &[u8] = b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81";
    const BCACHEFS: &[u8] = b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef";
    if head.has(AT, BCACHEFS) {
        // The id that users see comes behind the internal one.
        let label = head.text(AT + 48, 32);
        return Some(signature("bcachefs", AT, label, head.uuid(AT + 32)));
    }
    head.has(AT, BCACHE)
        .then(|| signature("bcache", AT, None, head.uuid(AT + 16)))
}

fn bluestore(head: &Bytes) -> Option<Signature> {
    head.has(0, b"bluestore block device")
        .then(|| signature("ceph_bluestore", 0, None, None))
}

fn vdo(head: &Bytes) -> Option<Signature> {
    head.has(0, b"dmvdo001")
        .then(|| signature("vdo", 0, None, None))
}

/// Linux software RAID: superblocks of version 0.90 near the end, 1.0 at the end, 1.1 at the start,
/// 1.2 at 4 KiB (Linux `include/uapi/linux/raid/md_p.h`).
fn linux_raid(
    head: &Bytes,
    tail: &Bytes,
    size_bytes: u64,
    read: &mut Reader<'_>,
) -> Option<Signature> {
    const MAGIC: u32 = 0xa92b_4efc;
    const KIND: &str = "linux_raid_member";
    let end = (size_bytes / 512)
        .checked_sub(16)
        .map(|sector| (sector & !7) * 512);
    let places = [(head, Some(0)), (head, Some(4096)), (tail, end)];
    for (piece, at) in places {
        let Some(at) = at else { continue };
        // The superblock says itself where it lies, so that a copy in an image of a disk is none.
        if piece.le32(at) == Some(MAGIC)
            && piece.le32(at + 4) == Some(1)
            && piece.le64(at + 144) == Some(at / 512)
        {
            let label = piece.text(at + 32, 32);
            return Some(signature(KIND, at, label, piece.uuid(at + 16)));
        }
    }
    let at = (size_bytes & !0xffff).checked_sub(0x1_0000)?;
    let block = Bytes::new(at, read(at, 4096)?);
    let little = block.le32(at)? == MAGIC && block.le32(at + 4)? == 0;
    let big = block.be32(at)? == MAGIC && block.be32(at + 4)? == 0;
    if !little && !big {
        return None;
    }
    // Four words of the UUID, in the byte order of the machine, lie apart.
    let mut id = Vec::with_capacity(16);
    for word in [5, 13, 14, 15] {
        let value = if little {
            block.le32(at + word * 4)?
        } else {
            block.be32(at + word * 4)?
        };
        id.extend_from_slice(&value.to_be_bytes());
    }
    Some(signature(KIND, at, None, uuid(&id)))
}

/// ZFS keeps four labels of 256 KiB, two at each end. A label has a list of names and values in XDR
/// at 16 KiB; it names the pool.
fn zfs(head: &Bytes, size_bytes: u64, read: &mut Reader<'_>) -> Option<Signature> {
    const LABEL: u64 = 256 * 1024;
    const LIST: u64 = 16 * 1024;
    /// The values looked for are the first of the list.
    const LIST_BYTES: usize = 4096;
    const KIND: &str = "zfs_member";
    let in_head = head.get(LIST, LIST_BYTES).and_then(zfs_pool);
    let (at, pool) = match in_head {
        Some(pool) => (LIST, pool),
        // What is left of a pool whose start was overwritten still belongs to somebody.
        None => {
            let at = (size_bytes & !(LABEL - 1)).checked_sub(LABEL)? + LIST;
            if at < LABEL {
                return None;
            }
            (at, zfs_pool(&read(at, LIST_BYTES)?)?)
        }
    };
    let guid = pool.guid.map(|guid| guid.to_string());
    Some(signature(KIND, at, pool.name, guid))
}

#[derive(Default)]
struct ZfsPool {
    name: Option<String>,
    guid: Option<u64>,
}

fn zfs_pool(raw: &[u8]) -> Option<ZfsPool> {
    const TYPE_UINT64: u32 = 8;
    const TYPE_STRING: u32 = 9;
    let list = Bytes::new(0, raw.to_vec());
    // XDR encoding, then the list's own version 0 and flag "unique names".
    if list.u8(0)? != 1 || list.be32(4)? != 0 || list.be32(8)? != 1 {
        return None;
    }
    let mut pool = ZfsPool::default();
    let mut at = 12_u64;
    while let Some(size) = list.be32(at).filter(|size| *size > 0) {
        let pair = (|| {
            let length = list.be32(at + 8)?;
            let name = list.text(at + 12, usize::try_from(length).ok()?.min(raw.len()))?;
            let value = at + 12 + u64::from(length.checked_next_multiple_of(4)?);
            Some((name, list.be32(value)?, value + 8))
        })();
        match pair {
            Some((name, TYPE_STRING, value)) if name == "name" => {
                let length = list.be32(value).and_then(|n| usize::try_from(n).ok());
                pool.name = length.and_then(|n| list.text(value + 4, n.min(256)));
            }
            Some((name, TYPE_UINT64, value)) if name == "pool_guid" => {
                let high = list.be32(value).map(u64::from);
                let low = list.be32(value + 4).map(u64::from);
                pool.guid = high.zip(low).map(|(high, low)| high << 32 | low);
            }
            _ => {}
        }
        at = at.checked_add(size.into())?;
    }
    Some(pool)
}

/// Members of arrays that the board's firmware makes: its metadata ends the disk.
fn firmware_raid(tail: &Bytes, size_bytes: u64, read: &mut Reader<'_>) -> Option<Signature> {
    const DDF: u32 = 0xde11_de11;
    let from_end = |bytes: u64| size_bytes.checked_sub(bytes);
    let intel = from_end(1024)?;
    if tail.has(intel, b"Intel Raid ISM Cfg Sig. ") {
        return Some(signature("isw_raid_member", intel, None, None));
    }
    // SNIA Disk Data Format: the anchor is the last sector, or lies before a vendor's 128 KiB; some
    // controllers write it in the order of their own processor.
    let ddf = from_end(512)?;
    let anchor = from_end(512 * 257).and_then(|at| Some(Bytes::new(at, read(at, 512)?)));
    for piece in anchor.iter().chain([tail]) {
        let at = if std::ptr::eq(piece, tail) {
            ddf
        } else {
            ddf - 512 * 256
        };
        let magic = piece.be32(at);
        if magic.is_some_and(|magic| magic == DDF || magic.swap_bytes() == DDF) {
            let id = piece.get(at + 8, 24).map(readable);
            return Some(signature("ddf_raid_member", at, None, id));
        }
    }
    if tail.has(intel, b"NVIDIA  ") {
        return Some(signature("nvidia_raid_member", intel, None, None));
    }
    if tail.has(ddf, b"$XIDE$") {
        return Some(signature("lsi_mega_raid_member", ddf, None, None));
    }
    None
}
