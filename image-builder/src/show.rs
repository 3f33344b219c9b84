//! What is in a medium: partitions, boot entries, kernel arguments, regions and the farm it belongs
//! to. Reads images of any origin; what is missing is left out rather than reported as an error.

use std::io::{self, Read, Seek, SeekFrom};

use node_config::{FarmId, Layer};
use serde::{Serialize, Serializer};

use crate::error::{RegionError, ShowError};
use crate::formats::SECTOR_BYTES;
use crate::formats::gpt::{ENTRY_BYTES, ENTRY_COUNT};
use crate::formats::guid::Guid;
use crate::formats::iso9660::{BLOCK_BYTES, PVD_BLOCK};
use crate::payload::cpio;
use crate::regions::{self, Flavour, RegionTable, Span};

/// Path of the settings inside the `config` region's cpio archive.
pub const CONFIG_FILE: &str = "etc/farmer/node.toml";

/// Description of a medium.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MediumDescription {
    /// GUID of the disk, when there is a GPT.
    #[serde(serialize_with = "optional_text")]
    pub disk_guid: Option<Guid>,
    /// Partitions of the GPT.
    pub partitions: Vec<PartitionDescription>,
    /// ISO 9660 volume identifier.
    pub volume_id: Option<String>,
    /// El Torito boot entries.
    pub boot_entries: Vec<BootEntry>,
    /// How it starts on UEFI; `None` for a medium that is not ours.
    pub flavour: Option<Flavour>,
    /// The regions that can be rewritten; `None` for a medium that is not ours.
    pub regions: Option<Vec<RegionDescription>>,
    /// This farm's kernel arguments, when BIOS and UEFI agree on them.
    pub kernel_arguments: Option<String>,
    /// The settings in the image, as TOML.
    pub config_toml: Option<String>,
    /// The farm those settings name.
    pub farm_id: Option<FarmId>,
}

/// A partition.
#[derive(Debug, Clone, Serialize)]
pub struct PartitionDescription {
    /// Number, from 1.
    pub number: usize,
    /// Kind.
    #[serde(serialize_with = "text")]
    pub type_guid: Guid,
    /// Identity.
    #[serde(serialize_with = "text")]
    pub guid: Guid,
    /// Name, as stored: untrusted text.
    pub name: String,
    /// Where it lies, in bytes.
    pub span: Span,
}

/// An entry of the El Torito boot catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BootEntry {
    /// Platform: 0 BIOS, 239 UEFI.
    pub platform: u8,
    /// First byte of the boot image.
    pub offset: u64,
    /// 512-byte sectors to load; 0 or 1 on UEFI mean "to the end".
    pub sectors: u16,
}

/// A region and whether it still holds what it was built with.
#[derive(Debug, Clone, Serialize)]
pub struct RegionDescription {
    /// Name.
    pub name: String,
    /// Where it lies, in bytes.
    pub span: Span,
    /// Whether the content was changed after the build.
    pub customised: bool,
}

/// Describes the medium.
///
/// # Errors
/// [`ShowError::Read`] when it cannot be read, [`ShowError::Regions`] when it is ours but its region
/// table is damaged.
pub fn describe<R: Read + Seek>(reader: &mut R) -> Result<MediumDescription, ShowError> {
    let mut description = MediumDescription::default();
    partition_table(reader, &mut description)?;
    iso(reader, &mut description)?;
    if let Some(table) = regions::find_on(reader)? {
        our_regions(reader, &table, &mut description)?;
    }
    Ok(description)
}

fn partition_table<R: Read + Seek>(
    reader: &mut R,
    description: &mut MediumDescription,
) -> Result<(), ShowError> {
    let Some(header) = read(reader, SECTOR_BYTES, SECTOR_BYTES as usize)? else {
        return Ok(());
    };
    if !header.starts_with(b"EFI PART") {
        return Ok(());
    }
    description.disk_guid = Some(Guid(bytes16(&header, 56)));
    let entries_at = u64_at(&header, 72).saturating_mul(SECTOR_BYTES);
    let count = (u32_at(&header, 80) as usize).min(ENTRY_COUNT);
    let size = (u32_at(&header, 84) as usize).clamp(ENTRY_BYTES, 4096);
    let Some(entries) = read(reader, entries_at, count * size)? else {
        return Ok(());
    };
    for (index, entry) in entries.chunks_exact(size).enumerate() {
        let type_guid = Guid(bytes16(entry, 0));
        if type_guid.0 == [0; 16] {
            continue;
        }
        let (first, last) = (u64_at(entry, 32), u64_at(entry, 40));
        let units = entry[56..128]
            .chunks_exact(2)
            .map(|c| u16::from_le_bytes([c[0], c[1]]));
        let name: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        description.partitions.push(PartitionDescription {
            number: index + 1,
            type_guid,
            guid: Guid(bytes16(entry, 16)),
            name: String::from_utf16_lossy(&name),
            span: Span {
                offset: first.saturating_mul(SECTOR_BYTES),
                length: last
                    .saturating_sub(first)
                    .saturating_add(1)
                    .saturating_mul(SECTOR_BYTES),
            },
        });
    }
    Ok(())
}

fn iso<R: Read + Seek>(
    reader: &mut R,
    description: &mut MediumDescription,
) -> Result<(), ShowError> {
    let block = BLOCK_BYTES as usize;
    let pvd_at = u64::from(PVD_BLOCK) * BLOCK_BYTES;
    let Some(pvd) = read(reader, pvd_at, 2 * block)? else {
        return Ok(());
    };
    if !pvd.starts_with(b"\x01CD001") {
        return Ok(());
    }
    let label = String::from_utf8_lossy(&pvd[40..72]);
    description.volume_id = Some(label.trim_end_matches([' ', '\0']).to_owned());
    let record = &pvd[block..];
    if !record.starts_with(b"\x00CD001\x01EL TORITO SPECIFICATION") {
        return Ok(());
    }
    let catalog_at = u64::from(u32_at(record, 71)) * BLOCK_BYTES;
    let Some(catalog) = read(reader, catalog_at, block)? else {
        return Ok(());
    };
    if catalog[0] != 1 || catalog[30..32] != [0x55, 0xAA] {
        return Ok(());
    }
    let mut platform = catalog[1];
    for entry in catalog.chunks_exact(32).skip(1) {
        match entry[0] {
            0x90 | 0x91 => platform = entry[1],
            0x88 => description.boot_entries.push(BootEntry {
                platform,
                offset: u64::from(u32_at(entry, 8)) * BLOCK_BYTES,
                sectors: u16::from_le_bytes([entry[6], entry[7]]),
            }),
            _ => break,
        }
    }
    Ok(())
}

fn our_regions<R: Read + Seek>(
    reader: &mut R,
    table: &RegionTable,
    description: &mut MediumDescription,
) -> Result<(), ShowError> {
    let mut described = Vec::with_capacity(table.regions.len());
    let mut arguments = Vec::new();
    for region in &table.regions {
        let Some(bytes) = read(reader, region.span.offset, region.span.length as usize)? else {
            let reason = format!("region {:?} lies beyond the end", region.name);
            return Err(RegionError::Table { reason }.into());
        };
        match region.name.as_str() {
            regions::KARGS_BIOS | regions::KARGS_UEFI | regions::KARGS_UKI => {
                arguments.push(regions::decode_kargs(&bytes)?);
            }
            regions::CONFIG => {
                let toml = cpio_text(&bytes, CONFIG_FILE);
                let layer = toml
                    .as_deref()
                    .map(|toml| Layer::from_toml(toml, CONFIG_FILE));
                description.farm_id = layer.and_then(Result::ok).and_then(|layer| layer.farm_id);
                description.config_toml = toml;
            }
            _ => {}
        }
        described.push(RegionDescription {
            name: region.name.clone(),
            span: region.span,
            customised: crate::content::sha256(&bytes) != region.default_sha256,
        });
    }
    if let Some(first) = arguments.first()
        && arguments.iter().all(|other| other == first)
    {
        description.kernel_arguments = Some(first.clone());
    }
    description.flavour = Some(table.flavour);
    description.regions = Some(described);
    Ok(())
}

/// Longest region that is read into memory.
const MOST_BYTES: usize = 16 << 20;

/// `None` when the medium ends before.
fn read<R: Read + Seek>(
    reader: &mut R,
    offset: u64,
    length: usize,
) -> Result<Option<Vec<u8>>, ShowError> {
    if length > MOST_BYTES {
        return Ok(None);
    }
    let mut buf = vec![0; length];
    match reader
        .seek(SeekFrom::Start(offset))
        .and_then(|_| reader.read_exact(&mut buf))
    {
        Ok(()) => Ok(Some(buf)),
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput
            ) =>
        {
            Ok(None)
        }
        Err(source) => Err(ShowError::Read { offset, source }),
    }
}

/// The text of one file of an archive; the kernel takes the last copy, so this does too.
fn cpio_text(archive: &[u8], path: &str) -> Option<String> {
    let entries = cpio::read(archive).ok()?;
    let file = entries
        .iter()
        .rev()
        .find(|entry| entry.is_file() && entry.path.trim_start_matches(['.', '/']) == path)?;
    String::from_utf8(file.content.to_vec()).ok()
}

fn bytes16(bytes: &[u8], at: usize) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&bytes[at..at + 16]);
    out
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn text<S: Serializer>(guid: &Guid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(guid)
}

fn optional_text<S: Serializer>(guid: &Option<Guid>, serializer: S) -> Result<S::Ok, S::Error> {
    match guid {
        Some(guid) => text(guid, serializer),
        None => serializer.serialize_none(),
    }
}
