//! Safe files in the cache: 0644 in 0700 directories, complete or absent, links never followed.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use tempfile::NamedTempFile;

/// Opens a regular file for reading; a symbolic link, device or directory is an error.
///
/// # Errors
/// Those of `open(2)`, or `InvalidInput` when the path is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // NONBLOCK: opening a FIFO somebody left in the cache must not hang; no effect on files.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    Ok(file)
}

/// Reads a regular file of at most `limit_bytes`; links are not followed.
pub fn read_limited(path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let size_bytes = file.metadata()?.len();
    if size_bytes > limit_bytes {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{size_bytes} bytes are more than the {limit_bytes} allowed here"),
        ));
    }
    let mut bytes = Vec::with_capacity(size_bytes as usize);
    file.take(limit_bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes a directory and the missing ones above it, each 0700. An existing one keeps its mode, but a
/// symbolic link in its place is refused.
pub fn private_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)?;
    if fs::symlink_metadata(path)?.is_dir() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::NotADirectory,
        "is a symbolic link, not a directory",
    ))
}

/// A file that appears under its name only when complete: written beside it, then renamed.
pub struct AtomicFile {
    temp: NamedTempFile,
    target: PathBuf,
}

/// What the names of unfinished files begin with.
const UNFINISHED: &str = ".tmp-";
/// No work takes so long: what is older was left by a process that was killed.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

impl AtomicFile {
    /// Starts writing `target`; its directory must exist.
    pub fn create(target: &Path) -> io::Result<Self> {
        let parent = target.parent().unwrap_or(Path::new("."));
        let temp = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(parent)?;
        Ok(Self {
            temp,
            target: target.to_owned(),
        })
    }

    /// Gives the file its name, replacing what was there, with mode 0644.
    pub fn commit(self) -> io::Result<()> {
        self.temp
            .as_file()
            .set_permissions(Permissions::from_mode(0o644))?;
        self.temp.persist(&self.target).map_err(|e| e.error)?;
        Ok(())
    }
}

/// Removes from a directory of the cache what killed processes left there. Only tidies up: whatever
/// stands in the way stays.
pub fn remove_abandoned(dir: &Path, new: &AtomicFile) {
    let Ok(now) = new
        .temp
        .as_file()
        .metadata()
        .and_then(|made| made.modified())
    else {
        return;
    };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries {
        let is_unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
        let made = entry.metadata().and_then(|found| found.modified());
        let age = made.ok().and_then(|made| now.duration_since(made).ok());
        if is_unfinished && age.is_some_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

impl Write for AtomicFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.temp.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temp.flush()
    }
}

/// Writes a small file atomically.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes)?;
    file.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_removed_after_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let new = AtomicFile::create(&dir.path().join("new")).unwrap();
        let now = new.temp.as_file().metadata().unwrap().modified().unwrap();
        for (name, hours) in [(".tmp-old", 25), (".tmp-young", 23), ("layer", 25)] {
            let file = File::create(dir.path().join(name)).unwrap();
            file.set_modified(now - Duration::from_secs(hours * 3600))
                .unwrap();
        }
        remove_abandoned(dir.path(), &new);
        let there = |name: &str| dir.path().join(name).exists();
        assert!(!there(".tmp-old") && there(".tmp-young") && there("layer"));
        drop(new);
    }

    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        fs::write(&target, b"x").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(open_regular(&link).is_err());
        assert!(open_regular(dir.path()).is_err());
        let dir_link = dir.path().join("dirlink");
        std::os::unix::fs::symlink(dir.path(), &dir_link).unwrap();
        assert!(private_dir(&dir_link).is_err());

        write_atomic(&link, b"new").unwrap();
        assert_eq!(
            fs::read(&target).unwrap(),
            b"x",
            "the link was replaced, not followed"
        );
        assert_eq!(read_limited(&link, 3).unwrap(), b"new");
        assert!(read_limited(&link, 2).is_err());
    }

    #[test]
    fn modes_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("a/b");
        private_dir(&sub).unwrap();
        assert_eq!(
            fs::metadata(&sub).unwrap().permissions().mode() & 0o777,
            0o700
        );
        write_atomic(&sub.join("f"), b"").unwrap();
        let mode = fs::metadata(sub.join("f")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }
}
