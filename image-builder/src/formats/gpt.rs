//! GUID partition table, primary and backup (UEFI specification 5.3), for 512-byte sectors.

use super::guid::Guid;
use super::{SECTOR_BYTES, put};

/// EFI system partition.
pub const TYPE_ESP: Guid = Guid::from_fields(
    0xC12A_7328,
    0xF81F,
    0x11D2,
    [0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B],
);
/// Microsoft basic data: what every desktop mounts.
pub const TYPE_BASIC_DATA: Guid = Guid::from_fields(
    0xEBD0_A0A2,
    0xB9E5,
    0x4433,
    [0x87, 0xC0, 0x68, 0xB6, 0xB7, 0x26, 0x99, 0xC7],
);

/// Bytes of one partition entry.
pub const ENTRY_BYTES: usize = 128;
/// Entries in the array; firmware expects room for at least these.
pub const ENTRY_COUNT: usize = 128;
/// Bytes of the entry array.
pub const ENTRIES_BYTES: usize = ENTRY_BYTES * ENTRY_COUNT;
/// Bytes from sector 1 on that the primary table takes (header and entries).
pub const PRIMARY_BYTES: u64 = SECTOR_BYTES + ENTRIES_BYTES as u64;
/// Bytes at the end of the disk that the backup table takes.
pub const BACKUP_BYTES: u64 = PRIMARY_BYTES;
const HEADER_BYTES: usize = 92;

/// A 32-bit identifier derived from the disk's.
pub(crate) fn serial(disk_guid: Guid, purpose: &str) -> u32 {
    let raw = Guid::derive(purpose, &disk_guid.0).0;
    u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]])
}

/// One partition.
#[derive(Debug, Clone)]
pub struct Partition {
    /// What kind of partition it is.
    pub type_guid: Guid,
    /// Its own identity.
    pub guid: Guid,
    /// First byte on the disk; a multiple of 512.
    pub offset: u64,
    /// Length in bytes; a multiple of 512.
    pub length: u64,
    /// Name, at most 36 UTF-16 units; the rest is cut.
    pub name: &'static str,
}

/// A partition table.
#[derive(Debug, Clone)]
pub struct Table {
    /// The disk's identity.
    pub disk_guid: Guid,
    /// Size of the disk in bytes; a multiple of 512.
    pub total_bytes: u64,
    /// First byte a partition may use. What lies between the table and here (the ISO 9660 tree) is
    /// out of reach of partitioning tools.
    pub first_usable: u64,
    /// At most [`ENTRY_COUNT`] partitions, in the order of their numbers.
    pub partitions: Vec<Partition>,
}

/// Both copies of a table.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// Header and entries, for byte 512.
    pub primary: Vec<u8>,
    /// Entries and header, for the last [`BACKUP_BYTES`] of the disk.
    pub backup: Vec<u8>,
}

impl Table {
    /// Renders primary and backup table with their checksums.
    #[must_use]
    pub fn render(&self) -> Rendered {
        let entries = self.entries();
        let last_lba = self.total_bytes / SECTOR_BYTES - 1;
        let backup_entries_lba = last_lba - (ENTRIES_BYTES as u64 / SECTOR_BYTES);
        let mut primary = self.header(1, last_lba, 2, &entries);
        primary.extend_from_slice(&entries);
        let mut backup = entries.clone();
        backup.extend_from_slice(&self.header(last_lba, 1, backup_entries_lba, &entries));
        Rendered { primary, backup }
    }

    fn entries(&self) -> Vec<u8> {
        let mut entries = vec![0; ENTRIES_BYTES];
        for (slot, partition) in entries.chunks_exact_mut(ENTRY_BYTES).zip(&self.partitions) {
            put(slot, 0, &partition.type_guid.0);
            put(slot, 16, &partition.guid.0);
            let first = partition.offset / SECTOR_BYTES;
            let last = (partition.offset + partition.length) / SECTOR_BYTES - 1;
            put(slot, 32, &first.to_le_bytes());
            put(slot, 40, &last.to_le_bytes());
            for (at, unit) in partition.name.encode_utf16().take(36).enumerate() {
                put(slot, 56 + 2 * at, &unit.to_le_bytes());
            }
        }
        entries
    }

    fn header(&self, own_lba: u64, other_lba: u64, entries_lba: u64, entries: &[u8]) -> Vec<u8> {
        let mut header = vec![0; SECTOR_BYTES as usize];
        let last_usable = (self.total_bytes - BACKUP_BYTES) / SECTOR_BYTES - 1;
        put(&mut header, 0, b"EFI PART");
        put(&mut header, 8, &0x0001_0000_u32.to_le_bytes());
        put(&mut header, 12, &(HEADER_BYTES as u32).to_le_bytes());
        put(&mut header, 24, &own_lba.to_le_bytes());
        put(&mut header, 32, &other_lba.to_le_bytes());
        put(
            &mut header,
            40,
            &(self.first_usable / SECTOR_BYTES).to_le_bytes(),
        );
        put(&mut header, 48, &last_usable.to_le_bytes());
        put(&mut header, 56, &self.disk_guid.0);
        put(&mut header, 72, &entries_lba.to_le_bytes());
        put(&mut header, 80, &(ENTRY_COUNT as u32).to_le_bytes());
        put(&mut header, 84, &(ENTRY_BYTES as u32).to_le_bytes());
        put(&mut header, 88, &crc32fast::hash(entries).to_le_bytes());
        let crc = crc32fast::hash(&header[..HEADER_BYTES]);
        put(&mut header, 16, &crc.to_le_bytes());
        header
    }
}
