//! `farmer image sources`

use std::path::PathBuf;

use clap::Args;

/// List the source packages of an image's parts, in the versions that are in it.
///
/// Whoever gives images away must be able to offer the sources of the kernel and the boot loaders
/// (GPL). Keep what these commands fetch.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  farmer image sources")]
pub struct ImageSourcesArgs {
    /// A fetched bootkit by id, or an exported one; else the newest apt has
    #[arg(long, value_name = "ID|FILE", conflicts_with = "deb")]
    pub bootkit: Option<String>,

    /// Debian packages to use instead of apt's
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub deb: Vec<PathBuf>,
}
