//! What can go wrong with a bootkit.

use std::io;
use std::path::{Path, PathBuf};

use super::deb::DebError;
use super::digest::Digest;
use crate::payload::elf::ElfError;
use crate::payload::kernel::KernelError;

/// A bootkit that cannot be fetched, opened or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootkitError {
    /// A file operation failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: `read`, `create`, ...
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A `.deb` is unusable.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// The lock file or an index does not parse.
    #[error("{} is not a valid bootkit file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Parser message.
        reason: String,
    },
    /// The lock file is of another version.
    #[error("{} has lock format {found}, this program reads {supported}", path.display())]
    Format {
        /// The lock file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// [`super::LOCK_FORMAT`].
        supported: u32,
    },
    /// A file's content is not what the lock says.
    #[error("{} changed since it was fetched: its sha256 is {found}, the lock says {expected}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// Digest in the lock.
        expected: Digest,
        /// Digest found.
        found: Digest,
    },
    /// A part no given package contained.
    #[error("the {part} is missing: no given package holds it (Debian package {package})")]
    MissingPart {
        /// What is missing.
        part: String,
        /// Package that has it on Debian.
        package: &'static str,
    },
    /// Two packages hold the same part, for example two kernels.
    #[error("{path} comes from two packages, {first} and {second}")]
    Duplicate {
        /// Path inside the bootkit or module name.
        path: String,
        /// First package.
        first: String,
        /// Second package.
        second: String,
    },
    /// Kernel and modules do not belong together.
    #[error("the kernel is {kernel}, the modules are for {modules}")]
    ReleaseMismatch {
        /// Release of the image.
        kernel: String,
        /// Release of the modules.
        modules: String,
    },
    /// The kernel image is unusable.
    #[error("kernel {}: {source}", path.display())]
    Kernel {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KernelError,
    },
    /// A package or kernel for another processor.
    #[error("{what} is for {architecture}; only x86-64 (amd64) is supported")]
    Architecture {
        /// File or package.
        what: String,
        /// What it is for.
        architecture: String,
    },
    /// A kernel module is unusable.
    #[error("kernel module {module}: {source}")]
    Module {
        /// Its path.
        module: String,
        /// Why.
        source: ModuleError,
    },
    /// This host has no apt.
    #[error("`{program}` is not installed here")]
    AptMissing {
        /// The program that could not be started.
        program: &'static str,
    },
    /// apt failed.
    #[error("`{command}` failed ({status}): {messages}")]
    AptFailed {
        /// Program and verb.
        command: String,
        /// Exit status in words.
        status: String,
        /// Its error lines.
        messages: String,
    },
    /// Packages that apt does not know.
    #[error("apt offers no package {}", names.join(", "))]
    MissingPackages {
        /// Their names.
        names: Vec<String>,
    },
    /// A Debian release that cannot be used.
    #[error("suite {suite:?} {reason}")]
    Suite {
        /// Its name.
        suite: String,
        /// Why.
        reason: String,
    },
    /// An exported bootkit that cannot be taken.
    #[error("{} cannot be imported: {reason}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No stored bootkit has that id.
    #[error("there is no bootkit {wanted:?} here; stored: {}", if stored.is_empty() { "none".to_owned() } else { stored.join(", ") })]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// Ids of those that are stored.
        stored: Vec<String>,
    },
    /// apt's file is not the one its signed lists name.
    #[error("{package}: the downloaded file has sha256 {found}, apt's lists say {expected}")]
    AptDigest {
        /// Package.
        package: String,
        /// Digest in the lists.
        expected: Digest,
        /// Digest of the file.
        found: Digest,
    },
}

/// Why a kernel module cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// It does not decompress.
    #[error("cannot be decompressed: {0}")]
    Compression(io::Error),
    /// It is no x86-64 module.
    #[error("{0}")]
    Elf(#[from] ElfError),
    /// It is larger than any real module.
    #[error("is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// Its file name is no module name.
    #[error("has no valid module name")]
    Name,
}

/// What to do when the cache directory's file system is full.
pub(crate) const NO_SPACE: &str =
    "free about 300 MB there, or use a cache directory on another file system";

impl BootkitError {
    /// `map_err` helper for file operations.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        const REFETCH: &str = "fetch the bootkit again (refresh), or import it again";
        let text = match self {
            Self::Deb(e) => return e.hint(),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => NO_SPACE,
            Self::Malformed { .. } | Self::Changed { .. } | Self::Format { .. } => REFETCH,
            Self::MissingPart { package, .. } => {
                return Some(format!("give the .deb of {package} as well"));
            }
            Self::Duplicate { .. } => "give one kernel package and one of each loader package",
            Self::ReleaseMismatch { .. } => {
                "give the modules directory that belongs to the kernel (lib/modules/<release>)"
            }
            Self::AptMissing { .. } => {
                "fetch the bootkit on a Debian host (`farmer bootkit fetch`, `export`), bring it \
                 here and name it with --bootkit FILE; or give the packages as files with --deb: linux-image-...-amd64, shim-signed, shim-helpers-amd64-signed, \
                 grub-efi-amd64-signed, isolinux, syslinux-common"
            }
            Self::AptFailed { messages, .. } if messages.contains("No space left") => NO_SPACE,
            Self::AptFailed { .. } => {
                "check the network and the host's apt sources with `apt-get update`; apt's \
                 signature checks are never switched off"
            }
            Self::MissingPackages { .. } => {
                "the host's apt sources must offer Debian's main component for amd64; or give the \
                 packages as files with --deb"
            }
            Self::Suite { .. } => {
                "name a Debian release such as bookworm or trixie; the host's apt sources must \
                 have an entry of Debian"
            }
            Self::Archive { .. } => {
                "export the bootkit again on the other host (`farmer bootkit export`) and compare \
                 the sha256 of the files"
            }
            Self::Unknown { .. } => {
                "`farmer bootkit fetch` makes one, `farmer bootkit import FILE` takes one from \
                 another host"
            }
            Self::AptDigest { .. } => "try again; if it stays, a proxy or mirror is damaging files",
            _ => return None,
        };
        Some(text.to_owned())
    }
}
