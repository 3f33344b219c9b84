//! The command line as data: parsed by `main`, and the source of help, manual and completions.

mod deferred;
mod directory;
mod farm;
mod fleet;
mod hardware;
mod identity;
mod image;
mod ipxe;
mod kernel;
mod node;
mod tools;
mod value;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub use deferred::Deferred;
pub use directory::{
    BackupArgs, ConnectionArgs, DataCheckArgs, DirectoryCommand, RestoreArgs, ServeArgs,
    Signatures, UnitArgs,
};
pub use farm::{
    FarmCommand, FarmCreateArgs, FarmIpAddArgs, FarmIpCommand, FarmIpListArgs, FarmIpRemoveArgs,
    FarmListArgs, FarmShowArgs, FarmTokenCommand, FarmTokenListArgs, FarmTokenNewArgs,
    FarmTokenRevokeArgs, FarmUpdateArgs,
};
pub use fleet::{ApplyArgs, CapacityCommand, CapacityFindArgs, ChangeArgs, CheckArgs, ExportArgs};
pub use hardware::{ProbeArgs, ProbeCommand};
pub use identity::{
    IdentityBackupCheckArgs, IdentityCommand, IdentityExportArgs, IdentityImportArgs,
    IdentityNewArgs, IdentityShowArgs, PassphraseArgs,
};
pub use image::{
    BootkitCommand, BootkitExportArgs, BootkitFetchArgs, BootkitImportArgs, BootkitShowArgs,
    BootkitVerifyArgs, ExtractPart, FlavourValue, ImageBuildArgs, ImageCommand, ImageCustomizeArgs,
    ImageExtractArgs, ImageFormat, ImageResetArgs, ImageServeArgs, ImageShowArgs, ImageSourcesArgs,
    ImageTargetArgs, ImageVerifyArgs, KeysCommand, KeysNewArgs, KeysShowArgs, Paper, ResultArgs,
    UefiArgs,
};
pub use ipxe::{IpxeCommand, IpxeLintArgs, IpxeShowArgs, IpxeTraceArgs};
pub use kernel::{KernelCheckArgs, KernelCommand};
pub use node::{
    NodeCommand, NodeConfigurePublicArgs, NodeDecideArgs, NodeFreeToUseArgs, NodeListArgs,
    NodeMoveArgs, NodeShowArgs, NodeWaitArgs, StateFilter,
};
pub use tools::{CompletionsArgs, ConfigCommand, DashArgs, HelpArgs, ManArgs, TuiArgs};
pub use value::{FarmIds, LocationValue, StaticAddress};

/// Build boot media, watch a farm and its nodes, and know what they earn.
#[derive(Debug, Parser)]
#[command(
    name = "farmer",
    version,
    about = "The tool of a ThreeFold farmer",
    long_about = "The tool of a ThreeFold farmer: build the boot media of the node OS, see the \
                  farm's nodes register, and know what their hardware earns.",
    after_help = "Examples:\n  \
                  farmer farm create myfarm --country BE --directory https://dir.example\n  \
                  farmer image build --farm-id 1 --out node.iso\n  \
                  farmer node list --farm 1\n\n\
                  `farmer help exit-codes` and `farmer help environment` tell scripts more.",
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    propagate_version = true,
    term_width = 80
)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct GlobalArgs {
    /// Format of the data printed
    #[arg(
        short = 'o',
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "table",
        display_order = 900
    )]
    pub output: OutputFormat,

    /// File to write to instead of standard output (`-`)
    #[arg(long, global = true, value_name = "FILE", display_order = 901)]
    pub out: Option<PathBuf>,

    /// When to use colour
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        display_order = 902
    )]
    pub color: ColorWhen,

    /// Say more on standard error (-vv: everything)
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 903)]
    pub verbose: u8,

    /// Say only warnings and errors
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        display_order = 904
    )]
    pub quiet: bool,

    /// Settings file [env: FARMER_CONFIG]
    #[arg(long, global = true, value_name = "FILE", display_order = 905)]
    pub config: Option<PathBuf>,
}

/// Format of the data a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// The same structure as YAML.
    Yaml,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Your identity, which owns your farms: new, show, import, export, backup-check
    #[command(subcommand)]
    Identity(Deferred<IdentityCommand>),
    /// Farms: create, list, show, update, their addresses and tokens
    #[command(subcommand)]
    Farm(Deferred<FarmCommand>),
    /// Nodes: list, show, approve, block, delete, move, configure, wait
    #[command(subcommand)]
    Node(Deferred<NodeCommand>),
    Apply(ApplyArgs),
    Export(ExportArgs),
    Check(CheckArgs),
    /// Capacity of the grid: find
    #[command(subcommand)]
    Capacity(Deferred<CapacityCommand>),
    /// Boot media of the node OS: build, customise, explain, verify, sources, keys
    #[command(subcommand)]
    Image(Deferred<ImageCommand>),
    /// Kernel and boot loaders: fetch, show, export, import, verify
    #[command(subcommand)]
    Bootkit(Deferred<BootkitCommand>),
    /// Kernel configurations: check what nodes need
    #[command(subcommand)]
    Kernel(Deferred<KernelCommand>),
    /// iPXE: check and follow scripts, explain binaries
    #[command(subcommand)]
    Ipxe(Deferred<IpxeCommand>),
    Probe(ProbeArgs),
    /// Estimate what hardware you name earns and costs per month
    #[command(after_help = hardware::ESTIMATE_EXAMPLES)]
    Estimate(hw_probe::args::EstimateArgs),
    Tui(TuiArgs),
    Dash(DashArgs),
    /// The embedded directory server: serve, backup, restore, check, unit
    #[command(subcommand)]
    Directory(Deferred<DirectoryCommand>),
    /// Settings: what is in force and where it comes from
    #[command(subcommand)]
    Config(Deferred<ConfigCommand>),
    Completions(CompletionsArgs),
    Man(ManArgs),
    Help(HelpArgs),
}
