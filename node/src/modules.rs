//! Kernel modules without udev: tables, matching and loading.

mod glob;
mod index;
mod load;

pub use load::{Loader, helper};
