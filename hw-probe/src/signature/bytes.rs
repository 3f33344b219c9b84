//! A piece of a device, addressed by offsets on the device.

/// Bytes read at `start`.
pub(super) struct Bytes {
    start: u64,
    data: Vec<u8>,
}

impl Bytes {
    pub(super) const fn new(start: u64, data: Vec<u8>) -> Self {
        Self { start, data }
    }

    /// `length` bytes at `offset` of the device; `None` outside of what was read.
    pub(super) fn get(&self, offset: u64, length: usize) -> Option<&[u8]> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.data.get(from..from.checked_add(length)?)
    }

    pub(super) fn has(&self, offset: u64, magic: &[u8]) -> bool {
        self.get(offset, magic.len()) == Some(magic)
    }

    pub(super) fn u8(&self, offset: u64) -> Option<u8> {
        self.get(offset, 1)?.first().copied()
    }

    pub(super) fn le16(&self, offset: u64) -> Option<u16> {
        Some(u16::from_le_bytes(self.get(offset, 2)?.try_into().ok()?))
    }

    pub(super) fn le32(&self, offset: u64) -> Option<u32> {
        Some(u32::from_le_bytes(self.get(offset, 4)?.try_into().ok()?))
    }

    pub(super) fn le64(&self, offset: u64) -> Option<u64> {
        Some(u64::from_le_bytes(self.get(offset, 8)?.try_into().ok()?))
    }

    pub(super) fn be16(&self, offset: u64) -> Option<u16> {
        Some(u16::from_be_bytes(self.get(offset, 2)?.try_into().ok()?))
    }

    pub(super) fn be32(&self, offset: u64) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(offset, 4)?.try_into().ok()?))
    }

    /// Text of at most `length` bytes up to the first zero.
    pub(super) fn text(&self, offset: u64, length: usize) -> Option<String> {
        let raw = self.get(offset, length)?;
        let end = raw.iter().position(|&b| b == 0).unwrap_or(raw.len());
        Some(String::from_utf8_lossy(raw.get(..end)?).into_owned())
    }

    /// UTF-16 text, little endian, of at most `units` characters up to the first zero.
    pub(super) fn utf16(&self, offset: u64, units: usize) -> Option<String> {
        Some(utf16(self.get(offset, units.checked_mul(2)?)?))
    }

    /// A UUID in the order of its text.
    pub(super) fn uuid(&self, offset: u64) -> Option<String> {
        uuid(self.get(offset, 16)?)
    }
}

pub(super) fn utf16(raw: &[u8]) -> String {
    let (units, _) = raw.as_chunks::<2>();
    let units = units
        .iter()
        .map(|unit| u16::from_le_bytes(*unit))
        .take_while(|&unit| unit != 0);
    char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

pub(super) fn hex(raw: &[u8]) -> String {
    raw.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 16 bytes as a UUID; `None` for a blank one.
pub(super) fn uuid(raw: &[u8]) -> Option<String> {
    if raw.iter().all(|&b| b == 0) {
        return None;
    }
    let mut text = hex(raw);
    for at in [20, 16, 12, 8] {
        if at < text.len() {
            text.insert(at, '-');
        }
    }
    Some(text)
}

/// A GUID as UEFI writes it: the first three fields little-endian (UEFI 2.10, appendix A).
pub(super) fn guid(raw: &[u8]) -> String {
    let mut order = raw.to_vec();
    for range in [0..4, 4..6, 6..8] {
        if let Some(part) = order.get_mut(range) {
            part.reverse();
        }
    }
    uuid(&order).unwrap_or_default()
}
