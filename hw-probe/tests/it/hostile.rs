//! The fuzz targets on the stable toolchain: over the seeds, and over seeds that were damaged at
//! random. The fuzzer itself (`scripts/fuzz`) goes further.

#![cfg(feature = "snapshot")]

use std::path::Path;

use proptest::prelude::*;

#[path = "../../fuzz/bodies.rs"]
#[allow(
    clippy::unwrap_used,
    reason = "a panic is what the fuzzer and these tests look for"
)]
mod bodies;
#[path = "damage.rs"]
mod damage;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 5] = [
    ("smbios_load", bodies::smbios_load),
    ("sysroot_tree", bodies::sysroot_tree),
    ("snapshot_archive", bodies::snapshot_archive),
    ("signature_probe", bodies::signature_probe),
    ("disk_health", bodies::disk_health),
];

/// Seeds of a target; those in `.hex` are binary.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let mut paths: Vec<_> = std::fs::read_dir(dir.join(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{target} has no seeds");
    let read = |path: &std::path::PathBuf| {
        let data = std::fs::read(path).unwrap();
        if path.extension().is_some_and(|ending| ending == "hex") {
            let digits: Vec<u8> = data.into_iter().filter(u8::is_ascii_hexdigit).collect();
            hex::decode(digits).unwrap()
        } else {
            data
        }
    };
    paths.iter().map(read).collect()
}

#[test]
fn every_fuzz_target_is_replayed() {
    let names = damage::targets(env!("CARGO_MANIFEST_DIR"));
    let mut known = TARGETS.map(|(name, _)| name);
    known.sort_unstable();
    assert_eq!(names, known);
}

#[test]
fn seeds_do_no_harm() {
    for (name, target) in TARGETS {
        for seed in seeds(name) {
            target(&seed);
        }
        target(b"");
    }
}

#[test]
fn the_seed_of_disks_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/sysroot_tree/disks.txt"),
    );
    bodies::plant(dir.path(), &text.unwrap());
    let root = hw_probe::root::Root::at(dir.path()).unwrap();
    let inventory = hw_probe::probe(&root, &hw_probe::ProbeOptions::default());
    let sizes: Vec<_> = inventory.disks.iter().map(|disk| disk.size_bytes).collect();
    assert!(sizes.contains(&Some(hw_probe::units::Bytes(7_814_037_168 * 512))));
}

fn after(target: usize, seed: usize, damages: &[damage::Damage]) {
    let (name, body) = TARGETS[target];
    let all = seeds(name);
    body(&damage::done(&all[seed % all.len()], damages));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn damaged_tables_do_no_harm(seed in 0..8_usize, damages in damage::damages()) {
        after(0, seed, &damages);
    }

    #[test]
    fn damaged_trees_do_no_harm(seed in 0..8_usize, damages in damage::damages()) {
        after(1, seed, &damages);
    }

    #[test]
    fn damaged_disks_do_no_harm(seed in 0..8_usize, damages in damage::damages()) {
        after(3, seed, &damages);
    }

    #[test]
    fn damaged_answers_do_no_harm(seed in 0..8_usize, damages in damage::damages()) {
        after(4, seed, &damages);
    }

    #[test]
    fn damaged_archives_do_no_harm(seed in 0..8_usize, damages in damage::damages()) {
        after(2, seed, &damages);
    }
}
