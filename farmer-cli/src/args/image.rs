mod bootkit;
mod customize;
mod examine;
mod output;
mod sources;
mod supplies;
mod thin;
mod zero_os;

mod keys;
mod uefi;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use image_builder::medium::SerialConsole;
use node_config::{RunMode, VlanId};

pub use bootkit::{
    BootkitCommand, BootkitExportArgs, BootkitFetchArgs, BootkitImportArgs, BootkitShowArgs,
    BootkitVerifyArgs,
};
pub use customize::{ImageCustomizeArgs, ImageResetArgs, ImageTargetArgs};
pub use examine::{ExtractPart, ImageExtractArgs, ImageVerifyArgs};
pub use output::{ImageFormat, Paper, ResultArgs};
pub use sources::ImageSourcesArgs;
pub use thin::{ImageServeArgs, ThinArgs};

use super::{ConnectionArgs, FarmIds, LocationValue, StaticAddress};
use supplies::SuppliesArgs;
use zero_os::ZeroOsArgs;

pub use keys::{KeysCommand, KeysNewArgs, KeysShowArgs};
pub use uefi::{FlavourValue, UefiArgs};

#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    Build(Box<ImageBuildArgs>),
    Show(ImageShowArgs),
    Customize(Box<ImageCustomizeArgs>),
    Reset(ImageResetArgs),
    Verify(ImageVerifyArgs),
    Extract(ImageExtractArgs),
    Sources(ImageSourcesArgs),
    Serve(ImageServeArgs),
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
    farmer image build --farm-id 1 --out node.qcow2\n  \
    farmer image build --farm-id 1 --format pxe --out /srv/farm-boot\n  \
    farmer image build --farm-id 1 --out node.iso --serial ttyS1,115200\n  \
    farmer image build --farm-id 1 --format thin-usb --suite trixie \\\n      \
        --mirror https://boot.example --out thin.img\n  \
    farmer image build --farm-id 1 --zos zero-os-generic.efi --out zos.iso")]
pub struct ImageBuildArgs {
    /// The farm's number; of thin images also FIRST..LAST, an image for each
    #[arg(long, value_name = "N")]
    pub farm_id: FarmIds,

    /// File with an enrolment token of the farm, which approves the node
    #[arg(long, value_name = "FILE")]
    pub enrolment_token_file: Option<PathBuf>,

    /// The file to write; for a network boot server the directory
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

    /// VLAN of the machines' network: 1 to 4094, or none (thin media: not with Debian 12's iPXE)
    #[arg(long, value_name = "N")]
    pub vlan: Option<VlanId>,

    /// More words on the node's console
    #[arg(long)]
    pub debug: bool,

    /// Serial console of boot menu and system: ttyS0 to ttyS3, speed
    #[arg(long, value_name = "PORT,BAUD")]
    pub serial: Option<SerialConsole>,

    /// The grid network: prod, test, qa or dev
    #[arg(long, value_name = "NETWORK", default_value = "prod")]
    pub network: RunMode,

    /// A further kernel argument; may be repeated
    #[arg(long, value_name = "ARG")]
    pub kernel_arg: Vec<String>,

    #[command(flatten)]
    pub zero_os: ZeroOsArgs,

    #[command(flatten)]
    pub result: ResultArgs,

    #[command(flatten)]
    pub thin: ThinArgs,

    #[command(flatten)]
    pub uefi: UefiArgs,

    #[command(flatten)]
    pub parts: PartsArgs,

    #[command(flatten)]
    pub supplies: SuppliesArgs,

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

    /// A fetched bootkit by id, or an exported one
    #[arg(long, value_name = "ID|FILE", conflicts_with_all = ["deb", "suite"])]
    pub bootkit: Option<String>,

    /// Debian release to take kernel and loaders from
    #[arg(long, value_name = "SUITE", conflicts_with = "deb")]
    pub suite: Option<String>,

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

/// Explain an image, ours or any other: what it is, what starts from it and with which keys, which
/// farm it belongs to, and which settings a node will go by.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  farmer image show node.iso\n  farmer image show debian.iso")]
pub struct ImageShowArgs {
    /// The image, a kernel or EFI program, or a stick's device
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}
