//! schemathesis against a real server: whatever its OpenAPI document allows (and does not allow) is
//! sent to it, signed; every answer must be one the document has.
//!
//! `FARMER_SCHEMATHESIS` names the program; `scripts/test` installs it. The seed is fixed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "helpers of tests are tests too, and this one is told where schemathesis is"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use directory::client::{Client, ClientOptions};
use directory::clock::{ManualClock, UnixTime};
use directory::identity::Seed;
use directory::server::{Rate, ServerConfig, start};
use directory::sign::Signer;
use directory::wire::{Farm, Location, NewUser, Registration, WalletAddress};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// 2026-01-01T00:00:00Z, for ever.
const NOW: i64 = 1_767_225_600;

#[tokio::test]
async fn every_answer_is_one_of_the_documents() {
    let program = std::env::var_os("FARMER_SCHEMATHESIS")
        .expect("FARMER_SCHEMATHESIS is not set: scripts/test installs schemathesis and sets it");
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(UnixTime::from_secs(NOW)));
    let mut config = ServerConfig::new(([127, 0, 0, 1], 0).into(), dir.path().join("data"));
    config.clock = clock.clone();
    // One client asks for all, and no time passes.
    config.limits.key_rate = Rate::new(u32::MAX, Duration::from_nanos(1));
    let server = start(config).await.unwrap();
    populate(&server.url(), clock).await;

    let url = format!("{}/explorer/openapi.json", server.url());
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis/hooks.py");
    let id = |key: u8| Seed::from([key; 32]).node_id().to_string();
    let output = tokio::task::spawn_blocking(move || {
        Command::new(program)
            .current_dir(&dir)
            .env("SCHEMATHESIS_HOOKS", hooks)
            .env("FARMER_NOW", NOW.to_string())
            .env("FARMER_NODE_ID", id(10))
            .env("FARMER_GATEWAY_ID", id(20))
            .args(["run", &url, "--no-color", "--seed", "1"])
            .args(["--generation-database", "none", "--warnings", "off"])
            .args(["--max-examples", "20", "--phases", "coverage,fuzzing"])
            // Go's decoder takes `null` and missing fields, and so do we; and what a schema allows
            // may still be somebody else's.
            .args([
                "--exclude-checks",
                "negative_data_rejection,positive_data_acceptance",
            ])
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{failed}");
    assert!(said.contains("No issues found"), "{said}");
    // It did not just look at the door.
    let metrics = get(server.local_addr(), "/metrics").await;
    let document = get(server.local_addr(), "/openapi.json").await;
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let operations = operations.as_object().unwrap();
        for method in operations.keys().filter(|key| *key != "parameters") {
            let method = method.to_uppercase();
            let done = format!("{{method=\"{method}\",route=\"/explorer{path}\",status=\"2");
            assert!(
                metrics.contains(&done),
                "{method} {path} never succeeded:\n{metrics}"
            );
        }
    }
    server.shutdown().await.unwrap();
}

async fn get(addr: SocketAddr, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// A user, her farm, a node in it and a gateway.
async fn populate(url: &str, clock: Arc<ManualClock>) {
    let client = Client::new(&ClientOptions {
        clock,
        ..ClientOptions::new(url)
    })
    .unwrap();
    let (owner, node) = (Seed::from([1; 32]), Seed::from([10; 32]));
    let user = NewUser::new("alice", "alice@example.org", owner.public_key());
    let id = client.create_user(&user, &owner).await.unwrap().value.id;
    let signer = Signer::User { id, seed: owner };
    let location = Location {
        country: "Belgium".into(),
        ..Location::default()
    };
    let farm = Farm {
        threebot_id: id,
        name: "alpha".into(),
        wallet_addresses: vec![WalletAddress {
            asset: "TFT".into(),
            address: "GABC".into(),
        }],
        location: location.clone(),
        ..Farm::default()
    };
    let farm_id = client.create_farm(&farm, &signer).await.unwrap().value;
    let registration = Registration::new(&node, farm_id, "farm-node/0.1.0", location);
    client.register(&registration, &node).await.unwrap();
}
