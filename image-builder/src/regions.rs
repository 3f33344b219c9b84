//! The parts of a finished medium that may be rewritten in place, and how they are found.
//!
//! On the medium:
//!
//! - Byte 32704, 64 bytes: the locator ([`node_config::medium::Locator`]), with the disk GUID and the
//!   place of the region table.
//! - The region table: JSON, at most 16 KiB, the same on every farm's medium of one payload:
//!   `{"version":1,"total_bytes":N,"defaults":{"offset":O,"length":L},"guid_texts":[O,...],`
//!   `"regions":[{"name":S,"offset":O,"length":L,"digest_offset":O,"default_offset":O},...],`
//!   `"payload":{"kind":K,...},"areas":[{"name":S,"offset":O,"length":L,"sha256":HEX},...]}`.
//!   Offsets and lengths are bytes of the image. `guid_texts` are the places where the disk GUID
//!   stands as 36 lower-case characters in loader configurations. `areas` are the files and
//!   structures that never change, each with the digest of its bytes where those of regions and
//!   GUID texts count as zero. `payload` says which kernel and node are on the medium; its `kind` is
//!   `farm-node` (also when it is missing) or `zero-os`: which system the medium starts, and so where
//!   its farm is written.
//! - The defaults area: for each region the SHA-256 (32 raw bytes) and a copy of the content it was
//!   built with, at `digest_offset` and `default_offset`. It differs between farms as the regions do.
//!   Its first sector ends with the SHA-256 of the region table.
//!
//! Two media of one payload differ in the regions and the defaults area and nowhere else.
//!
//! | region | content |
//! |---|---|
//! | `config` | uncompressed newc cpio, zero padded; the last initramfs file |
//! | `kargs-bios` | kernel arguments, newline, `#` padding; inside `isolinux.cfg` |
//! | `kargs-uefi` | the same in single quotes; inside `grub.cfg`; stock flavour only |
//! | `kargs-uki` | kernel arguments, NUL padded; inside an unsigned unified kernel image |
//! | `farm-toml` | `farm.toml` on FARMCFG, padded with blank lines |
//! | `script`, `script-root` | iPXE's script, padded with blank lines; thin media only |
//!
//! `flavour` in the table is `uki` or `uki-signed` where UEFI starts a unified kernel image; a signed
//! one has no `kargs` region and no GUID text for UEFI. It is `thin` where iPXE fetches the system: the
//! script is all there is of the farm beside `farm.toml`. A Zero-OS medium has `kargs` regions only: that system takes its settings, `farmer_id`
//! among them, from the kernel command line and reads no file of the medium.

mod contents;

use std::io::{self, Read, Seek, SeekFrom};

use node_config::medium::{LOCATOR_LEN, LOCATOR_OFFSET, Locator};
use serde::{Deserialize, Serialize};

use crate::bootkit::Digest;
use crate::content::Sha256Digest;
use crate::error::RegionError;
use crate::formats::guid::Guid;

pub(crate) use contents::normal_arguments;
pub use contents::{
    decode_kargs, encode_config, encode_farm_toml, encode_kargs_bios, encode_kargs_uefi,
    encode_kargs_uki, encode_script,
};

/// Length of the `config` region in bytes.
pub const CONFIG_BYTES: usize = crate::payload::CONFIG_REGION_BYTES;
/// Length of each kernel-argument region in bytes.
pub const ARGUMENTS_BYTES: usize = 2048;
/// Length of the `farm-toml` region in bytes.
pub const FARM_TOML_BYTES: usize = 4096;
/// Length of a thin medium's script in bytes, the lines before the region included.
pub const SCRIPT_BYTES: usize = 16 * 1024;

/// The last initramfs file.
pub const CONFIG: &str = "config";
/// Kernel arguments in `isolinux.cfg`.
pub const KARGS_BIOS: &str = "kargs-bios";
/// Kernel arguments in `grub.cfg`.
pub const KARGS_UEFI: &str = "kargs-uefi";
/// Kernel arguments in the `.cmdline` section of an unsigned unified kernel image. A signed one has
/// no such region: its arguments are part of what is signed.
pub const KARGS_UKI: &str = "kargs-uki";
/// `farm.toml` on FARMCFG.
pub const FARM_TOML: &str = "farm-toml";
/// The script of a thin medium, behind the lines that name the medium.
pub const SCRIPT: &str = "script";
/// The same in the root of the EFI partition, where iPXE before 2023 looks for it.
pub const SCRIPT_ROOT: &str = "script-root";

/// The [`Area`] of FARMCFG's boot sector: the only one that an owner may change by right, by making
/// the file system anew.
pub(crate) const FARMCFG_BOOT_SECTOR: &str = "FARMCFG boot sector";

/// Longest region table that is read.
const MOST_TABLE_BYTES: u32 = 16 * 1024;
/// Longer than any medium that a machine starts from.
const MOST_IMAGE_BYTES: u64 = 1 << 40;
/// Most regions a table may list.
const MOST_REGIONS: usize = 32;
/// Most areas a table may list.
const MOST_AREAS: usize = 256;
const TABLE_VERSION: u32 = 1;
/// Where the table's digest lies in the defaults area.
const TABLE_DIGEST_AT: u64 = 512 - 32;

/// The system a medium starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PayloadKind {
    /// `farm-node`: settings in the `config` region and on FARMCFG.
    #[default]
    FarmNode,
    /// A Zero-OS kernel with its initramfs inside: settings in the kernel arguments only.
    ZeroOs,
}

impl PayloadKind {
    /// The name in the region table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FarmNode => "farm-node",
            Self::ZeroOs => "zero-os",
        }
    }
}

/// How a medium starts on UEFI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// Signed shim and GRUB of a distribution.
    #[default]
    Stock,
    /// A unified kernel image without a signature.
    Uki,
    /// A unified kernel image signed with the farmer's key: kernel arguments and the disk GUID inside
    /// it can no longer be changed.
    UkiSigned,
    /// iPXE, on BIOS too: it follows a script and fetches the system over the network.
    Thin,
}

impl Flavour {
    fn is_stock(&self) -> bool {
        *self == Self::Stock
    }
}

/// A range of the image in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub offset: u64,
    /// Length.
    pub length: u64,
}

impl Span {
    /// Whether the byte at `offset` lies inside.
    #[must_use]
    pub fn contains(&self, offset: u64) -> bool {
        offset
            .checked_sub(self.offset)
            .is_some_and(|at| at < self.length)
    }

    /// First byte after it; the largest number where that is none.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// One region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Its name; the constants of this module are the known ones.
    pub name: String,
    /// Where it lies.
    pub span: Span,
    /// Where the copy of the content it was built with begins; as long as the region.
    pub default_offset: u64,
    /// SHA-256 of that content.
    pub default_sha256: Sha256Digest,
}

/// A file or structure that never changes after the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// What it is: a path on the EFI partition, or words.
    pub name: String,
    /// Where it lies.
    pub span: Span,
    /// SHA-256 of its bytes; those of regions and GUID texts inside count as zero.
    pub sha256: Sha256Digest,
}

/// Which payload a medium carries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PayloadFacts {
    /// The system the medium starts.
    pub kind: PayloadKind,
    /// Kernel release.
    pub kernel_version: String,
    /// Version of `farm-node`; empty for a node that does not say, and for another system.
    pub node_version: String,
    /// Newest version of the settings' schema the node accepts.
    pub config_schema: u32,
    /// Names of the settings the node knows, as in [`node_config::schema::KEYS`]; empty for a node
    /// that does not say.
    pub config_keys: Vec<String>,
}

/// All regions of a medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionTable {
    /// The medium's identity.
    pub disk_guid: Guid,
    /// Size of the image in bytes; a stick is larger.
    pub total_bytes: u64,
    /// How it starts on UEFI.
    pub flavour: Flavour,
    /// The regions in the order of the table.
    pub regions: Vec<Region>,
    /// Digests and contents to reset the regions to.
    pub defaults: Span,
    /// Offsets of the 36-character texts of the disk GUID.
    pub guid_texts: Vec<u64>,
    /// What never changes, with its digests; empty on media built before these were recorded.
    pub areas: Vec<Area>,
    /// What is on the medium.
    pub payload: PayloadFacts,
}

impl RegionTable {
    /// The region of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Region> {
        self.regions.iter().find(|region| region.name == name)
    }

    /// Everything that may differ between two farms' media of one payload.
    pub fn mutable_spans(&self) -> impl Iterator<Item = Span> + '_ {
        self.regions
            .iter()
            .map(|region| region.span)
            .chain([self.defaults])
    }
}

impl RegionTable {
    /// Sets to zero what may differ between media of one payload, in `bytes` that stand at `offset`.
    pub fn mask(&self, offset: u64, bytes: &mut [u8]) {
        let texts = self.guid_texts.iter().map(|at| Span {
            offset: *at,
            length: GUID_TEXT_BYTES,
        });
        for span in self.mutable_spans().chain(texts) {
            let from = span.offset.max(offset) - offset;
            let to = span.end().min(offset + bytes.len() as u64).max(offset) - offset;
            if from < to {
                bytes[from as usize..to as usize].fill(0);
            }
        }
    }

    /// Where the SHA-256 of the region table lies.
    #[must_use]
    pub fn table_digest_offset(&self) -> u64 {
        self.defaults.offset + TABLE_DIGEST_AT
    }
}

/// Length of a disk GUID in text form.
pub(crate) const GUID_TEXT_BYTES: u64 = 36;

/// Reads the region table of a medium: `None` when it is none of ours.
///
/// # Errors
/// [`RegionError::Table`] when it is ours but damaged, [`RegionError::Read`].
pub fn find_on<R: Read + Seek>(reader: &mut R) -> Result<Option<RegionTable>, RegionError> {
    let mut bytes = [0; LOCATOR_LEN];
    match read_at(reader, LOCATOR_OFFSET, &mut bytes) {
        Err(RegionError::Read { source, .. }) if source.kind() == io::ErrorKind::UnexpectedEof => {
            return Ok(None);
        }
        other => other?,
    }
    let Some(locator) = Locator::decode(&bytes) else {
        return Ok(None);
    };
    if locator.table_length > MOST_TABLE_BYTES {
        return Err(damaged("it claims to be too long"));
    }
    let mut json = vec![0; locator.table_length as usize];
    read_at(reader, locator.table_offset, &mut json)?;
    let record: TableRecord = serde_json::from_slice(&json).map_err(|e| damaged(&e.to_string()))?;
    record.check()?;
    let mut regions = Vec::with_capacity(record.regions.len());
    for region in record.regions {
        let mut default_sha256 = [0; 32];
        read_at(reader, region.digest_offset, &mut default_sha256)?;
        regions.push(Region {
            name: region.name,
            span: region.span,
            default_offset: region.default_offset,
            default_sha256,
        });
    }
    let areas = record.areas.into_iter().map(AreaRecord::into_area);
    Ok(Some(RegionTable {
        disk_guid: Guid(locator.disk_guid),
        total_bytes: record.total_bytes,
        flavour: record.flavour,
        regions,
        defaults: record.defaults,
        guid_texts: record.guid_texts,
        areas: areas.collect(),
        payload: record.payload,
    }))
}

fn read_at<R: Read + Seek>(reader: &mut R, offset: u64, buf: &mut [u8]) -> Result<(), RegionError> {
    reader
        .seek(SeekFrom::Start(offset))
        .and_then(|_| reader.read_exact(buf))
        .map_err(|source| RegionError::Read { offset, source })
}

fn damaged(reason: &str) -> RegionError {
    RegionError::Table {
        reason: reason.to_owned(),
    }
}

/// The JSON form.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TableRecord {
    pub version: u32,
    pub total_bytes: u64,
    #[serde(default, skip_serializing_if = "Flavour::is_stock")]
    pub flavour: Flavour,
    pub defaults: Span,
    pub guid_texts: Vec<u64>,
    pub regions: Vec<RegionRecord>,
    #[serde(default)]
    pub payload: PayloadFacts,
    #[serde(default)]
    pub areas: Vec<AreaRecord>,
}

/// An [`Area`] in the JSON form.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AreaRecord {
    pub name: String,
    #[serde(flatten)]
    pub span: Span,
    pub sha256: Digest,
}

impl AreaRecord {
    fn into_area(self) -> Area {
        Area {
            name: self.name,
            span: self.span,
            sha256: *self.sha256.as_bytes(),
        }
    }
}

impl From<&Area> for AreaRecord {
    fn from(area: &Area) -> Self {
        Self {
            name: area.name.clone(),
            span: area.span,
            sha256: Digest::from_bytes(area.sha256),
        }
    }
}

/// One row of the JSON form.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RegionRecord {
    pub name: String,
    #[serde(flatten)]
    pub span: Span,
    pub digest_offset: u64,
    pub default_offset: u64,
}

impl TableRecord {
    pub(crate) fn new(
        total_bytes: u64,
        defaults: Span,
        guid_texts: Vec<u64>,
        regions: Vec<RegionRecord>,
    ) -> Self {
        Self {
            version: TABLE_VERSION,
            total_bytes,
            flavour: Flavour::Stock,
            defaults,
            guid_texts,
            regions,
            payload: PayloadFacts::default(),
            areas: Vec::new(),
        }
    }

    /// Everything a table claims must lie inside the image, and regions may not overlap: a damaged
    /// or hostile table must not lead a rewrite astray.
    fn check(&self) -> Result<(), RegionError> {
        if self.version != TABLE_VERSION {
            return Err(damaged(&format!(
                "version {} is not known here",
                self.version
            )));
        }
        if self.total_bytes > MOST_IMAGE_BYTES {
            return Err(damaged("it claims an impossible length of the image"));
        }
        if self.regions.len() > MOST_REGIONS
            || self.guid_texts.len() > MOST_REGIONS
            || self.areas.len() > MOST_AREAS
        {
            return Err(damaged("it lists too many regions"));
        }
        let end = |span: Span, within: Span| {
            let end = span.offset.checked_add(span.length)?;
            let limit = within.offset.checked_add(within.length)?;
            (span.offset >= within.offset && end <= limit).then_some(end)
        };
        let image = Span {
            offset: 0,
            length: self.total_bytes,
        };
        let mut used = vec![self.defaults];
        for region in &self.regions {
            let digest = Span {
                offset: region.digest_offset,
                length: 32,
            };
            let default = Span {
                offset: region.default_offset,
                length: region.span.length,
            };
            if end(digest, self.defaults).is_none() || end(default, self.defaults).is_none() {
                return Err(damaged("a default lies outside its area"));
            }
            used.push(region.span);
        }
        used.extend(self.guid_texts.iter().map(|offset| Span {
            offset: *offset,
            length: GUID_TEXT_BYTES,
        }));
        if self
            .areas
            .iter()
            .any(|area| end(area.span, image).is_none())
        {
            return Err(damaged("an area lies outside the image"));
        }
        used.sort_by_key(|span| span.offset);
        let mut at = LOCATOR_OFFSET + LOCATOR_LEN as u64;
        for span in used {
            match end(span, image) {
                Some(end) if span.offset >= at => at = end,
                Some(_) => return Err(damaged("regions overlap")),
                None => return Err(damaged("a region lies outside the image")),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_tables_are_refused() {
        let record = |offset, length, defaults: Span| {
            TableRecord::new(
                1 << 20,
                defaults,
                vec![],
                vec![RegionRecord {
                    name: "r".to_owned(),
                    span: Span { offset, length },
                    digest_offset: defaults.offset,
                    default_offset: defaults.offset + 32,
                }],
            )
        };
        let defaults = Span {
            offset: 100_000,
            length: 4096,
        };
        assert!(record(200_000, 64, defaults).check().is_ok());
        for (offset, length) in [
            (0, 64),
            (32_704, 64),
            (1 << 20, 1),
            (u64::MAX, 2),
            (100_000, 64),
            (200_000, 1 << 20),
        ] {
            assert!(
                record(offset, length, defaults).check().is_err(),
                "{offset}+{length}"
            );
        }
        assert!(
            record(200_000, 4096, defaults).check().is_err(),
            "default too long"
        );
    }
}
