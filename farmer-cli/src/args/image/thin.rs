use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use image_builder::bootkit::Digest;

/// Media that fetch the system over the network.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Thin boot")]
pub struct ThinArgs {
    /// Where a pxe bundle is served, for --format thin-iso, thin-usb, thin-efi, thin-krn and script; may
    /// be repeated: tried in order. With --zos: where else that kernel is
    #[arg(long, value_name = "URL")]
    pub mirror: Vec<String>,

    /// iPXE program to use, and to check the script for; may be repeated: one for BIOS (.lkrn), one for
    /// UEFI (.efi). Else the bootkit's, and for a script alone the oldest in use
    #[arg(long, value_name = "FILE")]
    pub ipxe: Vec<PathBuf>,

    /// Debian package to take iPXE from, instead of the bootkit
    #[arg(long, value_name = "DEB", conflicts_with = "ipxe")]
    pub ipxe_package: Option<PathBuf>,

    /// Digest of the system (that a pxe bundle was built with), for the node to compare
    #[arg(long, value_name = "DIGEST")]
    pub expect: Option<Digest>,
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
