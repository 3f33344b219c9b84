//! Secure Boot with keys of one's own: certificates and keys, Authenticode signatures on EFI programs
//! and the signed variables that enrol the keys in a firmware.
//!
//! Signatures are RSA PKCS#1 v1.5 with SHA-256: what every UEFI firmware accepts, and deterministic.

pub mod authenticode;
mod certificate;
mod cms;
pub mod efivars;
mod error;
pub mod keyring;
mod signer;
pub mod varstore;

pub use certificate::Certificate;
pub use error::SecureBootError;
pub use signer::{RsaSigner, Signer};
