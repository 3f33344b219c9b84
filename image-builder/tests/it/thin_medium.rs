//! The thin disk: what two farms' disks share, what is read back from one, what outside tools say.

use std::io::Cursor;

use image_builder::content::Content;
use image_builder::customize::{self, CustomizeError, Request};
use image_builder::emit::{self, EmitOptions};
use image_builder::formats::guid::Guid;
use image_builder::formats::timestamp::Timestamp;
use image_builder::ipxe::{Capabilities, Kind, Severity, lint};
use image_builder::medium::SerialConsole;
use image_builder::medium::thin::{Program, Source, ThinBoot, ThinMedium};
use image_builder::regions::{self, Flavour, PayloadKind};
use image_builder::restamp::restamp;
use image_builder::rope::Layout;
use image_builder::show;
use image_builder::verify::{Severity as Damage, verify};
use node_config::medium::{LOCATOR_LEN, LOCATOR_OFFSET, Locator};

use crate::readers;
use crate::support::{arg, bytes, loaders, noise, output, run, write};

const NEWER: &str = "1.21.1+git20250501.dad20602+dfsg-1";

fn from_iso(layout: &Layout, path: &str) -> Vec<u8> {
    readers::from_iso(layout, path).expect("the file")
}

/// Volumes this small are FAT12, which mtools read for us.
fn from_fat(layout: &Layout, at: u64, path: &str) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("directory");
    let image = directory.path().join("image");
    let options = EmitOptions::default();
    emit::to_file(layout, &image, options, &mut |_| {}).expect("written");
    let volume = format!("{}@@{at}", arg(&image));
    let read = output("mcopy", &["-i", &volume, &format!("::{path}"), "-"]);
    assert!(read.status.success(), "{path}: {read:?}");
    read.stdout
}

fn program(kind: Kind, length: usize) -> Program {
    Program {
        content: Content::bytes(noise(length as u64, length)),
        capabilities: Capabilities::of_version(kind, NEWER),
    }
}

fn thin(farm: u32, mirror: &str) -> ThinMedium {
    let mut bios = loaders().bios;
    bios.menu = None;
    ThinMedium {
        loaders: bios,
        lkrn: program(Kind::Lkrn, 300_001),
        efi: Some(program(Kind::EfiX64, 700_001)),
        boot: ThinBoot {
            title: format!("Farm {farm}"),
            source: Source::Bundle(vec![mirror.to_owned()]),
            fixed: None,
            vlan: None,
            arguments: vec![format!("farm.farmer_id={farm}")],
            made: None,
        },
        payload: PayloadKind::FarmNode,
        farm_toml: "# nothing\n".to_owned(),
        serial: SerialConsole::default(),
        timestamp: Timestamp(1_795_000_000),
    }
}

#[test]
fn two_farms_differ_in_the_listed_regions_only() {
    let plan = thin(1, "http://192.0.2.1").plan().expect("a plan");
    let other = thin(4_294_967_295, "https://mirror.example/a/long/path");
    let other = other.plan().expect("a plan");
    assert_eq!(plan.disk_guid, other.disk_guid);
    let (a, b) = (bytes(&plan), bytes(&other));
    assert_eq!(a.len(), b.len());
    let spans: Vec<_> = plan.regions.mutable_spans().collect();
    let outside = a
        .iter()
        .zip(&b)
        .enumerate()
        .find(|(at, (a, b))| a != b && !spans.iter().any(|span| span.contains(*at as u64)));
    assert_eq!(outside, None);
    let mut newer = thin(1, "http://192.0.2.1");
    newer.lkrn = program(Kind::Lkrn, 300_002);
    assert_ne!(newer.plan().expect("a plan").disk_guid, plan.disk_guid);
}

#[test]
fn both_kinds_of_firmware_find_the_script_that_names_the_disk() {
    let plan = thin(9, "http://192.0.2.1").plan().expect("a plan");
    let image = bytes(&plan);
    let beside = from_fat(&plan.layout, plan.esp.offset, "EFI/BOOT/autoexec.ipxe");
    let text = String::from_utf8(beside.clone()).expect("text");
    let head = format!("#!ipxe\nset medium {}\n# Farm 9\n", plan.disk_guid);
    assert!(text.starts_with(&head), "{text}");
    assert!(text.contains("\nset farmer-args farm.medium=${medium} farm.farmer_id=9\n"));
    assert_eq!(text.len(), regions::SCRIPT_BYTES);
    let newer = Capabilities::of_version(Kind::EfiX64, NEWER);
    let findings = lint(&text, &newer);
    assert!(
        findings.iter().all(|f| f.severity != Severity::Error),
        "{findings:?}"
    );
    // Nothing in it is for one kind of firmware, so it is there once for both.
    assert_eq!(from_iso(&plan.layout, "BOOT/FARM.IPX"), beside);
    assert_eq!(
        from_fat(&plan.layout, plan.esp.offset, "autoexec.ipxe"),
        beside
    );
    assert_eq!(
        from_iso(&plan.layout, "BOOT/IPXE.KRN"),
        noise(300_001, 300_001)
    );
    let config = String::from_utf8(from_iso(&plan.layout, "ISOLINUX/ISOLINUX.CFG")).expect("text");
    assert!(
        config.contains("LINUX /BOOT/IPXE.KRN\n  INITRD /BOOT/FARM.IPX\n"),
        "{config}"
    );
    let locator: &[u8; LOCATOR_LEN] = image[LOCATOR_OFFSET as usize..]
        .first_chunk()
        .expect("a locator");
    let locator = Locator::decode(locator).expect("ours");
    assert_eq!(locator.disk_guid, plan.disk_guid.0);
}

#[test]
fn it_is_explained_verified_and_stamped_anew_but_not_customised() {
    let plan = thin(9, "http://192.0.2.1/x/").plan().expect("a plan");
    let image = bytes(&plan);
    let shown = show::describe(&mut Cursor::new(&image)).expect("described");
    assert_eq!(shown.flavour, Some(Flavour::Thin));
    assert_eq!(shown.farm_id.map(|farm| farm.get()), Some(9));
    assert_eq!(shown.fetches, ["http://192.0.2.1/x/boot.ipxe"]);
    let arguments = format!("farm.medium={} farm.farmer_id=9", plan.disk_guid);
    assert_eq!(shown.kernel_arguments, Some(arguments));
    assert_eq!(shown.problems, [""; 0]);

    let check = |image: &[u8]| verify(&mut Cursor::new(image), &mut |_, _| {}).expect("a report");
    assert_eq!(check(&image).findings, []);
    let mut broken = image.clone();
    let lkrn = plan.files.iter().find(|file| file.path == "BOOT/IPXE.KRN");
    broken[lkrn.expect("iPXE").span.offset as usize + 77] ^= 1;
    let report = check(&broken);
    assert!(report.is_damaged());
    assert_eq!(report.findings[0].severity, Damage::Damage);
    assert_eq!(report.findings[0].place, "BOOT/IPXE.KRN");

    let stamped = restamp(&plan.layout, Guid([7; 16])).expect("restamped");
    let mut out = Vec::new();
    emit::to_writer(&stamped, &mut out, false, &mut |_| {}).expect("written");
    assert_eq!(check(&out).findings, []);
    let script = from_fat(&stamped, plan.esp.offset, "EFI/BOOT/autoexec.ipxe");
    let medium = format!("#!ipxe\nset medium {}\n", Guid([7; 16]));
    assert!(script.starts_with(medium.as_bytes()));

    let refused = customize::plan(&mut Cursor::new(&image), &Request::default());
    assert!(matches!(refused, Err(CustomizeError::Thin)));
}

#[test]
fn without_an_efi_program_it_is_for_bios_and_says_so() {
    let mut bios = thin(9, "http://192.0.2.1");
    bios.efi = None;
    let plan = bios.plan().expect("a plan");
    let image = bytes(&plan);
    let shown = show::describe(&mut Cursor::new(&image)).expect("described");
    let starts = |firmware: &str| {
        let path = shown.boots.iter().find(|path| path.firmware == firmware);
        path.expect("a way to start").starts.clone()
    };
    assert_eq!(starts("uefi"), None);
    assert!(starts("bios").is_some());
    let report = verify(&mut Cursor::new(&image), &mut |_, _| {}).expect("a report");
    assert_eq!(report.findings, []);
    let readme = from_fat(&plan.layout, plan.esp.offset, "README.TXT");
    assert!(String::from_utf8_lossy(&readme).contains("It starts with BIOS"));
}

#[test]
fn outside_tools_find_it_sound() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("thin.iso");
    let plan = thin(9, "http://192.0.2.1").plan().expect("a plan");
    write(&plan, &path);
    assert!(run("sgdisk", &["-v", arg(&path)]).contains("No problems found"));
    for (name, span) in [("esp", plan.esp), ("farmcfg", plan.farmcfg)] {
        let part = directory.path().join(name);
        let bytes = &bytes(&plan)[span.offset as usize..][..span.length as usize];
        std::fs::write(&part, bytes).expect("written");
        run("fsck.vfat", &["-n", arg(&part)]);
    }
    let esp = format!("{}@@{}", arg(&path), plan.esp.offset);
    let script = run("mtype", &["-i", &esp, "::EFI/BOOT/autoexec.ipxe"]);
    assert!(script.contains("farm.farmer_id=9"));
    let tree = run(
        "xorriso",
        &["-indev", arg(&path), "-find", "/", "-type", "f"],
    );
    assert!(tree.contains("'/BOOT/IPXE.KRN'"), "{tree}");

    // What the farmer says on the stick counts more than its script.
    let toml = directory.path().join("farm.toml");
    std::fs::write(&toml, "farm_id = 2\n").expect("written");
    let farmcfg = format!("{}@@{}", arg(&path), plan.farmcfg.offset);
    run("mcopy", &["-o", "-i", &farmcfg, arg(&toml), "::farm.toml"]);
    let mut file = std::fs::File::open(&path).expect("opened");
    let shown = show::describe(&mut file).expect("described");
    assert_eq!(shown.farm_id.map(|farm| farm.get()), Some(2));
}

#[test]
fn a_script_that_is_too_long_is_refused_with_its_length() {
    let mirrors: Vec<String> = (0..200)
        .map(|n| format!("http://mirror-{n}.example/a/rather/long/path/to/a/bundle"))
        .collect();
    let mut thin = thin(9, "http://192.0.2.1");
    thin.boot.source = Source::Bundle(mirrors);
    let error = thin.plan().expect_err("too long");
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert!(
        source.is_some_and(|text| text.contains("script")),
        "{error}"
    );
}
