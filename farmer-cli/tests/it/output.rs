//! Formats, files, streams and settings: what every command shares.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::Home;

const ESTIMATE: [&str; 7] = [
    "estimate", "--cru", "8", "--mru", "32GiB", "--sru", "1000GiB",
];

#[test]
fn one_answer_in_three_formats() {
    let home = Home::new();
    let table = home.farmer(&ESTIMATE).run();
    insta::assert_snapshot!("estimate_table", String::from_utf8_lossy(&table.stdout));
    let json = home.farmer(&["-o", "json"]).args(&ESTIMATE).run();
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    // The published vector: 22.600 USD and 282.5 TFT.
    assert_eq!(json["reward"]["musd"], 22_600);
    assert_eq!(json["reward"]["tft_units"], 2_825_000_000_u64);
    let yaml = home.farmer(&ESTIMATE).args(&["-o", "yaml"]).run();
    insta::assert_snapshot!("estimate_yaml", String::from_utf8_lossy(&yaml.stdout));
}

#[test]
fn an_estimate_tells_what_a_machine_costs_and_when_it_has_paid() {
    let home = Home::new();
    let costs = [
        "--power-watts",
        "100",
        "--kwh-usd",
        "0.25",
        "--invest-usd",
        "1000",
        "--certified",
        "--uptime",
        "99",
    ];
    let table = home.farmer(&ESTIMATE).args(&costs).run();
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );
    insta::assert_snapshot!("estimate_costs_table", table);
    let json = home
        .farmer(&["-o", "json"])
        .args(&ESTIMATE)
        .args(&costs)
        .run();
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    // 100 W for 730.8 hours at 0.25 USD.
    assert_eq!(json["power"]["cost_usd"], 18.27);
    assert_eq!(json["other_rewards"].as_array().expect("rules").len(), 2);
    assert_eq!(json["never_pays_back"], false);
    let bare = home.farmer(&["-o", "json"]).args(&ESTIMATE).run();
    let bare: Value = serde_json::from_slice(&bare.stdout).expect("JSON");
    for unknown in ["power", "net_usd", "invest_usd", "payback_months"] {
        assert_eq!(bare[unknown], Value::Null, "{unknown}");
    }
}

#[test]
fn out_names_a_file_and_dash_is_standard_output() {
    let home = Home::new();
    let file = home.path().join("estimate.json");
    let output = home
        .farmer(&ESTIMATE)
        .args(&["-o", "json", "--out"])
        .arg(&file)
        .run();
    assert!(output.stdout.is_empty());
    let to_stdout = home
        .farmer(&ESTIMATE)
        .args(&["-o", "json", "--out", "-"])
        .run();
    assert_eq!(std::fs::read(&file).expect("the file"), to_stdout.stdout);
    let said = home
        .farmer(&ESTIMATE)
        .args(&["--out", "/no/such/dir/x"])
        .fails_with(6);
    assert!(
        said.contains("hint: there is no directory /no/such/dir"),
        "{said}"
    );
}

#[test]
fn a_full_disk_is_an_error_and_leaves_no_file() {
    let home = Home::new();
    let said = home
        .farmer(&ESTIMATE)
        .args(&["--out", "/dev/full"])
        .fails_with(1);
    assert!(said.contains("the disk is full"), "{said}");
    // A file system of 64 KiB, filled to the brim; in a mount namespace that dies with the shell.
    let script = "mount -t tmpfs -o size=64k none \"$1\" && \
                  dd if=/dev/zero of=\"$1/filler\" bs=4k 2>/dev/null; \
                  \"$2\" estimate --cru 1 --mru 1GiB -o json --out \"$1/x.json\"; code=$?; \
                  ls -A \"$1\"; exit $code";
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(home.path())
        .arg(env!("CARGO_BIN_EXE_farmer"))
        .output()
        .expect("unshare");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the disk is full"), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "filler");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_farmer"))
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("farmer");
    // The script is larger than a pipe holds, and nobody reads it.
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

#[test]
fn errors_read_error_cause_hint_and_are_objects_in_json() {
    let home = Home::new();
    let said = home.farmer(&["farm", "list"]).fails_with(2);
    assert!(
        said.starts_with("error: no directory is set\n\nhint: "),
        "{said}"
    );
    let said = home.farmer(&["farm", "list", "-o", "json"]).fails_with(2);
    let object: Value = serde_json::from_str(&said).expect("JSON on standard error");
    assert_eq!(object["error"]["code"], 2);
    assert_eq!(object["error"]["kind"], "usage");
    assert!(object["error"]["hint"].is_string());
}

#[test]
fn colour_follows_flag_before_variable() {
    let home = Home::new();
    let escapes = |arguments: &[&str]| {
        let output = home.farmer(&ESTIMATE).args(arguments).run();
        output.stdout.contains(&0x1b)
    };
    // No terminal, and NO_COLOR is set.
    assert!(!escapes(&[]));
    assert!(escapes(&["--color", "always"]));
    assert!(!escapes(&["--color", "never"]));
}

#[test]
fn config_show_tells_where_settings_come_from() {
    let home = Home::new();
    let config = home.path().join("config/farmer");
    std::fs::create_dir_all(&config).expect("directory");
    std::fs::write(
        config.join("config.toml"),
        "identity = \"my.seed\"\n[directory]\nurl = \"https://file.example\"\n",
    )
    .expect("settings");
    let show = |farmer: crate::support::Farmer| -> Value {
        serde_json::from_slice(&farmer.args(&["config", "show"]).run().stdout).expect("JSON")
    };
    let from_file = show(home.farmer(&["-o", "json"]));
    assert_eq!(from_file[0]["value"], "https://file.example");
    assert!(
        from_file[0]["origin"]
            .as_str()
            .expect("origin")
            .ends_with("config.toml")
    );
    let from_env = show(
        home.farmer(&["-o", "json"])
            .env("FARMER_DIRECTORY", "https://env.example"),
    );
    assert_eq!(from_env[0]["origin"], "$FARMER_DIRECTORY");
    let from_flag = home
        .farmer(&[
            "-o",
            "json",
            "config",
            "show",
            "--directory",
            "https://flag.example",
        ])
        .env("FARMER_DIRECTORY", "https://env.example")
        .run();
    let from_flag: Value = serde_json::from_slice(&from_flag.stdout).expect("JSON");
    assert_eq!(from_flag[0]["origin"], "--directory");

    std::fs::write(config.join("config.toml"), "[directory]\nurll = \"x\"\n").expect("settings");
    let said = home.farmer(&["config", "show"]).fails_with(1);
    assert!(
        said.contains("config.toml") && said.contains("urll"),
        "{said}"
    );
}

#[test]
fn bad_values_are_usage_errors_with_words() {
    let home = Home::new();
    for (arguments, word) in [
        (
            &["image", "build", "--farm-id", "0", "--out", "x"][..],
            "not a farm id",
        ),
        (
            &["image", "build", "--farm-id", "4294967296", "--out", "x"],
            "not a farm id",
        ),
        (
            &["image", "build", "--farm-id", "one", "--out", "x"],
            "not a farm id",
        ),
        (&["image", "build", "--farm-id", "1"], "--out"),
        (&["farm", "list", "--directory", "ftp://x"], "https://"),
        (
            &[
                "farm",
                "list",
                "--directory",
                "https://x",
                "--pin",
                "nonsense",
            ],
            "sha256/",
        ),
        (&["farm", "create", "x y", "--country", "BE"], "farm's name"),
        (
            &["farm", "create", "myfarm", "--country", "Belgium"],
            "two-letter",
        ),
        (
            &[
                "farm",
                "create",
                "myfarm",
                "--country",
                "BE",
                "--wallet",
                "x",
            ],
            "ASSET:ADDRESS",
        ),
        (&["estimate", "--cru", "1", "--mru", "32"], "unit"),
        (
            &[
                "estimate",
                "--cru",
                "1",
                "--mru",
                "1GiB",
                "--power-watts",
                "-5",
            ],
            "between 0 and a million watts",
        ),
        (
            &[
                "estimate",
                "--cru",
                "1",
                "--mru",
                "1GiB",
                "--invest-usd",
                "NaN",
            ],
            "between 0 and a billion USD",
        ),
        (
            &[
                "estimate",
                "--cru",
                "1",
                "--mru",
                "1GiB",
                "--kwh-usd",
                "0.2",
            ],
            "--power-watts",
        ),
        (&["probe", "--disk", "S1=nvme"], "ID=ignore"),
        (
            &["probe", "--settle", "5", "--sysroot", "/"],
            "cannot be used with",
        ),
        (
            &["node", "show", "nonsense", "--directory", "https://x"],
            "node id",
        ),
        (&["tui", "--directory", "https://x"], "needs a terminal"),
    ] {
        let said = home.farmer(arguments).fails_with(2);
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
}

#[test]
fn probe_reads_this_machine_and_refuses_a_missing_capture() {
    let home = Home::new();
    let output = home.farmer(&["probe", "-o", "json"]).run();
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let threads = std::thread::available_parallelism().expect("threads").get() as u64;
    assert!(
        report["cpu"]["logical"].as_u64().expect("threads") >= threads,
        "{report:#}"
    );
    assert!(!home.farmer(&["probe"]).run().stdout.is_empty());
    let said = home
        .farmer(&["probe", "--sysroot", "/no/such/capture"])
        .fails_with(6);
    assert!(said.contains("/no/such/capture"), "{said}");
    home.farmer(&["probe", "--smbios", "/no/such/file"])
        .fails_with(6);
    let key = ["--anonymise", "--anonymise-key", "/no/such/key"];
    home.farmer(&["probe"]).args(&key).fails_with(6);
}

#[test]
fn a_snapshot_is_read_elsewhere_and_anonymised() {
    let home = Home::new();
    let archive = home.path().join("me.tar.zst");
    let snapshot = home.farmer(&["-o", "json", "probe", "snapshot"]);
    let told: Value = serde_json::from_slice(&snapshot.arg(&archive).run().stdout).expect("JSON");
    assert!(told["entries"].as_u64().expect("files") > 0);
    let again = home.farmer(&["probe", "snapshot"]).arg(&archive);
    assert!(again.fails_with(1).contains("never overwritten"));
    let refused = home.farmer(&["probe", "--anonymise", "snapshot", "x"]);
    assert!(refused.fails_with(2).contains("cannot be anonymised"));
    let report = |more: &[&str]| -> Value {
        let farmer = home.farmer(&["-o", "json", "probe", "--sysroot"]);
        let output = farmer.arg(&archive).args(more).run();
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let (plain, anonymous) = (report(&[]), report(&["--anonymise"]));
    assert_eq!(plain["capacity"], anonymous["capacity"]);
    assert!(plain["cpu"]["logical"].as_u64().expect("threads") >= 1);
}

#[test]
fn the_operators_word_on_disks_comes_from_the_settings_file() {
    let home = Home::new();
    let config = home.path().join("config/farmer");
    std::fs::create_dir_all(&config).expect("directory");
    let settings = config.join("config.toml");
    std::fs::write(&settings, "[disks.\"naa.5000c5\"]\nkind = \"ssd\"\n").expect("settings");
    let output = home.farmer(&["config", "show"]).run();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        shown.contains("disks.\"naa.5000c5\"") && shown.contains("ssd"),
        "{shown}"
    );
    home.farmer(&["probe"]).run();
    std::fs::write(&settings, "\n[disks.S1]\nkind = \"tape\"\n").expect("settings");
    let said = home.farmer(&["probe"]).fails_with(1);
    for word in ["config.toml", "line 3", "tape", "hint: "] {
        assert!(said.contains(word), "{said}");
    }
    std::fs::remove_file(&settings).expect("settings");
    let probe = home.farmer(&["probe"]).env("FARMER_DISKS", "S1");
    assert!(probe.fails_with(2).contains("FARMER_DISKS"));
}
