//! The farmer's partition on a medium: `farm.toml` as the node will find it.

use node_config::medium::FARMCFG_LABEL;

use super::fat::{self, FatVolume};
use super::{FileEntry, Probe, gpt};
use crate::error::ShowError;
use crate::formats::SECTOR_BYTES;
use crate::regions::Region;

/// Names of the farmer's file in the order the node looks for them.
const NAMES: [&str; 2] = ["farm.toml", "farm.toml.txt"];
/// The node reads no longer file.
const MOST_TEXT_BYTES: u64 = 256 * 1024;

/// `farm.toml` on FARMCFG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FarmToml {
    /// The file.
    pub file: FileEntry,
    /// Its text; bytes that are no UTF-8 are replaced.
    pub text: String,
}

impl FarmToml {
    /// Whether the file is still exactly the region it was built as. An editor that saves a new file
    /// puts it somewhere else, and then what the region holds is nobody's.
    #[must_use]
    pub fn is_region(&self, region: &Region) -> bool {
        self.file.contiguous() == Some(region.span)
    }
}

/// FARMCFG, found by its partition's name.
///
/// # Errors
/// [`ShowError::Read`].
pub fn volume(probe: &mut Probe<'_>) -> Result<Option<FatVolume>, ShowError> {
    let Some(table) = gpt::read(probe, SECTOR_BYTES)? else {
        return Ok(None);
    };
    let Some(partition) = table.partitions.iter().find(|p| p.name == FARMCFG_LABEL) else {
        return Ok(None);
    };
    fat::read(probe, partition.span.offset)
}

/// `farm.toml` of a volume; `None` when there is none that can be read.
///
/// # Errors
/// [`ShowError::Read`].
pub fn farm_toml(probe: &mut Probe<'_>, volume: &FatVolume) -> Result<Option<FarmToml>, ShowError> {
    let file = NAMES.iter().find_map(|name| {
        volume
            .files
            .iter()
            .find(|file| file.path.eq_ignore_ascii_case(name))
    });
    let Some(file) = file.filter(|file| file.length <= MOST_TEXT_BYTES) else {
        return Ok(None);
    };
    let bytes = file.read(probe, 0, file.length)?;
    Ok(bytes.map(|bytes| FarmToml {
        file: file.clone(),
        text: String::from_utf8_lossy(&bytes).into_owned(),
    }))
}
