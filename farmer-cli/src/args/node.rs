use std::net::{Ipv4Addr, Ipv6Addr};

use clap::{Args, Subcommand, ValueEnum};
use directory::wire::Cidr;
use node_config::FarmId;

use super::{ChangeArgs, ConnectionArgs};

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
    /// Take nodes off the farm's list
    #[command(
        long_about = "Take nodes off the farm's list.\n\nA node that is alive registers again, as \
                      pending: block it to keep it out.",
        after_help = "Example:\n  \
            farmer node delete FkUfMueBVSK6V1DCHVAtzzaqPqCPVzGguDzCQxq7Ep85 --yes"
    )]
    Delete(NodeDecideArgs),
    Move(NodeMoveArgs),
    ConfigurePublic(NodeConfigurePublicArgs),
    FreeToUse(NodeFreeToUseArgs),
    Wait(NodeWaitArgs),
}

/// List nodes, of one farm or of all.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer node list --farm 1\n  \
    farmer node list --country BE --state up -o json\n  \
    farmer node list --farm 1 --watch\n  \
    farmer node list --offline        # what was seen last, without asking")]
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

    /// Look again every so many seconds, until Ctrl-C
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true,
          default_missing_value = "5", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub watch: Option<u64>,

    /// Show what was seen last, without asking the directory
    #[arg(long, conflicts_with = "watch")]
    pub offline: bool,

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

    #[command(flatten)]
    pub change: ChangeArgs,

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

/// Prepare a node's move to another farm.
///
/// A node moves when it registers with another farm id, signed with its own key: nobody can do that
/// for it. This makes a token of the new farm for exactly this node, so that it is approved when it
/// arrives, and prints the lines for the `farm.toml` of its stick; `farmer image customize` writes
/// them to a stick or image. With --wait it looks until the node has arrived.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer node move FkUfMueBVSK6V1DCHVAtzzaqPqCPVzGguDzCQxq7Ep85 --to 2\n  \
    farmer node move FkUfMueBVSK6V1DCHVAtzzaqPqCPVzGguDzCQxq7Ep85 --to 2 --wait 600")]
pub struct NodeMoveArgs {
    /// The node's id
    #[arg(value_name = "NODE_ID")]
    pub node_id: String,

    /// The farm it shall join
    #[arg(long, value_name = "ID")]
    pub to: FarmId,

    /// How long the token is good: 30m, 24h, 7d
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = super::value::seconds)]
    pub lifetime: u64,

    /// Wait so many seconds for its arrival; exit code 8 when the time is up
    #[arg(long, value_name = "SECONDS")]
    pub wait: Option<u64>,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Give a node its public network addresses: one IPv4 and one IPv6 on one of its interfaces.
///
/// They can be changed later, but the directory knows no way to take them away.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  \
    farmer node configure-public FkUfMueBVSK6V1DCHVAtzzaqPqCPVzGguDzCQxq7Ep85 \\\n      \
    --interface eth1 --ipv4 192.0.2.10/24 --gw4 192.0.2.1 \\\n      \
    --ipv6 2001:db8::10/64 --gw6 2001:db8::1")]
#[command(override_usage = "farmer node configure-public [OPTIONS] <ADDRESSES> <NODE_ID>")]
pub struct NodeConfigurePublicArgs {
    /// The node's id
    #[arg(value_name = "NODE_ID")]
    pub node_id: String,

    /// Interface of the node
    #[arg(long, value_name = "NAME")]
    pub interface: String,

    /// IPv4 address with its network
    #[arg(long, value_name = "ADDR/BITS")]
    pub ipv4: Cidr,

    /// IPv4 gateway
    #[arg(long, value_name = "ADDR")]
    pub gw4: Ipv4Addr,

    /// IPv6 address with its network
    #[arg(long, value_name = "ADDR/BITS")]
    pub ipv6: Cidr,

    /// IPv6 gateway
    #[arg(long, value_name = "ADDR")]
    pub gw6: Ipv6Addr,

    #[command(flatten)]
    pub change: ChangeArgs,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Offer nodes to users who pay with FreeTFT, or stop to.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer node free-to-use FkUfMueBVSK6V1DCHVAtzzaqPqCPVzGguDzCQxq7Ep85\n  \
    farmer node free-to-use FkUfMueBVSK6V1DCHVAtzzaqPqCPVzGguDzCQxq7Ep85 --off --yes")]
pub struct NodeFreeToUseArgs {
    /// The nodes' ids
    #[arg(value_name = "NODE_ID", required = true)]
    pub node_ids: Vec<String>,

    /// No longer
    #[arg(long)]
    pub off: bool,

    #[command(flatten)]
    pub change: ChangeArgs,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}
