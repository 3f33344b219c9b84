//! HTTP signatures (draft-cavage-http-signatures-12, ed25519) in two modes.
//!
//! *Compat* is what the 2020 directory checks: `(created)`, `date` and `threebot-id`. It covers
//! neither method nor path nor body, and nothing makes it expire, so a captured header is worth as
//! much as the key for as long as the server lives.
//!
//! *Strict* signs `(request-target) (created) date digest threebot-id`, and `nonce` on every
//! request that changes something. `digest` is `SHA-256=<base64>` of the body, the empty one
//! included (RFC 3230). The server takes it only within [`FRESHNESS_SECS`] of its own clock.
//!
//! The signing string has one line `name: value` per item, in the order of the `headers`
//! parameter, joined by LF.

mod authorization;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

pub use authorization::{Authorization, AuthorizationError};

use crate::clock::UnixTime;
use crate::identity::{NodeId, PublicKey, Seed};

/// A strict signature may be this much older or newer than the verifier's clock, in seconds.
pub const FRESHNESS_SECS: i64 = 300;

/// The items a compat signature covers, in order.
pub const COMPAT_HEADERS: &str = "(created) date threebot-id";
/// The items a strict signature of a reading request covers, in order.
pub const STRICT_READ_HEADERS: &str = "(request-target) (created) date digest threebot-id";
/// The items a strict signature of a writing request covers, in order.
pub const STRICT_WRITE_HEADERS: &str = "(request-target) (created) date digest threebot-id nonce";

/// Which signature a client makes or a server asks for. Nobody falls back from one to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignatureMode {
    /// Covers method, path, query, body, and expires.
    #[default]
    Strict,
    /// What servers of 2020 and 2021 check.
    Compat,
}

/// Who signs: the `keyId` parameter and the `Threebot-Id` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyId {
    /// A registered user, by id; the server knows the key.
    User(u64),
    /// A node; its id is the key.
    Node(NodeId),
    /// A bare key, for a user the server does not know yet (`POST /users`, strict only).
    Key(PublicKey),
}

impl KeyId {
    /// Reads a `keyId`: a decimal user id, 64 hexadecimal digits, or a base58 node id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().map(Self::User);
        }
        if text.len() == 64 {
            return PublicKey::from_hex(text).ok().map(Self::Key);
        }
        text.parse().ok().map(Self::Node)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "{id}"),
            Self::Node(id) => write!(f, "{id}"),
            Self::Key(key) => f.write_str(&key.to_hex()),
        }
    }
}

/// An identity that signs requests.
#[derive(Debug, Clone)]
pub enum Signer {
    /// A node, by its seed.
    Node(Seed),
    /// A registered user.
    User {
        /// The id the directory gave.
        id: u64,
        /// The user's seed.
        seed: Seed,
    },
    /// The holder of a key that the directory does not know yet.
    Key(Seed),
}

impl Signer {
    /// The `keyId` of its signatures.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        match self {
            Self::Node(seed) => KeyId::Node(seed.node_id()),
            Self::User { id, .. } => KeyId::User(*id),
            Self::Key(seed) => KeyId::Key(seed.public_key()),
        }
    }

    /// The private key.
    #[must_use]
    pub const fn seed(&self) -> &Seed {
        match self {
            Self::Node(seed) | Self::Key(seed) | Self::User { seed, .. } => seed,
        }
    }
}

/// The parts of a request that a strict signature covers.
#[derive(Debug, Clone, Copy)]
pub struct RequestParts<'a> {
    /// Method, upper case.
    pub method: &'a str,
    /// Path and query exactly as sent.
    pub target: &'a str,
    /// Body, empty if there is none.
    pub body: &'a [u8],
}

impl RequestParts<'_> {
    /// Whether the request changes something, so that its signature carries a nonce.
    #[must_use]
    pub fn is_write(&self) -> bool {
        !matches!(self.method, "GET" | "HEAD" | "OPTIONS")
    }
}

/// The headers that make a request signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `Date`.
    pub date: String,
    /// `Threebot-Id`.
    pub threebot_id: String,
    /// `Digest`, strict only.
    pub digest: Option<String>,
    /// `Nonce`, strict writes only: 32 hexadecimal digits.
    pub nonce: Option<String>,
    /// `Authorization`.
    pub authorization: String,
}

impl SignedHeaders {
    /// Names (lower case) and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("date", Some(self.date.as_str())),
            ("threebot-id", Some(self.threebot_id.as_str())),
            ("digest", self.digest.as_deref()),
            ("nonce", self.nonce.as_deref()),
            ("authorization", Some(self.authorization.as_str())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

/// Signs a request. `nonce` must be new for every request; compat signatures do not use it.
#[must_use]
pub fn sign(
    mode: SignatureMode,
    seed: &Seed,
    key_id: &KeyId,
    request: &RequestParts<'_>,
    created: UnixTime,
    nonce: [u8; 16],
) -> SignedHeaders {
    let strict = mode == SignatureMode::Strict;
    let threebot_id = key_id.to_string();
    let date = created.to_http_date();
    let digest = strict.then(|| digest_header(request.body));
    let nonce = (strict && request.is_write()).then(|| hex::encode(nonce));
    let headers = covered_headers(mode, request);
    let message = signing_string(headers, request, created.secs, |name| match name {
        "date" => Some(&date),
        "threebot-id" => Some(&threebot_id),
        "digest" => digest.as_deref(),
        "nonce" => nonce.as_deref(),
        _ => None,
    })
    .unwrap_or_default();
    let signature = BASE64.encode(seed.sign(message.as_bytes()));
    let (created, expires) = (created.secs, created.secs.saturating_add(FRESHNESS_SECS));
    let authorization = format!(
        "Signature keyId=\"{threebot_id}\",algorithm=\"ed25519\",created=\"{created}\",\
         expires=\"{expires}\",headers=\"{headers}\",signature=\"{signature}\""
    );
    SignedHeaders {
        date,
        threebot_id,
        digest,
        nonce,
        authorization,
    }
}

/// The items the signature of this request covers.
#[must_use]
pub fn covered_headers(mode: SignatureMode, request: &RequestParts<'_>) -> &'static str {
    match mode {
        SignatureMode::Compat => COMPAT_HEADERS,
        SignatureMode::Strict if request.is_write() => STRICT_WRITE_HEADERS,
        SignatureMode::Strict => STRICT_READ_HEADERS,
    }
}

/// The value of a `Digest` header: `SHA-256=<base64>`.
#[must_use]
pub fn digest_header(body: &[u8]) -> String {
    format!("SHA-256={}", BASE64.encode(Sha256::digest(body)))
}

/// `None` if a header the list names is missing.
fn signing_string<'a>(
    headers: &str,
    request: &RequestParts<'_>,
    created: i64,
    header: impl Fn(&str) -> Option<&'a str>,
) -> Option<String> {
    let mut message = String::new();
    for name in headers.split(' ') {
        if !message.is_empty() {
            message.push('\n');
        }
        message.push_str(name);
        message.push_str(": ");
        match name {
            "(created)" => message.push_str(&created.to_string()),
            "(request-target)" => {
                message.push_str(&request.method.to_ascii_lowercase());
                message.push(' ');
                message.push_str(request.target);
            }
            name => message.push_str(header(name)?.trim()),
        }
    }
    Some(message)
}

/// Why a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// There is no usable `Authorization` header.
    #[error(transparent)]
    Authorization(#[from] AuthorizationError),
    /// A header that must be signed is not there.
    #[error("header {0:?} is missing")]
    HeaderMissing(&'static str),
    /// The signature covers less than it must.
    #[error("the signature does not cover {0:?}")]
    NotCovered(String),
    /// `Threebot-Id` and `keyId` differ.
    #[error("header \"threebot-id\" and parameter keyId differ")]
    IdMismatch,
    /// The body is not the one that was signed.
    #[error("header \"digest\" does not match the body")]
    Digest,
    /// A nonce of a strange form.
    #[error("header \"nonce\" is not 32 hexadecimal digits")]
    Nonce,
    /// `created` is too far from the verifier's clock.
    #[error("{}", skew_text(*.0))]
    Stale(i64),
    /// Another key, or something signed was changed.
    #[error("the signature does not match")]
    Signature,
}

/// Difference of two clocks in words a person can act on. Positive: the signer's is ahead.
#[must_use]
pub fn skew_text(seconds: i64) -> String {
    let direction = if seconds < 0 { "behind" } else { "ahead of" };
    let amount = seconds.unsigned_abs();
    let days = if amount >= 2 * 86_400 {
        format!(" ({} days)", amount / 86_400)
    } else {
        String::new()
    };
    format!("the clock of the signer is {amount} s{days} {direction} the server's")
}

/// Verifies a compat signature made by `key`.
///
/// `header` gives the request's headers by lower-case name.
///
/// # Errors
/// As [`VerifyError`] lists them.
pub fn verify_compat<'a>(
    authorization: &Authorization,
    key: &PublicKey,
    header: impl Fn(&str) -> Option<&'a str>,
) -> Result<(), VerifyError> {
    // The original verifies over the list the client gives, provided the three are in it.
    for name in COMPAT_HEADERS.split(' ') {
        if !authorization
            .headers
            .split(' ')
            .any(|covered| covered == name)
        {
            return Err(VerifyError::NotCovered(name.to_owned()));
        }
    }
    let nothing = RequestParts {
        method: "",
        target: "",
        body: b"",
    };
    let message = signing_string(
        &authorization.headers,
        &nothing,
        authorization.created,
        header,
    )
    .ok_or(VerifyError::HeaderMissing("one the signature names"))?;
    check(key, &message, &authorization.signature)
}

/// Verifies a strict signature made by `key`, and its freshness at `now`.
///
/// # Errors
/// As [`VerifyError`] lists them.
pub fn verify_strict<'a>(
    authorization: &Authorization,
    key: &PublicKey,
    request: &RequestParts<'_>,
    header: impl Fn(&str) -> Option<&'a str>,
    now: UnixTime,
) -> Result<(), VerifyError> {
    let wanted = covered_headers(SignatureMode::Strict, request);
    if authorization.headers != wanted {
        let missing = wanted.split(' ').find(|name| {
            !authorization
                .headers
                .split(' ')
                .any(|covered| covered == *name)
        });
        return Err(VerifyError::NotCovered(
            missing.unwrap_or(wanted).to_owned(),
        ));
    }
    if header("threebot-id") != Some(authorization.key_id.as_str()) {
        return Err(VerifyError::IdMismatch);
    }
    let digest = header("digest").ok_or(VerifyError::HeaderMissing("digest"))?;
    if digest != digest_header(request.body) {
        return Err(VerifyError::Digest);
    }
    if request.is_write() {
        let nonce = header("nonce").ok_or(VerifyError::HeaderMissing("nonce"))?;
        if nonce.len() != 32 || !nonce.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(VerifyError::Nonce);
        }
    }
    let message = signing_string(wanted, request, authorization.created, &header)
        .ok_or(VerifyError::HeaderMissing("date"))?;
    check(key, &message, &authorization.signature)?;
    // Last, so that only who holds the key learns how far the clocks are apart.
    let difference = authorization.created.saturating_sub(now.secs);
    if difference.unsigned_abs() > FRESHNESS_SECS.unsigned_abs() {
        return Err(VerifyError::Stale(difference));
    }
    Ok(())
}

fn check(key: &PublicKey, message: &str, signature: &[u8]) -> Result<(), VerifyError> {
    if key.verify(message.as_bytes(), signature) {
        Ok(())
    } else {
        Err(VerifyError::Signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &[u8; 32] = b"helloworldhelloworldhelloworld12";
    const NOW: UnixTime = UnixTime::from_secs(1_593_561_600);
    const POST: RequestParts<'static> = RequestParts {
        method: "POST",
        target: "/explorer/farms?x=1",
        body: b"{}",
    };

    fn lookup<'a>(headers: &'a SignedHeaders) -> impl Fn(&str) -> Option<&'a str> {
        move |name| {
            headers
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value)
        }
    }

    #[test]
    fn compat_signatures_follow_the_reference_vectors() {
        let seed = Seed::from(*SEED);
        for (key_id, expected) in [
            (
                KeyId::Node(seed.node_id()),
                "6jBcVXMQVgYiDVNzV/81g1VLdMQaU3AltFO+6B1OjBJedalvKdiR9WFgu+6mjSYMwKEVk8wwcJOpGlhde5sgAw==",
            ),
            (
                KeyId::User(1),
                "9i7RARiZ3QV/O/mct0oAY4CG4dLmpLvz2RrqymXHbu7kutcpLN0uaAyagBPjNNi+OMqN+6rdhGaWbOt6M15SCA==",
            ),
        ] {
            let headers = sign(SignatureMode::Compat, &seed, &key_id, &POST, NOW, [0; 16]);
            assert_eq!(headers.date, "Wed, 01 Jul 2020 00:00:00 GMT");
            assert!(
                headers
                    .authorization
                    .contains(&format!("signature=\"{expected}\""))
            );
            let parsed = Authorization::parse(&headers.authorization).unwrap();
            assert_eq!(KeyId::parse(&parsed.key_id), Some(key_id));
            verify_compat(&parsed, &seed.public_key(), lookup(&headers)).unwrap();
        }
    }

    #[test]
    fn strict_signatures_cover_the_whole_request() {
        let seed = Seed::from(*SEED);
        let key = seed.public_key();
        let headers = sign(
            SignatureMode::Strict,
            &seed,
            &KeyId::User(7),
            &POST,
            NOW,
            [5; 16],
        );
        let parsed = Authorization::parse(&headers.authorization).unwrap();
        let verify = |request: &RequestParts<'_>, headers: &SignedHeaders, secs| {
            verify_strict(
                &parsed,
                &key,
                request,
                lookup(headers),
                UnixTime::from_secs(secs),
            )
        };
        verify(&POST, &headers, NOW.secs + FRESHNESS_SECS).unwrap();
        verify(&POST, &headers, NOW.secs - FRESHNESS_SECS).unwrap();

        let late = verify(&POST, &headers, NOW.secs + FRESHNESS_SECS + 1);
        assert_eq!(late, Err(VerifyError::Stale(-301)));
        let other_path = RequestParts {
            target: "/explorer/farms",
            ..POST
        };
        assert_eq!(
            verify(&other_path, &headers, NOW.secs),
            Err(VerifyError::Signature)
        );
        let other_method = RequestParts {
            method: "PUT",
            ..POST
        };
        assert_eq!(
            verify(&other_method, &headers, NOW.secs),
            Err(VerifyError::Signature)
        );
        let other_body = RequestParts {
            body: b"{ }",
            ..POST
        };
        assert_eq!(
            verify(&other_body, &headers, NOW.secs),
            Err(VerifyError::Digest)
        );
        let both = SignedHeaders {
            digest: Some(digest_header(b"{ }")),
            ..headers.clone()
        };
        assert_eq!(
            verify(&other_body, &both, NOW.secs),
            Err(VerifyError::Signature)
        );
        let nonce = SignedHeaders {
            nonce: Some("0".repeat(32)),
            ..headers.clone()
        };
        assert_eq!(verify(&POST, &nonce, NOW.secs), Err(VerifyError::Signature));
        let nonce = SignedHeaders {
            nonce: None,
            ..headers.clone()
        };
        assert_eq!(
            verify(&POST, &nonce, NOW.secs),
            Err(VerifyError::HeaderMissing("nonce"))
        );
        let id = SignedHeaders {
            threebot_id: "8".to_owned(),
            ..headers.clone()
        };
        assert_eq!(verify(&POST, &id, NOW.secs), Err(VerifyError::IdMismatch));
        let read = RequestParts {
            method: "GET",
            ..POST
        };
        assert!(matches!(
            verify(&read, &headers, NOW.secs),
            Err(VerifyError::NotCovered(_))
        ));
    }

    #[test]
    fn a_compat_signature_is_no_strict_one() {
        let seed = Seed::from(*SEED);
        let headers = sign(
            SignatureMode::Compat,
            &seed,
            &KeyId::User(7),
            &POST,
            NOW,
            [5; 16],
        );
        let parsed = Authorization::parse(&headers.authorization).unwrap();
        let result = verify_strict(&parsed, &seed.public_key(), &POST, lookup(&headers), NOW);
        assert_eq!(
            result,
            Err(VerifyError::NotCovered("(request-target)".to_owned()))
        );
    }

    #[test]
    fn key_ids_tell_their_kind() {
        let seed = Seed::from(*SEED);
        for id in [
            KeyId::User(12),
            KeyId::Node(seed.node_id()),
            KeyId::Key(seed.public_key()),
        ] {
            assert_eq!(KeyId::parse(&id.to_string()), Some(id));
        }
        let zero_key = NodeId::from_public_key(PublicKey::from_bytes([0; 32]));
        assert_eq!(KeyId::parse(&"1".repeat(32)), Some(KeyId::Node(zero_key)));
        for bad in ["", "-1", "nobody", &"9".repeat(20), &"g".repeat(64)] {
            assert_eq!(KeyId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn skew_is_told_in_days_when_it_is_days() {
        assert_eq!(
            skew_text(-400),
            "the clock of the signer is 400 s behind the server's"
        );
        assert!(skew_text(-788_918_400).contains("(9131 days) behind"));
    }
}
