//! The settings of one farm's nodes: one schema, one parser, one order of precedence.
//!
//! [`NodeConfig`] is the only thing that differs between two farms' boot media. The image builder
//! writes it, `farmer image customize` rewrites it, the farmer may edit parts of it as `farm.toml`
//! on the stick, and `farm-node` reads it. All of them use this crate, which does no I/O.
//!
//! - [`schema`]: the complete, validated configuration and its TOML form
//! - [`layer`]: partial settings from one place, and how layers make an [`layer::Effective`] one
//! - [`cmdline`]: the kernel arguments a node listens to, in Zero-OS' names
//! - [`medium`]: how a node recognises the boot medium it came from
//! - [`system`]: the digest by which a thin medium knows the system it fetched
//! - [`note`]: how a `farm-node` binary says which settings it knows

pub mod cmdline;
mod error;
pub mod layer;
pub mod medium;
pub mod note;
pub mod schema;
pub mod system;
pub mod values;

pub use error::ConfigError;
pub use layer::{Effective, Layer, Origin};
pub use schema::{DirectoryConfig, DiskKind, DiskWord, LocationConfig, NodeConfig, SCHEMA_VERSION};
pub use values::{
    Addressing, DirectoryUrl, EnrolmentToken, FarmId, Pin, RunMode, VlanId, without_secrets,
};
