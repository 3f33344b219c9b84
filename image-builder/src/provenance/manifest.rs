//! `manifest.json`: every input, region and output of an image with its digest.

use std::collections::BTreeMap;

use node_config::FarmId;
use serde::{Deserialize, Serialize};

use crate::bootkit::{Bootkit, Digest, PackageEntry};
use crate::medium::Plan;
use crate::payload::{LayerRecord, Payload, RECIPE_REVISION};
use crate::regions::PayloadKind;
use crate::zos::ZosKernel;

/// Version of the structure; raised when a field changes its meaning.
pub const MANIFEST_SCHEMA: u32 = 1;

/// What an image was made of and what came out. Depends on the inputs only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageManifest {
    /// [`MANIFEST_SCHEMA`].
    pub schema_version: u32,
    /// Name and version of the builder.
    pub generator: String,
    /// Format of the output, as `image build --format` names it.
    pub format: String,
    /// Changes when the same inputs would give another medium.
    pub recipe_revision: u32,
    /// Changes when the same inputs would give other layers.
    pub payload_recipe_revision: u32,
    /// The system it starts.
    #[serde(default)]
    pub payload: PayloadKind,
    /// The farm it is for.
    pub farm_id: FarmId,
    /// Identity of the medium: of payload and recipe, the same for every farm.
    pub disk_guid: String,
    /// Time of everything in it, seconds since 1970-01-01 UTC.
    pub timestamp_unix_s: u64,
    /// Kernel release.
    pub kernel_version: String,
    /// Version of the settings' schema; 0 for Zero-OS, which has its own.
    pub config_schema: u32,
    /// zstd level of the layers; 0 where there are none.
    pub compression_level: i32,
    /// Content address of the bootkit.
    pub bootkit: Digest,
    /// Debian packages of the inputs.
    pub packages: Vec<PackageEntry>,
    /// Kernel, loaders and `farm-node` or the Zero-OS kernel, with the SBAT generations of EFI programs.
    pub inputs: Vec<Input>,
    /// Digest of the system's files, by which a thin medium knows it; only of a bundle, which thin
    /// media fetch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_sha256: Option<Digest>,
    /// Initramfs archives in order.
    pub layers: Vec<LayerRecord>,
    /// Names of the kernel modules in it.
    pub modules: Vec<String>,
    /// Firmware in it.
    #[serde(default)]
    pub firmware: Vec<String>,
    /// Processor microcode in it.
    #[serde(default)]
    pub microcode: Vec<String>,
    /// Files the farmer added.
    #[serde(default)]
    pub added: Vec<String>,
    /// Firmware that modules may ask for and that is not in it.
    pub missing_firmware: BTreeMap<String, Vec<String>>,
    /// Ranges of the disk that are this farm's own; none where the output is no disk.
    pub regions: Vec<RegionRecord>,
    /// The files written.
    pub outputs: Vec<Output>,
}

/// What an image starts.
#[derive(Debug, Clone, Copy)]
pub enum System<'a> {
    /// `farm-node` on the bootkit's kernel.
    FarmNode(&'a Payload),
    /// A Zero-OS kernel.
    ZeroOs(&'a ZosKernel),
}

impl System<'_> {
    /// Which of them it is.
    #[must_use]
    pub const fn kind(self) -> PayloadKind {
        match self {
            Self::FarmNode(_) => PayloadKind::FarmNode,
            Self::ZeroOs(_) => PayloadKind::ZeroOs,
        }
    }

    fn has_bootkit_kernel(self) -> bool {
        self.kind() == PayloadKind::FarmNode
    }

    fn kernel_version(&self) -> &str {
        match self {
            Self::FarmNode(payload) => &payload.kernel_version,
            Self::ZeroOs(kernel) => &kernel.info.release,
        }
    }

    fn sha256(self) -> Digest {
        match self {
            Self::FarmNode(payload) => payload.manifest.node_sha256,
            Self::ZeroOs(kernel) => (*kernel.content.sha256()).into(),
        }
    }
}

/// A file that went in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Path below the bootkit, `farm-node` or `zero-os`.
    pub path: String,
    /// Its digest.
    pub sha256: Digest,
    /// Its package, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// SBAT generations (`shim,4`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sbat: Vec<String>,
}

/// A region as it was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionRecord {
    /// Its name.
    pub name: String,
    /// First byte in the disk.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// Digest of its content.
    pub sha256: Digest,
}

/// A file that came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its name, relative to the manifest.
    pub path: String,
    /// Its size.
    pub size_bytes: u64,
    /// Its digest.
    pub sha256: Digest,
}

impl ImageManifest {
    /// Describes an image. `regions` of the plan are listed when `is_disk`.
    #[must_use]
    pub fn new(
        format: &str,
        is_disk: bool,
        farm_id: FarmId,
        timestamp_unix_s: u64,
        (kit, system, plan): (&Bootkit, System<'_>, &Plan),
        outputs: Vec<Output>,
    ) -> Self {
        let mut inputs: Vec<Input> = kit
            .lock()
            .files
            .iter()
            .filter(|file| !file.path.starts_with("copyright/"))
            .filter(|file| system.has_bootkit_kernel() || !file.path.starts_with("kernel/"))
            .map(|file| Input {
                path: file.path.clone(),
                sha256: file.sha256,
                package: file.package.clone(),
                sbat: file.sbat.clone(),
            })
            .collect();
        let packages = kit.lock().packages.iter().filter(|package| {
            let name = Some(&package.name);
            inputs.iter().any(|input| input.package.as_ref() == name)
        });
        let packages = packages.cloned().collect();
        inputs.push(Input {
            path: system.kind().name().to_owned(),
            sha256: system.sha256(),
            package: None,
            sbat: Vec::new(),
        });
        let regions = plan.regions.regions.iter().filter(|_| is_disk);
        let facts = match system {
            System::FarmNode(payload) => Some(&payload.manifest),
            System::ZeroOs(_) => None,
        };
        Self {
            schema_version: MANIFEST_SCHEMA,
            generator: concat!("farmer ", env!("CARGO_PKG_VERSION")).to_owned(),
            format: format.to_owned(),
            recipe_revision: crate::medium::universal::RECIPE_REVISION,
            payload_recipe_revision: facts.map_or(RECIPE_REVISION, |f| f.recipe_revision),
            payload: system.kind(),
            farm_id,
            disk_guid: plan.disk_guid.to_string(),
            timestamp_unix_s,
            kernel_version: system.kernel_version().to_owned(),
            config_schema: facts.map_or(0, |f| f.config_schema),
            compression_level: facts.map_or(0, |f| f.level),
            bootkit: kit.id(),
            packages,
            inputs,
            system_sha256: None,
            layers: facts.map(|f| f.layers.clone()).unwrap_or_default(),
            modules: facts.map(|f| f.modules.clone()).unwrap_or_default(),
            firmware: facts.map(|f| f.firmware.clone()).unwrap_or_default(),
            microcode: facts.map(|f| f.microcode.clone()).unwrap_or_default(),
            added: facts.map(|f| f.added.clone()).unwrap_or_default(),
            missing_firmware: facts
                .map(|f| f.missing_firmware.clone())
                .unwrap_or_default(),
            regions: regions
                .map(|region| RegionRecord {
                    name: region.name.clone(),
                    offset: region.span.offset,
                    length: region.span.length,
                    sha256: region.default_sha256.into(),
                })
                .collect(),
            outputs,
        }
    }

    /// As JSON for people and programs.
    #[must_use]
    pub fn to_json(&self) -> String {
        super::sbom::pretty(self)
    }
}
