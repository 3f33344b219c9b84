use clap::{Args, Subcommand};
use hw_probe::args::{MachineArgs, RewardArgs, SnapshotArgs};

/// Show the hardware of this machine, its capacity as the grid counts it, and its reward.
///
/// Run it as root for serial numbers and memory modules. With --sysroot it reads a snapshot of
/// another machine instead of this one. Nothing is written and no other program is started.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    sudo farmer probe\n  \
    farmer probe -o json --anonymise --out machine.json\n  \
    farmer probe --disk S4EWNX0R123456=ssd\n  \
    farmer probe --sysroot machine.tar.zst")]
pub struct ProbeArgs {
    #[command(subcommand)]
    pub command: Option<ProbeCommand>,

    #[command(flatten)]
    pub machine: MachineArgs,

    #[command(flatten)]
    pub reward: RewardArgs,
}

/// `farmer probe`
#[derive(Debug, Clone, Subcommand)]
pub enum ProbeCommand {
    /// Write all that the probe reads to a new archive, for a bug report or for --sysroot
    ///
    /// It has serial numbers and addresses in it; only its owner can read the file.
    #[command(after_help = "Example:\n  sudo farmer probe snapshot machine.tar.zst")]
    Snapshot(SnapshotArgs),
}

/// Below the help of `farmer estimate`.
pub const ESTIMATE_EXAMPLES: &str = "Examples:
  farmer estimate --cru 8 --mru 32GiB --sru 1TB
  farmer estimate --cru 32 --mru 256GiB --sru 2TB --hru 16TB --certified
  farmer estimate --cru 16 --mru 64GiB --sru 2TB --power-watts 90 \\
    --kwh-usd 0.25 --invest-usd 1200";
