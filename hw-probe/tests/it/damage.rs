//! Replaying fuzz targets on the stable toolchain: which there are, and damage done to seeds at random.
//! The tests of other crates take this file by its path.

use std::path::Path;

use proptest::prelude::*;

/// One damage: where (as a part of the length), what, and with what.
pub type Damage = (u16, u8, u8);

/// Some damages, to be [`done`] one after the other.
pub fn damages() -> impl Strategy<Value = Vec<Damage>> {
    proptest::collection::vec(any::<Damage>(), 1..12)
}

/// The seed with these damages.
pub fn done(seed: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for (at, what, with) in damages.iter().copied() {
        let at = bytes.len() * usize::from(at) / (usize::from(u16::MAX) + 1);
        let length = usize::from(with).min(bytes.len() - at);
        match what % 5 {
            0 if at < bytes.len() => bytes[at] = with,
            1 if at < bytes.len() => bytes[at] ^= 1 << (with % 8),
            2 => bytes.insert(at, with),
            3 => drop(bytes.drain(at..at + length)),
            _ => {
                let copy = bytes[at..at + length].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
    bytes
}

/// Names of a crate's fuzz targets, sorted; `directory` is the crate's.
pub fn targets(directory: &str) -> Vec<String> {
    let programs = std::fs::read_dir(Path::new(directory).join("fuzz/fuzz_targets")).unwrap();
    let mut names: Vec<String> = programs
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
