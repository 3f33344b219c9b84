//! Room on the file system, taken before the writing.

use std::fs::File;
use std::io;

use rustix::fs::{FallocateFlags, fallocate, fstatfs};
use rustix::io::Errno;

use crate::rope::{Layout, Source};

/// Below this reserving takes longer than it saves.
const LEAST_BYTES: u64 = 16 << 20;
/// Runs below this are reserved as they are written: the call takes longer than it saves.
const LEAST_RUN_BYTES: u64 = 64 << 10;
/// `EXT4_SUPER_MAGIC`, also of ext2 and ext3; statfs(2).
const EXT4_MAGIC: u64 = 0xEF53;

/// Reserves the blocks of what will be written; holes stay holes. On ext4 writing into reserved blocks
/// is a fifth faster, and a full disk shows before the work. File systems that can share blocks with
/// the sources (XFS, btrfs) are left alone: they need none of their own.
///
/// # Errors
/// No space, or none left of a quota.
pub(super) fn reserve(file: &File, layout: &Layout) -> io::Result<()> {
    let runs = written_runs(layout);
    let total: u64 = runs.iter().map(|(_, length)| length).sum();
    let kind = || fstatfs(file).map(|found| found.f_type as u64);
    if total < LEAST_BYTES || kind() != Ok(EXT4_MAGIC) {
        return Ok(());
    }
    let long = runs.into_iter().filter(|run| run.1 >= LEAST_RUN_BYTES);
    for (offset, length) in long {
        match fallocate(file, FallocateFlags::KEEP_SIZE, offset, length) {
            Ok(()) => {}
            Err(error @ (Errno::NOSPC | Errno::DQUOT)) => return Err(error.into()),
            // ext2 and ext3 cannot, and a signal may come: writing works all the same.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// Offset and length of the runs of extents that are not holes.
fn written_runs(layout: &Layout) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for extent in layout.extents() {
        if matches!(extent.source, Source::Zero | Source::Unused) {
            continue;
        }
        match runs.last_mut() {
            Some((offset, length)) if *offset + *length == extent.offset => {
                *length += extent.length;
            }
            _ => runs.push((extent.offset, extent.length)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rope::LayoutBuilder;

    #[test]
    fn neighbours_are_one_run_and_holes_are_none() {
        let mut builder = LayoutBuilder::new();
        builder.place_bytes(0, vec![1; 10]);
        builder.place_bytes(10, vec![2; 5]);
        builder.place(15, 85, Source::Zero);
        builder.place_bytes(100, vec![3; 1]);
        let layout = builder.finish(200).expect("a layout");
        assert_eq!(written_runs(&layout), [(0, 15), (100, 1)]);
    }
}
