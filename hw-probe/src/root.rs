//! The one way to read a machine. Everything the probe opens, it opens here: `/` of the running
//! machine, or a directory that holds another machine's `/proc` and `/sys`.
//!
//! Paths are resolved inside the root by the kernel (`openat2` with `RESOLVE_IN_ROOT`), so neither
//! a stale nor a hostile snapshot can lead to a file of the host. Only regular files are read, and
//! only up to a limit, so neither a FIFO nor an endless file stops the probe.
//!
//! What cannot be read as a file (ioctls, netlink, CPUID) is asked through [`Root::ask`] and
//! [`Device::ask`], so that a snapshot keeps the answers and gives them again.

mod device;
#[cfg(feature = "snapshot")]
pub(crate) mod tape;

pub use device::Device;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2, readlinkat};
use rustix::io::Errno;
use std::ffi::OsString;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Largest attribute read by default. sysfs attributes are at most one page; `/proc/cpuinfo` of a
/// large machine is the exception and names its own limit.
pub const ATTRIBUTE_MAX_BYTES: usize = 64 * 1024;

/// Most entries of one directory that are looked at.
const DIRECTORY_MAX_ENTRIES: usize = 65_536;

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// A snapshot whose record of answers cannot be understood.
    #[error("{} is not a record of answers that this version understands: {reason}", path.display())]
    Answers {
        /// The path inside the root.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The kernel refused.
    #[error("cannot read {}", path.display())]
    Io {
        /// The path inside the root.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// Not a regular file.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The path inside the root.
        path: PathBuf,
    },
    /// More than the caller allows.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The path inside the root.
        path: PathBuf,
        /// The limit in bytes.
        limit: usize,
    },
}

impl RootError {
    /// Whether it is simply not there (or the driver has nothing to say).
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Io { source, .. } if matches!(
            source.raw_os_error().map(Errno::from_raw_os_error),
            Some(Errno::NOENT | Errno::NOTDIR | Errno::NODEV | Errno::NXIO | Errno::INVAL | Errno::OPNOTSUPP)
        ))
    }

    /// Whether more rights would help.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied)
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.is_denied()
            .then(|| "run as root to see everything".to_owned())
    }
}

/// A machine's file tree.
#[derive(Debug)]
pub struct Root {
    /// `None`: nothing is there.
    dir: Option<OwnedFd>,
    live: bool,
    #[cfg(feature = "snapshot")]
    tape: tape::Tape,
}

impl Root {
    /// The running machine.
    ///
    /// # Errors
    /// When `/` cannot be opened.
    pub fn live() -> Result<Self, RootError> {
        Ok(Self {
            dir: Some(open_root(Path::new("/"))?),
            live: true,
            #[cfg(feature = "snapshot")]
            tape: tape::Tape::default(),
        })
    }

    /// Another machine's tree below `dir`. No device is opened and no ioctl issued, whatever the
    /// tree holds; with the feature `snapshot`, answers that the tree brings along are given
    /// instead.
    ///
    /// # Errors
    /// When `dir` cannot be opened or is no directory, or its answers cannot be understood.
    pub fn at(dir: impl AsRef<Path>) -> Result<Self, RootError> {
        #[cfg_attr(not(feature = "snapshot"), expect(unused_mut))]
        let mut root = Self {
            dir: Some(open_root(dir.as_ref())?),
            live: false,
            #[cfg(feature = "snapshot")]
            tape: tape::Tape::default(),
        };
        #[cfg(feature = "snapshot")]
        root.load_answers()?;
        Ok(root)
    }

    /// A machine of which nothing is known; for reading a firmware table by itself.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            dir: None,
            live: false,
            #[cfg(feature = "snapshot")]
            tape: tape::Tape::EMPTY,
        }
    }

    /// Whether this is the running machine, so that devices and processor instructions can be
    /// asked.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.live
    }

    /// Whether questions that no file answers are worth asking: the running machine, or a snapshot
    /// that kept the answers.
    #[must_use]
    pub fn answers_questions(&self) -> bool {
        #[cfg(feature = "snapshot")]
        if self.tape.replays() {
            return true;
        }
        self.live
    }

    /// The answer to a question that no file answers: `question` about `subject`, such as
    /// `permanent-mac` about `eth0`. The running machine is asked by `ask`; a snapshot gives what
    /// was answered when it was taken, and nothing else.
    pub fn ask(
        &self,
        subject: &str,
        question: &str,
        ask: impl FnOnce() -> Option<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        #[cfg(feature = "snapshot")]
        {
            self.tape
                .answer(subject, question, || self.live.then(ask).flatten())
        }
        #[cfg(not(feature = "snapshot"))]
        {
            let _ = (subject, question);
            self.live.then(ask).flatten()
        }
    }

    /// Whole contents of a regular file of at most [`ATTRIBUTE_MAX_BYTES`].
    ///
    /// # Errors
    /// See [`RootError`].
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Vec<u8>, RootError> {
        self.read_up_to(path, ATTRIBUTE_MAX_BYTES)
    }

    /// Whole contents of a regular file of at most `limit` bytes.
    ///
    /// # Errors
    /// See [`RootError`].
    pub fn read_up_to(&self, path: impl AsRef<Path>, limit: usize) -> Result<Vec<u8>, RootError> {
        let path = path.as_ref();
        let data = self.read_start(path, limit.saturating_add(1))?;
        if data.len() > limit {
            return Err(RootError::TooLarge {
                path: path.to_owned(),
                limit,
            });
        }
        Ok(data)
    }

    /// At most the first `limit` bytes of a regular file.
    ///
    /// # Errors
    /// See [`RootError`].
    pub fn read_start(&self, path: impl AsRef<Path>, limit: usize) -> Result<Vec<u8>, RootError> {
        let path = path.as_ref();
        #[cfg(feature = "snapshot")]
        {
            self.replayed_error(path)?;
            let result = self.read_start_untaped(path, limit);
            self.record_file(path, &result);
            result
        }
        #[cfg(not(feature = "snapshot"))]
        self.read_start_untaped(path, limit)
    }

    fn read_start_untaped(&self, path: &Path, limit: usize) -> Result<Vec<u8>, RootError> {
        let io = |source: std::io::Error| RootError::Io {
            path: path.to_owned(),
            source,
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        if !self.live {
            // Opening a device node can have effects; a snapshot may hold one.
            self.regular(path, &self.open(path, OFlags::PATH | OFlags::CLOEXEC)?)?;
        }
        let fd = self.open(path, flags)?;
        self.regular(path, &fd)?;
        let mut data = Vec::new();
        std::fs::File::from(fd)
            .take(u64::try_from(limit).unwrap_or(u64::MAX))
            .read_to_end(&mut data)
            .map_err(io)?;
        Ok(data)
    }

    /// A text attribute without surrounding white space, if it is there, readable and not empty.
    /// Bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let data = self.read(path).ok()?;
        let text = String::from_utf8_lossy(&data);
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A number attribute in decimal.
    pub fn number<T: std::str::FromStr>(&self, path: impl AsRef<Path>) -> Option<T> {
        self.text(path)?.parse().ok()
    }

    /// Names in a directory, sorted; an absent or unreadable one has none.
    pub fn names(&self, path: impl AsRef<Path>) -> Vec<String> {
        self.read_dir(path).unwrap_or_default()
    }

    /// Names in a directory, sorted, without `.` and `..`. Names that are not UTF-8 are left out:
    /// the kernel makes none.
    ///
    /// # Errors
    /// See [`RootError`].
    pub fn read_dir(&self, path: impl AsRef<Path>) -> Result<Vec<String>, RootError> {
        let path = path.as_ref();
        #[cfg(feature = "snapshot")]
        {
            self.replayed_error(path)?;
            let result = self.read_dir_untaped(path);
            self.record_names(path, &result);
            result
        }
        #[cfg(not(feature = "snapshot"))]
        self.read_dir_untaped(path)
    }

    fn read_dir_untaped(&self, path: &Path) -> Result<Vec<String>, RootError> {
        let io = |errno: Errno| RootError::Io {
            path: path.to_owned(),
            source: errno.into(),
        };
        let fd = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(fd).map_err(io)? {
            let entry = entry.map_err(io)?;
            if let Ok(name) = entry.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
            if names.len() >= DIRECTORY_MAX_ENTRIES {
                break;
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Target of a symbolic link, as written in it.
    ///
    /// # Errors
    /// See [`RootError`].
    pub fn read_link(&self, path: impl AsRef<Path>) -> Result<PathBuf, RootError> {
        let path = path.as_ref();
        let fd = self.open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC)?;
        let target = readlinkat(&fd, "", Vec::new()).map_err(|errno| RootError::Io {
            path: path.to_owned(),
            source: errno.into(),
        })?;
        #[cfg(feature = "snapshot")]
        self.record_presence(path, false);
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// Last component of a link's target: how sysfs names a device's driver or subsystem.
    pub fn link_name(&self, path: impl AsRef<Path>) -> Option<String> {
        self.read_link(path)
            .ok()?
            .file_name()?
            .to_str()
            .map(str::to_owned)
    }

    /// Where a link in sysfs leads, as an absolute path inside the root (`/sys/block/sda` gives
    /// `/sys/devices/.../block/sda`); the path itself when it is no link.
    pub fn resolve(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        match self.read_link(path) {
            Ok(target) => normalise(&path.parent().unwrap_or(Path::new("/")).join(target)),
            Err(_) => path.to_owned(),
        }
    }

    /// Whether something is there.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        let path = path.as_ref();
        let there = self.open(path, OFlags::PATH | OFlags::CLOEXEC).is_ok();
        #[cfg(feature = "snapshot")]
        if there {
            self.record_presence(path, true);
        }
        there
    }

    /// A second handle on the same root, for a thread of its own.
    pub(crate) fn try_clone(&self) -> Option<Self> {
        let dir = match &self.dir {
            Some(dir) => Some(dir.try_clone().ok()?),
            None => None,
        };
        Some(Self {
            dir,
            live: self.live,
            #[cfg(feature = "snapshot")]
            tape: self.tape.clone(),
        })
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, RootError> {
        let io = |errno: Errno| RootError::Io {
            path: path.to_owned(),
            source: errno.into(),
        };
        let dir = self.dir.as_ref().ok_or_else(|| io(Errno::NOENT))?;
        // Relative to the root either way; an absolute path would start at the root too.
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let mut attempts = 0;
        loop {
            attempts += 1;
            match openat2(dir, path, flags, Mode::empty(), resolve) {
                // A rename somewhere raced with `..`; the kernel asks to try again.
                Err(Errno::AGAIN | Errno::INTR) if attempts < 32 => {}
                // Kernels before 5.6, some sandboxes. For `/` it is the same thing; for another
                // root there is no safe substitute.
                Err(Errno::NOSYS) if self.live => {
                    return rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(io);
                }
                result => return result.map_err(io),
            }
        }
    }

    fn regular(&self, path: &Path, fd: &OwnedFd) -> Result<(), RootError> {
        let stat = fstat(fd).map_err(|errno| RootError::Io {
            path: path.to_owned(),
            source: errno.into(),
        })?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            Ok(())
        } else {
            Err(RootError::NotAFile {
                path: path.to_owned(),
            })
        }
    }
}

fn open_root(dir: &Path) -> Result<OwnedFd, RootError> {
    rustix::fs::openat(
        CWD,
        dir,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| RootError::Io {
        path: dir.to_owned(),
        source: errno.into(),
    })
}

/// Resolves `.` and `..` by text, which is what they mean in sysfs.
fn normalise(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                out.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("sys/devices/pci/block/sda")).unwrap();
        std::fs::create_dir_all(dir.path().join("sys/block")).unwrap();
        std::fs::write(dir.path().join("sys/devices/pci/block/sda/size"), " 42\n").unwrap();
        symlink("../devices/pci/block/sda", dir.path().join("sys/block/sda")).unwrap();
        dir
    }

    #[test]
    fn reads_and_follows_links_inside() {
        let dir = tree();
        let root = Root::at(dir.path()).unwrap();
        assert!(!root.is_live());
        assert_eq!(root.number("/sys/block/sda/size"), Some(42_u64));
        assert_eq!(root.number("sys/block/sda/size"), Some(42_u64));
        assert_eq!(root.names("/sys/block"), ["sda"]);
        assert_eq!(
            root.resolve("/sys/block/sda"),
            Path::new("/sys/devices/pci/block/sda")
        );
        assert!(root.exists("/sys/block/sda/size") && !root.exists("/sys/block/sdb"));
        assert!(root.read("/nothing").unwrap_err().is_absent());
    }

    #[test]
    fn links_cannot_leave_the_root() {
        let dir = tree();
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "host").unwrap();
        symlink(secret.path(), dir.path().join("absolute")).unwrap();
        let up = format!("../../../../../../..{}", secret.path().display());
        symlink(up, dir.path().join("relative")).unwrap();
        symlink("/proc/self/root/etc", dir.path().join("etc")).unwrap();
        let root = Root::at(dir.path()).unwrap();
        assert!(root.read("/absolute").is_err());
        assert!(root.read("/relative").is_err());
        assert!(root.read_dir("/etc").is_err());
        assert!(
            root.read(format!("../../../..{}", secret.path().display()))
                .is_err()
        );
    }

    #[test]
    fn fifos_directories_and_large_files_are_refused() {
        let dir = tree();
        rustix::fs::mknodat(CWD, dir.path().join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        std::fs::write(
            dir.path().join("large"),
            vec![b'x'; ATTRIBUTE_MAX_BYTES + 1],
        )
        .unwrap();
        let root = Root::at(dir.path()).unwrap();
        assert!(matches!(
            root.read("/fifo"),
            Err(RootError::NotAFile { .. })
        ));
        assert!(root.read("/sys").is_err());
        assert!(matches!(
            root.read("/large"),
            Err(RootError::TooLarge { .. })
        ));
        assert_eq!(
            root.read_up_to("/large", 100_000).unwrap().len(),
            ATTRIBUTE_MAX_BYTES + 1
        );
    }

    #[test]
    fn an_empty_root_has_nothing_and_a_snapshot_no_devices() {
        assert!(Root::empty().read("/proc/meminfo").unwrap_err().is_absent());
        let dir = tree();
        let root = Root::at(dir.path()).unwrap();
        assert!(root.open_block_device(Path::new("/dev/sda")).is_err());
        assert!(Root::at("/does/not/exist").is_err());
    }

    #[test]
    fn the_running_machine_is_readable() {
        let root = Root::live().unwrap();
        assert!(root.is_live());
        assert!(root.text("/proc/meminfo").unwrap().contains("MemTotal"));
    }
}
