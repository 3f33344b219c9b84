//! El Torito boot catalog ("El Torito" Bootable CD-ROM Format Specification 1.0) and the boot
//! information table that ISOLINUX wants patched into itself.

use super::iso9660::BLOCK_BYTES;
use super::put;
use crate::error::FormatError;

/// Length of the whole catalog in bytes.
pub const CATALOG_BYTES: usize = 128;

/// How many 512-byte sectors the UEFI entry claims. The field has 16 bits, too few for a partition
/// above 32 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UefiSectorCount {
    /// 0: "to the end of the medium" (UEFI specification 13.3.2.1), as xorriso writes it.
    #[default]
    Zero,
    /// 1: the other spelling of the same.
    One,
    /// The real count, cut to what the field can hold.
    Exact,
}

/// Renders a catalog with a BIOS entry (no emulation, 2048 bytes loaded) for the image at byte
/// `bios_offset` and a UEFI entry for the FAT volume at `uefi_offset`, `uefi_length` bytes long.
/// Both offsets are multiples of 2048.
#[must_use]
pub fn catalog(
    bios_offset: u64,
    uefi_offset: u64,
    uefi_length: u64,
    count: UefiSectorCount,
) -> [u8; CATALOG_BYTES] {
    let mut catalog = [0; CATALOG_BYTES];
    // Validation entry, platform 80x86. The checksum makes the 16-bit words sum to zero.
    put(&mut catalog, 0, &[0x01, 0x00]);
    put(&mut catalog, 30, &[0x55, 0xAA]);
    let sum = catalog[..32].chunks_exact(2).fold(0_u16, |sum, word| {
        sum.wrapping_add(u16::from_le_bytes([word[0], word[1]]))
    });
    put(&mut catalog, 28, &sum.wrapping_neg().to_le_bytes());
    // Default entry: bootable, no emulation, four 512-byte sectors.
    put(&mut catalog, 32, &[0x88, 0x00]);
    put(&mut catalog, 38, &4_u16.to_le_bytes());
    put(
        &mut catalog,
        40,
        &((bios_offset / BLOCK_BYTES) as u32).to_le_bytes(),
    );
    // Final section header, platform EFI, one entry.
    put(&mut catalog, 64, &[0x91, 0xEF]);
    put(&mut catalog, 66, &1_u16.to_le_bytes());
    put(&mut catalog, 96, &[0x88, 0x00]);
    let sectors = match count {
        UefiSectorCount::Zero => 0,
        UefiSectorCount::One => 1,
        UefiSectorCount::Exact => u16::try_from(uefi_length / 512).unwrap_or(u16::MAX),
    };
    put(&mut catalog, 102, &sectors.to_le_bytes());
    put(
        &mut catalog,
        104,
        &((uefi_offset / BLOCK_BYTES) as u32).to_le_bytes(),
    );
    catalog
}

/// The boot record volume descriptor that points at the catalog at byte `catalog_offset`.
#[must_use]
pub fn boot_record(catalog_offset: u64) -> Vec<u8> {
    let mut record = vec![0; BLOCK_BYTES as usize];
    put(&mut record, 0, b"\x00CD001\x01EL TORITO SPECIFICATION");
    put(
        &mut record,
        71,
        &((catalog_offset / BLOCK_BYTES) as u32).to_le_bytes(),
    );
    record
}

/// Fills in the boot information table of an `isolinux.bin` that will lie at byte `offset` of an
/// image whose primary volume descriptor is in block `pvd_block`.
///
/// # Errors
/// [`FormatError::Isolinux`] when the file is too short or lacks the isohybrid signature.
pub fn patch_boot_info(
    isolinux: &mut [u8],
    offset: u64,
    pvd_block: u32,
) -> Result<(), FormatError> {
    const HYBRID_SIGNATURE: [u8; 4] = [0xFB, 0xC0, 0x78, 0x70];
    let length = u32::try_from(isolinux.len()).map_err(|_| FormatError::Isolinux {
        reason: "it is larger than 4 GiB",
    })?;
    if isolinux.get(64..68) != Some(&HYBRID_SIGNATURE) {
        return Err(FormatError::Isolinux {
            reason: "the isohybrid signature is missing",
        });
    }
    let sum = isolinux[64..].chunks(4).fold(0_u32, |sum, word| {
        let mut padded = [0; 4];
        padded[..word.len()].copy_from_slice(word);
        sum.wrapping_add(u32::from_le_bytes(padded))
    });
    put(isolinux, 8, &pvd_block.to_le_bytes());
    put(isolinux, 12, &((offset / BLOCK_BYTES) as u32).to_le_bytes());
    put(isolinux, 16, &length.to_le_bytes());
    put(isolinux, 20, &sum.to_le_bytes());
    isolinux[24..64].fill(0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validation_checksum_is_the_known_one() {
        let catalog = catalog(65_536, 1 << 20, 40 << 20, UefiSectorCount::Zero);
        assert_eq!(&catalog[28..32], &[0xAA, 0x55, 0x55, 0xAA]);
        assert_eq!(&catalog[40..44], &32_u32.to_le_bytes());
        assert_eq!(&catalog[102..108], &[0, 0, 0, 2, 0, 0]);
    }

    #[test]
    fn sector_count_is_cut_to_its_field() {
        let at = |length| catalog(0, 0, length, UefiSectorCount::Exact)[102..104].to_owned();
        assert_eq!(at(2 << 20), 4096_u16.to_le_bytes());
        assert_eq!(at(40 << 20), u16::MAX.to_le_bytes());
    }

    #[test]
    fn only_hybrid_isolinux_is_patched() {
        assert!(patch_boot_info(&mut [0; 200], 65_536, 16).is_err());
        assert!(patch_boot_info(&mut [0; 10], 65_536, 16).is_err());
        let mut image = vec![0xFF; 200];
        image[64..68].copy_from_slice(&[0xFB, 0xC0, 0x78, 0x70]);
        image[68..].fill(0);
        image[199] = 1;
        patch_boot_info(&mut image, 65_536, 16).expect("patched");
        assert_eq!(&image[8..12], &[16, 0, 0, 0]);
        assert_eq!(&image[12..16], &[32, 0, 0, 0]);
        assert_eq!(&image[16..20], &[200, 0, 0, 0]);
        let sum = 0x7078_C0FB_u32.wrapping_add(1 << 24);
        assert_eq!(&image[20..24], &sum.to_le_bytes());
        assert!(image[24..64].iter().all(|byte| *byte == 0));
    }
}
