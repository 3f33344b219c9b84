//! The volumes of a medium, and the loaders and kernels among their files.

use std::collections::HashSet;

use serde::Serialize;

use super::MediumDescription;
use crate::error::ShowError;
use crate::inspect::fat::{self, FatVolume};
use crate::inspect::iso::IsoVolume;
use crate::inspect::{FileEntry, Probe, pe};
use crate::payload::kernel;
use crate::regions::Span;

/// Most FAT volumes that are looked into.
const MOST_VOLUMES: usize = 8;
/// Most files that are opened to see whether they are loaders or kernels.
const MOST_CANDIDATES: usize = 128;
/// What a kernel's header is read from.
const KERNEL_HEAD_BYTES: u64 = 64 * 1024;

/// An EFI program on a medium.
#[derive(Debug, Clone, Serialize)]
pub struct LoaderDescription {
    /// Path: untrusted text; empty when the image itself is the program.
    pub path: String,
    /// Which volume it is on.
    pub volume: String,
    /// First byte in the image.
    pub offset: u64,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Processor it is for.
    pub machine: String,
    /// Revocation generations, such as `shim,4`.
    pub sbat: Vec<String>,
    /// Names in its signature; empty when it is not signed.
    pub signers: Vec<String>,
    /// Whether kernel and initramfs are inside.
    pub is_uki: bool,
}

/// A kernel on a medium.
#[derive(Debug, Clone, Serialize)]
pub struct KernelDescription {
    /// Path: untrusted text; empty when the image itself is the kernel.
    pub path: String,
    /// Which volume it is on.
    pub volume: String,
    /// First byte in the image.
    pub offset: u64,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Release: untrusted text.
    pub version: String,
    /// Names in its signature; empty when it is not signed.
    pub signers: Vec<String>,
    /// Arguments built in (unified kernel images).
    pub arguments: Option<String>,
}

/// A volume with files.
pub(super) enum Volume {
    /// A FAT volume, with its name in words.
    Fat(String, FatVolume),
    /// The ISO 9660 tree.
    Iso(Vec<FileEntry>),
    /// The image itself, taken for a file.
    WholeFile(FileEntry),
}

impl Volume {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Fat(name, _) => name,
            Self::Iso(_) => "ISO 9660",
            Self::WholeFile(_) => "file",
        }
    }

    pub(super) fn files(&self) -> &[FileEntry] {
        match self {
            Self::Fat(_, volume) => &volume.files,
            Self::Iso(files) => files,
            Self::WholeFile(file) => std::slice::from_ref(file),
        }
    }

    /// Where a FAT volume begins.
    pub(super) fn offset(&self) -> Option<u64> {
        match self {
            Self::Fat(_, volume) => Some(volume.offset),
            Self::Iso(_) | Self::WholeFile(_) => None,
        }
    }

    pub(super) fn is_whole_file(&self) -> bool {
        matches!(self, Self::WholeFile(_))
    }
}

/// All volumes: of partitions, of the boot catalog, the ISO tree, or the whole image.
pub(super) fn volumes(
    probe: &mut Probe<'_>,
    iso: Option<&IsoVolume>,
    description: &mut MediumDescription,
) -> Result<Vec<Volume>, ShowError> {
    let mut places: Vec<(String, u64)> = Vec::new();
    for partition in &description.partitions {
        places.push((
            format!("partition {}", partition.number),
            partition.span.offset,
        ));
    }
    for entry in description
        .boot_entries
        .iter()
        .filter(|e| e.platform == 0xEF)
    {
        places.push(("UEFI boot image".to_owned(), entry.offset));
    }
    places.push(("image".to_owned(), 0));
    let mut seen = HashSet::new();
    let mut volumes = Vec::new();
    for (name, offset) in places {
        if volumes.len() >= MOST_VOLUMES || !seen.insert(offset) {
            continue;
        }
        if let Some(volume) = fat::read(probe, offset)? {
            let damage = volume.damage.iter().take(4);
            let words = damage.map(|(at, what)| format!("{name}, byte {at}: {what}"));
            description.problems.extend(words);
            volumes.push(Volume::Fat(name, volume));
        }
    }
    if let Some(volume) = iso {
        let damage = volume.damage.iter().take(4);
        let words = damage.map(|(at, what)| format!("ISO 9660, byte {at}: {what}"));
        description.problems.extend(words);
        volumes.push(Volume::Iso(volume.files.clone()));
    }
    if volumes.is_empty() {
        volumes.push(Volume::WholeFile(FileEntry {
            path: String::new(),
            length: probe.size(),
            extents: vec![Span {
                offset: 0,
                length: probe.size(),
            }],
        }));
    }
    Ok(volumes)
}

pub(super) fn loaders_and_kernels(
    probe: &mut Probe<'_>,
    volumes: &[Volume],
    description: &mut MediumDescription,
) -> Result<(), ShowError> {
    // A file of the ISO tree may be the very bytes of one on the EFI partition.
    let mut seen = HashSet::new();
    let mut budget = MOST_CANDIDATES;
    for volume in volumes {
        for file in volume.files() {
            let offset = file.extents.first().map_or(0, |extent| extent.offset);
            let wanted = volume.is_whole_file() || is_candidate(&file.path);
            if !wanted || budget == 0 || !seen.insert((offset, file.length)) {
                continue;
            }
            budget -= 1;
            look_into(probe, volume.name(), file, description)?;
        }
    }
    Ok(())
}

/// Names that loaders and kernels have.
fn is_candidate(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default().to_lowercase();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    match extension {
        "efi" | "krn" | "lkrn" | "signed" => true,
        "" => ["vmlinu", "linux", "bzimage", "kernel"]
            .iter()
            .any(|word| stem.starts_with(word)),
        _ => name.starts_with("vmlinu"),
    }
}

fn look_into(
    probe: &mut Probe<'_>,
    volume: &str,
    file: &FileEntry,
    description: &mut MediumDescription,
) -> Result<(), ShowError> {
    let offset = file.extents.first().map_or(0, |extent| extent.offset);
    let program = pe::read(probe, file)?;
    let head = file.read(probe, 0, file.length.min(KERNEL_HEAD_BYTES))?;
    let plain = head.and_then(|head| kernel::inspect(&head).ok());
    let signers = program
        .as_ref()
        .map(|p| p.signers.clone())
        .unwrap_or_default();
    if let Some(info) = plain {
        description.kernels.push(KernelDescription {
            path: file.path.clone(),
            volume: volume.to_owned(),
            offset,
            size_bytes: file.length,
            version: info.release,
            signers,
            arguments: None,
        });
        return Ok(());
    }
    let Some(program) = program else {
        return Ok(());
    };
    if program.is_uki() {
        description.kernels.push(KernelDescription {
            path: file.path.clone(),
            volume: volume.to_owned(),
            offset,
            size_bytes: file.length,
            version: program.text(probe, file, ".uname")?.unwrap_or_default(),
            signers: signers.clone(),
            arguments: program.text(probe, file, ".cmdline")?,
        });
    }
    description.loaders.push(LoaderDescription {
        path: file.path.clone(),
        volume: volume.to_owned(),
        offset,
        size_bytes: file.length,
        machine: match program.machine {
            0x8664 => "x86-64".to_owned(),
            0x014C => "x86".to_owned(),
            0xAA64 => "arm64".to_owned(),
            other => format!("{other:#06x}"),
        },
        is_uki: program.is_uki(),
        sbat: program.sbat,
        signers,
    });
    Ok(())
}
