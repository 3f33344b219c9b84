//! Nodes as a farmer handles them. The nodes are made here, with the client that `farm-node` uses.

use directory::client::{Client, ClientOptions, Trust};
use directory::identity::Seed;
use directory::wire::{CapacityPost, Location, Registration, ResourceAmount};
use serde_json::{Value, json};

use crate::support::{Directory, Home};

const GIB: u64 = 1 << 30;

/// Registers a virtual machine with 8 threads, 32 GiB and a 1000 GiB SSD, as a node does.
pub fn register(directory: &Directory, farm_id: u64, seed: [u8; 32], reports: bool) -> String {
    register_with(directory, farm_id, seed, reports, |_| {})
}

/// As [`register`], with something said differently.
pub fn register_with(
    directory: &Directory,
    farm_id: u64,
    seed: [u8; 32],
    reports: bool,
    differently: impl FnOnce(&mut Registration),
) -> String {
    let seed = Seed::from(seed);
    let options = ClientOptions {
        trust: Trust::Pin(directory.pin.parse().expect("a pin")),
        ..ClientOptions::new(&directory.url)
    };
    let client = Client::new(&options).expect("a client");
    let location = Location {
        country: "BE".into(),
        ..Location::default()
    };
    let mut registration = Registration::new(
        &seed,
        farm_id,
        "farm-node/0.1.0 (hosts no workloads)",
        location,
    );
    registration.hostname = "evil\u{1b}[31m\u{202e}host".into();
    differently(&mut registration);
    let capacity = CapacityPost {
        capacity: ResourceAmount::from_bytes(8, 32 * GIB, 1000 * GIB, 0),
        hardware: Some(json!({
            "schema_version": 1,
            "cpu": { "logical": 8, "model": "Example CPU" },
            "memory": { "usable_bytes": 32 * GIB, "installed_bytes": 33 * GIB },
            "disks": [{ "name": "nvme0n1", "kind": "ssd", "size_bytes": 1000 * GIB, "counted": true,
                        "model": "Fast Disk" }],
            "virtualisation": { "is_virtual": true, "kind": "kvm" },
        })),
        ..CapacityPost::default()
    };
    tokio::runtime::Runtime::new()
        .expect("a runtime")
        .block_on(async {
            client
                .register(&registration, &seed)
                .await
                .expect("registration");
            if reports {
                client
                    .post_capacity(&capacity, &seed)
                    .await
                    .expect("capacity");
                client.post_uptime(90, &seed).await.expect("uptime");
            }
        });
    seed.node_id().to_string()
}

#[test]
fn nodes_are_waited_for_listed_shown_and_decided_about() {
    let home = Home::new();
    let directory = Directory::start(&home);
    home.farmer(&["farm", "create", "mine", "--country", "BE"])
        .at(&directory)
        .run();
    let silent = register(&directory, 1, [1; 32], false);
    // Registered is not enough.
    home.farmer(&["node", "wait", "--farm", "1", "--timeout", "0"])
        .at(&directory)
        .fails_with(8);
    let node = register(&directory, 1, [2; 32], true);

    let waited = home.json(
        &directory,
        &["node", "wait", "--farm", "1", "--timeout", "5"],
    );
    assert_eq!(waited[0]["node_id"], node.as_str());
    assert_eq!(waited.as_array().expect("nodes").len(), 1);
    let listed = home.json(&directory, &["node", "list", "--farm", "1"]);
    assert_eq!(listed.as_array().expect("nodes").len(), 2);
    let up = home.json(
        &directory,
        &["node", "list", "--farm", "1", "--state", "up"],
    );
    assert_eq!(up.as_array().expect("nodes").len(), 1);
    assert_eq!(
        home.json(&directory, &["node", "list", "--country", "NL"]),
        json!([])
    );

    let shown = home.json(&directory, &["node", "show", &node]);
    assert_eq!(shown["hardware"]["cpu"]["logical"], 8);
    assert_eq!(shown["state"], "pending");
    assert_eq!(shown["assessment"]["as_measured"]["tft_units"], 0);
    assert_eq!(
        shown["assessment"]["as_bare_metal"]["tft_units"],
        2_825_000_000_u64
    );
    let text = home
        .farmer(&["node", "show", &node])
        .at(&directory)
        .run()
        .stdout;
    let text = String::from_utf8(text).expect("UTF-8");
    let line = |label: &str| {
        let found = text.lines().find(|line| line.starts_with(label));
        found
            .unwrap_or_else(|| panic!("no {label}: {text}"))
            .to_owned()
    };
    assert!(
        line("this machine").ends_with("0.00 TFT (virtual machines are not paid)"),
        "{text}"
    );
    assert!(
        line("same on bare metal").ends_with("282.50 TFT (22.600 USD)"),
        "{text}"
    );
    assert!(
        text.contains("evilhost") && !text.contains(['\u{1b}', '\u{202e}']),
        "{text}"
    );
    assert!(
        text.contains("Fast Disk") && text.contains("hosts no workloads"),
        "{text}"
    );

    // Somebody else does not see the hardware, and is told why.
    let stranger = Home::new();
    let text = stranger
        .farmer(&["node", "show", &node])
        .at(&directory)
        .run()
        .stdout;
    let text = String::from_utf8(text).expect("UTF-8");
    assert!(
        text.contains("shown to the farm's owner only") && !text.contains("Fast Disk"),
        "{text}"
    );

    let state = |home: &Home| home.json(&directory, &["node", "show", &node])["state"].clone();
    home.farmer(&["node", "approve", &node, "--dry-run"])
        .at(&directory)
        .run();
    assert_eq!(state(&home), "pending");
    let said = home
        .farmer(&["node", "approve", &node])
        .at(&directory)
        .fails_with(2);
    assert!(said.contains("--yes"), "{said}");
    assert_eq!(state(&home), "pending");
    home.farmer(&["node", "approve", &node, &silent, "--yes"])
        .at(&directory)
        .run();
    assert_eq!(state(&home), "approved");
    let farm = home.json(&directory, &["farm", "show", "1"]);
    assert_eq!(farm["total_capacity"]["cru"], 8);
    home.farmer(&["node", "block", &node, "--yes"])
        .at(&directory)
        .run();
    assert_eq!(state(&home), "blocked");

    // A stranger with an identity of his own may not decide.
    stranger
        .farmer(&["farm", "create", "theirs", "--country", "BE"])
        .at(&directory)
        .run();
    let said = stranger
        .farmer(&["node", "approve", &node, "--yes"])
        .at(&directory)
        .fails_with(4);
    assert!(said.contains("hint: "), "{said}");
    assert_eq!(state(&home), "blocked");
}

#[test]
fn json_of_hostile_nodes_is_json_without_controls() {
    let home = Home::new();
    let directory = Directory::start(&home);
    home.farmer(&["farm", "create", "mine", "--country", "BE"])
        .at(&directory)
        .run();
    register(&directory, 1, [3; 32], true);
    for format in ["json", "yaml"] {
        let output = home
            .farmer(&["-o", format, "node", "list"])
            .at(&directory)
            .output();
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(
            text.contains("evil") && !text.contains(['\u{1b}', '\u{202e}']),
            "{format}: {text}"
        );
    }
    let nodes = home.json(&directory, &["node", "list"]);
    assert!(matches!(nodes[0]["hostname"], Value::String(_)));
}
