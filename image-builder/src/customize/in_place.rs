//! Writing changed regions into an image or a stick.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, fcntl_lock, flock};
use rustix::io::Errno;

use super::{CustomizeError, Edit, Piece, RegionWrite};

/// Writes are cut to whole blocks of this size: what a disk writes at once.
const BLOCK_BYTES: usize = 512;

/// Opens an image or a stick to be changed, and keeps other programs out: a file must not be open in
/// QEMU and is locked against other runs of this program, a device must have no mounted partition.
///
/// # Errors
/// [`CustomizeError::Open`], [`CustomizeError::Busy`].
pub fn open(path: &Path) -> Result<File, CustomizeError> {
    let failed = |source: io::Error| {
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
    let locked = not_in_qemu(&file, is_device)
        .and_then(|()| flock(&file, FlockOperation::NonBlockingLockExclusive));
    match locked {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK | Errno::ACCESS) => Err(CustomizeError::Busy {
            path: path.to_owned(),
        }),
        Err(errno) => Err(failed(errno.into())),
    }
}

/// QEMU marks the bytes of its images with locks that `flock` does not see. Only asked for: on NFS the
/// two kinds see each other, and one of them must stay.
fn not_in_qemu(file: &File, is_device: bool) -> Result<(), Errno> {
    if is_device {
        return Ok(());
    }
    fcntl_lock(file, FlockOperation::NonBlockingLockExclusive)?;
    fcntl_lock(file, FlockOperation::Unlock)
}

/// Writes the changed regions one after the other, each made durable before the next is begun: after
/// a power cut at most one region is a mixture, and then usually none, since only the blocks that
/// differ are written. `reset` mends a mixture: what it needs is never written.
///
/// # Errors
/// [`CustomizeError::Changed`] before anything is written, [`CustomizeError::Write`].
pub fn apply(file: &File, edit: &Edit) -> Result<(), CustomizeError> {
    for write in &edit.writes {
        if !write.pieces().all(|piece| holds(file, &piece)) {
            return Err(CustomizeError::Changed {
                name: write.name.clone(),
            });
        }
    }
    for write in &edit.writes {
        write_durably(file, write).map_err(|source| CustomizeError::Write {
            name: write.name.clone(),
            offset: write.offset,
            source,
        })?;
    }
    Ok(())
}

fn write_durably(file: &File, write: &RegionWrite) -> io::Result<()> {
    for piece in write.pieces() {
        if let Some((from, to)) = differing(&piece) {
            file.write_all_at(&piece.after[from..to], piece.offset + from as u64)?;
        }
    }
    file.sync_data()
}

/// Whether the file still is as it was.
fn holds(file: &File, piece: &Piece<'_>) -> bool {
    let mut found = [0; 4096];
    let mut at = piece.offset;
    piece.before.chunks(found.len()).all(|wanted| {
        let found = &mut found[..wanted.len()];
        let read = file.read_exact_at(found, at);
        at += wanted.len() as u64;
        read.is_ok() && *found == *wanted
    })
}

/// The blocks from the first to the last that differs.
fn differing(piece: &Piece<'_>) -> Option<(usize, usize)> {
    let Piece { before, after, .. } = piece;
    // Whole chunks are compared much faster than bytes.
    let chunks = before.chunks(BLOCK_BYTES).zip(after.chunks(BLOCK_BYTES));
    let mut differing = chunks
        .enumerate()
        .filter(|(_, (before, after))| before != after)
        .map(|(at, _)| at);
    let first_chunk = differing.next()?;
    let last_chunk = differing.next_back().unwrap_or(first_chunk);
    let differs = |at: &usize| before[*at] != after[*at];
    let bytes_of = |chunk: usize| chunk * BLOCK_BYTES..after.len().min((chunk + 1) * BLOCK_BYTES);
    let first = bytes_of(first_chunk).find(differs)?;
    let last = bytes_of(last_chunk).rev().find(differs)?;
    // Blocks of the medium, not of the region.
    let shift = (piece.offset % BLOCK_BYTES as u64) as usize;
    let from = ((first + shift) / BLOCK_BYTES * BLOCK_BYTES).saturating_sub(shift);
    let to = ((last + shift) / BLOCK_BYTES + 1) * BLOCK_BYTES - shift;
    Some((from, to.min(after.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blocks_that_differ_are_written() {
        let cut = |offset: u64, at: &[usize]| {
            let before = [0; 2048];
            let mut after = before;
            for at in at {
                after[*at] = 1;
            }
            differing(&Piece {
                offset,
                before: &before,
                after: &after,
            })
        };
        assert_eq!(cut(4096, &[]), None);
        assert_eq!(cut(4096, &[0]), Some((0, 512)));
        assert_eq!(cut(4096, &[600, 1500]), Some((512, 1536)));
        assert_eq!(cut(100, &[0]), Some((0, 412)));
        assert_eq!(cut(100, &[412, 2047]), Some((412, 2048)));
    }
}
