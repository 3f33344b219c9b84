use std::path::PathBuf;

use clap::{ArgGroup, Args};
use node_config::{DirectoryUrl, FarmId, Pin, VlanId};

use crate::args::{LocationValue, StaticAddress};

/// Give a finished image, or a stick, to another farm without building it again.
///
/// Changes the settings, the kernel arguments of both boot paths and farm.toml; nothing else on the
/// image changes. What is not named stays. `farmer image reset` restores the original.
#[derive(Debug, Clone, Args)]
#[command(
    override_usage = "farmer image customize <IMG> [CHANGES] <--in-place|--out FILE|--dry-run>",
    after_help = "Examples:\n  \
        farmer image customize node.iso --farm-id 2 --out farm2.iso\n  \
        farmer image customize node.iso --karg-append console=ttyS1,115200 --dry-run\n  \
        farmer image customize /dev/sdb --static 192.0.2.5/24,gw=192.0.2.1 --in-place"
)]
pub struct ImageCustomizeArgs {
    /// The image, or a stick's device
    #[arg(value_name = "IMG")]
    pub image: PathBuf,

    /// The farm's number; the enrolment token of another farm goes
    #[arg(long, value_name = "N")]
    pub farm_id: Option<FarmId>,

    /// File with an enrolment token of the farm, which approves the node
    #[arg(long, value_name = "FILE")]
    pub enrolment_token_file: Option<PathBuf>,

    /// The directory's address; pin, CA and leave for http of another go
    #[arg(long, value_name = "URL")]
    pub directory: Option<DirectoryUrl>,

    /// Key pin of the directory's certificate: sha256/BASE64
    #[arg(long, value_name = "PIN")]
    pub pin: Option<Pin>,

    /// PEM file of the authorities to trust
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// Allow an unencrypted http:// directory on another machine
    #[arg(long)]
    pub insecure_http: bool,

    /// Fixed address instead of DHCP: ADDR/LEN[,gw=…][,dns=…][,if=…]
    #[arg(long = "static", value_name = "ADDRESS", conflicts_with = "dhcp")]
    pub static_address: Option<StaticAddress>,

    /// Ask DHCP for an address
    #[arg(long)]
    pub dhcp: bool,

    /// VLAN of the machines' network: 1 to 4094, or none
    #[arg(long, value_name = "N")]
    pub vlan: Option<VlanId>,

    /// Where the machines stand: country=BE,city=Ghent,lat=51.05,lon=3.72
    #[arg(long, value_name = "LOCATION")]
    pub location: Option<LocationValue>,

    /// More words on the node's console
    #[arg(long, conflicts_with = "no_debug")]
    pub debug: bool,

    /// Fewer words on the node's console
    #[arg(long)]
    pub no_debug: bool,

    /// All kernel arguments of yours, instead of the present ones
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub kargs: Option<String>,

    /// Kernel argument to add; repeat for more
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub karg_append: Vec<String>,

    /// Kernel argument to take away; repeat for more
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub karg_delete: Vec<String>,

    /// TOML file with all settings, instead of the present ones
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,

    /// File to become farm.toml on FARMCFG
    #[arg(long, value_name = "FILE")]
    pub farm_toml: Option<PathBuf>,

    #[command(flatten)]
    pub target: ImageTargetArgs,
}

/// Restore what an image was built with: settings, kernel arguments and farm.toml.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer image reset node.iso --in-place\n  \
    farmer image reset node.iso --dry-run")]
pub struct ImageResetArgs {
    /// The image, or a stick's device
    #[arg(value_name = "IMG")]
    pub image: PathBuf,

    #[command(flatten)]
    pub target: ImageTargetArgs,
}

/// Where the changed image goes.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("target").required(true).args(["in_place", "out", "dry_run"]))]
pub struct ImageTargetArgs {
    /// Change the image itself
    #[arg(long)]
    pub in_place: bool,

    /// Write a changed copy; - is standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Only show what would change
    #[arg(long)]
    pub dry_run: bool,

    /// Replace an existing file; keep BIOS arguments where UEFI's differ
    #[arg(long)]
    pub force: bool,
}
