//! The frame of every medium: a disk with the gap below 1 MiB, the EFI partition, FARMCFG at the end
//! and both partition tables.

use node_config::medium::FARMCFG_LABEL;

use super::areas::AreaList;
use super::gap::{Gap, Surroundings};
use super::loader_config::LoaderConfig;
use super::region_contents::RegionContents;
use super::universal::{PlacedFile, Plan};
use super::volumes::{Body, Place, TreeFile, Volume, place_layout, place_zeroed};
use crate::error::PlanError;
use crate::formats::fat;
use crate::formats::gpt::{self, Partition, TYPE_BASIC_DATA, TYPE_ESP};
use crate::formats::guid::Guid;
use crate::formats::timestamp::Timestamp;
use crate::regions::{FARMCFG_BOOT_SECTOR, PayloadFacts, Span};
use crate::rope::{Layout, LayoutBuilder, Source};

/// Partitions begin and end on multiples of this.
const MIB: u64 = 1 << 20;
/// Where the EFI partition begins; BIOS reads everything it needs before the payload below it.
pub(super) const ESP_OFFSET: u64 = MIB;
/// Room for FARMCFG and, behind it, the backup GPT.
const TAIL_BYTES: u64 = 2 * MIB;
/// Length of FARMCFG.
const FARMCFG_BYTES: u64 =
    TAIL_BYTES - gpt::BACKUP_BYTES.div_ceil(fat::ALIGN_BYTES) * fat::ALIGN_BYTES;

/// The two volumes in their places.
pub(super) struct Disk {
    guid: Guid,
    pub esp: Volume,
    pub farmcfg: Volume,
}

/// What is on FARMCFG.
pub(super) struct Farmcfg<'a> {
    /// `farm.toml`, for a node that reads it.
    pub farm_toml: Option<&'a [u8]>,
    pub readme: &'a str,
}

/// What a disk is put together from once all places are known.
pub(super) struct Assembly<'a> {
    pub gap: Gap<'a>,
    pub contents: &'a RegionContents,
    /// Places of the regions, in the order of `contents`.
    pub spans: Vec<Span>,
    /// Places of the disk GUID in texts.
    pub guid_texts: Vec<u64>,
    pub isolinux_cfg: &'a LoaderConfig,
    /// What the ISO 9660 tree shows of the EFI partition.
    pub iso_files: &'a [PlacedFile],
    /// What the EFI partition was made of.
    pub esp_files: &'a [TreeFile],
    pub payload: &'a PayloadFacts,
}

impl Disk {
    /// Decides where everything goes.
    pub(super) fn place(
        guid: Guid,
        timestamp: Timestamp,
        esp_files: &[TreeFile],
        farmcfg: &Farmcfg<'_>,
    ) -> Result<Self, PlanError> {
        let place = |offset| Place {
            disk_guid: guid,
            timestamp,
            offset,
        };
        let esp = place(ESP_OFFSET).esp(esp_files, MIB)?;
        let farmcfg =
            place(esp.span.end()).farmcfg(FARMCFG_BYTES, farmcfg.farm_toml, farmcfg.readme)?;
        Ok(Self { guid, esp, farmcfg })
    }

    /// Size of the image in bytes.
    pub(super) fn total(&self) -> u64 {
        self.esp.span.end() + TAIL_BYTES
    }

    fn partition_table(&self) -> gpt::Rendered {
        // FARMCFG is entry 1: some desktops show only the first partition of a stick.
        let partition = |type_guid, name, span: Span| Partition {
            type_guid,
            guid: Guid::derive(name, &self.guid.0),
            offset: span.offset,
            length: span.length,
            name,
        };
        let table = gpt::Table {
            disk_guid: self.guid,
            total_bytes: self.total(),
            first_usable: ESP_OFFSET,
            partitions: vec![
                partition(TYPE_BASIC_DATA, FARMCFG_LABEL, self.farmcfg.span),
                partition(TYPE_ESP, "EFI System", self.esp.span),
            ],
        };
        table.render()
    }

    /// Puts everything together.
    pub(super) fn assemble(self, parts: &Assembly<'_>) -> Result<Plan, PlanError> {
        let Assembly {
            gap,
            contents,
            isolinux_cfg,
            iso_files,
            esp_files,
            ..
        } = parts;
        let mut regions = contents.table(
            self.guid,
            self.total(),
            &parts.spans,
            gap.defaults,
            parts.guid_texts.clone(),
            parts.payload.clone(),
        );
        let around = Surroundings {
            disk_guid: self.guid,
            total: self.total(),
            esp: self.esp.span,
            files: iso_files,
        };
        let fixed = gap.fixed(&around, isolinux_cfg)?;
        let mut areas = AreaList::new(&regions);
        gap.record(&fixed, isolinux_cfg, &mut areas);
        let esp_at = self.esp.span.offset;
        areas.volume(
            "EFI partition metadata",
            esp_at,
            &self.esp.layout,
            &self.esp.files,
        )?;
        areas.boot_sector(
            FARMCFG_BOOT_SECTOR,
            self.farmcfg.span.offset,
            &self.farmcfg.layout,
        )?;
        for (file, placed) in esp_files.iter().zip(&self.esp.files) {
            let at = placed.span.offset;
            match &file.body {
                // A region that is a whole file never keeps its digest.
                _ if parts.spans.contains(&placed.span) => {}
                Body::Content(content) => match content.in_memory() {
                    // Regions may lie in it.
                    Some(bytes) => areas.bytes(&file.path, at, bytes),
                    None => areas.content(&file.path, at, content),
                },
                Body::Layout(layout) => areas.layout(&file.path, at, layout)?,
            }
        }
        regions.areas = areas.finish();
        let rendered = contents.render(regions.clone());
        let table = self.partition_table();
        let gap = gap.render(fixed, table.primary, isolinux_cfg, rendered)?;
        Ok(Plan {
            layout: self.layout(&gap, table.backup)?,
            regions,
            disk_guid: self.guid,
            esp: self.esp.span,
            esp_kind: self.esp.kind,
            farmcfg: self.farmcfg.span,
            uki: None,
            files: self.esp.files,
        })
    }

    /// The image: `gap` with the primary partition table inside, the volumes, the backup table.
    fn layout(&self, gap: &Layout, backup: Vec<u8>) -> Result<Layout, PlanError> {
        let mut builder = LayoutBuilder::new();
        // Zero rather than skipped: signatures of an older file system on a stick (swap, btrfs,
        // LVM, ext4 keep theirs in the first MiB) must not survive, nor what FARMCFG held.
        place_zeroed(&mut builder, 0, gap);
        place_layout(&mut builder, self.esp.span.offset, &self.esp.layout);
        place_zeroed(&mut builder, self.farmcfg.span.offset, &self.farmcfg.layout);
        let farmcfg_end = self.farmcfg.span.end();
        let backup_at = self.total() - gpt::BACKUP_BYTES;
        builder.place(farmcfg_end, backup_at - farmcfg_end, Source::Zero);
        builder.place_bytes(backup_at, backup);
        Ok(builder.finish(self.total())?)
    }
}
