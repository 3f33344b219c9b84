use clap::{Args, Subcommand};
use node_config::FarmId;

use super::{ConnectionArgs, WalletValue};

#[derive(Debug, Subcommand)]
pub enum FarmCommand {
    Create(FarmCreateArgs),
    List(FarmListArgs),
    Show(FarmShowArgs),
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
    pub wallets: Vec<WalletValue>,

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
