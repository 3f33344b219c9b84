//! Every endpoint with every answer it has, over real HTTP, in both modes and under both prefixes.
//! What is answered is held against the server's own OpenAPI document, and the other way round.

use std::collections::BTreeSet;

use directory::identity::Seed;
use directory::server::ServerMode;
use directory::sign::{RequestParts, SignatureMode, Signer, sign};
use directory::wire::UserUpdate;
use serde_json::{Value, json};

use super::Fixture;
use crate::support::{Raw, farm, registration, request, seed, user_id};

/// Who signs a request.
#[derive(Debug, Clone, Copy)]
enum By {
    Nobody,
    /// User 1, who owns farm 1.
    Alice,
    /// User 2, who owns farm 2.
    Bob,
    /// User 1, with another key.
    Thief,
    /// The node in farm 1.
    Node,
    /// A node that is not registered.
    Stranger,
    Gateway,
    /// A key that is no user's yet.
    New,
}
use By::{Alice, Bob, Gateway, New, Nobody, Node, Stranger, Thief};

const ALICE: u8 = 1;
const BOB: u8 = 2;
const NEW: u8 = 3;
const NODE: u8 = 10;
const STRANGER: u8 = 11;
const GATEWAY: u8 = 20;

impl By {
    fn signer(self) -> Option<Signer> {
        let user = |id, key| Signer::User {
            id,
            seed: seed(key),
        };
        Some(match self {
            Nobody => return None,
            Alice => user(1, ALICE),
            Bob => user(2, BOB),
            Thief => user(1, 99),
            Node => Signer::Node(seed(NODE)),
            Stranger => Signer::Node(seed(STRANGER)),
            Gateway => Signer::Node(seed(GATEWAY)),
            New => Signer::Key(seed(NEW)),
        })
    }
}

/// The answer a request must get.
#[derive(Debug)]
enum Want {
    /// `null`, with this status.
    Null(u16),
    /// This JSON has these fields, among others.
    Has(u16, Value),
    /// A list of so many, on so many pages.
    List(usize, Option<&'static str>),
    /// An error whose text has this in it.
    Error(u16, &'static str),
}
use Want::{Error, Has, List, Null};

impl Want {
    fn status(&self) -> u16 {
        match self {
            Null(status) | Has(status, _) | Error(status, _) => *status,
            List(..) => 200,
        }
    }

    fn check(&self, answer: &Raw, mode: ServerMode) {
        assert_eq!(answer.status, self.status());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.header("date").is_some());
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(
            answer.header("access-control-expose-headers"),
            Some("Pages")
        );
        match self {
            Null(_) => assert_eq!(answer.body, "null\n"),
            Has(_, wanted) => {
                let got = answer.json();
                for (name, value) in wanted.as_object().unwrap() {
                    assert_eq!(&got[name], value, "{name}");
                }
            }
            List(length, pages) => {
                assert_eq!(answer.json().as_array().unwrap().len(), *length);
                assert_eq!(answer.header("pages"), *pages);
            }
            Error(status, words) => {
                let body = answer.json();
                let error = body["error"].as_str().unwrap();
                assert!(error.contains(words));
                assert_eq!(body.as_object().unwrap().len(), 1);
                let challenge = answer.header("www-authenticate");
                assert_eq!(challenge.is_some(), *status == 401);
                if *status == 401 {
                    assert!(error.starts_with("unauthorized access: "));
                    let covered = match mode {
                        ServerMode::Strict => {
                            "(request-target) (created) date digest threebot-id nonce"
                        }
                        ServerMode::Compat => "(created) date threebot-id",
                    };
                    let wanted = format!("Signature headers=\"{covered}\"");
                    assert_eq!(challenge, Some(wanted.as_str()));
                }
            }
        }
    }
}

/// Who, method, path with the values for its placeholders and query behind it, body, answer.
type Case = (By, &'static str, String, Value, Want);

struct Driver {
    fx: Fixture,
    mode: ServerMode,
    prefix: &'static str,
    nonce: u128,
    /// Method, path of the document, status.
    seen: BTreeSet<(String, String, u16)>,
}

impl Driver {
    /// Alice's farm 1 with a node, and Bob's farm 2.
    async fn new(mode: ServerMode, prefix: &'static str) -> Self {
        let fx = Fixture::with(|config| config.mode = mode).await;
        let (first, alice) = fx.farm("alpha", ALICE).await;
        let (second, bob) = fx.farm("beta", BOB).await;
        assert_eq!(
            (first, user_id(&alice), second, user_id(&bob)),
            (1, 1, 2, 2)
        );
        fx.node(1, NODE).await;
        Self {
            fx,
            mode,
            prefix,
            nonce: 0,
            seen: BTreeSet::new(),
        }
    }

    async fn send(&mut self, by: By, method: &str, path: &str, body: &[u8]) -> Raw {
        let target = format!("{}{path}", self.prefix);
        let parts = RequestParts {
            method,
            target: &target,
            body,
        };
        self.nonce += 1;
        let signature = match self.mode {
            ServerMode::Strict => SignatureMode::Strict,
            ServerMode::Compat => SignatureMode::Compat,
        };
        let now = directory::clock::UnixTime::from_secs(crate::support::NOW);
        let nonce = self.nonce.to_be_bytes();
        let signed = by.signer().map(|signer| {
            let key_id = signer.key_id();
            sign(signature, signer.seed(), &key_id, &parts, now, nonce)
        });
        request(self.fx.addr(), &parts, signed.as_ref()).await
    }

    async fn run(&mut self, cases: Vec<Case>) {
        for (by, endpoint, values, body, want) in cases {
            let (method, template) = endpoint.split_once(' ').unwrap();
            let (values, query) = values.split_once('?').unwrap_or((&values, ""));
            let mut path = template.to_owned();
            for value in values.split_whitespace() {
                let (from, to) = (path.find('{').unwrap(), path.find('}').unwrap());
                path.replace_range(from..=to, value);
            }
            if !query.is_empty() {
                path = format!("{path}?{query}");
            }
            let body = match &body {
                Value::Null => Vec::new(),
                // What is no JSON.
                Value::String(text) => text.clone().into_bytes(),
                body => serde_json::to_vec(body).unwrap(),
            };
            let answer = self.send(by, method, &path, &body).await;
            let what = format!(
                "{:?} {by:?} {method} {path}: {want:?}, got {answer:?}",
                self.mode
            );
            let checked = std::panic::catch_unwind(|| want.check(&answer, self.mode));
            assert!(checked.is_ok(), "{what}");
            let seen = (method.to_owned(), template.to_owned(), answer.status);
            self.seen.insert(seen);
        }
    }

    /// The operations and their statuses, as the server itself has them.
    async fn documented(&mut self) -> BTreeSet<(String, String, u16)> {
        let document = self.send(Nobody, "GET", "/openapi.json", b"").await.json();
        let mut all = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let Some(answers) = operation["responses"].as_object() else {
                    continue;
                };
                for status in answers.keys() {
                    let status = status.parse().unwrap();
                    all.insert((method.to_uppercase(), path.clone(), status));
                }
            }
        }
        all
    }

    /// Whatever takes a body refuses one that is too long, before it asks who sends it.
    async fn long_bodies(&mut self) {
        let documented = self.documented().await;
        let long = vec![b' '; (1 << 20) + 1];
        for (method, path, _) in documented.iter().filter(|(.., status)| *status == 413) {
            let node = seed(NODE).node_id().to_string();
            let id = if path.starts_with("/nodes") || path.starts_with("/gateways") {
                node.as_str()
            } else {
                "1"
            };
            let at = path.find('{').map(|from| (from, path.find('}').unwrap()));
            let mut filled = path.clone();
            if let Some((from, to)) = at {
                filled.replace_range(from..=to, id);
            }
            let answer = self.send(Nobody, method, &filled, &long).await;
            assert_eq!(answer.status, 413, "{method} {path}: {answer:?}");
        }
    }

    /// Methods nobody has are 405, and say which there are; what is no path is 404, and what is no
    /// text 400.
    async fn wrong_methods_and_paths(&mut self) {
        let answer = self.send(Nobody, "DELETE", "/farms", b"").await;
        Error(405, "DELETE is not possible here").check(&answer, self.mode);
        assert_eq!(answer.header("allow"), Some("GET,HEAD,POST"));
        for path in ["/farm", "/farms/", "/nodes/x/y", "/reservations"] {
            let answer = self.send(Nobody, "GET", path, b"").await;
            Error(404, "there is no endpoint").check(&answer, self.mode);
        }
        let documented = self.documented().await;
        let with_values = documented
            .into_iter()
            .filter(|(_, path, _)| path.contains('{'));
        for (method, path, _) in with_values.filter(|(.., status)| *status == 400) {
            let filled: Vec<&str> = path
                .split('/')
                .map(|part| if part.starts_with('{') { "%ff" } else { part })
                .collect();
            let answer = self.send(Nobody, &method, &filled.join("/"), b"").await;
            Error(400, "not UTF-8").check(&answer, self.mode);
            self.seen.insert((method, path, 400));
        }
    }

    /// Nothing was answered that is not documented.
    async fn nothing_undocumented(&mut self) {
        let documented = self.documented().await;
        let unknown: Vec<_> = self.seen.difference(&documented).collect();
        assert!(unknown.is_empty(), "not in the document: {unknown:?}");
    }
}

fn node_id(key: u8) -> String {
    seed(key).node_id().to_string()
}

fn farm_body(name: &str, owner: u64) -> Value {
    serde_json::to_value(farm(name, owner)).unwrap()
}

fn registration_body(key: u8, farm_id: u64) -> Value {
    serde_json::to_value(registration(&seed(key), farm_id)).unwrap()
}

fn on_board(digit: char) -> Value {
    let mut body = registration_body(NODE, 1);
    body["board_sha256"] = std::iter::repeat_n(digit, 64).collect::<String>().into();
    body
}

fn gateway_body(farm_id: u64) -> Value {
    json!({
        "node_id": node_id(GATEWAY), "farm_id": farm_id, "os_version": "1.0",
        "location": {"country": "Belgium", "city": "Ghent"},
        "public_key_hex": seed(GATEWAY).public_key().to_hex(),
        "managed_domains": ["gw.example.org"], "tcp_router_port": 18000,
        "dns_nameserver": ["ns.example.org"]
    })
}

fn user_body(name: &str, key: u8) -> Value {
    json!({"name": name, "email": "", "pubkey": seed(key).public_key().to_hex()})
}

fn update(id: u64, key: &Seed, fields: Value) -> Value {
    let update: UserUpdate = serde_json::from_value(fields).unwrap();
    serde_json::to_value(update.signed(id, key)).unwrap()
}

fn public_config(change: impl FnOnce(&mut Value)) -> Value {
    let mut config = json!({
        "master": "eth1", "type": 0, "ipv4": "185.206.122.31/24", "gw4": "185.206.122.1",
        "ipv6": "2a10:b600:1::cc4:7a30:65b5/64", "gw6": "2a10:b600:1::1"
    });
    change(&mut config);
    config
}

fn ip(address: &str, gateway: &str) -> Value {
    json!([{"address": address, "gateway": gateway}])
}

/// What both modes answer alike.
#[rustfmt::skip] // One case a line.
fn shared() -> Vec<Case> {
    let (node, stranger, gateway) = (node_id(NODE), node_id(STRANGER), node_id(GATEWAY));
    let none = Value::Null;
    let junk = || json!("{\"a\":");
    let mut all: Vec<Case> = vec![
        (Nobody, "GET /health", "".into(), none.clone(), Has(200, json!({"status": "ok"}))),
        (Nobody, "GET /openapi.json", "".into(), none.clone(), Has(200, json!({"openapi": "3.1.0"}))),
        (Nobody, "GET /farms", "".into(), none.clone(), List(2, Some("1"))),
        (Nobody, "GET /farms", "?owner=1&size=1".into(), none.clone(), List(1, Some("1"))),
        (Nobody, "GET /farms", "?page=2&size=1".into(), none.clone(), List(1, Some("2"))),
        (Nobody, "GET /farms", "?name=%27%20OR%201%3D1--".into(), none.clone(), List(0, Some("0"))),
        (Nobody, "GET /farms", "?owner=x".into(), none.clone(), Error(400, "owner")),
        (Nobody, "GET /farms/{farm_id}", "1".into(), none.clone(), Has(200, json!({"name": "alpha", "email": ""}))),
        (Alice, "GET /farms/{farm_id}", "1".into(), none.clone(), Has(200, json!({"email": "farmer@example.org"}))),
        (Nobody, "GET /farms/{farm_id}", "x".into(), none.clone(), Error(400, "not an integer")),
        (Nobody, "GET /farms/{farm_id}", "99".into(), none.clone(), Error(404, "farm with id:99 does not exists")),
        (Alice, "PUT /farms/{farm_id}", "1".into(), farm_body("alpha", 1), Null(200)),
        (Alice, "PUT /farms/{farm_id}", "1".into(), farm_body("a b", 1), Error(400, "name")),
        (Alice, "PUT /farms/{farm_id}", "1".into(), junk(), Error(400, "not valid")),
        (Nobody, "PUT /farms/{farm_id}", "1".into(), farm_body("alpha", 1), Error(401, "not signed")),
        (Thief, "PUT /farms/{farm_id}", "1".into(), farm_body("alpha", 1), Error(401, "does not match")),
        (Bob, "PUT /farms/{farm_id}", "1".into(), farm_body("alpha", 1), Error(403, "owner")),
        (Alice, "PUT /farms/{farm_id}", "1".into(), farm_body("alpha", 2), Error(403, "owner")),
        (Alice, "PUT /farms/{farm_id}", "99".into(), farm_body("alpha", 1), Error(404, "farm with id:99")),
    ];
    // The pool of addresses.
    let address = "POST /farms/{farm_id}/ip";
    let remove = "DELETE /farms/{farm_id}/ip";
    all.extend::<Vec<Case>>(vec![
        (Alice, address, "1".into(), ip("185.206.122.31/24", "185.206.122.1"), Null(200)),
        (Alice, address, "1".into(), ip("185.206.122.31/24", "185.206.122.1"), Error(400, "already")),
        (Alice, address, "1".into(), ip("185.206.122.32/24", "185.206.122.32"), Error(400, "same")),
        (Alice, address, "1".into(), ip("185.206.122.32/24", "10.0.0.1"), Error(400, "network")),
        (Alice, address, "1".into(), ip("185.206.122.32", "185.206.122.1"), Error(400, "CIDR")),
        (Nobody, address, "1".into(), ip("185.206.122.32/24", "185.206.122.1"), Error(401, "not signed")),
        (Bob, address, "1".into(), ip("185.206.122.32/24", "185.206.122.1"), Error(403, "owner")),
        (Alice, address, "99".into(), ip("185.206.122.32/24", "185.206.122.1"), Error(404, "farm with id:99")),
        (Nobody, "GET /farms/{farm_id}", "1".into(), Value::Null, Has(200, json!({"ipaddresses": [
            {"address": "185.206.122.31/24", "gateway": "185.206.122.1", "reservation_id": 0}]}))),
        (Alice, remove, "1".into(), json!(["185.206.122.31"]), Error(400, "CIDR")),
        (Nobody, remove, "1".into(), json!(["185.206.122.31/24"]), Error(401, "not signed")),
        (Bob, remove, "1".into(), json!(["185.206.122.31/24"]), Error(403, "owner")),
        (Alice, remove, "99".into(), json!(["185.206.122.31/24"]), Error(404, "farm with id:99")),
        (Alice, remove, "1".into(), json!(["185.206.122.31/24"]), Null(200)),
        (Nobody, "GET /farms/{farm_id}", "1".into(), Value::Null, Has(200, json!({"ipaddresses": []}))),
    ]);
    // Deals.
    let price = json!({"currency": 1, "cu": 9.5, "su": 7, "nu": 0, "ipv4u": 5});
    let deal = json!({"threebot_id": 7, "farm_id": 1, "custom_cloudunits_price": price});
    let one = "GET /farms/{farm_id}/deals/{threebot_id}";
    let end = "DELETE /farms/{farm_id}/deals/{threebot_id}";
    for set in ["POST /farms/{farm_id}/deals", "PUT /farms/{farm_id}/deals"] {
        all.extend::<Vec<Case>>(vec![
            (Alice, set, "1".into(), deal.clone(), Null(200)),
            (Alice, set, "1".into(), json!({"threebot_id": 7, "farm_id": 2}), Error(400, "farm_id")),
            (Alice, set, "1".into(), json!({"farm_id": 1}), Error(400, "threebot_id")),
            (Alice, set, "1".into(), json!({"threebot_id": 7, "custom_cloudunits_price": {"cu": -1}}), Error(400, "no price")),
            (Nobody, set, "1".into(), deal.clone(), Error(401, "not signed")),
            (Bob, set, "1".into(), deal.clone(), Error(403, "owner")),
            (Alice, set, "99".into(), json!({"threebot_id": 7}), Error(404, "farm with id:99")),
        ]);
    }
    all.extend::<Vec<Case>>(vec![
        (Nobody, "GET /farms/{farm_id}/deals", "1".into(), Value::Null, List(1, None)),
        (Nobody, "GET /farms/{farm_id}/deals", "x".into(), Value::Null, Error(400, "integer")),
        (Nobody, "GET /farms/{farm_id}/deals", "99".into(), Value::Null, Error(404, "farm with id:99")),
        (Nobody, one, "1 7".into(), Value::Null, Has(200, json!({"custom_cloudunits_price": price}))),
        (Nobody, one, "1 8".into(), Value::Null, Error(404, "usual price")),
        (Nobody, one, "1 x".into(), Value::Null, Error(400, "integer")),
        (Alice, end, "1 x".into(), Value::Null, Error(400, "integer")),
        (Nobody, end, "1 7".into(), Value::Null, Error(401, "not signed")),
        (Bob, end, "1 7".into(), Value::Null, Error(403, "owner")),
        (Alice, end, "99 7".into(), Value::Null, Error(404, "farm with id:99")),
        (Alice, end, "1 7".into(), Value::Null, Null(200)),
        (Nobody, one, "1 7".into(), Value::Null, Error(404, "usual price")),
    ]);
    // Nodes.
    all.extend::<Vec<Case>>(vec![
        (Nobody, "GET /nodes", "".into(), none.clone(), List(1, Some("1"))),
        (Nobody, "GET /nodes", "?farm=2".into(), none.clone(), List(0, Some("0"))),
        (Nobody, "GET /nodes", "?cru=four".into(), none.clone(), Error(400, "cru")),
        (Nobody, "GET /nodes/{node_id}", node.clone(), none.clone(), Has(200, json!({"farm_id": 1, "proofs": null}))),
        (Nobody, "GET /nodes/{node_id}", format!("{node}?proofs=%00"), none.clone(), Error(400, "NUL")),
        (Nobody, "GET /nodes/{node_id}", stranger.clone(), none.clone(), Error(404, "not found")),
        (Nobody, "GET /nodes/{node_id}", "x".into(), none.clone(), Error(404, "node 'x' not found")),
        (Node, "POST /nodes", "".into(), registration_body(NODE, 1), Null(201)),
        (Node, "POST /nodes", "".into(), registration_body(NODE, 0), Error(400, "farm_id is required")),
        (Node, "POST /nodes", "".into(), junk(), Error(400, "not valid")),
        (Nobody, "POST /nodes", "".into(), registration_body(NODE, 1), Error(401, "not signed")),
        (Stranger, "POST /nodes", "".into(), registration_body(NODE, 1), Error(403, "registers itself")),
        (Alice, "POST /nodes", "".into(), registration_body(NODE, 1), Error(403, "registers itself")),
        (Node, "POST /nodes", "".into(), registration_body(NODE, 99), Error(404, "farm with id:99 does not exists")),
    ]);
    // What nodes report.
    let usage = json!({"cru": 1, "mru": 2, "hru": 0, "sru": 10.5, "container": 2, "k8s_vm": 1});
    for (report, good, ok, bad) in [
        ("POST /nodes/{node_id}/interfaces", json!([{"name": "eth0", "addrs": ["10.0.0.2/8"]}]), 201, json!([{"addrs": ["10.0.0.2"]}])),
        ("POST /nodes/{node_id}/ports", json!({"ports": [51820]}), 200, json!({"ports": [70000]})),
        ("POST /nodes/{node_id}/capacity", json!({"capacity": {"cru": 8, "mru": 31, "sru": 931}}), 200, json!({"capacity": {"cru": 8, "mru": -1}})),
        ("POST /nodes/{node_id}/uptime", json!({"uptime": 600}), 200, json!({"uptime": -1})),
        ("POST /nodes/{node_id}/used_resources", usage.clone(), 200, json!({"mru": -1})),
    ] {
        all.extend::<Vec<Case>>(vec![
            (Node, report, node.clone(), good.clone(), Null(ok)),
            (Node, report, node.clone(), bad, Error(400, "")),
            (Node, report, node.clone(), junk(), Error(400, "not valid")),
            (Nobody, report, node.clone(), good.clone(), Error(401, "not signed")),
            (Stranger, report, node.clone(), good.clone(), Error(403, "node itself")),
            (Alice, report, node.clone(), good.clone(), Error(403, "node itself")),
            (Stranger, report, stranger.clone(), good, Error(404, "not found")),
        ]);
    }
    let reserved = json!({"cru": 1, "mru": 2, "hru": 0, "sru": 10.5});
    all.push((
        Nobody,
        "GET /nodes/{node_id}",
        node.clone(),
        Value::Null,
        Has(200, json!({
            "total_resources": {"cru": 8, "mru": 31, "hru": 0, "sru": 931},
            "used_resources": {"cru": 0, "mru": 0, "hru": 0, "sru": 0},
            "reserved_resources": reserved, "uptime": 600, "wg_ports": [51820],
            "workloads": {"network": 0, "network_resource": 0, "volume": 0, "zdb_namespace": 0,
                          "container": 2, "k8s_vm": 1, "generic_vm": 0, "proxy": 0,
                          "reverse_proxy": 0, "subdomain": 0, "delegate_domain": 0}
        })),
    ));
    // What owners decide.
    let public = "POST /nodes/{node_id}/configure_public";
    let free = "POST /nodes/{node_id}/configure_free";
    all.extend::<Vec<Case>>(vec![
        (Alice, public, node.clone(), public_config(|_| ()), Null(201)),
        (Alice, public, node.clone(), public_config(|c| c["type"] = json!(1)), Error(400, "macvlan")),
        (Alice, public, node.clone(), public_config(|c| c["master"] = json!("")), Error(400, "master")),
        (Alice, public, node.clone(), public_config(|c| c["gw6"] = json!("")), Error(400, "gw6")),
        (Alice, public, node.clone(), public_config(|c| c["ipv4"] = c["ipv6"].clone()), Error(400, "ipv4")),
        (Nobody, public, node.clone(), public_config(|_| ()), Error(401, "not signed")),
        (Bob, public, node.clone(), public_config(|_| ()), Error(403, "owner")),
        (Node, public, node.clone(), public_config(|_| ()), Error(403, "owner")),
        (Alice, public, stranger.clone(), public_config(|_| ()), Error(404, "not found")),
        (Alice, public, node.clone(), public_config(|_| ()), Null(201)),
        (Alice, free, node.clone(), json!({"free_to_use": true}), Null(200)),
        (Alice, free, node.clone(), json!({"free_to_use": 7}), Error(400, "not valid")),
        (Nobody, free, node.clone(), json!({"free_to_use": true}), Error(401, "not signed")),
        (Node, free, node.clone(), json!({"free_to_use": true}), Error(403, "owner")),
        (Alice, free, stranger.clone(), json!({"free_to_use": true}), Error(404, "not found")),
        (Nobody, "GET /nodes/{node_id}", node.clone(), Value::Null, Has(200, json!({
            "free_to_use": true, "public_config": public_config(|c| c["version"] = json!(2))}))),
    ]);
    // Gateways.
    let up = "POST /gateways/{node_id}/uptime";
    let reserved = "POST /gateways/{node_id}/reserved_resources";
    all.extend::<Vec<Case>>(vec![
        (Gateway, "POST /gateways", "".into(), gateway_body(1), Null(201)),
        (Gateway, "POST /gateways", "".into(), gateway_body(0), Null(201)),
        (Gateway, "POST /gateways", "".into(), gateway_body(99), Error(404, "farm with id:99")),
        (Gateway, "POST /gateways", "".into(), json!({"node_id": "x"}), Error(400, "os_version is required")),
        (Node, "POST /gateways", "".into(), gateway_body(1), Error(403, "registers itself")),
        (Nobody, "GET /gateways", "".into(), none.clone(), List(1, Some("1"))),
        (Nobody, "GET /gateways", "?country=Egypt".into(), none.clone(), List(0, Some("0"))),
        (Nobody, "GET /gateways", "?farm_id=x".into(), none.clone(), Error(400, "farm_id")),
        (Gateway, up, gateway.clone(), json!({"uptime": 60}), Null(200)),
        (Gateway, up, gateway.clone(), json!({}), Error(400, "uptime")),
        (Nobody, up, gateway.clone(), json!({"uptime": 60}), Error(401, "not signed")),
        (Node, up, gateway.clone(), json!({"uptime": 60}), Error(403, "gateway itself")),
        (Node, up, node.clone(), json!({"uptime": 60}), Error(404, "gateway '")),
        (Gateway, reserved, gateway.clone(), json!({"cru": 1, "proxy": 3}), Null(200)),
        (Gateway, reserved, gateway.clone(), json!({"proxy": -3}), Error(400, "")),
        (Nobody, reserved, gateway.clone(), json!({"proxy": 3}), Error(401, "not signed")),
        (Node, reserved, gateway.clone(), json!({"proxy": 3}), Error(403, "gateway itself")),
        (Node, reserved, node.clone(), json!({"proxy": 3}), Error(404, "gateway '")),
        (Nobody, "GET /gateways/{node_id}", gateway, none.clone(), Has(200, json!({
            "farm_id": 0, "uptime": 60, "tcp_router_port": 18000, "managed_domains": ["gw.example.org"],
            "workloads": {"network": 0, "network_resource": 0, "volume": 0, "zdb_namespace": 0,
                          "container": 0, "k8s_vm": 0, "generic_vm": 0, "proxy": 3,
                          "reverse_proxy": 0, "subdomain": 0, "delegate_domain": 0}}))),
        (Nobody, "GET /gateways/{node_id}", stranger.clone(), none.clone(), Error(404, "gateway '")),
    ]);
    // Users.
    let payload = hex::encode("words");
    let signature = |key: u8| hex::encode(seed(key).sign(b"words"));
    let validate = "POST /users/{user_id}/validate";
    all.extend::<Vec<Case>>(vec![
        (Nobody, "GET /users", "?name=ALPHA-owner".into(), none.clone(), List(1, Some("1"))),
        (Nobody, "GET /users", "?name=a%00b".into(), none.clone(), Error(400, "NUL")),
        (Nobody, "GET /users/{user_id}", "1".into(), none.clone(), Has(200, json!({"name": "alpha-owner"}))),
        (Nobody, "GET /users/{user_id}", "x".into(), none.clone(), Error(400, "integer")),
        (Nobody, "GET /users/{user_id}", "99".into(), none.clone(), Error(404, "user 99 not found")),
        (Nobody, validate, "1".into(), json!({"payload": payload, "signature": signature(ALICE)}), Has(200, json!({"is_valid": true}))),
        (Nobody, validate, "1".into(), json!({"payload": payload, "signature": signature(BOB)}), Has(200, json!({"is_valid": false}))),
        (Nobody, validate, "1".into(), json!({"payload": payload, "signature": ""}), Has(200, json!({"is_valid": false}))),
        (Nobody, validate, "1".into(), json!({"payload": "x", "signature": ""}), Error(400, "payload")),
        (Nobody, validate, "99".into(), json!({"payload": "", "signature": ""}), Error(404, "user 99 not found")),
        (Alice, "PUT /users/{user_id}", "1".into(), update(1, &seed(ALICE), json!({"host": "h", "name": "alpha-owner"})), Null(200)),
        (Nobody, "GET /users/{user_id}", "1".into(), none.clone(), Has(200, json!({"host": "h", "name": "alpha-owner"}))),
        (Alice, "PUT /users/{user_id}", "1".into(), update(1, &seed(ALICE), json!({"name": "other"})), Error(400, "cannot be changed")),
        (Alice, "PUT /users/{user_id}", "1".into(), update(1, &seed(ALICE), json!({"email": "nowhere"})), Error(400, "e-mail")),
        (Alice, "PUT /users/{user_id}", "1".into(), json!({"sender_signature_hex": "x"}), Error(400, "hex")),
        (Alice, "PUT /users/{user_id}", "99".into(), update(99, &seed(ALICE), json!({})), Error(404, "user 99")),
    ]);
    all
}

/// The node leaves its farm; the end of a table.
#[rustfmt::skip] // One case a line.
fn departure() -> Vec<Case> {
    let (node, stranger) = (node_id(NODE), node_id(STRANGER));
    let delete = "DELETE /farms/{farm_id}/{node_id}";
    let both = |farm: &str, node: &str| format!("{farm} {node}");
    vec![
        (Alice, delete, both("x", &node), Value::Null, Error(400, "integer")),
        (Nobody, delete, both("1", &node), Value::Null, Error(401, "not signed")),
        (Bob, delete, both("1", &node), Value::Null, Error(403, "owner")),
        (Bob, delete, both("2", &node), Value::Null, Error(403, "not in farm 2")),
        (Alice, delete, both("1", &stranger), Value::Null, Error(404, "not found")),
        (Alice, delete, both("99", &node), Value::Null, Error(404, "farm with id:99")),
        (Alice, delete, both("1", &node), Value::Null, Null(200)),
        (Nobody, "GET /nodes", "".into(), Value::Null, List(0, Some("0"))),
        (Nobody, "GET /nodes", "?deleted=true".into(), Value::Null, List(1, Some("1"))),
        (Nobody, "GET /nodes/{node_id}", node.clone(), Value::Null, Error(404, "not found")),
        (Node, "POST /nodes", "".into(), registration_body(NODE, 1), Null(201)),
        (Nobody, "GET /nodes/{node_id}", node, Value::Null, Has(200, json!({"deleted": false}))),
    ]
}

/// What only a strict server answers.
#[rustfmt::skip] // One case a line.
fn strict() -> Vec<Case> {
    let (node, stranger) = (node_id(NODE), node_id(STRANGER));
    let none = Value::Null;
    let tokens = "POST /farms/{farm_id}/enrolment_tokens";
    let list = "GET /farms/{farm_id}/enrolment_tokens";
    let revoke = "DELETE /farms/{farm_id}/enrolment_tokens/{token_id}";
    let state = "POST /nodes/{node_id}/state";
    let approve = json!({"state": "approved"});
    vec![
        (Thief, "GET /farms", "".into(), none.clone(), Error(401, "does not match")),
        (Thief, "GET /farms/{farm_id}", "1".into(), none.clone(), Error(401, "does not match")),
        (Thief, "GET /nodes", "".into(), none.clone(), Error(401, "does not match")),
        (Thief, "GET /nodes/{node_id}", node.clone(), none.clone(), Error(401, "does not match")),
        (Thief, "GET /users", "".into(), none.clone(), Error(401, "does not match")),
        (Thief, "GET /users/{user_id}", "1".into(), none.clone(), Error(401, "does not match")),
        (Alice, "POST /farms", "".into(), farm_body("gamma", 1), Has(201, json!({"id": 3}))),
        (Alice, "POST /farms", "".into(), farm_body("gamma", 1), Error(409, "taken")),
        (Alice, "POST /farms", "".into(), farm_body("x", 1), Error(400, "name")),
        (Nobody, "POST /farms", "".into(), farm_body("delta", 1), Error(401, "not signed")),
        (Bob, "POST /farms", "".into(), farm_body("delta", 1), Error(403, "signed by that user")),
        (Alice, "PUT /farms/{farm_id}", "1".into(), farm_body("beta", 1), Error(409, "taken")),
        (Alice, "DELETE /farms/{farm_id}/ip", "1".into(), json!(["10.1.2.3/8"]), Error(404, "no address")),
        (Alice, tokens, "1".into(), json!({"note": "rack 4", "uses": 2}), Has(201, json!({"id": 1, "expires": crate::support::NOW + 86_400}))),
        (Alice, tokens, "1".into(), json!({"uses": 0}), Error(400, "uses")),
        (Alice, tokens, "1".into(), json!({"lifetime_secs": 1}), Error(400, "lifetime_secs")),
        (Nobody, tokens, "1".into(), json!({}), Error(401, "not signed")),
        (Bob, tokens, "1".into(), json!({}), Error(403, "owner")),
        (Alice, tokens, "99".into(), json!({}), Error(404, "farm with id:99")),
        (Alice, list, "1".into(), none.clone(), List(1, None)),
        (Alice, list, "x".into(), none.clone(), Error(400, "integer")),
        (Nobody, list, "1".into(), none.clone(), Error(401, "not signed")),
        (Bob, list, "1".into(), none.clone(), Error(403, "owner")),
        (Alice, list, "99".into(), none.clone(), Error(404, "farm with id:99")),
        (Alice, revoke, "1 x".into(), none.clone(), Error(400, "integer")),
        (Nobody, revoke, "1 1".into(), none.clone(), Error(401, "not signed")),
        (Bob, revoke, "1 1".into(), none.clone(), Error(403, "owner")),
        (Bob, revoke, "2 1".into(), none.clone(), Error(404, "no token 1")),
        (Alice, revoke, "1 1".into(), none.clone(), Null(200)),
        (Alice, revoke, "1 1".into(), none.clone(), Error(404, "no token 1")),
        (Alice, state, node.clone(), approve.clone(), Null(200)),
        (Alice, state, node.clone(), json!({"state": "great"}), Error(400, "not valid")),
        (Nobody, state, node.clone(), approve.clone(), Error(401, "not signed")),
        (Bob, state, node.clone(), approve.clone(), Error(403, "owner")),
        (Alice, state, stranger, approve, Error(404, "not found")),
        (Nobody, "GET /nodes/{node_id}", node.clone(), none.clone(), Has(200, json!({"state": "approved", "approved": true, "ifaces": []}))),
        (Node, "POST /nodes", "".into(), on_board('g'), Error(400, "board_sha256")),
        (Node, "POST /nodes", "".into(), on_board('a'), Null(201)),
        (Node, "POST /nodes", "".into(), on_board('b'), Null(201)),
        (Alice, "GET /nodes/{node_id}", node.clone(), none.clone(), Has(200, json!({"two_boards": crate::support::NOW}))),
        (Nobody, "GET /nodes/{node_id}", node, none.clone(), Has(200, json!({"two_boards": null}))),
        (Nobody, "GET /capacity", "?mru=0&country=Belgium".into(), none.clone(), Has(200, json!({"next": null}))),
        (Nobody, "GET /capacity", "?after=x".into(), none.clone(), Error(400, "after")),
        (Nobody, "GET /changes", "".into(), none.clone(), Has(200, json!({"more": false, "gone": []}))),
        (Nobody, "GET /changes", "?since=x".into(), none.clone(), Error(400, "integer")),
        (Nobody, "GET /changes", "?since=999998".into(), none.clone(), Error(410, "start again")),
        (Thief, "GET /changes", "".into(), none.clone(), Error(401, "")),
        (Nobody, "POST /gateways", "".into(), gateway_body(1), Error(401, "not signed")),
        (Nobody, "GET /users", "?email=a@b".into(), none, Error(403, "e-mail")),
        (New, "POST /users", "".into(), user_body("newcomer", NEW), Has(201, json!({"id": 3, "name": "newcomer"}))),
        (New, "POST /users", "".into(), user_body("newcomer", NEW), Has(200, json!({"id": 3}))),
        (New, "POST /users", "".into(), user_body("alpha-owner", NEW), Error(409, "taken")),
        (New, "POST /users", "".into(), user_body("again", NEW), Error(409, "this key is user 3's")),
        (New, "POST /users", "".into(), user_body("x", NEW), Error(400, "name")),
        (Nobody, "POST /users", "".into(), user_body("other", NEW), Error(401, "not signed")),
        (New, "POST /users", "".into(), user_body("other", ALICE), Error(403, "proves the key")),
        (Alice, "PUT /users/{user_id}", "1".into(), json!({"pubkey": seed(BOB).public_key().to_hex()}), Error(409, "user 2's")),
        (Nobody, "PUT /users/{user_id}", "1".into(), update(1, &seed(ALICE), json!({})), Error(401, "not signed")),
        (Bob, "PUT /users/{user_id}", "1".into(), update(1, &seed(ALICE), json!({})), Error(403, "only themselves")),
        (Alice, "PUT /users/{user_id}", "1".into(), update(1, &seed(BOB), json!({"host": "b"})), Error(403, "does not match")),
        (Alice, "PUT /users/{user_id}", "1".into(), json!({"email": "New@Example.org"}), Null(200)),
        (Alice, "GET /users/{user_id}", "1".into(), Value::Null, Has(200, json!({"email": "new@example.org", "host": "h"}))),
    ]
}

/// What a server of the 2020 form answers in its own way.
#[rustfmt::skip] // One case a line.
fn compat() -> Vec<Case> {
    let node = node_id(NODE);
    let none = Value::Null;
    vec![
        // A signature that is not good is as good as none where none is needed.
        (Thief, "GET /farms/{farm_id}", "1".into(), none.clone(), Has(200, json!({"email": ""}))),
        (Bob, "GET /farms/{farm_id}", "1".into(), none.clone(), Has(200, json!({"email": "farmer@example.org"}))),
        (Nobody, "POST /farms", "".into(), farm_body("gamma", 7), Has(201, json!({"id": 3}))),
        (Nobody, "POST /farms", "".into(), farm_body("gamma", 7), Error(500, "E11000")),
        (Nobody, "POST /farms", "".into(), farm_body("a b", 7), Error(400, "name")),
        (Alice, "PUT /farms/{farm_id}", "1".into(), farm_body("beta", 1), Error(500, "E11000")),
        (Alice, "DELETE /farms/{farm_id}/ip", "1".into(), json!(["10.1.2.3/8"]), Null(200)),
        (Nobody, "GET /nodes/{node_id}", format!("{node}?proofs=true"), none.clone(), Has(200, json!({"approved": false}))),
        (Nobody, "POST /gateways", "".into(), gateway_body(1), Null(201)),
        (Nobody, "GET /users", "?email=ALPHA-owner@example.org".into(), none, List(1, Some("1"))),
        (Nobody, "POST /users", "".into(), user_body("newcomer", NEW), Has(201, json!({"id": 3}))),
        (Nobody, "POST /users", "".into(), user_body("newcomer", NEW), Error(409, "taken")),
        (Nobody, "POST /users", "".into(), user_body("x", NEW), Error(400, "name")),
        (Nobody, "PUT /users/{user_id}", "1".into(), json!({"host": "b"}), Error(400, "signature is required")),
        (Nobody, "PUT /users/{user_id}", "1".into(), update(1, &seed(BOB), json!({"host": "b"})), Error(500, "payload verification failed")),
        (Nobody, "PUT /users/{user_id}", "1".into(), update(1, &seed(ALICE), json!({"host": "b"})), Null(200)),
        (Nobody, "GET /users/{user_id}", "1".into(), Value::Null, Has(200, json!({"host": "b"}))),
    ]
}

/// Statuses that every operation may have; `limits` and `signatures` bring them about.
const COMMON: [u16; 5] = [408, 413, 429, 500, 503];

#[tokio::test]
async fn a_strict_server_answers_as_documented() {
    for prefix in ["/explorer", "/api/v1"] {
        let mut driver = Driver::new(ServerMode::Strict, prefix).await;
        driver.run(shared()).await;
        driver.run(strict()).await;
        driver.run(departure()).await;
        driver.long_bodies().await;
        driver.wrong_methods_and_paths().await;
        driver.nothing_undocumented().await;
        let documented = driver.documented().await;
        let missed: Vec<_> = documented
            .difference(&driver.seen)
            .filter(|(.., status)| !COMMON.contains(status))
            // No reservation holds an address yet; and the answers to a replay and to a condition,
            // which have tests of their own.
            .filter(|(.., status)| *status != 304)
            .filter(|(_, path, status)| {
                *status != 409 || !(path.ends_with("/ip") || path.ends_with("enrolment_tokens"))
            })
            .collect();
        assert!(missed.is_empty(), "no case brings about {missed:?}");
    }
}

#[tokio::test]
async fn a_compat_server_answers_as_documented() {
    for prefix in ["/explorer", "/api/v1"] {
        let mut driver = Driver::new(ServerMode::Compat, prefix).await;
        driver.run(shared()).await;
        driver.run(compat()).await;
        driver.run(departure()).await;
        driver.long_bodies().await;
        driver.wrong_methods_and_paths().await;
        driver.nothing_undocumented().await;
        let documented = driver.documented().await;
        let operation = |(method, path, _): &(String, String, u16)| (method.clone(), path.clone());
        let all: BTreeSet<_> = documented.iter().map(operation).collect();
        let seen: BTreeSet<_> = driver.seen.iter().map(operation).collect();
        assert_eq!(all.difference(&seen).next(), None);
        // What is not of the 2020 form is not there.
        let node = node_id(NODE);
        for path in [
            format!("/nodes/{node}/state"),
            "/farms/1/enrolment_tokens".into(),
        ] {
            let answer = driver.send(Alice, "POST", &path, b"{}").await;
            assert!(matches!(answer.status, 404 | 405), "{path}: {answer:?}");
        }
    }
}
