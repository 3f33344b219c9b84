use std::path::PathBuf;

use clap::{Args, Subcommand};
use hw_probe::units::Bytes;
use node_config::FarmId;

use super::ConnectionArgs;

/// How a command changes something.
#[derive(Debug, Clone, Args)]
pub struct ChangeArgs {
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,

    /// Say what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// Make farms and nodes what a file says.
///
/// The file is what `farmer export` writes: YAML or JSON with farms, their location, wallets,
/// e-mail address, prices, addresses and nodes. What it does not mention stays as it is; lists it
/// mentions become exactly what it says; a farm with a new name is created. The difference is shown
/// and you are asked. A second run has nothing to do.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer export --out farm.yaml     # edit it, then:\n  \
    farmer apply -f farm.yaml --dry-run\n  \
    farmer apply -f farm.yaml --yes\n\n\
    The shortest file:\n  \
    farms:\n  \
    - name: ghent-1\n    \
      location: {country: BE, city: Ghent}\n    \
      wallets: [TFT:GA47…]")]
pub struct ApplyArgs {
    /// The file; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,

    #[command(flatten)]
    pub change: ChangeArgs,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Write your farms and their nodes as a file that `farmer apply` reads.
///
/// YAML, or JSON with -o json.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer export --out farm.yaml\n  farmer export --farm 1 -o json")]
pub struct ExportArgs {
    /// Only this farm; repeat for more
    #[arg(long = "farm", value_name = "ID")]
    pub farms: Vec<FarmId>,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Tell a monitoring system how the farms are: one line, details below it, and its exit codes.
///
/// Exit code 0: all is well. 1, warning: a node is late, pending, has never reported, has used up
/// half of the time it may be off in this minting period, or shares its identity with another machine.
/// 2, critical: a node is down, or has been off for so long that this period is not paid. 3: nobody
/// knows, for instance because the directory does not answer. The directory keeps only the last report,
/// so the time off is what is certain.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer check --farm 1\n  farmer check -o json     # all your farms")]
pub struct CheckArgs {
    /// Only this farm; repeat for more. All yours if not given
    #[arg(long = "farm", value_name = "ID")]
    pub farms: Vec<FarmId>,

    /// Measure by the rule for certified nodes: 98 % instead of 95 %
    #[arg(long)]
    pub certified: bool,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

#[derive(Debug, Subcommand)]
pub enum CapacityCommand {
    Find(CapacityFindArgs),
}

/// Find approved nodes with this much free, best fit first.
///
/// Directories other than ours have no such search: then their nodes are asked for by what they
/// have in all, and what is reserved is taken off here.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  \
    farmer capacity find --cru 8 --mru 32GiB --sru 500GB --country BE --online")]
pub struct CapacityFindArgs {
    /// Logical CPUs
    #[arg(long, value_name = "N")]
    pub cru: Option<u64>,

    /// Memory, such as 32GiB
    #[arg(long, value_name = "SIZE")]
    pub mru: Option<Bytes>,

    /// SSD, such as 500GB
    #[arg(long, value_name = "SIZE")]
    pub sru: Option<Bytes>,

    /// HDD, such as 8TB
    #[arg(long, value_name = "SIZE")]
    pub hru: Option<Bytes>,

    /// Only in this country, as the directory writes it
    #[arg(long, value_name = "CODE")]
    pub country: Option<String>,

    /// Only in this city, as the directory writes it
    #[arg(long)]
    pub city: Option<String>,

    /// Only in this farm
    #[arg(long, value_name = "ID")]
    pub farm: Option<FarmId>,

    /// Only nodes that may be used for FreeTFT
    #[arg(long)]
    pub free_to_use: bool,

    /// Only nodes that report
    #[arg(long)]
    pub online: bool,

    /// How many to show
    #[arg(long, value_name = "N", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}
