//! Why an image cannot be customised.

use std::io;
use std::path::PathBuf;

use node_config::ConfigError;
use thiserror::Error;

use crate::error::{LayoutError, RegionError, ShowError};
use crate::payload::CpioError;

/// An image that was not changed, and why.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CustomizeError {
    /// The medium has no region table.
    #[error("this is no disk image of ours: it has no table of regions")]
    NotOurs,
    /// The end of the image is missing.
    #[error("the image is damaged: {} of its {wanted} bytes are missing", wanted - found)]
    Truncated {
        /// Its length.
        found: u64,
        /// The length it was built with.
        wanted: u64,
    },
    /// A region that is to be changed is not on the medium.
    #[error("the image has no region {name:?}")]
    NoRegion {
        /// The region.
        name: &'static str,
    },
    /// The kernel arguments of the two boot paths differ.
    #[error(
        "the kernel arguments for BIOS and UEFI differ:\n  BIOS: {}\n  UEFI: {}",
        quoted(bios.as_deref()), quoted(uefi.as_deref())
    )]
    Disagree {
        /// In `isolinux.cfg`; `None` when they cannot be read.
        bios: Option<String>,
        /// In `grub.cfg`; `None` when they cannot be read.
        uefi: Option<String>,
    },
    /// The image's settings cannot be read.
    #[error("the settings in the image cannot be read: {reason}")]
    Settings {
        /// Why.
        reason: String,
    },
    /// The new settings are not allowed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The node on the image would refuse the settings.
    #[error("the image's node ({node}) does not know the setting {key}")]
    UnknownKey {
        /// The setting.
        key: String,
        /// Which node it is.
        node: String,
    },
    /// The settings are of a schema the node on the image does not know.
    #[error("the image's node accepts settings of schema {known}, these are of {wanted}")]
    Schema {
        /// What the node accepts.
        known: u32,
        /// What the settings need.
        wanted: u32,
    },
    /// The arguments of UEFI are inside of what is signed.
    #[error("the kernel arguments of this image are signed with its kernel")]
    Signed,
    /// A thin medium: its farm is in a script that is checked when it is built.
    #[error("this is a thin image: its farm is part of the script that fetches the system")]
    Thin,
    /// A setting of farm-node, for an image that starts Zero-OS.
    #[error("this image starts Zero-OS, which knows nothing of {setting}")]
    ZeroOs {
        /// The setting.
        setting: String,
    },
    /// A kernel argument that is not the farmer's to set.
    #[error("kernel argument {argument:?} is refused: {reason}")]
    ForbiddenArgument {
        /// The argument.
        argument: String,
        /// Why.
        reason: &'static str,
    },
    /// An argument to be deleted that is not there.
    #[error("there is no kernel argument {argument:?} to delete")]
    NoSuchArgument {
        /// The argument.
        argument: String,
    },
    /// More kernel arguments than the kernel takes.
    #[error(
        "kernel arguments of {length} characters are {} too many: the limit is {limit}",
        length - limit
    )]
    ArgumentsTooLong {
        /// Their length.
        length: usize,
        /// What fits.
        limit: usize,
    },
    /// The content does not fit its region.
    #[error(
        "the content of region {name:?} has {length} bytes, {} more than the region's {limit}",
        length - limit
    )]
    TooLong {
        /// The region.
        name: &'static str,
        /// Length of the content.
        length: u64,
        /// Length of the region.
        limit: u64,
    },
    /// `farm.toml` on the medium is no longer the file of the region.
    #[error(
        "farm.toml on this medium was replaced by its owner and lies outside of its region now"
    )]
    FarmTomlMoved,
    /// What the regions were built with is not there any more.
    #[error("the copy of what region {name:?} was built with is damaged")]
    DefaultsDamaged {
        /// The region.
        name: String,
    },
    /// The container around the medium shares a region with a snapshot, keeps a record of changes, was
    /// not closed, or has no room for it.
    #[error("region {name:?} cannot be changed inside of this qcow2")]
    NotWritable {
        /// The region.
        name: String,
    },
    /// A region's content is no valid one.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// The settings' archive cannot be made.
    #[error("the settings cannot be packed")]
    Archive(#[source] CpioError),
    /// The medium cannot be read.
    #[error(transparent)]
    Show(#[from] ShowError),
    /// The regions do not fit the medium.
    #[error("the image is shorter than its regions")]
    Layout(#[from] LayoutError),
    /// The medium cannot be opened for writing.
    #[error("cannot open {} for writing", path.display())]
    Open {
        /// The file or device.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another program works on the medium.
    #[error("{} is in use by another program", path.display())]
    Busy {
        /// The file or device.
        path: PathBuf,
    },
    /// A region changed between reading and writing.
    #[error("region {name:?} was changed by another program just now")]
    Changed {
        /// The region.
        name: String,
    },
    /// Writing failed; regions before this one are new, those behind it are old.
    #[error("cannot write region {name:?} at byte {offset}")]
    Write {
        /// The region.
        name: String,
        /// Where it begins on the medium.
        offset: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl CustomizeError {
    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NotOurs => {
                "only the disk images of `farmer image build` have regions to rewrite (iso, img, qcow2, \
                 vhd); an EFI program, an initramfs or a bundle is built again"
            }
            Self::Disagree { .. } => {
                "name all arguments again to set both, or keep those for BIOS by force"
            }
            Self::Settings { .. } => {
                "give complete settings to replace them, or reset the image first"
            }
            Self::UnknownKey { .. } | Self::Schema { .. } => {
                "build an image with a newer farm-node, or leave the setting out"
            }
            Self::ForbiddenArgument { .. } => {
                "the node OS decides what it runs; other arguments are yours"
            }
            Self::Signed => "build the image anew with these arguments, and sign it again",
            Self::Thin => {
                "build it anew, which takes milliseconds; or edit farm.toml on its FARMCFG partition"
            }
            Self::ZeroOs { .. } => {
                "of a Zero-OS image the farm and the kernel arguments can be changed"
            }
            Self::FarmTomlMoved => {
                "edit farm.toml on the medium's FARMCFG partition, with any laptop"
            }
            Self::Truncated { .. } => "copy or download the image again",
            Self::DefaultsDamaged { .. } => "write the medium again from a good image",
            Self::NotWritable { .. } => {
                "copy it without snapshots and holes: `qemu-img convert -S 0 -O qcow2 OLD NEW`"
            }
            Self::Busy { .. } => "unmount its partitions, or wait for the other program",
            Self::Changed { .. } => "do it again",
            Self::TooLong { name, .. } if *name == crate::regions::CONFIG => {
                "shorten the settings: pin the directory's key instead of naming authorities"
            }
            Self::TooLong { .. } | Self::ArgumentsTooLong { .. } => "shorten the text",
            Self::Config(error) => return error.hint(),
            Self::Region(error) => return error.hint(),
            Self::Show(error) => return error.hint(),
            _ => return None,
        };
        Some(text.to_owned())
    }
}

fn quoted(text: Option<&str>) -> String {
    text.map_or("(damaged)".to_owned(), |text| format!("{text:?}"))
}
