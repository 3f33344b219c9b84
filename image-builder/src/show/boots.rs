//! Where each way of starting a medium leads.

use serde::Serialize;

use super::files::{LoaderDescription, Volume};
use super::{MediumDescription, MediumKind};
use crate::error::ShowError;
use crate::inspect::Probe;
use crate::inspect::mbr::Mbr;

/// The removable-media path of UEFI on x86-64 (UEFI specification 3.5.1.1).
const REMOVABLE_LOADER: &str = "efi/boot/bootx64.efi";

/// One way of starting a medium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BootPath {
    /// `bios` or `uefi`.
    pub firmware: &'static str,
    /// `cd` or `disk`.
    pub medium: &'static str,
    /// What the firmware starts; `None` when there is nothing to start.
    pub starts: Option<String>,
    /// Whether it starts with Secure Boot on, with the keys that machines are sold with; `None`
    /// where the question does not arise.
    pub secure_boot: Option<bool>,
    /// Why.
    pub reason: String,
}

pub(super) fn paths(
    probe: &mut Probe<'_>,
    sector: Option<&Mbr>,
    volumes: &[Volume],
    description: &MediumDescription,
) -> Result<Vec<BootPath>, ShowError> {
    if matches!(
        description.kind,
        MediumKind::Unknown
            | MediumKind::Empty
            | MediumKind::Compressed
            | MediumKind::Cpio
            | MediumKind::Container
            // Files that something else starts.
            | MediumKind::Kernel
            | MediumKind::UnifiedKernel
            | MediumKind::EfiProgram
    ) {
        return Ok(Vec::new());
    }
    Ok(vec![
        bios_cd(volumes, description),
        bios_disk(probe, sector)?,
        uefi("cd", uefi_cd(volumes, description), description),
        uefi("disk", uefi_disk(volumes, description), description),
    ])
}

fn bios_cd(volumes: &[Volume], description: &MediumDescription) -> BootPath {
    let entry = description.boot_entries.iter().find(|e| e.platform == 0);
    let starts = entry.map(|entry| {
        let files = volumes.iter().filter(|v| matches!(v, Volume::Iso(_)));
        let file = files.flat_map(Volume::files).find(|file| {
            let first = file.extents.first();
            first.is_some_and(|extent| extent.offset == entry.offset)
        });
        file.map_or_else(
            || format!("the boot image at byte {}", entry.offset),
            |file| file.path.clone(),
        )
    });
    let reason = match &starts {
        Some(_) => "El Torito entry for BIOS",
        None => "no El Torito entry for BIOS",
    };
    path("bios", "cd", starts, reason)
}

fn bios_disk(probe: &mut Probe<'_>, sector: Option<&Mbr>) -> Result<BootPath, ShowError> {
    if !sector.is_some_and(|sector| sector.has_code) {
        return Ok(path(
            "bios",
            "disk",
            None,
            "no boot code in the first sector",
        ));
    }
    let code = probe.bytes(0, 440)?.unwrap_or_default();
    let says = |word: &[u8]| code.windows(word.len()).any(|window| window == word);
    let starts = match () {
        () if says(b"isolinux.bin") => "ISOLINUX",
        () if says(b"GRUB") => "GRUB",
        () if says(b"iPXE") => "iPXE",
        () => "the boot code in the first sector",
    };
    Ok(path(
        "bios",
        "disk",
        Some(starts.to_owned()),
        "boot code in the first sector",
    ))
}

/// Files of the FAT image that the catalog names for UEFI, with the loader's path.
fn uefi_cd<'a>(volumes: &'a [Volume], description: &MediumDescription) -> Found<'a> {
    let entry = description.boot_entries.iter().find(|e| e.platform == 0xEF);
    let Some(entry) = entry else {
        return Err("no El Torito entry for UEFI");
    };
    let volume = volumes.iter().find(|v| v.offset() == Some(entry.offset));
    volume.ok_or("the El Torito entry for UEFI is no FAT volume")
}

fn uefi_disk<'a>(volumes: &'a [Volume], description: &MediumDescription) -> Found<'a> {
    let system = description
        .partitions
        .iter()
        .filter(|p| p.kind == "EFI system")
        .map(|p| p.span.offset)
        .chain([0]);
    for offset in system {
        if let Some(volume) = volumes.iter().find(|v| v.offset() == Some(offset)) {
            return Ok(volume);
        }
    }
    Err("no EFI system partition")
}

type Found<'a> = Result<&'a Volume, &'static str>;

fn uefi(medium: &'static str, volume: Found<'_>, description: &MediumDescription) -> BootPath {
    let volume = match volume {
        Ok(volume) => volume,
        Err(reason) => return path("uefi", medium, None, reason),
    };
    let file = volume
        .files()
        .iter()
        .find(|file| file.path.eq_ignore_ascii_case(REMOVABLE_LOADER));
    let Some(file) = file else {
        return path(
            "uefi",
            medium,
            None,
            "the EFI partition has no EFI/BOOT/BOOTX64.EFI",
        );
    };
    let offset = file.extents.first().map_or(0, |extent| extent.offset);
    let loader = description.loaders.iter().find(|l| l.offset == offset);
    let Some(loader) = loader else {
        return path(
            "uefi",
            medium,
            None,
            "EFI/BOOT/BOOTX64.EFI is no EFI program",
        );
    };
    let (secure, reason) = secure_boot(loader, description);
    BootPath {
        firmware: "uefi",
        medium,
        starts: Some(file.path.clone()),
        secure_boot: Some(secure),
        reason,
    }
}

/// Judged by the names in the signatures; the signatures themselves are the firmware's to check.
fn secure_boot(loader: &LoaderDescription, description: &MediumDescription) -> (bool, String) {
    let Some(first) = loader.signers.first() else {
        return (false, format!("{} is not signed", loader.path));
    };
    if !loader.signers.iter().any(|name| name.contains("Microsoft")) {
        let reason = format!("signed by {first}: only where that key is enrolled");
        return (false, reason);
    }
    let is_shim = loader.sbat.iter().any(|entry| entry.starts_with("shim,"));
    if !is_shim || loader.is_uki {
        return (true, format!("{} is signed by Microsoft", loader.path));
    }
    let grub = description.loaders.iter().find(|other| {
        let name = other.path.rsplit('/').next().unwrap_or_default();
        name.eq_ignore_ascii_case("grubx64.efi")
    });
    let unsigned = grub
        .filter(|grub| grub.signers.is_empty())
        .map(|grub| &grub.path)
        .or_else(|| {
            let kernels = description.kernels.iter();
            kernels
                .map(|k| (&k.path, &k.signers))
                .find(|(_, s)| s.is_empty())
                .map(|(p, _)| p)
        });
    match unsigned {
        Some(path) => (
            false,
            format!("shim is signed by Microsoft, but {path} is not signed"),
        ),
        None => {
            let signer = grub.and_then(|grub| grub.signers.first());
            let signer = signer.map_or(String::new(), |name| format!("; what it starts by {name}"));
            (true, format!("shim is signed by Microsoft{signer}"))
        }
    }
}

fn path(
    firmware: &'static str,
    medium: &'static str,
    starts: Option<String>,
    reason: &str,
) -> BootPath {
    BootPath {
        firmware,
        medium,
        starts,
        secure_boot: None,
        reason: reason.to_owned(),
    }
}
