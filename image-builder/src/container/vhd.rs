//! Fixed VHD: the image as it is, and a footer of 512 bytes behind it (Microsoft, "Virtual Hard Disk
//! Image Format Specification", October 2006). Azure wants the size in whole MiB.

use super::place_range;
use crate::error::LayoutError;
use crate::formats::guid::Guid;
use crate::formats::timestamp::Timestamp;
use crate::rope::{Layout, LayoutBuilder, Source};

/// What the last sector begins with.
pub const MAGIC: &[u8] = b"conectix";
const MIB: u64 = 1 << 20;
const FOOTER_BYTES: usize = 512;
const SECTOR_BYTES: u64 = 512;
/// 2000-01-01T00:00:00Z, from which the format counts.
const EPOCH_UNIX_S: u64 = 946_684_800;
/// Where the checksum stands in the footer.
const CHECKSUM_AT: usize = 64;
/// Most sectors that cylinders, heads and sectors can express.
const MOST_CHS_SECTORS: u64 = 65_535 * 16 * 255;

/// The image as a fixed VHD whose disk is `disk_guid`.
///
/// # Errors
/// [`LayoutError`] only if the given layout is unsound.
pub fn wrap(image: &Layout, disk_guid: Guid, time: Timestamp) -> Result<Layout, LayoutError> {
    let size_bytes = image.total().next_multiple_of(MIB);
    let mut builder = LayoutBuilder::new();
    place_range(&mut builder, 0, image, 0, image.total());
    builder.place(image.total(), size_bytes - image.total(), Source::Zero);
    builder.place_bytes(size_bytes, footer(size_bytes, disk_guid, time));
    builder.finish(size_bytes + FOOTER_BYTES as u64)
}

fn footer(size_bytes: u64, disk_guid: Guid, time: Timestamp) -> Vec<u8> {
    let (cylinders, heads, sectors) = geometry(size_bytes / SECTOR_BYTES);
    let seconds = time.0.saturating_sub(EPOCH_UNIX_S);
    let mut out = Vec::with_capacity(FOOTER_BYTES);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&2_u32.to_be_bytes()); // features: the reserved bit is always set
    out.extend_from_slice(&0x0001_0000_u32.to_be_bytes()); // format version 1.0
    out.extend_from_slice(&u64::MAX.to_be_bytes()); // no dynamic header
    out.extend_from_slice(&u32::try_from(seconds).unwrap_or(u32::MAX).to_be_bytes());
    // By this name readers know that the size below counts, not the geometry, which rounds it down.
    out.extend_from_slice(b"win \x00\x0a\x00\x00Wi2k");
    out.extend_from_slice(&size_bytes.to_be_bytes()); // original
    out.extend_from_slice(&size_bytes.to_be_bytes()); // and current size
    out.extend_from_slice(&cylinders.to_be_bytes());
    out.extend_from_slice(&[heads, sectors]);
    out.extend_from_slice(&2_u32.to_be_bytes()); // disk type: fixed
    out.extend_from_slice(&0_u32.to_be_bytes()); // checksum, below
    out.extend_from_slice(&Guid::derive("vhd", &disk_guid.0).0);
    out.resize(FOOTER_BYTES, 0);
    let sum: u32 = out.iter().map(|byte| u32::from(*byte)).sum();
    out[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&(!sum).to_be_bytes());
    out
}

/// Cylinders, heads and sectors per track as the specification's appendix computes them.
fn geometry(total_sectors: u64) -> (u16, u8, u8) {
    let total = total_sectors.min(MOST_CHS_SECTORS);
    let (heads, sectors) = if total >= 65_535 * 16 * 63 {
        (16, 255)
    } else {
        let mut sectors = 17;
        let mut per_head = total / sectors;
        let mut heads = per_head.div_ceil(1024).max(4);
        if per_head >= heads * 1024 || heads > 16 {
            (sectors, heads) = (31, 16);
            per_head = total / sectors;
        }
        if per_head >= heads * 1024 {
            (sectors, heads) = (63, 16);
        }
        (heads, sectors)
    };
    let cylinders = total / sectors / heads;
    (cylinders as u16, heads as u8, sectors as u8)
}

#[cfg(test)]
mod tests {
    use super::geometry;

    /// Values of `qemu-img create -f vpc`.
    #[test]
    fn geometries_are_those_of_the_appendix() {
        assert_eq!(geometry(20_480), (301, 4, 17));
        assert_eq!(geometry(131_072), (963, 8, 17));
        assert_eq!(geometry(4_194_304), (4161, 16, 63));
        assert_eq!(geometry(u64::MAX), (65_535, 16, 255));
    }
}
