use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ConnectionArgs;

#[derive(Debug, Subcommand)]
pub enum IdentityCommand {
    New(IdentityNewArgs),
    Show(IdentityShowArgs),
    Import(IdentityImportArgs),
    Export(IdentityExportArgs),
    BackupCheck(IdentityBackupCheckArgs),
}

/// Which identity file.
#[derive(Debug, Clone, Args)]
pub struct IdentityFileArgs {
    /// The identity's seed file [env: FARMER_IDENTITY]
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
}

impl IdentityFileArgs {
    /// As flags of a command that also talks to a directory.
    pub fn connection(&self) -> ConnectionArgs {
        ConnectionArgs {
            identity: self.identity.clone(),
            ..ConnectionArgs::default()
        }
    }
}

/// Where the passphrase of an export comes from: the file, else FARMER_PASSPHRASE, else the
/// terminal, which does not show it.
#[derive(Debug, Clone, Args)]
pub struct PassphraseArgs {
    /// File whose first line is the passphrase [env: FARMER_PASSPHRASE]
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// Make a new identity: the key that owns your farms.
///
/// Its 24 words are shown once, on the terminal, for you to write down; three of them are asked
/// back before the file is made. Whoever has the words or the file owns the farms, and nobody can
/// restore them.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer identity new\n  \
    farmer identity new --no-backup-check -o json     # for scripts; export it then")]
pub struct IdentityNewArgs {
    /// Neither show the words nor ask them back
    #[arg(long)]
    pub no_backup_check: bool,

    #[command(flatten)]
    pub file: IdentityFileArgs,
}

/// Show whose identity it is. The seed is never shown.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  farmer identity show -o json")]
pub struct IdentityShowArgs {
    #[command(flatten)]
    pub file: IdentityFileArgs,
}

/// Bring an identity here: from its 24 words, an export, or tffarmer's user.seed.
///
/// Never over an identity that is there already.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer identity import                    # asks for the words\n  \
    farmer identity import ~/tffarmer/user.seed\n  \
    farmer identity import backup.age --passphrase-file pass.txt\n  \
    pass show farm/words | farmer identity import -")]
pub struct IdentityImportArgs {
    /// File with words, seed or export; `-` is standard input. The terminal if not given
    #[arg(value_name = "FILE")]
    pub source: Option<PathBuf>,

    /// User id in the directory, where the words of another program's identity do not tell it
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u64).range(1..))]
    pub user_id: Option<u64>,

    #[command(flatten)]
    pub passphrase: PassphraseArgs,

    #[command(flatten)]
    pub file: IdentityFileArgs,
}

/// Write the identity as a file sealed by a passphrase: a backup.
///
/// The file has the format of age (age-encryption.org): without this program, `age --decrypt` gives
/// the identity file back.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer identity export --out backup.age\n  \
    farmer identity export --passphrase-file pass.txt > backup.age")]
pub struct IdentityExportArgs {
    #[command(flatten)]
    pub passphrase: PassphraseArgs,

    #[command(flatten)]
    pub file: IdentityFileArgs,
}

/// Prove that a backup is this identity's.
///
/// Ends with exit code 3 when the backup is another identity's.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer identity backup-check               # asks for the words\n  \
    farmer identity backup-check backup.age")]
pub struct IdentityBackupCheckArgs {
    /// File with words, seed or export; `-` is standard input. The terminal if not given
    #[arg(value_name = "FILE")]
    pub source: Option<PathBuf>,

    #[command(flatten)]
    pub passphrase: PassphraseArgs,

    #[command(flatten)]
    pub file: IdentityFileArgs,
}
