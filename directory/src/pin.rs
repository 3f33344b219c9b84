//! Pins of TLS keys: `sha256/` and the base64 SHA-256 of the certificate's SubjectPublicKeyInfo
//! (DER), the form of RFC 7469. A pin names the key, so it outlives the certificate.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use sha2::{Digest as _, Sha256};

const PREFIX: &str = "sha256/";

/// The SHA-256 of a TLS public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin([u8; 32]);

/// A text that is no pin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a pin is written sha256/ and 44 characters of base64")]
pub struct PinError;

impl Pin {
    /// The pin of a certificate's key.
    ///
    /// # Errors
    /// The certificate cannot be parsed.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, rustls::Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        Ok(Self(
            Sha256::digest(parsed.subject_public_key_info()).into(),
        ))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", BASE64.encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(PinError)?;
        let bytes = BASE64.decode(encoded).map_err(|_| PinError)?;
        bytes.try_into().map(Self).map_err(|_| PinError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_written_and_read_in_one_form_only() {
        let text = format!("sha256/{}=", "A".repeat(43));
        assert_eq!(text.parse::<Pin>().unwrap().to_string(), text);
        for bad in [
            "",
            "sha256/",
            "sha256/AAAA",
            "sha1/AAAA",
            &text[7..],
            &format!("{text}="),
        ] {
            assert_eq!(bad.parse::<Pin>(), Err(PinError), "{bad}");
        }
    }
}
