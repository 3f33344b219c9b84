use clap::{Args, Subcommand, ValueEnum};
use node_config::FarmId;

use super::ConnectionArgs;

#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    List(NodeListArgs),
    Show(NodeShowArgs),
    /// Accept nodes into your farm
    #[command(after_help = "Example:\n  \
        farmer node approve FkUfMueBVSK6V1DCHVAtzzaqPqCPVzGguDzCQxq7Ep85 --yes")]
    Approve(NodeDecideArgs),
    /// Shut nodes out of your farm
    #[command(after_help = "Example:\n  \
        farmer node block FkUfMueBVSK6V1DCHVAtzzaqPqCPVzGguDzCQxq7Ep85 --dry-run")]
    Block(NodeDecideArgs),
    Wait(NodeWaitArgs),
}

/// List nodes, of one farm or of all.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer node list --farm 1\n  \
    farmer node list --country BE --state up -o json")]
pub struct NodeListArgs {
    /// Only this farm's nodes
    #[arg(long, value_name = "ID")]
    pub farm: Option<FarmId>,

    /// Only nodes in this country, as the directory writes it
    #[arg(long, value_name = "CODE")]
    pub country: Option<String>,

    /// Only nodes in this city, as the directory writes it
    #[arg(long)]
    pub city: Option<String>,

    /// Only nodes in this state
    #[arg(long, value_name = "STATE")]
    pub state: Option<StateFilter>,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// State of a node, by the age of its last report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StateFilter {
    /// Reports on time.
    Up,
    /// Has missed a report.
    Late,
    /// Has been silent for long.
    Down,
}

/// Show one node: its capacity, state, and what it earns. Hardware details are shown to the farm's
/// owner: the request is signed when you have an identity.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  \
    farmer node show FkUfMueBVSK6V1DCHVAtzzaqPqCPVzGguDzCQxq7Ep85")]
pub struct NodeShowArgs {
    /// The node's id
    #[arg(value_name = "NODE_ID")]
    pub node_id: String,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Decide about nodes that registered in your farm.
#[derive(Debug, Clone, Args)]
pub struct NodeDecideArgs {
    /// The nodes' ids
    #[arg(value_name = "NODE_ID", required = true)]
    pub node_ids: Vec<String>,

    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,

    /// Say what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Wait until a number of the farm's nodes have registered and reported their uptime.
///
/// Ends with exit code 8 when the time is up. A directory that does not answer is asked again.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  farmer node wait --farm 1 --count 1 --timeout 300")]
pub struct NodeWaitArgs {
    /// The farm
    #[arg(long, value_name = "ID")]
    pub farm: FarmId,

    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub count: usize,

    /// How long, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub timeout: u64,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}
