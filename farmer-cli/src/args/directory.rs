use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use directory::wire::Cidr;
use node_config::{DirectoryUrl, Pin};

use super::ChangeArgs;

/// How to reach a directory, and as whom. What is not given comes from the environment or the
/// settings file.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Directory")]
pub struct ConnectionArgs {
    /// The directory's address [env: FARMER_DIRECTORY]
    #[arg(long, value_name = "URL", display_order = 800)]
    pub directory: Option<DirectoryUrl>,

    /// Key pin of its certificate: sha256/BASE64 [env: FARMER_PIN]
    #[arg(long, value_name = "PIN", display_order = 801)]
    pub pin: Option<Pin>,

    /// PEM file of the authorities to trust [env: FARMER_CA]
    #[arg(long, value_name = "FILE", display_order = 802)]
    pub ca: Option<PathBuf>,

    /// Allow an unencrypted http:// directory on another machine
    #[arg(long, display_order = 803)]
    pub insecure_http: bool,

    /// Which signatures it checks: strict (ours) or compat (servers of 2020 and 2021)
    /// [env: FARMER_SIGNATURES]
    #[arg(long, value_name = "MODE", display_order = 804)]
    pub signatures: Option<Signatures>,

    /// Your identity's seed file [env: FARMER_IDENTITY]
    #[arg(long, value_name = "FILE", display_order = 805)]
    pub identity: Option<PathBuf>,
}

/// Which signatures a directory checks. Nobody falls back from one to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signatures {
    /// They cover the whole request and expire.
    Strict,
    /// As servers of 2020 and 2021 want them: whoever records one can use it for ever.
    Compat,
}

#[derive(Debug, Subcommand)]
pub enum DirectoryCommand {
    Serve(ServeArgs),
    Backup(BackupArgs),
    Restore(RestoreArgs),
    Check(DataCheckArgs),
    Unit(UnitArgs),
}

/// Write a copy of a directory's data to the file of --out, while the server goes on.
///
/// For data in --data directories; PostgreSQL has pg_dump. The copy holds e-mail addresses and is
/// readable for you only.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  \
    farmer directory backup --data /var/lib/farmer --out backup.sqlite")]
pub struct BackupArgs {
    /// The server's data directory
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
}

/// Put a backup into a data directory.
///
/// The backup is checked first, and a running server is refused. Data that are there are replaced:
/// back them up before. Whoever follows the directory's changes starts again.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  \
    farmer directory restore backup.sqlite --data /var/lib/farmer --yes")]
pub struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    pub backup: PathBuf,

    /// The server's data directory; made if missing
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,

    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Read a directory's data, or a backup, from end to end and tell whether it is whole.
///
/// Ends with exit code 3 when it is damaged.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer directory check --data /var/lib/farmer\n  farmer directory check backup.sqlite")]
pub struct DataCheckArgs {
    /// A backup
    #[arg(
        value_name = "FILE",
        required_unless_present = "data",
        conflicts_with = "data"
    )]
    pub backup: Option<PathBuf>,

    /// The server's data directory
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Print a systemd unit that runs a directory server with no rights beyond its own data.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  \
    farmer directory unit --listen [::]:8443 --name dir.example \\\n    \
      --out /etc/systemd/system/farmer-directory.service")]
pub struct UnitArgs {
    /// Address and port
    #[arg(long, value_name = "ADDR", default_value = "[::]:8443")]
    pub listen: SocketAddr,

    /// Name or address in the certificate; repeat for more
    #[arg(long = "name", value_name = "HOST")]
    pub names: Vec<String>,

    /// The program
    #[arg(long, value_name = "FILE", default_value = "/usr/bin/farmer")]
    pub program: PathBuf,
}

/// Run a directory server until it is told to stop (Ctrl-C or SIGTERM).
///
/// Prints its address, and with --self-signed the pin that clients need, on standard output as soon
/// as it answers. Logs go to standard error.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer directory serve --listen [::]:8443 --data /var/lib/farmer --self-signed\n  \
    farmer directory serve --listen 127.0.0.1:0 --data ./dir -o json\n  \
    farmer directory serve --listen [::]:8443 --database-file /etc/farmer/database \\\n    \
      --tls-cert chain.pem --tls-key key.pem")]
pub struct ServeArgs {
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Directory for the database and the certificate; made if missing
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// File that holds the address of a PostgreSQL database to use instead
    ///
    /// postgres://USER:PASSWORD@ADDRESS/NAME, on one line. Any number of servers may share the
    /// database. The address may also be in FARMER_DATABASE_URL; it is never an argument, because
    /// everybody on the machine can read those.
    #[arg(long, value_name = "FILE")]
    pub database_file: Option<PathBuf>,

    /// PEM certificate chain to serve
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// PEM key of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Make a certificate of our own once, keep it, and print its pin
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    pub self_signed: bool,

    /// Name or address in that certificate; repeat for more
    #[arg(long = "name", value_name = "HOST", requires = "self_signed")]
    pub names: Vec<String>,

    /// Allow unencrypted http:// for other machines
    #[arg(long)]
    pub insecure_http: bool,

    /// Also listen here for clients of 2020 and 2021
    ///
    /// Their signatures cover no content and never expire: for trusted networks only. They see the
    /// same farms and nodes; nodes that register here are pending like all others.
    #[arg(long, value_name = "ADDR")]
    pub compat_listen: Option<SocketAddr>,

    /// Network from which those clients may create farms unsigned; repeat for more
    ///
    /// This machine always may. Such farms are marked as not verified until their owner signs a
    /// change.
    #[arg(long, value_name = "CIDR", requires = "compat_listen")]
    pub unsigned_farms_from: Vec<Cidr>,

    /// Serve Prometheus metrics here, to anyone who can connect
    ///
    /// Without it they are at /metrics of the directory itself, for this machine alone.
    #[arg(long, value_name = "ADDR")]
    pub metrics_listen: Option<SocketAddr>,
}
