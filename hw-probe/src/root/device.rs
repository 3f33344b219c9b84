//! Block devices that answer questions.

use std::os::fd::OwnedFd;
use std::path::Path;
#[cfg(feature = "snapshot")]
use std::path::PathBuf;

use rustix::fs::{FileType, OFlags, fstat};
use rustix::io::Errno;

#[cfg(feature = "snapshot")]
use super::tape;
use super::{Root, RootError};

impl Root {
    /// Opens a block device for asking it questions. In a snapshot no device is opened: it has the
    /// answers, or the error, of the machine it was taken on.
    ///
    /// # Errors
    /// Also when there is nothing to open, or the node is no block device.
    pub fn open_block_device(&self, path: &Path) -> Result<Device, RootError> {
        self.open_device(path, OFlags::empty())
    }

    /// The same past the page cache (`O_DIRECT`), for measuring the device itself.
    ///
    /// # Errors
    /// As for [`Root::open_block_device`].
    pub fn open_block_device_direct(&self, path: &Path) -> Result<Device, RootError> {
        self.open_device(path, OFlags::DIRECT)
    }

    fn open_device(&self, path: &Path, how: OFlags) -> Result<Device, RootError> {
        // How the second opening went is another matter.
        #[cfg(feature = "snapshot")]
        let name = if how.is_empty() {
            path.to_owned()
        } else {
            path.with_extension("direct")
        };
        #[cfg(feature = "snapshot")]
        let result = match self.tape.replayed_open(&name) {
            Some(Ok(())) => Ok(None),
            Some(Err(source)) => Err(RootError::Io {
                path: path.to_owned(),
                source,
            }),
            None => self.open_live_block_device(path, how).map(Some),
        };
        #[cfg(not(feature = "snapshot"))]
        let result = self.open_live_block_device(path, how).map(Some);
        #[cfg(feature = "snapshot")]
        self.tape.record_open(&name, &result);
        Ok(Device {
            fd: result?,
            #[cfg(feature = "snapshot")]
            path: path.to_owned(),
            #[cfg(feature = "snapshot")]
            tape: self.tape.clone(),
        })
    }

    fn open_live_block_device(&self, path: &Path, how: OFlags) -> Result<OwnedFd, RootError> {
        let io = |errno: Errno| RootError::Io {
            path: path.to_owned(),
            source: errno.into(),
        };
        if !self.live {
            return Err(io(Errno::NODEV));
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = self.open(path, flags | how)?;
        let mode = fstat(&fd).map_err(io)?.st_mode;
        if FileType::from_raw_mode(mode) != FileType::BlockDevice {
            return Err(io(Errno::NOTBLK));
        }
        Ok(fd)
    }
}

/// A block device that answers questions: an open one of the running machine, or the memory of one
/// in a snapshot.
#[derive(Debug)]
pub struct Device {
    /// `None` in a snapshot.
    fd: Option<OwnedFd>,
    #[cfg(feature = "snapshot")]
    path: PathBuf,
    #[cfg(feature = "snapshot")]
    tape: tape::Tape,
}

impl Device {
    /// The answer to `question`, a stable name such as `ata-identify`; `ask` puts it to the open
    /// device.
    pub fn ask(
        &self,
        question: &str,
        ask: impl FnOnce(&OwnedFd) -> Option<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        let live = || self.fd.as_ref().and_then(ask);
        #[cfg(feature = "snapshot")]
        {
            let subject = self.path.to_string_lossy();
            self.tape.answer(&subject, question, live)
        }
        #[cfg(not(feature = "snapshot"))]
        {
            let _ = question;
            live()
        }
    }

    /// The open device for what is momentary and must not be replayed; `None` in a snapshot.
    #[must_use]
    pub fn fd(&self) -> Option<&OwnedFd> {
        self.fd.as_ref()
    }
}
