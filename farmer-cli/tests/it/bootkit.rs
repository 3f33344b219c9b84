//! `farmer bootkit`: made as an ordinary user, carried to a host without apt, damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::build::static_program;
use crate::support::Home;

fn json(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Exports the bootkit of this host.
fn exported(home: &Home) -> (PathBuf, Value) {
    let file = home.path().join("bootkit.tar.zst");
    let output = home
        .farmer(&["bootkit", "export", "-o", "json"])
        .arg(&file)
        .run();
    (file, json(&output))
}

#[test]
fn a_bootkit_goes_to_a_host_without_apt_and_builds_the_same_image() {
    let home = Home::new();
    let (file, told) = exported(&home);
    let again = home.path().join("again.tar.zst");
    home.farmer(&["bootkit", "export"]).arg(&again).run();
    assert!(fs::read(&file).expect("file") == fs::read(&again).expect("file"));
    home.farmer(&["bootkit", "export"]).arg(&file).fails_with(5);

    let elsewhere = home.path().join("elsewhere");
    let there = |arguments: &[&str]| {
        home.farmer(arguments)
            .env("PATH", "/nonexistent")
            .env("XDG_CACHE_HOME", &elsewhere)
    };
    let said = there(&["bootkit", "fetch"]).fails_with(1);
    assert!(
        said.contains("not installed here") && said.contains("--bootkit"),
        "{said}"
    );
    let said = there(&["bootkit", "show", "1e77cb35"]).fails_with(6);
    assert!(said.contains("stored: none"), "{said}");
    let imported = json(&there(&["bootkit", "import", "-o", "json"]).arg(&file).run());
    assert_eq!(imported["id"], told["id"]);
    let verified = json(&there(&["bootkit", "verify", "-o", "json"]).run());
    assert!(verified["bootkits"][0]["problem"].is_null(), "{verified}");

    let build = |farmer: crate::support::Farmer, name: &str| {
        let out = home.path().join(name);
        farmer.arg("--out").arg(&out).run();
        fs::read(out).expect("image")
    };
    let node = static_program(&home);
    let words = [
        "image",
        "build",
        "--farm-id",
        "1",
        "--directory",
        "https://dir.example",
        "--node",
    ];
    let id = told["id"].as_str().expect("an id");
    let here = build(
        home.farmer(&words).arg(&node).args(&["--bootkit", id]),
        "here.iso",
    );
    let by_id = there(&words).arg(&node).args(&["--bootkit", &id[..12]]);
    assert!(
        build(by_id, "id.iso") == here,
        "the image depends on the host"
    );
    let by_file = there(&words).arg(&node).arg("--bootkit").arg(&file);
    assert!(
        build(by_file, "file.iso") == here,
        "the image depends on the way"
    );

    // A file is looked at itself, whatever is stored under its id.
    let mut cut = fs::read(&file).expect("file");
    cut.truncate(cut.len() / 2);
    let cut_file = home.path().join("cut.tar.zst");
    fs::write(&cut_file, cut).expect("cut");
    there(&["bootkit", "verify"]).arg(&file).run();
    there(&["bootkit", "verify"]).arg(&cut_file).fails_with(3);
    let nothing_yet = home.path().join("no/cache");
    home.farmer(&["bootkit", "verify"])
        .env("XDG_CACHE_HOME", &nothing_yet)
        .arg(&file)
        .run();

    // Damage after the import is found by verify, and at use.
    let kernel = Path::new(imported["path"].as_str().expect("a path")).join("kernel/vmlinuz");
    let mut bytes = fs::read(&kernel).expect("kernel");
    bytes[4_000_000] ^= 1;
    fs::write(&kernel, bytes).expect("damaged");
    there(&["bootkit", "verify"]).fails_with(3);
    let out = home.path().join("damaged.iso");
    there(&words)
        .arg(&node)
        .args(&["--bootkit", &id[..12], "--out"])
        .arg(&out)
        .fails_with(6);
    assert!(!out.exists());
}

#[test]
fn a_cut_or_foreign_file_is_not_imported() {
    let home = Home::new();
    let (file, _) = exported(&home);
    let cache = home.path().join("cache");
    let bytes = fs::read(&file).expect("file");
    let bad = home.path().join("bad.tar.zst");
    for part in [0, 100, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&bad, &bytes[..part]).expect("cut");
        let said = home
            .farmer(&["bootkit", "import"])
            .env("XDG_CACHE_HOME", &cache)
            .arg(&bad)
            .fails_with(1);
        assert!(said.contains("bad.tar.zst cannot be imported"), "{said}");
    }
    let left = fs::read_dir(cache.join("farmer/bootkits"))
        .expect("directory")
        .count();
    assert_eq!(left, 0, "something was kept");
}

#[test]
fn an_ordinary_user_can_fetch() {
    let dir = tempfile::Builder::new()
        .prefix("farmer-nobody-")
        .tempdir_in("/var/tmp")
        .expect("directory");
    let program = dir.path().join("farmer");
    fs::copy(env!("CARGO_BIN_EXE_farmer"), &program).expect("copied");
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .output()
            .expect("starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program} {arguments:?}: {said}");
        output
    };
    let path = dir.path().to_str().expect("UTF-8");
    let is_root = is_root();
    let words = [
        program.to_str().expect("UTF-8"),
        "bootkit",
        "fetch",
        "-o",
        "json",
    ];
    let output = if is_root {
        run("chown", &["nobody", path]);
        let environment = format!("HOME={path}");
        let head = [
            "--reuid=nobody",
            "--regid=nogroup",
            "--clear-groups",
            "env",
            "-i",
        ];
        let path_variable = "PATH=/usr/bin:/bin";
        let mut all = head.to_vec();
        all.extend([environment.as_str(), path_variable]);
        all.extend(words);
        run("setpriv", &all)
    } else {
        let mut all = vec!["-i", "PATH=/usr/bin:/bin"];
        let environment = format!("HOME={path}");
        all.push(&environment);
        all.extend(words);
        run("env", &all)
    };
    let told = json(&output);
    let packages = told["packages"].as_array().expect("packages");
    assert!(
        packages
            .iter()
            .all(|package| package["archive_verified"] == true),
        "{packages:?}"
    );
    assert!(told["path"].as_str().expect("a path").starts_with(path));
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id");
    output.stdout.starts_with(b"0\n")
}
