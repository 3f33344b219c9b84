//! SBAT entries of an EFI program. Only the section table of the PE header is read (PE/COFF
//! specification, sections 3 and 4).

/// Entries of the `.sbat` section (`grub,5`): component name and generation, without the `sbat`
/// header line. Empty for anything that has none or is no PE image.
pub fn sbat_entries(image: &[u8]) -> Vec<String> {
    let Some(section) = section(image, b".sbat\0\0\0") else {
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

fn section<'a>(image: &'a [u8], name: &[u8; 8]) -> Option<&'a [u8]> {
    let u16_at = |at: usize| {
        Some(u16::from_le_bytes(
            image.get(at..at.checked_add(2)?)?.try_into().ok()?,
        ))
    };
    let u32_at = |at: usize| {
        Some(u32::from_le_bytes(
            image.get(at..at.checked_add(4)?)?.try_into().ok()?,
        ))
    };
    if image.get(..2)? != b"MZ" {
        return None;
    }
    let pe = u32_at(0x3c)? as usize;
    if image.get(pe..pe.checked_add(4)?)? != b"PE\0\0" {
        return None;
    }
    let sections = usize::from(u16_at(pe + 6)?);
    let optional_bytes = usize::from(u16_at(pe + 20)?);
    let table = pe + 24 + optional_bytes;
    for i in 0..sections {
        let at = table + 40 * i;
        if image.get(at..at + 8)? == name {
            let virtual_bytes = u32_at(at + 8)? as usize;
            let raw_bytes = u32_at(at + 16)? as usize;
            let start = u32_at(at + 20)? as usize;
            return image.get(start..start.checked_add(virtual_bytes.min(raw_bytes))?);
        }
    }
    None
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
