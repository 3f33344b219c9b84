//! How a file gets its name: complete or not at all.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, linkat, openat, renameat_with};
use rustix::io::Errno;
use tempfile::{NamedTempFile, TempPath};

use super::EmitOptions;
use crate::error::EmitError;

/// Refuses early what would be refused at the end.
pub(super) fn check_target(path: &Path, overwrite: bool) -> Result<(), EmitError> {
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

/// A file that has no visible name yet.
pub(super) enum Output<'a> {
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
    pub(super) fn create(path: &'a Path) -> Result<Self, EmitError> {
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

    pub(super) fn file(&self) -> &File {
        match self {
            Self::Nameless { file, .. } => file,
            Self::Named { file, .. } => file.as_file(),
        }
    }

    /// Gives the finished file its name.
    pub(super) fn publish(self, options: EmitOptions) -> Result<(), EmitError> {
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
    use std::os::unix::fs::FileExt;

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
