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

use std::sync::Arc;

use node_config::medium::FARMCFG_LABEL;
use sha2::{Digest, Sha256};

use super::gap::{Gap, Surroundings};
use super::loader_config::{self, Entries, LoaderConfig};
use super::region_contents::RegionContents;
use super::uki::{self, UkiBoot, UkiFacts};
use super::volumes::{Body, Place, TreeFile, place_layout, place_zeroed};
use crate::content::{Content, sha256};
use crate::error::PlanError;
use crate::formats::el_torito::UefiSectorCount;
use crate::formats::fat::{self, FatKind};
use crate::formats::gpt::{self, Partition, TYPE_BASIC_DATA, TYPE_ESP};
use crate::formats::guid::Guid;
use crate::formats::timestamp::Timestamp;
use crate::payload::uki::Uki;
use crate::regions::{Flavour, RegionTable, Span};
use crate::rope::{Layout, LayoutBuilder, Source};

/// Part of every identifier: raise it whenever the same input gives a different medium.
pub const RECIPE_REVISION: u32 = 1;

/// Partitions begin and end on multiples of this.
const MIB: u64 = 1 << 20;
/// Where the EFI partition begins; BIOS reads everything it needs before the payload below it.
const ESP_OFFSET: u64 = MIB;
/// Firmware that takes the 16-bit El Torito sector count literally still sees this much.
const LOADERS_LIMIT: u64 = 8 * MIB;
/// Room for FARMCFG and, behind it, the backup GPT.
const TAIL_BYTES: u64 = 2 * MIB;
/// Length of FARMCFG.
const FARMCFG_BYTES: u64 =
    TAIL_BYTES - gpt::BACKUP_BYTES.div_ceil(fat::ALIGN_BYTES) * fat::ALIGN_BYTES;

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

/// Boot loaders.
#[derive(Debug, Clone)]
pub struct Loaders {
    /// `isohdpfx.bin`: MBR code, 432 bytes.
    pub isohdpfx: Arc<[u8]>,
    /// `isolinux.bin`, unpatched.
    pub isolinux: Arc<[u8]>,
    /// `ldlinux.c32` of the same ISOLINUX.
    pub ldlinux: Content,
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
    /// Loaders.
    pub loaders: Loaders,
    /// What UEFI starts.
    pub uefi: UefiBoot,
    /// The kernel, signed as the loaders demand.
    pub kernel: Content,
    /// Initramfs archives before the config region, which is always the last one.
    pub initramfs: Vec<InitramfsFile>,
    /// This farm's kernel arguments, separated by blanks.
    pub kernel_arguments: String,
    /// This farm's config as an uncompressed newc cpio of at most 64 KiB.
    pub config: Vec<u8>,
    /// `farm.toml` for FARMCFG, at most 4 KiB.
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
    flavour: Flavour,
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

        let place = |offset| Place {
            disk_guid,
            timestamp: self.timestamp,
            offset,
        };
        let esp = place(ESP_OFFSET).esp(&uefi.files, MIB)?;
        if uefi.uki.is_none() {
            check_loaders(&esp.files)?;
        }
        let esp_end = esp.span.offset + esp.span.length;
        let farmcfg = place(esp_end).farmcfg(FARMCFG_BYTES, &contents)?;
        let total = esp_end + TAIL_BYTES;
        let table = partition_table(disk_guid, total, esp.span, farmcfg.span).render();

        let cfg_bytes = isolinux_cfg.text.len();
        let (iso_files, config, arguments_at) = match &uefi.uki {
            None => (
                esp.files.clone(),
                placed(&esp.files, CONFIG_PATH),
                placed(&esp.files, &self.grub_cfg_path()).offset,
            ),
            Some(made) => (
                uki::iso_files(made, &esp.files),
                uki::config_span(&esp.files),
                uki::uki_span(&esp.files).offset + made.command_line.offset,
            ),
        };
        let gap = Gap::place(self, ESP_OFFSET, &iso_files, cfg_bytes, &contents)?;
        let mut spans = vec![
            config,
            Span {
                offset: gap.isolinux_cfg + isolinux_cfg.arguments_at as u64,
                length: contents.kargs_bios.len() as u64,
            },
        ];
        let mut guid_texts = vec![gap.isolinux_cfg + isolinux_cfg.guid_at as u64];
        // Nothing of what is signed can be rewritten.
        if uefi.flavour != Flavour::UkiSigned {
            spans.push(Span {
                offset: arguments_at + uefi.arguments.arguments_at as u64,
                length: contents.kargs_uefi_bytes(),
            });
            guid_texts.push(arguments_at + uefi.arguments.guid_at as u64);
        }
        spans.push(farmcfg.files[0].span);
        let rendered = contents.render(
            disk_guid,
            total,
            uefi.flavour,
            &spans,
            gap.defaults,
            guid_texts,
        );
        let regions = rendered.table.clone();
        let around = Surroundings {
            disk_guid,
            total,
            esp: esp.span,
            files: &iso_files,
            partition_table: table.primary,
        };
        let gap = gap.render(around, &isolinux_cfg, rendered)?;

        let mut builder = LayoutBuilder::new();
        // Zero rather than skipped: signatures of an older file system on a stick (swap, btrfs,
        // LVM, ext4 keep theirs in the first MiB) must not survive, nor what FARMCFG held.
        place_zeroed(&mut builder, 0, &gap);
        place_layout(&mut builder, esp.span.offset, &esp.layout);
        place_zeroed(&mut builder, farmcfg.span.offset, &farmcfg.layout);
        let farmcfg_end = farmcfg.span.offset + farmcfg.span.length;
        let backup_at = total - gpt::BACKUP_BYTES;
        builder.place(farmcfg_end, backup_at - farmcfg_end, Source::Zero);
        builder.place_bytes(backup_at, table.backup);

        Ok(Plan {
            layout: builder.finish(total)?,
            regions,
            disk_guid,
            esp: esp.span,
            esp_kind: esp.kind,
            farmcfg: farmcfg.span,
            uki: uefi.uki.map(|made| UkiFacts {
                pcr11: made.pcr11,
                authenticode_sha256: made.authenticode_sha256,
                signed_by: made.signed_by,
                span: uki::uki_span(&esp.files),
            }),
            files: esp.files,
        })
    }

    fn uefi_half(&self, guid: Guid, contents: &RegionContents) -> Result<UefiHalf, PlanError> {
        match &self.uefi {
            UefiBoot::Stock => {
                let arguments = self.grub_config(guid, contents);
                Ok(UefiHalf {
                    flavour: Flavour::Stock,
                    files: self.stock_files(&arguments.text, contents),
                    arguments,
                    uki: None,
                })
            }
            UefiBoot::Uki(boot) => {
                let arguments = boot.command_line(self, guid, contents)?;
                let made = boot.assemble(self, &arguments)?;
                Ok(UefiHalf {
                    flavour: match &boot.signer {
                        Some(_) => Flavour::UkiSigned,
                        None => Flavour::Uki,
                    },
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
        part("timestamp", &self.timestamp.0.to_le_bytes());
        part("uefi sector count", &[self.uefi_sector_count as u8]);
        let Loaders {
            isohdpfx,
            isolinux,
            ldlinux,
            shim,
            grub,
            mok_manager,
            grub_directory,
        } = &self.loaders;
        part("isohdpfx", &sha256(isohdpfx));
        part("isolinux", &sha256(isolinux));
        part("ldlinux", ldlinux.sha256());
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
            .chain([CONFIG_PATH.to_owned()])
            .collect()
    }

    fn grub_config(&self, guid: Guid, contents: &RegionContents) -> LoaderConfig {
        let initramfs = self.initramfs_paths();
        let arguments = contents.kargs_uefi.as_ref();
        let arguments = arguments.map_or(&[][..], |(_, bytes)| bytes);
        loader_config::grub(&self.entries(guid, &initramfs), arguments)
    }

    fn isolinux_config(&self, guid: Guid, contents: &RegionContents) -> LoaderConfig {
        let initramfs = self.initramfs_paths();
        loader_config::isolinux(&self.entries(guid, &initramfs), &contents.kargs_bios)
    }

    fn entries<'a>(&'a self, disk_guid: Guid, initramfs: &'a [String]) -> Entries<'a> {
        Entries {
            title: &self.title,
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
        files.push(file(CONFIG_PATH, &Content::bytes(&contents.config[..])));
        files.push(file(KERNEL_PATH, &self.kernel));
        files.extend(
            self.initramfs
                .iter()
                .map(|f| file(&format!("BOOT/{}", f.name), &f.content)),
        );
        files
    }
}

fn partition_table(disk_guid: Guid, total: u64, esp: Span, farmcfg: Span) -> gpt::Table {
    // FARMCFG is entry 1: some desktops show only the first partition of a stick.
    let partition = |type_guid, name, span: Span| Partition {
        type_guid,
        guid: Guid::derive(name, &disk_guid.0),
        offset: span.offset,
        length: span.length,
        name,
    };
    gpt::Table {
        disk_guid,
        total_bytes: total,
        first_usable: ESP_OFFSET,
        partitions: vec![
            partition(TYPE_BASIC_DATA, FARMCFG_LABEL, farmcfg),
            partition(TYPE_ESP, "EFI System", esp),
        ],
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
fn check_text(what: &'static str, value: &str) -> Result<(), PlanError> {
    let good = |c: char| c.is_ascii_alphanumeric() || " ._()+-".contains(c);
    if value.is_empty() || value.len() > 60 || !value.chars().all(good) {
        return Err(PlanError::Text {
            what,
            value: value.to_owned(),
        });
    }
    Ok(())
}
