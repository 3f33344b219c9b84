//! Secure Boot keys of a farm.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Clone, Subcommand)]
pub enum KeysCommand {
    New(KeysNewArgs),
    Show(KeysShowArgs),
}

/// Make Secure Boot keys for a farm: platform key (PK), key exchange key (KEK) and the key that images
/// are signed with (db).
///
/// The directory also gets the files that enrol them in a machine's firmware. Private keys have no
/// passphrase: whoever has the directory can sign for the farm's machines.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  \
    farmer image keys new --out keys --name \"My Farm\"\n  \
    farmer image build --farm-id 1 --flavour uki --signing-key keys --out n.iso")]
pub struct KeysNewArgs {
    /// The directory to make; an existing one must be empty
    #[arg(long, value_name = "DIR", required = true)]
    pub out: Option<PathBuf>,

    /// Name on the certificates
    #[arg(long, value_name = "NAME", default_value = "Farm")]
    pub name: String,

    /// Also trust Microsoft's keys, so that other systems and option ROMs still start; taken from
    /// Debian's ovmf package
    #[arg(long)]
    pub with_microsoft: bool,

    /// Size of the keys: 2048, which every firmware takes, 3072 or 4096
    #[arg(long, value_name = "BITS", default_value_t = 2048)]
    pub bits: usize,
}

/// Show a farm's Secure Boot keys: owner, certificates, fingerprints.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  farmer image keys show keys")]
pub struct KeysShowArgs {
    /// The directory with the keys
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}
