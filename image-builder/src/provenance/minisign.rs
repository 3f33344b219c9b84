//! Detached signatures and public keys in minisign's format
//! (<https://jedisct1.github.io/minisign/>), the pure ed25519 kind (`Ed`), which minisign and OpenBSD's
//! signify share. The key itself stays with the caller.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::content::sha256;

/// Algorithm of key and signature: ed25519 over the file itself.
const ALGORITHM: &[u8; 2] = b"Ed";

/// The public key as `minisign -P` takes it.
#[must_use]
pub fn public_key(key: &[u8; 32]) -> String {
    STANDARD.encode([&ALGORITHM[..], &key_number(key), key].concat())
}

/// The signature file (`.minisig`) of `content`, which is called `name`; `sign` makes the raw
/// ed25519 signature of `key`.
pub fn signature(
    content: &[u8],
    name: &str,
    key: &[u8; 32],
    sign: impl Fn(&[u8]) -> [u8; 64],
) -> String {
    let raw = sign(content);
    let signature = STANDARD.encode([&ALGORITHM[..], &key_number(key), &raw].concat());
    // It is signed too: a file cannot be passed off as another.
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let trusted = format!("file:{name}");
    let global = STANDARD.encode(sign(&[&raw[..], trusted.as_bytes()].concat()));
    format!(
        "untrusted comment: verify with: minisign -V -P {} -m {name}\n\
         {signature}\n\
         trusted comment: {trusted}\n\
         {global}\n",
        public_key(key)
    )
}

/// The format wants 8 bytes to tell keys apart; derived, so that a seed is all there is to keep.
fn key_number(key: &[u8; 32]) -> [u8; 8] {
    let mut number = [0; 8];
    number.copy_from_slice(&sha256(key)[..8]);
    number
}
