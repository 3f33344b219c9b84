//! The `farmer` command as its users see it.

mod boot;
mod build;
mod directory;
mod help;
mod output;
mod static_binaries;
mod support;
