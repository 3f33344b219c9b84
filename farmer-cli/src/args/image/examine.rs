use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Check that an image or a stick is whole, and name what is damaged and where.
///
/// Checks partition tables, FAT, ISO 9660 and boot catalogs of any image, and on ours every file and
/// structure by its digest. Ends with 0 when all is well (notes included), 3 when something is
/// damaged, 1 when there is nothing in it to check, 6 when the file does not exist.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer image verify node.iso\n  \
    farmer image verify /dev/sdb -o json")]
pub struct ImageVerifyArgs {
    /// The image, or a stick's device
    #[arg(value_name = "IMG")]
    pub image: PathBuf,
}

/// Take an image apart: kernel, initramfs, settings, EFI programs.
///
/// The files are the bytes that went in. What a node keeps on FARMCFG, its identity above all, is
/// never taken out.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer image extract node.iso --out parts\n  \
    farmer image extract node.iso --what kernel --out .")]
pub struct ImageExtractArgs {
    /// The image, or a stick's device
    #[arg(value_name = "IMG")]
    pub image: PathBuf,

    /// What to take out
    #[arg(long, value_name = "PART", default_value = "all")]
    pub what: ExtractPart,

    /// Directory to put the files into; made if missing
    #[arg(long, value_name = "DIR", required = true)]
    pub out: Option<PathBuf>,

    /// Replace files that exist
    #[arg(long)]
    pub force: bool,
}

/// A part of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExtractPart {
    /// The kernel
    Kernel,
    /// Initramfs archives without the settings
    Initramfs,
    /// The settings
    Config,
    /// farm.toml of FARMCFG
    FarmToml,
    /// EFI programs and their configuration
    Efi,
    /// Everything
    All,
}
