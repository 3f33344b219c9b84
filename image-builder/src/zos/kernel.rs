//! The kernel file of Zero-OS: what it must be, and what Secure Boot will say to it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::bootkit::authenticode::{self, Signer};
use crate::content::Content;
use crate::error::ReadError;
use crate::payload::kernel::{self, KernelError, KernelInfo};

/// Zero-OS kernels have 100 to 256 MB.
const LIMIT_BYTES: u64 = 1 << 30;
/// Headers and banner lie below.
const HEAD_BYTES: u64 = 1 << 20;
/// A certificate table has 2 to 20 KB.
const TABLE_LIMIT_BYTES: u64 = 1 << 20;
/// IMAGE_FILE_MACHINE_AMD64
const MACHINE_X86_64: u16 = 0x8664;
/// What the names of Debian's keys begin with; the only ones that Debian's shim trusts by itself.
const DEBIAN: &str = "Debian Secure Boot";

/// A file that cannot be started as Zero-OS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZosKernelError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no Linux kernel.
    #[error("{}: {source}", path.display())]
    Kernel {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KernelError,
    },
    /// It is a kernel that one of the boot paths cannot start.
    #[error("{} {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Its content cannot be hashed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl ZosKernelError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Kernel { .. } | Self::Unusable { .. } => Some(
                "give the .efi file of a Zero-OS release: one bzImage with EFI stub for x86_64, \
                 its initramfs inside"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// What a machine with Secure Boot does with the kernel, started by Debian's shim and GRUB.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum SecureBoot {
    /// Nobody signed it: refused.
    Unsigned,
    /// Signed by a key that shim does not know: refused, unless the farmer enrols that key.
    Unknown {
        /// Who signed it.
        signers: Vec<Signer>,
    },
    /// Signed by the distribution: accepted.
    Accepted {
        /// Who signed it.
        signers: Vec<Signer>,
    },
    /// Its bytes are not those that were signed: refused.
    Altered {
        /// Who signed it.
        signers: Vec<Signer>,
    },
}

impl SecureBoot {
    fn of(signers: Vec<Signer>) -> Self {
        let known = |signer: &Signer| signer.issuer.starts_with(DEBIAN);
        if signers.is_empty() {
            Self::Unsigned
        } else if signers.iter().any(known) {
            Self::Accepted { signers }
        } else {
            Self::Unknown { signers }
        }
    }

    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        let names = |signers: &[Signer]| {
            let names: Vec<&str> = signers.iter().map(|signer| signer.name.as_str()).collect();
            names.join(", ")
        };
        match self {
            Self::Unsigned => "not signed: Secure Boot refuses it, turn Secure Boot off".to_owned(),
            Self::Unknown { signers } => format!(
                "signed by {}: Secure Boot refuses it unless that key is enrolled",
                names(signers)
            ),
            Self::Accepted { signers } => {
                format!("signed by {}: Secure Boot accepts it", names(signers))
            }
            Self::Altered { signers } => format!(
                "not what {} signed: it was altered or damaged, and Secure Boot refuses it",
                names(signers)
            ),
        }
    }
}

/// Whether the digest that was signed is the file's.
fn is_what_was_signed(file: &File, head: &[u8], table: &[u8]) -> io::Result<bool> {
    let Some(parts) = authenticode::digested(head, file.metadata()?.len()) else {
        return Ok(false);
    };
    let mut hasher = Sha256::new();
    let mut buf = vec![0; 1 << 16];
    for part in parts {
        let mut at = part.start;
        while at < part.end {
            let length = (part.end - at).min(buf.len() as u64);
            let chunk = &mut buf[..length as usize];
            file.read_exact_at(chunk, at)?;
            hasher.update(chunk);
            at += length;
        }
    }
    let found = hasher.finalize();
    let mut signed = authenticode::signed_digests(table);
    // Of another algorithm: not for us to say.
    signed.retain(|digest| digest.len() == found.len());
    Ok(signed.is_empty() || signed.iter().any(|digest| digest[..] == found[..]))
}

/// A checked kernel file.
#[derive(Debug, Clone)]
pub struct ZosKernel {
    /// What its header says.
    pub info: KernelInfo,
    /// What Secure Boot will say.
    pub secure_boot: SecureBoot,
    /// The file.
    pub content: Content,
}

impl ZosKernel {
    /// Checks a kernel file and learns its digest.
    ///
    /// # Errors
    /// [`ZosKernelError`].
    pub fn open(path: &Path) -> Result<Self, ZosKernelError> {
        let io_error = |source| ZosKernelError::Io {
            path: path.to_owned(),
            source,
        };
        let unusable = |reason: String| ZosKernelError::Unusable {
            path: path.to_owned(),
            reason,
        };
        let file = File::open(path).map_err(io_error)?;
        let meta = file.metadata().map_err(io_error)?;
        if !meta.is_file() || meta.len() > LIMIT_BYTES {
            return Err(unusable(format!(
                "is no file of at most {LIMIT_BYTES} bytes"
            )));
        }
        let read = |offset: u64, length: u64| {
            let mut bytes = vec![0; length as usize];
            file.read_exact_at(&mut bytes, offset).map(|()| bytes)
        };
        let head = read(0, HEAD_BYTES.min(meta.len())).map_err(io_error)?;
        let info = kernel::inspect(&head).map_err(|source| ZosKernelError::Kernel {
            path: path.to_owned(),
            source,
        })?;
        if !info.is_x86_64 {
            return Err(unusable("is for another processor than x86_64".to_owned()));
        }
        if !info.has_efi_stub || authenticode::machine(&head) != Some(MACHINE_X86_64) {
            return Err(unusable(
                "has no EFI stub for x86_64: UEFI cannot start it".to_owned(),
            ));
        }
        if let Some(needed) = kernel::image_bytes(&head)
            && needed > meta.len()
        {
            return Err(unusable(format!(
                "is truncated: its header announces {needed} bytes, it has {}",
                meta.len()
            )));
        }
        let secure_boot = match authenticode::certificate_table(&head) {
            Some((offset, length)) if length <= TABLE_LIMIT_BYTES => {
                let table = read(offset, length)
                    .map_err(|_| unusable("is truncated: its signature is missing".to_owned()))?;
                let signers = authenticode::signers(&table);
                if signers.is_empty()
                    || is_what_was_signed(&file, &head, &table).map_err(io_error)?
                {
                    SecureBoot::of(signers)
                } else {
                    SecureBoot::Altered { signers }
                }
            }
            _ => SecureBoot::Unsigned,
        };
        Ok(Self {
            info,
            secure_boot,
            content: Content::hash_file(path)?,
        })
    }
}
