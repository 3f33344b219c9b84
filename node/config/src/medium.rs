//! How a node recognises the boot medium it came from.
//!
//! Byte 32704 of a medium (the last 64 bytes of the ISO 9660 system area) holds a locator: the
//! disk's GUID and where the table of rewritable regions lies. The loader passes the same GUID as
//! the kernel argument `farm.medium=<GUID>`.

/// Byte offset of the locator on the medium.
pub const LOCATOR_OFFSET: u64 = 32_704;
/// Length of the locator in bytes.
pub const LOCATOR_LEN: usize = 64;
/// First bytes of a locator.
pub const MEDIUM_MAGIC: [u8; 8] = *b"FARMMED1";
/// GPT partition name, and FAT volume label, of the farmer's own partition.
pub const FARMCFG_LABEL: &str = "FARMCFG";
/// Kernel argument that names the medium: `<disk GUID>`, `cd` or `net`.
pub const MEDIUM_ARGUMENT: &str = "farm.medium";
/// Kernel argument of a thin medium: the number of its farm. It counts as the image's setting does,
/// so `farm.toml` on the same medium wins over it, as it does not over `farmer_id`.
pub const FARM_ARGUMENT: &str = "farm.farmer_id";
/// Name of the credential that carries the settings beside a unified kernel image: systemd-stub
/// takes every `*.cred` of `<image>.extra.d/`. Its content is the config region's cpio archive.
pub const CREDENTIAL_NAME: &str = "farm.cred";
/// Where systemd-stub puts credentials into the initramfs.
pub const CREDENTIAL_DIRECTORY: &str = ".extra/credentials";

const VERSION: u32 = 1;

/// What the 64 bytes say.
///
/// Layout, little endian: magic (8), version (u32), disk GUID (16, as in the GPT header), table
/// offset (u64), table length (u32), zero to byte 59, CRC-32 (ISO-HDLC) over bytes 0..60.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locator {
    /// Disk GUID in the mixed-endian byte order of the GPT header.
    pub disk_guid: [u8; 16],
    /// Byte offset of the region table.
    pub table_offset: u64,
    /// Length of the region table in bytes.
    pub table_length: u32,
}

impl Locator {
    /// The 64 bytes as they stand on the medium.
    #[must_use]
    pub fn encode(&self) -> [u8; LOCATOR_LEN] {
        let mut out = [0; LOCATOR_LEN];
        out[..8].copy_from_slice(&MEDIUM_MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12..28].copy_from_slice(&self.disk_guid);
        out[28..36].copy_from_slice(&self.table_offset.to_le_bytes());
        out[36..40].copy_from_slice(&self.table_length.to_le_bytes());
        let crc = crc32(&out[..60]);
        out[60..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads 64 bytes; `None` if they are no locator of a version this program knows.
    #[must_use]
    pub fn decode(bytes: &[u8; LOCATOR_LEN]) -> Option<Self> {
        let u32_at = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        if bytes[..8] != MEDIUM_MAGIC || u32_at(8) != VERSION || u32_at(60) != crc32(&bytes[..60]) {
            return None;
        }
        let mut disk_guid = [0; 16];
        disk_guid.copy_from_slice(&bytes[12..28]);
        let mut table_offset = [0; 8];
        table_offset.copy_from_slice(&bytes[28..36]);
        Some(Self {
            disk_guid,
            table_offset: u64::from_le_bytes(table_offset),
            table_length: u32_at(36),
        })
    }
}

/// Text form of a GUID stored in GPT byte order, lower case (UEFI specification, appendix A).
#[must_use]
pub fn guid_text(raw: &[u8; 16]) -> String {
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut out = String::with_capacity(36);
    for (position, index) in order.into_iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push_str(&format!("{:02x}", raw[index]));
    }
    out
}

/// Bitwise CRC-32: 60 bytes, read once per disk; not worth a dependency in the node.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
        crc
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_of_the_check_string() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn round_trip_and_every_flipped_bit_is_noticed() {
        let locator = Locator {
            disk_guid: *b"0123456789abcdef",
            table_offset: 229_376,
            table_length: 512,
        };
        let bytes = locator.encode();
        assert_eq!(Locator::decode(&bytes), Some(locator));
        for bit in 0..LOCATOR_LEN * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Locator::decode(&damaged), None, "bit {bit}");
        }
    }

    #[test]
    fn guid_of_the_esp_type() {
        let raw = [
            0x28, 0x73, 0x2A, 0xC1, 0x1F, 0xF8, 0xD2, 0x11, 0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E,
            0xC9, 0x3B,
        ];
        assert_eq!(guid_text(&raw), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
    }
}
