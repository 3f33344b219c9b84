use std::net::Ipv4Addr;

use clap::{Args, Subcommand};
use directory::desired::{CustomPrices, Prices, Wallet};
use directory::wire::Cidr;
use node_config::FarmId;

use super::value::seconds;
use super::{ChangeArgs, ConnectionArgs};

#[derive(Debug, Subcommand)]
pub enum FarmCommand {
    Create(FarmCreateArgs),
    List(FarmListArgs),
    Show(FarmShowArgs),
    Update(Box<FarmUpdateArgs>),
    /// Public IPv4 addresses of a farm: list, add, remove
    #[command(subcommand)]
    Ip(FarmIpCommand),
    /// Tokens that approve nodes without being asked: new, list, revoke
    #[command(subcommand)]
    Token(FarmTokenCommand),
}

#[derive(Debug, Subcommand)]
pub enum FarmIpCommand {
    List(FarmIpListArgs),
    Add(FarmIpAddArgs),
    Remove(FarmIpRemoveArgs),
}

#[derive(Debug, Subcommand)]
pub enum FarmTokenCommand {
    New(FarmTokenNewArgs),
    List(FarmTokenListArgs),
    Revoke(FarmTokenRevokeArgs),
}

/// Create a farm in the directory.
///
/// Your identity, a secret seed, is made and registered first if there is none yet. Whoever has the
/// seed owns the farm and nobody can restore it: keep a copy of the file in a safe place.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer farm create ghent-1 --country BE --city Ghent \\\n      \
    --directory https://dir.example --pin sha256/…\n  \
    farmer farm create ghent-1 --country BE --wallet TFT:GA47…")]
pub struct FarmCreateArgs {
    /// Name: letters, digits, - and _
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Country, as a two-letter code (BE)
    #[arg(long, value_name = "CODE", value_parser = country)]
    pub country: String,

    /// City
    #[arg(long, default_value = "")]
    pub city: String,

    /// Wallet for the rewards; repeat for more. Without one nothing is paid
    #[arg(long = "wallet", value_name = "ASSET:ADDR")]
    pub wallets: Vec<Wallet>,

    /// E-mail address, shown to users who sign their request
    #[arg(long, default_value = "", hide_default_value = true)]
    pub email: String,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// ISO 3166-1 alpha-2 by shape; the directory's searches compare the text as it is.
fn country(text: &str) -> Result<String, String> {
    if text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Ok(text.to_ascii_uppercase());
    }
    Err("a country is a two-letter code, such as BE".to_owned())
}

/// List the farms of the directory.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  farmer farm list\n  farmer farm list --mine -o json")]
pub struct FarmListArgs {
    /// Only yours
    #[arg(long)]
    pub mine: bool,

    /// Only the farm of this name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Show one farm with its nodes' totals.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  farmer farm show 1")]
pub struct FarmShowArgs {
    /// The farm's number
    #[arg(value_name = "ID")]
    pub id: FarmId,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Change a farm: what is not named stays as it is.
///
/// Shows the difference and asks before it changes anything.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer farm update 1 --email me@example.org --city Gent\n  \
    farmer farm update 1 --wallet TFT:GA47… --wallet FreeTFT:GA47… --yes\n  \
    farmer farm update 1 --price USD:cru=1,mru=0.5,sru=0.02,hru=0.01 --dry-run")]
#[command(override_usage = "farmer farm update [OPTIONS] <ID>")]
#[group(id = "update", required = true, multiple = true, args = [
    "name", "email", "wallets", "no_wallet", "country", "city", "continent", "latitude",
    "longitude", "prices", "no_prices", "custom_prices", "no_custom_prices", "iyo_organization",
])]
pub struct FarmUpdateArgs {
    /// The farm's number
    #[arg(value_name = "ID")]
    pub id: FarmId,

    /// New name: letters, digits, - and _
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// E-mail address, shown to users who sign their request; empty: none
    #[arg(long)]
    pub email: Option<String>,

    /// Wallet for the rewards; repeat for more. They replace those that are there
    #[arg(long = "wallet", value_name = "ASSET:ADDR")]
    pub wallets: Vec<Wallet>,

    /// No wallet: no reward can be paid then
    #[arg(long, conflicts_with = "wallets")]
    pub no_wallet: bool,

    /// Country, as a two-letter code (BE)
    #[arg(long, value_name = "CODE", value_parser = country)]
    pub country: Option<String>,

    /// City
    #[arg(long)]
    pub city: Option<String>,

    /// Continent
    #[arg(long)]
    pub continent: Option<String>,

    /// Degrees north
    #[arg(long, value_name = "DEGREES", allow_negative_numbers = true)]
    pub latitude: Option<f64>,

    /// Degrees east
    #[arg(long, value_name = "DEGREES", allow_negative_numbers = true)]
    pub longitude: Option<f64>,

    /// Prices per CPU and per GiB; repeat for other currencies. They replace those that are there
    #[arg(long = "price", value_name = "CUR:KEY=N,…")]
    pub prices: Vec<Prices>,

    /// No prices of its own
    #[arg(long, conflicts_with = "prices")]
    pub no_prices: bool,

    /// Prices per cloud unit (cu, su, nu, ipv4u) instead of the grid's
    #[arg(long, value_name = "CUR:KEY=N,…")]
    pub custom_prices: Option<CustomPrices>,

    /// The grid's prices again
    #[arg(long, conflicts_with = "custom_prices")]
    pub no_custom_prices: bool,

    /// Organisation at itsyou.online, for grids that still ask for it
    #[arg(long, value_name = "NAME")]
    pub iyo_organization: Option<String>,

    #[command(flatten)]
    pub change: ChangeArgs,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// List a farm's public addresses and which are in use.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  farmer farm ip list 1")]
pub struct FarmIpListArgs {
    /// The farm's number
    #[arg(value_name = "ID")]
    pub id: FarmId,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Add public IPv4 addresses to a farm.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  \
    farmer farm ip add 1 192.0.2.10/24 192.0.2.11/24 --gateway 192.0.2.1")]
pub struct FarmIpAddArgs {
    /// The farm's number
    #[arg(value_name = "ID")]
    pub id: FarmId,

    /// Addresses with their network
    #[arg(value_name = "ADDR/BITS", required = true)]
    pub addresses: Vec<Cidr>,

    /// Gateway of that network
    #[arg(long, value_name = "ADDR")]
    pub gateway: Ipv4Addr,

    #[command(flatten)]
    pub change: ChangeArgs,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Take public IPv4 addresses away from a farm. The directory keeps those in use.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  farmer farm ip remove 1 192.0.2.10")]
pub struct FarmIpRemoveArgs {
    /// The farm's number
    #[arg(value_name = "ID")]
    pub id: FarmId,

    /// Addresses
    #[arg(value_name = "ADDR", required = true)]
    pub addresses: Vec<String>,

    #[command(flatten)]
    pub change: ChangeArgs,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Make a token: a node that shows it when it registers is approved at once.
///
/// It goes into the node's settings as `enrolment_token` and is shown only now. Whoever has it can
/// bring a node into your farm: give it few uses and a short life.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer farm token new 1 --uses 40 --lifetime 7d --note \"rack 3\"\n  \
    farmer farm token new 1 --node FkUfMueBVSK6V1DCHVAtzzaqPqCPVzGguDzCQxq7Ep85 -o json")]
pub struct FarmTokenNewArgs {
    /// The farm's number
    #[arg(value_name = "ID")]
    pub id: FarmId,

    /// The only node that may use it
    #[arg(long, value_name = "NODE_ID")]
    pub node: Option<String>,

    /// How many nodes may use it
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub uses: u32,

    /// How long it is good: 30m, 24h, 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = seconds)]
    pub lifetime: u64,

    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// List a farm's tokens; the secrets are not kept anywhere.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  farmer farm token list 1")]
pub struct FarmTokenListArgs {
    /// The farm's number
    #[arg(value_name = "ID")]
    pub id: FarmId,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Make tokens worthless. Nodes that have used them stay approved.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  farmer farm token revoke 1 3 4 --yes")]
pub struct FarmTokenRevokeArgs {
    /// The farm's number
    #[arg(value_name = "ID")]
    pub id: FarmId,

    /// The tokens' numbers, as `farm token list` shows them
    #[arg(value_name = "TOKEN_ID", required = true)]
    pub tokens: Vec<u64>,

    #[command(flatten)]
    pub change: ChangeArgs,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}
