//! Errors of the media half: reading sources, planning layouts, writing formats, emitting images and
//! looking into finished ones.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A source of the image could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file cannot be opened, or is no regular file.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Reading failed, or the file became shorter after it was planned.
    #[error("cannot read {} at byte {offset}", path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// First byte of the failed read.
        offset: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Extents do not make a valid image; a defect of a format writer, never of the input.
#[derive(Debug, Error)]
pub enum LayoutError {
    /// Two extents claim the same bytes.
    #[error("extent at byte {offset} overlaps the one that ends at byte {previous_end}")]
    Overlap {
        /// Start of the second extent.
        offset: u64,
        /// End of the first.
        previous_end: u64,
    },
    /// An extent lies outside the image.
    #[error("extent of {length} bytes at byte {offset} leaves the image of {total} bytes")]
    OutOfBounds {
        /// Start of the extent.
        offset: u64,
        /// Its length.
        length: u64,
        /// Size of the image.
        total: u64,
    },
    /// An extent asks for more than its source holds.
    #[error("extent of {length} bytes at byte {offset} has a source of {available} bytes")]
    ShortSource {
        /// Start of the extent.
        offset: u64,
        /// Its length.
        length: u64,
        /// What the source holds.
        available: u64,
    },
}

/// An on-disk format cannot express what was asked.
#[derive(Debug, Error)]
pub enum FormatError {
    /// A name the format cannot hold.
    #[error("{path:?} is no valid {format} name")]
    Name {
        /// The offending path.
        path: String,
        /// Which format.
        format: &'static str,
    },
    /// The same path twice (FAT compares without case), or a file where a directory is needed.
    #[error("{path:?} occurs twice")]
    Duplicate {
        /// The path.
        path: String,
    },
    /// FAT and ISO 9660 keep file lengths in 32 bits.
    #[error("{path:?} has {length} bytes, more than a file on the medium can have (4 GiB - 1)")]
    FileTooLarge {
        /// The path.
        path: String,
        /// Its length.
        length: u64,
    },
    /// The files do not fit the volume.
    #[error("files do not fit a FAT volume of {capacity} bytes")]
    VolumeFull {
        /// Size of the volume.
        capacity: u64,
    },
    /// Too many names for one directory.
    #[error("directory {path:?} is too large")]
    DirectoryFull {
        /// The directory.
        path: String,
    },
    /// A record of ISO 9660 points into the middle of a 2048-byte block, or past the 8 TiB it reaches.
    #[error("{path:?} cannot be recorded at byte {offset}")]
    Extent {
        /// The path.
        path: String,
        /// The offset asked for.
        offset: u64,
    },
    /// The file given as `isolinux.bin` is none that can boot from a hybrid image.
    #[error("isolinux.bin is no hybrid ISOLINUX image: {reason}")]
    Isolinux {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The MBR boot code has the wrong size.
    #[error("MBR boot code has {length} bytes instead of {expected}")]
    BootCode {
        /// Length found.
        length: u64,
        /// Length needed.
        expected: u64,
    },
}

/// A medium cannot be planned from what was given.
#[derive(Debug, Error)]
pub enum PlanError {
    /// A format cannot express the input.
    #[error("cannot lay out the {part}")]
    Format {
        /// Which part of the medium.
        part: &'static str,
        /// Why.
        #[source]
        source: FormatError,
    },
    /// The extents do not fit together.
    #[error("the planned extents do not fit together")]
    Layout(#[from] LayoutError),
    /// Metadata of a volume could not be read back.
    #[error("cannot read the planned metadata")]
    Metadata(#[source] ReadError),
    /// The region contents do not fit.
    #[error("cannot fill the regions")]
    Region(#[from] RegionError),
    /// The unified kernel image cannot be made.
    #[error("cannot make the unified kernel image")]
    Uki(#[from] crate::payload::uki::UkiError),
    /// What BIOS reads first must lie below 1 MiB.
    #[error("BIOS loader, its configuration and the regions need {needed} bytes below {limit}")]
    GapTooSmall {
        /// End of what must be placed.
        needed: u64,
        /// Where the EFI partition begins.
        limit: u64,
    },
    /// The UEFI loaders must end within the first part of the EFI partition: firmware that reads the
    /// 16-bit El Torito sector count literally sees no more.
    #[error("the UEFI loaders end {end} bytes into the EFI partition; the limit is {limit}")]
    LoadersTooLarge {
        /// End of the last loader.
        end: u64,
        /// The limit.
        limit: u64,
    },
    /// A text that goes into a loader's configuration holds something the loader would misread.
    #[error("{what} {value:?} cannot be put into a boot loader's configuration")]
    Text {
        /// Which text.
        what: &'static str,
        /// Its value.
        value: String,
    },
    /// A word cannot be in an iPXE script.
    #[error("cannot write the iPXE script")]
    ScriptWord(#[from] ipxe_rs_bindings::WordError),
    /// iPXE would refuse the script.
    #[error("iPXE would refuse the script at {finding}")]
    Script {
        /// Where, what and what to do.
        finding: ipxe_rs_bindings::Finding,
    },
}

impl PlanError {
    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Format {
                source: FormatError::Isolinux { .. },
                ..
            } => Some(
                "take isolinux.bin from Debian's isolinux package, or any ISOLINUX from 4.00 on"
                    .to_owned(),
            ),
            Self::Format {
                source: FormatError::BootCode { .. },
                ..
            } => Some("take isohdpfx.bin from Debian's isolinux package".to_owned()),
            Self::Region(error) => error.hint(),
            Self::Uki(error) => error.hint(),
            Self::LoadersTooLarge { .. } => {
                Some("use Debian's signed shim and GRUB; together they take about 6 MB".to_owned())
            }
            _ => None,
        }
    }
}

/// A region's content does not fit, or a region table is damaged.
#[derive(Debug, Error)]
pub enum RegionError {
    /// The content is longer than the region.
    #[error("content of region {name:?} has {length} bytes, the region {limit}")]
    TooLong {
        /// The region.
        name: &'static str,
        /// Length of the content.
        length: u64,
        /// Length of the region.
        limit: u64,
    },
    /// A kernel argument holds a character a boot loader would interpret.
    #[error("kernel argument {argument:?} holds {character:?}")]
    Argument {
        /// The argument.
        argument: String,
        /// The first bad character.
        character: char,
    },
    /// The config region must be an uncompressed cpio archive.
    #[error("content of region {name:?} is no uncompressed newc cpio archive")]
    NotCpio {
        /// The region.
        name: &'static str,
    },
    /// A text region holds a byte that editors choke on.
    #[error("content of region {name:?} holds a NUL byte")]
    NotText {
        /// The region.
        name: &'static str,
    },
    /// The medium's region table is damaged.
    #[error("the medium's region table is damaged: {reason}")]
    Table {
        /// What is wrong with it.
        reason: String,
    },
    /// The kernel-argument area of a medium is damaged.
    #[error("the kernel-argument area is damaged")]
    ArgumentArea,
    /// The medium cannot be read.
    #[error("cannot read the medium at byte {offset}")]
    Read {
        /// First byte of the failed read.
        offset: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl RegionError {
    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Argument { .. } => Some(
                "kernel arguments are letters, digits and . _ : / , = @ + % ~ - [ ], separated by blanks"
                    .to_owned(),
            ),
            Self::TooLong { name, limit, .. } => {
                Some(format!("shorten the content of {name} to {limit} bytes"))
            }
            Self::Table { .. } | Self::ArgumentArea => {
                Some("write the medium again from a good image".to_owned())
            }
            Self::NotCpio { .. } | Self::NotText { .. } | Self::Read { .. } => None,
        }
    }
}

/// An image could not be written. Nothing is left behind.
#[derive(Debug, Error)]
pub enum EmitError {
    /// The output is there already.
    #[error("{} exists", path.display())]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// The output is a directory, device or other thing that is never replaced.
    #[error("{} is no regular file", path.display())]
    NotRegular {
        /// The output.
        path: PathBuf,
    },
    /// A directory that was not made here is never replaced.
    #[error("{} holds other things than a bundle made here", path.display())]
    NotOurs {
        /// The output.
        path: PathBuf,
    },
    /// The path names no file.
    #[error("{} names no file", path.display())]
    NoFileName {
        /// The output.
        path: PathBuf,
    },
    /// The output cannot be made in its directory.
    #[error("cannot create a file in {}", directory.display())]
    Create {
        /// The directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file system has no room.
    #[error("no space left for {} ({total} bytes)", path.display())]
    NoSpace {
        /// The output.
        path: PathBuf,
        /// Size of the whole image in bytes.
        total: u64,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Writing failed.
    #[error("cannot write {} at byte {offset}", path.display())]
    Write {
        /// The output; `-` for a stream.
        path: PathBuf,
        /// Where in the image.
        offset: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The finished file could not be made durable or given its name.
    #[error("cannot finish {}", path.display())]
    Finish {
        /// The output.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A source of the image cannot be read.
    #[error("cannot read a part of the image")]
    Read(#[from] ReadError),
}

impl EmitError {
    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Exists { .. } => {
                Some("choose another name, remove it, or ask for it to be overwritten".to_owned())
            }
            Self::NotRegular { .. } => Some(
                "name a file, and write that to the stick: `dd if=FILE of=DEVICE bs=4M conv=fsync`"
                    .to_owned(),
            ),
            Self::NotOurs { .. } => {
                Some("name a directory that does not exist yet, or an empty one".to_owned())
            }
            Self::NoSpace { total, .. } => Some(format!(
                "free {} MiB there or write elsewhere",
                total.div_ceil(1 << 20)
            )),
            Self::Create { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("create the directory first".to_owned())
            }
            _ => None,
        }
    }
}

/// A finished image could not be described.
#[derive(Debug, Error)]
pub enum ShowError {
    /// The medium cannot be read.
    #[error("cannot read the medium at byte {offset}")]
    Read {
        /// First byte of the failed read.
        offset: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The region table is damaged.
    #[error("cannot read the regions")]
    Regions(#[from] RegionError),
    /// The medium is in a container that is not read here.
    #[error("the disk in this {format} cannot be read here: it has {what}")]
    Container {
        /// Its name.
        format: &'static str,
        /// What stands in the way.
        what: &'static str,
    },
}

impl ShowError {
    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let is_container = match self {
            Self::Container { .. } => true,
            // A compressed cluster.
            Self::Read { source, .. } => source.kind() == io::ErrorKind::Unsupported,
            Self::Regions(error) => return error.hint(),
        };
        is_container
            .then(|| "copy it to a plain one: `qemu-img convert -O qcow2 OLD NEW`".to_owned())
    }
}
