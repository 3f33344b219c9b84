//! The rewritable parts of a medium as they are built: padded contents, the table that lists them and
//! the area they can be reset from.

use super::universal::{UefiBoot, UniversalMedium};
use crate::content::sha256;
use crate::error::PlanError;
use crate::formats::SECTOR_BYTES;
use crate::formats::guid::Guid;
use crate::regions::{self, Flavour, Region, RegionRecord, RegionTable, Span, TableRecord};

/// Padded region contents.
pub(super) struct RegionContents {
    pub config: Vec<u8>,
    pub kargs_bios: Vec<u8>,
    /// Region name and content; a signed unified kernel image has none.
    pub kargs_uefi: Option<(&'static str, Vec<u8>)>,
    pub farm_toml: Vec<u8>,
}

/// What the region contents become on the medium.
pub(super) struct RenderedRegions {
    pub table: RegionTable,
    pub json: Vec<u8>,
    pub defaults: Vec<u8>,
}

impl RegionContents {
    pub(super) fn encode(medium: &UniversalMedium) -> Result<Self, PlanError> {
        Ok(Self {
            config: regions::encode_config(&medium.config)?,
            kargs_bios: regions::encode_kargs_bios(&medium.kernel_arguments)?,
            kargs_uefi: match &medium.uefi {
                UefiBoot::Stock => Some((
                    regions::KARGS_UEFI,
                    regions::encode_kargs_uefi(&medium.kernel_arguments)?,
                )),
                UefiBoot::Uki(uki) if uki.signer.is_none() => Some((
                    regions::KARGS_UKI,
                    regions::encode_kargs_uki(&medium.kernel_arguments)?,
                )),
                UefiBoot::Uki(_) => None,
            },
            farm_toml: regions::encode_farm_toml(&medium.farm_toml)?,
        })
    }

    fn named(&self) -> Vec<(&'static str, &[u8])> {
        let mut named = vec![
            (regions::CONFIG, &self.config[..]),
            (regions::KARGS_BIOS, &self.kargs_bios),
        ];
        if let Some((name, bytes)) = &self.kargs_uefi {
            named.push((name, bytes));
        }
        named.push((regions::FARM_TOML, &self.farm_toml));
        named
    }

    /// Length of the UEFI kernel-argument region; 0 without one.
    pub(super) fn kargs_uefi_bytes(&self) -> u64 {
        let region = self.kargs_uefi.as_ref();
        region.map_or(0, |(_, bytes)| bytes.len() as u64)
    }

    /// One block of digests, then the contents.
    pub(super) fn defaults_bytes(&self) -> u64 {
        let contents: u64 = self
            .named()
            .iter()
            .map(|(_, bytes)| bytes.len() as u64)
            .sum();
        SECTOR_BYTES + contents
    }

    /// Table, its JSON form and the defaults area; `spans` in the order of [`Self::named`].
    pub(super) fn render(
        &self,
        disk_guid: Guid,
        total: u64,
        flavour: Flavour,
        spans: &[Span],
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
        let mut record = TableRecord::new(total, defaults, guid_texts.clone(), records);
        record.flavour = flavour;
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
                flavour,
                regions: table_regions,
                defaults,
                guid_texts,
            },
            json,
            defaults: digests,
        }
    }
}
