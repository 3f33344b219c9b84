//! The fuzz targets on the stable toolchain: over the seeds, and over seeds that were damaged at
//! random. The fuzzer itself (`scripts/fuzz`) goes further.

use std::path::Path;

use proptest::prelude::*;

#[path = "../../fuzz/bodies.rs"]
mod bodies;
#[path = "../../../hw-probe/tests/it/damage.rs"]
mod damage;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 2] = [
    ("authorization_header", bodies::authorization_header),
    ("json_bodies", bodies::json_bodies),
];

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let mut paths: Vec<_> = std::fs::read_dir(dir.join(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{target} has no seeds");
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

#[test]
fn every_fuzz_target_is_replayed() {
    let names = damage::targets(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(names, TARGETS.map(|(name, _)| name));
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
fn the_seeds_are_what_the_targets_look_for() {
    for seed in seeds("authorization_header") {
        let line = seed.split(|byte| *byte == b'\n').next().unwrap();
        let line = std::str::from_utf8(line).unwrap();
        directory::sign::Authorization::parse(line).unwrap();
    }
    for seed in seeds("json_bodies") {
        let json: serde_json::Value = serde_json::from_slice(&seed[1..]).unwrap();
        assert!(json.is_object() || json.is_array());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn damaged_input_does_no_harm(
        target in 0..TARGETS.len(),
        seed in 0..64_usize,
        damages in damage::damages(),
    ) {
        let (name, body) = TARGETS[target];
        let all = seeds(name);
        body(&damage::done(&all[seed % all.len()], &damages));
    }
}
