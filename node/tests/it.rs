//! `farm-node` as a program: what it does on a machine it is not the first process of.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a failure is a failed test"
)]

use std::path::Path;
use std::process::{Command, Output};

fn farm_node(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_farm-node"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn without_arguments_it_explains_itself() {
    for arguments in [&[][..], &["--help"]] {
        let output = farm_node(arguments);
        assert!(output.status.success());
        assert!(text(&output.stdout).contains("Usage: farm-node"));
    }
}

#[test]
fn the_version_comes_with_the_schema() {
    let output = farm_node(&["--version"]);
    let expected = format!(
        "farm-node {}\nconfig schema {}\n",
        env!("CARGO_PKG_VERSION"),
        node_config::SCHEMA_VERSION
    );
    assert_eq!(text(&output.stdout), expected);
}

#[test]
fn unknown_arguments_are_refused() {
    let output = farm_node(&["--register"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("unknown arguments: --register"));
}

#[test]
fn settings_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("farm.toml");
    let check = || farm_node(&["--check-config", file.to_str().unwrap()]);
    assert_eq!(check().status.code(), Some(2), "no such file");

    let good = "farm_id = 12\n[directory]\nurl = \"https://directory.example\"\n";
    std::fs::write(&file, good).unwrap();
    assert!(check().status.success());

    std::fs::write(&file, good.replace("https", "http")).unwrap();
    let refused = check();
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("not encrypted"));

    std::fs::write(&file, "colour = \"red\"\n").unwrap();
    assert!(text(&check().stderr).contains("colour"));
}

/// The kernel runs the binary under this name.
#[test]
fn as_modprobe_it_fails_for_modules_nobody_has() {
    let directory = tempfile::tempdir().unwrap();
    let modprobe = directory.path().join("modprobe");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_farm-node"), &modprobe).unwrap();
    let status = Command::new(modprobe)
        .args(["-q", "--", "fs-no-such-file-system"])
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
}

/// An image has no dynamic loader and no libraries.
#[test]
fn it_needs_no_loader() {
    let output = Command::new("readelf")
        .args(["-lW", env!("CARGO_BIN_EXE_farm-node")])
        .output()
        .expect("readelf (package binutils) is needed");
    let headers = text(&output.stdout);
    assert!(headers.contains("LOAD"), "{headers}");
    assert!(!headers.contains("INTERP"), "{headers}");
    assert!(headers.contains("DYN"), "static-pie: {headers}");
}

/// Features of a workspace add up: a server in the node would be noticed here, not by its size.
#[test]
fn the_node_carries_no_server_and_no_command_line_parser() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "-p", "farm-node"])
        .args(["-e", "normal", "--prefix", "none"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let tree = text(&output.stdout);
    let names: Vec<&str> = tree.lines().filter_map(|l| l.split(' ').next()).collect();
    assert!(names.contains(&"directory"), "{tree}");
    for unwanted in [
        "sqlx",
        "axum",
        "clap",
        "clap_mangen",
        "aws-lc-rs",
        "openssl-sys",
    ] {
        assert!(!names.contains(&unwanted), "{unwanted}");
    }
}
