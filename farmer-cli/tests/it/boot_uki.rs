//! Unified kernel images under real firmware, with Secure Boot and without.
//!
//! The quick set boots three machines; `FARMER_TEST_FULL=1` boots all.

use std::path::Path;
use std::process::Command;

use image_builder::secureboot::efivars::KeyVariable;
use qemu_lab::{Bus, EfiVariable, Firmware, Machine, Nic};
use serde_json::Value;

use crate::boot::{BOOT_PATIENCE, Lab, build_image_of, cell_of, registered};
use crate::support::{Home, is_full};

fn uki(_: &Home) -> Vec<String> {
    ["--flavour", "uki"].map(str::to_owned).into()
}

/// Makes keys in the home and signs with them.
fn signed_uki(home: &Home) -> Vec<String> {
    let keys = home.path().join("keys");
    home.farmer(&["image", "keys", "new", "--name", "Lab", "--out"])
        .arg(&keys)
        .run();
    let mut arguments = uki(home);
    arguments.extend(["--signing-key".to_owned(), keys.display().to_string()]);
    arguments
}

/// A machine whose firmware knows the keys in this directory and no others.
fn machine_with_keys(keys: &Path) -> Machine {
    let mut machine = Machine::new(Firmware::OvmfSetupMode);
    for variable in KeyVariable::ALL {
        let name = variable.name();
        let list = std::fs::read(keys.join(format!("{name}.esl"))).expect("signature list");
        let vendor = variable.vendor().0;
        machine
            .efi_variables
            .push(EfiVariable::keys(name, vendor, list));
    }
    machine
}

fn secure_boot(node: &Value) -> Option<bool> {
    node["hardware"]["boot"]["secure_boot"].as_bool()
}

#[test]
fn uki_on_uefi_usb() {
    let lab = Lab::with("uki-usb", uki);
    let node = cell_of(&lab, "uki-usb", Machine::new(Firmware::Ovmf), Bus::Usb);
    assert_ne!(secure_boot(&node), Some(true));
}

/// ISOLINUX finds kernel and initramfs inside the unified kernel image.
#[test]
fn uki_on_bios_cd() {
    let lab = Lab::with("uki-cd", uki);
    cell_of(&lab, "uki-cd", Machine::new(Firmware::SeaBios), Bus::Cd);
}

#[test]
fn signed_uki_under_keys_of_its_own() {
    let lab = Lab::with("uki-signed", signed_uki);
    let machine = machine_with_keys(&lab.home.path().join("keys"));
    let node = cell_of(&lab, "uki-signed", machine, Bus::Usb);
    assert_eq!(secure_boot(&node), Some(true), "{node:#}");
}

/// What was not signed, or was altered after signing, must not run.
#[test]
fn unsigned_and_altered_images_are_refused_under_own_keys() {
    if !is_full() {
        return;
    }
    let lab = Lab::with("refused", signed_uki);
    let keys = lab.home.path().join("keys");
    let plain = Lab::with("refused-plain", uki);
    // One bit of the command line: the last bytes of the file would be caught by the kernel too.
    let mut altered = std::fs::read(&lab.image).expect("image");
    let text = b"console=tty0 console=ttyS0,115200n8 quiet farm.medium=";
    let places: Vec<usize> = altered
        .windows(text.len())
        .enumerate()
        .filter(|(at, window)| *at > 1 << 20 && window == text)
        .map(|(at, _)| at)
        .collect();
    assert_eq!(
        places.len(),
        1,
        "the command line stands once in the EFI partition"
    );
    altered[places[0] + 38] ^= 1;
    let changed = lab.home.path().join("altered.iso");
    std::fs::write(&changed, altered).expect("written");
    for (name, image) in [("unsigned", &plain.image), ("altered", &changed)] {
        let mut machine = machine_with_keys(&keys);
        machine.medium = Some((image.clone(), Bus::Usb));
        machine.nics = vec![Nic::User];
        let mut guest = machine.boot(name).expect("QEMU starts");
        let refusal = guest.wait_for("Access Denied", BOOT_PATIENCE);
        refusal.unwrap_or_else(|error| panic!("{name} was not refused: {error}"));
        assert!(!guest.console().contains("farm-node"), "{name} ran");
    }
}

/// Debian's chain under Microsoft's keys; lockdown must not hide anything from the probe.
#[test]
fn stock_under_microsoft_keys_sees_the_same_hardware() {
    if !is_full() {
        return;
    }
    let lab = Lab::with("stock", |_| Vec::new());
    let mut inventories = Vec::new();
    for firmware in [Firmware::Ovmf, Firmware::OvmfSecureBoot] {
        let mut machine = Machine::new(firmware);
        machine.medium = Some((lab.image.clone(), Bus::Usb));
        machine.nics = vec![Nic::User];
        let mut guest = machine.boot("stock").expect("QEMU starts");
        let node_id = registered(&mut guest);
        let node = lab.node(&node_id);
        let on = firmware == Firmware::OvmfSecureBoot;
        assert_eq!(secure_boot(&node), Some(on), "{node:#}");
        let mut hardware = node["hardware"].clone();
        hardware["boot"] = Value::Null;
        inventories.push(hardware);
    }
    let differing = differences("", &inventories[0], &inventories[1]);
    // The firmware with Secure Boot keeps more memory for itself; the load is the moment's.
    let allowed = |path: &String| {
        [
            "/live/",
            "/memory/usable_bytes:",
            "/cpu/numa/0/memory_bytes:",
        ]
        .iter()
        .any(|prefix| path.starts_with(prefix))
    };
    let unexpected: Vec<&String> = differing.iter().filter(|path| !allowed(path)).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}\n{inventories:#?}");
}

/// Paths of the leaves that differ.
fn differences(path: &str, one: &Value, other: &Value) -> Vec<String> {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            let of = |map: &serde_json::Map<String, Value>, key: &String| {
                map.get(key).cloned().unwrap_or(Value::Null)
            };
            keys.into_iter()
                .flat_map(|key| differences(&format!("{path}/{key}"), &of(a, key), &of(b, key)))
                .collect()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .flat_map(|(index, (a, b))| differences(&format!("{path}/{index}"), a, b))
            .collect(),
        _ if one == other => Vec::new(),
        _ => vec![format!("{path}: {one} / {other}")],
    }
}

/// The signed updates in the hands of a real firmware: systemd-boot enrols them in setup mode, starts
/// again, and under the new keys runs itself and our image, both signed.
#[test]
fn a_firmware_takes_the_signed_updates() {
    if !is_full() {
        return;
    }
    let lab = Lab::new("enrol");
    let node = lab.home.path().join("node.efi");
    let arguments = signed_uki(&lab.home);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    build_image_of(&lab, &arguments, &node);
    let keys = lab.home.path().join("keys");
    let path = |name: &str| lab.home.path().join(name);
    let (boot, conf, disk) = (path("boot.efi"), path("loader.conf"), path("disk.img"));
    run(Command::new("sbsign")
        .arg("--key")
        .arg(keys.join("db.key"))
        .arg("--cert")
        .arg(keys.join("db.crt"))
        .arg("--output")
        .arg(&boot)
        .arg("/usr/lib/systemd/boot/efi/systemd-bootx64.efi"));
    std::fs::write(&conf, "timeout 0\nsecure-boot-enroll force\n").expect("loader.conf");
    std::fs::File::create(&disk)
        .and_then(|file| file.set_len(96 << 20))
        .expect("disk");
    run(Command::new("mformat")
        .args(["-F", "-i"])
        .arg(&disk)
        .arg("::"));
    // What it enrols without being asked has to lie in `auto`.
    let directories = [
        "EFI",
        "EFI/BOOT",
        "EFI/Linux",
        "loader",
        "loader/keys",
        "loader/keys/auto",
    ];
    for directory in directories {
        let inside = format!("::{directory}");
        run(Command::new("mmd").arg("-i").arg(&disk).arg(inside));
    }
    let mut files = vec![
        (boot, "EFI/BOOT/BOOTX64.EFI".to_owned()),
        (conf, "loader/loader.conf".to_owned()),
        (node, "EFI/Linux/node.efi".to_owned()),
    ];
    for variable in KeyVariable::ALL {
        let name = format!("{}.auth", variable.name());
        files.push((keys.join(&name), format!("loader/keys/auto/{name}")));
    }
    for (from, to) in files {
        let inside = format!("::{to}");
        run(Command::new("mcopy")
            .arg("-i")
            .arg(&disk)
            .arg(from)
            .arg(inside));
    }
    let mut machine = Machine::new(Firmware::OvmfSetupMode);
    machine.medium = Some((disk, Bus::Usb));
    machine.nics = vec![Nic::User];
    let mut guest = machine.boot("enrol").expect("QEMU starts");
    for step in ["Enrolling secure boot keys", "farm-node: farm-node "] {
        guest.wait_for(step, BOOT_PATIENCE).expect(step);
    }
    let node_id = registered(&mut guest);
    let node = lab.node(&node_id);
    assert_eq!(secure_boot(&node), Some(true), "{node:#}");
    assert_eq!(node["farm_id"].as_u64(), Some(lab.farm_id));
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} (in the packages of scripts/test): {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
