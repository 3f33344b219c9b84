//! What a boot server serves: kernel, initramfs archives, UEFI and BIOS loaders, their
//! configurations, and settings for DHCP servers to start from. A directory, or its tar archive.
//!
//! Anyone on the network can fetch every file: the config archive holds what the image of the farm
//! holds (README.txt warns of an enrolment token), and neither an identity nor `farm.toml` is ever added.

mod texts;

pub use texts::CALLER_ARGUMENTS;

use node_config::Layer;

use super::initramfs;
use super::serial::SerialConsole;
use super::universal::{InitramfsFile, check_text};
use crate::content::Content;
use crate::error::PlanError;
use crate::regions::{decode_kargs, encode_kargs_bios};
use crate::rope::{Layout, LayoutBuilder};

/// Name of the kernel.
pub const KERNEL: &str = "vmlinuz";
/// Name of the farm's settings: an uncompressed cpio archive, the last initramfs file.
pub const CONFIG: &str = "config.cpio";
/// Name of the list of digests.
pub const CHECKSUMS: &str = "SHA256SUMS";
/// Name of the list of inputs and digests.
pub const MANIFEST: &str = "manifest.json";
/// Name of the list of packages.
pub const SBOM: &str = "sbom.spdx.json";

/// Loaders for UEFI, signed.
#[derive(Debug, Clone)]
pub struct UefiLoaders {
    /// shim, which firmware loads.
    pub shim: Content,
    /// GRUB built for the network, which shim loads; it reads `/grub/grub.cfg`.
    pub grub: Content,
    /// MokManager.
    pub mok_manager: Option<Content>,
}

/// PXELINUX, for BIOS.
#[derive(Debug, Clone)]
pub struct Pxelinux {
    /// `lpxelinux.0`, which also loads over HTTP.
    pub loader: Content,
    /// `ldlinux.c32` of the same version.
    pub ldlinux: Content,
}

/// Everything a bundle is made of.
#[derive(Debug, Clone)]
pub struct PxeBundle {
    /// Shown by the boot menus: ASCII letters, digits, blanks and `._()+-`.
    pub title: String,
    /// UEFI loaders.
    pub uefi: UefiLoaders,
    /// BIOS loader; without it BIOS machines boot through iPXE.
    pub bios: Option<Pxelinux>,
    /// The whole payload as one EFI program, for machines that load one over HTTP.
    pub uki: Option<Layout>,
    /// The kernel.
    pub kernel: Content,
    /// Initramfs archives before the config.
    pub initramfs: Vec<InitramfsFile>,
    /// The farm's settings as an uncompressed newc cpio archive.
    pub config: Vec<u8>,
    /// The farm's kernel arguments, separated by blanks.
    pub kernel_arguments: String,
    /// The serial console of loaders and kernel, beside the screen.
    pub serial: SerialConsole,
}

/// One file of a bundle.
#[derive(Debug, Clone)]
pub struct BundleFile {
    /// Path below the bundle, with `/`.
    pub path: String,
    /// Its bytes.
    pub layout: Layout,
}

impl BundleFile {
    /// A file of bytes in memory.
    ///
    /// # Errors
    /// None in practice: the bytes are all there.
    pub fn bytes(path: &str, bytes: &[u8]) -> Result<Self, PlanError> {
        let mut builder = LayoutBuilder::new();
        builder.place_bytes(0, bytes);
        Ok(Self {
            path: path.to_owned(),
            layout: builder.finish(bytes.len() as u64)?,
        })
    }

    pub(super) fn content(path: &str, content: &Content) -> Result<Self, PlanError> {
        let mut builder = LayoutBuilder::new();
        builder.place(0, content.length(), content.source().clone());
        Ok(Self {
            path: path.to_owned(),
            layout: builder.finish(content.length())?,
        })
    }
}

impl PxeBundle {
    /// Whether the settings hold an enrolment token.
    fn has_token(&self) -> bool {
        let settings = crate::customize::read_settings(&self.config).ok().flatten();
        let layer = settings.and_then(|toml| Layer::from_toml(&toml, "settings").ok());
        layer.is_some_and(|layer| layer.enrolment_token.is_some())
    }

    /// The files, sorted by path. Manifest and digests are for the caller to add: they describe the
    /// others.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn files(&self) -> Result<Vec<BundleFile>, PlanError> {
        check_text("title", &self.title)?;
        // The same rules as on a medium, and the same normal form.
        let arguments = decode_kargs(&encode_kargs_bios(&self.kernel_arguments)?)?;
        let names: Vec<String> = self.initramfs.iter().map(file_name).collect();
        let texts = texts::Texts {
            title: &self.title,
            initramfs: &names,
            arguments: &arguments,
            serial: self.serial,
            pxelinux: self.bios.is_some(),
            has_token: self.has_token(),
            uki: self.uki.is_some(),
        };
        let mut files = vec![
            BundleFile::content(KERNEL, &self.kernel)?,
            BundleFile::content("shimx64.efi", &self.uefi.shim)?,
            BundleFile::content("grubx64.efi", &self.uefi.grub)?,
            BundleFile::bytes("grub/grub.cfg", texts.grub().as_bytes())?,
            BundleFile::bytes("boot.ipxe", texts.ipxe()?.as_bytes())?,
            BundleFile::bytes("dhcp/dnsmasq.conf", texts.dnsmasq().as_bytes())?,
            BundleFile::bytes("dhcp/kea-dhcp4.conf", texts.kea().as_bytes())?,
            BundleFile::bytes("README.txt", texts.readme().as_bytes())?,
        ];
        for (archive, name) in self.initramfs.iter().zip(&names) {
            files.push(BundleFile {
                path: name.clone(),
                layout: initramfs::padded(&archive.content)?,
            });
        }
        files.push(BundleFile {
            path: CONFIG.to_owned(),
            layout: initramfs::padded(&Content::bytes(&self.config[..]))?,
        });
        if let Some(mok_manager) = &self.uefi.mok_manager {
            files.push(BundleFile::content("mmx64.efi", mok_manager)?);
        }
        if let Some(uki) = &self.uki {
            files.push(BundleFile {
                path: texts::UKI.to_owned(),
                layout: uki.clone(),
            });
        }
        if let Some(bios) = &self.bios {
            files.push(BundleFile::content("lpxelinux.0", &bios.loader)?);
            files.push(BundleFile::content("ldlinux.c32", &bios.ldlinux)?);
            let text = texts.pxelinux_cfg();
            files.push(BundleFile::bytes("pxelinux.cfg/default", text.as_bytes())?);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }
}

fn file_name(archive: &InitramfsFile) -> String {
    archive.name.to_lowercase()
}
