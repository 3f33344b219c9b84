mod keys;
mod uefi;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use node_config::FarmId;

use super::{ConnectionArgs, LocationValue, StaticAddress};

pub use keys::{KeysCommand, KeysNewArgs, KeysShowArgs};
pub use uefi::{FlavourValue, FormatValue, UefiArgs};

#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    Build(Box<ImageBuildArgs>),
    Show(ImageShowArgs),
    /// Secure Boot keys of your own: new, show
    #[command(subcommand)]
    Keys(KeysCommand),
}

/// Build the boot image of a farm's nodes: one file that boots as CD, USB stick and disk, with BIOS
/// and UEFI.
///
/// Kernel and boot loaders come from Debian packages, fetched with the host's apt without root and
/// kept in the cache. The same inputs give the same bytes.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer image build --farm-id 1 --directory https://dir.example --out node.iso\n  \
    farmer image build --farm-id 1 --out node.iso --deb linux-image.deb shim.deb …")]
pub struct ImageBuildArgs {
    /// The farm's number
    #[arg(long, value_name = "N")]
    pub farm_id: FarmId,

    /// The image file to write
    #[arg(long, value_name = "FILE", required = true)]
    pub out: Option<PathBuf>,

    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,

    /// Where the machines stand: country=BE,city=Ghent,lat=51.05,lon=3.72
    #[arg(long, value_name = "LOCATION")]
    pub location: Option<LocationValue>,

    /// Fixed address instead of DHCP: ADDR/LEN[,gw=…][,dns=…][,if=…]
    #[arg(long = "static", value_name = "ADDRESS")]
    pub static_address: Option<StaticAddress>,

    /// More words on the node's console
    #[arg(long)]
    pub debug: bool,

    #[command(flatten)]
    pub uefi: UefiArgs,

    #[command(flatten)]
    pub parts: PartsArgs,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Where the parts of an image come from.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Parts")]
pub struct PartsArgs {
    /// Debian packages to use instead of apt's
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub deb: Vec<PathBuf>,

    /// Kernel of your own
    #[arg(long, value_name = "FILE", requires = "modules")]
    pub kernel: Option<PathBuf>,

    /// Directory of that kernel's modules (lib/modules/VERSION)
    #[arg(long, value_name = "DIR", requires = "kernel")]
    pub modules: Option<PathBuf>,

    /// farm-node to put in; else the one beside farmer
    #[arg(long, value_name = "FILE")]
    pub node: Option<PathBuf>,

    /// Compression of the initramfs, 1 (fast) to 19 (small)
    #[arg(long, value_name = "LEVEL", default_value_t = 9,
          value_parser = clap::value_parser!(i32).range(1..=19))]
    pub compression_level: i32,
}

/// Show what an image holds: its identity, its regions and the settings of its farm.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  farmer image show node.iso")]
pub struct ImageShowArgs {
    /// The image, or a stick's device
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum BootkitCommand {
    Show(BootkitShowArgs),
}

/// Show the parts that images are built from: kernel, boot loaders, packages.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  farmer bootkit show")]
pub struct BootkitShowArgs {
    /// Debian packages to use instead of apt's
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub deb: Vec<PathBuf>,
}
