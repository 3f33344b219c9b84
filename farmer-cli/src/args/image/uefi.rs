//! How an image starts on UEFI, and who signs it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How an image starts on UEFI.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "UEFI boot")]
pub struct UefiArgs {
    /// What UEFI starts: stock, Debian's signed loaders and kernel (default); uki, one program that
    /// holds everything and is signed with a key of your own
    #[arg(long, value_name = "FLAVOUR", hide_possible_values = true)]
    pub flavour: Option<FlavourValue>,

    /// Sign with the keys in this directory (farmer image keys new), or with this PEM key
    #[arg(long, value_name = "DIR|KEY")]
    pub signing_key: Option<PathBuf>,

    /// Certificate of that PEM key
    #[arg(long, value_name = "CERT", requires = "signing_key")]
    pub signing_cert: Option<PathBuf>,

    /// Allow a kernel that starts only with Secure Boot off
    #[arg(long)]
    pub no_secure_boot: bool,
}

/// What UEFI starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FlavourValue {
    /// Debian's signed shim, GRUB and kernel.
    Stock,
    /// A unified kernel image.
    Uki,
}
