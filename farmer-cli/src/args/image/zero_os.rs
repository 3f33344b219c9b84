use clap::Args;
use image_builder::bootkit::Digest;
use image_builder::zos::ZosRelease;

/// A real Zero-OS on the medium.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Zero-OS")]
pub struct ZeroOsArgs {
    /// Put this Zero-OS kernel on the medium instead of farm-node
    #[arg(long, value_name = "FILE|URL",
          conflicts_with_all = ["node", "kernel", "modules", "location", "static_address", "debug",
                                "add", "firmware", "microcode"])]
    pub zos: Option<String>,

    /// Its release: v2, v3, v3light or v4
    #[arg(long, value_name = "RELEASE", default_value = "v3", requires = "zos")]
    pub release: ZosRelease,

    /// Refuse a kernel file with another digest
    #[arg(long, value_name = "DIGEST", requires = "zos")]
    pub sha256: Option<Digest>,
}
