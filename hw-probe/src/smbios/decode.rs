//! From structures to the inventory's terms.

use smbioslib::{
    MemoryDeviceType, MemoryFormFactor, SMBiosBaseboardInformation, SMBiosInformation,
    SMBiosMemoryDevice, SMBiosPhysicalMemoryArray, SMBiosProcessorInformation, SMBiosStruct,
    SMBiosSystemInformation, UndefinedStruct,
};

use super::Table;
use super::platform::{self, Platform};
use crate::inventory::{Bios, Board, Dimm, System};
use crate::text::Untrusted;
use crate::units::{Bytes, KIB, MIB, TIB};

/// No single module is larger today; a larger one is a firmware error.
const DIMM_MAX: Bytes = Bytes(4 * TIB);
/// No machine has more memory.
const MEMORY_MAX: Bytes = Bytes(64 * TIB);

/// What the firmware says about processors. Wrong in many virtual machines; the kernel's view goes
/// first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processors {
    /// Populated sockets.
    pub sockets: Option<u32>,
    /// Cores of all of them; `None` when any does not say.
    pub cores: Option<u32>,
    /// Threads of all of them; `None` when any does not say.
    pub threads: Option<u32>,
    /// Name of the first.
    pub model: Option<Untrusted>,
    /// Maker of the first.
    pub vendor: Option<Untrusted>,
}

/// What the table says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Firmware {
    /// Type 0.
    pub bios: Bios,
    /// Type 1.
    pub system: System,
    /// Type 2.
    pub board: Board,
    /// Type 4.
    pub processors: Processors,
    /// Types 3, 38, 42 and 43.
    pub platform: Platform,
    /// Type 17, in table order.
    pub dimms: Vec<Dimm>,
    /// Sum over the modules; `None` when the table lists no slot.
    pub installed_bytes: Option<Bytes>,
    /// Some module's size is unknown.
    pub installed_is_lower_bound: bool,
    /// Slots for main memory.
    pub slots: Option<u32>,
    /// Error correction of the first main memory array.
    pub ecc: Option<String>,
    /// What looked wrong.
    pub warnings: Vec<String>,
}

/// Decodes the structures the inventory needs.
#[must_use]
pub fn decode(table: &Table) -> Firmware {
    let data = &table.data;
    let mut firmware = Firmware {
        warnings: table.warnings.clone(),
        ..Firmware::default()
    };

    if let Some(bios) = data.first::<SMBiosInformation<'_>>() {
        let parts = bios.parts();
        firmware.bios = Bios {
            vendor: string(parts, 0x04),
            version: string(parts, 0x05),
            date: string(parts, 0x08),
        };
    }
    if let Some(system) = data.first::<SMBiosSystemInformation<'_>>() {
        let parts = system.parts();
        firmware.system = System {
            vendor: string(parts, 0x04),
            product: string(parts, 0x05),
            version: string(parts, 0x06),
            sku: string(parts, 0x19),
            family: string(parts, 0x1a),
            serial: string(parts, 0x07),
            uuid: parts
                .get_field_data(0x08, 0x18)
                .and_then(|raw| uuid(raw, table.version)),
        };
    }
    if let Some(board) = data.first::<SMBiosBaseboardInformation<'_>>() {
        let parts = board.parts();
        firmware.board = Board {
            vendor: string(parts, 0x04),
            product: string(parts, 0x05),
            serial: string(parts, 0x07),
        };
    }
    firmware.processors = processors(table);
    firmware.platform = platform::decode(table);
    memory(table, &mut firmware);
    firmware
}

fn processors(table: &Table) -> Processors {
    let mut result = Processors::default();
    let (mut sockets, mut cores, mut threads) = (0_u32, Some(0_u32), Some(0_u32));
    let mut listed = false;
    for processor in table
        .data
        .defined_struct_iter::<SMBiosProcessorInformation<'_>>()
    {
        let parts = processor.parts();
        listed = true;
        let central = parts.get_field_byte(0x05).is_none_or(|kind| kind == 3);
        let populated = parts
            .get_field_byte(0x18)
            .is_none_or(|status| status & 0x40 != 0);
        if !central || !populated {
            continue;
        }
        sockets += 1;
        // 0 means unknown, 0xFF that the 16-bit field holds the number.
        let count = |narrow: usize, wide: usize| match parts.get_field_byte(narrow)? {
            0 => None,
            0xff => match parts.get_field_word(wide) {
                Some(0 | 0xffff) => None,
                Some(count) => Some(u32::from(count)),
                None => Some(0xff),
            },
            count => Some(u32::from(count)),
        };
        let sum = |total: Option<u32>, count: Option<u32>| Some(total?.saturating_add(count?));
        cores = sum(cores, count(0x23, 0x2a));
        threads = sum(threads, count(0x25, 0x2e));
        if result.model.is_none() {
            result.model = string(parts, 0x10);
            result.vendor = string(parts, 0x07);
        }
    }
    if listed {
        result.sockets = Some(sockets);
    }
    if sockets > 0 {
        result.cores = cores;
        result.threads = threads;
    }
    result
}

fn memory(table: &Table, firmware: &mut Firmware) {
    const USE_SYSTEM_MEMORY: u8 = 3;
    let arrays: Vec<(u16, u8, Option<u8>)> = table
        .data
        .defined_struct_iter::<SMBiosPhysicalMemoryArray<'_>>()
        .map(|array| {
            let parts = array.parts();
            let used_for = parts.get_field_byte(0x05).unwrap_or(USE_SYSTEM_MEMORY);
            (*parts.header.handle(), used_for, parts.get_field_byte(0x06))
        })
        .collect();
    firmware.ecc = arrays
        .iter()
        .find(|(_, used_for, _)| *used_for == USE_SYSTEM_MEMORY)
        .and_then(|(_, _, ecc)| ecc_name((*ecc)?))
        .map(str::to_owned);

    let mut total = Bytes::ZERO;
    let mut slots = 0_u32;
    let mut listed = false;
    for device in table.data.defined_struct_iter::<SMBiosMemoryDevice<'_>>() {
        listed = true;
        let parts = device.parts();
        let array = parts.get_field_word(0x04);
        let used_for = arrays
            .iter()
            .find(|(handle, _, _)| Some(*handle) == array)
            .map_or(USE_SYSTEM_MEMORY, |(_, used_for, _)| *used_for);
        let kind = device.memory_type().map(|kind| kind.value);
        let is_chip = matches!(
            kind,
            Some(
                MemoryDeviceType::Rom
                    | MemoryDeviceType::Flash
                    | MemoryDeviceType::Eeprom
                    | MemoryDeviceType::Feprom
                    | MemoryDeviceType::Eprom
            )
        );
        let is_system_memory = used_for == USE_SYSTEM_MEMORY && !is_chip;
        let slot = string(parts, 0x10);
        let size = size(parts, slot.as_ref(), firmware);
        if is_system_memory {
            slots += 1;
            match size {
                Some(size) => total += size,
                None => firmware.installed_is_lower_bound = true,
            }
        }
        let populated = size != Some(Bytes::ZERO);
        // 0xFFFF: unknown.
        let width = |offset| {
            parts
                .get_field_word(offset)
                .filter(|bits| !matches!(bits, 0 | 0xffff))
        };
        let widths = width(0x08).zip(width(0x0a));
        firmware.dimms.push(Dimm {
            slot,
            size_bytes: size,
            kind: kind.and_then(|kind| kind_name(&kind)).filter(|_| populated),
            form_factor: device
                .form_factor()
                .and_then(|form| form_name(&form.value))
                .filter(|_| populated)
                .map(str::to_owned),
            bank: string(parts, 0x11),
            speed_mts: speed(parts).filter(|_| populated),
            max_speed_mts: transfers(parts, 0x15, 0x54).filter(|_| populated),
            // The low four bits of the attributes; 0 for unknown.
            ranks: parts
                .get_field_byte(0x1b)
                .map(|attributes| u32::from(attributes & 0x0f))
                .filter(|ranks| populated && *ranks > 0),
            ecc: widths
                .filter(|_| populated)
                .map(|(total, data)| total > data),
            manufacturer: string(parts, 0x17).filter(|_| populated),
            part_number: string(parts, 0x1a).filter(|_| populated),
            serial: string(parts, 0x18).filter(|_| populated),
            is_system_memory,
        });
    }
    if !listed {
        return;
    }
    firmware.slots = Some(slots);
    if total > MEMORY_MAX {
        firmware
            .warnings
            .push(format!("memory modules add up to {total}, which cannot be"));
    } else if total > Bytes::ZERO || !firmware.installed_is_lower_bound {
        firmware.installed_bytes = Some(total);
    }
}

/// Size of a module (DSP0134, 7.18): 0 empty, 0xFFFF unknown, 0x7FFF see the extended field,
/// bit 15 for kibibytes, else mebibytes.
fn size(
    parts: &UndefinedStruct,
    slot: Option<&Untrusted>,
    firmware: &mut Firmware,
) -> Option<Bytes> {
    let name = || slot.map_or_else(|| "without a name".to_owned(), ToString::to_string);
    let size = match parts.get_field_word(0x0c)? {
        0 => Bytes::ZERO,
        0xffff => return None,
        0x7fff => match parts.get_field_dword(0x1c).map(|mib| mib & 0x7fff_ffff) {
            Some(mib @ 1..) => Bytes(u64::from(mib) * MIB),
            _ => {
                firmware.installed_is_lower_bound = true;
                firmware.warnings.push(format!(
                    "memory module {} is said to be larger than the table can tell",
                    name()
                ));
                Bytes(0x7fff * MIB)
            }
        },
        kib if kib & 0x8000 != 0 => Bytes(u64::from(kib & 0x7fff) * KIB),
        mib => Bytes(u64::from(mib) * MIB),
    };
    if size > DIMM_MAX {
        firmware.warnings.push(format!(
            "memory module {} of {size} is taken as unknown",
            name()
        ));
        return None;
    }
    Some(size)
}

/// Configured speed, else the module's own.
fn speed(parts: &UndefinedStruct) -> Option<u32> {
    transfers(parts, 0x20, 0x58).or_else(|| transfers(parts, 0x15, 0x54))
}

/// A speed in MT/s: 0 unknown, 0xFFFF refers to the 32-bit field.
fn transfers(parts: &UndefinedStruct, narrow: usize, wide: usize) -> Option<u32> {
    match parts.get_field_word(narrow)? {
        0 => None,
        0xffff => parts
            .get_field_dword(wide)
            .map(|mts| mts & 0x7fff_ffff)
            .filter(|mts| *mts > 0),
        mts => Some(u32::from(mts)),
    }
}

/// Names of error corrections (DSP0134, 7.17.3).
fn ecc_name(code: u8) -> Option<&'static str> {
    Some(match code {
        3 => "none",
        4 => "parity",
        5 => "single-bit",
        6 => "multi-bit",
        7 => "crc",
        _ => return None,
    })
}

fn kind_name(kind: &MemoryDeviceType) -> Option<String> {
    let name = match kind {
        MemoryDeviceType::Other | MemoryDeviceType::Unknown | MemoryDeviceType::None => {
            return None;
        }
        MemoryDeviceType::Ddr2Fbdimm => "DDR2 FB-DIMM".to_owned(),
        MemoryDeviceType::ThreeDram => "3DRAM".to_owned(),
        MemoryDeviceType::LogicalNonVolatileDevice => "Logical non-volatile device".to_owned(),
        other => format!("{other:?}").to_ascii_uppercase(),
    };
    Some(name)
}

fn form_name(form: &MemoryFormFactor) -> Option<&'static str> {
    Some(match form {
        MemoryFormFactor::Simm => "SIMM",
        MemoryFormFactor::Sip => "SIP",
        MemoryFormFactor::Chip => "chip",
        MemoryFormFactor::Dip => "DIP",
        MemoryFormFactor::Dimm => "DIMM",
        MemoryFormFactor::Rimm => "RIMM",
        MemoryFormFactor::Sodimm => "SODIMM",
        MemoryFormFactor::Fbdimm => "FB-DIMM",
        MemoryFormFactor::Die => "die",
        _ => return None,
    })
}

/// The string a field refers to. An index beyond the strings is no error, just no string.
pub(super) fn string(parts: &UndefinedStruct, offset: usize) -> Option<Untrusted> {
    let index = usize::from(parts.get_field_byte(offset)?).checked_sub(1)?;
    let raw = parts.strings.iter().nth(index)?;
    meaningful(&String::from_utf8_lossy(raw))
}

/// System UUID (DSP0134, 7.2.1). From version 2.6 the first three fields are little-endian, which
/// everyone also assumes where the version is unknown.
fn uuid(raw: &[u8], version: Option<(u8, u8)>) -> Option<Untrusted> {
    let mut b: [u8; 16] = raw.try_into().ok()?;
    if b == [0; 16] || b == [0xff; 16] {
        return None;
    }
    if version.is_none_or(|version| version >= (2, 6)) {
        b[..4].reverse();
        b[4..6].reverse();
        b[6..8].reverse();
    }
    let mut text = String::with_capacity(36);
    for (index, byte) in b.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    Some(text.into())
}

/// The text, unless it is one of the fillers that board makers leave in.
pub(crate) fn meaningful(text: &str) -> Option<Untrusted> {
    const FILLERS: [&str; 24] = [
        "to be filled by o.e.m.",
        "to be filled by o.e.m",
        "default string",
        "default",
        "not specified",
        "not available",
        "not applicable",
        "undefined",
        "unknown",
        "none",
        "n/a",
        "no dimm",
        "empty",
        "system manufacturer",
        "system product name",
        "system version",
        "system serial number",
        "base board serial number",
        "chassis serial number",
        "oem",
        "o.e.m.",
        "123456789",
        "0123456789",
        "no enclosure",
    ];
    let trimmed = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let filler = trimmed.is_empty()
        || FILLERS
            .iter()
            .any(|filler| trimmed.eq_ignore_ascii_case(filler))
        || trimmed.chars().all(|c| c == '0')
        || trimmed
            .chars()
            .all(|c| matches!(c, '.' | '-' | '_' | ' ' | 'x' | 'X' | 'F' | 'f'));
    let text = Untrusted::from(trimmed);
    (!filler && !text.is_blank()).then_some(text)
}
