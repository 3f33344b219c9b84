use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum BootkitCommand {
    Fetch(BootkitFetchArgs),
    Show(BootkitShowArgs),
    Export(BootkitExportArgs),
    Import(BootkitImportArgs),
    Verify(BootkitVerifyArgs),
}

/// Fetch kernel and boot loaders into the cache, and show them.
///
/// They come as Debian packages from the host's own apt sources, or are given as files. No root is
/// needed and nothing is installed; apt checks the signatures.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer bootkit fetch\n  \
    farmer bootkit fetch --suite trixie\n  \
    farmer bootkit fetch --deb linux-image.deb shim-signed.deb …")]
pub struct BootkitFetchArgs {
    /// Debian packages to use instead of apt's
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub deb: Vec<PathBuf>,

    /// Another Debian release than the host's
    #[arg(long, value_name = "SUITE", conflicts_with = "deb")]
    pub suite: Option<String>,

    /// Fetch fresh package lists, and check every stored file
    #[arg(long)]
    pub refresh: bool,
}

/// Show the parts that images are built from: kernel, boot loaders, packages.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  farmer bootkit show\n  farmer bootkit show 1e77cb35")]
pub struct BootkitShowArgs {
    /// Beginning of a fetched bootkit's id, or an exported file; apt's if not given
    #[arg(value_name = "ID|FILE")]
    pub bootkit: Option<String>,

    /// Debian packages to use instead of apt's
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "bootkit")]
    pub deb: Vec<PathBuf>,
}

/// Write a bootkit to one file, for hosts without apt or without network.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  farmer bootkit export bootkit.tar.zst")]
pub struct BootkitExportArgs {
    /// The file to write
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Beginning of its id; apt's if not given
    #[arg(long, value_name = "ID")]
    pub bootkit: Option<String>,

    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
}

/// Take an exported bootkit into the cache. Build with it by `image build --bootkit ID`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  farmer bootkit import bootkit.tar.zst")]
pub struct BootkitImportArgs {
    /// The exported file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Check every file of the stored bootkits against its lock.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  farmer bootkit verify")]
pub struct BootkitVerifyArgs {
    /// Beginning of a bootkit's id, or an exported file; all stored ones if not given
    #[arg(value_name = "ID|FILE")]
    pub bootkit: Option<String>,
}
