//! Images that others made, with the tools that make them: explained as far as they can be read.

use std::fs::{self, File};
use std::path::Path;

use image_builder::extract::{self, What};
use image_builder::rope::SourceFile;
use image_builder::show::{self, MediumDescription, MediumKind};
use image_builder::verify::{self, Report};

use crate::payload_fixtures::kernel;
use crate::support::{arg, bytes, medium, noise, run, write};

const MIB: u64 = 1 << 20;

fn inspect(path: &Path) -> MediumDescription {
    show::describe(&mut File::open(path).expect("opened")).expect("description")
}

fn check(path: &Path) -> Report {
    verify::verify(&mut File::open(path).expect("opened"), &mut |_, _| {}).expect("report")
}

fn file(directory: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().expect("parent")).expect("directory");
    fs::write(&path, bytes).expect("file");
    path
}

/// Where each way of starting leads, as `bios cd`, `uefi disk`.
fn starts(description: &MediumDescription, firmware: &str, medium: &str) -> Option<String> {
    let path = description
        .boots
        .iter()
        .find(|path| (path.firmware, path.medium) == (firmware, medium));
    path.expect("a boot path").starts.clone()
}

/// The smallest program that has a section table: `sections` are names and contents.
fn efi_program(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut image = vec![0; 1024];
    image[..2].copy_from_slice(b"MZ");
    image[0x3C] = 0x80;
    image[0x80..0x84].copy_from_slice(b"PE\0\0");
    image[0x84..0x86].copy_from_slice(&0x8664_u16.to_le_bytes());
    image[0x86] = sections.len() as u8;
    image[0x94] = 240;
    image[0x98..0x9A].copy_from_slice(&0x20B_u16.to_le_bytes());
    for (index, (name, content)) in sections.iter().enumerate() {
        let at = 0x98 + 240 + 40 * index;
        let offset = image.len() as u32;
        image[at..at + name.len()].copy_from_slice(name.as_bytes());
        for place in [8, 16] {
            let length = (content.len() as u32).to_le_bytes();
            image[at + place..at + place + 4].copy_from_slice(&length);
        }
        image[at + 20..at + 24].copy_from_slice(&offset.to_le_bytes());
        image.extend_from_slice(content);
        image.resize(image.len().next_multiple_of(512), 0);
    }
    image
}

#[test]
fn a_hybrid_iso_of_xorriso() {
    let directory = tempfile::tempdir().expect("directory");
    let tree = directory.path().join("tree");
    file(&tree, "isolinux/isolinux.bin", &noise(1, 24_576));
    file(&tree, "install.amd/vmlinuz", &kernel("6.12.9-amd64"));
    file(&tree, "install.amd/initrd.gz", &noise(2, 9000));
    file(&tree, "a long name with blanks.txt", b"x");
    let esp = directory.path().join("efi.img");
    run("mkfs.vfat", &["-C", arg(&esp), "2880"]);
    let loader = file(
        directory.path(),
        "x.efi",
        &efi_program(&[(".text", b"code")]),
    );
    run("mmd", &["-i", arg(&esp), "::EFI", "::EFI/BOOT"]);
    run(
        "mcopy",
        &["-i", arg(&esp), arg(&loader), "::EFI/BOOT/BOOTX64.EFI"],
    );
    let image = directory.path().join("debian.iso");
    run(
        "xorriso",
        &[
            "-as",
            "mkisofs",
            "-quiet",
            "-R",
            "-V",
            "DEBIAN 13",
            "-o",
            arg(&image),
            "-b",
            "isolinux/isolinux.bin",
            "-c",
            "isolinux/boot.cat",
            "-no-emul-boot",
            "-boot-load-size",
            "4",
            "-boot-info-table",
            "-eltorito-alt-boot",
            "-e",
            "--interval:appended_partition_2:all::",
            "-no-emul-boot",
            "-append_partition",
            "2",
            "0xef",
            arg(&esp),
            "-appended_part_as_gpt",
            arg(&tree),
        ],
    );
    let description = inspect(&image);
    assert_eq!(description.kind, MediumKind::HybridIso, "{description:#?}");
    assert_eq!(description.volume_id.as_deref(), Some("DEBIAN 13"));
    assert!(description.regions.is_none());
    let platforms: Vec<u8> = description
        .boot_entries
        .iter()
        .map(|e| e.platform)
        .collect();
    assert_eq!(platforms, [0, 0xEF]);
    let kernel = description.kernels.first().expect("a kernel");
    assert_eq!(
        (kernel.path.as_str(), kernel.version.as_str()),
        ("install.amd/vmlinuz", "6.12.9-amd64")
    );
    assert_eq!(
        starts(&description, "bios", "cd").as_deref(),
        Some("isolinux/isolinux.bin")
    );
    for medium in ["cd", "disk"] {
        assert_eq!(
            starts(&description, "uefi", medium).as_deref(),
            Some("EFI/BOOT/BOOTX64.EFI"),
            "{medium}: {description:#?}"
        );
    }
    let secure: Vec<_> = description
        .boots
        .iter()
        .filter_map(|b| b.secure_boot)
        .collect();
    assert_eq!(secure, [false, false], "nothing here is signed");

    let report = check(&image);
    assert!(!report.is_damaged() && !report.is_ours, "{report:#?}");
    assert!(
        report.sound.iter().any(|s| s == "El Torito catalog"),
        "{report:#?}"
    );
    let mut damaged = fs::read(&image).expect("read");
    let loader = description.boot_entries[0].offset as usize;
    damaged[loader + 5000] ^= 1;
    fs::write(&image, &damaged).expect("written");
    let report = check(&image);
    assert!(
        report
            .findings
            .iter()
            .any(|f| f.place == "boot information table"),
        "{report:#?}"
    );
    fs::write(&image, &damaged[..damaged.len() - 200_000]).expect("cut");
    assert!(check(&image).is_damaged());

    // Taken apart, the files are those that went in.
    let source = SourceFile::open_medium(&image).expect("opened");
    let items = extract::list(&mut source.file(), What::Kernel).expect("list");
    assert_eq!(items.len(), 1, "{items:?}");
    let layout = items[0].layout(&source).expect("layout");
    let mut out = vec![0; layout.total() as usize];
    layout.read_at(0, &mut out).expect("read");
    assert!(out == fs::read(tree.join("install.amd/vmlinuz")).expect("kernel"));
}

#[test]
fn disks_of_sfdisk_and_mkfs() {
    let directory = tempfile::tempdir().expect("directory");
    let image = directory.path().join("disk.img");
    for (label, kind, partition) in [
        ("gpt", MediumKind::GptDisk, "uefi"),
        ("dos", MediumKind::MbrDisk, "ef"),
    ] {
        let _ = fs::remove_file(&image);
        File::create(&image)
            .expect("file")
            .set_len(64 * MIB)
            .expect("size");
        let script = format!("label: {label}\nstart=2048, size=81920, type={partition}\n");
        let script = file(directory.path(), "script", script.as_bytes());
        let command = format!("sfdisk -q {} < {}", arg(&image), arg(&script));
        run("sh", &["-c", &command]);
        run(
            "mkfs.vfat",
            &["-F", "32", "--offset", "2048", arg(&image), "40960"],
        );
        let partition = format!("{}@@{MIB}", arg(&image));
        let loader = file(
            directory.path(),
            "uki.efi",
            &efi_program(&[
                (".sbat", b"sbat,1,x\nsystemd-stub,1,x\n"),
                (".uname", b"6.12.0-uki"),
                (".cmdline", b"console=ttyS0 quiet"),
                (".linux", b"LINUX"),
                (".initrd", b"INITRD"),
            ]),
        );
        run("mmd", &["-i", &partition, "::EFI", "::EFI/BOOT"]);
        run(
            "mcopy",
            &["-i", &partition, arg(&loader), "::EFI/BOOT/BOOTX64.EFI"],
        );

        let description = inspect(&image);
        assert_eq!(description.kind, kind, "{description:#?}");
        assert_eq!(description.partitions.len(), 1);
        assert_eq!(description.partitions[0].kind, "EFI system");
        assert_eq!(description.partitions[0].span.offset, MIB);
        let uki = &description.kernels[0];
        assert_eq!(uki.version, "6.12.0-uki");
        assert_eq!(uki.arguments.as_deref(), Some("console=ttyS0 quiet"));
        assert_eq!(description.loaders[0].sbat, ["systemd-stub,1"]);
        assert_eq!(
            starts(&description, "uefi", "disk").as_deref(),
            Some("EFI/BOOT/BOOTX64.EFI")
        );
        assert_eq!(starts(&description, "uefi", "cd"), None);
        assert_eq!(starts(&description, "bios", "disk"), None);
        assert!(!check(&image).is_damaged(), "{:#?}", check(&image));

        let source = SourceFile::open_medium(&image).expect("opened");
        let items = extract::list(&mut source.file(), What::Initramfs).expect("list");
        let layout = items[0].layout(&source).expect("layout");
        let mut out = vec![0; layout.total() as usize];
        layout.read_at(0, &mut out).expect("read");
        assert_eq!(out, b"INITRD");
    }
}

#[test]
fn the_same_medium_in_a_container() {
    let directory = tempfile::tempdir().expect("directory");
    let plan = medium(42, 10_000).plan().expect("plan");
    let raw = directory.path().join("node.img");
    write(&plan, &raw);
    let plain = inspect(&raw);
    for (format, name) in [("qcow2", "qcow2"), ("vpc", "vhd")] {
        let image = directory.path().join(name);
        let options = if format == "vpc" {
            "subformat=fixed,force_size=on"
        } else {
            "cluster_size=64k"
        };
        run(
            "qemu-img",
            &[
                "convert",
                "-O",
                format,
                "-o",
                options,
                arg(&raw),
                arg(&image),
            ],
        );
        let description = inspect(&image);
        assert_eq!(description.container, Some(name), "{description:#?}");
        assert_eq!(description.kind, MediumKind::FarmMedium);
        assert_eq!(description.farm_id.map(|id| id.get()), Some(42));
        assert_eq!(description.fingerprint, plain.fingerprint);
        assert_eq!(description.boots, plain.boots);
        assert_eq!(description.size_bytes, plain.size_bytes);
    }
    let packed = directory.path().join("packed.qcow2");
    run(
        "qemu-img",
        &["convert", "-c", "-O", "qcow2", arg(&raw), arg(&packed)],
    );
    let description = inspect(&packed);
    assert_eq!(description.container, Some("qcow2"));
    assert!(
        description.problems.iter().any(|p| p.contains("container")),
        "{description:#?}"
    );
}

#[test]
fn single_files_are_told_apart() {
    let directory = tempfile::tempdir().expect("directory");
    let kind = |name: &str, bytes: &[u8]| inspect(&file(directory.path(), name, bytes)).kind;
    assert_eq!(
        kind("vmlinuz", &kernel("6.1.0-56-amd64")),
        MediumKind::Kernel
    );
    assert_eq!(kind("ipxe.lkrn", &kernel("iPXE")), MediumKind::Kernel);
    assert_eq!(
        kind("x.efi", &efi_program(&[(".text", b"")])),
        MediumKind::EfiProgram
    );
    let uki = efi_program(&[(".linux", b"L"), (".initrd", b"I")]);
    assert_eq!(kind("uki.efi", &uki), MediumKind::UnifiedKernel);
    assert_eq!(kind("a.cpio", b"070701xxxxxxxx"), MediumKind::Cpio);
    assert_eq!(kind("a.gz", b"\x1F\x8B\x08\0"), MediumKind::Compressed);
    assert_eq!(kind("empty", b""), MediumKind::Empty);
    assert_eq!(kind("zeros", &[0; 100_000]), MediumKind::Empty);
    assert_eq!(kind("text", b"hello, world"), MediumKind::Unknown);
    let fat = directory.path().join("fat.img");
    run("mkfs.vfat", &["-C", arg(&fat), "1440"]);
    assert_eq!(inspect(&fat).kind, MediumKind::FatVolume);
}

/// What is taken out of a medium of ours is what was put in, and never what the node keeps there.
#[test]
fn our_medium_taken_apart_is_what_went_in() {
    let directory = tempfile::tempdir().expect("directory");
    let built = medium(7, 70_000);
    let plan = built.plan().expect("plan");
    let path = directory.path().join("node.iso");
    write(&plan, &path);
    let secret = file(directory.path(), "identity.seed", b"the node's secret");
    let partition = format!("{}@@{}", arg(&path), plan.farmcfg.offset);
    run(
        "mcopy",
        &["-i", &partition, arg(&secret), "::identity.seed"],
    );

    let source = SourceFile::open_medium(&path).expect("opened");
    let items = extract::list(&mut source.file(), What::All).expect("list");
    let take = |path: &str| {
        let item = items.iter().find(|item| item.path == path);
        let item = item.unwrap_or_else(|| panic!("{path} in {items:#?}"));
        let layout = item.layout(&source).expect("layout");
        let mut out = vec![0; layout.total() as usize];
        layout.read_at(0, &mut out).expect("read");
        out
    };
    assert!(take("BOOT/BASE.IMG") == noise(8, 70_000));
    assert!(take("BOOT/NODE.IMG") == noise(9, 4097));
    assert!(take("EFI/BOOT/BOOTX64.EFI") == noise(4, 1_048_504));
    assert_eq!(take("config.img"), built.config);
    assert_eq!(take("node.toml"), b"schema = 1\nfarm_id = 7\n");
    assert!(take("farm.toml").starts_with(b"# farm_id = 7\n"));
    for item in &items {
        assert!(!item.path.contains("identity"), "{}", item.path);
    }
    let image = bytes(&plan);
    assert_eq!(image.len() as u64, plan.layout.total());
}
