//! Writing a [`Layout`] in one streaming pass: into a new file, or into any `Write`.
//!
//! A file appears under its name complete or not at all: it is written without a name (`O_TMPFILE`,
//! so that even a killed process leaves nothing), or under a hidden temporary one where the file
//! system has no nameless files, and gets its name by an operation that never clobbers.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, linkat, openat, renameat_with};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempPath};

use crate::content::Sha256Digest;
use crate::error::{EmitError, ReadError};
use crate::rope::{Extent, Layout, Source, SourceFile};

/// Bytes per read and write: large enough that system calls do not count, small enough for the cache.
const CHUNK_BYTES: usize = 256 * 1024;

/// How far one `copy_file_range` goes before progress is reported again.
const COPY_BYTES: u64 = 16 * 1024 * 1024;

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
    let mut pass = Pass::new(layout, options.digest, progress);
    let mut sink = FileSink {
        file: output.file(),
        path,
        total: layout.total(),
        copy: true,
    };
    output
        .file()
        .set_len(layout.total())
        .map_err(|source| sink.error(0, source))?;
    for extent in layout.extents() {
        pass.file_extent(extent, &mut sink)?;
    }
    let emitted = pass.finish();
    if options.sync {
        // A late ENOSPC (delayed allocation, quotas) shows up here.
        output
            .file()
            .sync_all()
            .map_err(|source| sink.error(layout.total(), source))?;
    }
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

/// Refuses early what would be refused at the end.
fn check_target(path: &Path, overwrite: bool) -> Result<(), EmitError> {
    if path.file_name().is_none() {
        return Err(EmitError::NoFileName {
            path: path.to_owned(),
        });
    }
    match path.symlink_metadata() {
        Ok(metadata) if !metadata.is_file() && !metadata.is_symlink() => {
            Err(EmitError::NotRegular {
                path: path.to_owned(),
            })
        }
        Ok(_) if !overwrite => Err(EmitError::Exists {
            path: path.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Takes the bytes for an offset in the image.
type WritePart<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<(), EmitError>;

/// One walk over the layout: digest and progress.
struct Pass<'a> {
    hasher: Option<Sha256>,
    buf: Vec<u8>,
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(Progress),
}

impl<'a> Pass<'a> {
    fn new(layout: &Layout, digest: bool, progress: &'a mut dyn FnMut(Progress)) -> Self {
        Self {
            hasher: digest.then(Sha256::new),
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

    /// Writes the extent into a fresh file: holes stay holes, file ranges are copied in the kernel
    /// when no digest needs their bytes.
    fn file_extent(&mut self, extent: &Extent, sink: &mut FileSink<'_>) -> Result<(), EmitError> {
        match &extent.source {
            Source::Zero | Source::Unused if self.hasher.is_some() => {
                self.bytes(extent, &mut |_, _| Ok(()))
            }
            Source::Zero | Source::Unused => {
                self.advance(extent.length);
                Ok(())
            }
            Source::File { file, offset } if self.hasher.is_none() && sink.copy => {
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
            sha256: self.hasher.map(|hasher| hasher.finalize().into()),
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
}

impl FileSink<'_> {
    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), EmitError> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(|source| self.error(offset, source))
    }

    fn error(&self, offset: u64, source: io::Error) -> EmitError {
        let path = self.path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => EmitError::NoSpace {
                path,
                total: self.total,
                source,
            },
            _ => EmitError::Write {
                path,
                offset,
                source,
            },
        }
    }
}

/// A file that has no visible name yet.
enum Output<'a> {
    /// Made with `O_TMPFILE`.
    Nameless {
        file: File,
        path: &'a Path,
        directory: PathBuf,
    },
    /// A hidden temporary name in the same directory, removed on drop.
    Named {
        file: NamedTempFile,
        path: &'a Path,
        directory: PathBuf,
    },
}

impl<'a> Output<'a> {
    fn create(path: &'a Path) -> Result<Self, EmitError> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        match Self::nameless(path, &directory) {
            // File systems without O_TMPFILE say EOPNOTSUPP; FUSE and old kernels EISDIR or EINVAL.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS) => {
                Self::named(path, &directory)
            }
            other => other.map_err(io::Error::from),
        }
        .map_err(|source| EmitError::Create { directory, source })
    }

    fn nameless(path: &'a Path, directory: &Path) -> Result<Self, Errno> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = File::from(openat(CWD, directory, flags, Mode::from_raw_mode(0o666))?);
        let directory = directory.to_owned();
        Ok(Self::Nameless {
            file,
            path,
            directory,
        })
    }

    fn named(path: &'a Path, directory: &Path) -> io::Result<Self> {
        let file = hidden().tempfile_in(directory)?;
        let directory = directory.to_owned();
        Ok(Self::Named {
            file,
            path,
            directory,
        })
    }

    fn file(&self) -> &File {
        match self {
            Self::Nameless { file, .. } => file,
            Self::Named { file, .. } => file.as_file(),
        }
    }

    /// Gives the finished file its name.
    fn publish(self, options: EmitOptions) -> Result<(), EmitError> {
        let (directory, path) = match self {
            Self::Nameless {
                file,
                path,
                directory,
            } => {
                if options.overwrite {
                    // linkat cannot replace: link under a hidden name, then rename over the target.
                    let hidden = hidden()
                        .make_in(&directory, |name| link_file(&file, name))
                        .map_err(|source| finish_error(path, source))?
                        .into_temp_path();
                    rename(hidden, path, true)?;
                } else {
                    link_file(&file, path).map_err(|source| finish_error(path, source))?;
                }
                (directory, path)
            }
            Self::Named {
                file,
                path,
                directory,
            } => {
                rename(file.into_temp_path(), path, options.overwrite)?;
                (directory, path)
            }
        };
        if options.sync {
            File::open(directory)
                .and_then(|directory| directory.sync_all())
                .map_err(|source| EmitError::Finish {
                    path: path.to_owned(),
                    source,
                })?;
        }
        Ok(())
    }
}

/// Names for what must exist before it may have its own; removed on drop.
fn hidden() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder
        .prefix(".farmer-")
        .suffix(".part")
        .permissions(std::fs::Permissions::from_mode(0o666));
    builder
}

/// Names a nameless file; `EEXIST` when the name is taken.
fn link_file(file: &File, name: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let this = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(
        CWD,
        this.as_str(),
        CWD,
        name,
        AtFlags::SYMLINK_FOLLOW,
    )?)
}

fn rename(from: TempPath, path: &Path, overwrite: bool) -> Result<(), EmitError> {
    let renamed = if overwrite {
        std::fs::rename(&from, path)
    } else {
        match renameat_with(CWD, &*from, CWD, path, RenameFlags::NOREPLACE) {
            // No RENAME_NOREPLACE here: NFS, many FUSE file systems.
            Err(Errno::INVAL | Errno::NOSYS) => claim_and_rename(&from, path),
            other => other.map_err(io::Error::from),
        }
    };
    renamed.map_err(|source| finish_error(path, source))
}

/// Claims the name, which fails if it is taken, and then replaces our own empty file.
fn claim_and_rename(from: &Path, path: &Path) -> io::Result<()> {
    File::create_new(path)?;
    std::fs::rename(from, path).inspect_err(|_| remove(path))
}

/// Best effort: the caller already has an error to report.
fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
}

fn finish_error(path: &Path, source: io::Error) -> EmitError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::AlreadyExists => EmitError::Exists { path },
        _ => EmitError::Finish { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC: EmitOptions = EmitOptions {
        overwrite: false,
        digest: false,
        sync: true,
    };
    const OVERWRITE: EmitOptions = EmitOptions {
        overwrite: true,
        ..SYNC
    };

    /// What a file system without nameless files gets; where tests run there is none.
    #[test]
    fn a_hidden_temporary_file_obeys_the_same_rules() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("node.iso");
        let publish = |text: &[u8], options| {
            let output = Output::named(&path, directory.path()).expect("created");
            output.file().write_all_at(text, 0).expect("written");
            output.publish(options)
        };
        let entries = || {
            std::fs::read_dir(directory.path())
                .expect("entries")
                .count()
        };
        publish(b"one", SYNC).expect("published");
        assert!(matches!(
            publish(b"two", SYNC),
            Err(EmitError::Exists { .. })
        ));
        assert_eq!(std::fs::read(&path).expect("kept"), b"one");
        publish(b"three", OVERWRITE).expect("replaced");
        assert_eq!(std::fs::read(&path).expect("replaced"), b"three");
        drop(Output::named(&path, directory.path()).expect("created"));
        assert_eq!(entries(), 1);
    }

    #[test]
    fn a_name_is_claimed_before_it_is_replaced() {
        let directory = tempfile::tempdir().expect("directory");
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        std::fs::write(&from, "new").expect("source");
        std::fs::write(&to, "old").expect("target");
        let error = claim_and_rename(&from, &to).expect_err("taken");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&to).expect("kept"), b"old");
        std::fs::remove_file(&to).expect("removed");
        claim_and_rename(&from, &to).expect("renamed");
        assert_eq!(std::fs::read(&to).expect("new"), b"new");
        assert!(claim_and_rename(&from, &directory.path().join("other")).is_err());
        assert!(!directory.path().join("other").exists());
    }
}
