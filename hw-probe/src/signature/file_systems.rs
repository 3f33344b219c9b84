//! File systems and swap areas, by their superblocks.

use super::bytes::{Bytes, hex, utf16};
use super::{Reader, signature};
use crate::inventory::Signature;

pub(super) fn scan(head: &Bytes, read: &mut Reader<'_>, found: &mut Vec<Signature>) {
    let checks: [fn(&Bytes) -> Option<Signature>; 13] = [
        ext, xfs, btrfs, swap, ntfs, fat, iso9660, f2fs, squashfs, erofs, reiserfs, apfs, hfs_plus,
    ];
    found.extend(checks.iter().filter_map(|check| check(head)));
    found.extend(udf(head));
    found.extend(jfs(head));
    found.extend(exfat(head, read));
    found.extend(vmfs(read));
}

/// Linux `fs/ext4/ext4.h`: superblock at 1024. Which of the three it is, its features tell.
fn ext(head: &Bytes) -> Option<Signature> {
    const AT: u64 = 1024;
    const HAS_JOURNAL: u32 = 0x4;
    const JOURNAL_DEVICE: u32 = 0x8;
    // What ext2 and ext3 understand; anything else needs ext4.
    const EXT2_INCOMPAT: u32 = 0x2 | 0x10;
    const EXT3_INCOMPAT: u32 = EXT2_INCOMPAT | 0x4;
    const EXT3_RO_COMPAT: u32 = 0x1 | 0x2 | 0x4;
    if head.le16(AT + 56)? != 0xef53 {
        return None;
    }
    let (compat, incompat, ro_compat) = (
        head.le32(AT + 92)?,
        head.le32(AT + 96)?,
        head.le32(AT + 100)?,
    );
    let kind = if incompat & JOURNAL_DEVICE != 0 {
        "jbd"
    } else if ro_compat & !EXT3_RO_COMPAT != 0 || incompat & !EXT3_INCOMPAT != 0 {
        "ext4"
    } else if compat & HAS_JOURNAL != 0 {
        "ext3"
    } else if incompat & !EXT2_INCOMPAT != 0 {
        "ext4"
    } else {
        "ext2"
    };
    let label = head.text(AT + 120, 16);
    Some(signature(kind, AT + 56, label, head.uuid(AT + 104)))
}

fn xfs(head: &Bytes) -> Option<Signature> {
    head.has(0, b"XFSB")
        .then(|| signature("xfs", 0, head.text(108, 12), head.uuid(32)))
}

fn btrfs(head: &Bytes) -> Option<Signature> {
    const AT: u64 = 0x1_0000;
    head.has(AT + 0x40, b"_BHRfS_M").then(|| {
        let label = head.text(AT + 0x12b, 256);
        signature("btrfs", AT + 0x40, label, head.uuid(AT + 0x20))
    })
}

/// The signature ends the first page, whatever a page is on the machine that wrote it.
fn swap(head: &Bytes) -> Option<Signature> {
    for page in [4096_u64, 8192, 16384, 32768, 65536] {
        let at = page - 10;
        if head.has(at, b"SWAPSPACE2") || head.has(at, b"SWAP-SPACE") {
            let version1 = head.le32(1024) == Some(1);
            let label = version1.then(|| head.text(1024 + 28, 16)).flatten();
            let uuid = version1.then(|| head.uuid(1024 + 12)).flatten();
            return Some(signature("swap", at, label, uuid));
        }
        // A machine sleeps in it: what is there is somebody's running system.
        if head.has(at, b"S1SUSPEND")
            || head.has(at, b"S2SUSPEND")
            || head.has(at, b"ULSUSPEND")
            || head.has(at, b"LINHIB0001")
        {
            return Some(signature("swsuspend", at, None, None));
        }
    }
    None
}

/// Boot sectors of Microsoft's file systems that have their name at 3.
fn ntfs(head: &Bytes) -> Option<Signature> {
    let kind = match head.get(3, 8)? {
        b"NTFS    " => "ntfs",
        b"-FVE-FS-" => "BitLocker",
        [b'R', b'e', b'F', b'S', 0, ..] => "ReFS",
        _ => return None,
    };
    let serial = (kind == "ntfs")
        .then(|| head.le64(0x48).map(|serial| format!("{serial:016x}")))
        .flatten();
    Some(signature(kind, 3, None, serial))
}

fn volume_id(raw: &[u8]) -> Option<String> {
    let [a, b, c, d] = *<&[u8; 4]>::try_from(raw).ok()?;
    Some(format!("{d:02x}{c:02x}-{b:02x}{a:02x}"))
}

fn exfat(head: &Bytes, read: &mut Reader<'_>) -> Option<Signature> {
    head.has(3, b"EXFAT   ").then(|| {
        let serial = head.get(100, 4).and_then(volume_id);
        signature("exfat", 3, exfat_label(head, read), serial)
    })
}

/// The label is an entry of type 83h among the first of the root directory (exFAT specification,
/// 7.3).
fn exfat_label(head: &Bytes, read: &mut Reader<'_>) -> Option<String> {
    const ENTRY: usize = 32;
    let sector = 1_u64.checked_shl(head.u8(108)?.into())?;
    let cluster = sector.checked_shl(head.u8(109)?.into())?;
    let heap = u64::from(head.le32(88)?).checked_mul(sector)?;
    let root = u64::from(head.le32(96)?).checked_sub(2)?;
    let at = heap.checked_add(root.checked_mul(cluster)?)?;
    let directory = read(at, ENTRY * 16)?;
    let entry = directory
        .chunks_exact(ENTRY)
        .find(|entry| entry.first() == Some(&0x83))?;
    let units = usize::from(*entry.get(1)?).min(11);
    Some(utf16(entry.get(2..2 + units * 2)?))
}

/// FAT12, FAT16 and FAT32 (Microsoft's FAT specification 1.03): a boot sector whose fields make
/// sense, because its name alone is also in boot code.
fn fat(head: &Bytes) -> Option<Signature> {
    let (serial_at, label_at, name_at) = if head.has(82, b"FAT32   ") {
        (67, 71, 82)
    } else if head.has(54, b"FAT12   ") || head.has(54, b"FAT16   ") || head.has(54, b"FAT     ") {
        (39, 43, 54)
    } else {
        return None;
    };
    let sector = head.le16(11)?;
    let sane = head.has(510, &[0x55, 0xaa])
        && matches!(sector, 512 | 1024 | 2048 | 4096)
        && head.u8(13)?.is_power_of_two()
        && head.le16(14)? > 0
        && matches!(head.u8(16)?, 1..=2);
    let label = head
        .text(label_at, 11)
        .filter(|label| label.trim_end() != "NO NAME");
    sane.then(|| {
        let serial = head.get(serial_at, 4).and_then(volume_id);
        signature("vfat", name_at, label, serial)
    })
}

/// ECMA-119: primary volume descriptor in sector 16.
fn iso9660(head: &Bytes) -> Option<Signature> {
    const AT: u64 = 0x8000;
    if !head.has(AT + 1, b"CD001") {
        return None;
    }
    // As everybody names these volumes: by the time they were made, or changed.
    let stamp = |at: u64| {
        let digits = head.text(AT + at, 16).filter(|digits| {
            digits.len() == 16
                && digits.bytes().all(|b| b.is_ascii_digit())
                && digits.bytes().any(|b| b != b'0')
        })?;
        let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default().to_owned();
        let parts = [0..4, 4..6, 6..8, 8..10, 10..12, 12..14, 14..16].map(part);
        Some(parts.join("-"))
    };
    let uuid = stamp(830).or_else(|| stamp(813));
    Some(signature("iso9660", AT + 1, head.text(AT + 40, 32), uuid))
}

/// ECMA-167: a volume recognition sequence from sector 16 that names NSR02 or NSR03.
fn udf(head: &Bytes) -> Option<Signature> {
    (0..16_u64)
        .map(|sector| 0x8000 + sector * 2048 + 1)
        .find(|&at| head.has(at, b"NSR02") || head.has(at, b"NSR03"))
        .map(|at| signature("udf", at, None, None))
}

fn f2fs(head: &Bytes) -> Option<Signature> {
    (head.le32(1024)? == 0xf2f5_2010).then(|| {
        let label = head.utf16(1024 + 124, 512);
        signature("f2fs", 1024, label, head.uuid(1024 + 108))
    })
}

fn squashfs(head: &Bytes) -> Option<Signature> {
    (head.has(0, b"hsqs") && head.le16(28)? == 4).then(|| signature("squashfs", 0, None, None))
}

fn erofs(head: &Bytes) -> Option<Signature> {
    (head.le32(1024)? == 0xe0f5_e1e2).then(|| {
        let label = head.text(1024 + 64, 16);
        signature("erofs", 1024, label, head.uuid(1024 + 48))
    })
}

fn reiserfs(head: &Bytes) -> Option<Signature> {
    const AT: u64 = 0x1_0000;
    let known = [&b"ReIsErFs"[..], b"ReIsEr2Fs", b"ReIsEr3Fs"];
    known.iter().any(|magic| head.has(AT + 52, magic)).then(|| {
        signature(
            "reiserfs",
            AT + 52,
            head.text(AT + 100, 16),
            head.uuid(AT + 84),
        )
    })
}

fn jfs(head: &Bytes) -> Option<Signature> {
    const AT: u64 = 0x8000;
    head.has(AT, b"JFS1")
        .then(|| signature("jfs", AT, head.text(AT + 152, 16), head.uuid(AT + 136)))
}

fn apfs(head: &Bytes) -> Option<Signature> {
    head.has(32, b"NXSB")
        .then(|| signature("apfs", 32, None, head.uuid(72)))
}

fn hfs_plus(head: &Bytes) -> Option<Signature> {
    let kind = match head.get(1024, 4)? {
        [b'H', b'+', 0, 4] => "hfsplus",
        [b'H', b'X', 0, 5] => "hfsplus",
        _ => return None,
    };
    Some(signature(kind, 1024, None, None))
}

/// VMware's volumes: the member's header at 1 MiB, the volume's at 2 MiB.
fn vmfs(read: &mut Reader<'_>) -> Option<Signature> {
    const MEMBER_AT: u64 = 0x10_0000;
    const VOLUME_AT: u64 = 0x20_0000;
    for (at, magic, kind) in [
        (MEMBER_AT, 0xc001_d00d_u32, "VMFS_volume_member"),
        (VOLUME_AT, 0x2fab_f15e, "VMFS"),
    ] {
        let raw = read(at, 4)?;
        if raw == magic.to_le_bytes() {
            return Some(signature(kind, at, None, None));
        }
    }
    None
}

/// LVM2 and others write ids of letters and digits; for those that do not, hexadecimal.
pub(super) fn readable(raw: &[u8]) -> String {
    if raw.iter().all(u8::is_ascii_alphanumeric) {
        String::from_utf8_lossy(raw).into_owned()
    } else {
        hex(raw)
    }
}
