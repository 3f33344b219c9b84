//! What `farmer image build` refuses, and that nothing is left behind when it does.

use std::path::{Path, PathBuf};

use crate::support::{Farmer, Home};

fn build(home: &Home, out: &Path) -> Farmer {
    home.farmer(&[
        "image",
        "build",
        "--farm-id",
        "1",
        "--directory",
        "https://dir.example",
    ])
    .arg("--node")
    .arg(static_program(home))
    .arg("--out")
    .arg(out)
}

/// Some static program: `farmer` itself is one.
fn static_program(home: &Home) -> PathBuf {
    let path = home.path().join("farm-node");
    if !path.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_farmer"), &path).expect("a copy");
    }
    path
}

#[test]
fn an_output_that_exists_or_has_no_place_is_refused_at_once() {
    let home = Home::new();
    let out = home.path().join("node.iso");
    std::fs::write(&out, "precious").expect("file");
    let said = build(&home, &out).fails_with(5);
    assert!(
        said.contains("node.iso exists") && said.contains("--force"),
        "{said}"
    );
    assert_eq!(std::fs::read(&out).expect("file"), b"precious");

    let said = build(&home, &home.path().join("no/such/node.iso")).fails_with(6);
    assert!(
        said.contains("no/such") && said.contains("hint: create the directory"),
        "{said}"
    );
}

#[test]
fn a_missing_or_wrong_node_is_named() {
    let home = Home::new();
    let out = home.path().join("node.iso");
    let said = home
        .farmer(&[
            "image",
            "build",
            "--farm-id",
            "1",
            "--directory",
            "https://dir.example",
        ])
        .args(&["--node", "/no/such/farm-node", "--out"])
        .arg(&out)
        .fails_with(6);
    assert!(said.contains("/no/such/farm-node"), "{said}");
    assert!(!out.exists());
}

#[test]
fn a_truncated_package_is_named_and_nothing_is_written() {
    let home = Home::new();
    let out = home.path().join("node.iso");
    let deb = home.path().join("linux-image.deb");
    let mut bytes = b"!<arch>\n".to_vec();
    bytes.extend_from_slice(b"debian-binary   0           0     0     100644  4         `\n2.0\n");
    bytes.extend_from_slice(b"control.tar.xz  0           0     0     100644  5000      `\nshort");
    std::fs::write(&deb, bytes).expect("file");
    let said = build(&home, &out)
        .env("XDG_CACHE_HOME", home.path().join("cache"))
        .arg("--deb")
        .arg(&deb)
        .fails_with(1);
    assert!(
        said.contains("linux-image.deb") && said.contains("truncated"),
        "{said}"
    );
    assert!(!out.exists());

    let said = build(&home, &out)
        .env("XDG_CACHE_HOME", home.path().join("cache"))
        .args(&["--deb", "/no/such.deb"])
        .fails_with(1);
    assert!(said.contains("/no/such.deb"), "{said}");
}

#[test]
fn images_of_others_are_shown_without_regions_and_a_missing_one_is_not_found() {
    let home = Home::new();
    home.farmer(&["image", "show", "/no/such.iso"])
        .fails_with(6);
    let other = home.path().join("other.img");
    std::fs::write(&other, vec![0; 1 << 20]).expect("file");
    let output = home
        .farmer(&["image", "show", "-o", "json"])
        .arg(&other)
        .run();
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(shown["regions"].is_null(), "{shown}");
}
