//! Boot media of the node OS. A finished image is a [`rope`]: an ordered list of extents that the
//! [`formats`] place, a [`medium`] plans and [`emit`] writes in one pass.

pub mod bootkit;
pub mod container;
pub mod content;
pub mod customize;
pub mod emit;
pub mod error;
pub mod extract;
pub mod formats;
pub mod inspect;
pub mod kernel_arguments;
pub mod kernel_config;
pub mod medium;
pub mod payload;
pub mod provenance;
pub mod regions;
pub mod restamp;
pub mod rope;
pub mod secureboot;
pub mod show;
pub mod verify;
pub mod zos;

pub use ipxe_rs_bindings as ipxe;
