//! Errors of keys and signatures.

use std::io;
use std::path::PathBuf;

/// A key, certificate or signature that cannot be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecureBootError {
    /// A file operation failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Keys are never overwritten.
    #[error("{} exists; keys are never overwritten", path.display())]
    Exists {
        /// The directory or file.
        path: PathBuf,
    },
    /// Not a private key that can be read.
    #[error("{} is no RSA private key (PEM, PKCS#8 or PKCS#1, without a passphrase)", path.display())]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// Not an X.509 certificate.
    #[error("{} is no X.509 certificate (PEM or DER)", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
    },
    /// Key and certificate do not belong together.
    #[error("the certificate of {subject:?} is not for this private key")]
    Pair {
        /// Subject of the certificate.
        subject: String,
    },
    /// A name no certificate can carry.
    #[error("{name:?} cannot be the name on a certificate")]
    Name {
        /// The name.
        name: String,
    },
    /// A size no firmware accepts.
    #[error("RSA keys have 2048, 3072 or 4096 bits, not {bits}")]
    Bits {
        /// The size asked for.
        bits: usize,
    },
    /// The cryptographic library refused; a defect or a broken random source, never the input.
    #[error("cannot {action}: {reason}")]
    Crypto {
        /// What was tried.
        action: &'static str,
        /// What the library said.
        reason: String,
    },
}

impl SecureBootError {
    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Exists { .. } => Some(
                "name another directory; a farm whose machines know the old keys still needs them"
                    .to_owned(),
            ),
            Self::Key { .. } => Some(
                "make keys with `farmer image keys new`, or convert yours: openssl pkcs8 -topk8 \
                 -nocrypt -in KEY -out NEW"
                    .to_owned(),
            ),
            Self::Pair { .. } => Some("name the certificate that belongs to the key".to_owned()),
            Self::Name { .. } => Some("use 1 to 40 letters, digits, blanks and ._()-".to_owned()),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("make keys with `farmer image keys new --out DIR`".to_owned())
            }
            _ => None,
        }
    }

    pub(super) fn crypto<E: std::fmt::Display>(action: &'static str) -> impl Fn(E) -> Self {
        move |error| Self::Crypto {
            action,
            reason: error.to_string(),
        }
    }
}
