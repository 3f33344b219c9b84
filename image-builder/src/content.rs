//! Content with a known digest: what goes into a medium as one file. Plans derive every identifier
//! from these digests, so a plan needs no read of the payload.

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::error::ReadError;
use crate::rope::{Source, SourceFile};

/// A SHA-256 digest.
pub type Sha256Digest = [u8; 32];

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Sha256Digest {
    Sha256::digest(bytes).into()
}

/// The bytes of one file of a medium: where they come from, how many, and their SHA-256.
#[derive(Debug, Clone)]
pub struct Content {
    source: Source,
    length: u64,
    sha256: Sha256Digest,
}

impl Content {
    /// Bytes in memory; hashed here.
    #[must_use]
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self {
            length: bytes.len() as u64,
            sha256: sha256(&bytes),
            source: Source::bytes(bytes),
        }
    }

    /// A file whose digest is already known (a content-addressed cache); nothing is read.
    ///
    /// # Errors
    /// [`ReadError::Open`].
    pub fn file(path: impl Into<PathBuf>, sha256: Sha256Digest) -> Result<Self, ReadError> {
        let file = SourceFile::open(path)?;
        Ok(Self {
            length: file.length(),
            sha256,
            source: Source::file(file),
        })
    }

    /// A file that is read once to learn its digest.
    ///
    /// # Errors
    /// [`ReadError`] when it cannot be opened or read.
    pub fn hash_file(path: impl Into<PathBuf>) -> Result<Self, ReadError> {
        let file = SourceFile::open(path)?;
        let mut hasher = Sha256::new();
        let mut buf = vec![0; 256 * 1024];
        let mut at = 0;
        while at < file.length() {
            let part = buf.len().min((file.length() - at) as usize);
            file.read_exact_at(&mut buf[..part], at)?;
            hasher.update(&buf[..part]);
            at += part as u64;
        }
        Ok(Self {
            length: file.length(),
            sha256: hasher.finalize().into(),
            source: Source::file(file),
        })
    }

    /// Length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// SHA-256 of the content.
    #[must_use]
    pub fn sha256(&self) -> &Sha256Digest {
        &self.sha256
    }

    /// Where the bytes come from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The bytes, where they are in memory already.
    #[must_use]
    pub fn in_memory(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Bytes { bytes, start } => Some(&bytes[*start..*start + self.length as usize]),
            _ => None,
        }
    }

    /// Reads the whole content into memory; for small things such as loaders that are patched.
    ///
    /// # Errors
    /// [`ReadError`] when the source file cannot be read.
    pub fn read(&self) -> Result<Vec<u8>, ReadError> {
        self.head(self.length)
    }

    /// Reads the first `most` bytes, fewer if there are no more.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn head(&self, most: u64) -> Result<Vec<u8>, ReadError> {
        let mut buf = vec![0; self.length.min(most) as usize];
        match &self.source {
            Source::Bytes { bytes, start } => {
                let length = buf.len();
                buf.copy_from_slice(&bytes[*start..*start + length]);
            }
            Source::File { file, offset } => file.read_exact_at(&mut buf, *offset)?,
            Source::Zero | Source::Unused => {}
        }
        Ok(buf)
    }
}
