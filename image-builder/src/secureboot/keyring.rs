//! The three keys of a farm and the files they are kept in.
//!
//! ```text
//! PK.key KEK.key db.key      private keys (PKCS#8 PEM), readable by their owner only
//! PK.crt KEK.crt db.crt      certificates, PEM
//! PK.cer KEK.cer db.cer      certificates, DER: what most firmware setups read
//! PK.esl KEK.esl db.esl      signature lists
//! PK.auth KEK.auth db.auth   signed updates: what systemd-boot and KeyTool read
//! owner.guid                 the owner every entry names
//! KEK-other-1.cer ...        certificates of others that were asked for, in .esl and .auth too
//! ```

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::efivars::{KeyVariable, signature_list, signed_update};
use super::{Certificate, RsaSigner, SecureBootError, Signer as _};
use crate::formats::guid::Guid;
use crate::formats::timestamp::Timestamp;

/// Name of the file with the owner's GUID.
const OWNER_FILE: &str = "owner.guid";

/// New keys, not yet written.
#[derive(Debug)]
pub struct Keyring {
    /// Names every entry's owner; derived from the platform key.
    pub owner: Guid,
    pk: RsaSigner,
    kek: RsaSigner,
    db: RsaSigner,
    made: Timestamp,
    others: Vec<(KeyVariable, Certificate, Vec<u8>)>,
}

impl Keyring {
    /// Makes three keys. `name` appears on the certificates; `now` is in seconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// [`SecureBootError::Name`], [`SecureBootError::Bits`].
    pub fn generate(name: &str, bits: usize, now: u64) -> Result<Self, SecureBootError> {
        let good = |c: char| c.is_ascii_alphanumeric() || " ._()-".contains(c);
        if name.trim() != name || name.is_empty() || name.len() > 40 || !name.chars().all(good) {
            return Err(SecureBootError::Name {
                name: name.to_owned(),
            });
        }
        let key = |purpose: &str| RsaSigner::generate(&format!("{name} {purpose}"), bits, now);
        let pk = key("platform key")?;
        Ok(Self {
            owner: owner_of(pk.certificate()),
            pk,
            kek: key("key exchange key")?,
            db: key("boot key")?,
            made: Timestamp(now),
            others: Vec::new(),
        })
    }

    /// Adds certificates of others to `KEK` and `db`, each with its signature list.
    #[must_use]
    pub fn with_others(mut self, others: Vec<(KeyVariable, Certificate, Vec<u8>)>) -> Self {
        self.others = others;
        self
    }

    fn signer(&self, variable: KeyVariable) -> &RsaSigner {
        match variable {
            KeyVariable::Pk => &self.pk,
            KeyVariable::Kek => &self.kek,
            KeyVariable::Db => &self.db,
        }
    }

    /// Writes all files into the new directory `dir` (mode 0700).
    ///
    /// # Errors
    /// [`SecureBootError::Exists`] when `dir` is there and not empty, [`SecureBootError::Io`].
    pub fn write(&self, dir: &Path) -> Result<(), SecureBootError> {
        match DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let mut entries = fs::read_dir(dir).map_err(failed("look into", dir))?;
                if entries.next().is_some() {
                    return Err(SecureBootError::Exists {
                        path: dir.to_owned(),
                    });
                }
                let private = fs::Permissions::from_mode(0o700);
                fs::set_permissions(dir, private).map_err(failed("make private", dir))?;
            }
            other => other.map_err(failed("create", dir))?,
        }
        for variable in KeyVariable::ALL {
            let (name, signer) = (variable.name(), self.signer(variable));
            let certificate = signer.certificate();
            let mut list = signature_list(self.owner, certificate);
            let others = self.others.iter().filter(|(of, ..)| *of == variable);
            for (number, (_, other, other_list)) in (1..).zip(others) {
                list.extend_from_slice(other_list);
                let path = dir.join(format!("{name}-other-{number}.cer"));
                create(&path, 0o644, other.der())?;
            }
            // The owner signs its own key and who may change db; those sign db.
            let by = match variable {
                KeyVariable::Pk | KeyVariable::Kek => &self.pk,
                KeyVariable::Db => &self.kek,
            };
            let update = signed_update(by, variable, &list, self.made)?;
            let file = |suffix: &str| dir.join(format!("{name}.{suffix}"));
            create(&file("key"), 0o600, signer.private_key_pem()?.as_bytes())?;
            create(&file("crt"), 0o644, certificate.pem()?.as_bytes())?;
            create(&file("cer"), 0o644, certificate.der())?;
            create(&file("esl"), 0o644, &list)?;
            create(&file("auth"), 0o644, &update)?;
        }
        let owner = format!("{}\n", self.owner);
        create(&dir.join(OWNER_FILE), 0o644, owner.as_bytes())?;
        fs::File::open(dir)
            .and_then(|opened| opened.sync_all())
            .map_err(failed("finish", dir))
    }
}

/// A directory of keys, as found.
#[derive(Debug, Clone)]
pub struct KeyDirectory {
    /// Where it is.
    pub path: PathBuf,
    /// The owner its entries name.
    pub owner: Guid,
    /// The three certificates with their variables.
    pub keys: Vec<(KeyVariable, Certificate)>,
}

impl KeyDirectory {
    /// Reads the certificates; no private key is opened.
    ///
    /// # Errors
    /// [`SecureBootError`] names the file that is missing or unusable.
    pub fn open(path: &Path) -> Result<Self, SecureBootError> {
        let read = |variable: KeyVariable| {
            let certificate = Certificate::read(&path.join(format!("{}.crt", variable.name())))?;
            Ok((variable, certificate))
        };
        let keys = KeyVariable::ALL
            .into_iter()
            .map(read)
            .collect::<Result<Vec<_>, SecureBootError>>()?;
        Ok(Self {
            path: path.to_owned(),
            owner: owner_of(&keys[0].1),
            keys,
        })
    }

    /// The key that programs are signed with.
    ///
    /// # Errors
    /// [`SecureBootError`] when it is missing or not that of its certificate.
    pub fn signer(&self) -> Result<RsaSigner, SecureBootError> {
        self.signer_of(KeyVariable::Db)
    }

    /// The private key of a variable with its certificate.
    ///
    /// # Errors
    /// As [`KeyDirectory::signer`].
    pub fn signer_of(&self, variable: KeyVariable) -> Result<RsaSigner, SecureBootError> {
        let file = |suffix: &str| self.path.join(format!("{}.{suffix}", variable.name()));
        RsaSigner::read(&file("key"), &file("crt"))
    }

    /// Enrolment files for a boot medium: name and content, nothing secret.
    ///
    /// # Errors
    /// [`SecureBootError::Io`].
    pub fn enrolment_files(&self) -> Result<Vec<(String, Vec<u8>)>, SecureBootError> {
        let mut files = Vec::new();
        for suffix in ["auth", "cer"] {
            for variable in KeyVariable::ALL {
                let name = format!("{}.{suffix}", variable.name());
                let path = self.path.join(&name);
                let bytes = fs::read(&path).map_err(failed("read", &path))?;
                files.push((name, bytes));
            }
        }
        Ok(files)
    }
}

fn owner_of(platform_key: &Certificate) -> Guid {
    Guid::derive("secure boot owner", platform_key.public_key())
}

/// Never replaces anything.
fn create(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), SecureBootError> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path);
    match opened {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(SecureBootError::Exists {
                path: path.to_owned(),
            })
        }
        Err(error) => Err(failed("create", path)(error)),
        Ok(mut file) => file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(failed("write", path)),
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SecureBootError {
    let path = path.to_owned();
    move |source| SecureBootError::Io {
        action,
        path,
        source,
    }
}
