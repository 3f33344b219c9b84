//! The universal medium: one file that is the ISO, the stick and the disk, with the payload stored
//! once. ISOLINUX serves BIOS; UEFI starts signed shim and GRUB (stock flavour) or a unified kernel
//! image (uki flavour), whose sections ISOLINUX reads through the ISO 9660 tree.
//!
//! ```text
//! 0        MBR, GPT                          32704  locator of the region table
//! 32768    ISO 9660 descriptors, catalog, path tables, directories
//! 65536+   isolinux.bin, ldlinux.c32, isolinux.cfg, region table, defaults area
//! 1 MiB    GPT entry 2: EFI partition (FAT); its files are also the files of the ISO tree
//! end      GPT entry 1: FARMCFG (FAT12, below 2 MiB), then the backup GPT
//! ```

use sha2::{Digest, Sha256};

use super::disk::{Assembly, Disk, ESP_OFFSET, Farmcfg};
use super::gap::{BiosLoaders, Gap, GapParts};
use super::loader_config::{self, Entries, LoaderConfig};
use super::region_contents::RegionContents;
use super::serial::SerialConsole;
use super::uki::{self, UkiBoot, UkiFacts};
use super::volumes::{Body, TreeFile};
use crate::content::Content;
use crate::error::PlanError;
use crate::formats::el_torito::UefiSectorCount;
use crate::formats::fat::FatKind;
use crate::formats::guid::Guid;
use crate::formats::timestamp::Timestamp;
use crate::payload::uki::Uki;
use crate::regions::{self, Flavour, PayloadFacts, PayloadKind, RegionTable, Span};
use crate::rope::Layout;

/// Part of every identifier: raise it whenever the same input gives a different medium.
pub const RECIPE_REVISION: u32 = 4;

/// Firmware that takes the 16-bit El Torito sector count literally still sees this much.
const LOADERS_LIMIT: u64 = 8 << 20;

/// Path of the kernel.
pub const KERNEL_PATH: &str = "BOOT/VMLINUZ";
/// Path of the config region's file.
pub const CONFIG_PATH: &str = "BOOT/CONFIG.IMG";

/// What UEFI starts.
#[derive(Debug, Clone)]
pub enum UefiBoot {
    /// Shim and GRUB of [`Loaders`].
    Stock,
    /// A unified kernel image; shim and GRUB are left out.
    Uki(UkiBoot),
}

impl UefiBoot {
    /// The name of it.
    pub(super) const fn flavour(&self) -> Flavour {
        match self {
            Self::Stock => Flavour::Stock,
            Self::Uki(boot) if boot.signer.is_some() => Flavour::UkiSigned,
            Self::Uki(_) => Flavour::Uki,
        }
    }
}

/// Boot loaders.
#[derive(Debug, Clone)]
pub struct Loaders {
    /// ISOLINUX, for BIOS.
    pub bios: BiosLoaders,
    /// Signed shim; becomes `EFI/BOOT/BOOTX64.EFI`.
    pub shim: Content,
    /// Signed GRUB that reads `grub.cfg` from `grub_directory`.
    pub grub: Content,
    /// Signed MokManager.
    pub mok_manager: Option<Content>,
    /// Directory GRUB was built to look into, upper case: `EFI/DEBIAN` for Debian's `grubx64`.
    pub grub_directory: String,
}

/// One initramfs archive; the loaders concatenate them in order.
#[derive(Debug, Clone)]
pub struct InitramfsFile {
    /// 8.3 name in `BOOT/`, upper case, such as `BASE.IMG`.
    pub name: String,
    /// The archive, compressed or not.
    pub content: Content,
}

/// Everything a universal medium is made of.
#[derive(Debug, Clone)]
pub struct UniversalMedium {
    /// Shown by the boot menus: ASCII letters, digits, blanks and `._()+-`.
    pub title: String,
    /// Serial console of loaders and kernel; `None`: the first port at 115200 baud for the loaders,
    /// and for farm-node's kernel too.
    pub serial: Option<SerialConsole>,
    /// Loaders.
    pub loaders: Loaders,
    /// What UEFI starts.
    pub uefi: UefiBoot,
    /// The kernel, signed as the loaders demand.
    pub kernel: Content,
    /// Initramfs archives before the config region, which is always the last one. None for Zero-OS,
    /// whose kernel has its own inside.
    pub initramfs: Vec<InitramfsFile>,
    /// What to record of kernel and node; the system decides the menu's entries and which regions
    /// there are.
    pub payload: PayloadFacts,
    /// This farm's kernel arguments, separated by blanks.
    pub kernel_arguments: String,
    /// This farm's config as an uncompressed newc cpio of at most 64 KiB; unused by Zero-OS.
    pub config: Vec<u8>,
    /// `farm.toml` for FARMCFG, at most 4 KiB; unused by Zero-OS.
    pub farm_toml: String,
    /// Time of everything on the medium: the payload's, or SOURCE_DATE_EPOCH.
    pub timestamp: Timestamp,
    /// How large the UEFI boot entry claims to be.
    pub uefi_sector_count: UefiSectorCount,
}

/// A file of the EFI partition and where it lies in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedFile {
    /// Path from the root of the partition.
    pub path: String,
    /// Where its bytes lie.
    pub span: Span,
}

/// A planned medium.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The image.
    pub layout: Layout,
    /// What may be rewritten in place.
    pub regions: RegionTable,
    /// The medium's identity: derived from payload, loaders and recipe, not from the farm.
    pub disk_guid: Guid,
    /// The EFI partition.
    pub esp: Span,
    /// Its FAT variant.
    pub esp_kind: FatKind,
    /// FARMCFG.
    pub farmcfg: Span,
    /// The files of the EFI partition.
    pub files: Vec<PlacedFile>,
    /// The unified kernel image; `None` for the stock flavour.
    pub uki: Option<UkiFacts>,
}

/// The UEFI half of a medium, before it has a place.
struct UefiHalf {
    /// Files of the EFI partition.
    files: Vec<TreeFile>,
    /// The text with the kernel arguments and the disk GUID.
    arguments: LoaderConfig,
    uki: Option<Uki>,
}

impl UniversalMedium {
    /// Plans the medium. Of the payload nothing is read but for the digests of a unified kernel
    /// image.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn plan(&self) -> Result<Plan, PlanError> {
        check_text("title", &self.title)?;
        let disk_guid = self.disk_guid();
        let contents = RegionContents::encode(self)?;
        let uefi = self.uefi_half(disk_guid, &contents)?;
        let isolinux_cfg = self.isolinux_config(disk_guid, &contents);

        let settings = contents.get(regions::FARM_TOML);
        let farmcfg = Farmcfg {
            farm_toml: settings,
            readme: match settings {
                Some(_) => include_str!("farmcfg-readme.txt"),
                None => include_str!("farmcfg-zero-os.txt"),
            },
        };
        let disk = Disk::place(disk_guid, self.timestamp, &uefi.files, &farmcfg)?;
        let files = &disk.esp.files;
        if uefi.uki.is_none() {
            check_loaders(files)?;
        }

        let (iso_files, config_at, arguments_at) = match &uefi.uki {
            None => (
                files.clone(),
                settings.map(|_| placed(files, CONFIG_PATH)),
                placed(files, &self.grub_cfg_path()).offset,
            ),
            Some(made) => (
                uki::iso_files(made, files),
                settings.map(|_| uki::config_span(files)),
                uki::uki_span(files).offset + made.command_line.offset,
            ),
        };
        let parts = GapParts {
            loaders: &self.loaders.bios,
            timestamp: self.timestamp,
            uefi_sector_count: self.uefi_sector_count,
        };
        let cfg_bytes = isolinux_cfg.text.len();
        let gap = Gap::place(parts, ESP_OFFSET, &iso_files, cfg_bytes, &contents)?;
        let mut guid_texts = vec![(gap.isolinux_cfg, isolinux_cfg.guid_at)];
        // Nothing of what is signed can be rewritten.
        if contents.flavour != Flavour::UkiSigned {
            guid_texts.push((arguments_at, uefi.arguments.guid_at));
        }
        let guid_texts = guid_texts
            .into_iter()
            .filter_map(|(file, at)| at.map(|at| file + at as u64));
        let spans = contents.named.iter().filter_map(|(name, bytes)| {
            let offset = match *name {
                regions::CONFIG => return config_at,
                regions::FARM_TOML => return Some(disk.farmcfg.files[0].span),
                regions::KARGS_BIOS => gap.isolinux_cfg + isolinux_cfg.arguments_at as u64,
                _ => arguments_at + uefi.arguments.arguments_at as u64,
            };
            Some(Span {
                offset,
                length: bytes.len() as u64,
            })
        });
        let uki = uefi.uki.as_ref().map(|made| UkiFacts {
            pcr11: made.pcr11,
            authenticode_sha256: made.authenticode_sha256,
            signed_by: made.signed_by,
            span: uki::uki_span(files),
        });
        let assembly = Assembly {
            spans: spans.collect(),
            gap,
            contents: &contents,
            guid_texts: guid_texts.collect(),
            isolinux_cfg: &isolinux_cfg,
            iso_files: &iso_files,
            esp_files: &uefi.files,
            payload: &self.payload,
        };
        Ok(Plan {
            uki,
            ..disk.assemble(&assembly)?
        })
    }

    fn uefi_half(&self, guid: Guid, contents: &RegionContents) -> Result<UefiHalf, PlanError> {
        match &self.uefi {
            UefiBoot::Stock => {
                let arguments = self.grub_config(guid, contents);
                Ok(UefiHalf {
                    files: self.stock_files(&arguments.text, contents),
                    arguments,
                    uki: None,
                })
            }
            UefiBoot::Uki(boot) => {
                let arguments = boot.command_line(self, guid, contents)?;
                let made = boot.assemble(self, &arguments)?;
                Ok(UefiHalf {
                    files: boot.esp_files(&made, contents),
                    arguments,
                    uki: Some(made),
                })
            }
        }
    }

    /// Identity of the medium: everything but what belongs to one farm.
    fn disk_guid(&self) -> Guid {
        let mut hasher = Sha256::new();
        let mut part = |name: &str, digest: &[u8]| {
            hasher.update((name.len() as u64).to_le_bytes());
            hasher.update(name);
            hasher.update((digest.len() as u64).to_le_bytes());
            hasher.update(digest);
        };
        part("recipe", &RECIPE_REVISION.to_le_bytes());
        part("title", self.title.as_bytes());
        part("payload", self.payload.kind.name().as_bytes());
        if let Some(serial) = self.serial {
            part("serial", serial.to_string().as_bytes());
        }
        part("timestamp", &self.timestamp.0.to_le_bytes());
        part("uefi sector count", &[self.uefi_sector_count as u8]);
        let Loaders {
            bios,
            shim,
            grub,
            mok_manager,
            grub_directory,
        } = &self.loaders;
        for (name, digest) in bios.identity() {
            part(name, &digest);
        }
        match &self.uefi {
            UefiBoot::Stock => {
                part("shim", shim.sha256());
                part("grub", grub.sha256());
                if let Some(mok_manager) = mok_manager {
                    part("mok manager", mok_manager.sha256());
                }
                part("grub directory", grub_directory.as_bytes());
            }
            UefiBoot::Uki(boot) => {
                for (name, digest) in boot.identity() {
                    part(name, &digest);
                }
                // Signed arguments are the same for every farm of this image.
                if boot.signer.is_some() {
                    part("arguments", self.kernel_arguments.as_bytes());
                }
            }
        }
        part("kernel", self.kernel.sha256());
        for file in &self.initramfs {
            part(&file.name, file.content.sha256());
        }
        // Named for its own sake: it follows from the archives in all but tests.
        part("node version", self.payload.node_version.as_bytes());
        Guid::derive("universal medium", &hasher.finalize())
    }

    fn grub_cfg_path(&self) -> String {
        format!("{}/GRUB.CFG", self.loaders.grub_directory)
    }

    /// As the loaders of both kinds of firmware find it, for a unified kernel image BIOS alone.
    fn initramfs_paths(&self) -> Vec<String> {
        if matches!(self.uefi, UefiBoot::Uki(_)) {
            return [uki::INITRAMFS_PATH, CONFIG_PATH].map(str::to_owned).into();
        }
        self.initramfs
            .iter()
            .map(|file| format!("BOOT/{}", file.name))
            .chain((self.payload.kind == PayloadKind::FarmNode).then(|| CONFIG_PATH.to_owned()))
            .collect()
    }

    fn grub_config(&self, guid: Guid, contents: &RegionContents) -> LoaderConfig {
        let initramfs = self.initramfs_paths();
        let arguments = contents.get(regions::KARGS_UEFI).unwrap_or_default();
        loader_config::grub(&self.entries(guid, &initramfs), arguments)
    }

    fn isolinux_config(&self, guid: Guid, contents: &RegionContents) -> LoaderConfig {
        let initramfs = self.initramfs_paths();
        let arguments = contents.get(regions::KARGS_BIOS).unwrap_or_default();
        loader_config::isolinux(&self.entries(guid, &initramfs), arguments)
    }

    pub(super) fn entries<'a>(&'a self, disk_guid: Guid, initramfs: &'a [String]) -> Entries<'a> {
        Entries {
            title: &self.title,
            payload: self.payload.kind,
            serial: self.serial,
            has_isolinux_menu: self.loaders.bios.menu.is_some(),
            kernel: KERNEL_PATH,
            initramfs,
            disk_guid,
        }
    }

    /// Files of the EFI partition: loaders first, within reach of every firmware.
    fn stock_files(&self, grub_cfg: &[u8], contents: &RegionContents) -> Vec<TreeFile> {
        let file = |path: &str, content: &Content| TreeFile {
            path: path.to_owned(),
            body: Body::Content(content.clone()),
        };
        let mut files = vec![
            file("EFI/BOOT/BOOTX64.EFI", &self.loaders.shim),
            file("EFI/BOOT/GRUBX64.EFI", &self.loaders.grub),
        ];
        if let Some(mok_manager) = &self.loaders.mok_manager {
            files.push(file("EFI/BOOT/MMX64.EFI", mok_manager));
        }
        files.push(file(&self.grub_cfg_path(), &Content::bytes(grub_cfg)));
        if let Some(config) = contents.get(regions::CONFIG) {
            files.push(file(CONFIG_PATH, &Content::bytes(config)));
        }
        files.push(file(KERNEL_PATH, &self.kernel));
        files.extend(
            self.initramfs
                .iter()
                .map(|f| file(&format!("BOOT/{}", f.name), &f.content)),
        );
        files
    }
}

/// What firmware and shim load must lie within reach.
fn check_loaders(files: &[PlacedFile]) -> Result<(), PlanError> {
    let loaders = files.iter().filter(|file| file.path.starts_with("EFI/"));
    let end = loaders
        .map(|file| file.span.offset + file.span.length)
        .max()
        .unwrap_or(0);
    let end = end.saturating_sub(ESP_OFFSET);
    if end > LOADERS_LIMIT {
        return Err(PlanError::LoadersTooLarge {
            end,
            limit: LOADERS_LIMIT,
        });
    }
    Ok(())
}

/// Where a file that is always there lies.
pub(super) fn placed(files: &[PlacedFile], path: &str) -> Span {
    #[expect(
        clippy::expect_used,
        reason = "asked only for paths that the flavour always has"
    )]
    files
        .iter()
        .find(|file| file.path == path)
        .expect("file was placed")
        .span
}

/// Texts that both loaders show as they are.
pub(super) fn check_text(what: &'static str, value: &str) -> Result<(), PlanError> {
    let good = |c: char| c.is_ascii_alphanumeric() || " ._()+-".contains(c);
    if value.is_empty() || value.len() > 60 || !value.chars().all(good) {
        return Err(PlanError::Text {
            what,
            value: value.to_owned(),
        });
    }
    Ok(())
}
