//! Identities: an ed25519 seed is all there is; ids and keys follow from it.

#[cfg(feature = "export")]
pub mod export;
mod file;

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub use file::{FileError, UserIdentity};

/// A key, id or list of words that cannot be read. The text itself is never part of the message:
/// it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not base58, or not of 32 bytes.
    #[error("a node id is the base58 form of 32 bytes")]
    NodeId,
    /// Not hexadecimal, or not of 32 bytes.
    #[error("a public key is written as 64 hexadecimal digits")]
    PublicKey,
    /// A seed of the wrong length.
    #[error("a seed has 32 bytes, not {0}")]
    SeedLength(usize),
    /// Words that are no BIP39 phrase of 24 words.
    #[error("not a recovery phrase of 24 BIP39 words: {0}")]
    Mnemonic(String),
    /// The kernel gave no random numbers.
    #[error("the system gave no random numbers: {0}")]
    Random(String),
}

/// An ed25519 private key: 32 bytes of entropy (RFC 8032). Erased from memory when dropped.
///
/// It has no `Display`, and its `Debug` shows nothing, so it cannot slip into a log.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// A new identity from the kernel's random numbers.
    ///
    /// # Errors
    /// The kernel gave none.
    pub fn generate() -> Result<Self, IdentityError> {
        let mut seed = Self([0; Self::LEN]);
        getrandom::fill(&mut seed.0).map_err(|error| IdentityError::Random(error.to_string()))?;
        Ok(seed)
    }

    /// Takes exactly 32 bytes.
    ///
    /// # Errors
    /// Any other length.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, IdentityError> {
        let mut seed = Self([0; Self::LEN]);
        if bytes.len() != Self::LEN {
            return Err(IdentityError::SeedLength(bytes.len()));
        }
        seed.0.copy_from_slice(bytes);
        Ok(seed)
    }

    /// The secret itself, for the place that stores it.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The seed as 24 English BIP39 words: the words' entropy *is* the seed (no PBKDF2).
    #[must_use]
    pub fn mnemonic(&self) -> Zeroizing<String> {
        #[expect(
            clippy::expect_used,
            reason = "32 bytes is one of the five lengths BIP39 knows"
        )]
        let words = bip39::Mnemonic::from_entropy(&self.0).expect("32 bytes of entropy");
        let mut text = Zeroizing::new(String::with_capacity(256));
        for word in words.words() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        }
        text
    }

    /// Reads what [`Seed::mnemonic`] writes; case and white space do not matter.
    ///
    /// # Errors
    /// Unknown words (named by position), a wrong checksum, or another number of words.
    pub fn from_mnemonic(words: &str) -> Result<Self, IdentityError> {
        let lower = Zeroizing::new(words.to_lowercase());
        let count = lower.split_whitespace().count();
        if count != 24 {
            return Err(IdentityError::Mnemonic(format!("it has {count}")));
        }
        let parsed = bip39::Mnemonic::parse_in_normalized(bip39::Language::English, &lower)
            .map_err(|error| {
                IdentityError::Mnemonic(match error {
                    bip39::Error::UnknownWord(index) => format!("word {} is unknown", index + 1),
                    bip39::Error::InvalidChecksum => {
                        "the checksum is wrong, so a word is wrong or out of order".to_owned()
                    }
                    other => other.to_string(),
                })
            })?;
        Self::from_slice(&Zeroizing::new(parsed.to_entropy()))
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(SigningKey::from_bytes(&self.0).verifying_key().to_bytes())
    }

    /// The node id of a node with this seed.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        NodeId(self.public_key().0)
    }

    /// An ed25519 signature.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        SigningKey::from_bytes(&self.0).sign(message).to_bytes()
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl From<[u8; 32]> for Seed {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// An ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes the 32 bytes of a key; whether they are a point of the curve shows when verifying.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    /// Reads 64 hexadecimal digits of either case.
    ///
    /// # Errors
    /// Anything else.
    pub fn from_hex(text: &str) -> Result<Self, IdentityError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| IdentityError::PublicKey)?;
        Ok(Self(bytes))
    }

    /// Whether `signature` is this key's over `message`; keys of small order never verify.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        VerifyingKey::from_bytes(&self.0)
            .and_then(|key| key.verify_strict(message, &Signature::from_slice(signature)?))
            .is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.to_hex())
    }
}

/// A node's id: its public key, written in base58 (bitcoin alphabet, no checksum).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId([u8; 32]);

impl NodeId {
    /// The node that has this key.
    #[must_use]
    pub const fn from_public_key(key: PublicKey) -> Self {
        Self(key.0)
    }

    /// The node's key.
    #[must_use]
    pub const fn public_key(self) -> PublicKey {
        PublicKey(self.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&bs58::encode(self.0).into_string())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

impl FromStr for NodeId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        // 32 bytes never need more than 44 digits; longer input is not worth decoding.
        if text.len() > 44 {
            return Err(IdentityError::NodeId);
        }
        let bytes = bs58::decode(text)
            .into_vec()
            .map_err(|_| IdentityError::NodeId)?;
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| IdentityError::NodeId)
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &[u8; 32] = b"helloworldhelloworldhelloworld12";

    #[test]
    fn ids_follow_the_reference_vectors() {
        let seed = Seed::from(*SEED);
        assert_eq!(
            seed.public_key().to_hex(),
            "db26de5be5a0bd95b775170db6d80f0461d2f7c33742726fd9c6c35d39eeb9de"
        );
        assert_eq!(
            seed.node_id().to_string(),
            "FkUfMueBVSK6V1DCHVAtzzaqPqCPVzGguDzCQxq7Ep85"
        );
        assert_eq!(NodeId([0; 32]).to_string(), "1".repeat(32));
    }

    #[test]
    fn node_ids_parse_back_and_refuse_other_lengths() {
        let id = Seed::from(*SEED).node_id();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("1".repeat(32).parse(), Ok(NodeId([0; 32])));
        for bad in [
            "",
            "0OIl",
            &"1".repeat(31),
            &"1".repeat(33),
            &"z".repeat(100_000),
            "é",
        ] {
            assert_eq!(bad.parse::<NodeId>(), Err(IdentityError::NodeId));
        }
    }

    #[test]
    fn words_are_the_seed() {
        let seed = Seed::from([0; 32]);
        let words = seed.mnemonic();
        assert_eq!(
            *words,
            format!("{}art", "abandon ".repeat(23)),
            "BIP39's own vector"
        );
        let back = Seed::from_mnemonic(&words.to_uppercase().replace(' ', "\n ")).unwrap();
        assert_eq!(back.expose(), seed.expose());
        let twisted = Seed::from_mnemonic(&"abandon ".repeat(24))
            .unwrap_err()
            .to_string();
        assert!(twisted.contains("checksum"), "{twisted}");
        let short = Seed::from_mnemonic("abandon art").unwrap_err().to_string();
        assert!(short.ends_with("it has 2"), "{short}");
        let unknown = Seed::from_mnemonic(&words.replacen("abandon", "secret-word", 1));
        let unknown = unknown.unwrap_err().to_string();
        assert!(
            unknown.contains("word 1 ") && !unknown.contains("secret"),
            "{unknown}"
        );
    }

    #[test]
    fn a_seed_shows_nothing() {
        assert_eq!(format!("{:?}", Seed::from(*SEED)), "Seed(..)");
    }

    #[test]
    fn signatures_verify_only_as_signed() {
        let seed = Seed::from(*SEED);
        let signature = seed.sign(b"message");
        assert!(seed.public_key().verify(b"message", &signature));
        assert!(!seed.public_key().verify(b"Message", &signature));
        assert!(!seed.public_key().verify(b"message", &signature[..63]));
        assert!(
            !PublicKey([0; 32]).verify(b"message", &[0; 64]),
            "small order"
        );
    }
}
