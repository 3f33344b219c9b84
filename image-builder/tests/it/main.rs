//! Tests at the public edge, against the tools a user or a machine would use on the same bytes.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "helpers of tests fail like tests"
)]

mod bootkit;
mod bundle;
mod contained;
mod containers;
mod customize;
mod emit;
mod foreign;
mod hostile;
mod kernel_config;
mod medium_plan;
mod medium_tools;
mod payload;
mod payload_fixtures;
mod readers;
mod secureboot;
mod supplies;
mod support;
mod thin;
mod thin_medium;
mod uki;
mod verify;
