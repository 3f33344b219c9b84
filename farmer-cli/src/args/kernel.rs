use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum KernelCommand {
    Check(KernelCheckArgs),
}

/// Check whether a kernel's configuration has what the node OS and Zero-OS need.
///
/// Reads a finished configuration; built in and module are both fine there. With --kernel-source it
/// makes one instead, as `scripts/build-kernel` does: x86_64_defconfig with farmer's fragments on
/// top. It runs that source's `make olddefconfig` in a temporary directory, then names every option
/// that did not survive and what it depends on, and every driver that would not be built.
///
/// Ends with 0 if everything is met, with 7 if something is not.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    farmer kernel check\n  \
    farmer kernel check /boot/config-6.1.0-56-amd64 -o json\n  \
    farmer kernel check --kernel-source /usr/src/linux-source-6.1.tar.xz")]
pub struct KernelCheckArgs {
    /// The configuration; the running kernel's if not given
    #[arg(value_name = "CONFIG", conflicts_with = "kernel_source")]
    pub config: Option<PathBuf>,

    /// Kernel source, unpacked or as an archive: runs its make
    #[arg(long, value_name = "DIR|FILE")]
    pub kernel_source: Option<PathBuf>,

    /// Ask for the checks of a debugging kernel, too
    #[arg(long)]
    pub debug: bool,

    /// List what is met, too
    #[arg(long)]
    pub all: bool,
}
