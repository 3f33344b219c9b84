//! TFDirectory: who the farms, nodes and users of a grid are.
//!
//! - [`wire`]: the JSON of TFExplorer's directory API (Grid v2), field for field.
//! - [`identity`]: ed25519 seeds, node ids, and the farmer's identity file.
//! - [`sign`]: HTTP signatures, as of 2020 (`compat`) and ours (`strict`).
//! - [`clock`]: time as a value handed in.
//! - `client` (feature `client`): a typed, asynchronous client.
//! - `identity::export` (feature `export`): backups of an identity, sealed by a passphrase.
//! - `cache` (feature `cache`): what directories said, kept on disk and paged.
//! - `desired` (feature `client`): farms as their owner wants them, and the steps to that.
//! - `server` (feature `server`): the embedded directory on SQLite or PostgreSQL.

#[cfg(feature = "cache")]
pub mod cache;
#[cfg(feature = "client")]
pub mod client;
pub mod clock;
#[cfg(feature = "client")]
pub mod desired;
pub mod identity;
#[cfg(any(feature = "client", feature = "server"))]
mod pin;
#[cfg(feature = "server")]
pub mod server;
pub mod sign;
#[cfg(feature = "server")]
mod store;
pub mod wire;

#[cfg(any(feature = "client", feature = "server"))]
pub use pin::{Pin, PinError};
