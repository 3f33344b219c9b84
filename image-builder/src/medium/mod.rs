//! Media: pure plans that turn a payload into a [`Layout`](crate::rope::Layout).

mod gap;
mod loader_config;
mod region_contents;
mod uki;
pub mod universal;
mod volumes;

pub use uki::{Enrolment, UkiBoot, UkiFacts};
pub use universal::{InitramfsFile, Loaders, PlacedFile, Plan, UefiBoot, UniversalMedium};
