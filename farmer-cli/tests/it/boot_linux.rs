//! A medium in the hands of a running Linux: its file systems are mounted from a CD and from a stick.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use qemu_lab::{Errand, Firmware, Machine, Toolbox};

use crate::build::build;
use crate::support::Home;

/// Digests of a directory's files by their path.
type Files = BTreeMap<String, String>;

/// Reads what `sha256sum` printed. Letter case is the file system's choice.
fn files(listed: &str) -> Files {
    let files: Files = listed
        .lines()
        .map(|line| {
            let (digest, path) = line.split_once("  ").expect("a digest and a path");
            (path.to_lowercase(), digest.to_owned())
        })
        .collect();
    assert!(!files.is_empty(), "no files");
    files
}

/// Runs a shell command on this machine; the files it leaves in `out`.
fn extracted(out: &Path, command: &str) -> Files {
    std::fs::create_dir(out).expect("a directory");
    let script = format!("{command} >&2; find . -type f -exec sha256sum {{}} +");
    let output = Command::new("sh")
        .args(["-ec", &script])
        .current_dir(out)
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{output:?}");
    files(&String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn linux_mounts_the_iso_and_the_fat_file_systems_of_cd_and_stick() {
    let home = Home::new();
    let image = home.path().join("node.iso");
    build(&home, &image).run();

    let mut machine = Machine::new(Firmware::SeaBios);
    // Not as its medium: the kernel comes from QEMU and takes the first place of the boot order.
    let drive = |id: &str, options: &str| {
        let mut drive = OsString::from(format!("if=none,id={id},format=raw,{options}file="));
        drive.push(&image);
        ["-drive".into(), drive]
    };
    machine.extra.extend(drive("cd", "readonly=on,"));
    machine.extra.extend(drive("stick", "file.locking=off,"));
    for device in [
        "ide-cd,drive=cd,bus=ide.0",
        "qemu-xhci",
        "usb-storage,drive=stick",
    ] {
        machine.extra.extend(["-device".into(), device.into()]);
    }
    let toolbox = Toolbox::new(&[]).expect("a toolbox");
    // The stick is opened for writing: FARMCFG is the farmer's to write.
    let script = "modprobe -a usb-storage sd_mod
        for tick in $(seq 150); do [ -b /dev/sda2 ] && break; sleep 0.2; done
        modprobe -a isofs vfat loop nls_cp437 nls_ascii
        exec 2>errors
        list() {
            mkdir -p /mnt
            mount \"$@\" /mnt
            (cd /mnt && find . -type f -exec sha256sum {} +)
            umount /mnt
        }
        list -t iso9660 -o ro /dev/sr0 >cd-iso
        list -t iso9660 -o ro /dev/sda >stick-iso
        list -t vfat -o ro /dev/sda1 >stick-farmcfg
        list -t vfat -o ro /dev/sda2 >stick-esp
        losetup -r -o 1048576 /dev/loop0 /dev/sr0
        list -t vfat -o ro /dev/loop0 >cd-esp
        mount -t vfat /dev/sda1 /mnt
        echo 'debug = true' >>/mnt/farm.toml && sync && umount /mnt";
    let errand = Errand {
        command_line: "",
        script,
        patience: Duration::from_secs(300),
    };
    let answers = toolbox.run("mounts", &machine, &errand).expect("answers");
    let errors = answers.text("errors").expect("an answer");
    assert_eq!(errors, "");
    let told = |name: &str| files(&answers.text(name).expect("an answer"));

    let image_name = image.display();
    let iso = extracted(
        &home.path().join("iso"),
        &format!("xorriso -osirrox on -indev {image_name} -extract / . && chmod -R u+w ."),
    );
    let esp = extracted(
        &home.path().join("esp"),
        &format!("mcopy -s -i {image_name}@@1048576 :: ."),
    );
    assert_eq!(told("cd-iso"), iso);
    assert_eq!(told("stick-iso"), iso);
    assert_eq!(told("cd-esp"), esp);
    assert_eq!(told("stick-esp"), esp);
    // What BIOS and what UEFI load is one set of bytes.
    for name in ["boot/vmlinuz", "boot/base.img", "boot/node.img"] {
        let name = format!("./{name}");
        assert!(
            iso.contains_key(&name) && iso.get(&name) == esp.get(&name),
            "{name}"
        );
    }
    assert!(told("stick-farmcfg").contains_key("./farm.toml"));
    let output = home
        .farmer(&["image", "show", "-o", "json"])
        .arg(&image)
        .run();
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let settings = shown["settings"].as_array().expect("settings").iter();
    let debug: Vec<_> = settings
        .filter(|setting| setting["key"] == "debug")
        .collect();
    assert_eq!(debug[0]["origin"], "farm.toml", "{shown:#}");
}
