//! What is in a medium: kind, partitions, boot entries, loaders, kernels, and for media of ours the
//! regions, the farm they belong to and the settings a node will find. Reads images of any origin;
//! what is missing is left out, what is damaged is told in [`MediumDescription::problems`].

mod boots;
mod files;
mod ours;

use std::fmt;
use std::io::{Read, Seek};

use node_config::FarmId;
use serde::{Serialize, Serializer};

use crate::error::ShowError;
use crate::formats::SECTOR_BYTES;
use crate::formats::guid::Guid;
use crate::inspect::contained::{Contained, vhd_footer};
use crate::inspect::{Probe, gpt, iso, mbr, qcow2};
use crate::regions::{self, Flavour, PayloadKind, Span};

pub use boots::BootPath;
pub use files::{KernelDescription, LoaderDescription};
pub use ours::{EffectiveSetting, NodeDescription, RegionDescription};

/// What kind of image it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MediumKind {
    /// A boot medium of ours: CD, stick and disk in one.
    FarmMedium,
    /// An ISO 9660 image that is a disk too.
    HybridIso,
    /// An ISO 9660 image.
    Iso,
    /// A disk with a GUID partition table.
    GptDisk,
    /// A disk with a master boot record.
    MbrDisk,
    /// A FAT volume without partitions.
    FatVolume,
    /// A unified kernel image: one EFI program with kernel and initramfs.
    UnifiedKernel,
    /// A Linux kernel, or something that is started like one (iPXE's `.lkrn`).
    Kernel,
    /// An EFI program.
    EfiProgram,
    /// An initramfs or another cpio archive, not compressed.
    Cpio,
    /// A compressed file.
    Compressed,
    /// A disk container whose content cannot be read here.
    Container,
    /// Only zeros at its beginning, or no bytes at all.
    Empty,
    /// None of these.
    #[default]
    Unknown,
}

impl fmt::Display for MediumKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FarmMedium => "boot medium of the node OS (CD, USB stick and disk)",
            Self::HybridIso => "ISO 9660 image that is a disk too",
            Self::Iso => "ISO 9660 image",
            Self::GptDisk => "disk with GPT",
            Self::MbrDisk => "disk with MBR partitions",
            Self::FatVolume => "FAT volume",
            Self::UnifiedKernel => "unified kernel image",
            Self::Kernel => "Linux kernel, or started like one",
            Self::EfiProgram => "EFI program",
            Self::Cpio => "cpio archive",
            Self::Compressed => "compressed file",
            Self::Container => "disk container",
            Self::Empty => "empty",
            Self::Unknown => "unknown",
        })
    }
}

/// Description of a medium.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MediumDescription {
    /// What kind of image it is.
    pub kind: MediumKind,
    /// The container around it (`qcow2`, `vhd`), when it is in one.
    pub container: Option<&'static str>,
    /// Size in bytes, of what is inside the container.
    pub size_bytes: u64,
    /// GUID of the disk, when there is a GPT.
    #[serde(serialize_with = "optional_text")]
    pub disk_guid: Option<Guid>,
    /// Digest over all that never changes on a medium of ours: the same for every farm.
    pub fingerprint: Option<String>,
    /// Partitions of the GPT, or else of the MBR.
    pub partitions: Vec<PartitionDescription>,
    /// ISO 9660 volume identifier.
    pub volume_id: Option<String>,
    /// El Torito boot entries.
    pub boot_entries: Vec<BootEntry>,
    /// EFI programs that start something.
    pub loaders: Vec<LoaderDescription>,
    /// Kernels, and what is started like one.
    pub kernels: Vec<KernelDescription>,
    /// Which way of starting it leads where.
    pub boots: Vec<BootPath>,
    /// The system it starts; `None` for a medium that is not ours.
    pub payload: Option<PayloadKind>,
    /// How it starts on UEFI; `None` for a medium that is not ours.
    pub flavour: Option<Flavour>,
    /// Where a thin medium fetches the system from, in the order it tries; empty for others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fetches: Vec<String>,
    /// The node OS on a medium of ours.
    pub node: Option<NodeDescription>,
    /// The regions that can be rewritten; `None` for a medium that is not ours.
    pub regions: Option<Vec<RegionDescription>>,
    /// This farm's kernel arguments, when BIOS and UEFI agree on them.
    pub kernel_arguments: Option<String>,
    /// The settings in the image, as TOML.
    pub config_toml: Option<String>,
    /// The farm those settings name; on a Zero-OS medium the one its kernel arguments name.
    pub farm_id: Option<FarmId>,
    /// What a node started from it will go by, with the origin of every value.
    pub settings: Vec<EffectiveSetting>,
    /// What is damaged or contradicts itself.
    pub problems: Vec<String>,
}

/// A partition.
#[derive(Debug, Clone, Serialize)]
pub struct PartitionDescription {
    /// Number, from 1.
    pub number: usize,
    /// Kind in words.
    pub kind: String,
    /// Kind; `None` in an MBR.
    #[serde(serialize_with = "optional_text")]
    pub type_guid: Option<Guid>,
    /// Identity; `None` in an MBR.
    #[serde(serialize_with = "optional_text")]
    pub guid: Option<Guid>,
    /// Name, as stored: untrusted text.
    pub name: String,
    /// Where it lies, in bytes.
    pub span: Span,
}

/// An entry of the El Torito boot catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BootEntry {
    /// Platform: 0 BIOS, 239 UEFI.
    pub platform: u8,
    /// First byte of the boot image.
    pub offset: u64,
    /// 512-byte sectors to load; 0 or 1 on UEFI mean "to the end".
    pub sectors: u16,
}

/// Describes any image.
///
/// # Errors
/// [`ShowError::Read`] when the reader fails; whatever the bytes are is a description.
pub fn describe<R: Read + Seek>(reader: &mut R) -> Result<MediumDescription, ShowError> {
    let described = match Contained::open(reader) {
        Ok(mut medium) if medium.is_contained() => raw(&mut medium),
        Ok(mut medium) => return raw(&mut medium),
        Err(error @ ShowError::Container { .. }) => Err(error),
        Err(error) => return Err(error),
    };
    let container = match &described {
        Err(ShowError::Container { format, .. }) => *format,
        _ => qcow2::FORMAT,
    };
    // Compressed clusters, a backing file: the container is all there is to tell.
    let description = described.unwrap_or_else(|error| MediumDescription {
        kind: MediumKind::Container,
        problems: vec![format!("the content of the container: {error}")],
        ..MediumDescription::default()
    });
    Ok(MediumDescription {
        container: Some(container),
        ..description
    })
}

fn raw<R: Read + Seek>(reader: &mut R) -> Result<MediumDescription, ShowError> {
    let table = regions::find_on(reader);
    let mut probe = Probe::new(reader)?;
    let mut description = MediumDescription {
        size_bytes: probe.size(),
        ..MediumDescription::default()
    };
    container(&mut probe, &mut description)?;
    let sector = mbr::read(&mut probe)?;
    partitions(&mut probe, sector.as_ref(), &mut description)?;
    let iso = iso::read(&mut probe)?;
    if let Some(volume) = &iso {
        description.volume_id = Some(volume.id.clone());
        let catalog = volume.catalog.as_ref();
        let entries = catalog.map(|catalog| catalog.entries.as_slice());
        description.boot_entries = entries
            .unwrap_or_default()
            .iter()
            .map(|&(platform, offset, sectors)| BootEntry {
                platform,
                offset,
                sectors,
            })
            .collect();
        if catalog.is_some_and(|catalog| !catalog.is_sound) {
            description
                .problems
                .push("the El Torito catalog is damaged".to_owned());
        }
    }
    let volumes = files::volumes(&mut probe, iso.as_ref(), &mut description)?;
    files::loaders_and_kernels(&mut probe, &volumes, &mut description)?;
    match table {
        Ok(Some(table)) => ours::describe(&mut probe, &table, &mut description)?,
        Ok(None) => {}
        Err(crate::error::RegionError::Read { offset, source })
            if !matches!(
                source.kind(),
                // A place beyond the end, or beyond all ends.
                std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidInput
            ) =>
        {
            return Err(ShowError::Read { offset, source });
        }
        Err(error) => description.problems.push(error.to_string()),
    }
    description.kind = kind(
        &mut probe,
        &description,
        iso.is_some(),
        sector.is_some(),
        &volumes,
    )?;
    description.boots = boots::paths(&mut probe, sector.as_ref(), &volumes, &description)?;
    Ok(description)
}

/// A VHD's footer is its last sector (Virtual Hard Disk Image Format Specification 1.0).
fn container(probe: &mut Probe<'_>, description: &mut MediumDescription) -> Result<(), ShowError> {
    if let Some(footer) = vhd_footer(probe)? {
        description.container = Some("vhd");
        // Disk type 2 is fixed: the disk, then the footer.
        if footer.get(60..64) == Some(&[0, 0, 0, 2]) {
            description.size_bytes = probe.size() - SECTOR_BYTES;
        }
    }
    Ok(())
}

fn partitions(
    probe: &mut Probe<'_>,
    sector: Option<&mbr::Mbr>,
    description: &mut MediumDescription,
) -> Result<(), ShowError> {
    if let Some(table) = gpt::read(probe, SECTOR_BYTES)? {
        if !table.header_is_sound || !table.entries_are_sound {
            description
                .problems
                .push("the partition table is damaged".to_owned());
        }
        description.disk_guid = Some(table.disk_guid);
        description.partitions = table.partitions.into_iter().map(gpt_partition).collect();
        return Ok(());
    }
    let entries = sector.map(|sector| sector.entries.as_slice());
    description.partitions = entries
        .unwrap_or_default()
        .iter()
        .filter(|entry| entry.kind != 0)
        .map(|entry| PartitionDescription {
            number: entry.number,
            kind: match entry.kind {
                0xEF => "EFI system".to_owned(),
                kind => format!("type {kind:02x}"),
            },
            type_guid: None,
            guid: None,
            name: String::new(),
            span: entry.span,
        })
        .collect();
    Ok(())
}

fn gpt_partition(entry: gpt::GptEntry) -> PartitionDescription {
    let kind = match entry.type_guid {
        crate::formats::gpt::TYPE_ESP => "EFI system".to_owned(),
        crate::formats::gpt::TYPE_BASIC_DATA => "basic data".to_owned(),
        other => other.to_string(),
    };
    PartitionDescription {
        number: entry.number,
        kind,
        type_guid: Some(entry.type_guid),
        guid: Some(entry.guid),
        name: entry.name,
        span: entry.span,
    }
}

fn kind(
    probe: &mut Probe<'_>,
    description: &MediumDescription,
    is_iso: bool,
    has_boot_sector: bool,
    volumes: &[files::Volume],
) -> Result<MediumKind, ShowError> {
    let head = probe.bytes(0, probe.size().min(512))?.unwrap_or_default();
    let has_partitions = !description.partitions.is_empty();
    // A kernel's first sector ends like a boot sector.
    let whole_file = volumes.iter().any(|volume| volume.is_whole_file());
    let kind = match () {
        () if description.regions.is_some() => MediumKind::FarmMedium,
        () if is_iso && has_boot_sector => MediumKind::HybridIso,
        () if is_iso => MediumKind::Iso,
        () if description.disk_guid.is_some() => MediumKind::GptDisk,
        () if whole_file && description.loaders.iter().any(|l| l.is_uki) => {
            MediumKind::UnifiedKernel
        }
        () if whole_file && !description.kernels.is_empty() => MediumKind::Kernel,
        () if whole_file && !description.loaders.is_empty() => MediumKind::EfiProgram,
        () if volumes.iter().any(|v| v.offset() == Some(0)) => MediumKind::FatVolume,
        () if has_partitions => MediumKind::MbrDisk,
        () if description.container.is_some() || head.starts_with(b"QFI\xFB") => {
            MediumKind::Container
        }
        () if head.starts_with(b"07070") => MediumKind::Cpio,
        () if is_compressed(&head) => MediumKind::Compressed,
        () if head.iter().all(|byte| *byte == 0) => MediumKind::Empty,
        () => MediumKind::Unknown,
    };
    Ok(kind)
}

fn is_compressed(head: &[u8]) -> bool {
    const MAGICS: [&[u8]; 4] = [b"\x1F\x8B", b"\xFD7zXZ", b"\x28\xB5\x2F\xFD", b"BZh"];
    MAGICS.iter().any(|magic| head.starts_with(magic))
}

fn optional_text<S: Serializer>(guid: &Option<Guid>, serializer: S) -> Result<S::Ok, S::Error> {
    match guid {
        Some(guid) => serializer.collect_str(guid),
        None => serializer.serialize_none(),
    }
}
