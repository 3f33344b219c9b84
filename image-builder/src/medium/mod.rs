//! Media: pure plans that turn a payload into a [`Layout`](crate::rope::Layout).

mod areas;
mod gap;
mod loader_config;
mod region_contents;
pub mod universal;
mod volumes;

pub use universal::{InitramfsFile, Loaders, PlacedFile, Plan, UniversalMedium};
