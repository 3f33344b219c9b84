//! The payload: kernel and initramfs layers, the same bytes for every medium and every farm.
//!
//! Layers are archives of their own, concatenated in memory by the boot loader: `microcode`
//! (uncompressed, or the kernel would not find it), `base` (modules, index, `payload.json`),
//! `firmware`, `node` (`farm-node`), `added` (the farmer's own files) and the small uncompressed
//! `config` archive of [`cpio::config_cpio`], which alone differs between farms. The kernel unpacks one after the other
//! and the last copy of a file wins.

pub mod cpio;
pub mod devices;
pub mod elf;
mod file_tree;
pub mod initramfs;
pub mod kernel;
mod layer_cache;
pub mod modules;
pub mod supplies;
pub mod system;
pub mod uki;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use node_config::note::NodeNote;

use crate::bootkit::{BootkitError, Digest, NO_SPACE, PackageEntry};
use crate::content::Content;
use crate::error::ReadError;
use crate::regions::{PayloadFacts, PayloadKind};

pub use cpio::{CONFIG_REGION_BYTES, ConfigFile, CpioError, config_cpio};
pub use initramfs::{Event, PayloadOptions, RECIPE_REVISION, build};
pub use modules::Selection;
pub use supplies::{AddError, AddedFile, Supplies};

/// zstd level for development builds: 9 is within 15 % of 19 at a twentieth of its time.
pub const LEVEL_DEVELOPMENT: i32 = 9;
/// zstd level for images that are given away.
pub const LEVEL_RELEASE: i32 = 19;

/// A file of the payload, digest known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where it is.
    pub path: PathBuf,
    /// Digest of the file.
    pub sha256: Digest,
    /// Size in bytes.
    pub size_bytes: u64,
}

impl Part {
    /// As content of a medium; the file is opened, not read.
    ///
    /// # Errors
    /// [`ReadError::Open`].
    pub fn content(&self) -> Result<Content, ReadError> {
        Content::file(&self.path, *self.sha256.as_bytes())
    }
}

/// Which part of the initramfs a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LayerKind {
    /// Modules, their index, `payload.json`, directories, `/dev/console`.
    Base,
    /// `farm-node` as `/init`.
    Node,
    /// Firmware of the modules, and a `payload.json` that says what is still missing.
    Firmware,
    /// Processor microcode; not compressed, and always the first layer.
    Microcode,
    /// The farmer's own files.
    Added,
}

/// One archive of the initramfs, compressed but for microcode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Which one.
    pub kind: LayerKind,
    /// The archive: one zstd frame, or a plain cpio for microcode.
    pub part: Part,
    /// Size of the archive inside, bytes.
    pub unpacked_bytes: u64,
}

/// Kernel and layers, ready to be placed on a medium.
#[derive(Debug, Clone)]
pub struct Payload {
    /// Kernel release (`uname -r`).
    pub kernel_version: String,
    /// The kernel image.
    pub kernel: Part,
    /// Layers in the order they have to be loaded; the config layer comes after them.
    pub layers: Vec<Layer>,
    /// What `farm-node` says about itself; `None` for a node that carries no note.
    pub node: Option<NodeNote>,
    /// What it was made of.
    pub manifest: Manifest,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

impl Payload {
    /// What a medium records of this payload for `show` and `customize`.
    #[must_use]
    pub fn facts(&self) -> PayloadFacts {
        let node = self.node.clone();
        PayloadFacts {
            kind: PayloadKind::FarmNode,
            kernel_version: self.kernel_version.clone(),
            node_version: node.as_ref().map(|n| n.version.clone()).unwrap_or_default(),
            config_schema: self.manifest.config_schema,
            config_keys: node.map(|n| n.keys).unwrap_or_default(),
        }
    }

    /// Size of the compressed initramfs in bytes, without the config layer.
    pub fn initramfs_bytes(&self) -> u64 {
        self.layers.iter().map(|l| l.part.size_bytes).sum()
    }
}

/// Something that does not stop a build.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Selected modules this kernel does not have, as `group/module`.
    UnknownModules(Vec<String>),
    /// Dependencies no module provides, as `module: dependency`.
    UnresolvedDependencies(Vec<String>),
    /// Modules whose firmware the image does not carry; the devices may not work.
    MissingFirmware(BTreeMap<String, Vec<String>>),
}

/// What a payload was made of: the same inputs give the same manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this structure.
    pub schema: u32,
    /// [`RECIPE_REVISION`]: changes when the same inputs would give other bytes.
    pub recipe_revision: u32,
    /// Kernel release.
    pub kernel_version: String,
    /// Digest of the kernel image.
    pub kernel_sha256: Digest,
    /// Digest of `farm-node`.
    pub node_sha256: Digest,
    /// Version of the configuration schema the node accepts.
    pub config_schema: u32,
    /// Newest modification time in the payload's packages, seconds since 1970-01-01 UTC.
    pub newest_mtime: u64,
    /// zstd level of the layers.
    pub level: i32,
    /// Layers with their digests, in order.
    pub layers: Vec<LayerRecord>,
    /// Packages the bootkit was made of.
    pub packages: Vec<PackageEntry>,
    /// SBAT generations (`shim,4`) of each EFI program in the bootkit.
    pub sbat: BTreeMap<String, Vec<String>>,
    /// Names of the included modules.
    pub modules: Vec<String>,
    /// Firmware the image carries, by name below `/lib/firmware`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub firmware: Vec<String>,
    /// Firmware that included modules may ask for and the image does not carry.
    pub missing_firmware: BTreeMap<String, Vec<String>>,
    /// Files of the microcode layer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub microcode: Vec<String>,
    /// The farmer's own files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
}

/// A layer in the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// Which one.
    pub kind: LayerKind,
    /// Digest of the compressed file.
    pub sha256: Digest,
    /// Its size.
    pub size_bytes: u64,
    /// Size of the archive inside.
    pub unpacked_bytes: u64,
}

/// A payload that cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The bootkit is unusable.
    #[error(transparent)]
    Bootkit(#[from] BootkitError),
    /// `farm-node` is unusable.
    #[error("{} cannot be the node's init: it {source}", path.display())]
    Node {
        /// The file.
        path: PathBuf,
        /// Why.
        source: elf::ElfError,
    },
    /// An archive could not be made.
    #[error(transparent)]
    Cpio(#[from] CpioError),
    /// A file operation failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file named like microcode that holds something else.
    #[error("{} holds no microcode", path.display())]
    Microcode {
        /// The file.
        path: PathBuf,
    },
    /// A source of microcode without any.
    #[error("there is no microcode in {}", path.display())]
    NoMicrocode {
        /// The directory or package.
        path: PathBuf,
    },
    /// A file that may not be added.
    #[error("cannot add a file to the image: {0}")]
    Add(#[from] AddError),
    /// A compression level zstd does not have.
    #[error("compression level {0} is not between 1 and 22")]
    Level(i32),
}

impl PayloadError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Bootkit(e) => e.hint(),
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Some(NO_SPACE.to_owned())
            }
            Self::Microcode { .. } | Self::NoMicrocode { .. } => Some(
                "give the package intel-microcode or amd64-microcode, or a directory with \
                 amd-ucode/*.bin or intel-ucode/*"
                    .to_owned(),
            ),
            Self::Node { .. } => Some(
                "use the farm-node this program was released with, or build it static: \
                 cargo build -p farm-node --profile node"
                    .to_owned(),
            ),
            Self::Cpio(CpioError::RegionTooSmall { .. }) => {
                Some("shorten the settings, for example the list of certificates".to_owned())
            }
            Self::Cpio(CpioError::Content { source, .. }) => {
                source.get_ref()?.downcast_ref::<BootkitError>()?.hint()
            }
            _ => None,
        }
    }
}
