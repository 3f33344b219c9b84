//! Farms and nodes changed by their owner, one by one and from a file.

use std::fs;
use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};

use crate::nodes::register;
use crate::support::{Directory, Home};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn with_farm() -> (Home, Directory) {
    let home = Home::new();
    let directory = Directory::start(&home);
    home.farmer(&["farm", "create", "mine", "--country", "BE"])
        .at(&directory)
        .run();
    (home, directory)
}

#[test]
fn a_farm_is_updated_after_showing_what_changes() {
    let (home, directory) = with_farm();
    let farm = |key: &str| home.json(&directory, &["farm", "show", "1"])[key].clone();
    let update = [
        "farm",
        "update",
        "1",
        "--email",
        "me@example.org",
        "--city",
        "Gent",
        "--wallet",
        "TFT:GABC",
        "--price",
        "USD:cru=1.5,mru=0.5",
        "--custom-prices",
        "TFT:cu=8,ipv4u=5",
    ];
    let shown = home.farmer(&update).arg("--dry-run").at(&directory).run();
    let shown = text(&shown.stdout);
    for part in [
        "email",
        "me@example.org",
        "location.city",
        "Gent",
        "TFT:GABC",
        "cru=1.5",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(farm("email"), "");
    let said = home.farmer(&update).at(&directory).fails_with(2);
    assert!(said.contains("--yes"), "{said}");
    assert_eq!(farm("email"), "");

    let done = home.json(&directory, &[&update[..], &["--yes"]].concat());
    assert_eq!(done["done"], true);
    assert_eq!(done["steps"][0]["farm"], 1);
    assert_eq!(farm("email"), "me@example.org");
    assert_eq!(farm("location")["city"], "Gent");
    assert_eq!(farm("location")["country"], "BE", "not named, not changed");
    assert_eq!(
        farm("resource_prices")[0],
        json!(
        {"currency": 1, "cru": 1.5, "mru": 0.5, "sru": 0, "hru": 0, "nru": 0})
    );
    assert_eq!(farm("enable_custom_pricing"), true);
    let again = home.farmer(&update).arg("--yes").at(&directory).run();
    assert_eq!(text(&again.stdout), "nothing to do\n");

    home.farmer(&[
        "farm",
        "update",
        "1",
        "--no-prices",
        "--no-custom-prices",
        "--no-wallet",
        "-y",
    ])
    .at(&directory)
    .run();
    assert_eq!(farm("resource_prices"), json!([]));
    assert_eq!(farm("enable_custom_pricing"), false);

    home.farmer(&["farm", "update", "1"])
        .at(&directory)
        .fails_with(2);
    for bad in [
        ["--email", "no"],
        ["--country", "Belgium"],
        ["--latitude", "91"],
    ] {
        home.farmer(&["farm", "update", "1", "--yes"])
            .args(&bad)
            .at(&directory)
            .fails_with(2);
    }
    let stranger = Home::new();
    stranger
        .farmer(&["farm", "create", "theirs", "--country", "BE"])
        .at(&directory)
        .run();
    let said = stranger
        .farmer(&["farm", "update", "1", "--city", "X", "--yes"])
        .at(&directory)
        .fails_with(4);
    assert!(said.contains("belongs to user 1, you are user 2"), "{said}");
}

#[test]
fn addresses_are_added_listed_and_removed() {
    let (home, directory) = with_farm();
    let add = [
        "farm",
        "ip",
        "add",
        "1",
        "192.0.2.10/24",
        "192.0.2.11/24",
        "--gateway",
        "192.0.2.1",
    ];
    home.farmer(&add).arg("--yes").at(&directory).run();
    let listed = home.json(&directory, &["farm", "ip", "list", "1"]);
    assert_eq!(
        listed[0],
        json!(
        {"address": "192.0.2.10/24", "gateway": "192.0.2.1", "reservation_id": 0})
    );
    assert_eq!(listed.as_array().expect("addresses").len(), 2);
    let said = home.farmer(&add).arg("--yes").at(&directory).fails_with(1);
    assert!(said.contains("already"), "{said}");
    home.farmer(&[
        "farm",
        "ip",
        "add",
        "1",
        "2001:db8::1/64",
        "--gateway",
        "192.0.2.1",
        "-y",
    ])
    .at(&directory)
    .fails_with(2);
    let remove = ["farm", "ip", "remove", "1", "192.0.2.10", "--yes"];
    home.farmer(&remove).at(&directory).run();
    home.farmer(&remove).at(&directory).fails_with(6);
    let listed = home.json(&directory, &["farm", "ip", "list", "1"]);
    assert_eq!(listed[0]["address"], "192.0.2.11/24");
    assert_eq!(listed.as_array().expect("addresses").len(), 1);
}

#[test]
fn tokens_are_shown_once_listed_and_revoked() {
    let (home, directory) = with_farm();
    let made = home.json(
        &directory,
        &[
            "farm",
            "token",
            "new",
            "1",
            "--uses",
            "3",
            "--lifetime",
            "7d",
            "--note",
            "rack 3",
        ],
    );
    let secret = made["token"].as_str().expect("a token").to_owned();
    assert!(secret.starts_with("fet1_"));
    let listed = home.json(&directory, &["farm", "token", "list", "1"]);
    assert_eq!(listed[0]["uses_left"], 3);
    assert_eq!(listed[0]["note"], "rack 3");
    assert!(!listed.to_string().contains(&secret));
    let id = made["id"].to_string();
    home.farmer(&["farm", "token", "revoke", "1", &id])
        .at(&directory)
        .fails_with(2);
    home.farmer(&["farm", "token", "revoke", "1", &id, "--yes"])
        .at(&directory)
        .run();
    home.farmer(&["farm", "token", "revoke", "1", &id, "--yes"])
        .at(&directory)
        .fails_with(6);
    assert_eq!(
        home.json(&directory, &["farm", "token", "list", "1"]),
        json!([])
    );
}

#[test]
fn nodes_are_configured_freed_moved_and_deleted() {
    let (home, directory) = with_farm();
    home.farmer(&["farm", "create", "second", "--country", "BE"])
        .at(&directory)
        .run();
    let node = register(&directory, 1, [1; 32], true);
    let configure = [
        "node",
        "configure-public",
        &node,
        "--interface",
        "eth1",
        "--ipv4",
        "192.0.2.10/24",
        "--gw4",
        "192.0.2.1",
        "--ipv6",
        "2001:db8::10/64",
        "--gw6",
        "2001:db8::1",
        "--yes",
    ];
    home.farmer(&configure).at(&directory).run();
    let shown = home.json(&directory, &["node", "show", &node]);
    assert_eq!(shown["public_config"]["ipv4"], "192.0.2.10/24");
    assert_eq!(shown["public_config"]["version"], 1);
    let again = home.farmer(&configure).at(&directory).run();
    assert_eq!(text(&again.stdout), "nothing to do\n");

    let free = |home: &Home| home.json(&directory, &["node", "show", &node])["free_to_use"].clone();
    home.farmer(&["node", "free-to-use", &node, "--yes"])
        .at(&directory)
        .run();
    assert_eq!(free(&home), true);
    home.farmer(&["node", "free-to-use", &node, "--off", "-y"])
        .at(&directory)
        .run();
    assert_eq!(free(&home), false);

    let planned = home.json(&directory, &["node", "move", &node, "--to", "2"]);
    assert_eq!(
        (&planned["from_farm"], &planned["arrived"]),
        (&json!(1), &json!(false))
    );
    let token = planned["token"].as_str().expect("a token");
    let lines = planned["farm_toml"].as_str().expect("lines");
    assert!(
        lines.contains("farm_id = 2") && lines.contains(token),
        "{lines}"
    );
    home.farmer(&["node", "move", &node, "--to", "2", "--wait", "0"])
        .at(&directory)
        .fails_with(8);
    // The node comes with the new settings.
    register_with_token(&directory, 2, [1; 32], Some(token));
    let moved = home.json(&directory, &["node", "move", &node, "--to", "2"]);
    assert_eq!(moved["arrived"], true);
    assert_eq!(
        home.json(&directory, &["node", "show", &node])["state"],
        "approved"
    );

    home.farmer(&["node", "delete", &node, "--dry-run"])
        .at(&directory)
        .run();
    home.farmer(&["node", "delete", &node])
        .at(&directory)
        .fails_with(2);
    let deleted = home.json(&directory, &["node", "delete", &node, "--yes"]);
    assert_eq!(
        (&deleted[0]["state"], &deleted[0]["done"]),
        (&json!("deleted"), &json!(true))
    );
    assert_eq!(
        home.json(&directory, &["node", "list", "--farm", "2"]),
        json!([])
    );
}

fn register_with_token(directory: &Directory, farm_id: u64, seed: [u8; 32], token: Option<&str>) {
    crate::nodes::register_with(directory, farm_id, seed, true, |registration| {
        registration.enrolment_token = token.map(|token| token.parse().expect("a token"));
    });
}

#[test]
fn a_file_is_applied_once_and_export_writes_what_it_reads() {
    let (home, directory) = with_farm();
    let node = register(&directory, 1, [1; 32], true);
    let path = home.path().join("farm.yaml");
    let write = |text: &str| fs::write(&path, text).expect("a file");
    let apply = |flags: &[&str]| {
        home.farmer(&["apply", "-f"])
            .arg(&path)
            .args(flags)
            .at(&directory)
    };
    write(&format!(
        "farms:\n- name: mine\n  email: me@example.org\n  location: {{city: Ghent}}\n  \
         wallets: [TFT:GABC]\n  prices: [{{currency: USD, cru: 2}}]\n  ip_addresses:\n  \
         - {{address: 192.0.2.10/24, gateway: 192.0.2.1}}\n  nodes:\n  - node_id: {node}\n    \
         state: approved\n    free_to_use: true\n    public_config: {{interface: eth0, \
         ipv4: 192.0.2.20/24, gw4: 192.0.2.1, ipv6: '2001:db8::2/64', gw6: '2001:db8::1'}}\n\
         - name: other\n  location: {{country: NL}}\n"
    ));
    let shown = text(&apply(&["--dry-run"]).run().stdout);
    for part in [
        "farm 1",
        "new farm other",
        &node,
        "approved",
        "192.0.2.10/24",
        "me@example.org",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(
        home.json(&directory, &["farm", "list"])
            .as_array()
            .expect("farms")
            .len(),
        1
    );
    apply(&[]).fails_with(2);
    let done = apply(&["--yes", "-o", "json"]).run();
    let done: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(done["done"], true);
    assert_eq!(text(&apply(&["--yes"]).run().stdout), "nothing to do\n");
    let shown = home.json(&directory, &["node", "show", &node]);
    assert_eq!(shown["state"], "approved");
    assert_eq!(shown["public_config"]["master"], "eth0");
    let farms = home.json(&directory, &["farm", "list", "--mine"]);
    assert_eq!(farms[1]["name"], "other");
    assert_eq!(farms[1]["location"]["country"], "NL");

    // What export writes changes nothing, in both formats, and holds everything.
    for format in ["yaml", "json", "table"] {
        let exported = home.farmer(&["-o", format, "export"]).at(&directory).run();
        let exported = text(&exported.stdout);
        for part in ["me@example.org", "192.0.2.10/24", "eth0", &node] {
            assert!(exported.contains(part), "{exported}");
        }
        write(&exported);
        assert_eq!(text(&apply(&["--yes"]).run().stdout), "nothing to do\n");
    }
    let exported = home.farmer(&["export", "--farm", "1"]).at(&directory).run();
    let exported = text(&exported.stdout);
    assert!(
        exported.starts_with("farms:\n- id: 1\n  name: mine\n"),
        "{exported}"
    );
    // Lists become what the file says; what is not mentioned stays.
    write("farms:\n- id: 1\n  ip_addresses: []\n  name: renamed\n");
    apply(&["--yes"]).run();
    let farm = home.json(&directory, &["farm", "show", "1"]);
    assert_eq!(
        (&farm["ipaddresses"], &farm["name"]),
        (&json!([]), &json!("renamed"))
    );
    assert_eq!(farm["email"], "me@example.org");

    for (file, code, words) in [
        ("farms:\n- name: x y\n", 2, "cannot be its name"),
        ("farms:\n- name: mine\n  emial: a@b\n", 2, "emial"),
        ("farms: [\n", 2, "reading"),
        ("farms:\n- {}\n", 2, "neither id nor name"),
        ("farms:\n- id: 77\n", 6, "farm 77 does not exist"),
        ("farms:\n- name: renamed\n- name: renamed\n", 2, "twice"),
        (
            "farms:\n- name: renamed\n  wallets: [GABC]\n",
            2,
            "ASSET:ADDRESS",
        ),
        (
            &format!("farms:\n- name: other\n  nodes: [{{node_id: {node}}}]\n"),
            6,
            "farm 1",
        ),
    ] {
        write(file);
        let said = apply(&["--yes"]).fails_with(code);
        assert!(said.contains(words), "{file}: {said}");
    }
    home.farmer(&["apply", "-f", "no-such-file"])
        .at(&directory)
        .fails_with(6);
}

/// The farm of somebody whose identity is still to be made.
#[test]
fn a_first_farm_may_come_from_a_file() {
    let home = Home::new();
    let directory = Directory::start(&home);
    let path = home.path().join("farm.json");
    fs::write(
        &path,
        r#"{"farms": [{"name": "first", "location": {"country": "BE"}}]}"#,
    )
    .expect("a file");
    let said = home
        .farmer(&["apply", "-f"])
        .arg(&path)
        .at(&directory)
        .fails_with(4);
    assert!(said.contains("--yes"), "{said}");
    let output = home
        .farmer(&["apply", "--yes", "-f", "-"])
        .reads(&path)
        .at(&directory)
        .run();
    assert!(String::from_utf8_lossy(&output.stderr).contains("Keep a copy"));
    assert_eq!(
        home.json(&directory, &["farm", "list", "--mine"])[0]["name"],
        "first"
    );
}

#[test]
fn a_watched_list_is_printed_again_and_again() {
    let (home, directory) = with_farm();
    register(&directory, 1, [1; 32], true);
    let mut child = home
        .farmer(&["-o", "json", "node", "list", "--watch=1"])
        .at(&directory)
        .spawn();
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    for _ in 0..2 {
        let line = lines.next().expect("a line").expect("text");
        let nodes: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(nodes[0]["liveness"], "up");
    }
    child.kill().expect("it was running");
    child.wait().expect("it ends");
}

/// Its first half would be a valid file with fewer wishes.
#[test]
fn a_file_that_is_too_long_is_refused_whole() {
    let home = Home::new();
    let file = home.path().join("farms.yaml");
    let mut text = "farms:\n- name: big\n".to_owned();
    text.push_str(&"# more\n".repeat(3 << 20));
    std::fs::write(&file, text).expect("a file");
    let said = home.farmer(&["apply", "-f"]).arg(&file).fails_with(2);
    assert!(said.contains("longer than 16 MiB"), "{said}");
}
