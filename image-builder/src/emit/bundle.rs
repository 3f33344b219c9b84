//! Writing several files as one thing: a directory, or its reproducible tar archive (POSIX ustar in
//! gzip, RFC 1952, without times or names of this machine).

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::TempDir;

use super::{EmitOptions, Emitted, Progress, to_file, to_writer};
use crate::bootkit::digest::{Digest, HashingWriter};
use crate::error::EmitError;
use crate::formats::timestamp::Timestamp;
use crate::medium::BundleFile;

/// Tar counts in blocks.
const BLOCK_BYTES: u64 = 512;
/// "Unknown" in gzip's header; what it says of the writer's system must not vary.
const GZIP_OS_UNKNOWN: u8 = 255;

/// A directory in the making. It gets its name when it is complete; dropped before, it is removed.
#[derive(Debug)]
pub struct DirectoryWriter {
    staging: TempDir,
    path: PathBuf,
    options: EmitOptions,
}

impl DirectoryWriter {
    /// Starts the directory `path`, which must not exist or be empty. With `options.overwrite` one
    /// that holds the file `marker` is replaced: nobody's home directory does.
    ///
    /// # Errors
    /// [`EmitError::Exists`], [`EmitError::NotOurs`], [`EmitError::Create`].
    pub fn create(path: &Path, marker: &str, options: EmitOptions) -> Result<Self, EmitError> {
        Self::check(path, marker, options.overwrite)?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let staging = tempfile::Builder::new()
            .prefix(".farmer-")
            .suffix(".part")
            .permissions(fs::Permissions::from_mode(0o777))
            .tempdir_in(parent)
            .map_err(|source| EmitError::Create {
                directory: parent.to_owned(),
                source,
            })?;
        Ok(Self {
            staging,
            path: path.to_owned(),
            options,
        })
    }

    /// Refuses early what [`Self::create`] would refuse.
    ///
    /// # Errors
    /// [`EmitError::Exists`], [`EmitError::NotOurs`], [`EmitError::NoFileName`].
    pub fn check(path: &Path, marker: &str, overwrite: bool) -> Result<(), EmitError> {
        if path.file_name().is_none() {
            return Err(EmitError::NoFileName {
                path: path.to_owned(),
            });
        }
        let path = path.to_owned();
        match fs::symlink_metadata(&path) {
            Err(_) => Ok(()),
            Ok(found) if !found.is_dir() => Err(EmitError::NotOurs { path }),
            Ok(_) if fs::read_dir(&path).is_ok_and(|mut inside| inside.next().is_none()) => Ok(()),
            Ok(_) if !overwrite => Err(EmitError::Exists { path }),
            Ok(_) if path.join(marker).is_file() => Ok(()),
            Ok(_) => Err(EmitError::NotOurs { path }),
        }
    }

    /// Writes one file.
    ///
    /// # Errors
    /// As [`to_file`].
    pub fn add(
        &mut self,
        file: &BundleFile,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Emitted, EmitError> {
        let target = self.staging.path().join(&file.path);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(|source| EmitError::Create {
                directory: parent.to_owned(),
                source,
            })?;
        }
        let options = EmitOptions {
            overwrite: false,
            digest: true,
            ..self.options
        };
        to_file(&file.layout, &target, options, progress)
    }

    /// Gives the directory its name. What somebody put into the one it replaces stays: all that neither
    /// is in the new one nor was listed in the old one's `checksums` (lines of `sha256sum`).
    ///
    /// # Errors
    /// [`EmitError::Finish`], [`EmitError::Exists`].
    pub fn publish(self, checksums: &str) -> Result<(), EmitError> {
        let from = self.staging.path();
        let finish = |source| EmitError::Finish {
            path: self.path.clone(),
            source,
        };
        if self.options.overwrite && self.path.is_dir() {
            let listed = fs::read_to_string(self.path.join(checksums)).unwrap_or_default();
            let names = listed.lines().filter_map(|line| line.split_once("  "));
            let ours: BTreeSet<&str> = names.map(|(_, name)| name).collect();
            let is_ours = |name: &str| ours.contains(name) || name.starts_with(checksums);
            keep_others(&self.path, from, "", &is_ours).map_err(finish)?;
        }
        if self.options.sync {
            sync_directories(from).map_err(finish)?;
        }
        let occupied = self.path.symlink_metadata().is_ok();
        let replaced = if occupied && self.options.overwrite {
            // What was there is now the temporary directory, and goes with it.
            renameat_with(CWD, from, CWD, &self.path, RenameFlags::EXCHANGE)
                .map_err(io::Error::from)
        } else {
            // Onto nothing or an empty directory; anything else is refused by the kernel.
            fs::rename(from, &self.path)
        };
        replaced.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => EmitError::Exists {
                path: self.path.clone(),
            },
            _ => finish(source),
        })?;
        if self.options.sync
            && let Some(parent) = self.path.parent()
        {
            let parent = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            sync_directory(parent).map_err(finish)?;
        }
        Ok(())
    }
}

/// Gives what is in `old` and is not ours a place in `new`.
fn keep_others(
    old: &Path,
    new: &Path,
    below: &str,
    is_ours: &dyn Fn(&str) -> bool,
) -> io::Result<()> {
    for entry in fs::read_dir(old)? {
        let entry = entry?;
        let name = entry.file_name();
        let target = new.join(&name);
        let path = format!("{below}{}", name.to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            keep_others(&entry.path(), &target, &format!("{path}/"), is_ours)?;
        } else if !is_ours(&path) && target.symlink_metadata().is_err() {
            fs::create_dir_all(new)?;
            if kind.is_symlink() {
                symlink(fs::read_link(entry.path())?, &target)?;
            } else if fs::hard_link(entry.path(), &target).is_err() && kind.is_file() {
                fs::copy(entry.path(), &target)?;
            }
        }
    }
    Ok(())
}

fn sync_directories(top: &Path) -> io::Result<()> {
    for entry in fs::read_dir(top)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_directories(&entry.path())?;
        }
    }
    sync_directory(top)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// A `.tar.gz` in the making: files in the order they are added, owned by root, of one time.
pub struct ArchiveWriter<W: Write> {
    encoder: GzEncoder<HashingWriter<W>>,
    time: Timestamp,
    done_bytes: u64,
}

impl<W: Write> ArchiveWriter<W> {
    /// Starts an archive.
    pub fn new(writer: W, time: Timestamp) -> Self {
        // The payload is compressed already; what else there is does not pay for more than "fast".
        let encoder = GzBuilder::new()
            .mtime(0)
            .operating_system(GZIP_OS_UNKNOWN)
            .write(HashingWriter::new(writer), Compression::fast());
        Self {
            encoder,
            time,
            done_bytes: 0,
        }
    }

    /// Writes one file.
    ///
    /// # Errors
    /// [`EmitError::Write`], [`EmitError::Read`].
    pub fn add(
        &mut self,
        file: &BundleFile,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Emitted, EmitError> {
        let length = file.layout.total();
        let mut header = tar::Header::new_ustar();
        let prepared = header.set_path(&file.path);
        header.set_size(length);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.time.0);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        prepared
            .and_then(|()| self.encoder.write_all(header.as_bytes()))
            .map_err(|source| self.failed(source))?;
        let emitted = to_writer(&file.layout, &mut self.encoder, true, progress)?;
        let padding = length.next_multiple_of(BLOCK_BYTES) - length;
        self.encoder
            .write_all(&[0; BLOCK_BYTES as usize][..padding as usize])
            .map_err(|source| self.failed(source))?;
        self.done_bytes += BLOCK_BYTES + length + padding;
        Ok(emitted)
    }

    /// Ends the archive; returns the writer, digest and length.
    ///
    /// # Errors
    /// [`EmitError::Write`].
    pub fn finish(mut self) -> Result<(W, Digest, u64), EmitError> {
        let done = self.done_bytes;
        let failed = |source| EmitError::Write {
            path: PathBuf::from("-"),
            offset: done,
            source,
        };
        // Two empty blocks end an archive.
        self.encoder
            .write_all(&[0; 2 * BLOCK_BYTES as usize])
            .map_err(failed)?;
        Ok(self.encoder.finish().map_err(failed)?.finish())
    }

    fn failed(&self, source: io::Error) -> EmitError {
        EmitError::Write {
            path: PathBuf::from("-"),
            offset: self.done_bytes,
            source,
        }
    }
}
