//! X.509 certificates as Secure Boot uses them.

use std::path::Path;
use std::str::FromStr as _;
use std::time::{Duration, SystemTime};

use der::asn1::BitString;
use der::{Decode as _, Encode as _};
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder as _, CertificateBuilder};
use x509_cert::ext::pkix::{BasicConstraints, SubjectKeyIdentifier};
use x509_cert::ext::{Extension, ToExtension as _};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

use super::SecureBootError;
use super::signer::RsaKey;
use crate::content::{Sha256Digest, sha256};

/// Firmware does not look at the dates; people and their tools do.
const VALID_FOR: Duration = Duration::from_secs(20 * 365 * 86_400);
/// Clocks of the machines that check may be slow.
const VALID_BEFORE: Duration = Duration::from_secs(86_400);

/// A certificate, with what signatures name of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    issuer: Vec<u8>,
    serial: Vec<u8>,
    public_key: Vec<u8>,
    subject: String,
}

impl Certificate {
    /// Reads PEM or DER; `None` for anything else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok();
        let pem = text.and_then(|text| text.find("-----BEGIN").map(|at| &text[at..]));
        let der = match pem {
            Some(text) => der::pem::decode_vec(text.as_bytes()).ok()?.1,
            None => bytes.to_vec(),
        };
        let parsed = x509_cert::Certificate::from_der(&der).ok()?;
        let tbs = parsed.tbs_certificate();
        Some(Self {
            issuer: tbs.issuer().to_der().ok()?,
            serial: tbs.serial_number().to_der().ok()?,
            public_key: tbs.subject_public_key_info().to_der().ok()?,
            subject: tbs.subject().to_string(),
            der,
        })
    }

    /// Reads a PEM or DER file.
    ///
    /// # Errors
    /// [`SecureBootError::Io`], [`SecureBootError::Certificate`].
    pub fn read(path: &Path) -> Result<Self, SecureBootError> {
        let bytes = std::fs::read(path).map_err(|source| SecureBootError::Io {
            action: "read the certificate",
            path: path.to_owned(),
            source,
        })?;
        Self::decode(&bytes).ok_or_else(|| SecureBootError::Certificate {
            path: path.to_owned(),
        })
    }

    /// A certificate of `key` signed by itself, with the fields `openssl req -x509` gives: firmware
    /// is used to those. `now` is in seconds since 1970-01-01 UTC.
    pub(super) fn self_signed(
        key: &RsaKey,
        common_name: &str,
        now: u64,
    ) -> Result<Self, SecureBootError> {
        let failed = "make the certificate";
        let subject =
            Name::from_str(&format!("CN={common_name}")).map_err(|_| SecureBootError::Name {
                name: common_name.to_owned(),
            })?;
        let public_key = SubjectPublicKeyInfo::from_der(&key.public_key()?)
            .map_err(SecureBootError::crypto(failed))?;
        let moment = |at: SystemTime| Time::try_from(at).map_err(SecureBootError::crypto(failed));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
        let validity = Validity::new(moment(now - VALID_BEFORE)?, moment(now + VALID_FOR)?);
        let mut serial = sha256(&key.public_key()?)[..16].to_vec();
        serial[0] &= 0x7F; // positive
        let serial = SerialNumber::new(&serial).map_err(SecureBootError::crypto(failed))?;
        let builder = CertificateBuilder::new(SelfSigned(subject), serial, validity, public_key)
            .map_err(SecureBootError::crypto(failed))?;
        let made = builder
            .build::<_, rsa::pkcs1v15::Signature>(&key.signing_key())
            .map_err(SecureBootError::crypto(failed))?;
        let der = made.to_der().map_err(SecureBootError::crypto(failed))?;
        Self::decode(&der).ok_or_else(|| SecureBootError::Crypto {
            action: failed,
            reason: "it does not read back".to_owned(),
        })
    }

    /// The certificate, DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate, PEM.
    ///
    /// # Errors
    /// [`SecureBootError::Crypto`].
    pub fn pem(&self) -> Result<String, SecureBootError> {
        der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, &self.der)
            .map_err(SecureBootError::crypto("write the certificate"))
    }

    /// Issuer, DER.
    pub(super) fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// Serial number, DER.
    pub(super) fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// `SubjectPublicKeyInfo`, DER.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Subject in RFC 4514 form; untrusted text.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// SHA-256 of the DER form, as firmware setup screens show it.
    #[must_use]
    pub fn fingerprint(&self) -> Sha256Digest {
        sha256(&self.der)
    }
}

/// Subject and issuer are the same.
struct SelfSigned(Name);

impl BuilderProfile for SelfSigned {
    fn get_issuer(&self, subject: &Name) -> Name {
        subject.clone()
    }

    fn get_subject(&self) -> Name {
        self.0.clone()
    }

    fn build_extensions(
        &self,
        spk: SubjectPublicKeyInfoRef<'_>,
        _issuer_spk: SubjectPublicKeyInfoRef<'_>,
        tbs: &x509_cert::TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        let constraints = BasicConstraints {
            ca: true,
            path_len_constraint: None,
        };
        let bits = BitString::from_bytes(spk.subject_public_key.raw_bytes())?;
        let digest = sha256(bits.raw_bytes());
        let key_id = SubjectKeyIdentifier(der::asn1::OctetString::new(&digest[..20])?);
        Ok(vec![
            constraints.to_extension(tbs.subject(), &[])?,
            key_id.to_extension(tbs.subject(), &[])?,
        ])
    }
}
