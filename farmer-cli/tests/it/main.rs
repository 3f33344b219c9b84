//! The `farmer` command as its users see it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "helpers of tests fail like tests, and wait in real time"
)]

mod boot;
mod boot_linux;
mod boot_matrix;
mod boot_payloads;
mod boot_uki;
mod boot_vlan;
mod bootkit;
mod build;
mod check;
#[path = "../../../directory/tests/it/cluster.rs"]
mod cluster;
mod data;
mod directory;
mod durability;
mod fleet;
mod help;
mod identity;
mod image_mistakes;
mod images;
mod interrupted;
mod ipxe;
mod kernel;
mod nodes;
mod output;
mod outputs;
mod power_loss;
mod secure_boot;
mod static_binaries;
mod support;
mod terminal;
mod thin;
mod thin_matrix;
mod tui;
mod zero_os;
