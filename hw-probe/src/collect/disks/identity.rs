//! What disks say about themselves: ATA IDENTIFY DEVICE data and SCSI VPD page B1h.

use crate::smbios::meaningful;
use crate::text::Untrusted;

/// The fields of IDENTIFY DEVICE data (ACS-3, 7.12.7) that matter here.
#[derive(Clone, Debug)]
pub(super) struct AtaIdentity {
    /// Word 217.
    pub rotation_rate: u16,
    pub model: Option<Untrusted>,
    pub serial: Option<Untrusted>,
    pub firmware: Option<Untrusted>,
    pub form_factor: Option<&'static str>,
    /// Whether SMART is there and switched on.
    pub smart: bool,
    /// Whether there are general purpose logs.
    pub logs: bool,
}

impl AtaIdentity {
    pub(super) fn parse(data: &[u8; 512]) -> Self {
        let (words, _) = data.as_chunks::<2>();
        let word = |n: usize| words.get(n).map_or(0, |word| u16::from_le_bytes(*word));
        // Words 82 to 87 are true only where bits 15 and 14 of word 83 or 87 are 01.
        let valid = |n: usize| word(n) >> 14 == 0b01;
        let bit = |n: usize, bit: u16| word(n) & (1 << bit) != 0;
        // ATA strings hold two characters per word, the first in the high byte.
        let text = |range: std::ops::Range<usize>| {
            let bytes: Vec<u8> = words
                .get(range)
                .into_iter()
                .flatten()
                .flat_map(|[low, high]| [*high, *low])
                .collect();
            meaningful(&String::from_utf8_lossy(&bytes))
        };
        Self {
            rotation_rate: word(217),
            model: text(27..47),
            serial: text(10..20),
            firmware: text(23..27),
            form_factor: form_factor(word(168)),
            smart: valid(83) && bit(82, 0) && bit(85, 0),
            logs: (valid(83) && valid(84) && bit(84, 5)) || (valid(87) && bit(87, 5)),
        }
    }
}

/// Medium rotation rate in SCSI VPD page B1h (SBC-4, 6.6.2).
pub(super) fn rotation_of_page(page: &[u8]) -> Option<u16> {
    match page {
        [_, 0xb1, _, _, high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

/// Nominal form factor in SCSI VPD page B1h.
pub(super) fn form_factor_of_page(page: &[u8]) -> Option<&'static str> {
    match page {
        [_, 0xb1, _, _, _, _, _, form, ..] => form_factor((form & 0x0f).into()),
        _ => None,
    }
}

/// ACS-4, word 168, and SBC-4 agree.
fn form_factor(code: u16) -> Option<&'static str> {
    Some(match code & 0x0f {
        1 => "5.25 inch",
        2 => "3.5 inch",
        3 => "2.5 inch",
        4 => "1.8 inch",
        5 => "less than 1.8 inch",
        6 => "mSATA",
        7 => "M.2",
        8 => "MicroSSD",
        9 => "CFast",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identify_data() {
        let mut data = [0_u8; 512];
        let mut put = |word: usize, text: &str| {
            for (pair, at) in text.as_bytes().chunks(2).zip(word..) {
                data[at * 2 + 1] = pair[0];
                data[at * 2] = *pair.get(1).unwrap_or(&b' ');
            }
        };
        put(10, "QM00001             ");
        put(27, "QEMU HARDDISK                           ");
        put(23, "2.5+    ");
        let mut word = |n: usize, value: u16| {
            data[n * 2..n * 2 + 2].copy_from_slice(&value.to_le_bytes());
        };
        word(217, 7200);
        word(168, 2);
        word(82, 1);
        word(83, 0x4000);
        word(84, 0x4020);
        word(85, 1);
        let identity = AtaIdentity::parse(&data);
        assert_eq!(identity.rotation_rate, 7200);
        assert_eq!(identity.model.unwrap().raw(), "QEMU HARDDISK");
        assert_eq!(identity.serial.unwrap().raw(), "QM00001");
        assert_eq!(identity.firmware.unwrap().raw(), "2.5+");
        assert_eq!(identity.form_factor, Some("3.5 inch"));
        assert!(identity.smart && identity.logs);
        data[170] = 0;
        assert!(!AtaIdentity::parse(&data).smart, "switched off");
    }

    #[test]
    fn page_b1() {
        let page = [0, 0xb1, 0, 0x3c, 0x1c, 0x20, 0, 0x03];
        assert_eq!(rotation_of_page(&page), Some(7200));
        assert_eq!(form_factor_of_page(&page), Some("2.5 inch"));
        assert_eq!(rotation_of_page(&[0, 0x80, 0, 4]), None);
    }
}
