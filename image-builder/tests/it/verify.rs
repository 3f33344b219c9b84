//! Verifying: every kind of damage is named with its place, sound and grown media are not blamed.

use std::io::Cursor;

use image_builder::formats::guid::Guid;
use image_builder::medium::Plan;
use image_builder::regions;
use image_builder::restamp::restamp;
use image_builder::show;
use image_builder::verify::{Report, Severity, verify};
use proptest::prelude::*;

use crate::support::{arg, bytes, medium, run, write};

fn check(image: &[u8]) -> Report {
    verify(&mut Cursor::new(image), &mut |_, _| {}).expect("a report")
}

fn damage(report: &Report) -> Vec<&str> {
    let bad = report
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Damage);
    bad.map(|f| f.place.as_str()).collect()
}

fn sample() -> (Plan, Vec<u8>) {
    let plan = medium(1, 50_000).plan().expect("plan");
    let image = bytes(&plan);
    (plan, image)
}

#[test]
fn a_fresh_image_is_whole_and_all_its_files_are_verified() {
    let (plan, image) = sample();
    let report = check(&image);
    assert_eq!(report.findings, [], "{report:#?}");
    assert!(report.is_ours);
    let files: u64 = plan.files.iter().map(|file| file.span.length).sum();
    assert!(
        report.verified_bytes > files - 64 * 1024,
        "{}",
        report.verified_bytes
    );
    for name in [
        "EFI/BOOT/BOOTX64.EFI",
        "BOOT/VMLINUZ",
        "BOOT/BASE.IMG",
        "partition tables",
    ] {
        assert!(
            report.sound.iter().any(|sound| sound == name),
            "{name}: {report:#?}"
        );
    }
}

#[test]
fn damage_is_named_by_place() {
    let (plan, image) = sample();
    let total = image.len() as u64;
    let file = |path: &str| {
        let file = plan
            .files
            .iter()
            .find(|file| file.path == path)
            .expect("file");
        file.span.offset + file.span.length / 2
    };
    let region = |name: &str| plan.regions.get(name).expect("region").span.offset;
    let area = |name: &str| {
        let area = plan.regions.areas.iter().find(|area| area.name == name);
        area.expect("area").span.offset
    };
    let table = u64::from_le_bytes(image[32_732..32_740].try_into().expect("8 bytes"));
    let isolinux = area("ISOLINUX/ISOLINUX.BIN");
    for (at, place) in [
        (10, "MBR boot code"),
        (450, "MBR"),
        (511, "MBR"),
        (512 + 30, "GPT, primary"),
        (1024 + 40, "GPT, primary"),
        (total - 512 + 60, "GPT, backup"),
        (total - 512 - 16_384 + 5, "GPT, backup"),
        (32_704 + 14, "locator"),
        (16 * 2048 + 50, "ISO 9660 metadata"),
        (19 * 2048 + 5, "El Torito catalog"),
        (isolinux + 16, "boot information table"),
        (isolinux + 2000, "boot information table"),
        (isolinux + 2000, "ISOLINUX/ISOLINUX.BIN"),
        (table + 2, "region table"),
        (table + 200, "region table"),
        (plan.regions.defaults.offset + 3, "region config"),
        (plan.regions.table_digest_offset(), "region table"),
        (region(regions::CONFIG) + 1, "region config"),
        (region(regions::KARGS_BIOS) + 1900, "region kargs-bios"),
        (region(regions::KARGS_UEFI), "region kargs-uefi"),
        (plan.regions.guid_texts[0] + 4, "disk GUID"),
        (plan.regions.guid_texts[1] + 4, "disk GUID"),
        (plan.esp.offset + 13, "FAT, partition 2 (EFI System)"),
        (plan.esp.offset + 20, "EFI partition metadata"),
        (file("BOOT/VMLINUZ"), "BOOT/VMLINUZ"),
        (file("BOOT/BASE.IMG"), "BOOT/BASE.IMG"),
        (file("EFI/BOOT/GRUBX64.EFI"), "EFI/BOOT/GRUBX64.EFI"),
        (plan.farmcfg.offset + 511, "FAT, partition 1 (FARMCFG)"),
    ] {
        let mut image = image.clone();
        image[at as usize] ^= 0x11;
        let report = check(&image);
        let found = damage(&report);
        assert!(
            found.contains(&place),
            "byte {at} should be in {place}: {report:#?}"
        );
    }
}

/// The copies of the FAT: damage in one is seen by comparing them, for FARMCFG too.
#[test]
fn fat_copies_are_compared() {
    let (plan, image) = sample();
    for offset in [plan.esp.offset, plan.farmcfg.offset] {
        let at = |field: u64| usize::from(image[(offset + field) as usize]);
        let reserved = at(14) | at(15) << 8;
        let table = at(22) | at(23) << 8;
        let second = offset as usize + (reserved + table) * 512;
        let mut image = image.clone();
        image[second + 7] ^= 1;
        let report = check(&image);
        let finding = report
            .findings
            .iter()
            .find(|f| f.what.contains("copies of the allocation table"))
            .unwrap_or_else(|| panic!("{report:#?}"));
        assert_eq!(finding.offset as usize, second + 7);
    }
}

#[test]
fn missing_bytes_are_counted() {
    let (_, image) = sample();
    let report = check(&image[..image.len() - 5000]);
    let finding = report
        .findings
        .iter()
        .find(|f| f.place == "file")
        .expect("truncation");
    assert!(finding.what.contains("5000 of"), "{finding:?}");
    assert!(damage(&report).contains(&"GPT, backup"), "{report:#?}");
    let report = check(&image[..600_000]);
    assert!(damage(&report).contains(&"file"), "{report:#?}");
}

#[test]
fn a_larger_stick_is_fine_wherever_its_backup_table_is() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("stick.img");
    let (plan, image) = sample();
    write(&plan, &path);
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("opened");
    file.set_len(image.len() as u64 + (8 << 20)).expect("grown");
    let report = check(&std::fs::read(&path).expect("read"));
    assert!(!report.is_damaged(), "{report:#?}");
    assert!(
        report.findings.iter().any(|f| f.place == "GPT, backup"),
        "{report:#?}"
    );
    run("sgdisk", &["-e", arg(&path)]);
    let report = check(&std::fs::read(&path).expect("read"));
    assert!(
        report.findings.iter().all(|f| f.place != "GPT, backup"),
        "{report:#?}"
    );
    let bad: Vec<_> = damage(&report)
        .into_iter()
        .filter(|place| *place != "MBR")
        .collect();
    assert!(bad.is_empty(), "{report:#?}");
}

#[test]
fn a_used_farmcfg_is_no_damage() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("stick.img");
    let (plan, _) = sample();
    write(&plan, &path);
    let secret = directory.path().join("identity.seed");
    std::fs::write(&secret, "secret").expect("file");
    let partition = format!("{}@@{}", arg(&path), plan.farmcfg.offset);
    run(
        "mcopy",
        &["-i", &partition, arg(&secret), "::identity.seed"],
    );
    let report = check(&std::fs::read(&path).expect("read"));
    assert_eq!(report.findings, [], "{report:#?}");
}

#[test]
fn a_restamped_medium_is_sound_and_its_own() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("stick.img");
    let (plan, image) = sample();
    let guid = Guid::derive("stick", b"serial 1");
    let layout = restamp(&plan.layout, guid).expect("restamped");
    let mut stamped = vec![0; image.len()];
    layout.read_at(0, &mut stamped).expect("read");
    let report = check(&stamped);
    assert_eq!(report.findings, [], "{report:#?}");
    let description = show::describe(&mut Cursor::new(&stamped)).expect("description");
    let original = show::describe(&mut Cursor::new(&image)).expect("description");
    assert_eq!(description.disk_guid, Some(guid));
    assert_eq!(description.fingerprint, original.fingerprint);
    for (new, old) in description.partitions.iter().zip(&original.partitions) {
        assert_ne!(new.guid, old.guid, "{}", new.name);
        assert_eq!((new.span, &new.name), (old.span, &old.name));
    }
    assert!(!String::from_utf8_lossy(&stamped).contains(&plan.disk_guid.to_string()));
    // Back again gives the image: nothing else was touched.
    let mut back = vec![0; image.len()];
    restamp(&layout, plan.disk_guid)
        .expect("restamped")
        .read_at(0, &mut back)
        .expect("read");
    assert!(back == image);

    std::fs::write(&path, &stamped).expect("file");
    let said = run("sgdisk", &["-v", arg(&path)]);
    assert!(said.contains("No problems found"), "{said}");
    let said = run("sgdisk", &["-p", arg(&path)]);
    assert!(said.to_lowercase().contains(&guid.to_string()), "{said}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    /// One flipped bit anywhere that something reads is found.
    #[test]
    fn every_flipped_bit_is_found(
        place in prop_oneof![
            2 => 0.0_f64..0.12,
            1 => 0.0_f64..1.0,
            1 => 0.999_f64..1.0,
        ],
        bit in 0_u8..8,
    ) {
        thread_local! {
            static SAMPLE: (Plan, std::cell::RefCell<Vec<u8>>) = {
                let (plan, image) = sample();
                (plan, image.into())
            };
        }
        SAMPLE.with(|(plan, image)| {
            let mut image = image.borrow_mut();
            let at = (place * image.len() as f64) as usize;
            let offset = at as u64;
            let in_area = plan.regions.areas.iter().any(|area| area.span.contains(offset));
            let in_region = plan.regions.mutable_spans().any(|span| span.contains(offset));
            let in_volume = plan.esp.contains(offset) || plan.farmcfg.contains(offset);
            // Room that no file has, and what the owner and the node write.
            let unread = in_volume && !in_area && !in_region;
            image[at] ^= 1 << bit;
            let report = check(&image);
            image[at] ^= 1 << bit;
            assert!(unread || !report.findings.is_empty(), "byte {at} in nobody's eyes");
        });
    }

    /// Whatever a medium holds, there is a report and a description.
    #[test]
    fn hostile_media_never_panic(
        changes in prop::collection::vec((0_usize..1_200_000, any::<u8>()), 0..60),
        aimed in prop::collection::vec((0_usize..9, 0_usize..512, any::<u8>()), 0..20),
        cut in prop::option::of(0_usize..1_400_000),
    ) {
        thread_local! {
            static IMAGE: (Plan, Vec<u8>) = sample();
        }
        IMAGE.with(|(plan, image)| {
            let mut image = image[..1_400_000].to_vec();
            for (at, byte) in changes {
                image[at] = byte;
            }
            let table = u64::from_le_bytes(image[32_732..32_740].try_into().expect("8 bytes"));
            let table = if table < 1_000_000 { table as usize } else { 0 };
            let esp = plan.esp.offset as usize;
            let places = [446, 512, 1024, 32_704, 34_816, 38_912, table, esp, esp + 4096];
            for (structure, at, byte) in aimed {
                image[places[structure] + at] = byte;
            }
            if let Some(cut) = cut {
                image.truncate(cut);
            }
            check(&image);
            show::describe(&mut Cursor::new(&image)).expect("a description");
            let all = image_builder::extract::What::All;
            image_builder::extract::list(&mut Cursor::new(&image), all).expect("a list");
            let request = image_builder::customize::Request::default();
            let _ = image_builder::customize::plan(&mut Cursor::new(&image), &request);
            let _ = image_builder::customize::reset(&mut Cursor::new(&image), true);
            let _ = image_builder::restamp::patches(&mut Cursor::new(&image), plan.disk_guid);
        });
    }
}

#[test]
fn the_beginning_of_an_image_is_not_a_sound_one() {
    let (_, image) = sample();
    for length in [600, 20_000, 40_000, image.len() / 2] {
        let report = check(&image[..length]);
        assert!(report.is_damaged(), "{length}: {report:#?}");
    }
}
