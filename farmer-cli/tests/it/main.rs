//! The `farmer` command as its users see it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail like tests"
)]

mod boot;
mod build;
mod directory;
mod help;
mod nodes;
mod output;
mod static_binaries;
mod support;
mod tui;
