use std::path::PathBuf;

use clap::{Args, Subcommand};
use node_config::FarmId;

use super::ConnectionArgs;

/// Watch a farm's nodes in the terminal. Press ? for the keys.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  farmer tui --farm 1")]
pub struct TuiArgs {
    /// The farm; all nodes of the directory if not given
    #[arg(long, value_name = "ID")]
    pub farm: Option<FarmId>,

    /// Seconds between two looks at the directory
    #[arg(long, value_name = "SECONDS", default_value_t = 5,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub interval: u64,

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
