use std::path::PathBuf;

use clap::{Args, Subcommand};
use node_config::FarmId;

use super::ConnectionArgs;

/// Watch and manage a farm in the terminal, and make its boot media. Press ? for the keys.
///
/// What was seen last is there at once, also when the directory is silent. Columns, order and
/// filters are remembered.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer tui --farm 1\n  \
    farmer tui --read-only                  # nothing can be changed\n  \
    farmer tui --profile home --profile hall  # those of config.toml; P goes from one to the other\n  \
    farmer tui --farm 1 --record session    # for a bug report\n  \
    farmer tui --replay session")]
pub struct TuiArgs {
    /// The farm; all nodes of the directory if not given
    #[arg(long, value_name = "ID")]
    pub farm: Option<FarmId>,

    /// A farm or directory of config.toml, or all of them; can be given several times
    #[arg(long = "profile", value_name = "NAME", conflicts_with_all = ["farm", "replay", "directory",
          "pin", "ca", "insecure_http", "signatures", "identity"])]
    pub profiles: Vec<String>,

    /// Seconds between two looks at the directory
    #[arg(long, value_name = "SECONDS", default_value_t = 5,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub interval: u64,

    /// Change nothing
    #[arg(long)]
    pub read_only: bool,

    /// Record the session in a new file; it holds what is shown and what is typed
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// Show a recorded session instead; nothing is asked or changed
    #[arg(long, value_name = "FILE", conflicts_with = "record")]
    pub replay: Option<PathBuf>,

    /// farm-node to put into media; else the one beside farmer
    #[arg(long, value_name = "FILE")]
    pub node: Option<PathBuf>,

    /// Bootkit of media: a fetched one by id, or an exported one; else what apt has
    #[arg(long, value_name = "ID|FILE")]
    pub bootkit: Option<String>,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// The farm at a glance: totals, states, what needs attention.
///
/// With --once as plain text, for cron and screen readers; else in the terminal, as `farmer tui`. Each
/// run keeps the totals for the overview of `farmer tui`, which shows how they went on.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer dash --farm 1 --once\n  \
    farmer dash --once -o json")]
pub struct DashArgs {
    /// The farm; all nodes of the directory if not given
    #[arg(long, value_name = "ID")]
    pub farm: Option<FarmId>,

    /// Print it and end
    #[arg(long)]
    pub once: bool,

    #[command(flatten)]
    pub connection: ConnectionArgs,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show the settings in force and where each comes from
    #[command(after_help = "Example:\n  farmer config show --directory https://dir.example")]
    Show(ConnectionArgs),
}

/// Print a completion script.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  \
    farmer completions bash --out ~/.local/share/bash-completion/completions/farmer")]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Write the manual, one page for each command.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  farmer man --out /usr/local/share/man/man1")]
pub struct ManArgs {
    /// Directory for the pages; made if missing
    #[arg(long, value_name = "DIR", required = true)]
    pub out: Option<PathBuf>,
}

/// Help on a command or a topic. Topics: exit-codes, environment.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  farmer help exit-codes\n  farmer help image build")]
pub struct HelpArgs {
    /// A command or a topic
    #[arg(value_name = "COMMAND|TOPIC")]
    pub words: Vec<String>,
}
