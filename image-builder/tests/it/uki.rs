//! Unified kernel images and media with one, in the hands of other people's tools.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use image_builder::bootkit::Loader;
use image_builder::content::Content;
use image_builder::emit;
use image_builder::formats::pe;
use image_builder::formats::timestamp::Timestamp;
use image_builder::medium::{Enrolment, Plan, UefiBoot, UkiBoot, UniversalMedium};
use image_builder::payload::uki::{Uki, UkiError, UkiParts};
use image_builder::regions::{self, Flavour};
use image_builder::secureboot::Signer;
use image_builder::secureboot::keyring::KeyDirectory;
use image_builder::show::describe;

use crate::payload_fixtures::real_bootkit;
use crate::secureboot::keys;
use crate::support::{arg, bytes, medium, noise, output, run, write};

fn stub() -> Arc<[u8]> {
    static STUB: OnceLock<Arc<[u8]>> = OnceLock::new();
    let read = || {
        let path = real_bootkit().0.loader(Loader::SystemdStub);
        fs::read(path)
            .expect("the stub, from systemd-boot-efi")
            .into()
    };
    Arc::clone(STUB.get_or_init(read))
}

fn signer() -> Arc<dyn Signer> {
    let directory = KeyDirectory::open(keys()).expect("keys");
    Arc::new(directory.signer().expect("signer"))
}

fn parts() -> UkiParts {
    UkiParts {
        stub: stub(),
        os_release: "ID=farm-node\nPRETTY_NAME=\"Farm node\"\n".to_owned(),
        kernel_release: "6.1.0-56-amd64".to_owned(),
        command_line: b"console=ttyS0 quiet\0\0\0".to_vec(),
        kernel: Content::bytes(noise(7, 1_234_567)),
        initramfs: vec![
            Content::bytes(noise(8, 2_000_003)),
            Content::bytes(noise(9, 4097)),
        ],
        timestamp: Timestamp(1_795_000_000),
    }
}

/// The two archives, the second on a multiple of 4 bytes.
fn initramfs() -> Vec<u8> {
    let mut joined = noise(8, 2_000_003);
    joined.push(0);
    joined.extend(noise(9, 4097));
    joined
}

fn file(uki: &Uki, dir: &Path, name: &str) -> PathBuf {
    let path = dir.join(name);
    emit::to_file(
        &uki.layout,
        &path,
        emit::EmitOptions::default(),
        &mut |_| {},
    )
    .expect("written");
    path
}

fn accepted(image: &Path, certificate: &str) -> bool {
    let certificate = keys().join(certificate);
    output("sbverify", &["--cert", arg(&certificate), arg(image)])
        .status
        .success()
}

#[test]
fn sections_are_where_binutils_and_pefile_expect_them() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let signed = parts().assemble(Some(&*signer())).expect("assembled");
    let image = file(&signed, dir.path(), "node.efi");
    let mut expected: Vec<(&str, Vec<u8>)> = vec![
        (".osrel", parts().os_release.into_bytes()),
        (".cmdline", parts().command_line),
        (".uname", parts().kernel_release.into_bytes()),
        (".linux", noise(7, 1_234_567)),
        (".initrd", initramfs()),
    ];
    for own in [".sbat", ".sdmagic", ".text", ".data"] {
        let original = pe::section_bytes(&stub(), own).expect(own).to_vec();
        expected.push((own, original));
    }
    for (name, content) in expected {
        let out = dir.path().join("section");
        let dump = format!("{name}={}", arg(&out));
        run(
            "objcopy",
            &[
                "-O",
                "binary",
                "--dump-section",
                &dump,
                arg(&image),
                "/dev/null",
            ],
        );
        let found = fs::read(&out).expect("section");
        assert!(found[..content.len()] == content, "{name} differs");
        assert!(found[content.len()..].iter().all(|b| *b == 0), "{name}");
    }
    assert_eq!(
        (signed.kernel.offset % 4096, signed.initramfs.offset % 4096),
        (0, 0)
    );
    let script = "import pefile, sys\n\
        pe = pefile.PE(sys.argv[1])\n\
        assert pe.verify_checksum(), 'checksum'\n\
        known = pefile.PE(sys.argv[2]).get_warnings()\n\
        assert pe.get_warnings() == known, pe.get_warnings()\n\
        assert pe.FILE_HEADER.TimeDateStamp == 1795000000\n\
        end = pe.OPTIONAL_HEADER.SizeOfHeaders\n\
        top = 0\n\
        for s in pe.sections:\n\
        \x20   assert s.PointerToRawData == end, s.Name\n\
        \x20   assert s.VirtualAddress >= top, s.Name\n\
        \x20   end += s.SizeOfRawData\n\
        \x20   top = s.VirtualAddress + s.Misc_VirtualSize\n\
        assert pe.OPTIONAL_HEADER.SizeOfImage >= top\n\
        security = pe.OPTIONAL_HEADER.DATA_DIRECTORY[4]\n\
        assert security.VirtualAddress == end, 'certificates follow the sections'\n";
    // systemd's stub has a peculiar relocation table, which pefile remarks on.
    let stub = real_bootkit().0.loader(Loader::SystemdStub);
    // Debian's own Python, which has Debian's python3-pefile.
    run("/usr/bin/python3", &["-c", script, arg(&image), arg(&stub)]);
}

#[test]
fn sbverify_accepts_our_signature_and_refuses_every_altered_part() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let signed = parts().assemble(Some(&*signer())).expect("assembled");
    let image = file(&signed, dir.path(), "node.efi");
    let verdict = run(
        "sbverify",
        &["--cert", arg(&keys().join("db.crt")), arg(&image)],
    );
    assert!(!verdict.contains("warning"), "{verdict}");
    assert!(
        !accepted(&image, "KEK.crt"),
        "a certificate it was not signed with"
    );

    let good = fs::read(&image).expect("image");
    let places = [
        0x90,
        signed.command_line.offset,
        signed.kernel.offset + 1000,
        signed.initramfs.offset + signed.initramfs.length - 1,
        // Padding behind the kernel.
        signed.kernel.offset + signed.kernel.length,
    ];
    for place in places {
        let mut altered = good.clone();
        altered[place as usize] ^= 1;
        let path = dir.path().join("altered.efi");
        fs::write(&path, altered).expect("written");
        assert!(!accepted(&path, "db.crt"), "byte {place} altered");
    }
    let plain = parts().assemble(None).expect("assembled");
    assert!(!accepted(&file(&plain, dir.path(), "plain.efi"), "db.crt"));
    assert_eq!(plain.authenticode_sha256, signed.authenticode_sha256);
    assert_eq!((plain.signed_by, plain.pcr11), (None, signed.pcr11));

    // sbsign comes to the same digest, and accepts our layout without a complaint about gaps.
    let theirs = dir.path().join("theirs.efi");
    let key = keys().join("db.key");
    let said = run(
        "sbsign",
        &[
            "--key",
            arg(&key),
            "--cert",
            arg(&keys().join("db.crt")),
            "--output",
            arg(&theirs),
            arg(&dir.path().join("plain.efi")),
        ],
    );
    assert!(!said.contains("warning"), "{said}");
    assert!(accepted(&theirs, "db.crt"));
}

#[test]
fn the_same_parts_and_key_give_the_same_bytes() {
    let once = parts().assemble(Some(&*signer())).expect("assembled");
    let again = parts().assemble(Some(&*signer())).expect("assembled");
    let digest = |uki: &Uki| emit::digest(&uki.layout).expect("digest");
    assert_eq!(digest(&once), digest(&again));
}

#[test]
fn register_11_is_what_systemd_measure_predicts() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let uki = parts().assemble(None).expect("assembled");
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).expect("written");
        format!("--{name}={}", arg(&path))
    };
    let arguments = [
        "calculate".to_owned(),
        "--bank=sha256".to_owned(),
        "--phase=:".to_owned(),
        put("linux", &noise(7, 1_234_567)),
        put("osrel", parts().os_release.as_bytes()),
        put("cmdline", &parts().command_line),
        put("initrd", &initramfs()),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let said = run("/usr/lib/systemd/systemd-measure", &arguments);
    let pcr11 = uki.pcr11.expect("the stub measures");
    let expected: String = pcr11.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(
        said.contains(&format!("11:sha256={expected}")),
        "{expected} not in {said}"
    );
}

#[test]
fn what_systemd_stub_cannot_take_is_refused() {
    let with = |change: fn(&mut UkiParts)| {
        let mut changed = parts();
        change(&mut changed);
        changed.assemble(None).expect_err("refused")
    };
    let error = with(|parts| parts.command_line = "quiet ä".into());
    assert!(matches!(error, UkiError::CommandLine(_)), "{error}");
    let error = with(|parts| parts.stub = noise(1, 4096).into());
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("systemd-boot-efi")),
        "{error}"
    );
    let cut = |length: usize| {
        let mut changed = parts();
        changed.stub = stub()[..length].into();
        changed.assemble(None).is_err()
    };
    assert!(
        (0..70_000).step_by(997).all(cut),
        "a stub cut short was accepted"
    );
}

fn uki_medium(farm_id: u32, signed: bool) -> UniversalMedium {
    let mut medium = medium(farm_id, 2_000_003);
    let enrolment = KeyDirectory::open(keys()).expect("keys").enrolment_files();
    medium.uefi = UefiBoot::Uki(UkiBoot {
        stub: Content::bytes(stub()),
        os_release: parts().os_release,
        kernel_release: parts().kernel_release,
        signer: signed.then(signer),
        enrolment: if signed {
            let files = enrolment.expect("files").into_iter();
            files
                .map(|(name, bytes)| Enrolment { name, bytes })
                .collect()
        } else {
            Vec::new()
        },
    });
    medium
}

fn written(medium: &UniversalMedium, dir: &Path) -> (Plan, PathBuf) {
    let plan = medium.plan().expect("planned");
    let image = dir.join("node.iso");
    write(&plan, &image);
    (plan, image)
}

#[test]
fn bios_reads_kernel_and_initramfs_out_of_the_image_that_uefi_starts() {
    for signed in [false, true] {
        let dir = tempfile::tempdir().expect("temporary directory");
        let medium = uki_medium(7, signed);
        let (plan, image) = written(&medium, dir.path());
        let verdict = run("sgdisk", &["-v", arg(&image)]);
        assert!(verdict.contains("No problems found"), "{verdict}");

        let whole = fs::read(&image).expect("image");
        let cut = |offset: u64, length: u64| &whole[offset as usize..(offset + length) as usize];
        let volume = dir.path().join("esp");
        fs::write(&volume, cut(plan.esp.offset, plan.esp.length)).expect("cut");
        run("fsck.vfat", &["-n", "-v", arg(&volume)]);

        let drive = format!("{}@@{}", arg(&image), plan.esp.offset);
        let efi = dir.path().join("BOOTX64.EFI");
        run(
            "mcopy",
            &["-n", "-i", &drive, "::EFI/BOOT/BOOTX64.EFI", arg(&efi)],
        );
        assert_eq!(accepted(&efi, "db.crt"), signed);
        let credential = dir.path().join("farm.cred");
        let inside = "::EFI/BOOT/BOOTX64.EFI.extra.d/farm.cred";
        run("mcopy", &["-n", "-i", &drive, inside, arg(&credential)]);
        let listing = run("mdir", &["-i", &drive, "-/", "-b", "::"]);
        for name in [
            "PK.auth", "KEK.auth", "db.auth", "PK.cer", "KEK.cer", "db.cer",
        ] {
            let enrolled = listing.contains(&format!("loader/keys/farm/{name}"));
            assert_eq!(enrolled, signed, "{listing}");
        }

        for (tool, arguments) in [
            ("7z", ["x", "-y", "-oOUT", arg(&image), ""]),
            ("bsdtar", ["-x", "-f", arg(&image), "-C", "OUT"]),
        ] {
            let out = dir.path().join(tool);
            fs::create_dir(&out).expect("directory");
            let arguments: Vec<String> = arguments
                .iter()
                .filter(|a| !a.is_empty())
                .map(|a| a.replace("OUT", arg(&out)))
                .collect();
            run(
                tool,
                &arguments.iter().map(String::as_str).collect::<Vec<_>>(),
            );
            let read = |path: &str| fs::read(out.join(path)).expect(path);
            assert!(
                read("BOOT/VMLINUZ") == noise(7, 1_234_567),
                "{tool}: kernel"
            );
            assert!(read("BOOT/INITRD.IMG") == initramfs(), "{tool}: initramfs");
            assert!(read("BOOT/CONFIG.IMG") == fs::read(&credential).expect("credential"));
            let cfg = String::from_utf8(read("ISOLINUX/ISOLINUX.CFG")).expect("text");
            assert!(
                cfg.contains("INITRD /BOOT/INITRD.IMG,/BOOT/CONFIG.IMG"),
                "{cfg}"
            );
        }
        // Stored once: the image is hardly larger than what is in it.
        let content = 1_234_567 + initramfs().len() as u64;
        assert!(
            plan.layout.total() < content + (6 << 20),
            "{}",
            plan.layout.total()
        );
    }
}

#[test]
fn farms_differ_in_the_regions_alone_and_a_signed_image_has_no_arguments_to_change() {
    for signed in [false, true] {
        let mut one = uki_medium(7, signed);
        let mut two = uki_medium(8, signed);
        for medium in [&mut one, &mut two] {
            if signed {
                medium.kernel_arguments = "debug".to_owned();
            }
        }
        let (first, second) = (one.plan().expect("planned"), two.plan().expect("planned"));
        assert_eq!(first.disk_guid, second.disk_guid);
        let (a, b) = (bytes(&first), bytes(&second));
        let spans: Vec<_> = first.regions.mutable_spans().collect();
        for at in (0..a.len() as u64).filter(|at| a[*at as usize] != b[*at as usize]) {
            let listed = spans.iter().any(|span| span.contains(at));
            assert!(listed, "byte {at}");
        }
        let names: Vec<&str> = first.regions.regions.iter().map(|r| &r.name[..]).collect();
        let expected: &[&str] = if signed {
            &["config", "kargs-bios", "farm-toml"]
        } else {
            &["config", "kargs-bios", "kargs-uki", "farm-toml"]
        };
        assert_eq!(names, expected);
        let mut reader = std::io::Cursor::new(&a);
        let found = regions::find_on(&mut reader).expect("read").expect("ours");
        assert_eq!(found, first.regions);
        let flavour = if signed {
            Flavour::UkiSigned
        } else {
            Flavour::Uki
        };
        let shown = describe(&mut reader).expect("described");
        assert_eq!((found.flavour, shown.flavour), (flavour, Some(flavour)));
        assert_eq!(shown.farm_id.map(|id| id.get()), Some(7));
        let arguments = if signed {
            "debug"
        } else {
            "farmer_id=7 runmode=dev"
        };
        assert_eq!(shown.kernel_arguments.as_deref(), Some(arguments));
        for at in &first.regions.guid_texts {
            let text = &a[*at as usize..][..36];
            assert_eq!(text, first.disk_guid.to_string().as_bytes());
        }
        assert_eq!(first.regions.guid_texts.len(), if signed { 1 } else { 2 });
    }
}
