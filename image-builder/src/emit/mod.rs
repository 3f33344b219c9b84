//! Writing a [`Layout`] in one streaming pass: into a new file, or into any `Write`.
//!
//! A file appears under its name complete or not at all: it is written without a name (`O_TMPFILE`,
//! so that even a killed process leaves nothing), or under a hidden temporary one where the file
//! system has no nameless files, and gets its name by an operation that never clobbers.

mod bundle;
mod follower;
mod hasher;
mod output;
mod space;

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::content::Sha256Digest;
use crate::error::{EmitError, ReadError};
use crate::rope::{Extent, Layout, Source, SourceFile};

pub use bundle::{ArchiveWriter, DirectoryWriter};

use follower::Follower;
use hasher::Hasher;
use output::{Output, check_target};

/// Bytes per read and write: large enough that system calls do not count, small enough for the cache.
const CHUNK_BYTES: usize = 256 * 1024;

/// How far one `copy_file_range` goes before progress is reported and the digest can follow.
const COPY_BYTES: u64 = 4 * 1024 * 1024;

/// How to write a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmitOptions {
    /// Replace an existing regular file (atomically) instead of refusing.
    pub overwrite: bool,
    /// Compute SHA-256 of the image in the same pass.
    pub digest: bool,
    /// Return only when file and name are on stable storage.
    pub sync: bool,
}

impl Default for EmitOptions {
    fn default() -> Self {
        Self {
            overwrite: false,
            digest: true,
            sync: true,
        }
    }
}

/// Progress of one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the image done; holes count too.
    pub done_bytes: u64,
    /// Size of the image in bytes.
    pub total_bytes: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emitted {
    /// Size of the image in bytes.
    pub bytes: u64,
    /// SHA-256 of the image, when asked for.
    pub sha256: Option<Sha256Digest>,
}

/// Writes the image to the file `path`, which must not exist unless `options.overwrite`.
///
/// # Errors
/// [`EmitError`]; no file, partial or temporary, is left behind.
pub fn to_file(
    layout: &Layout,
    path: &Path,
    options: EmitOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Emitted, EmitError> {
    check_target(path, options.overwrite)?;
    let output = Output::create(path)?;
    let mut pass = Pass::new(layout, false, progress);
    let follower = options
        .digest
        .then(|| Follower::start(output.file()))
        .transpose()
        .map_err(|source| write_error(path, layout.total(), 0, source))?;
    let mut sink = FileSink {
        file: output.file(),
        path,
        total: layout.total(),
        copy: true,
        follower: follower.as_ref(),
    };
    output
        .file()
        .set_len(layout.total())
        .map_err(|source| sink.error(0, source))?;
    space::reserve(output.file(), layout).map_err(|source| sink.error(0, source))?;
    for extent in layout.extents() {
        pass.file_extent(extent, &mut sink)?;
    }
    if options.sync {
        // A late ENOSPC (delayed allocation, quotas) shows up here.
        output
            .file()
            .sync_all()
            .map_err(|source| sink.error(layout.total(), source))?;
    }
    let sha256 = follower
        .map(|follower| follower.finish(layout.total()))
        .transpose()
        .map_err(|source| ReadError::Source {
            path: path.to_owned(),
            offset: 0,
            source,
        })?;
    let emitted = Emitted {
        sha256,
        ..pass.finish()
    };
    output.publish(options)?;
    Ok(emitted)
}

/// Writes the image to a stream; holes become zeros.
///
/// # Errors
/// [`EmitError::Write`] (with `-` as path) or [`EmitError::Read`].
pub fn to_writer(
    layout: &Layout,
    writer: &mut dyn Write,
    digest: bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Emitted, EmitError> {
    let mut pass = Pass::new(layout, digest, progress);
    let failed = |offset, source| EmitError::Write {
        path: PathBuf::from("-"),
        offset,
        source,
    };
    for extent in layout.extents() {
        pass.bytes(extent, &mut |at, part| {
            writer.write_all(part).map_err(|e| failed(at, e))
        })?;
    }
    writer
        .flush()
        .map_err(|source| failed(layout.total(), source))?;
    Ok(pass.finish())
}

/// Writes the file `path` as whatever `write` writes: complete or not at all, as [`to_file`] does.
/// `total_bytes` is about how much that will be, for messages.
///
/// # Errors
/// [`EmitError`]; no file, partial or temporary, is left behind.
pub fn with_writer<T>(
    path: &Path,
    total_bytes: u64,
    options: EmitOptions,
    write: impl FnOnce(&mut dyn Write) -> Result<T, EmitError>,
) -> Result<T, EmitError> {
    check_target(path, options.overwrite)?;
    let output = Output::create(path)?;
    let mut buffered = io::BufWriter::with_capacity(CHUNK_BYTES, output.file());
    let failed = |offset, source| write_error(path, total_bytes, offset, source);
    // A writer does not know its own name.
    let named = |error| match error {
        EmitError::Write { offset, source, .. } => failed(offset, source),
        other => other,
    };
    let result = write(&mut buffered).map_err(named)?;
    buffered
        .into_inner()
        .map_err(|error| failed(total_bytes, error.into_error()))?;
    if options.sync {
        output
            .file()
            .sync_all()
            .map_err(|source| failed(total_bytes, source))?;
    }
    output.publish(options)?;
    Ok(result)
}

/// Writes the image over an open block device or file from its first byte on. Only what nobody ever
/// reads is skipped; zeros are written, whatever was there before.
///
/// # Errors
/// [`EmitError::Write`], [`EmitError::Read`]; the device then holds a part of the image.
pub fn to_device(
    layout: &Layout,
    device: &File,
    path: &Path,
    options: EmitOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Emitted, EmitError> {
    let mut pass = Pass::new(layout, options.digest, progress);
    let total = layout.total();
    for extent in layout.extents() {
        let skip = matches!(extent.source, Source::Unused);
        if skip && pass.hasher.is_none() {
            pass.advance(extent.length);
            continue;
        }
        pass.bytes(extent, &mut |at, part| {
            if skip {
                return Ok(());
            }
            device
                .write_all_at(part, at)
                .map_err(|source| write_error(path, total, at, source))
        })?;
    }
    if options.sync {
        device
            .sync_all()
            .map_err(|source| write_error(path, total, total, source))?;
    }
    Ok(pass.finish())
}

/// SHA-256 of the image without writing it.
///
/// # Errors
/// [`EmitError::Read`].
pub fn digest(layout: &Layout) -> Result<Sha256Digest, EmitError> {
    let mut ignore = |_| {};
    let mut pass = Pass::new(layout, true, &mut ignore);
    for extent in layout.extents() {
        pass.bytes(extent, &mut |_, _| Ok(()))?;
    }
    Ok(pass.finish().sha256.unwrap_or_default())
}

/// Takes the bytes for an offset in the image.
type WritePart<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<(), EmitError>;

/// One walk over the layout: digest and progress.
struct Pass<'a> {
    hasher: Option<Hasher>,
    buf: Vec<u8>,
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(Progress),
}

impl<'a> Pass<'a> {
    fn new(layout: &Layout, digest: bool, progress: &'a mut dyn FnMut(Progress)) -> Self {
        Self {
            hasher: digest.then(Hasher::start),
            buf: Vec::new(),
            done: 0,
            total: layout.total(),
            progress,
        }
    }

    fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        (self.progress)(Progress {
            done_bytes: self.done,
            total_bytes: self.total,
        });
    }

    /// Feeds every byte of the extent to the hasher and to `write(offset in the image, bytes)`.
    fn bytes(&mut self, extent: &Extent, write: WritePart<'_>) -> Result<(), EmitError> {
        let mut at = 0;
        // Taken out so that `advance` can borrow the rest; put back below.
        let mut buf = std::mem::take(&mut self.buf);
        if !matches!(extent.source, Source::Bytes { .. }) {
            buf.resize(CHUNK_BYTES, 0);
            if matches!(extent.source, Source::Zero | Source::Unused) {
                buf.fill(0);
            }
        }
        while at < extent.length {
            let length = (extent.length - at).min(CHUNK_BYTES as u64) as usize;
            let part = match &extent.source {
                Source::Bytes { bytes, start } => {
                    let from = start + at as usize;
                    &bytes[from..from + length]
                }
                Source::File { file, offset } => {
                    file.read_exact_at(&mut buf[..length], offset + at)?;
                    &buf[..length]
                }
                Source::Zero | Source::Unused => &buf[..length],
            };
            if let Some(hasher) = &mut self.hasher {
                hasher.update(part);
            }
            write(extent.offset + at, part)?;
            at += length as u64;
            self.advance(length as u64);
        }
        self.buf = buf;
        Ok(())
    }

    /// Writes the extent into a fresh file: holes stay holes, file ranges are copied in the kernel.
    fn file_extent(&mut self, extent: &Extent, sink: &mut FileSink<'_>) -> Result<(), EmitError> {
        match &extent.source {
            Source::Zero | Source::Unused => {
                self.advance(extent.length);
                sink.written(extent.end());
                Ok(())
            }
            Source::File { file, offset } if sink.copy => {
                let copied = self.copy_range(file, *offset, extent, sink)?;
                let rest = Extent {
                    offset: extent.offset + copied,
                    length: extent.length - copied,
                    source: Source::File {
                        file: file.clone(),
                        offset: offset + copied,
                    },
                };
                self.bytes(&rest, &mut |at, part| sink.write(at, part))
            }
            Source::Bytes { .. } | Source::File { .. } => {
                self.bytes(extent, &mut |at, part| sink.write(at, part))
            }
        }
    }

    /// `copy_file_range`, which shares the blocks where the file system can (XFS, btrfs). Returns the
    /// bytes copied; fewer than asked when the kernel will not do it for these two files.
    fn copy_range(
        &mut self,
        file: &SourceFile,
        offset: u64,
        extent: &Extent,
        sink: &mut FileSink<'_>,
    ) -> Result<u64, EmitError> {
        let mut copied = 0;
        while copied < extent.length {
            let mut from = offset + copied;
            let mut to = extent.offset + copied;
            let want = (extent.length - copied).min(COPY_BYTES) as usize;
            match rustix::fs::copy_file_range(
                file.file(),
                Some(&mut from),
                sink.file,
                Some(&mut to),
                want,
            ) {
                Ok(0) => {
                    return Err(ReadError::Source {
                        path: file.path().to_owned(),
                        offset: offset + copied,
                        source: io::ErrorKind::UnexpectedEof.into(),
                    }
                    .into());
                }
                Ok(done) => {
                    copied += done as u64;
                    self.advance(done as u64);
                    sink.written(extent.offset + copied);
                }
                Err(Errno::INTR) => {}
                Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => {
                    return Err(sink.error(extent.offset + copied, error.into()));
                }
                // EXDEV, EINVAL, EOPNOTSUPP, ENOSYS, EPERM (seccomp): plain reads and writes work
                // or give the error that matters.
                Err(_) => {
                    sink.copy = false;
                    break;
                }
            }
        }
        Ok(copied)
    }

    fn finish(self) -> Emitted {
        Emitted {
            bytes: self.done,
            sha256: self.hasher.map(Hasher::finish),
        }
    }
}

/// The file being written.
struct FileSink<'a> {
    file: &'a File,
    path: &'a Path,
    total: u64,
    /// Whether `copy_file_range` still looks useful.
    copy: bool,
    /// Who computes the digest, when one is asked for.
    follower: Option<&'a Follower>,
}

impl FileSink<'_> {
    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), EmitError> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(|source| self.error(offset, source))?;
        self.written(offset + bytes.len() as u64);
        Ok(())
    }

    /// Extents come in order, so everything before `limit` is there.
    fn written(&self, limit: u64) {
        if let Some(follower) = self.follower {
            follower.written(limit);
        }
    }

    fn error(&self, offset: u64, source: io::Error) -> EmitError {
        write_error(self.path, self.total, offset, source)
    }
}

fn write_error(path: &Path, total: u64, offset: u64, source: io::Error) -> EmitError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => EmitError::NoSpace {
            path,
            total,
            source,
        },
        _ => EmitError::Write {
            path,
            offset,
            source,
        },
    }
}
