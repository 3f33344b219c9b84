//! The `hw-probe` program, as a person or a script meets it.

#![cfg(feature = "cli")]

use std::process::{Command, Output};

use super::smbios_tables::structure;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hw-probe"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .env("XDG_CONFIG_HOME", "/nowhere")
        .env_remove("FARMER_CONFIG")
        .env_remove("FARMER_DISKS")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_table_fits_eighty_columns() {
    let output = run(&[]);
    assert!(output.status.success());
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(
        table.contains("Capacity") && table.contains("Reward"),
        "{table}"
    );
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );
}

#[test]
fn json_and_yaml_say_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let sysroot = dir.path().to_str().unwrap();
    let json = run(&["--sysroot", sysroot, "-o", "json"]);
    let yaml = run(&["--sysroot", sysroot, "--output", "yaml"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let yaml: serde_json::Value = serde_saphyr::from_str(&text(&yaml.stdout)).unwrap();
    assert_eq!(json["schema_version"], 1);
    assert_eq!(json, yaml);
}

#[test]
fn a_firmware_table_alone_is_not_mixed_with_this_machine() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dump.bin");
    let mut table = structure(1, 1, &[1, 2, 0, 0], &["Maker", "Box"]);
    table.extend(structure(127, 2, &[], &[]));
    std::fs::write(&file, table).unwrap();
    let output = run(&["--smbios", file.to_str().unwrap(), "-o", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["system"]["product"], "Box");
    assert_eq!(json["memory"]["usable_bytes"], serde_json::Value::Null);
    assert_eq!(json["disks"], serde_json::json!([]));
}

#[test]
fn mistakes_have_messages_hints_and_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let junk = dir.path().join("junk");
    std::fs::write(&junk, "not a table").unwrap();
    for (arguments, code, needle) in [
        (vec!["--sysroot", "/does/not/exist"], 1, "/does/not/exist"),
        (
            vec!["--smbios", junk.to_str().unwrap()],
            1,
            "dmidecode --dump-bin",
        ),
        (vec!["--smbios", "/does/not/exist"], 1, "cannot read"),
        (vec!["--output", "xml"], 2, "possible values"),
        (vec!["--frobnicate"], 2, "--frobnicate"),
        (vec!["--disk", "S1=nvme"], 2, "ID=ignore"),
        (vec!["--force"], 2, "--out"),
        (
            vec!["--settle", "1", "--sysroot", "/"],
            2,
            "cannot be used with",
        ),
        (
            vec!["--anonymise", "--anonymise-key", "/does/not/exist"],
            1,
            "cannot read /does/not/exist",
        ),
        (
            vec!["estimate", "--cru", "4", "--mru", "8"],
            2,
            "write the unit too",
        ),
        (vec!["--out", "/does/not/exist/me.json"], 1, "cannot write"),
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(
            text(&output.stderr).contains(needle),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
    }
    let help = run(&["--help"]);
    assert!(help.status.success() && text(&help.stdout).contains("Examples:"));
}

#[test]
fn files_are_written_whole_and_not_replaced_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("me.json");
    let path = file.to_str().unwrap();
    assert!(run(&["-o", "json", "--out", path]).status.success());
    let first = std::fs::read(&file).unwrap();
    serde_json::from_slice::<serde_json::Value>(&first).unwrap();
    std::fs::write(&file, "precious").unwrap();
    let refused = run(&["-o", "json", "--out", path]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("--force"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    assert!(
        run(&["-o", "json", "--out", path, "--force"])
            .status
            .success()
    );
    assert_ne!(std::fs::read_to_string(&file).unwrap(), "precious");
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        1,
        "no temporary file is left"
    );
    let table = run(&["--out", "-"]);
    assert!(table.status.success() && !table.stdout.is_empty());
}

#[test]
fn a_reader_that_stops_is_no_error() {
    use std::process::Stdio;
    let mut child = Command::new(env!("CARGO_BIN_EXE_hw-probe"))
        .args(["-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn an_estimate_needs_no_machine() {
    let arguments = ["estimate", "--cru", "16", "--mru", "64GiB", "--sru", "2TB"];
    let table = text(&run(&arguments).stdout);
    assert!(table.contains("CU limited by memory"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80));
    let output = run(&[&arguments[..], &["--invest-usd", "500", "-o", "json"]].concat());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(json["payback_months"].as_f64().unwrap() > 1.0);
    assert_eq!(json["power"], serde_json::Value::Null);
    let confused = run(&[&["--sysroot", "/"], &arguments[..]].concat());
    assert_eq!(confused.status.code(), Some(1));
    assert!(text(&confused.stderr).contains("reads no machine"));
}

#[test]
fn settling_is_told_on_standard_error_only() {
    let output = run(&["--settle", "2", "-o", "json"]);
    serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
    assert!(text(&output.stderr).contains("waiting for drivers"));
}

#[test]
fn the_variable_is_read_without_a_file() {
    let output = Command::new(env!("CARGO_BIN_EXE_hw-probe"))
        .env("XDG_CONFIG_HOME", "/nowhere")
        .env("FARMER_DISKS", "S1=ssd,S2")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains("FARMER_DISKS") && said.contains("S2"),
        "{said}"
    );
}

#[test]
fn the_settings_file_is_read_for_disks_only() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("farmer/config.toml");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    let run = |settings: &str| {
        std::fs::write(&file, settings).unwrap();
        Command::new(env!("CARGO_BIN_EXE_hw-probe"))
            .env("XDG_CONFIG_HOME", dir.path())
            .env_remove("FARMER_CONFIG")
            .output()
            .unwrap()
    };
    let good = "[directory]\nurl = 7\n[other]\n[disks.S1]\nignore = true\n";
    assert!(run(good).status.success());
    let bad = run("[directory]\n[disks.S1]\nkind = \"tape\"\n");
    assert_eq!(bad.status.code(), Some(1));
    let said = text(&bad.stderr);
    for word in ["config.toml", "line 3", "tape", "hint: "] {
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn what_the_operator_named_is_not_told_either() {
    let output = run(&["--anonymise", "--disk", "S4EWNX0R777=ssd", "-o", "json"]);
    assert!(output.status.success());
    let json = text(&output.stdout);
    assert!(
        json.contains("no disk has the world wide name or serial number anon-"),
        "{json}"
    );
    assert!(!json.contains("S4EWNX0R777"), "{json}");
}
