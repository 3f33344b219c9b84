//! Media: pure plans that turn a payload into a [`Layout`](crate::rope::Layout).

mod loader_config;
pub mod universal;

pub use universal::{InitramfsFile, Loaders, PlacedFile, Plan, UniversalMedium};
