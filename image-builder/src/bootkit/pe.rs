//! SBAT entries of an EFI program.

use crate::formats::pe::section_bytes;

/// Entries of the `.sbat` section (`grub,5`): component name and generation, without the `sbat`
/// header line. Empty for anything that has none or is no PE image.
pub fn sbat_entries(image: &[u8]) -> Vec<String> {
    let Some(section) = section_bytes(image, ".sbat") else {
        return Vec::new();
    };
    sbat_of_text(&String::from_utf8_lossy(section))
}

/// Entries of an `.sbat` section's text.
pub(crate) fn sbat_of_text(text: &str) -> Vec<String> {
    text.trim_matches('\0')
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(',');
            let name = fields.next()?.trim();
            let generation: u32 = fields.next()?.trim().parse().ok()?;
            let plain = name.bytes().all(|b| b.is_ascii_graphic());
            (plain && !name.is_empty() && name != "sbat").then(|| format!("{name},{generation}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_has_no_sbat() {
        let mut image = vec![0u8; 512];
        image[..2].copy_from_slice(b"MZ");
        image[0x3c] = 0x40;
        image[0x40..0x44].copy_from_slice(b"PE\0\0");
        image[0x46] = 0xff;
        for len in 0..image.len() {
            assert!(sbat_entries(&image[..len]).is_empty());
        }
    }
}
