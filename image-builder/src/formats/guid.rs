//! GUIDs derived from content, in the byte order of the disk (UEFI specification, appendix A: the
//! first three fields are little endian).

use std::fmt;

use crate::content::sha256;

/// A GUID as its 16 bytes stand in a GPT.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// Builds the disk form from the five fields of the text form.
    #[must_use]
    pub const fn from_fields(a: u32, b: u16, c: u16, d: [u8; 8]) -> Self {
        let (a, b, c) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
        Self([
            a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5],
            d[6], d[7],
        ])
    }

    /// A GUID that depends only on `purpose` and `seed` (RFC 9562 version 8: custom content).
    #[must_use]
    pub fn derive(purpose: &str, seed: &[u8]) -> Self {
        let mut input = Vec::with_capacity(purpose.len() + 1 + seed.len());
        input.extend_from_slice(purpose.as_bytes());
        input.push(0);
        input.extend_from_slice(seed);
        let digest = sha256(&input);
        let mut raw = [0; 16];
        raw.copy_from_slice(&digest[..16]);
        raw[7] = (raw[7] & 0x0F) | 0x80;
        raw[8] = (raw[8] & 0x3F) | 0x80;
        Self(raw)
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&node_config::medium::guid_text(&self.0))
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_guids_are_stable_distinct_and_well_formed() {
        let a = Guid::derive("disk", b"payload");
        assert_eq!(a, Guid::derive("disk", b"payload"));
        assert_ne!(a, Guid::derive("disk", b"payloae"));
        assert_ne!(a, Guid::derive("esp", b"payload"));
        let text = a.to_string();
        assert_eq!(&text[14..15], "8", "version in {text}");
        assert!(
            matches!(&text[19..20], "8" | "9" | "a" | "b"),
            "variant in {text}"
        );
    }

    #[test]
    fn fields_are_stored_mixed_endian() {
        let guid = Guid::from_fields(
            0xC12A_7328,
            0xF81F,
            0x11D2,
            [0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B],
        );
        assert_eq!(guid.to_string(), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
        assert_eq!(guid.0[0], 0x28);
    }
}
