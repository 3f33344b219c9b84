//! The farmer's own FAT partition on the stick: settings, the node's key, the last boot's log.
//!
//! Mounted only while it is read or written, so that pulling the stick harms nothing.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// Where the partition is mounted for a moment.
const MOUNT_POINT: &str = "/run/farmcfg";
/// The log a farmer can read on any laptop.
pub const LAST_BOOT: &str = "last-boot.txt";
/// A settings file is a page of text; more is not read.
const LARGEST_TEXT_BYTES: u64 = 256 * 1024;

/// A partition that could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FarmcfgError {
    /// The kernel did not mount it.
    #[error("FARMCFG ({}) cannot be mounted", device.display())]
    Mount {
        /// The partition.
        device: PathBuf,
        #[source]
        source: Errno,
    },
    /// A file on it could not be read or written.
    #[error("{name} on FARMCFG")]
    File {
        /// Name of the file.
        name: String,
        #[source]
        source: std::io::Error,
    },
}

/// The mounted partition; unmounted when dropped.
#[derive(Debug)]
pub struct Farmcfg {
    directory: PathBuf,
    is_mounted: bool,
    writable: bool,
}

impl Farmcfg {
    /// Mounts the partition, read-only if the stick is write-protected.
    pub fn mount(device: &Path) -> Result<Self, FarmcfgError> {
        let directory = PathBuf::from(MOUNT_POINT);
        let _ = std::fs::create_dir_all(&directory);
        let safe = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let mut failure = Errno::NODEV;
        // The default character set may be a module the image does not have: names here are ASCII,
        // any set will do.
        for data in [c"", c"iocharset=iso8859-1", c"iocharset=utf8"] {
            for (flags, writable) in [(safe, true), (safe | MountFlags::RDONLY, false)] {
                match mount(device, &directory, c"vfat", flags, data) {
                    Ok(()) => {
                        return Ok(Self {
                            directory,
                            is_mounted: true,
                            writable,
                        });
                    }
                    Err(error) => failure = error,
                }
            }
        }
        Err(FarmcfgError::Mount {
            device: device.to_owned(),
            source: failure,
        })
    }

    /// A directory that stands in for the partition.
    #[cfg(test)]
    pub fn stand_in(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            is_mounted: false,
            writable: true,
        }
    }

    /// Whether files can be written.
    pub const fn is_writable(&self) -> bool {
        self.writable
    }

    /// Reads the first of the given names that is there, in any letter case; gives the name as it
    /// stands on the partition. Files a desktop leaves behind (`._farm.toml`) never match.
    pub fn read(&self, names: &[&str]) -> Result<Option<(String, String)>, FarmcfgError> {
        let entries: Vec<String> = std::fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        for wanted in names {
            let found = entries
                .iter()
                .find(|name| name.eq_ignore_ascii_case(wanted));
            let Some(name) = found else { continue };
            let path = self.directory.join(name);
            let failed = |source| FarmcfgError::File {
                name: name.clone(),
                source,
            };
            let length = path.metadata().map_err(failed)?.len();
            if length > LARGEST_TEXT_BYTES {
                let why = format!("{length} bytes are too many");
                return Err(failed(std::io::Error::other(why)));
            }
            let bytes = std::fs::read(&path).map_err(failed)?;
            return Ok(Some((name.clone(), decode(&bytes))));
        }
        Ok(None)
    }

    /// Replaces a file so that after a power cut either the old or the new text is there.
    pub fn write(&self, name: &str, text: &str) -> Result<(), FarmcfgError> {
        let failed = |source| FarmcfgError::File {
            name: name.to_owned(),
            source,
        };
        if !self.writable {
            return Err(failed(std::io::Error::from(
                std::io::ErrorKind::ReadOnlyFilesystem,
            )));
        }
        // One 8.3 name for all temporary files: a leftover of a power cut is overwritten next time.
        let temporary = self.directory.join("NEW.TMP");
        let written = File::create(&temporary).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        let written = written
            .and_then(|()| std::fs::rename(&temporary, self.directory.join(name)))
            .and_then(|()| File::open(&self.directory)?.sync_all());
        written.map_err(|source| {
            let _ = std::fs::remove_file(&temporary);
            failed(source)
        })
    }
}

impl Drop for Farmcfg {
    fn drop(&mut self) {
        if !self.is_mounted {
            return;
        }
        if let Ok(directory) = File::open(&self.directory) {
            let _ = rustix::fs::syncfs(&directory);
        }
        if unmount(&self.directory, UnmountFlags::empty()).is_err() {
            let _ = unmount(&self.directory, UnmountFlags::DETACH);
        }
    }
}

/// Text of an editor: UTF-8, or the UTF-16 that Notepad calls "Unicode".
fn decode(bytes: &[u8]) -> String {
    let wide = |from_pair: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..]
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| from_pair(*pair))
            .collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xFF, 0xFE, ..] => wide(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => wide(u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_in_any_case_and_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let farmcfg = Farmcfg::stand_in(directory.path());
        let names = ["farm.toml", "farm.toml.txt"];
        assert!(farmcfg.read(&names).unwrap().is_none());
        std::fs::write(directory.path().join("._farm.toml"), "junk").unwrap();
        std::fs::write(directory.path().join("Farm.toml.TXT"), "b").unwrap();
        let (name, text) = farmcfg.read(&names).unwrap().unwrap();
        assert_eq!((name.as_str(), text.as_str()), ("Farm.toml.TXT", "b"));
        std::fs::write(directory.path().join("FARM.TOML"), "a").unwrap();
        assert_eq!(farmcfg.read(&names).unwrap().unwrap().1, "a");
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_behind() {
        let directory = tempfile::tempdir().unwrap();
        let farmcfg = Farmcfg::stand_in(directory.path());
        farmcfg.write(LAST_BOOT, "one").unwrap();
        farmcfg.write(LAST_BOOT, "two").unwrap();
        let names: Vec<_> = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, [LAST_BOOT]);
        assert_eq!(farmcfg.read(&[LAST_BOOT]).unwrap().unwrap().1, "two");
    }

    #[test]
    fn a_write_protected_stick_is_an_error_in_words() {
        let directory = tempfile::tempdir().unwrap();
        let mut farmcfg = Farmcfg::stand_in(directory.path());
        farmcfg.writable = false;
        let error = farmcfg.write("x", "y").unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("read-only"), "{source}");
    }

    #[test]
    fn notepads_unicode_is_text() {
        assert_eq!(decode(b"\xff\xfea\0b\0"), "ab");
        assert_eq!(decode(b"\xfe\xff\0a\0b"), "ab");
        assert_eq!(decode(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn a_huge_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let huge = vec![b'#'; 300 * 1024];
        std::fs::write(directory.path().join("farm.toml"), huge).unwrap();
        let farmcfg = Farmcfg::stand_in(directory.path());
        assert!(farmcfg.read(&["farm.toml"]).is_err());
    }
}
