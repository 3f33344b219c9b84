//! The node's key and where it is kept.
//!
//! The file `node-identity.toml` on FARMCFG is a secret: whoever has it is this node. It never
//! goes into a log, and its text never into an error.

use std::path::Path;

use directory::clock::UnixTime;
use directory::identity::{IdentityError, Seed};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::farmcfg::Farmcfg;

/// Name of the file.
pub const FILE: &str = "node-identity.toml";
/// The firmware's name for the board.
const PRODUCT_UUID: &str = "/sys/class/dmi/id/product_uuid";

/// Where the key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// Read from FARMCFG.
    Farmcfg,
    /// Read from FARMCFG, and made on another machine.
    OtherMachine,
    /// Made now and written to FARMCFG.
    New,
    /// Made now and kept nowhere; the reason in words.
    Memory(String),
}

/// A node's key.
#[derive(Debug, Clone)]
pub struct NodeIdentity {
    /// The private key.
    pub seed: Seed,
    /// Where it comes from.
    pub store: Store,
}

impl NodeIdentity {
    /// What the console says about it.
    pub fn words(&self) -> String {
        let id = self.seed.node_id();
        match &self.store {
            Store::Farmcfg => format!("node {id}, from FARMCFG"),
            Store::New => format!("node {id}, made now and written to FARMCFG"),
            Store::OtherMachine => format!(
                "node {id}: identity came from another machine. If that machine still runs, give \
                 this one a stick of its own; the farmer decides in the directory"
            ),
            Store::Memory(why) => format!(
                "node {id}, kept in memory only: {why}. After a restart this machine will be a new node"
            ),
        }
    }
}

/// The file. Not `Debug`: it holds the seed.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct IdentityFile {
    /// The private key, 64 hexadecimal digits.
    seed: String,
    /// SHA-256 of the board's UUID, hexadecimal; empty if the board has none.
    #[serde(default)]
    board_sha256: String,
    /// When it was made, an HTTP date; for people.
    #[serde(default)]
    created: String,
}

/// Why a stored identity was not used.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("{FILE} is damaged; it was left as it is (delete it to get a new identity)")]
    Damaged,
    #[error("{0}")]
    Unreadable(String),
}

/// Takes the identity from FARMCFG, or makes one there, or makes one in memory.
///
/// A damaged file is never overwritten: it may be all that is left of a node's record.
pub fn obtain(
    farmcfg: Result<&Farmcfg, String>,
    board_sha256: &str,
    now: UnixTime,
) -> Result<NodeIdentity, IdentityError> {
    let farmcfg = match farmcfg {
        Ok(farmcfg) => farmcfg,
        Err(why) => return in_memory(why),
    };
    match load(farmcfg, board_sha256) {
        Ok(Some(identity)) => Ok(identity),
        Ok(None) => create(farmcfg, board_sha256, now),
        Err(error) => in_memory(error.to_string()),
    }
}

/// An identity that ends with this boot.
pub fn in_memory(why: String) -> Result<NodeIdentity, IdentityError> {
    Ok(NodeIdentity {
        seed: Seed::generate()?,
        store: Store::Memory(why),
    })
}

fn load(farmcfg: &Farmcfg, board_sha256: &str) -> Result<Option<NodeIdentity>, LoadError> {
    let text = match farmcfg.read(&[FILE]) {
        Ok(Some((_, text))) => Zeroizing::new(text),
        Ok(None) => return Ok(None),
        Err(error) => return Err(LoadError::Unreadable(crate::words::chain(&error))),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    // The parser's own words would quote the line with the seed.
    let file: IdentityFile = toml::from_str(text).map_err(|_| LoadError::Damaged)?;
    let mut bytes = Zeroizing::new([0_u8; Seed::LEN]);
    hex::decode_to_slice(file.seed.trim(), &mut *bytes).map_err(|_| LoadError::Damaged)?;
    let is_elsewhere = !file.board_sha256.is_empty()
        && !board_sha256.is_empty()
        && !file.board_sha256.eq_ignore_ascii_case(board_sha256);
    Ok(Some(NodeIdentity {
        seed: Seed::from(*bytes),
        store: if is_elsewhere {
            Store::OtherMachine
        } else {
            Store::Farmcfg
        },
    }))
}

fn create(
    farmcfg: &Farmcfg,
    board_sha256: &str,
    now: UnixTime,
) -> Result<NodeIdentity, IdentityError> {
    let seed = Seed::generate()?;
    let file = IdentityFile {
        seed: hex::encode(seed.expose()),
        board_sha256: board_sha256.to_owned(),
        created: now.to_http_date(),
    };
    let body = Zeroizing::new(toml::to_string(&file).unwrap_or_default());
    let text = Zeroizing::new(format!(
        "# The private key of this node. Whoever has this file is this node: do not copy it.\r\n{}",
        body.as_str()
    ));
    let store = match farmcfg.write(FILE, &text) {
        Ok(()) => Store::New,
        Err(error) => Store::Memory(crate::words::chain(&error)),
    };
    Ok(NodeIdentity { seed, store })
}

/// SHA-256 of this board's UUID, lower-case hexadecimal; empty if the firmware gives none that
/// tells boards apart.
pub fn board_sha256() -> String {
    let uuid = std::fs::read_to_string(Path::new(PRODUCT_UUID)).unwrap_or_default();
    hash_board(&uuid)
}

fn hash_board(uuid: &str) -> String {
    let uuid = uuid.trim().to_ascii_lowercase();
    let digits: Vec<char> = uuid.chars().filter(char::is_ascii_hexdigit).collect();
    // SMBIOS: all zeros means not present, all ones not settable.
    let says_nothing = digits.is_empty()
        || digits.iter().all(|digit| *digit == '0')
        || digits.iter().all(|digit| *digit == 'f');
    if says_nothing {
        return String::new();
    }
    hex::encode(Sha256::digest(uuid.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_760_000_000);

    fn obtained(farmcfg: &Farmcfg, board: &str) -> NodeIdentity {
        obtain(Ok(farmcfg), board, NOW).unwrap()
    }

    #[test]
    fn it_is_made_once_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let farmcfg = Farmcfg::stand_in(directory.path());
        let first = obtained(&farmcfg, "b1");
        assert_eq!(first.store, Store::New);
        let second = obtained(&farmcfg, "b1");
        assert_eq!(second.store, Store::Farmcfg);
        assert_eq!(first.seed.node_id(), second.seed.node_id());
        assert_eq!(
            obtained(&farmcfg, "").store,
            Store::Farmcfg,
            "unknown board"
        );
    }

    #[test]
    fn a_stick_moved_to_another_machine_keeps_its_identity_and_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let farmcfg = Farmcfg::stand_in(directory.path());
        let first = obtained(&farmcfg, "b1");
        let moved = obtained(&farmcfg, "b2");
        assert_eq!(moved.store, Store::OtherMachine);
        assert_eq!(first.seed.node_id(), moved.seed.node_id());
        assert!(moved.words().contains("identity came from another machine"));
    }

    #[test]
    fn a_damaged_file_is_kept_and_its_text_told_to_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let farmcfg = Farmcfg::stand_in(directory.path());
        for text in ["seed = \"secret\"", "seed = secret", "", "created = \"x\""] {
            std::fs::write(directory.path().join(FILE), text).unwrap();
            let identity = obtained(&farmcfg, "b1");
            let words = identity.words();
            assert!(
                matches!(identity.store, Store::Memory(_)),
                "{text}: {words}"
            );
            assert!(
                words.contains("damaged") && !words.contains("secret"),
                "{words}"
            );
            let kept = std::fs::read_to_string(directory.path().join(FILE)).unwrap();
            assert_eq!(kept, text);
        }
    }

    #[test]
    fn without_a_partition_it_lives_in_memory_and_says_why() {
        let identity = obtain(Err("no FARMCFG on a CD".to_owned()), "b1", NOW).unwrap();
        assert!(identity.words().contains("no FARMCFG on a CD"));
        let other = obtain(Err(String::new()), "b1", NOW).unwrap();
        assert_ne!(identity.seed.node_id(), other.seed.node_id());
    }

    #[test]
    fn an_edited_file_with_windows_line_ends_still_works() {
        let directory = tempfile::tempdir().unwrap();
        let farmcfg = Farmcfg::stand_in(directory.path());
        let first = obtained(&farmcfg, "b1");
        let path = directory.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        let edited = format!(
            "\u{feff}{}",
            text.replace("\r\n", "\n").replace('\n', "\r\n")
        );
        std::fs::write(&path, edited).unwrap();
        assert_eq!(
            obtained(&farmcfg, "b1").seed.node_id(),
            first.seed.node_id()
        );
    }

    #[test]
    fn boards_without_a_uuid_are_not_told_apart() {
        assert_eq!(hash_board("\n"), "");
        assert_eq!(hash_board("00000000-0000-0000-0000-000000000000\n"), "");
        assert_eq!(hash_board("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"), "");
        let hash = hash_board("4C4C4544-0042-3510-8053-B7C04F503432\n");
        assert_eq!(hash, hash_board("4c4c4544-0042-3510-8053-b7c04f503432"));
        assert_eq!(hash.len(), 64);
    }
}
