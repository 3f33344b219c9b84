//! The digest by which a thin medium knows the system it fetches (`node_config::system`).

use std::collections::BTreeMap;
use std::fs;

use node_config::system::listing;
use sha2::{Digest as _, Sha256};

use super::file_tree::io_error;
use super::{LayerKind, Payload, PayloadError, cpio};
use crate::bootkit::Digest;

/// Digest of the files that the layers unpack to: what `farm-node` finds when it runs. Every layer
/// is read and unpacked in memory, one after the other.
///
/// # Errors
/// [`PayloadError`] if a layer cannot be read.
pub fn digest(payload: &Payload) -> Result<Digest, PayloadError> {
    let mut files = BTreeMap::new();
    for layer in &payload.layers {
        let path = &layer.part.path;
        let mut archive = fs::read(path).map_err(io_error("read", path))?;
        if layer.kind != LayerKind::Microcode {
            archive = zstd::decode_all(&archive[..]).map_err(io_error("unpack", path))?;
        }
        // The last copy of a file is the one that stays.
        for entry in cpio::read(&archive)? {
            if entry.is_file() {
                let name = entry.path.trim_start_matches(['.', '/']).to_owned();
                files.insert(name, hex::encode(Sha256::digest(entry.content)));
            }
        }
    }
    Ok(Digest::of(listing(&files).as_bytes()))
}
