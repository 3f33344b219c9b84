//! The planner: every input gives a sound layout, identities follow the payload, farms differ in the
//! regions only.

use std::io::Cursor;

use image_builder::content::{Content, sha256};
use image_builder::error::{FormatError, PlanError, RegionError};
use image_builder::formats::el_torito::UefiSectorCount;
use image_builder::formats::fat::{self, FatFile, VolumeSize, VolumeSpec};
use image_builder::formats::timestamp::Timestamp;
use image_builder::medium::InitramfsFile;
use image_builder::regions;
use image_builder::rope::Source;
use image_builder::show;
use node_config::medium::{LOCATOR_LEN, LOCATOR_OFFSET, Locator};
use proptest::prelude::*;

use crate::readers::{from_fat, from_iso};
use crate::support::{bytes, config, medium, noise};

#[test]
fn two_farms_differ_in_the_listed_regions_only() {
    let (a, b) = (medium(1, 50_000), medium(4_294_967_295, 50_000));
    let (plan_a, plan_b) = (a.plan().expect("a"), b.plan().expect("b"));
    assert_eq!(plan_a.disk_guid, plan_b.disk_guid);
    let (a, b) = (bytes(&plan_a), bytes(&plan_b));
    assert_eq!(a.len(), b.len());
    let mut touched = std::collections::BTreeSet::new();
    for (at, _) in a.iter().zip(&b).enumerate().filter(|(_, (a, b))| a != b) {
        let span = plan_a
            .regions
            .mutable_spans()
            .find(|span| span.contains(at as u64))
            .unwrap_or_else(|| panic!("byte {at} differs outside every region"));
        touched.insert(span.offset);
    }
    // The regions are listed because they do differ.
    assert_eq!(touched.len(), plan_a.regions.mutable_spans().count());
}

#[test]
fn the_same_input_gives_the_same_bytes_wherever_it_is_read_from() {
    let in_memory = medium(3, 70_000);
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("base");
    std::fs::write(&path, noise(8, 70_000)).expect("base layer");
    let mut from_file = medium(3, 70_000);
    from_file.initramfs[0].content = Content::hash_file(&path).expect("hashed");
    let (a, b) = (in_memory.plan().expect("a"), from_file.plan().expect("b"));
    assert!(bytes(&a) == bytes(&b));
    assert_eq!(a.disk_guid, b.disk_guid);
}

#[test]
fn identity_follows_payload_and_loaders() {
    let base = medium(1, 1000).plan().expect("plan").disk_guid;
    let mut other = medium(1, 1000);
    other.initramfs[0].content = Content::bytes(noise(99, 1000));
    assert_ne!(
        other.plan().expect("plan").disk_guid,
        base,
        "another base layer"
    );
    let mut other = medium(1, 1000);
    other.loaders.mok_manager = None;
    assert_ne!(other.plan().expect("plan").disk_guid, base, "no MokManager");
    let mut other = medium(1, 1000);
    other.timestamp = Timestamp(1);
    assert_ne!(other.plan().expect("plan").disk_guid, base, "another time");
    let mut other = medium(1, 1000);
    other.config = config(77);
    other.kernel_arguments = "vlan=9".to_owned();
    other.farm_toml = "farm_id = 77".to_owned();
    assert_eq!(other.plan().expect("plan").disk_guid, base, "another farm");
}

#[test]
fn the_medium_explains_itself() {
    let plan = medium(42, 10_000).plan().expect("plan");
    let image = bytes(&plan);
    let mut reader = Cursor::new(&image);
    let table = regions::find_on(&mut reader)
        .expect("readable")
        .expect("ours");
    assert_eq!(table, plan.regions);
    for region in &table.regions {
        let at = |offset: u64| &image[offset as usize..][..region.span.length as usize];
        assert_eq!(
            sha256(at(region.span.offset)),
            region.default_sha256,
            "{}",
            region.name
        );
        assert!(
            at(region.span.offset) == at(region.default_offset),
            "{}",
            region.name
        );
    }
    assert_eq!(
        table.get(regions::CONFIG).expect("config").span.offset % 4096,
        0
    );
    for offset in &table.guid_texts {
        let text = &image[*offset as usize..][..36];
        assert_eq!(text, plan.disk_guid.to_string().as_bytes());
    }

    let description = show::describe(&mut reader).expect("described");
    assert_eq!(description.disk_guid, Some(plan.disk_guid));
    assert_eq!(description.farm_id.map(|id| id.get()), Some(42));
    assert_eq!(
        description.kernel_arguments.as_deref(),
        Some("farmer_id=42 runmode=dev")
    );
    let names: Vec<&str> = description
        .partitions
        .iter()
        .map(|p| p.name.as_str())
        .collect();
    assert_eq!(names, ["FARMCFG", "EFI System"]);
    assert_eq!(description.partitions[1].span, plan.esp);
    let entries: Vec<_> = description
        .boot_entries
        .iter()
        .map(|e| (e.platform, e.sectors))
        .collect();
    assert_eq!(entries, [(0, 4), (0xEF, 0)]);
    assert_eq!(description.boot_entries[1].offset, plan.esp.offset);
    assert!(
        description
            .regions
            .expect("ours")
            .iter()
            .all(|region| !region.customised)
    );
}

#[test]
fn a_rewritten_region_shows() {
    let plan = medium(42, 10_000).plan().expect("plan");
    let mut image = bytes(&plan);
    let at = plan.regions.get(regions::CONFIG).expect("config").span;
    image[at.offset as usize..][..at.length as usize].copy_from_slice(&config(43));
    let description = show::describe(&mut Cursor::new(&image)).expect("described");
    assert_eq!(description.farm_id.map(|id| id.get()), Some(43));
    let customised: Vec<String> = description
        .regions
        .expect("ours")
        .into_iter()
        .filter(|region| region.customised)
        .map(|region| region.name)
        .collect();
    assert_eq!(customised, [regions::CONFIG]);
}

#[test]
fn foreign_short_and_damaged_media_are_told_apart() {
    let found = |image: &[u8]| regions::find_on(&mut Cursor::new(image));
    assert!(found(&[]).expect("readable").is_none());
    assert!(found(&vec![0; 1 << 20]).expect("readable").is_none());
    let description = show::describe(&mut Cursor::new(vec![0xFF; 100_000])).expect("described");
    assert!(description.regions.is_none() && description.partitions.is_empty());

    let plan = medium(1, 1000).plan().expect("plan");
    let image = bytes(&plan);
    let mut locator = [0; LOCATOR_LEN];
    locator.copy_from_slice(&image[LOCATOR_OFFSET as usize..][..LOCATOR_LEN]);
    let locator = Locator::decode(&locator).expect("locator");
    assert_eq!(locator.disk_guid, plan.disk_guid.0);
    let mut damaged = image.clone();
    damaged[locator.table_offset as usize] = b'x';
    assert!(matches!(found(&damaged), Err(RegionError::Table { .. })));
    assert!(matches!(
        found(&image[..100_000]),
        Err(RegionError::Read { .. })
    ));
}

#[test]
fn what_cannot_be_planned_is_refused_in_words() {
    let error = |change: fn(&mut image_builder::medium::UniversalMedium)| {
        let mut medium = medium(1, 1000);
        change(&mut medium);
        medium.plan().expect_err("refused")
    };
    assert!(matches!(
        error(|m| m.loaders.bios.isohdpfx = vec![0; 440].into()),
        PlanError::Format {
            source: FormatError::BootCode { length: 440, .. },
            ..
        }
    ));
    let no_isolinux = error(|m| m.loaders.bios.isolinux = vec![0; 4096].into());
    assert!(matches!(
        no_isolinux,
        PlanError::Format {
            source: FormatError::Isolinux { .. },
            ..
        }
    ));
    assert!(no_isolinux.hint().is_some());
    assert!(matches!(
        error(|m| m.loaders.bios.isolinux = noise(1, 1 << 20).into()),
        PlanError::GapTooSmall { .. }
    ));
    assert!(matches!(
        error(|m| m.loaders.grub = Content::bytes(vec![0; 9 << 20])),
        PlanError::LoadersTooLarge { .. }
    ));
    assert!(matches!(
        error(|m| m.config = vec![0x31; 10]),
        PlanError::Region(RegionError::NotCpio { .. })
    ));
    assert!(matches!(
        error(|m| m.kernel_arguments = "a=$(reboot)".to_owned()),
        PlanError::Region(RegionError::Argument { character: '$', .. })
    ));
    assert!(matches!(
        error(|m| m.title = "a\nLABEL x".to_owned()),
        PlanError::Text { .. }
    ));
    for name in ["base.img", "TOOLONGNAME.IMG", "A/../B", "", "VMLINUZ"] {
        let mut medium = medium(1, 1000);
        medium.initramfs[0].name = name.to_owned();
        assert!(
            matches!(medium.plan(), Err(PlanError::Format { .. })),
            "{name:?}"
        );
    }
}

#[test]
fn every_spelling_of_the_sector_count_is_written() {
    for (count, expected) in [(UefiSectorCount::One, 1), (UefiSectorCount::Exact, 16_384)] {
        let mut medium = medium(1, 1000);
        medium.uefi_sector_count = count;
        let plan = medium.plan().expect("plan");
        let image = bytes(&plan);
        let description = show::describe(&mut Cursor::new(&image)).expect("described");
        assert_eq!(description.boot_entries[1].sectors, expected);
        assert_eq!(plan.esp.length, 8 << 20);
    }
}

/// Lengths that sit on the edges of sectors, clusters and FAT variants.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => prop_oneof![
            Just(0), Just(1), Just(511), Just(512), Just(2047), Just(4095), Just(4096), Just(4097)
        ],
        4 => 0_usize..300_000,
        1 => Just(26 << 20),
        1 => (33_usize << 20)..(36 << 20),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a stick holds, describing it ends in a description or an error.
    #[test]
    fn damaged_media_never_panic(
        changes in prop::collection::vec((0_usize..320 * 1024, any::<u8>()), 0..40),
        aimed in prop::collection::vec((0_usize..6, 0_usize..512, any::<u8>()), 0..10),
        cut in prop::option::of(0_usize..400_000),
    ) {
        thread_local! {
            static IMAGE: Vec<u8> = bytes(&medium(1, 1000).plan().expect("plan"));
        }
        let mut image = IMAGE.with(|image| image[..2 << 20].to_vec());
        for (at, byte) in changes {
            image[at] = byte;
        }
        // GPT, its entries, locator, descriptors, catalog, region table.
        let table = IMAGE.with(|image| {
            u64::from_le_bytes(image[32_732..32_740].try_into().expect("8 bytes")) as usize
        });
        for (structure, at, byte) in aimed {
            image[[512, 1024, 32_704, 34_816, 38_912, table][structure] + at] = byte;
        }
        if let Some(cut) = cut {
            image.truncate(cut);
        }
        let _ = show::describe(&mut Cursor::new(&image));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_mix_of_sizes_reads_back(
        kernel in length(),
        layers in prop::collection::vec(length(), 0..5),
    ) {
        let mut medium = medium(1, 0);
        medium.kernel = Content::bytes(noise(10, kernel));
        medium.initramfs = layers
            .iter()
            .enumerate()
            .map(|(index, length)| InitramfsFile {
                name: format!("L{index}.IMG"),
                content: Content::bytes(noise(20 + index as u64, *length)),
            })
            .collect();
        let plan = medium.plan().expect("planned");

        // Ordered, without gap and overlap, from 0 to the end.
        let mut at = 0;
        for extent in plan.layout.extents() {
            prop_assert_eq!(extent.offset, at);
            prop_assert!(extent.length > 0);
            at = extent.end();
        }
        prop_assert_eq!(at, plan.layout.total());
        prop_assert_eq!(plan.layout.total() % (1 << 20), 0);

        let read = |path: &str| {
            let file = plan.files.iter().find(|file| file.path == path).expect("placed");
            assert_eq!(file.span.offset % 4096, 0, "{path}");
            let mut buf = vec![0; file.span.length as usize];
            assert_eq!(plan.layout.read_at(file.span.offset, &mut buf).expect("read"), buf.len());
            buf
        };
        let mut expected = vec![("BOOT/VMLINUZ".to_owned(), noise(10, kernel))];
        for (index, length) in layers.iter().enumerate() {
            expected.push((format!("BOOT/L{index}.IMG"), noise(20 + index as u64, *length)));
        }
        for (path, content) in expected {
            prop_assert!(read(&path) == content, "{} as planned", path);
            // As UEFI and BIOS find it: through either file system, by readers of our own.
            let fat = from_fat(&plan.layout, plan.esp.offset, &path);
            prop_assert!(fat.as_ref() == Some(&content), "{} through FAT", path);
            let iso = from_iso(&plan.layout, &path);
            prop_assert!(iso.as_ref() == Some(&content), "{} through ISO 9660", path);
        }

        // Nothing is stored twice: the budget is payload, loaders, 2 % and 5 MiB.
        let payload: u64 = plan.files.iter().map(|file| file.span.length).sum();
        prop_assert!(plan.layout.total() <= payload * 102 / 100 + (5 << 20));

        // What nobody reads lies inside the EFI partition only.
        for extent in plan.layout.extents() {
            if matches!(extent.source, Source::Unused) {
                prop_assert!(extent.offset >= plan.esp.offset);
                prop_assert!(extent.end() <= plan.esp.offset + plan.esp.length);
            }
        }
    }

    #[test]
    fn fat_volumes_take_any_tree(
        names in prop::collection::btree_set("[a-zA-Z0-9 _~.-]{0,20}[a-z]", 1..60),
        lengths in prop::collection::vec(0_u64..40_000, 60),
        exact in any::<bool>(),
    ) {
        // FAT compares without case.
        let mut seen = std::collections::HashSet::new();
        let files: Vec<FatFile> = names
            .iter()
            .filter(|name| seen.insert(name.to_uppercase()))
            .zip(&lengths)
            .enumerate()
            .map(|(index, (name, length))| FatFile {
                path: format!("dir{}/{name}", index % 3),
                length: *length,
            })
            .collect();
        let spec = VolumeSpec {
            label: "TEST".to_owned(),
            serial: 1,
            disk_offset: 1 << 20,
            timestamp: Timestamp(1_795_000_000),
            size: if exact {
                VolumeSize::Exact(8 << 20)
            } else {
                VolumeSize::SmallestMultipleOf(64 << 10)
            },
        };
        let volume = fat::plan(&spec, &files).expect("planned");
        let mut builder = image_builder::rope::LayoutBuilder::new();
        for extent in volume.metadata {
            builder.place(extent.offset, extent.length, extent.source);
        }
        for (index, (file, offset)) in files.iter().zip(&volume.file_offsets).enumerate() {
            prop_assert_eq!(offset % 4096, 0);
            let content = noise(index as u64, file.length as usize);
            builder.place_bytes(*offset, content);
        }
        let layout = builder.finish(volume.length).expect("sound layout");
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("volume");
        image_builder::emit::to_file(
            &layout,
            &path,
            image_builder::emit::EmitOptions { sync: false, ..Default::default() },
            &mut |_| {},
        )
        .expect("written");
        let path = crate::support::arg(&path).to_owned();
        crate::support::run("fsck.vfat", &["-n", &path]);
        crate::support::run(
            "mcopy",
            &["-s", "-n", "-i", &path, "::dir0", crate::support::arg(directory.path())],
        );
        for (index, file) in files.iter().enumerate().filter(|(index, _)| index % 3 == 0) {
            let got = std::fs::read(directory.path().join(&file.path)).expect("copied out");
            prop_assert!(got == noise(index as u64, file.length as usize), "{}", file.path);
        }
    }
}
