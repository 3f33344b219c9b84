//! The universal medium: one file that is the ISO, the stick and the disk, with the payload stored
//! once. Stock flavour: signed shim and GRUB for UEFI, ISOLINUX for BIOS.
//!
//! ```text
//! 0        MBR, GPT                          32704  locator of the region table
//! 32768    ISO 9660 descriptors, catalog, path tables, directories
//! 65536+   isolinux.bin, ldlinux.c32, isolinux.cfg, region table, defaults area
//! 1 MiB    GPT entry 2: EFI partition (FAT); its files are also the files of the ISO tree
//! end      GPT entry 1: FARMCFG (FAT12, below 2 MiB), then the backup GPT
//! ```

use std::sync::Arc;

use node_config::medium::{FARMCFG_LABEL, LOCATOR_OFFSET, Locator};
use sha2::{Digest, Sha256};

use super::loader_config::{self, Entries};
use crate::content::{Content, sha256};
use crate::error::{FormatError, PlanError};
use crate::formats::el_torito::{self, UefiSectorCount};
use crate::formats::fat::{self, FatFile, FatKind, VolumeSize, VolumeSpec};
use crate::formats::gpt::{self, Partition, TYPE_BASIC_DATA, TYPE_ESP};
use crate::formats::guid::Guid;
use crate::formats::iso9660::{self, BLOCK_BYTES, CATALOG_BLOCK, Location, PVD_BLOCK};
use crate::formats::mbr::{HybridBoot, protective_mbr};
use crate::formats::timestamp::Timestamp;
use crate::formats::{SECTOR_BYTES, align_up};
use crate::regions::{self, Region, RegionRecord, RegionTable, Span, TableRecord};
use crate::rope::{Layout, LayoutBuilder, Source};

/// Part of every identifier: raise it whenever the same input gives a different medium.
pub const RECIPE_REVISION: u32 = 1;

/// Partitions begin and end on multiples of this.
const MIB: u64 = 1 << 20;
/// Where the EFI partition begins; BIOS reads everything it needs before the payload below it.
const ESP_OFFSET: u64 = MIB;
/// Where the files in the gap begin at the earliest.
const GAP_FILES_OFFSET: u64 = 64 * 1024;
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
const ISOLINUX_BIN: &str = "ISOLINUX/ISOLINUX.BIN";
const LDLINUX: &str = "ISOLINUX/LDLINUX.C32";
const ISOLINUX_CFG: &str = "ISOLINUX/ISOLINUX.CFG";

/// Boot loaders of the stock flavour.
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
}

impl UniversalMedium {
    /// Plans the medium. Pure: reads no file.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn plan(&self) -> Result<Plan, PlanError> {
        check_text("title", &self.title)?;
        let disk_guid = self.disk_guid();
        let contents = RegionContents::encode(self)?;
        let grub_cfg = self.grub_config(disk_guid, &contents);
        let isolinux_cfg = self.isolinux_config(disk_guid, &contents);

        // EFI partition.
        let esp_files = self.esp_files(&grub_cfg.text, &contents);
        let esp_volume = fat::plan(
            &VolumeSpec {
                label: "FARMBOOT".to_owned(),
                serial: serial(disk_guid, "esp volume"),
                disk_offset: ESP_OFFSET,
                timestamp: self.timestamp,
                size: VolumeSize::SmallestMultipleOf(MIB),
            },
            &fat_files(&esp_files),
        )
        .map_err(format_error("EFI partition"))?;
        let esp = Span {
            offset: ESP_OFFSET,
            length: esp_volume.length,
        };
        let files: Vec<PlacedFile> = esp_files
            .iter()
            .zip(&esp_volume.file_offsets)
            .map(|(file, offset)| PlacedFile {
                path: file.path.clone(),
                span: Span {
                    offset: ESP_OFFSET + offset,
                    length: file.content.length(),
                },
            })
            .collect();
        check_loaders(&files)?;

        // FARMCFG.
        let farmcfg = Span {
            offset: esp.offset + esp.length,
            length: FARMCFG_BYTES,
        };
        let total = farmcfg.offset + TAIL_BYTES;
        let (farmcfg_layout, farm_toml_at) = self.farmcfg(disk_guid, farmcfg, &contents)?;

        // What lies below 1 MiB.
        let iso_paths: Vec<String> = [ISOLINUX_BIN, LDLINUX, ISOLINUX_CFG]
            .map(str::to_owned)
            .into_iter()
            .chain(files.iter().map(|file| file.path.clone()))
            .collect();
        let tree = iso9660::Tree::new(&iso_paths).map_err(format_error("ISO 9660 tree"))?;
        let gap = Gap::place(
            u64::from(PVD_BLOCK) * BLOCK_BYTES + tree.metadata_bytes(),
            &self.loaders,
            isolinux_cfg.text.len(),
            &contents,
        )?;

        let grub_cfg_at = placed(&files, &self.grub_cfg_path()).offset;
        let spans = [
            placed(&files, CONFIG_PATH),
            Span {
                offset: gap.isolinux_cfg + isolinux_cfg.arguments_at as u64,
                length: contents.kargs_bios.len() as u64,
            },
            Span {
                offset: grub_cfg_at + grub_cfg.arguments_at as u64,
                length: contents.kargs_uefi.len() as u64,
            },
            Span {
                offset: farm_toml_at,
                length: contents.farm_toml.len() as u64,
            },
        ];
        let guid_texts = vec![
            gap.isolinux_cfg + isolinux_cfg.guid_at as u64,
            grub_cfg_at + grub_cfg.guid_at as u64,
        ];
        let regions = contents.regions(disk_guid, total, &spans, gap.defaults, guid_texts);

        let mut builder = LayoutBuilder::new();
        let mut gap_extents = LayoutBuilder::new();

        let boot = HybridBoot {
            code: &self.loaders.isohdpfx,
            isolinux_offset: gap.isolinux_bin,
        };
        let mbr = protective_mbr(total, serial(disk_guid, "mbr"), boot)
            .map_err(format_error("boot sector"))?;
        gap_extents.place_bytes(0, mbr);

        let table = self
            .partition_table(disk_guid, total, esp, farmcfg)
            .render();
        gap_extents.place_bytes(SECTOR_BYTES, table.primary);

        let table_json = regions.json;
        let locator = Locator {
            disk_guid: disk_guid.0,
            table_offset: gap.table,
            table_length: table_json.len() as u32,
        };
        if table_json.len() as u64 > TABLE_ROOM {
            return Err(PlanError::GapTooSmall {
                needed: gap.table + table_json.len() as u64,
                limit: gap.defaults.offset,
            });
        }
        gap_extents.place_bytes(LOCATOR_OFFSET, locator.encode());

        let mut isolinux = self.loaders.isolinux.to_vec();
        el_torito::patch_boot_info(&mut isolinux, gap.isolinux_bin, PVD_BLOCK)
            .map_err(format_error("BIOS loader"))?;

        let locations: Vec<Location> = [
            Location {
                offset: gap.isolinux_bin,
                length: isolinux.len() as u64,
            },
            Location {
                offset: gap.ldlinux,
                length: self.loaders.ldlinux.length(),
            },
            Location {
                offset: gap.isolinux_cfg,
                length: isolinux_cfg.text.len() as u64,
            },
        ]
        .into_iter()
        .chain(files.iter().map(|f| Location {
            offset: f.span.offset,
            length: f.span.length,
        }))
        .collect();
        let short_id = &disk_guid.to_string()[..8].to_uppercase();
        let iso = tree
            .render(
                &iso9660::VolumeSpec {
                    volume_id: format!("FARM_{short_id}"),
                    application_id: "FARM NODE BOOT MEDIUM".to_owned(),
                    timestamp: self.timestamp,
                    total_bytes: total,
                },
                &el_torito::boot_record(u64::from(CATALOG_BLOCK) * BLOCK_BYTES),
                &el_torito::catalog(
                    gap.isolinux_bin,
                    esp.offset,
                    esp.length,
                    self.uefi_sector_count,
                ),
                &locations,
            )
            .map_err(format_error("ISO 9660 tree"))?;
        gap_extents.place_bytes(u64::from(PVD_BLOCK) * BLOCK_BYTES, iso);
        gap_extents.place_bytes(gap.isolinux_bin, isolinux);
        place_content(&mut gap_extents, gap.ldlinux, &self.loaders.ldlinux);
        gap_extents.place_bytes(gap.isolinux_cfg, isolinux_cfg.text);
        gap_extents.place_bytes(gap.table, table_json);
        gap_extents.place_bytes(gap.defaults.offset, regions.defaults);
        // Zero rather than skipped: signatures of an older file system on a stick (swap, btrfs,
        // LVM, ext4 keep theirs in the first MiB) must not survive.
        place_zeroed(&mut builder, 0, &gap_extents.finish(ESP_OFFSET)?);

        for extent in esp_volume.metadata {
            builder.place(ESP_OFFSET + extent.offset, extent.length, extent.source);
        }
        for (file, placed) in esp_files.iter().zip(&files) {
            place_content(&mut builder, placed.span.offset, &file.content);
        }

        place_zeroed(&mut builder, farmcfg.offset, &farmcfg_layout);
        let backup_at = total - gpt::BACKUP_BYTES;
        let farmcfg_end = farmcfg.offset + farmcfg.length;
        builder.place(farmcfg_end, backup_at - farmcfg_end, Source::Zero);
        builder.place_bytes(backup_at, table.backup);

        Ok(Plan {
            layout: builder.finish(total)?,
            regions: regions.table,
            disk_guid,
            esp,
            esp_kind: esp_volume.kind,
            farmcfg,
            files,
        })
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
        part("shim", shim.sha256());
        part("grub", grub.sha256());
        if let Some(mok_manager) = mok_manager {
            part("mok manager", mok_manager.sha256());
        }
        part("grub directory", grub_directory.as_bytes());
        part("kernel", self.kernel.sha256());
        for file in &self.initramfs {
            part(&file.name, file.content.sha256());
        }
        Guid::derive("universal medium", &hasher.finalize())
    }

    fn grub_cfg_path(&self) -> String {
        format!("{}/GRUB.CFG", self.loaders.grub_directory)
    }

    fn initramfs_paths(&self) -> Vec<String> {
        self.initramfs
            .iter()
            .map(|file| format!("BOOT/{}", file.name))
            .chain([CONFIG_PATH.to_owned()])
            .collect()
    }

    fn grub_config(&self, guid: Guid, contents: &RegionContents) -> loader_config::LoaderConfig {
        let initramfs = self.initramfs_paths();
        loader_config::grub(&self.entries(guid, &initramfs), &contents.kargs_uefi)
    }

    fn isolinux_config(
        &self,
        guid: Guid,
        contents: &RegionContents,
    ) -> loader_config::LoaderConfig {
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
    fn esp_files(&self, grub_cfg: &[u8], contents: &RegionContents) -> Vec<TreeFile> {
        let file = |path: &str, content: &Content| TreeFile {
            path: path.to_owned(),
            content: content.clone(),
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

    /// FARMCFG as a layout of its own, and where `farm.toml` begins in the image.
    fn farmcfg(
        &self,
        disk_guid: Guid,
        span: Span,
        contents: &RegionContents,
    ) -> Result<(Layout, u64), PlanError> {
        let readme = include_str!("farmcfg-readme.txt").replace('\n', "\r\n");
        let files = [
            TreeFile {
                path: "farm.toml".to_owned(),
                content: Content::bytes(&contents.farm_toml[..]),
            },
            TreeFile {
                path: "README.TXT".to_owned(),
                content: Content::bytes(readme.as_bytes()),
            },
        ];
        let volume = fat::plan(
            &VolumeSpec {
                label: FARMCFG_LABEL.to_owned(),
                serial: serial(disk_guid, "farmcfg volume"),
                disk_offset: span.offset,
                timestamp: self.timestamp,
                size: VolumeSize::Exact(span.length),
            },
            &fat_files(&files),
        )
        .map_err(format_error("FARMCFG partition"))?;
        let mut builder = LayoutBuilder::new();
        for extent in volume.metadata {
            builder.place(extent.offset, extent.length, extent.source);
        }
        for (file, offset) in files.iter().zip(&volume.file_offsets) {
            place_content(&mut builder, *offset, &file.content);
        }
        Ok((
            builder.finish(span.length)?,
            span.offset + volume.file_offsets[0],
        ))
    }

    fn partition_table(&self, disk_guid: Guid, total: u64, esp: Span, farmcfg: Span) -> gpt::Table {
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
}

/// A file to store, by path.
struct TreeFile {
    path: String,
    content: Content,
}

fn fat_files(files: &[TreeFile]) -> Vec<FatFile> {
    files
        .iter()
        .map(|file| FatFile {
            path: file.path.clone(),
            length: file.content.length(),
        })
        .collect()
}

/// Padded region contents.
struct RegionContents {
    config: Vec<u8>,
    kargs_bios: Vec<u8>,
    kargs_uefi: Vec<u8>,
    farm_toml: Vec<u8>,
}

/// What the region contents become on the medium.
struct RenderedRegions {
    table: RegionTable,
    json: Vec<u8>,
    defaults: Vec<u8>,
}

impl RegionContents {
    fn encode(medium: &UniversalMedium) -> Result<Self, PlanError> {
        Ok(Self {
            config: regions::encode_config(&medium.config)?,
            kargs_bios: regions::encode_kargs_bios(&medium.kernel_arguments)?,
            kargs_uefi: regions::encode_kargs_uefi(&medium.kernel_arguments)?,
            farm_toml: regions::encode_farm_toml(&medium.farm_toml)?,
        })
    }

    fn named(&self) -> [(&'static str, &[u8]); 4] {
        [
            (regions::CONFIG, &self.config),
            (regions::KARGS_BIOS, &self.kargs_bios),
            (regions::KARGS_UEFI, &self.kargs_uefi),
            (regions::FARM_TOML, &self.farm_toml),
        ]
    }

    /// One block of digests, then the contents.
    fn defaults_bytes(&self) -> u64 {
        let contents: u64 = self
            .named()
            .iter()
            .map(|(_, bytes)| bytes.len() as u64)
            .sum();
        SECTOR_BYTES + contents
    }

    /// Table, its JSON form and the defaults area; `spans` in the order of [`Self::named`].
    fn regions(
        &self,
        disk_guid: Guid,
        total: u64,
        spans: &[Span; 4],
        defaults: Span,
        guid_texts: Vec<u64>,
    ) -> RenderedRegions {
        let mut digests = vec![0; SECTOR_BYTES as usize];
        let mut copies = Vec::new();
        let mut table_regions = Vec::new();
        let mut records = Vec::new();
        for (index, ((name, bytes), span)) in self.named().into_iter().zip(spans).enumerate() {
            let digest = sha256(bytes);
            digests[index * 32..][..32].copy_from_slice(&digest);
            let default_offset = defaults.offset + SECTOR_BYTES + copies.len() as u64;
            copies.extend_from_slice(bytes);
            records.push(RegionRecord {
                name: name.to_owned(),
                span: *span,
                digest_offset: defaults.offset + index as u64 * 32,
                default_offset,
            });
            table_regions.push(Region {
                name: name.to_owned(),
                span: *span,
                default_offset,
                default_sha256: digest,
            });
        }
        let record = TableRecord::new(total, defaults, guid_texts.clone(), records);
        #[expect(
            clippy::expect_used,
            reason = "plain structs of numbers and strings serialise"
        )]
        let json = serde_json::to_vec(&record).expect("region table serialises");
        digests.extend_from_slice(&copies);
        RenderedRegions {
            table: RegionTable {
                disk_guid,
                total_bytes: total,
                regions: table_regions,
                defaults,
                guid_texts,
            },
            json,
            defaults: digests,
        }
    }
}

/// Room kept for the region table.
const TABLE_ROOM: u64 = 4096;

/// Byte offsets of what lies between the ISO 9660 metadata and 1 MiB.
struct Gap {
    isolinux_bin: u64,
    ldlinux: u64,
    isolinux_cfg: u64,
    table: u64,
    defaults: Span,
}

impl Gap {
    fn place(
        iso_end: u64,
        loaders: &Loaders,
        isolinux_cfg_bytes: usize,
        contents: &RegionContents,
    ) -> Result<Self, PlanError> {
        let mut next = iso_end.max(GAP_FILES_OFFSET);
        let mut take = |bytes: u64, unit: u64| {
            let at = align_up(next, unit);
            next = at + bytes;
            at
        };
        let gap = Self {
            isolinux_bin: take(loaders.isolinux.len() as u64, BLOCK_BYTES),
            ldlinux: take(loaders.ldlinux.length(), BLOCK_BYTES),
            isolinux_cfg: take(isolinux_cfg_bytes as u64, BLOCK_BYTES),
            table: take(TABLE_ROOM, fat::ALIGN_BYTES),
            defaults: Span {
                offset: take(contents.defaults_bytes(), fat::ALIGN_BYTES),
                length: contents.defaults_bytes(),
            },
        };
        if next > ESP_OFFSET {
            return Err(PlanError::GapTooSmall {
                needed: next,
                limit: ESP_OFFSET,
            });
        }
        Ok(gap)
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
fn placed(files: &[PlacedFile], path: &str) -> Span {
    #[expect(
        clippy::expect_used,
        reason = "asked only for paths that esp_files always makes"
    )]
    files
        .iter()
        .find(|file| file.path == path)
        .expect("file was placed")
        .span
}

fn place_content(builder: &mut LayoutBuilder, offset: u64, content: &Content) {
    builder.place(offset, content.length(), content.source().clone());
}

/// Places a whole layout at `offset`, its unused parts as zeros.
fn place_zeroed(builder: &mut LayoutBuilder, offset: u64, layout: &Layout) {
    for extent in layout.extents() {
        let source = match &extent.source {
            Source::Unused => Source::Zero,
            other => other.clone(),
        };
        builder.place(offset + extent.offset, extent.length, source);
    }
}

/// A 32-bit identifier derived from the disk's.
fn serial(disk_guid: Guid, purpose: &str) -> u32 {
    let raw = Guid::derive(purpose, &disk_guid.0).0;
    u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]])
}

fn format_error(part: &'static str) -> impl Fn(FormatError) -> PlanError {
    move |source| PlanError::Format { part, source }
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
