//! Snapshots replay, and anonymised reports name nobody.

#![cfg(feature = "cli")]

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use hw_probe::anonymise::{self, Key};
use hw_probe::report::{Report, ReportOptions, render_table};
use hw_probe::root::Root;
use hw_probe::snapshot::{self, Snapshot};
use hw_probe::{ProbeOptions, probe};

use super::{big_machine, secrets};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hw-probe"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

/// Takes a snapshot of `root`, reads it back as archive and as unpacked tree, and compares.
fn replays(root: Root) {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("machine.tar.zst");
    let root = root.recording();
    let seen = probe(&root, &ProbeOptions::default());
    Snapshot::of(&root).unwrap().create(&archive).unwrap();
    let again = probe(&snapshot::open(&archive).unwrap(), &ProbeOptions::default());
    assert_eq!(again, seen);

    // Other tools unpack it too: GNU tar and zstd, which scripts/test installs or asks for.
    let tree = dir.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    let status = Command::new("tar")
        .args(["--zstd", "-xf"])
        .arg(&archive)
        .arg("-C")
        .arg(&tree)
        .status()
        .unwrap();
    assert!(status.success());
    let again = probe(&Root::at(&tree).unwrap(), &ProbeOptions::default());
    assert_eq!(again, seen);

    // A snapshot of the snapshot is the same snapshot.
    let second = snapshot::open(&archive).unwrap().recording();
    let _ = probe(&second, &ProbeOptions::default());
    let copy = dir.path().join("copy.tar.zst");
    Snapshot::of(&second).unwrap().create(&copy).unwrap();
    let again = probe(&snapshot::open(&copy).unwrap(), &ProbeOptions::default());
    assert_eq!(again, seen);
}

#[test]
fn a_snapshot_of_this_machine_gives_the_same_report() {
    replays(Root::live().unwrap());
}

#[test]
fn a_snapshot_of_a_captured_machine_gives_the_same_report() {
    let tree = super::fixtures::open("qemu-q35");
    replays(Root::at(tree.path()).unwrap());
}

#[test]
fn answers_and_errors_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("machine.tar.zst");
    let root = Root::live().unwrap().recording();
    let answer = root.ask("eth9", "colour", || Some(b"blue".to_vec()));
    assert_eq!(answer.as_deref(), Some(b"blue".as_slice()));
    assert_eq!(root.ask("eth9", "smell", || None), None);
    let failed = root.open_block_device(Path::new("/dev/null")).unwrap_err();
    Snapshot::of(&root).unwrap().create(&archive).unwrap();

    let replayed = snapshot::open(&archive).unwrap();
    assert!(!replayed.is_live() && replayed.answers_questions());
    let never = || panic!("a snapshot asks nobody");
    assert_eq!(replayed.ask("eth9", "colour", never), answer);
    assert_eq!(replayed.ask("eth9", "smell", never), None);
    assert_eq!(replayed.ask("eth9", "taste", never), None);
    let error = replayed
        .open_block_device(Path::new("/dev/null"))
        .unwrap_err();
    assert_eq!(format!("{error:?}"), format!("{failed:?}"));
    assert!(replayed.open_block_device(Path::new("/dev/sda")).is_err());
}

#[test]
fn an_existing_file_or_link_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let precious = dir.path().join("precious");
    std::fs::write(&precious, "precious").unwrap();
    let link = dir.path().join("link");
    symlink(dir.path().join("elsewhere"), &link).unwrap();
    for path in [&precious, &link] {
        let output = run(&["snapshot", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("never overwritten"), "{text}");
    }
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
    assert!(!dir.path().join("elsewhere").exists());
    let fresh = dir.path().join("fresh.tar.zst");
    assert!(run(&["snapshot", fresh.to_str().unwrap()]).status.success());
    let mode = std::fs::metadata(&fresh).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let replay = run(&["--sysroot", fresh.to_str().unwrap(), "-o", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&replay.stdout).unwrap();
    assert!(json["cpu"]["logical"].as_u64().unwrap() >= 1);
}

#[test]
fn anonymised_reports_can_be_compared_under_one_key_only() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef").unwrap();
    let tree = super::fixtures::open("qemu-q35");
    let fixture = tree.path().to_str().unwrap();
    let report = |more: &[&str]| {
        let mut arguments = vec!["--sysroot", fixture, "-o", "json"];
        arguments.extend(more);
        let output = run(&arguments);
        assert!(output.status.success());
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let plain = report(&[]);
    let with_key = ["--anonymise", "--anonymise-key", key.to_str().unwrap()];
    let anonymous = report(&with_key);
    assert_eq!(report(&with_key), anonymous);
    assert_ne!(report(&["--anonymise"]), anonymous);
    assert_eq!(anonymous["capacity"], plain["capacity"]);
    let text = anonymous.to_string();
    let mut secrets = 0;
    for list in ["disks", "nics"] {
        for item in plain[list].as_array().unwrap() {
            for field in ["serial", "wwn", "mac"] {
                if let Some(secret) = item[field].as_str() {
                    secrets += 1;
                    assert!(!text.contains(secret), "{secret}");
                }
            }
        }
    }
    assert!(secrets > 3, "the fixture has names to hide");
}

/// The anonymised report of a snapshot of `tree` holds none of the names in the tree, of which the
/// plain report holds at least `known`.
fn nobody_is_named(tree: &Path, known: usize) {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("machine.tar.zst");
    let root = Root::at(tree).unwrap().recording();
    let plain = probe(&root, &ProbeOptions::default());
    Snapshot::of(&root).unwrap().create(&archive).unwrap();
    let inventory = probe(&snapshot::open(&archive).unwrap(), &ProbeOptions::default());
    let text = |inventory| {
        let report = Report::of(inventory, &ReportOptions::default());
        let json = serde_json::to_string(&report).unwrap();
        (json + &render_table(&report, 400, false)).to_ascii_lowercase()
    };
    let names = secrets::of(tree, &serde_json::to_value(&plain).unwrap());
    let plain = text(&plain);
    let key = Key::from_bytes(b"0123456789abcdef").unwrap();
    let anonymous = text(&anonymise::inventory(&inventory, &key).unwrap());
    for name in &names {
        assert!(!anonymous.contains(name), "{name} in {anonymous}");
    }
    let told = names.iter().filter(|name| plain.contains(*name)).count();
    assert!(told >= known, "{told} of {names:?}");
}

#[test]
fn anonymised_snapshots_name_nobody_who_is_in_the_tree() {
    for (name, known) in [
        ("qemu-q35", 4),
        ("q35-sata-named", 4),
        ("q35-scsi-paths", 4),
        ("uefi-usb-made", 2),
    ] {
        nobody_is_named(super::fixtures::open(name).path(), known);
    }
    let dir = tempfile::tempdir().unwrap();
    big_machine::write(dir.path()).unwrap();
    std::fs::write(
        dir.path().join("run/udev/data/b8:0"),
        "E:ID_SERIAL_SHORT=HD77X01\nE:ID_WWN=0x5000c50000000000\nE:ID_FS_LABEL=joes-farm-7\n\
         E:ID_FS_UUID=6f1c1f6e-29c4-4f1f-8c39-0a1b2c3d4e5f\nE:ID_FS_TYPE=ext4\n",
    )
    .unwrap();
    // Serial numbers and world wide names of 36 disks, and four addresses.
    nobody_is_named(dir.path(), 60);
}

#[test]
fn strict_turns_warnings_into_a_status() {
    let dir = tempfile::tempdir().unwrap();
    let sysroot = dir.path().to_str().unwrap();
    assert!(run(&["--sysroot", sysroot]).status.success());
    let strict = run(&["--sysroot", sysroot, "--strict"]);
    assert_eq!(strict.status.code(), Some(2));
    assert!(!strict.stdout.is_empty());
}

#[test]
fn what_cannot_be_done_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("x.tar.zst");
    let output = run(&["snapshot", "--anonymise", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("cannot be anonymised")
    );
    assert!(!out.exists());
    let clock = run(&["--reference-time", "4102444800", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&clock.stdout).unwrap();
    let codes: Vec<_> = json["advice"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["code"])
        .collect();
    assert!(codes.iter().any(|code| *code == "clock-off"), "{codes:?}");
}
