//! Media: pure plans that turn a payload into a [`Layout`](crate::rope::Layout).

mod gap;
mod loader_config;
mod region_contents;
mod serial;
pub mod universal;
mod volumes;

pub use serial::{SerialConsole, SerialConsoleError};
pub use universal::{InitramfsFile, IsolinuxMenu, Loaders, PlacedFile, Plan, UniversalMedium};
