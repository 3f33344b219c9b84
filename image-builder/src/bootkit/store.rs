//! Safe files in the cache: 0644 in 0700 directories, complete or absent, links never followed.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

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

impl AtomicFile {
    /// Starts writing `target`; its directory must exist.
    pub fn create(target: &Path) -> io::Result<Self> {
        let parent = target.parent().unwrap_or(Path::new("."));
        let temp = tempfile::Builder::new()
            .prefix(".tmp-")
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
