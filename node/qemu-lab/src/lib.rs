//! QEMU guests for tests: real firmware boots our media, and the test reads the serial console.
//!
//! Software emulation only (`-accel tcg`), so it runs wherever QEMU runs; a boot takes 10 to 60
//! seconds. A [`Guest`] dies with its value, so a failing test leaves no process behind.
//!
//! Test code only: it reads the real clock, looks for firmware files at Debian's paths and panics
//! on nothing; every failure is an error with the tail of the serial console in it.
#![expect(
    clippy::disallowed_methods,
    reason = "the patience with a real guest is measured in real time"
)]

mod efivars;
mod guest;
mod machine;
mod qmp;
mod toolbox;

pub use efivars::EfiVariable;
pub use guest::Guest;
pub use machine::{Bus, Disk, DiskKind, Firmware, Machine, Nic};
pub use toolbox::{Answers, Errand, Toolbox};
