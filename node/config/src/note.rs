//! What a `farm-node` binary says about the settings it understands: an ELF note, so that builders
//! and `farmer image customize` can refuse settings that the node on an image would not know.
//!
//! A note (System V ABI, chapter 5, "Note Section") with owner `FARM` and type 1. Its description:
//! schema version (u32, little endian), then text: version of the node, a line feed, and the names
//! of all settings it knows, separated by blanks.

/// Owner of the note.
pub const OWNER: &str = "FARM";
/// Type of the note.
pub const KIND: u32 = 1;
/// Section the note lies in.
pub const SECTION: &str = ".note.farm-node";

/// Header (three words) and the owner with its zero byte, padded to a word.
const HEAD_BYTES: usize = 12 + 8;

/// Length of the note of a node with that version and those keys.
#[must_use]
pub const fn len(version: &str, keys: &str) -> usize {
    (HEAD_BYTES + 4 + version.len() + 1 + keys.len()).next_multiple_of(4)
}

/// The whole note; `N` is what [`len`] says.
#[must_use]
pub const fn encode<const N: usize>(schema: u32, version: &str, keys: &str) -> [u8; N] {
    let mut out = [0; N];
    let description = (4 + version.len() + 1 + keys.len()) as u32;
    let mut at = copy(&mut out, 0, &(OWNER.len() as u32 + 1).to_le_bytes());
    at = copy(&mut out, at, &description.to_le_bytes());
    at = copy(&mut out, at, &KIND.to_le_bytes());
    copy(&mut out, at, OWNER.as_bytes());
    at = copy(&mut out, HEAD_BYTES, &schema.to_le_bytes());
    at = copy(&mut out, at, version.as_bytes());
    at = copy(&mut out, at, b"\n");
    copy(&mut out, at, keys.as_bytes());
    out
}

const fn copy<const N: usize>(out: &mut [u8; N], at: usize, bytes: &[u8]) -> usize {
    let mut index = 0;
    while index < bytes.len() {
        out[at + index] = bytes[index];
        index += 1;
    }
    at + bytes.len()
}

/// What a note's description says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeNote {
    /// Newest schema version the node accepts.
    pub schema: u32,
    /// Version of the node.
    pub version: String,
    /// Names of the settings it knows, as in [`crate::schema::KEYS`].
    pub keys: Vec<String>,
}

impl NodeNote {
    /// Reads a note's description; `None` if it is none of ours.
    #[must_use]
    pub fn decode(description: &[u8]) -> Option<Self> {
        let (schema, text) = description.split_first_chunk::<4>()?;
        let text = std::str::from_utf8(text).ok()?.trim_end_matches('\0');
        let (version, keys) = text.split_once('\n')?;
        let plain = |word: &str| word.bytes().all(|byte| byte.is_ascii_graphic());
        let keys: Vec<String> = keys.split(' ').map(str::to_owned).collect();
        (plain(version) && keys.iter().all(|key| plain(key))).then(|| Self {
            schema: u32::from_le_bytes(*schema),
            version: version.to_owned(),
            keys,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_back() {
        const KEYS: &str = "farm_id network.dhcp";
        const NOTE: [u8; len("1.2.3", KEYS)] = encode(7, "1.2.3", KEYS);
        assert_eq!(NOTE.len() % 4, 0);
        assert_eq!(&NOTE[..4], &5_u32.to_le_bytes());
        assert_eq!(&NOTE[8..20], b"\x01\0\0\0FARM\0\0\0\0");
        let length = u32::from_le_bytes(NOTE[4..8].try_into().unwrap()) as usize;
        let note = NodeNote::decode(&NOTE[20..20 + length]).unwrap();
        assert_eq!((note.schema, note.version.as_str()), (7, "1.2.3"));
        assert_eq!(note.keys, ["farm_id", "network.dhcp"]);
        assert_eq!(NodeNote::decode(b"\x01\0"), None);
        assert_eq!(NodeNote::decode(b"\x01\0\0\0\xFF\n"), None);
    }
}
