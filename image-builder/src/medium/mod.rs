//! Media: pure plans that turn a payload into a [`Layout`](crate::rope::Layout).

mod areas;
mod disk;
mod gap;
pub mod initramfs;
mod loader_config;
pub mod pxe;
mod region_contents;
mod serial;
pub mod thin;
mod uki;
pub mod universal;
mod volumes;

pub use gap::{BiosLoaders, IsolinuxMenu};
pub use pxe::{BundleFile, PxeBundle};
pub use serial::{SerialConsole, SerialConsoleError};
pub use uki::{Enrolment, UkiBoot, UkiFacts};
pub use universal::{InitramfsFile, Loaders, PlacedFile, Plan, UefiBoot, UniversalMedium};
