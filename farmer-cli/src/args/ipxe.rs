use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum IpxeCommand {
    Lint(IpxeLintArgs),
    Trace(IpxeTraceArgs),
    Show(IpxeShowArgs),
}

/// Check an iPXE script for the binary that will run it: commands, options, arguments, labels,
/// addresses and types it does not have or would misunderstand.
///
/// Without --binary the script is held to iPXE as Debian 12 ships it, the oldest in use.
///
/// Ends with 0 if the binary takes the script, with 7 if it would fail somewhere.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer ipxe lint boot.ipxe\n  \
    farmer ipxe lint boot.ipxe --binary /boot/ipxe.lkrn -o json")]
pub struct IpxeLintArgs {
    /// The script
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The binary that will run it: ipxe.lkrn, ipxe.efi, undionly.kpxe
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
}

/// Follow an iPXE script without running it: which commands run, what they say, how it ends.
///
/// What stays inside the script (set, isset, goto, ...) is carried out; all else is taken to
/// succeed, or to fail where --fail says so.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer ipxe trace boot.ipxe --set net0/mac=52:54:00:12:34:56\n  \
    farmer ipxe trace boot.ipxe --fail kernel --fail \"dhcp net0\"")]
pub struct IpxeTraceArgs {
    /// The script
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The binary that would run it; else one that has every command
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,

    /// A setting of the machine; may be repeated
    #[arg(long, value_name = "NAME[:TYPE]=VALUE")]
    pub set: Vec<String>,

    /// A command that fails there: its name, or all its words; may be repeated
    #[arg(long, value_name = "COMMAND")]
    pub fail: Vec<String>,
}

/// Explain an iPXE binary: its version, what it can do, and how a script reaches it.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer ipxe show /boot/ipxe.lkrn\n  \
    farmer ipxe show snponly.efi -o json")]
pub struct IpxeShowArgs {
    /// The binary: ipxe.lkrn, ipxe.efi, snponly.efi, undionly.kpxe
    #[arg(value_name = "BINARY")]
    pub binary: PathBuf,
}
