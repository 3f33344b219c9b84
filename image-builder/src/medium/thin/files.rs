//! Thin boot without a disk of its own: files for a FAT stick, and for loaders of Linux kernels.

use super::{Program, ThinBoot};
use crate::error::PlanError;
use crate::medium::BundleFile;

/// Where firmware looks on a removable medium.
pub(super) const LOADER: &str = "EFI/BOOT/BOOTX64.EFI";
/// Where iPXE looks for its script since 2023.
pub(super) const BESIDE_LOADER: &str = "EFI/BOOT/autoexec.ipxe";
/// Where it looked before.
pub(super) const AUTOEXEC: &str = "autoexec.ipxe";

/// Name of the explanation in both sets of files.
pub const README: &str = "README.txt";

const LKRN: &str = "ipxe.lkrn";
const SCRIPT: &str = "farm.ipxe";

/// Files to copy on any FAT stick or EFI partition.
///
/// # Errors
/// [`PlanError`].
pub fn efi_files(efi: &Program, boot: &ThinBoot) -> Result<Vec<BundleFile>, PlanError> {
    let script = boot.script(&[&efi.capabilities])?;
    Ok(vec![
        BundleFile::content(LOADER, &efi.content)?,
        BundleFile::bytes(BESIDE_LOADER, script.as_bytes())?,
        BundleFile::bytes(README, include_bytes!("readme-efi.txt"))?,
        BundleFile::bytes(AUTOEXEC, script.as_bytes())?,
    ])
}

/// `ipxe.lkrn` and the script, with entries for the loaders that start Linux kernels.
///
/// # Errors
/// [`PlanError`].
pub fn krn_files(lkrn: &Program, boot: &ThinBoot) -> Result<Vec<BundleFile>, PlanError> {
    let script = boot.script(&[&lkrn.capabilities])?;
    Ok(vec![
        BundleFile::bytes(README, include_bytes!("readme-krn.txt"))?,
        BundleFile::bytes(SCRIPT, script.as_bytes())?,
        BundleFile::bytes("grub.cfg", GRUB.as_bytes())?,
        BundleFile::content(LKRN, &lkrn.content)?,
        BundleFile::bytes("syslinux.cfg", SYSLINUX.as_bytes())?,
    ])
}

/// For ISOLINUX, PXELINUX and SYSLINUX alike: names are relative to what they loaded their own
/// configuration from.
const SYSLINUX: &str = "\
# isolinux/isolinux.cfg on a CD, pxelinux.cfg/default on a TFTP server, syslinux.cfg on a stick.\n\
DEFAULT farm\n\
LABEL farm\n  LINUX ipxe.lkrn\n  INITRD farm.ipxe\n";

/// GRUB for BIOS: iPXE takes the machine over in real mode.
const GRUB: &str = "\
# GRUB for BIOS (grub-pc). Put both files beside the kernels, or change the paths.\n\
menuentry \"farm (fetched over the network)\" {\n  \
linux16 /boot/ipxe.lkrn\n  initrd16 /boot/farm.ipxe\n}\n";
