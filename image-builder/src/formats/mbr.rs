//! Protective MBR with hybrid boot code (UEFI specification 5.2.3; layout of ISOLINUX' `isohdpfx`).

use super::{SECTOR_BYTES, put};
use crate::error::FormatError;

/// Length of the boot code `isohdpfx.bin` in bytes.
pub const BOOT_CODE_LEN: usize = 432;

/// Boot code that starts `isolinux.bin` from a stick.
#[derive(Debug, Clone, Copy)]
pub struct HybridBoot<'a> {
    /// `isohdpfx.bin`.
    pub code: &'a [u8],
    /// Byte offset of `isolinux.bin` in the image.
    pub isolinux_offset: u64,
}

/// Renders sector 0 of a disk of `total_bytes`.
///
/// Entry 1 protects the whole disk (type EE) and is not active, as UEFI wants it. Entry 2 is a
/// one-sector entry of type 00 marked active: some BIOSes list a stick only when an entry is, and
/// marking EE itself upsets other firmware.
///
/// # Errors
/// [`FormatError::BootCode`] when the boot code has not exactly [`BOOT_CODE_LEN`] bytes.
pub fn protective_mbr(
    total_bytes: u64,
    disk_signature: u32,
    boot: HybridBoot<'_>,
) -> Result<[u8; SECTOR_BYTES as usize], FormatError> {
    if boot.code.len() != BOOT_CODE_LEN {
        return Err(FormatError::BootCode {
            length: boot.code.len() as u64,
            expected: BOOT_CODE_LEN as u64,
        });
    }
    let mut sector = [0; SECTOR_BYTES as usize];
    put(&mut sector, 0, boot.code);
    put(
        &mut sector,
        432,
        &(boot.isolinux_offset / SECTOR_BYTES).to_le_bytes(),
    );
    put(&mut sector, 440, &disk_signature.to_le_bytes());
    let protected = u32::try_from(total_bytes / SECTOR_BYTES - 1).unwrap_or(u32::MAX);
    put(
        &mut sector,
        446,
        &[0x00, 0x00, 0x02, 0x00, 0xEE, 0xFF, 0xFF, 0xFF],
    );
    put(&mut sector, 454, &1_u32.to_le_bytes());
    put(&mut sector, 458, &protected.to_le_bytes());
    put(
        &mut sector,
        462,
        &[0x80, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00],
    );
    put(&mut sector, 470, &0_u32.to_le_bytes());
    put(&mut sector, 474, &1_u32.to_le_bytes());
    put(&mut sector, 510, &[0x55, 0xAA]);
    Ok(sector)
}
