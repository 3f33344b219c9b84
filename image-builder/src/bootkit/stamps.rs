//! Digests of files that have not changed since they were last computed.
//!
//! A file is read again when its size, inode, modification or change time differ, as git's index and
//! make do. The kernel sets the change time, so nobody but root can alter a file and keep it. A file
//! changed within the same tick of the clock in which it was read would go unnoticed: an entry
//! therefore counts only if the list was written a good while after the file's change.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::store;

/// Name of a list inside the directory whose files it is about.
pub const STAMPS_FILE: &str = ".verified.json";

const LIMIT_BYTES: u64 = 1 << 20;
/// Coarser than the clock of any file system here.
const SETTLED_S: i64 = 2;

/// What is known of the files of a cache directory. Losing it costs time, never correctness.
#[derive(Debug)]
pub struct Stamps {
    path: PathBuf,
    known: BTreeMap<PathBuf, Stamp>,
    /// When the list was written, seconds.
    written_s: i64,
    changed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    device: u64,
    inode: u64,
    size_bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
    sha256: Digest,
}

impl Stamps {
    /// Reads the list of `directory`, if there is a usable one.
    pub fn load(directory: &Path) -> Self {
        let path = directory.join(STAMPS_FILE);
        let read = || -> io::Result<_> {
            let written_s = store::open_regular(&path)?.metadata()?.mtime();
            let bytes = store::read_limited(&path, LIMIT_BYTES)?;
            Ok((serde_json::from_slice(&bytes)?, written_s))
        };
        let (known, written_s) = read().unwrap_or_default();
        Self {
            path,
            known,
            written_s,
            changed: false,
        }
    }

    /// Digest and length of a regular file; links are not followed.
    ///
    /// # Errors
    /// Those of opening and reading it.
    pub fn digest_of(&mut self, path: &Path) -> io::Result<(Digest, u64)> {
        if let Some(known) = self.known.get(path)
            && known.changed.0 + SETTLED_S <= self.written_s
            && *known == stamp(&path.symlink_metadata()?, known.sha256)
        {
            return Ok((known.sha256, known.size_bytes));
        }
        let mut file = store::open_regular(path)?;
        let found = file.metadata()?;
        let (sha256, size_bytes) = Digest::of_reader(&mut file)?;
        // Of the time before it was read: what changes meanwhile has a later one.
        self.known.insert(path.to_owned(), stamp(&found, sha256));
        self.changed = true;
        Ok((sha256, size_bytes))
    }

    /// Writes the list if it has news. A directory that cannot be written is read again next time.
    pub fn save(mut self) {
        if !self.changed {
            return;
        }
        // Files come and go; only those that are still there count.
        self.known.retain(|path, _| path.symlink_metadata().is_ok());
        if let Ok(json) = serde_json::to_vec(&self.known) {
            let _ = store::write_atomic(&self.path, &json);
        }
    }
}

fn stamp(found: &Metadata, sha256: Digest) -> Stamp {
    Stamp {
        device: found.dev(),
        inode: found.ino(),
        size_bytes: found.len(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
        sha256,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_changed_file_is_read_again_and_an_unchanged_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let of = |path: &Path| {
            let mut stamps = Stamps::load(dir.path());
            let digest = stamps.digest_of(path).unwrap().0;
            let changed = stamps.changed;
            stamps.save();
            (digest, changed)
        };
        fs::write(&file, b"one").unwrap();
        assert_eq!(of(&file), (Digest::of(b"one"), true));
        // Too fresh to be believed.
        assert_eq!(of(&file), (Digest::of(b"one"), true));
        // As if the list had been written some seconds later.
        let list = fs::File::options()
            .write(true)
            .open(dir.path().join(STAMPS_FILE))
            .unwrap();
        let changed = fs::metadata(&file).unwrap().modified().unwrap();
        list.set_modified(changed + std::time::Duration::from_secs(5))
            .unwrap();
        assert_eq!(of(&file), (Digest::of(b"one"), false));
        // Same length, same modification time.
        let before = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, b"two").unwrap();
        fs::File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_modified(before)
            .unwrap();
        assert_eq!(of(&file), (Digest::of(b"two"), true));
        // Nonsense in the list is no list.
        fs::write(dir.path().join(STAMPS_FILE), b"{").unwrap();
        assert_eq!(of(&file), (Digest::of(b"two"), true));
    }
}
