//! What happens to data: a directory's own, looked after by its operator, and what `node list` keeps.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use directory::server::{ServerConfig, ServerMode, start};
use serde_json::json;

use crate::nodes::register;
use crate::support::{Directory, Home};

#[test]
fn a_directory_is_backed_up_while_it_serves_and_restored_when_it_does_not() {
    let home = Home::new();
    let mut directory = Directory::start(&home);
    home.farmer(&["farm", "create", "mine", "--country", "BE"])
        .at(&directory)
        .run();
    let data = home.path().join("directory");
    let data = data.to_str().expect("UTF-8");
    let backup = home.path().join("backup.sqlite");
    let backup = backup.to_str().expect("UTF-8");
    let make = ["directory", "backup", "--data", data, "--out", backup];
    let told = home.farmer(&["-o", "json"]).args(&make).run();
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!(
        (&told["users"], &told["farms"], &told["nodes"]),
        (&json!(1), &json!(1), &json!(0))
    );
    let mode = fs::metadata(backup)
        .expect("the backup")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let said = home.farmer(&make).fails_with(1);
    assert!(said.contains("exists already"), "{said}");
    home.farmer(&["directory", "backup", "--data", data])
        .fails_with(2);
    home.farmer(&["directory", "check", backup]).run();
    home.farmer(&["directory", "check", "--data", data]).run();

    // After the backup, another farm.
    home.farmer(&["farm", "create", "later", "--country", "BE"])
        .at(&directory)
        .run();
    let restore = ["directory", "restore", backup, "--data", data];
    let said = home.farmer(&restore).arg("--yes").fails_with(5);
    assert!(said.contains("in use by a running server"), "{said}");
    assert_eq!(
        home.json(&directory, &["farm", "list"])
            .as_array()
            .expect("farms")
            .len(),
        2
    );
    directory.stop();
    let said = home.farmer(&restore).fails_with(2);
    assert!(said.contains("--yes"), "{said}");
    home.farmer(&restore).arg("--dry-run").run();
    home.farmer(&restore).arg("--yes").run();
    directory.start_again(&home);
    let farms = home.json(&directory, &["farm", "list", "--mine"]);
    assert_eq!(
        (farms.as_array().expect("farms").len(), &farms[0]["name"]),
        (1, &json!("mine"))
    );
    // The identity's next signed request is taken.
    home.farmer(&["farm", "create", "after", "--country", "BE"])
        .at(&directory)
        .run();
    // Root restores for the user who owns the directory; anybody else only for himself.
    let fresh = home.path().join("given");
    fs::create_dir(&fresh).expect("a directory");
    let is_root = std::os::unix::fs::chown(&fresh, Some(12345), Some(12345)).is_ok();
    home.farmer(&["directory", "restore", backup, "--data"])
        .arg(&fresh)
        .run();
    let owner = fs::metadata(fresh.join("directory.sqlite"))
        .expect("the data")
        .uid();
    assert_eq!(owner == 12345, is_root);
    // Into a place where nothing is yet, nobody has to be asked.
    let fresh = home.path().join("fresh");
    home.farmer(&["directory", "restore", backup, "--data"])
        .arg(&fresh)
        .run();
    home.farmer(&["directory", "check", "--data"])
        .arg(&fresh)
        .run();

    let mut bytes = fs::read(backup).expect("the backup");
    let half = bytes.len() / 2;
    bytes[half..].fill(0x5a);
    let damaged = home.path().join("damaged.sqlite");
    fs::write(&damaged, &bytes).expect("a file");
    home.farmer(&["directory", "check"])
        .arg(&damaged)
        .fails_with(3);
    home.farmer(&["directory", "restore", "--yes", "--data", data])
        .arg(&damaged)
        .fails_with(3);
    fs::write(&damaged, "no database at all ".repeat(100)).expect("a file");
    home.farmer(&["directory", "check"])
        .arg(&damaged)
        .fails_with(3);
    home.farmer(&["directory", "check", "no-such-file"])
        .fails_with(6);
    assert_eq!(
        home.json(&directory, &["farm", "list"])
            .as_array()
            .expect("farms")
            .len(),
        2
    );
}

#[test]
fn the_unit_is_one_that_systemd_takes_and_has_hardly_any_rights() {
    let home = Home::new();
    for (listen, exposure) in [("[::]:8443", "13"), ("0.0.0.0:443", "20")] {
        let unit = home.path().join("farmer-directory.service");
        home.farmer(&[
            "directory",
            "unit",
            "--listen",
            listen,
            "--name",
            "dir.example",
            "--program",
        ])
        .arg(env!("CARGO_BIN_EXE_farmer"))
        .arg("--out")
        .arg(&unit)
        .run();
        let text = fs::read_to_string(&unit).expect("the unit");
        assert!(
            text.contains(&format!("--listen {listen} ")) && !text.contains("@PROGRAM"),
            "{text}"
        );
        let analyze = |arguments: &[&str]| {
            let output = Command::new("systemd-analyze")
                .args(arguments)
                .arg(&unit)
                .output()
                .expect("systemd-analyze (Debian: apt-get install systemd)");
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said).into_owned();
            assert!(output.status.success(), "{arguments:?}: {said}");
            said
        };
        let said = analyze(&["verify", "--man=no", "--recursive-errors=no"]);
        assert!(!said.contains("farmer-directory.service:"), "{said}");
        // In tenths: 0 is no exposure, 100 is root without limits.
        analyze(&[
            "security",
            "--offline=true",
            &format!("--threshold={exposure}"),
        ]);
    }
    for bad in [
        ["--name", "a b"],
        ["--program", "farmer"],
        ["--program", "/x/y\nUser=root"],
    ] {
        home.farmer(&["directory", "unit"]).args(&bad).fails_with(2);
    }
}

#[test]
fn a_list_that_was_seen_is_shown_without_the_directory() {
    let home = Home::new();
    let mut directory = Directory::start(&home);
    home.farmer(&["farm", "create", "mine", "--country", "BE"])
        .at(&directory)
        .run();
    let node = register(&directory, 1, [1; 32], true);
    let cache = home.path().join("cache");
    let list = |directory: &Directory, arguments: &[&str]| {
        home.farmer(&["-o", "json", "node", "list"])
            .args(arguments)
            .env("XDG_CACHE_HOME", &cache)
            .at(directory)
    };
    let said = list(&directory, &["--offline"]).fails_with(6);
    assert!(said.contains("have not been listed yet"), "{said}");
    let online = list(&directory, &[]).run().stdout;
    let nodes =
        |bytes: &[u8]| -> serde_json::Value { serde_json::from_slice(bytes).expect("JSON") };
    assert_eq!(nodes(&online)[0]["node_id"], node.as_str());
    let url = directory.url.clone();
    let offline = |arguments: &[&str]| {
        home.farmer(&[
            "-o",
            "json",
            "node",
            "list",
            "--offline",
            "--directory",
            &url,
        ])
        .args(arguments)
        .env("XDG_CACHE_HOME", &cache)
        .run()
    };
    directory.stop();
    let shown = offline(&[]);
    let said = String::from_utf8(shown.stderr).expect("UTF-8");
    assert!(said.contains("ago, without asking 127.0.0.1"), "{said}");
    for (arguments, count) in [
        (&["--farm", "1"][..], 1),
        (&["--farm", "2"], 0),
        (&["--country", "BE", "--state", "up"], 1),
        (&["--country", "NL"], 0),
    ] {
        let shown = nodes(&offline(arguments).stdout);
        assert_eq!(
            shown.as_array().expect("nodes").len(),
            count,
            "{arguments:?}"
        );
    }
    let mut seen = nodes(&shown.stdout);
    let mut was = nodes(&online);
    for list in [&mut seen, &mut was] {
        for since in ["reported_seconds_ago", "up_for_seconds"] {
            list[0][since] = json!(0);
        }
    }
    assert_eq!(seen, was, "as its owner saw it");

    // A damaged cache is told and begun anew; it never stops anybody.
    let file = cache.join("farmer/directories.sqlite");
    fs::write(&file, "rubbish ".repeat(1000)).expect("a file");
    directory.start_again(&home);
    let output = list(&directory, &[]).run();
    assert!(String::from_utf8_lossy(&output.stderr).contains("set-aside"));
    assert_eq!(nodes(&output.stdout)[0]["node_id"], node.as_str());
    directory.stop();
    assert_eq!(nodes(&offline(&[]).stdout)[0]["node_id"], node.as_str());
}

/// Servers of 2020 and 2021 check other signatures; which ones is said, never guessed.
#[test]
fn a_directory_of_the_old_kind_is_used_when_it_is_named_as_one() {
    let home = Home::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let config = ServerConfig {
        mode: ServerMode::Compat,
        ..ServerConfig::new(([127, 0, 0, 1], 0).into(), home.path().join("data"))
    };
    let server = runtime.block_on(start(config)).expect("a server");
    let url = format!("{}/api/v1", server.url());
    let ask = |arguments: &[&str]| {
        home.farmer(arguments)
            .env("FARMER_DIRECTORY", &url)
            .env("FARMER_SIGNATURES", "compat")
    };
    ask(&["farm", "create", "mine", "--country", "BE"]).run();
    ask(&[
        "farm", "update", "1", "--city", "Ghent", "--email", "a@b", "--yes",
    ])
    .run();
    ask(&[
        "farm",
        "ip",
        "add",
        "1",
        "192.0.2.10/24",
        "--gateway",
        "192.0.2.1",
        "--yes",
    ])
    .run();
    let shown = ask(&["farm", "show", "1", "-o", "json"]).run();
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["location"]["city"], "Ghent");
    assert_eq!(shown["ipaddresses"][0]["address"], "192.0.2.10/24");
    let said = ask(&["farm", "token", "new", "1"]).fails_with(1);
    assert!(
        said.contains("does not exist in directories of the 2020 form"),
        "{said}"
    );
    let found = ask(&["capacity", "find", "--cru", "1"]).run();
    assert!(String::from_utf8_lossy(&found.stderr).contains("searched here"));
    home.farmer(&["farm", "update", "1", "--city", "Gent", "--yes"])
        .env("FARMER_DIRECTORY", &url)
        .fails_with(4);
    ask(&["farm", "list", "--signatures", "none"]).fails_with(2);
}
