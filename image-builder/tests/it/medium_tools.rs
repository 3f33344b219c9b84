//! Finished media in the hands of other people's tools.

use std::fs;
use std::path::{Path, PathBuf};

use image_builder::formats::fat::FatKind;
use image_builder::medium::{Plan, UniversalMedium};
use image_builder::regions::Span;

use crate::support::{arg, bytes, medium, run, write};

struct Written {
    directory: tempfile::TempDir,
    image: PathBuf,
    medium: UniversalMedium,
    plan: Plan,
}

fn written(base_bytes: usize) -> Written {
    let directory = tempfile::tempdir().expect("temporary directory");
    let image = directory.path().join("node.iso");
    let medium = medium(7, base_bytes);
    let plan = medium.plan().expect("planned");
    write(&plan, &image);
    Written {
        directory,
        image,
        medium,
        plan,
    }
}

/// Small: FAT16; large: FAT32.
const SIZES: [usize; 2] = [2_000_003, 40_000_001];

fn cut(image: &[u8], span: Span, to: &Path) {
    let part = &image[span.offset as usize..(span.offset + span.length) as usize];
    fs::write(to, part).expect("partition cut out");
}

#[test]
fn sgdisk_finds_no_problem_and_both_partitions() {
    let written = written(SIZES[0]);
    let verdict = run("sgdisk", &["-v", arg(&written.image)]);
    assert!(verdict.contains("No problems found"), "{verdict}");
    let first = run("sgdisk", &["-i", "1", arg(&written.image)]);
    assert!(first.contains("Partition name: 'FARMCFG'"), "{first}");
    assert!(
        first.contains("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"),
        "{first}"
    );
    assert!(
        first.contains("Attribute flags: 0000000000000000"),
        "{first}"
    );
    let second = run("sgdisk", &["-i", "2", arg(&written.image)]);
    assert!(
        second.contains("C12A7328-F81F-11D2-BA4B-00A0C93EC93B"),
        "{second}"
    );
    assert!(second.contains("First sector: 2048"), "{second}");
    let table = run("sgdisk", &["-p", arg(&written.image)]);
    let guid = written.plan.disk_guid.to_string().to_uppercase();
    assert!(table.contains(&guid), "{guid} not in {table}");
    assert!(written.plan.farmcfg.length <= 2 << 20);
}

#[test]
fn a_lost_primary_table_is_recovered_from_the_backup() {
    let written = written(SIZES[0]);
    let mut image = fs::read(&written.image).expect("image");
    image[512..1024].fill(0);
    let damaged = written.directory.path().join("damaged.iso");
    fs::write(&damaged, image).expect("damaged copy");
    run(
        "sgdisk",
        &[
            "-b",
            arg(&written.directory.path().join("backup")),
            arg(&damaged),
        ],
    );
    let second = run("sgdisk", &["-i", "2", arg(&damaged)]);
    assert!(second.contains("First sector: 2048"), "{second}");
}

#[test]
fn fsck_accepts_both_file_systems() {
    for (base_bytes, kind) in SIZES.into_iter().zip([FatKind::Fat16, FatKind::Fat32]) {
        let written = written(base_bytes);
        assert_eq!(written.plan.esp_kind, kind);
        let image = fs::read(&written.image).expect("image");
        for (name, span) in [("esp", written.plan.esp), ("farmcfg", written.plan.farmcfg)] {
            let volume = written.directory.path().join(name);
            cut(&image, span, &volume);
            let report = run("fsck.vfat", &["-n", "-v", arg(&volume)]);
            // fsck.vfat mentions oddities without failing.
            for word in [
                "differ", "error", "wrong", "invalid", "bad", "dirty", "mismatch",
            ] {
                let found = report.to_lowercase().contains(word);
                assert!(!found, "{word:?} about {name} of {kind:?}:\n{report}");
            }
        }
    }
}

#[test]
fn mtools_read_every_file_of_the_efi_partition_bit_identical() {
    for base_bytes in SIZES {
        let written = written(base_bytes);
        let drive = format!("{}@@{}", arg(&written.image), written.plan.esp.offset);
        let listing = run("mdir", &["-i", &drive, "-/", "-b", "::"]);
        let image = bytes(&written.plan);
        for file in &written.plan.files {
            assert!(
                listing.contains(&file.path),
                "{} not in {listing}",
                file.path
            );
            let target = written.directory.path().join("copy");
            run(
                "mcopy",
                &[
                    "-n",
                    "-o",
                    "-i",
                    &drive,
                    &format!("::{}", file.path),
                    arg(&target),
                ],
            );
            let expected = &image[file.span.offset as usize..][..file.span.length as usize];
            assert!(
                fs::read(&target).expect("copy") == expected,
                "{} differs",
                file.path
            );
        }
        let kernel = written.directory.path().join("copy");
        run(
            "mcopy",
            &["-n", "-o", "-i", &drive, "::BOOT/VMLINUZ", arg(&kernel)],
        );
        let expected = written.medium.kernel.read().expect("kernel");
        assert!(
            fs::read(&kernel).expect("copy") == expected,
            "kernel differs from its source"
        );
    }
}

#[test]
fn farmcfg_shows_farm_toml_under_its_long_name() {
    let written = written(SIZES[0]);
    let drive = format!("{}@@{}", arg(&written.image), written.plan.farmcfg.offset);
    let listing = run("mdir", &["-i", &drive, "::"]);
    assert!(
        listing.contains("farm.toml") && listing.contains("FARM~1   TOM"),
        "{listing}"
    );
    let toml = run("mtype", &["-i", &drive, "::farm.toml"]);
    assert_eq!(toml.trim_end(), "# farm_id = 7");
    let readme = run("mtype", &["-i", &drive, "::README.TXT"]);
    assert!(readme.contains("farm.toml"), "{readme}");
    // A farmer's editor writes a new file beside the old one; the volume must take it.
    let edited = written.directory.path().join("edited");
    fs::write(&edited, "farm_id = 12\r\n").expect("edited");
    run("mcopy", &["-o", "-i", &drive, arg(&edited), "::farm.toml"]);
    run(
        "mcopy",
        &["-i", &drive, arg(&edited), "::a rather long name.txt"],
    );
    let toml = run("mtype", &["-i", &drive, "::farm.toml"]);
    assert_eq!(toml.trim_end(), "farm_id = 12");
    let image = fs::read(&written.image).expect("image");
    let volume = written.directory.path().join("farmcfg");
    cut(&image, written.plan.farmcfg, &volume);
    run("fsck.vfat", &["-n", arg(&volume)]);
}

#[test]
fn xorriso_recognises_the_boot_equipment() {
    let written = written(SIZES[0]);
    let report = run(
        "xorriso",
        &[
            "-indev",
            arg(&written.image),
            "-report_el_torito",
            "plain",
            "-report_system_area",
            "plain",
        ],
    );
    for expected in [
        "MBR isohybrid",
        "GPT",
        "boot-info-table isohybrid-suitable",
        "El Torito img path :   1  /ISOLINUX/ISOLINUX.BIN",
        "UEFI  y   none  0x0000  0x00      0         512",
        "MBR partition      :   2   0x80  0x00            0            1",
    ] {
        assert!(report.contains(expected), "{expected:?} not in {report}");
    }
}

#[test]
fn every_reader_of_the_iso_tree_gets_the_same_bytes() {
    for base_bytes in SIZES {
        let written = written(base_bytes);
        let image = bytes(&written.plan);
        let tools: [(&str, Vec<String>); 3] = [
            (
                "xorriso",
                [
                    "-osirrox",
                    "on",
                    "-indev",
                    arg(&written.image),
                    "-extract",
                    "/",
                    "OUT",
                ]
                .map(str::to_owned)
                .to_vec(),
            ),
            (
                "7z",
                ["x", "-y", "-oOUT", arg(&written.image)]
                    .map(str::to_owned)
                    .to_vec(),
            ),
            (
                "bsdtar",
                ["-x", "-f", arg(&written.image), "-C", "OUT"]
                    .map(str::to_owned)
                    .to_vec(),
            ),
        ];
        for (tool, arguments) in tools {
            let out = written.directory.path().join(tool);
            fs::create_dir(&out).expect("directory");
            let arguments: Vec<String> = arguments
                .iter()
                .map(|a| a.replace("OUT", arg(&out)))
                .collect();
            run(
                tool,
                &arguments.iter().map(String::as_str).collect::<Vec<_>>(),
            );
            for file in &written.plan.files {
                let got = fs::read(out.join(&file.path))
                    .unwrap_or_else(|e| panic!("{tool} did not extract {}: {e}", file.path));
                let expected = &image[file.span.offset as usize..][..file.span.length as usize];
                assert!(got == expected, "{tool}: {} differs", file.path);
            }
            let ldlinux = fs::read(out.join("ISOLINUX/LDLINUX.C32")).expect("ldlinux");
            assert!(ldlinux == written.medium.loaders.bios.ldlinux.read().expect("ldlinux"));
            let cfg = fs::read_to_string(out.join("ISOLINUX/ISOLINUX.CFG")).expect("config");
            assert!(cfg.contains("INITRD /BOOT/BASE.IMG,/BOOT/NODE.IMG,/BOOT/CONFIG.IMG"));
            assert!(cfg.contains("farmer_id=7 runmode=dev\n#####"), "{cfg}");
            assert!(cfg.contains(&format!("farm.medium={}", written.plan.disk_guid)));
        }
    }
}

/// Rufus copies the files of the ISO tree to a FAT stick: all of the EFI partition must be there, and
/// what firmware loads must lie where any reading of the El Torito count reaches.
#[test]
fn the_iso_tree_shows_the_whole_efi_partition_and_loaders_come_first() {
    for base_bytes in SIZES {
        let written = written(base_bytes);
        let drive = format!("{}@@{}", arg(&written.image), written.plan.esp.offset);
        let fat = run("mdir", &["-i", &drive, "-/", "-b", "::"]);
        let iso = run("bsdtar", &["-t", "-f", arg(&written.image)]);
        let mut files: Vec<&str> = fat
            .lines()
            .filter_map(|line| line.strip_prefix("::/"))
            .filter(|path| !path.ends_with('/'))
            .collect();
        assert_eq!(files.len(), written.plan.files.len(), "{fat}");
        files.retain(|file| {
            !iso.lines()
                .any(|line| line.trim_start_matches("./") == *file)
        });
        assert!(
            files.is_empty(),
            "{files:?} are not in the ISO tree:\n{iso}"
        );
        for file in &written.plan.files {
            let end = file.span.offset + file.span.length - written.plan.esp.offset;
            assert!(
                !file.path.starts_with("EFI/") || end <= 8 << 20,
                "{} ends at {end}",
                file.path
            );
        }
    }
}

#[test]
fn a_serial_console_reaches_both_loaders() {
    let mut medium = medium(7, SIZES[0]);
    medium.serial = Some("ttyS1,57600".parse().expect("a port"));
    let plan = medium.plan().expect("planned");
    let image = String::from_utf8_lossy(&bytes(&plan)).into_owned();
    for text in [
        "SERIAL 1 57600\nUI menu.c32\n",
        "APPEND console=tty0 console=ttyS1,57600n8 farm.medium=",
        "serial --unit=1 --speed=57600\n",
        "linux /boot/vmlinuz console=tty0 console=ttyS1,57600n8 quiet farm.rescue=1 farm.medium=",
        "MENU LABEL Farm node 0.1.0 (^rescue: look, do not register)\n",
    ] {
        assert!(image.contains(text), "{text:?} is missing");
    }
}
