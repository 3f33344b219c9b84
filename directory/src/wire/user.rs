//! Users, as the phonebook keeps them.

use hw_probe::text::Untrusted;
use serde::{Deserialize, Serialize};

use super::farm::WalletAddress;
use super::scalar::null_default;
use crate::identity::{PublicKey, Seed};

/// A user: the identity that owns farms ("threebot").
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    /// Assigned by the server.
    #[serde(deserialize_with = "null_default")]
    pub id: u64,
    /// Unique, lower case, at least 3 characters.
    #[serde(deserialize_with = "null_default")]
    pub name: Untrusted,
    /// In strict mode only shown to the user.
    #[serde(deserialize_with = "null_default")]
    pub email: Untrusted,
    /// ed25519 public key, 64 hexadecimal digits.
    #[serde(deserialize_with = "null_default")]
    pub pubkey: Untrusted,
    /// Where the user's 3Bot answers; free text.
    #[serde(deserialize_with = "null_default")]
    pub host: Untrusted,
    /// Free text.
    #[serde(deserialize_with = "null_default")]
    pub description: Untrusted,
    /// Wallets of the user.
    #[serde(deserialize_with = "null_default")]
    pub wallet_addresses: Vec<WalletAddress>,
    /// Legacy signature inside the record; left out when empty.
    #[serde(
        deserialize_with = "null_default",
        skip_serializing_if = "is_empty_text"
    )]
    pub signature: Untrusted,
    /// Set by the grid's operators.
    #[serde(deserialize_with = "null_default")]
    pub trusted_sales_channel: bool,
}

/// The body of `POST /users`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NewUser {
    /// At least 3 characters; the server stores it in lower case.
    #[serde(deserialize_with = "null_default")]
    pub name: Untrusted,
    /// `""` or an address, see [`is_valid_email`].
    #[serde(deserialize_with = "null_default")]
    pub email: Untrusted,
    /// ed25519 public key, 64 hexadecimal digits.
    #[serde(deserialize_with = "null_default")]
    pub pubkey: Untrusted,
    /// Free text.
    #[serde(deserialize_with = "null_default")]
    pub host: Untrusted,
    /// Free text.
    #[serde(deserialize_with = "null_default")]
    pub description: Untrusted,
    /// Wallets of the user.
    #[serde(
        deserialize_with = "null_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub wallet_addresses: Vec<WalletAddress>,
}

impl NewUser {
    /// A user with a name, an e-mail address (may be empty) and a key.
    #[must_use]
    pub fn new(name: &str, email: &str, pubkey: PublicKey) -> Self {
        Self {
            name: name.into(),
            email: email.into(),
            pubkey: pubkey.to_hex().into(),
            ..Self::default()
        }
    }
}

/// The body of `PUT /users/{id}`: the fields to change (empty ones stay as they are) and the user's
/// signature over them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UserUpdate {
    /// Must be the user's name or empty: names cannot be changed.
    #[serde(deserialize_with = "null_default")]
    pub name: Untrusted,
    /// A new e-mail address.
    #[serde(deserialize_with = "null_default")]
    pub email: Untrusted,
    /// A new key; the request is still signed with the old one.
    #[serde(deserialize_with = "null_default")]
    pub pubkey: Untrusted,
    /// Free text.
    #[serde(deserialize_with = "null_default")]
    pub host: Untrusted,
    /// Free text.
    #[serde(deserialize_with = "null_default")]
    pub description: Untrusted,
    /// Wallets of the user.
    #[serde(deserialize_with = "null_default")]
    pub wallet_addresses: Vec<WalletAddress>,
    /// ed25519 over [`UserUpdate::signed_text`], hexadecimal.
    #[serde(deserialize_with = "null_default")]
    pub sender_signature_hex: Untrusted,
}

impl UserUpdate {
    /// What `sender_signature_hex` covers, when user `id` is changed: id, name, e-mail address,
    /// host, description and key, one after the other. (The wallets are not covered.)
    #[must_use]
    pub fn signed_text(&self, id: u64) -> String {
        let fields = [
            &self.name,
            &self.email,
            &self.host,
            &self.description,
            &self.pubkey,
        ];
        let mut text = id.to_string();
        for field in fields {
            text.push_str(field.raw());
        }
        text
    }

    /// Signs it for user `id`.
    #[must_use]
    pub fn signed(mut self, id: u64, seed: &Seed) -> Self {
        let signature = seed.sign(self.signed_text(id).as_bytes());
        self.sender_signature_hex = hex::encode(signature).into();
        self
    }
}

/// The body of `POST /users/{id}/validate`: did this user sign this?
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ValidatePost {
    /// The signed bytes, hexadecimal.
    #[serde(deserialize_with = "null_default")]
    pub payload: Untrusted,
    /// The signature, hexadecimal.
    #[serde(deserialize_with = "null_default")]
    pub signature: Untrusted,
}

/// The answer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// Whether the signature is the user's.
    pub is_valid: bool,
}

fn is_empty_text(text: &Untrusted) -> bool {
    text.raw().is_empty()
}

/// Whether the directory takes this e-mail address: empty, or one `@` with text that holds no
/// white space, control character or bracket on both sides (`a@b` is fine).
#[must_use]
pub fn is_valid_email(email: &str) -> bool {
    let part_ok = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| !c.is_whitespace() && !c.is_control() && !"@<>()[],;:\"\\".contains(c))
    };
    email.is_empty()
        || (email.len() <= 254
            && email
                .split_once('@')
                .is_some_and(|(local, host)| part_ok(local) && part_ok(host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_follow_the_reference_vectors() {
        for good in ["", "azmy@gmail.com", "a@b"] {
            assert!(is_valid_email(good), "{good:?}");
        }
        for bad in [
            "gmail.com",
            "a",
            "@b",
            "a@",
            "a@b@c",
            "[a@b.c]",
            "a b@c",
            "a@b\u{1b}[1m",
        ] {
            assert!(!is_valid_email(bad), "{bad:?}");
        }
    }
}
