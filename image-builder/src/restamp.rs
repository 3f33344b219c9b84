//! A disk GUID of its own for every stick: two sticks of one image in one machine must not be taken
//! for each other. Everything that holds the GUID changes together: locator, both partition tables,
//! the partitions' own GUIDs, the disk signature, the texts in the loaders' configurations.

use std::io::{Read, Seek};

use node_config::medium::{LOCATOR_LEN, LOCATOR_OFFSET, Locator};
use thiserror::Error;

use crate::error::{LayoutError, RegionError, ShowError};
use crate::formats::gpt::{ENTRY_BYTES, serial};
use crate::formats::guid::Guid;
use crate::formats::{SECTOR_BYTES, put};
use crate::inspect::{Probe, gpt};
use crate::regions;
use crate::rope::Layout;

/// A medium that cannot be given another GUID.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RestampError {
    /// It has no region table.
    #[error("this is not one of our images: it has no table of regions")]
    NotOurs,
    /// Something that holds the GUID is damaged, so that changing it could hide the damage.
    #[error("the {0} is damaged")]
    Damaged(&'static str),
    /// The region table is damaged.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// The medium cannot be read.
    #[error(transparent)]
    Read(#[from] ShowError),
    /// The changes do not fit the medium.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// The same medium with another disk GUID; partition GUIDs derive from it as those of the image do
/// from its own.
///
/// # Errors
/// [`RestampError`].
pub fn restamp(layout: &Layout, disk_guid: Guid) -> Result<Layout, RestampError> {
    let patches = patches(&mut layout.reader(), disk_guid)?;
    Ok(layout.patched(patches)?)
}

/// What has to be written where for another disk GUID: offsets in the medium and bytes.
///
/// # Errors
/// [`RestampError`].
pub fn patches<R: Read + Seek>(
    reader: &mut R,
    disk_guid: Guid,
) -> Result<Vec<(u64, Vec<u8>)>, RestampError> {
    let table = regions::find_on(reader)?.ok_or(RestampError::NotOurs)?;
    let mut probe = Probe::new(reader)?;
    let mut patches = Vec::new();
    let old_text = table.disk_guid.to_string();
    for offset in &table.guid_texts {
        let found = probe.bytes(*offset, old_text.len() as u64)?;
        if found.as_deref() != Some(old_text.as_bytes()) {
            return Err(RestampError::Damaged(
                "disk GUID in a loader's configuration",
            ));
        }
        patches.push((*offset, disk_guid.to_string().into_bytes()));
    }

    let mut raw = [0; LOCATOR_LEN];
    probe.fill(LOCATOR_OFFSET, &mut raw)?;
    let locator = Locator::decode(&raw).ok_or(RestampError::Damaged("locator"))?;
    let locator = Locator {
        disk_guid: disk_guid.0,
        ..locator
    };
    patches.push((LOCATOR_OFFSET, locator.encode().to_vec()));
    // Windows tells disks apart by it.
    patches.push((440, serial(disk_guid, "mbr").to_le_bytes().to_vec()));

    let primary = gpt::read(&mut probe, SECTOR_BYTES)?;
    let primary = primary.ok_or(RestampError::Damaged("partition table"))?;
    let backup_at = primary.other_lba.saturating_mul(SECTOR_BYTES);
    let backup = gpt::read(&mut probe, backup_at)?;
    let backup = backup.ok_or(RestampError::Damaged("backup partition table"))?;
    for copy in [primary, backup] {
        if !copy.header_is_sound || !copy.entries_are_sound {
            return Err(RestampError::Damaged("partition table"));
        }
        stamp(copy, disk_guid, &mut patches);
    }
    Ok(patches)
}

/// One copy of the partition table.
fn stamp(mut copy: gpt::GptCopy, disk_guid: Guid, patches: &mut Vec<(u64, Vec<u8>)>) {
    for partition in &copy.partitions {
        let guid = Guid::derive(&partition.name, &disk_guid.0);
        let at = (partition.number - 1) * ENTRY_BYTES + 16;
        if let Some(place) = copy.entries.get_mut(at..at + 16) {
            place.copy_from_slice(&guid.0);
        }
    }
    put(&mut copy.header, 56, &disk_guid.0);
    let entries_crc = crc32fast::hash(&copy.entries);
    put(&mut copy.header, 88, &entries_crc.to_le_bytes());
    put(&mut copy.header, 16, &[0; 4]);
    // A sound header is 92 to 512 bytes long.
    let length = crate::inspect::u32_at(&copy.header, 12) as usize;
    let header_crc = crc32fast::hash(&copy.header[..length]);
    put(&mut copy.header, 16, &header_crc.to_le_bytes());
    patches.push((copy.entries_span.offset, copy.entries));
    patches.push((copy.offset, copy.header));
}
