//! Who signs: a private key with its certificate.

use std::fmt;
use std::path::Path;

use rsa::PrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use rsa::signature::{SignatureEncoding as _, Signer as _};
use rsa::traits::PublicKeyParts as _;
use sha2::Sha256;

use super::{Certificate, SecureBootError};

/// Makes RSA PKCS#1 v1.5 signatures over SHA-256. A token or a signing service can stand behind it.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The certificate of the key; goes into every signature.
    fn certificate(&self) -> &Certificate;

    /// The signature over `message`.
    ///
    /// # Errors
    /// [`SecureBootError::Crypto`] or whatever keeps the key from being used.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SecureBootError>;
}

/// A private key in memory; wiped when dropped.
pub(super) struct RsaKey(PrivateKey);

impl RsaKey {
    pub(super) fn generate(bits: usize) -> Result<Self, SecureBootError> {
        if !matches!(bits, 2048 | 3072 | 4096) {
            return Err(SecureBootError::Bits { bits });
        }
        PrivateKey::new(&mut getrandom::SysRng, bits)
            .map(Self)
            .map_err(SecureBootError::crypto("make a key"))
    }

    pub(super) fn from_pem(text: &str) -> Option<Self> {
        PrivateKey::from_pkcs8_pem(text)
            .ok()
            .or_else(|| PrivateKey::from_pkcs1_pem(text).ok())
            .map(Self)
    }

    /// PKCS#8 PEM, without a passphrase.
    pub(super) fn to_pem(&self) -> Result<String, SecureBootError> {
        self.0
            .to_pkcs8_pem(LineEnding::LF)
            .map(|text| text.to_string())
            .map_err(SecureBootError::crypto("write the key"))
    }

    /// `SubjectPublicKeyInfo`, DER.
    pub(super) fn public_key(&self) -> Result<Vec<u8>, SecureBootError> {
        let public = self.0.to_public_key().to_public_key_der();
        public
            .map(|der| der.as_bytes().to_vec())
            .map_err(SecureBootError::crypto("write the public key"))
    }

    pub(super) fn signing_key(&self) -> SigningKey<Sha256> {
        SigningKey::new(self.0.clone())
    }
}

/// A key in memory with its certificate.
pub struct RsaSigner {
    key: RsaKey,
    certificate: Certificate,
}

impl fmt::Debug for RsaSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaSigner({:?})", self.certificate.subject())
    }
}

impl RsaSigner {
    pub(super) fn new(key: RsaKey, certificate: Certificate) -> Result<Self, SecureBootError> {
        if key.public_key()? != certificate.public_key() {
            return Err(SecureBootError::Pair {
                subject: certificate.subject().to_owned(),
            });
        }
        Ok(Self { key, certificate })
    }

    /// A new key with a self-signed certificate. `now` is in seconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// [`SecureBootError::Bits`], [`SecureBootError::Name`].
    pub fn generate(common_name: &str, bits: usize, now: u64) -> Result<Self, SecureBootError> {
        let key = RsaKey::generate(bits)?;
        let certificate = Certificate::self_signed(&key, common_name, now)?;
        Self::new(key, certificate)
    }

    /// Reads a PEM private key and a PEM or DER certificate.
    ///
    /// # Errors
    /// [`SecureBootError`] names the file that cannot be used.
    pub fn read(key: &Path, certificate: &Path) -> Result<Self, SecureBootError> {
        let text = std::fs::read_to_string(key).map_err(|source| SecureBootError::Io {
            action: "read the private key",
            path: key.to_owned(),
            source,
        })?;
        let parsed = RsaKey::from_pem(&text).ok_or_else(|| SecureBootError::Key {
            path: key.to_owned(),
        })?;
        Self::new(parsed, Certificate::read(certificate)?)
    }

    /// The private key, PKCS#8 PEM without a passphrase.
    ///
    /// # Errors
    /// [`SecureBootError::Crypto`].
    pub fn private_key_pem(&self) -> Result<String, SecureBootError> {
        self.key.to_pem()
    }

    /// Size of the key.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.key.0.size() * 8
    }
}

impl Signer for RsaSigner {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SecureBootError> {
        let signature = self.key.signing_key().try_sign(message);
        signature
            .map(|signature| signature.to_vec())
            .map_err(SecureBootError::crypto("sign"))
    }
}
