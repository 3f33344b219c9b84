//! Writing changed regions into an image or a stick.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::{CustomizeError, Edit, RegionWrite};

/// Writes are cut to whole blocks of this size: what a disk writes at once.
const BLOCK_BYTES: usize = 512;

/// Opens an image or a stick to be changed, and keeps other programs out: a file is locked against
/// other runs of this one, a device must have no mounted partition.
///
/// # Errors
/// [`CustomizeError::Open`], [`CustomizeError::Busy`].
pub fn open(path: &Path) -> Result<File, CustomizeError> {
    let failed = |source: std::io::Error| {
        if source.raw_os_error() == Some(Errno::BUSY.raw_os_error()) {
            CustomizeError::Busy {
                path: path.to_owned(),
            }
        } else {
            CustomizeError::Open {
                path: path.to_owned(),
                source,
            }
        }
    };
    let is_device = path
        .metadata()
        .map_err(failed)?
        .file_type()
        .is_block_device();
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    if is_device {
        // Without O_CREAT this means: fail if the device or a part of it is mounted.
        options.custom_flags(OFlags::EXCL.bits().cast_signed());
    }
    let file = options.open(path).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(CustomizeError::Busy {
            path: path.to_owned(),
        }),
        Err(errno) => Err(failed(errno.into())),
    }
}

/// Writes the changed regions one after the other, each made durable before the next is begun: after
/// a power cut at most one region is a mixture, and then usually none, since only the blocks that
/// differ are written. `reset` mends a mixture: what it needs is never written.
///
/// # Errors
/// [`CustomizeError::Changed`] before anything is written, [`CustomizeError::Write`].
pub fn apply(file: &File, edit: &Edit) -> Result<(), CustomizeError> {
    for write in &edit.writes {
        if !holds(file, &write.before, write.offset) {
            return Err(CustomizeError::Changed {
                name: write.name.clone(),
            });
        }
    }
    for write in &edit.writes {
        let (from, to) = differing(write);
        let offset = write.offset + from as u64;
        file.write_all_at(&write.after[from..to], offset)
            .and_then(|()| file.sync_data())
            .map_err(|source| CustomizeError::Write {
                name: write.name.clone(),
                offset,
                source,
            })?;
    }
    Ok(())
}

/// Whether the file has these bytes at this offset.
fn holds(file: &File, bytes: &[u8], offset: u64) -> bool {
    let mut found = [0; 4096];
    let mut at = offset;
    bytes.chunks(found.len()).all(|wanted| {
        let found = &mut found[..wanted.len()];
        let read = file.read_exact_at(found, at);
        at += wanted.len() as u64;
        read.is_ok() && *found == *wanted
    })
}

/// The blocks from the first to the last that differs.
fn differing(write: &RegionWrite) -> (usize, usize) {
    let length = write.after.len();
    let differs = |at: &usize| write.before[*at] != write.after[*at];
    // Whole pieces are compared much faster than bytes.
    let pieces = write
        .before
        .chunks(BLOCK_BYTES)
        .zip(write.after.chunks(BLOCK_BYTES));
    let mut differing = pieces
        .enumerate()
        .filter(|(_, (before, after))| before != after);
    let first_piece = differing.next().map_or(0, |(at, _)| at);
    let last_piece = differing.next_back().map_or(first_piece, |(at, _)| at);
    let bytes_of = |piece: usize| piece * BLOCK_BYTES..((piece + 1) * BLOCK_BYTES).min(length);
    let first = bytes_of(first_piece).find(differs).unwrap_or(0);
    let last = bytes_of(last_piece).rev().find(differs).unwrap_or(0);
    // Blocks of the medium, not of the region.
    let shift = (write.offset % BLOCK_BYTES as u64) as usize;
    let from = ((first + shift) / BLOCK_BYTES * BLOCK_BYTES).saturating_sub(shift);
    let to = ((last + shift) / BLOCK_BYTES + 1) * BLOCK_BYTES - shift;
    (from, to.min(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blocks_that_differ_are_written() {
        let cut = |offset: u64, at: &[usize]| {
            let before = vec![0; 2048];
            let mut after = before.clone();
            for at in at {
                after[*at] = 1;
            }
            differing(&RegionWrite {
                name: "x".to_owned(),
                offset,
                before,
                after,
            })
        };
        assert_eq!(cut(4096, &[0]), (0, 512));
        assert_eq!(cut(4096, &[600, 1500]), (512, 1536));
        assert_eq!(cut(100, &[0]), (0, 412));
        assert_eq!(cut(100, &[412, 2047]), (412, 2048));
    }
}
