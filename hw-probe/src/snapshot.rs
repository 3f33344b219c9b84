//! Snapshots: exactly the files that a probe read, and the answers devices gave, in one archive.
//! A snapshot replays: [`open`] makes a [`Root`] of it that gives the same report again, on any
//! machine. So every bug report is a test.
//!
//! The archive is a `tar.zst` of `proc/`, `sys/` and so on as they lay below `/`, and
//! `hw-probe/ioctl.json`. Unpacked, it is a directory for `--sysroot`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, openat};

use crate::root::tape::{ANSWERS_PATH, Entry, Recording};
use crate::root::{Root, RootError};

/// Most bytes a snapshot may unpack to.
const UNPACKED_MAX_BYTES: u64 = 256 << 20;
/// Most files, links and directories in a snapshot.
const ENTRIES_MAX: usize = 200_000;
/// zstd's default; snapshots are small.
const COMPRESSION_LEVEL: i32 = 12;

/// Why a snapshot could not be taken or opened.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The archive could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Path of the archive.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The archive could not be read.
    #[error("cannot read the snapshot {}", path.display())]
    Read {
        /// Path of the archive.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The archive has more in it than any snapshot.
    #[error("the snapshot {} unpacks to more than {UNPACKED_MAX_BYTES} bytes or {ENTRIES_MAX} files", path.display())]
    TooLarge {
        /// Path of the archive.
        path: PathBuf,
    },
    /// The unpacked tree could not be read.
    #[error(transparent)]
    Root(#[from] RootError),
}

impl SnapshotError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Write { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => Some(
                "an existing file is never overwritten: give another name or remove it".to_owned(),
            ),
            Self::Read { .. } => Some(
                "a snapshot is a file made by `hw-probe snapshot OUT.tar.zst`, or a directory it \
                 was unpacked to"
                    .to_owned(),
            ),
            Self::Root(error) => error.hint(),
            Self::Write { .. } | Self::TooLarge { .. } => None,
        }
    }
}

/// What a probe read and asked.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) recording: Recording,
}

impl Snapshot {
    /// Everything that was read and asked through `root` since [`Root::recording`]; `None` when it
    /// does not record.
    #[must_use]
    pub fn of(root: &Root) -> Option<Self> {
        let mut recording = root.recorded()?;
        for (path, entry) in &mut recording.entries {
            if let Entry::File(Some(data)) = entry {
                remove_secrets(path, data);
            }
        }
        Some(Self { recording })
    }

    /// Writes the archive. The same recording gives the same bytes.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let encoder = zstd::Encoder::new(out, COMPRESSION_LEVEL)?;
        let mut archive = tar::Builder::new(encoder);
        let header = |kind, mode| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_mtime(0);
            header.set_size(0);
            header
        };
        // A path sorts behind its directory, so every directory comes before what is in it.
        for (path, entry) in &self.recording.entries {
            match entry {
                Entry::Directory => {
                    let mut header = header(tar::EntryType::Directory, 0o755);
                    archive.append_data(&mut header, path, io::empty())?;
                }
                Entry::Link(target) => {
                    let mut header = header(tar::EntryType::Symlink, 0o777);
                    archive.append_link(&mut header, path, target)?;
                }
                Entry::File(data) => {
                    let data = data.as_deref().unwrap_or_default();
                    let mut header = header(tar::EntryType::Regular, 0o644);
                    header.set_size(u64::try_from(data.len()).unwrap_or(u64::MAX));
                    archive.append_data(&mut header, path, data)?;
                }
            }
        }
        if self.recording.answerable {
            let answers = serde_json::to_vec_pretty(&self.recording.answers)?;
            let mut header = header(tar::EntryType::Regular, 0o644);
            header.set_size(u64::try_from(answers.len()).unwrap_or(u64::MAX));
            let path = ANSWERS_PATH.trim_start_matches('/');
            archive.append_data(&mut header, path, answers.as_slice())?;
        }
        archive.into_inner()?.finish()?.flush()
    }

    /// Writes the archive to a new file that only its owner can read: it names serial numbers. An
    /// existing file or link of that name is left alone.
    ///
    /// # Errors
    /// [`SnapshotError::Write`].
    pub fn create(&self, path: &Path) -> Result<(), SnapshotError> {
        let fail = |source| SnapshotError::Write {
            path: path.to_owned(),
            source,
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let file = openat(
            rustix::fs::CWD,
            path,
            flags | OFlags::CLOEXEC,
            Mode::RUSR | Mode::WUSR,
        )
        .map_err(|errno| fail(errno.into()))?;
        let mut file = File::from(file);
        let written = self.write(&mut file).and_then(|()| file.sync_all());
        written.map_err(|error| {
            // A part of an archive helps nobody.
            let _ = std::fs::remove_file(path);
            fail(error)
        })
    }

    /// How many files, links and directories it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.recording.entries.len()
    }

    /// Whether nothing was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.recording.entries.is_empty()
    }
}

/// Takes out what the probe had to read but never uses: passwords in the environment of process 1
/// and on the kernel's command line.
fn remove_secrets(path: &Path, data: &mut Vec<u8>) {
    if path == Path::new("proc/1/environ") {
        let mut kept = Vec::new();
        for variable in data.split(|&b| b == 0) {
            if variable.starts_with(b"container=") {
                kept.extend_from_slice(variable);
                kept.push(0);
            }
        }
        *data = kept;
    } else if path == Path::new("proc/cmdline") {
        let text = String::from_utf8_lossy(data);
        let words: Vec<String> = arguments(text.trim_end())
            .into_iter()
            .map(|word| match word.split_once('=') {
                Some((key, value)) if is_secret_key(key) || has_password(value) => {
                    format!("{key}=removed")
                }
                _ => word.to_owned(),
            })
            .collect();
        *data = (words.join(" ") + "\n").into_bytes();
    }
}

/// The kernel's arguments: words with spaces between them, except within double quotes.
fn arguments(line: &str) -> Vec<&str> {
    let mut quoted = false;
    line.split(|c: char| {
        quoted ^= c == '"';
        c == ' ' && !quoted
    })
    .collect()
}

/// `https://name:password@host`
fn has_password(value: &str) -> bool {
    value
        .split_once("://")
        .and_then(|(_, rest)| rest.split('/').next()?.split_once('@'))
        .is_some_and(|(user, _)| user.contains(':'))
}

fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    const WORDS: [&str; 11] = [
        "secret",
        "passw",
        "pwd",
        "psk",
        "wpa",
        "token",
        "seed",
        "credential",
        "mnemonic",
        "auth",
        "key",
    ];
    WORDS.iter().any(|word| key.contains(word))
}

/// A machine to read: a directory with its `/proc` and `/sys`, or a snapshot's archive, which is
/// unpacked to a temporary directory that goes with the root.
///
/// # Errors
/// See [`SnapshotError`].
pub fn open(path: &Path) -> Result<Root, SnapshotError> {
    if !path.is_file() {
        return Ok(Root::at(path)?);
    }
    let dir = unpack(path)?;
    let root = Root::at(dir.path())?;
    Ok(root.owning(dir))
}

fn unpack(path: &Path) -> Result<tempfile::TempDir, SnapshotError> {
    let fail = |source| SnapshotError::Read {
        path: path.to_owned(),
        source,
    };
    let dir = tempfile::Builder::new()
        .prefix("hw-probe-")
        .tempdir()
        .map_err(fail)?;
    let file = File::open(path).map_err(fail)?;
    let decoder = zstd::Decoder::new(file).map_err(fail)?;
    let mut archive = tar::Archive::new(decoder.take(UNPACKED_MAX_BYTES));
    archive.set_preserve_mtime(false);
    archive.set_preserve_permissions(false);
    let mut links = Vec::new();
    let mut unpacked_bytes = 0_u64;
    for (count, entry) in archive.entries().map_err(fail)?.enumerate() {
        let mut entry = entry.map_err(fail)?;
        unpacked_bytes = unpacked_bytes.saturating_add(entry.size());
        if count >= ENTRIES_MAX || unpacked_bytes > UNPACKED_MAX_BYTES {
            return Err(SnapshotError::TooLarge {
                path: path.to_owned(),
            });
        }
        let name = entry.path().map_err(fail)?.into_owned();
        let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if !name.components().all(plain) {
            continue;
        }
        match entry.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Directory => {
                entry.unpack_in(dir.path()).map_err(fail)?;
            }
            // Made last, so that nothing is ever written through one.
            tar::EntryType::Symlink => {
                if let Some(target) = entry.link_name().map_err(fail)? {
                    links.push((dir.path().join(name), target.into_owned()));
                }
            }
            // Devices and the like are no part of a snapshot.
            _ => {}
        }
    }
    for (link, target) in links {
        // A link on the way to another would lead that one out of here.
        let mut above = link
            .ancestors()
            .skip(1)
            .take_while(|path| *path != dir.path());
        if above.any(Path::is_symlink) {
            continue;
        }
        if let Some(parent) = link.parent() {
            std::fs::create_dir_all(parent).map_err(fail)?;
        }
        std::os::unix::fs::symlink(target, link).map_err(fail)?;
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_do_not_get_into_snapshots() {
        let mut environment = b"PATH=/bin\0container=lxc\0TOKEN=abc\0".to_vec();
        remove_secrets(Path::new("proc/1/environ"), &mut environment);
        assert_eq!(environment, b"container=lxc\0");
        let mut line = b"quiet secret=hunter2 farmer_id=7 wifi.password=x\n".to_vec();
        remove_secrets(Path::new("proc/cmdline"), &mut line);
        assert_eq!(
            line,
            b"quiet secret=removed farmer_id=7 wifi.password=removed\n"
        );
        let mut line =
            b"a=\"x y\" wifi.psk=\"correct horse\" url=https://me:pw@h/x proxy=http://h\n".to_vec();
        remove_secrets(Path::new("proc/cmdline"), &mut line);
        assert_eq!(
            line,
            b"a=\"x y\" wifi.psk=removed url=removed proxy=http://h\n"
        );
    }

    #[test]
    fn what_is_no_snapshot_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "not zstd").unwrap();
        let error = open(file.path()).unwrap_err();
        assert!(matches!(error, SnapshotError::Read { .. }), "{error}");
        assert!(error.hint().unwrap().contains("hw-probe snapshot"));
        assert!(matches!(
            open(Path::new("/does/not/exist")),
            Err(SnapshotError::Root(_))
        ));
    }

    #[test]
    fn a_hostile_archive_writes_nothing_outside() {
        let outside = tempfile::tempdir().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let encoder = zstd::Encoder::new(file.reopen().unwrap(), 1).unwrap();
        let mut archive = tar::Builder::new(encoder);
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive
            .append_link(&mut header, "sys", outside.path())
            .unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, "sys/evil", b"evil".as_slice())
            .unwrap();
        archive.into_inner().unwrap().finish().unwrap();
        // Refused or confined; either way nothing appears outside.
        let _ = open(file.path());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_link_does_not_lead_another_out() {
        let outside = tempfile::tempdir().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let encoder = zstd::Encoder::new(file.reopen().unwrap(), 1).unwrap();
        let mut archive = tar::Builder::new(encoder);
        let links = [("a", outside.path()), ("a/new/dir/evil", Path::new("x"))];
        for (name, target) in links {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            archive.append_link(&mut header, name, target).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap();
        let _ = open(file.path());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
