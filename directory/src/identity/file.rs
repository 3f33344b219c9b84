//! The farmer's identity file, in the form `tffarmer` and Zero-OS use.
//!
//! A versioned file is the JSON string of its version with the payload right behind it. Version
//! `1.1.0` is a JSON object with the 24 words and the user id, `1.0.0` the 32 raw bytes of the
//! seed; files older than the version header are the 32 bytes alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{IdentityError, Seed};
use crate::sign::Signer;

/// Far above any real identity file; a wrong path must not be read into memory.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// A user: a seed and, once registered, the id the directory gave.
#[derive(Clone, Debug)]
pub struct UserIdentity {
    /// The private key.
    pub seed: Seed,
    /// The user id; `None` until the user is registered.
    pub threebot_id: Option<u64>,
}

/// An identity file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file system refused.
    #[error("cannot {action} identity file {path}")]
    Io {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is there already, and a new identity must not replace it.
    #[error("identity file {path} exists already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Bytes that are no identity.
    #[error("{path} is no identity file: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What does not fit; never the content.
        reason: String,
    },
    /// A form this program does not know.
    #[error("identity file {path} has version {version:?}; this program reads 1.0.0 and 1.1.0")]
    Version {
        /// The file.
        path: PathBuf,
        /// As written in the file.
        version: String,
    },
    /// The words in the file are no seed.
    #[error("identity file {path} holds no valid key")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: IdentityError,
    },
}

impl FileError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("create an identity first, or name the right file".to_owned())
            }
            Self::Exists { .. } => {
                Some("move it away first: without it, the farms it owns are lost".to_owned())
            }
            Self::Key { .. } => Some("restore the identity from its 24 words".to_owned()),
            _ => None,
        }
    }
}

/// Version 1.1.0's payload. Not `Debug`: the words are the key.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Payload {
    mnemonic: String,
    #[serde(default)]
    threebotid: u64,
}

impl UserIdentity {
    /// A fresh identity that no directory knows yet.
    ///
    /// # Errors
    /// No random numbers.
    pub fn generate() -> Result<Self, IdentityError> {
        Ok(Self {
            seed: Seed::generate()?,
            threebot_id: None,
        })
    }

    /// Signs as this user; `None` while it is not registered.
    #[must_use]
    pub fn signer(&self) -> Option<Signer> {
        self.threebot_id.map(|id| Signer::User {
            id,
            seed: self.seed.clone(),
        })
    }

    /// Reads any of the three forms.
    ///
    /// # Errors
    /// As [`FileError`] lists them.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let io_error = |source| FileError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
        File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes))
            .map_err(io_error)?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads any of the three forms of the file, or 24 words as text (numbers before them do not
    /// matter). `path` is where the bytes come from, for messages.
    ///
    /// # Errors
    /// As [`FileError`] lists them.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, FileError> {
        let looks_like_words = bytes.len() != Seed::LEN
            && bytes
                .trim_ascii_start()
                .first()
                .is_some_and(u8::is_ascii_alphanumeric);
        match std::str::from_utf8(bytes) {
            Ok(text) if looks_like_words => Self::from_words(text, path),
            _ => Self::decode(bytes, path),
        }
    }

    fn from_words(text: &str, path: &Path) -> Result<Self, FileError> {
        let is_number = |word: &&str| {
            word.trim_end_matches(['.', ')', ':'])
                .bytes()
                .all(|byte| byte.is_ascii_digit())
        };
        let mut words = Zeroizing::new(String::with_capacity(text.len()));
        for word in text.split_whitespace().filter(|word| !is_number(word)) {
            words.push_str(word);
            words.push(' ');
        }
        let seed = Seed::from_mnemonic(&words).map_err(|source| FileError::Key {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            seed,
            threebot_id: None,
        })
    }

    fn decode(bytes: &[u8], path: &Path) -> Result<Self, FileError> {
        let path_buf = || path.to_owned();
        let format = |reason: &str| FileError::Format {
            path: path_buf(),
            reason: reason.into(),
        };
        let key = |source| FileError::Key {
            path: path_buf(),
            source,
        };

        // A headerless seed begins like a header only once in 2^48.
        if bytes.len() == Seed::LEN && !bytes.starts_with(b"\"1.1.0") {
            let seed = Seed::from_slice(bytes).map_err(key)?;
            return Ok(Self {
                seed,
                threebot_id: None,
            });
        }
        let rest = bytes
            .strip_prefix(b"\"")
            .ok_or_else(|| format("it has no version header"))?;
        let end = rest.iter().take(32).position(|&byte| byte == b'"');
        let end = end.ok_or_else(|| format("its version header does not end"))?;
        let version = String::from_utf8_lossy(&rest[..end]).into_owned();
        let payload = &rest[end + 1..];
        match version.as_str() {
            "1.0.0" => {
                // A line break behind the header is an editor's or encoder's, not part of the seed.
                let payload = match payload {
                    [b'\n', seed @ ..] if seed.len() == Seed::LEN => seed,
                    other => other,
                };
                let seed = Seed::from_slice(payload).map_err(key)?;
                Ok(Self {
                    seed,
                    threebot_id: None,
                })
            }
            "1.1.0" => {
                // serde_json's message could quote a word: only where it stopped is told.
                let payload: Payload = serde_json::from_slice(payload).map_err(|error| {
                    let (line, column) = (error.line(), error.column());
                    format(&format!(
                        "the JSON behind the version is broken at {line}:{column}"
                    ))
                })?;
                let seed = Seed::from_mnemonic(&payload.mnemonic).map_err(key)?;
                let threebot_id = (payload.threebotid != 0).then_some(payload.threebotid);
                Ok(Self { seed, threebot_id })
            }
            _ => Err(FileError::Version {
                path: path_buf(),
                version,
            }),
        }
    }

    /// Version 1.1.0 as bytes.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let payload = Payload {
            mnemonic: (*self.seed.mnemonic()).clone(),
            threebotid: self.threebot_id.unwrap_or(0),
        };
        // Reserved up front: a growing buffer would leave copies of the words behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
        bytes.extend_from_slice(b"\"1.1.0\"");
        #[expect(clippy::expect_used, reason = "a string and a number always serialise")]
        serde_json::to_writer(&mut *bytes, &payload).expect("plain data");
        bytes
    }

    /// Writes a new file with mode 0600, all or nothing.
    ///
    /// # Errors
    /// [`FileError::Exists`] if something is there already; [`FileError::Io`].
    pub fn create(&self, path: &Path) -> Result<(), FileError> {
        self.write(path, |temporary| match fs::hard_link(temporary, path) {
            // FAT and some network file systems know no links.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                if fs::symlink_metadata(path).is_ok() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                fs::rename(temporary, path)
            }
            other => other,
        })
    }

    /// Replaces the file, all or nothing: to add the user id after registration.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn replace(&self, path: &Path) -> Result<(), FileError> {
        self.write(path, |temporary| fs::rename(temporary, path))
    }

    fn write(
        &self,
        path: &Path,
        publish: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), FileError> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let result = write_private_temporary(directory, path, &self.encode()).and_then(|file| {
            let published = publish(&file);
            // After a rename there is nothing left to remove, which is fine.
            let _ = fs::remove_file(&file);
            published?;
            File::open(directory)?.sync_all()
        });
        result.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => FileError::Exists {
                path: path.to_owned(),
            },
            _ => FileError::Io {
                action: "write",
                path: path.to_owned(),
                source,
            },
        })
    }
}

/// A new file beside `path` that only its owner can read, on disk when this returns.
fn write_private_temporary(directory: &Path, path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let name = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_string_lossy();
    let temporary = directory.join(format!(".{name}.{}", hex::encode(random)));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    match file.write_all(bytes).and_then(|()| file.sync_all()) {
        Ok(()) => Ok(temporary),
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn identity() -> UserIdentity {
        UserIdentity {
            seed: Seed::from([7; 32]),
            threebot_id: Some(42),
        }
    }

    #[test]
    fn a_file_round_trips_with_mode_0600_and_is_never_clobbered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("user.seed");
        identity().create(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600
        );
        let back = UserIdentity::read(&path).unwrap();
        assert_eq!((back.seed.expose(), back.threebot_id), (&[7; 32], Some(42)));

        let other = UserIdentity {
            seed: Seed::from([8; 32]),
            threebot_id: None,
        };
        let error = other.create(&path).unwrap_err();
        assert!(matches!(error, FileError::Exists { .. }), "{error}");
        assert_eq!(UserIdentity::read(&path).unwrap().threebot_id, Some(42));

        other.replace(&path).unwrap();
        assert_eq!(UserIdentity::read(&path).unwrap().threebot_id, None);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600
        );
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "no temporary file stays"
        );
    }

    #[test]
    fn the_layout_is_the_original_one() {
        let bytes = identity().encode();
        let text = std::str::from_utf8(&bytes).unwrap();
        let json = text.strip_prefix("\"1.1.0\"").unwrap();
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(value["threebotid"], 42);
        assert_eq!(value["mnemonic"].as_str().unwrap().split(' ').count(), 24);
    }

    #[test]
    fn older_forms_are_read() {
        let seed = [9_u8; 32];
        let mut versioned = b"\"1.0.0\"".to_vec();
        versioned.extend_from_slice(&seed);
        for bytes in [seed.to_vec(), versioned] {
            let read = UserIdentity::decode(&bytes, Path::new("x")).unwrap();
            assert_eq!((read.seed.expose(), read.threebot_id), (&seed, None));
        }
    }

    #[test]
    fn words_are_read_as_people_write_them_down() {
        let words = Seed::from([9; 32]).mnemonic();
        let numbered: Vec<String> = words
            .split(' ')
            .enumerate()
            .map(|(index, word)| format!("{:2}. {}\n", index + 1, word.to_uppercase()))
            .collect();
        for text in [format!("\n{}\n", *words), numbered.concat()] {
            let read = UserIdentity::from_bytes(text.as_bytes(), Path::new("x")).unwrap();
            assert_eq!((read.seed.expose(), read.threebot_id), (&[9; 32], None));
        }
        let short = UserIdentity::from_bytes(b"abandon secret", Path::new("x")).unwrap_err();
        assert!(matches!(short, FileError::Key { .. }) && !format!("{short:?}").contains("secret"));
    }

    #[test]
    fn broken_files_are_refused_without_telling_the_secret() {
        for bytes in [
            b"".as_slice(),
            b"\"",
            b"\"1.0.0\"short",
            b"\"2.0.0\"{}",
            b"\"1.1.0\"{\"mnemonic\":\"secret",
            b"\"1.1.0\"{\"mnemonic\":\"secret words\"}",
            b"\"1.1.0\"{\"mnemonic\":7,\"secret\":1}",
            &[b'"'; 40],
        ] {
            let error = UserIdentity::decode(bytes, Path::new("x")).unwrap_err();
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}
