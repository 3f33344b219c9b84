//! Network boot bundles: what is in them, and that they appear complete or not at all.

use std::os::unix::fs::{PermissionsExt, symlink};

use image_builder::content::Content;
use image_builder::emit::{ArchiveWriter, DirectoryWriter, EmitOptions};
use image_builder::error::{EmitError, PlanError};
use image_builder::formats::timestamp::Timestamp;
use image_builder::medium::SerialConsole;
use image_builder::medium::pxe::{BundleFile, PxeBundle, Pxelinux, UefiLoaders};
use image_builder::rope::LayoutBuilder;

use crate::support::{arg, config, medium, noise, run};

fn bundle() -> PxeBundle {
    let medium = medium(9, 10_001);
    PxeBundle {
        title: medium.title,
        uefi: UefiLoaders {
            shim: medium.loaders.shim,
            grub: Content::bytes(noise(5, 10_000)),
            mok_manager: medium.loaders.mok_manager,
        },
        bios: None,
        uki: None,
        kernel: medium.kernel,
        initramfs: medium.initramfs,
        config: config(9),
        kernel_arguments: "farmer_id=9  vlan=7".to_owned(),
        serial: SerialConsole::default(),
    }
}

fn text(files: &[BundleFile], path: &str) -> String {
    let file = files.iter().find(|file| file.path == path).expect(path);
    let mut buf = vec![0; file.layout.total() as usize];
    file.layout.read_at(0, &mut buf).expect("readable");
    String::from_utf8(buf).expect("text")
}

const OPTIONS: EmitOptions = EmitOptions {
    overwrite: false,
    digest: true,
    sync: false,
};

#[test]
fn every_loader_is_told_every_archive_in_order() {
    let mut bundle = bundle();
    bundle.bios = Some(Pxelinux {
        loader: Content::bytes(noise(1, 70_000)),
        ldlinux: Content::bytes(noise(2, 100)),
    });
    let files = bundle.files().expect("planned");
    let grub = text(&files, "grub/grub.cfg");
    assert!(
        grub.contains("initrd /base.img /node.img /config.cpio\n"),
        "{grub}"
    );
    assert!(
        grub.contains("farm.medium=net farmer_id=9 vlan=7\n"),
        "{grub}"
    );
    let ipxe = text(&files, "boot.ipxe");
    assert!(ipxe.starts_with("#!ipxe\n"), "{ipxe}");
    assert!(
        ipxe.contains(
            "kernel vmlinuz initrd=base.img initrd=node.img initrd=config.cpio ${farmer-args} console="
        ),
        "{ipxe}"
    );
    assert!(
        ipxe.contains(
            "\ninitrd base.img || goto failed\ninitrd node.img || goto failed\ninitrd config.cpio"
        ),
        "{ipxe}"
    );
    let pxelinux = text(&files, "pxelinux.cfg/default");
    assert!(
        pxelinux.contains("INITRD base.img,node.img,config.cpio\n"),
        "{pxelinux}"
    );
    for file in &files {
        if file.path.ends_with(".img") || file.path.ends_with(".cpio") {
            assert_eq!(file.layout.total() % 4096, 0, "{}", file.path);
        }
    }
    let mut named: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let sorted = named.clone();
    named.sort_unstable();
    assert_eq!(named, sorted);
}

#[test]
fn serial_console_and_menu_are_those_of_a_medium() {
    let mut bundle = bundle();
    bundle.serial = "ttyS1,57600".parse().expect("a port");
    bundle.bios = Some(Pxelinux {
        loader: Content::bytes(noise(1, 10)),
        ldlinux: Content::bytes(noise(2, 10)),
    });
    let files = bundle.files().expect("planned");
    let console = "console=tty0 console=ttyS1,57600n8 ";
    let grub = text(&files, "grub/grub.cfg");
    assert!(
        grub.starts_with("serial --unit=1 --speed=57600\n"),
        "{grub}"
    );
    assert!(
        grub.contains(&format!(
            "linux /vmlinuz {console}quiet farm.rescue=1 farm.medium=net "
        )),
        "{grub}"
    );
    let pxelinux = text(&files, "pxelinux.cfg/default");
    assert!(pxelinux.starts_with("SERIAL 1 57600\n"), "{pxelinux}");
    for id in ["node", "debug", "rescue"] {
        assert!(grub.contains(&format!("--id {id} ")), "{grub}");
        assert!(pxelinux.contains(&format!("LABEL {id}\n")), "{pxelinux}");
    }
    assert!(text(&files, "boot.ipxe").contains(&format!(" {console}quiet farm.medium=net ")));
}

#[test]
fn the_dhcp_settings_are_accepted_by_their_servers() {
    let directory = tempfile::tempdir().expect("directory");
    for (bios, uki) in [(false, false), (true, true)] {
        let mut bundle = bundle();
        bundle.uki = uki.then(|| {
            let mut builder = LayoutBuilder::new();
            builder.place_bytes(0, noise(3, 10));
            builder.finish(10).expect("a layout")
        });
        bundle.bios = bios.then(|| Pxelinux {
            loader: Content::bytes(noise(1, 10)),
            ldlinux: Content::bytes(noise(2, 10)),
        });
        let files = bundle.files().expect("planned");
        let dnsmasq = directory.path().join("dnsmasq.conf");
        std::fs::write(&dnsmasq, text(&files, "dhcp/dnsmasq.conf")).expect("written");
        run("dnsmasq", &["--test", "-C", arg(&dnsmasq)]);
        let kea = text(&files, "dhcp/kea-dhcp4.conf");
        let json: String = kea.lines().filter(|line| !line.starts_with("//")).collect();
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let classes = json["Dhcp4"]["client-classes"].as_array().expect("classes");
        let told = |name: &str| {
            let class = classes
                .iter()
                .find(|class| class["name"] == name)
                .expect(name);
            class.to_string()
        };
        assert!(told("ipxe").contains("boot.ipxe"));
        assert!(told("bios").contains(if bios { "lpxelinux.0" } else { "undionly.kpxe" }));
        assert!(told("efi").contains("0x0009") && told("efi").contains("shimx64.efi"));
        let http = if uki { "/node.efi" } else { "/shimx64.efi" };
        assert!(told("efi-http").contains("HTTPClient") && told("efi-http").contains(http));
    }
}

#[test]
fn a_directory_appears_whole_and_replaces_only_its_like() {
    let home = tempfile::tempdir().expect("directory");
    let out = home.path().join("boot");
    let files = bundle().files().expect("planned");
    let write = |options| -> Result<(), EmitError> {
        let mut writer = DirectoryWriter::create(&out, "README.txt", options)?;
        for file in &files {
            writer.add(file, &mut |_| {})?;
        }
        writer.publish("SHA256SUMS")
    };
    let entries = || std::fs::read_dir(home.path()).expect("entries").count();

    // Given up in the middle: nothing is left.
    let mut writer = DirectoryWriter::create(&out, "README.txt", OPTIONS).expect("started");
    writer.add(&files[0], &mut |_| {}).expect("written");
    drop(writer);
    assert_eq!(entries(), 0);

    write(OPTIONS).expect("written");
    assert_eq!(entries(), 1);
    let mode = std::fs::metadata(&out).expect("made").permissions().mode();
    assert_eq!(mode & 0o700, 0o700);
    assert!(out.join("grub/grub.cfg").is_file());
    assert!(matches!(write(OPTIONS), Err(EmitError::Exists { .. })));
    let overwrite = EmitOptions {
        overwrite: true,
        sync: true,
        ..OPTIONS
    };
    // Of a former bundle, and of the farmer: README.txt asks for one of them.
    let put = |name: &str, text: &str| std::fs::write(out.join(name), text).expect("written");
    put("SHA256SUMS", "0123  stale\n0123  grub/stale\n");
    for name in ["stale", "grub/stale", "undionly.kpxe", "grub/mine.cfg"] {
        put(name, name);
    }
    symlink("undionly.kpxe", out.join("link")).expect("linked");
    write(overwrite).expect("replaced");
    let read = |name: &str| std::fs::read_to_string(out.join(name)).ok();
    for name in ["undionly.kpxe", "grub/mine.cfg"] {
        assert_eq!(read(name).as_deref(), Some(name), "lost");
    }
    assert_eq!(read("link"), read("undionly.kpxe"));
    for name in ["stale", "grub/stale", "SHA256SUMS"] {
        assert_eq!(read(name), None, "{name} is out of date");
    }
    assert_eq!(entries(), 1);

    std::fs::remove_file(out.join("README.txt")).expect("removed");
    assert!(matches!(write(overwrite), Err(EmitError::NotOurs { .. })));
    assert!(out.join("vmlinuz").exists());
    std::fs::remove_dir_all(&out).expect("removed");
    std::fs::create_dir(&out).expect("an empty directory");
    write(OPTIONS).expect("an empty directory is as good as none");
}

#[test]
fn tar_unpacks_what_the_directory_holds() {
    let home = tempfile::tempdir().expect("directory");
    let files = bundle().files().expect("planned");
    let archive = || {
        let mut writer = ArchiveWriter::new(Vec::new(), Timestamp(1_795_000_000));
        for file in &files {
            writer.add(file, &mut |_| {}).expect("written");
        }
        let (bytes, sha256, length) = writer.finish().expect("finished");
        assert_eq!(bytes.len() as u64, length);
        assert_eq!(sha256.as_bytes(), &image_builder::content::sha256(&bytes));
        bytes
    };
    let bytes = archive();
    assert!(bytes == archive(), "two archives of one bundle differ");
    let path = home.path().join("boot.tar.gz");
    std::fs::write(&path, bytes).expect("written");
    run("gzip", &["-t", arg(&path)]);
    run("tar", &["-xzf", arg(&path), "-C", arg(home.path())]);
    for file in &files {
        let got = std::fs::read(home.path().join(&file.path)).expect("unpacked");
        let mut expected = vec![0; got.len()];
        assert_eq!(file.layout.total(), got.len() as u64);
        file.layout.read_at(0, &mut expected).expect("readable");
        assert!(got == expected, "{}", file.path);
    }
}

#[test]
fn what_a_loader_would_misread_is_refused() {
    let mut bad = bundle();
    bad.title = "a\nmenuentry".to_owned();
    assert!(matches!(bad.files(), Err(PlanError::Text { .. })));
    let mut bad = bundle();
    bad.kernel_arguments = "a=;reboot".to_owned();
    assert!(matches!(bad.files(), Err(PlanError::Region(_))));
}
