//! On-disk formats. Each writer only decides where things go and renders its own metadata; file
//! contents are extents that the [`medium`](crate::medium) places. No crate on offer can let an
//! ISO 9660 tree and a FAT volume share extents, which is what keeps the payload from being stored
//! twice, so these writers are our own.

pub mod el_torito;
pub mod fat;
pub mod gpt;
pub mod guid;
pub mod iso9660;
pub mod mbr;
pub mod pe;
pub mod timestamp;

/// Bytes of a disk sector; GPT and FAT here are written for 512-byte sectors.
pub const SECTOR_BYTES: u64 = 512;

/// Writes `bytes` into `buf` at byte `at`.
pub(crate) fn put(buf: &mut [u8], at: usize, bytes: &[u8]) {
    buf[at..at + bytes.len()].copy_from_slice(bytes);
}

/// `value` rounded up to a multiple of `unit`.
pub(crate) fn align_up(value: u64, unit: u64) -> u64 {
    value.div_ceil(unit) * unit
}
