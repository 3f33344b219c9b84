//! The `farmer` command as its users see it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "helpers of tests fail like tests, and wait in real time"
)]

mod boot;
mod boot_uki;
mod build;
mod directory;
mod help;
mod nodes;
mod output;
mod secure_boot;
mod static_binaries;
mod support;
mod tui;
