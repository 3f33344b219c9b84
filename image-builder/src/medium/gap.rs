//! What lies below 1 MiB: boot sector, partition table, locator, ISO 9660 tree, BIOS loader, region
//! table and defaults area.

use std::sync::Arc;

use node_config::medium::{LOCATOR_OFFSET, Locator};

use super::areas::AreaList;
use super::loader_config::LoaderConfig;
use super::region_contents::{RegionContents, RenderedRegions};
use super::universal::PlacedFile;
use super::volumes::{format_error, place_content};
use crate::content::{Content, Sha256Digest, sha256};
use crate::error::PlanError;
use crate::formats::el_torito;
use crate::formats::el_torito::UefiSectorCount;
use crate::formats::fat;
use crate::formats::gpt::serial;
use crate::formats::guid::Guid;
use crate::formats::iso9660::{self, BLOCK_BYTES, CATALOG_BLOCK, Location, PVD_BLOCK};
use crate::formats::mbr::{HybridBoot, protective_mbr};
use crate::formats::timestamp::Timestamp;
use crate::formats::{SECTOR_BYTES, align_up};
use crate::regions::Span;
use crate::rope::{Layout, LayoutBuilder};

/// Where the files begin at the earliest.
const FILES_OFFSET: u64 = 64 * 1024;
/// What of the boot sector is code; behind it are the signature and the partition entries.
const BOOT_SECTOR_CODE_BYTES: usize = 440;
/// Room kept for the region table.
const TABLE_ROOM: u64 = 8192;

const ISOLINUX_BIN: &str = "ISOLINUX/ISOLINUX.BIN";
const LDLINUX: &str = "ISOLINUX/LDLINUX.C32";
const ISOLINUX_CFG: &str = "ISOLINUX/ISOLINUX.CFG";

/// ISOLINUX, of one version.
#[derive(Debug, Clone)]
pub struct BiosLoaders {
    /// `isohdpfx.bin`: MBR code, 432 bytes.
    pub isohdpfx: Arc<[u8]>,
    /// `isolinux.bin`, unpatched.
    pub isolinux: Arc<[u8]>,
    /// `ldlinux.c32`.
    pub ldlinux: Content,
    /// Menu; without it a line of text says which entries there are.
    pub menu: Option<IsolinuxMenu>,
}

/// The text menu of ISOLINUX and the libraries it needs.
#[derive(Debug, Clone)]
pub struct IsolinuxMenu {
    /// `menu.c32`
    pub menu: Content,
    /// `libcom32.c32`
    pub libcom32: Content,
    /// `libutil.c32`
    pub libutil: Content,
}

impl BiosLoaders {
    /// Digests that stand for all of them.
    pub(super) fn identity(&self) -> Vec<(&'static str, Sha256Digest)> {
        let mut parts = vec![
            ("isohdpfx", sha256(&self.isohdpfx)),
            ("isolinux", sha256(&self.isolinux)),
            ("ldlinux", *self.ldlinux.sha256()),
        ];
        if let Some(menu) = &self.menu {
            parts.push(("menu", *menu.menu.sha256()));
            parts.push(("libcom32", *menu.libcom32.sha256()));
            parts.push(("libutil", *menu.libutil.sha256()));
        }
        parts
    }

    /// What ISOLINUX loads by itself, with its path.
    fn modules(&self) -> Vec<(&'static str, &Content)> {
        let mut modules = vec![(LDLINUX, &self.ldlinux)];
        if let Some(menu) = &self.menu {
            modules.push(("ISOLINUX/MENU.C32", &menu.menu));
            modules.push(("ISOLINUX/LIBCOM32.C32", &menu.libcom32));
            modules.push(("ISOLINUX/LIBUTIL.C32", &menu.libutil));
        }
        modules
    }
}

/// What is put into the gap.
#[derive(Clone, Copy)]
pub(super) struct GapParts<'a> {
    pub loaders: &'a BiosLoaders,
    pub timestamp: Timestamp,
    pub uefi_sector_count: UefiSectorCount,
}

/// Byte offsets of what lies between the ISO 9660 metadata and the end of the gap.
pub(super) struct Gap<'a> {
    parts: GapParts<'a>,
    tree: iso9660::Tree,
    /// Length of the gap.
    length: u64,
    isolinux_bin: u64,
    /// Modules of ISOLINUX, in the order of [`BiosLoaders::modules`].
    modules: Vec<u64>,
    pub isolinux_cfg: u64,
    table: u64,
    pub defaults: Span,
}

/// What the rest of the medium looks like.
pub(super) struct Surroundings<'a> {
    pub disk_guid: Guid,
    pub total: u64,
    pub esp: Span,
    /// Files of the EFI partition, shown in the ISO 9660 tree too.
    pub files: &'a [PlacedFile],
}

/// What is known before the region table: structures that are the same for every farm.
pub(super) struct Fixed {
    mbr: [u8; SECTOR_BYTES as usize],
    iso: Vec<u8>,
    isolinux: Vec<u8>,
}

impl<'a> Gap<'a> {
    /// Decides where things go in the first `length` bytes.
    pub(super) fn place(
        parts: GapParts<'a>,
        length: u64,
        files: &[PlacedFile],
        isolinux_cfg_bytes: usize,
        contents: &RegionContents,
    ) -> Result<Self, PlanError> {
        let modules = parts.loaders.modules();
        let paths: Vec<String> = [ISOLINUX_BIN, ISOLINUX_CFG]
            .into_iter()
            .chain(modules.iter().map(|(path, _)| *path))
            .map(str::to_owned)
            .chain(files.iter().map(|file| file.path.clone()))
            .collect();
        let tree = iso9660::Tree::new(&paths).map_err(format_error("ISO 9660 tree"))?;
        let iso_end = u64::from(PVD_BLOCK) * BLOCK_BYTES + tree.metadata_bytes();
        let mut next = iso_end.max(FILES_OFFSET);
        let mut take = |bytes: u64, unit: u64| {
            let at = align_up(next, unit);
            next = at + bytes;
            at
        };
        let gap = Self {
            parts,
            tree,
            length,
            isolinux_bin: take(parts.loaders.isolinux.len() as u64, BLOCK_BYTES),
            modules: modules
                .iter()
                .map(|(_, content)| take(content.length(), BLOCK_BYTES))
                .collect(),
            isolinux_cfg: take(isolinux_cfg_bytes as u64, BLOCK_BYTES),
            table: take(TABLE_ROOM, fat::ALIGN_BYTES),
            defaults: Span {
                offset: take(contents.defaults_bytes(), fat::ALIGN_BYTES),
                length: contents.defaults_bytes(),
            },
        };
        if next > length {
            return Err(PlanError::GapTooSmall {
                needed: next,
                limit: length,
            });
        }
        Ok(gap)
    }

    /// Renders what does not depend on the region table.
    pub(super) fn fixed(
        &self,
        around: &Surroundings<'_>,
        isolinux_cfg: &LoaderConfig,
    ) -> Result<Fixed, PlanError> {
        let loaders = self.parts.loaders;
        let boot = HybridBoot {
            code: &loaders.isohdpfx,
            isolinux_offset: self.isolinux_bin,
        };
        let mbr = protective_mbr(around.total, serial(around.disk_guid, "mbr"), boot)
            .map_err(format_error("boot sector"))?;
        let mut isolinux = loaders.isolinux.to_vec();
        el_torito::patch_boot_info(&mut isolinux, self.isolinux_bin, PVD_BLOCK)
            .map_err(format_error("BIOS loader"))?;
        let iso = self.iso(around, isolinux_cfg.text.len())?;
        Ok(Fixed { mbr, iso, isolinux })
    }

    /// Digests of what never changes in the gap.
    pub(super) fn record(&self, fixed: &Fixed, cfg: &LoaderConfig, areas: &mut AreaList<'_>) {
        areas.bytes("MBR boot code", 0, &fixed.mbr[..BOOT_SECTOR_CODE_BYTES]);
        let iso_offset = u64::from(PVD_BLOCK) * BLOCK_BYTES;
        areas.bytes("ISO 9660 metadata", iso_offset, &fixed.iso);
        areas.bytes(ISOLINUX_BIN, self.isolinux_bin, &fixed.isolinux);
        for ((path, content), offset) in self.parts.loaders.modules().into_iter().zip(&self.modules)
        {
            areas.content(path, *offset, content);
        }
        areas.bytes(ISOLINUX_CFG, self.isolinux_cfg, &cfg.text);
    }

    /// The gap as a layout of its own; `partition_table` is the primary one, for byte 512.
    pub(super) fn render(
        &self,
        fixed: Fixed,
        partition_table: Vec<u8>,
        isolinux_cfg: &LoaderConfig,
        regions: RenderedRegions,
    ) -> Result<Layout, PlanError> {
        let locator = Locator {
            disk_guid: regions.table.disk_guid.0,
            table_offset: self.table,
            table_length: regions.json.len() as u32,
        };
        if regions.json.len() as u64 > TABLE_ROOM {
            return Err(PlanError::GapTooSmall {
                needed: self.table + regions.json.len() as u64,
                limit: self.table + TABLE_ROOM,
            });
        }
        let mut builder = LayoutBuilder::new();
        builder.place_bytes(0, fixed.mbr);
        builder.place_bytes(SECTOR_BYTES, partition_table);
        builder.place_bytes(LOCATOR_OFFSET, locator.encode());
        builder.place_bytes(u64::from(PVD_BLOCK) * BLOCK_BYTES, fixed.iso);
        builder.place_bytes(self.isolinux_bin, fixed.isolinux);
        for ((_, content), offset) in self.parts.loaders.modules().into_iter().zip(&self.modules) {
            place_content(&mut builder, *offset, content);
        }
        builder.place_bytes(self.isolinux_cfg, &isolinux_cfg.text[..]);
        builder.place_bytes(self.table, regions.json);
        builder.place_bytes(self.defaults.offset, regions.defaults);
        Ok(builder.finish(self.length)?)
    }

    /// ISO 9660 metadata, for block 16.
    fn iso(&self, around: &Surroundings<'_>, cfg_bytes: usize) -> Result<Vec<u8>, PlanError> {
        let loaders = self.parts.loaders;
        let modules = self.parts.loaders.modules();
        let modules = self.modules.iter().zip(&modules);
        let locations: Vec<Location> = [
            (self.isolinux_bin, loaders.isolinux.len() as u64),
            (self.isolinux_cfg, cfg_bytes as u64),
        ]
        .into_iter()
        .chain(modules.map(|(offset, (_, content))| (*offset, content.length())))
        .chain(around.files.iter().map(|f| (f.span.offset, f.span.length)))
        .map(|(offset, length)| Location { offset, length })
        .collect();
        let short_id = &around.disk_guid.to_string()[..8].to_uppercase();
        let spec = iso9660::VolumeSpec {
            volume_id: format!("FARM_{short_id}"),
            application_id: "FARM NODE BOOT MEDIUM".to_owned(),
            timestamp: self.parts.timestamp,
            total_bytes: around.total,
        };
        let catalog = el_torito::catalog(
            self.isolinux_bin,
            around.esp.offset,
            around.esp.length,
            self.parts.uefi_sector_count,
        );
        let record = el_torito::boot_record(u64::from(CATALOG_BLOCK) * BLOCK_BYTES);
        self.tree
            .render(&spec, &record, &catalog, &locations)
            .map_err(format_error("ISO 9660 tree"))
    }
}
