//! QCOW2 version 3, uncompressed, without snapshots or backing file
//! (QEMU, `docs/interop/qcow2.txt`). Written here because the crates there are read or write the
//! data themselves; a rope needs only the tables.
//!
//! ```text
//! header | refcount table | refcount blocks | L1 table | L2 tables | data clusters
//! ```
//!
//! A cluster of the guest that is all zero or never read has no data cluster: it reads as zero.

use super::{place_range, reads_as_zero};
use crate::error::LayoutError;
use crate::rope::{Layout, LayoutBuilder};

/// 64 KiB, the default of `qemu-img`.
const CLUSTER_BITS: u32 = 16;
const CLUSTER_BYTES: u64 = 1 << CLUSTER_BITS;
/// Entries of 8 bytes in one cluster: of an L1, L2 or refcount table.
const ENTRIES: u64 = CLUSTER_BYTES / 8;
/// Reference counts of 16 bits in one cluster.
const COUNTS: u64 = CLUSTER_BYTES / 2;
/// `QCOW_OFLAG_COPIED`: the cluster's reference count is exactly 1.
const COPIED: u64 = 1 << 63;
const VERSION: u32 = 3;
const HEADER_BYTES: usize = 104;
/// log2 of the bits of a reference count.
const REFCOUNT_ORDER: u32 = 4;
/// Virtual disks are counted in sectors.
const SECTOR_BYTES: u64 = 512;

/// The image as a QCOW2 file.
///
/// # Errors
/// [`LayoutError`] only if the given layout is unsound.
pub fn wrap(image: &Layout) -> Result<Layout, LayoutError> {
    let guest_clusters = image.total().div_ceil(CLUSTER_BYTES);
    let l2_tables = guest_clusters.div_ceil(ENTRIES);
    let l1_clusters = l2_tables.div_ceil(ENTRIES).max(1);
    let used: Vec<u64> = (0..guest_clusters)
        .filter(|cluster| !reads_as_zero(image, cluster * CLUSTER_BYTES, CLUSTER_BYTES))
        .collect();
    // The counts count themselves; the second round cannot need more than it makes room for.
    let fixed = 1 + l1_clusters + l2_tables + used.len() as u64;
    let mut blocks = 1;
    let (table_clusters, total_clusters) = loop {
        let table = u64::div_ceil(blocks, ENTRIES);
        let total = fixed + table + blocks;
        if total <= blocks * COUNTS {
            break (table, total);
        }
        blocks = total.div_ceil(COUNTS);
    };
    let refcount_table_at = 1;
    let blocks_at = refcount_table_at + table_clusters;
    let l1_at = blocks_at + blocks;
    let l2_at = l1_at + l1_clusters;
    let data_at = l2_at + l2_tables;

    let mut builder = LayoutBuilder::new();
    builder.place_bytes(
        0,
        header(&Header {
            size_bytes: image.total().next_multiple_of(SECTOR_BYTES),
            l1_entries: l2_tables,
            l1_at,
            refcount_table_at,
            table_clusters,
        }),
    );
    let table = (0..blocks).map(|block| (blocks_at + block) * CLUSTER_BYTES);
    builder.place_bytes(refcount_table_at * CLUSTER_BYTES, big_endian(table));
    let counts: Vec<u8> = (0..total_clusters)
        .flat_map(|_| 1_u16.to_be_bytes())
        .collect();
    builder.place_bytes(blocks_at * CLUSTER_BYTES, counts);
    let l1 = (0..l2_tables).map(|table| ((l2_at + table) * CLUSTER_BYTES) | COPIED);
    builder.place_bytes(l1_at * CLUSTER_BYTES, big_endian(l1));
    let mut l2 = vec![0_u64; guest_clusters as usize];
    for (index, guest) in used.iter().enumerate() {
        let at = (data_at + index as u64) * CLUSTER_BYTES;
        l2[*guest as usize] = at | COPIED;
        place_range(
            &mut builder,
            at,
            image,
            guest * CLUSTER_BYTES,
            CLUSTER_BYTES,
        );
    }
    builder.place_bytes(l2_at * CLUSTER_BYTES, big_endian(l2.into_iter()));
    builder.finish(total_clusters * CLUSTER_BYTES)
}

/// What varies in a header. Places and lengths in clusters.
struct Header {
    size_bytes: u64,
    l1_entries: u64,
    l1_at: u64,
    refcount_table_at: u64,
    table_clusters: u64,
}

fn header(header: &Header) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + 8);
    let int = |out: &mut Vec<u8>, value: u32| out.extend_from_slice(&value.to_be_bytes());
    let long = |out: &mut Vec<u8>, value: u64| out.extend_from_slice(&value.to_be_bytes());
    out.extend_from_slice(b"QFI\xfb");
    int(&mut out, VERSION);
    long(&mut out, 0); // backing file: none
    int(&mut out, 0);
    int(&mut out, CLUSTER_BITS);
    long(&mut out, header.size_bytes);
    int(&mut out, 0); // encryption: none
    int(&mut out, header.l1_entries as u32);
    long(&mut out, header.l1_at * CLUSTER_BYTES);
    long(&mut out, header.refcount_table_at * CLUSTER_BYTES);
    int(&mut out, header.table_clusters as u32);
    int(&mut out, 0); // snapshots: none
    long(&mut out, 0);
    long(&mut out, 0); // incompatible,
    long(&mut out, 0); // compatible
    long(&mut out, 0); // and auto-clear features: none
    int(&mut out, REFCOUNT_ORDER);
    int(&mut out, HEADER_BYTES as u32);
    long(&mut out, 0); // end of the header extensions
    out
}

fn big_endian(values: impl Iterator<Item = u64>) -> Vec<u8> {
    values.flat_map(u64::to_be_bytes).collect()
}
