//! Media: pure plans that turn a payload into a [`Layout`](crate::rope::Layout).

mod areas;
mod gap;
pub mod initramfs;
mod loader_config;
pub mod pxe;
mod region_contents;
pub mod universal;
mod volumes;

pub use pxe::{BundleFile, PxeBundle};
pub use universal::{InitramfsFile, Loaders, PlacedFile, Plan, UniversalMedium};
