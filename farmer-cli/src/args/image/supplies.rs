use std::path::PathBuf;

use clap::Args;
use image_builder::payload::AddedFile;

/// What goes into the image beside kernel, modules and farm-node.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Supplies")]
pub struct SuppliesArgs {
    /// Firmware for the drivers, beside what apt offers: directory or .deb
    #[arg(long, value_name = "DIR|DEB", num_args = 1..)]
    pub firmware: Vec<PathBuf>,

    /// Processor microcode, beside what apt offers: directory or .deb
    #[arg(long, value_name = "DIR|DEB", num_args = 1..)]
    pub microcode: Vec<PathBuf>,

    /// Add a file or directory to the system; may be repeated
    #[arg(long, value_name = "SRC:/DST")]
    pub add: Vec<AddedFile>,
}
