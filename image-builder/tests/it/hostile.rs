//! The fuzz targets on the stable toolchain: over their seeds, and over seeds that were damaged at
//! random. The fuzzer itself (`scripts/fuzz`) goes further.

use proptest::prelude::*;

#[path = "../../fuzz/bodies.rs"]
mod bodies;
#[path = "../../../hw-probe/tests/it/damage.rs"]
mod damage;
#[path = "../../fuzz/seeds.rs"]
mod seeds;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 6] = [
    ("medium_show", bodies::medium_show),
    ("deb_read", bodies::deb_read),
    ("cpio_read", bodies::cpio_read),
    ("settings_read", bodies::settings_read),
    ("parts_read", bodies::parts_read),
    ("ipxe_script", bodies::ipxe_script),
];

#[test]
fn every_fuzz_target_is_replayed() {
    let names = damage::targets(env!("CARGO_MANIFEST_DIR"));
    for known in [TARGETS.map(|(name, _)| name), seeds::TARGETS] {
        let mut known = known.map(str::to_owned);
        known.sort();
        assert_eq!(names, known);
    }
}

#[test]
fn seeds_do_no_harm() {
    for (name, target) in TARGETS {
        let seeds = seeds::of(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        seeds.iter().for_each(|seed| target(seed));
        target(b"");
    }
}

/// A seed that is refused at the first byte leads nowhere.
#[test]
fn the_first_seeds_are_understood() {
    use image_builder::{bootkit::deb, payload::cpio, payload::elf::Elf, regions, show};
    let first = |target| seeds::of(target).remove(0);
    let mut medium = std::io::Cursor::new(bodies::lay_out(&first("medium_show")));
    let table = regions::find_on(&mut medium).expect("sound").expect("ours");
    assert_eq!(table.regions.len(), 4);
    let small = seeds::of("medium_show").remove(4);
    let mut small = std::io::Cursor::new(bodies::lay_out(&small));
    let description = show::describe(&mut small).expect("described");
    assert_eq!(description.farm_id.map(|id| id.get()), Some(7));
    let contained = seeds::of("medium_show").remove(5);
    let mut contained = std::io::Cursor::new(bodies::lay_out(&contained));
    let description = show::describe(&mut contained).expect("described");
    assert_eq!(description.container, Some("qcow2"), "{description:?}");
    assert_eq!(description.farm_id.map(|id| id.get()), Some(7));
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("a.deb");
    std::fs::write(&path, first("deb_read")).expect("written");
    let mut seen = Vec::new();
    let mut visit = |_: &deb::DebInfo, entry: deb::DebEntry<'_>| {
        seen.push(entry.path.to_owned());
        Ok(())
    };
    deb::read(&path, &mut |_| true, &mut visit).expect("a package");
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(
        !cpio::read(&first("cpio_read"))
            .expect("archives")
            .is_empty()
    );
    let toml = String::from_utf8(first("settings_read")).expect("text");
    node_config::NodeConfig::from_toml(&toml, "seed").expect("settings");
    Elf::parse(&first("parts_read"))
        .and_then(|elf| elf.require_static_program())
        .expect("a program");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_seeds_do_no_harm(
        target in 0..TARGETS.len(),
        seed in 0..8_usize,
        damages in damage::damages(),
    ) {
        thread_local! {
            static SEEDS: Vec<Vec<Vec<u8>>> =
                TARGETS.iter().map(|(name, _)| seeds::of(name)).collect();
        }
        let bytes = SEEDS.with(|all| damage::done(&all[target][seed % all[target].len()], &damages));
        TARGETS[target].1(&bytes);
    }
}
