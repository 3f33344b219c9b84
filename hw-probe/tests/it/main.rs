//! Behaviour of the probe at its public edge, over small machines of our own.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first surprise, as tests do"
)]

mod big_machine;
mod counted_disks;
mod disks;
mod fixtures;
mod guests;
mod hostile;
mod machines;
mod platform;
mod processors;
mod program;
mod schema;
mod secrets;
mod signatures;
mod smbios_tables;
mod snapshots;
mod speed;
