//! The rewritable parts of a medium as they are built: padded contents, the table that lists them and
//! the area they can be reset from.

use super::universal::{UefiBoot, UniversalMedium};
use crate::content::sha256;
use crate::error::PlanError;
use crate::formats::SECTOR_BYTES;
use crate::formats::guid::Guid;
use crate::regions::{
    self, AreaRecord, Flavour, PayloadFacts, PayloadKind, Region, RegionRecord, RegionTable, Span,
    TableRecord,
};

/// Padded region contents, in the order of the table.
pub(super) struct RegionContents {
    pub named: Vec<(&'static str, Vec<u8>)>,
    pub flavour: Flavour,
}

/// What the region contents become on the medium.
pub(super) struct RenderedRegions {
    pub table: RegionTable,
    pub json: Vec<u8>,
    pub defaults: Vec<u8>,
}

impl RegionContents {
    pub(super) fn encode(medium: &UniversalMedium) -> Result<Self, PlanError> {
        let arguments = &medium.kernel_arguments;
        let mut named = vec![(regions::KARGS_BIOS, regions::encode_kargs_bios(arguments)?)];
        match &medium.uefi {
            UefiBoot::Stock => {
                named.push((regions::KARGS_UEFI, regions::encode_kargs_uefi(arguments)?))
            }
            UefiBoot::Uki(uki) if uki.signer.is_none() => {
                named.push((regions::KARGS_UKI, regions::encode_kargs_uki(arguments)?));
            }
            // A signed unified kernel image has none.
            UefiBoot::Uki(_) => {}
        }
        // What only farm-node reads.
        if medium.payload.kind == PayloadKind::FarmNode {
            let config = regions::encode_config(&medium.config)?;
            named.insert(0, (regions::CONFIG, config));
            let farm_toml = regions::encode_farm_toml(&medium.farm_toml)?;
            named.push((regions::FARM_TOML, farm_toml));
        }
        Ok(Self {
            named,
            flavour: medium.uefi.flavour(),
        })
    }

    /// The content of a region; `None` where the medium does not have it.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self.named.iter().find(|(known, _)| *known == name);
        found.map(|(_, bytes)| bytes.as_slice())
    }

    /// One block of digests, then the contents.
    pub(super) fn defaults_bytes(&self) -> u64 {
        let contents: u64 = self.named.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        SECTOR_BYTES + contents
    }

    /// The table without areas; `spans` in the order of the contents.
    pub(super) fn table(
        &self,
        disk_guid: Guid,
        total_bytes: u64,
        spans: &[Span],
        defaults: Span,
        guid_texts: Vec<u64>,
        payload: PayloadFacts,
    ) -> RegionTable {
        let mut default_offset = defaults.offset + SECTOR_BYTES;
        let mut regions = Vec::new();
        for ((name, bytes), span) in self.named.iter().zip(spans) {
            regions.push(Region {
                name: (*name).to_owned(),
                span: *span,
                default_offset,
                default_sha256: sha256(bytes),
            });
            default_offset += bytes.len() as u64;
        }
        RegionTable {
            disk_guid,
            total_bytes,
            flavour: self.flavour,
            regions,
            defaults,
            guid_texts,
            areas: Vec::new(),
            payload,
        }
    }

    /// The finished table's JSON form and the defaults area.
    pub(super) fn render(&self, table: RegionTable) -> RenderedRegions {
        let mut defaults = vec![0; SECTOR_BYTES as usize];
        let mut records = Vec::new();
        for (index, region) in table.regions.iter().enumerate() {
            defaults[index * 32..][..32].copy_from_slice(&region.default_sha256);
            records.push(RegionRecord {
                name: region.name.clone(),
                span: region.span,
                digest_offset: table.defaults.offset + index as u64 * 32,
                default_offset: region.default_offset,
            });
        }
        for (_, bytes) in &self.named {
            defaults.extend_from_slice(bytes);
        }
        let mut record = TableRecord::new(
            table.total_bytes,
            table.defaults,
            table.guid_texts.clone(),
            records,
        );
        record.flavour = table.flavour;
        record.payload = table.payload.clone();
        record.areas = table.areas.iter().map(AreaRecord::from).collect();
        #[expect(
            clippy::expect_used,
            reason = "plain structs of numbers and strings serialise"
        )]
        let json = serde_json::to_vec(&record).expect("region table serialises");
        let digest_at = (table.table_digest_offset() - table.defaults.offset) as usize;
        defaults[digest_at..][..32].copy_from_slice(&sha256(&json));
        RenderedRegions {
            table,
            json,
            defaults,
        }
    }
}
