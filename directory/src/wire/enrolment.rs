//! Enrolment tokens (extension): a farm's owner hands one out, and the node that shows it is
//! approved without being asked about.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hw_probe::text::Untrusted;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::scalar::{Date, ParseError};
use crate::identity::NodeId;

/// What every token begins with: the kind and its version.
const PREFIX: &str = "fet1_";
/// Random bytes of a token.
const SECRET_BYTES: usize = 32;

/// An enrolment token: `fet1_` and 43 characters. A secret: erased from memory when dropped, and
/// shown by no `Debug` and no `Display`.
///
/// JSON may hold any text: a token that is none does not spoil the registration it comes with, it
/// is refused like one that nobody handed out.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnrolmentToken(String);

impl EnrolmentToken {
    /// A token of these random bytes.
    #[must_use]
    pub fn from_random(bytes: &[u8; SECRET_BYTES]) -> Self {
        Self(format!("{PREFIX}{}", BASE64.encode(bytes)))
    }

    /// The secret itself, for the place that hands it over.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The SHA-256 of the token: what a server keeps.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

impl FromStr for EnrolmentToken {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let well_formed = text
            .strip_prefix(PREFIX)
            .and_then(|secret| BASE64.decode(secret).ok())
            .is_some_and(|mut bytes| {
                let whole = bytes.len() == SECRET_BYTES;
                bytes.zeroize();
                whole
            });
        // The text is not part of the error: it may be a token with one character too many.
        well_formed
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| ParseError {
                text: format!("{} characters", text.chars().count()),
                expected: "an enrolment token (fet1_ and 43 letters, digits, '-' or '_')",
            })
    }
}

impl fmt::Debug for EnrolmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolmentToken(..)")
    }
}

/// The body of `POST /farms/{id}/enrolment_tokens`, signed by the farm's owner.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NewEnrolmentToken {
    /// The only node that may use it; any if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_id: Option<NodeId>,
    /// How many nodes it enrols; one if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// How long it is good, in seconds; a day if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime_secs: Option<u64>,
    /// What it is for, free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Untrusted>,
}

/// The answer to it. The token is told this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentTokenCreated {
    /// By which it is listed and revoked.
    pub id: u64,
    /// The token itself.
    pub token: EnrolmentToken,
    /// When it ends.
    pub expires: Date,
}

/// A token as `GET /farms/{id}/enrolment_tokens` lists it, without the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentTokenInfo {
    /// By which it is revoked.
    pub id: u64,
    /// The only node that may use it.
    #[serde(default)]
    pub node_id: Option<NodeId>,
    /// How many nodes it still enrols.
    pub uses_left: u32,
    /// When it was made.
    pub created: Date,
    /// When it ends.
    pub expires: Date,
    /// What it is for.
    #[serde(default)]
    pub note: Untrusted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_back_and_never_show() {
        let token = EnrolmentToken::from_random(&[7; 32]);
        assert_eq!(token.expose().len(), 48);
        assert_eq!(token.expose().parse::<EnrolmentToken>().unwrap(), token);
        assert_eq!(format!("{token:?}"), "EnrolmentToken(..)");
        let json = serde_json::to_string(&token).unwrap();
        assert_eq!(
            serde_json::from_str::<EnrolmentToken>(&json).unwrap(),
            token
        );
        let longer = format!("{}A", token.expose());
        for bad in [
            "",
            "fet1_",
            "fet2_AAAA",
            longer.as_str(),
            &token.expose()[..47],
        ] {
            let error = bad.parse::<EnrolmentToken>().unwrap_err();
            assert!(
                bad.len() < 10 || !error.to_string().contains(bad),
                "{error}"
            );
        }
    }
}
