//! The firmware's own description of the machine (SMBIOS, DMTF DSP0134): memory modules, board,
//! system identity.
//!
//! Tables reach us in six forms; [`load`] takes them all. `smbios-lib` decodes the structures; its
//! own loaders are not used because they know fewer forms and open fixed paths. Before it sees a
//! table, the walker here keeps only whole structures, so that broken firmware costs the broken
//! part and nothing else.

mod decode;
mod platform;

use smbioslib::{SMBiosData, SMBiosVersion};

pub(crate) use decode::meaningful;
pub use decode::{Firmware, Processors, decode};
pub(crate) use platform::chassis_kind;
pub use platform::{HostInterface, IpmiDevice, Platform};

use crate::root::Root;

/// Largest table accepted.
pub const TABLE_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Most structures looked at.
const STRUCTURES_MAX: usize = 65_536;
/// Where `dmidecode --dump-bin` puts the table behind the entry point.
const DUMP_TABLE_OFFSET: usize = 0x20;
/// Structure that ends the table.
const END_OF_TABLE: u8 = 127;

/// Why bytes are not an SMBIOS table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SmbiosError {
    /// Nothing there.
    #[error("SMBIOS data is empty")]
    Empty,
    /// Larger than any real table.
    #[error("SMBIOS data of {0} bytes is larger than {TABLE_MAX_BYTES}")]
    TooLarge(usize),
    /// No form fits.
    #[error("SMBIOS data holds no structure in any known form")]
    NotATable,
}

impl SmbiosError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(
            "give a file made with `dmidecode --dump-bin FILE`, or a copy of \
             /sys/firmware/dmi/tables/DMI"
                .to_owned(),
        )
    }
}

/// A table of whole structures.
pub struct Table {
    pub(crate) data: SMBiosData,
    /// Version the entry point gives, corrected for firmware that writes 2.31 for 2.3.
    pub version: Option<(u8, u8)>,
    /// What was wrong with the table.
    pub warnings: Vec<String>,
}

/// Reads a table in any form in circulation: a `dmidecode --dump-bin` file with a 32-bit or 64-bit
/// entry point (also one that still holds the physical address of the table), a bare table, or
/// what Windows returns for `RSMB`.
///
/// # Errors
/// See [`SmbiosError`].
pub fn load(bytes: &[u8]) -> Result<Table, SmbiosError> {
    if bytes.is_empty() {
        return Err(SmbiosError::Empty);
    }
    if bytes.len() > TABLE_MAX_BYTES {
        return Err(SmbiosError::TooLarge(bytes.len()));
    }
    if let Some(entry) = EntryPoint::parse(bytes) {
        // The address is a file offset in dumps and a physical address in copies of memory.
        let mut offsets = vec![DUMP_TABLE_OFFSET, entry.length];
        if let Ok(address) = usize::try_from(entry.address)
            && address != 0
        {
            offsets.insert(0, address);
        }
        let best = offsets
            .into_iter()
            .filter_map(|offset| bytes.get(offset..))
            .map(walk)
            // The first of equals: an address inside the file that works is the right one.
            .rev()
            .max_by_key(|walked| walked.structures)
            .ok_or(SmbiosError::NotATable)?;
        return best.into_table(Some(entry.version));
    }
    let bare = walk(bytes);
    // Calling method, version, revision, 32-bit length, table.
    if let Some((header, table)) = bytes.split_first_chunk::<8>() {
        let [_, major, minor, _, length @ ..] = *header;
        let announced = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        let windows = walk(table.get(..announced).unwrap_or(table));
        if announced <= table.len() && announced > 0 && windows.structures > bare.structures {
            return windows.into_table(Some((major, minor)));
        }
    }
    bare.into_table(None)
}

/// The table of a machine: `/sys/firmware/dmi/tables`. `Ok(None)` where the machine has none.
///
/// # Errors
/// In words: not readable, or not a table.
pub fn from_root(root: &Root) -> Result<Option<Table>, String> {
    const DIR: &str = "/sys/firmware/dmi/tables";
    let table = match root.read_up_to(format!("{DIR}/DMI"), TABLE_MAX_BYTES) {
        Ok(table) => table,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) if error.is_denied() => {
            return Err("the firmware's tables can be read by root only".to_owned());
        }
        Err(error) => return Err(error.to_string()),
    };
    if table.is_empty() {
        return Ok(None);
    }
    let mut loaded = load(&table).map_err(|error| error.to_string())?;
    if let Ok(entry) = root.read(format!("{DIR}/smbios_entry_point"))
        && let Some(entry) = EntryPoint::parse(&entry)
    {
        loaded.version = Some(entry.version);
    }
    Ok(Some(loaded))
}

/// What an entry point says.
struct EntryPoint {
    version: (u8, u8),
    address: u64,
    length: usize,
}

impl EntryPoint {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let byte = |offset: usize| bytes.get(offset).copied();
        let le32 = |offset: usize| {
            bytes
                .get(offset..)?
                .first_chunk::<4>()
                .map(|b| u64::from(u32::from_le_bytes(*b)))
        };
        if bytes.starts_with(b"_SM3_") {
            let address = bytes
                .get(16..)?
                .first_chunk::<8>()
                .map(|b| u64::from_le_bytes(*b))?;
            Some(Self {
                version: (byte(7)?, byte(8)?),
                address,
                length: usize::from(byte(6)?),
            })
        } else if bytes.starts_with(b"_SM_") {
            Some(Self {
                version: real_version(byte(6)?, byte(7)?),
                address: le32(0x18)?,
                length: usize::from(byte(5)?),
            })
        } else if bytes.starts_with(b"_DMI_") {
            let bcd = byte(14)?;
            Some(Self {
                version: (bcd >> 4, bcd & 15),
                address: le32(8)?,
                length: 15,
            })
        } else {
            None
        }
    }
}

/// Versions that firmware got wrong, as dmidecode and the kernel correct them.
fn real_version(major: u8, minor: u8) -> (u8, u8) {
    match (major, minor) {
        (2, 31 | 33) => (2, 3),
        (2, 51) => (2, 6),
        other => other,
    }
}

struct Walked {
    clean: Vec<u8>,
    structures: usize,
    ended: bool,
}

/// Copies the structures that are whole. A length below the header's, or one past the end, stops
/// the walk; missing terminators at the very end are supplied.
fn walk(bytes: &[u8]) -> Walked {
    let mut clean = Vec::with_capacity(bytes.len().min(1 << 16));
    let mut structures = 0;
    let mut rest = bytes;
    while let [kind, length, _, _, ..] = *rest {
        let length = usize::from(length);
        if length < 4 || length > rest.len() || structures >= STRUCTURES_MAX {
            break;
        }
        let (formatted, strings) = rest.split_at(length);
        let end = strings.windows(2).position(|pair| pair == [0, 0]);
        let (strings, after) = strings.split_at(end.unwrap_or(strings.len()));
        clean.extend_from_slice(formatted);
        clean.extend_from_slice(strings);
        clean.extend_from_slice(&[0, 0]);
        structures += 1;
        if kind == END_OF_TABLE {
            return Walked {
                clean,
                structures,
                ended: true,
            };
        }
        rest = after.get(2..).unwrap_or_default();
    }
    Walked {
        clean,
        structures,
        ended: rest.iter().all(|&b| b == 0),
    }
}

impl Walked {
    fn into_table(self, version: Option<(u8, u8)>) -> Result<Table, SmbiosError> {
        if self.structures == 0 {
            return Err(SmbiosError::NotATable);
        }
        let warnings = if self.ended {
            Vec::new()
        } else {
            vec![format!(
                "SMBIOS table is broken after {} structures",
                self.structures
            )]
        };
        let lib_version = version.map(|(major, minor)| SMBiosVersion::new(major, minor, 0));
        Ok(Table {
            data: SMBiosData::from_vec_and_version(self.clean, lib_version),
            version,
            warnings,
        })
    }
}
