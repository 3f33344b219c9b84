use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// Media that fetch the system over the network.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Script")]
pub struct ThinArgs {
    /// Where a pxe bundle is served, for --format script; may be repeated: tried in order
    #[arg(long, value_name = "URL")]
    pub mirror: Vec<String>,

    /// The iPXE binary that will run the script; else the oldest in use is meant
    #[arg(long, value_name = "FILE")]
    pub ipxe: Option<PathBuf>,
}

/// Serve a directory over plain HTTP, to try network boot: a pxe bundle, scripts, kernels.
///
/// Prints its address on standard output as soon as it answers, and every request on standard
/// error. It is not meant for the Internet.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer image serve /srv/farm-boot\n  \
    farmer image serve boot --listen 192.0.2.1:80 --insecure-http")]
pub struct ImageServeArgs {
    /// The directory
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,

    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    pub listen: SocketAddr,

    /// Allow to serve other machines without encryption
    #[arg(long)]
    pub insecure_http: bool,
}
