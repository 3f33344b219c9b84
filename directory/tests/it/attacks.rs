//! Signed by somebody who means no good, or never signed at all: the right status, no crash, and
//! nothing told that is not theirs.

use std::io::Write as _;
use std::time::Duration;

use directory::clock::{Clock as _, SystemClock};
use directory::sign::{RequestParts, Signer};
use directory::wire::{CapacityPost, Iface};
use serde_json::{Value, json};

use super::Fixture;
use crate::support::{Raw, farm, get, registration, request, seed, user_id};

/// What people write into fields in the hope that somebody executes it, or a terminal shows it.
const HOSTILE: [&str; 9] = [
    "'; DROP TABLE nodes; --",
    "' OR '1'='1",
    "$1",
    "\"; UPDATE farms SET threebot_id = 2; --",
    "%",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "\u{202e}moc.elpmaxe",
    "=HYPERLINK(\"http://x\")",
    "<script>alert(1)</script>",
];

async fn write(fx: &Fixture, signer: &Signer, path: &str, body: &Value, nonce: u8) -> Raw {
    let body = serde_json::to_vec(body).unwrap();
    let target = format!("/explorer{path}");
    let parts = RequestParts {
        method: "POST",
        target: &target,
        body: &body,
    };
    request(fx.addr(), &parts, Some(&fx.sign(signer, &parts, nonce))).await
}

#[tokio::test]
async fn hostile_text_is_kept_as_text_and_searched_as_text() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let mut ids = Vec::new();
    for (number, text) in HOSTILE.iter().enumerate() {
        let node = seed(10 + u8::try_from(number).unwrap());
        let mut body = registration(&node, farm_id);
        body.hostname = (*text).into();
        body.os_version = (*text).into();
        body.location.country = (*text).into();
        fx.client.register(&body, &node).await.unwrap();
        let iface = Iface {
            name: (*text).into(),
            ..Iface::default()
        };
        fx.client.post_interfaces(&[iface], &node).await.unwrap();
        let post = CapacityPost {
            hypervisor: vec![(*text).into()],
            hardware: Some(json!({ (*text): text })),
            ..CapacityPost::default()
        };
        fx.client.post_capacity(&post, &node).await.unwrap();
        ids.push(node.node_id());
    }
    for (text, id) in HOSTILE.iter().zip(&ids) {
        let node = fx.client.node(*id, true, Some(&owner)).await.unwrap().value;
        assert_eq!(node.hostname.raw(), *text);
        assert_eq!(node.ifaces[0].name.raw(), *text);
        assert_eq!(node.hardware, Some(json!({ (*text): text })));
        // Raw where programs compare it, harmless where people see it.
        assert!(!node.hostname.to_string().chars().any(char::is_control));
        let filter = directory::client::NodeFilter {
            country: Some((*text).into()),
            ..Default::default()
        };
        let found = fx.client.all_nodes(&filter, None).await.unwrap();
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].node_id, *id);
    }
    let all = fx
        .client
        .all_nodes(&Default::default(), None)
        .await
        .unwrap();
    assert_eq!(all.len(), HOSTILE.len());
    assert_eq!(
        fx.client
            .farm(farm_id, None)
            .await
            .unwrap()
            .value
            .threebot_id,
        1
    );
}

#[tokio::test]
async fn hostile_names_are_refused_where_names_have_a_form() {
    let fx = Fixture::strict().await;
    let owner = fx.user("alice", 1).await;
    for (number, text) in HOSTILE.iter().enumerate() {
        let nonce = u8::try_from(number).unwrap();
        let body = serde_json::to_value(farm(text, user_id(&owner))).unwrap();
        let answer = write(&fx, &owner, "/farms", &body, nonce).await;
        assert_eq!(answer.status, 400, "{text}: {answer:?}");
        let newcomer = Signer::Key(seed(9));
        let key = seed(9).public_key().to_hex();
        let body = json!({"name": text, "email": "", "pubkey": key});
        let answer = write(&fx, &newcomer, "/users", &body, nonce).await;
        assert_eq!(answer.status, 400, "{text}: {answer:?}");
    }
    let nul = json!({"name": "abc", "pubkey": seed(9).public_key().to_hex(), "host": "a\0b"});
    let answer = write(&fx, &Signer::Key(seed(9)), "/users", &nul, 99).await;
    assert_eq!(answer.status, 400, "{answer:?}");
}

/// Everything another farmer can try on a farm and node that are not theirs.
#[tokio::test]
async fn another_farmers_farm_and_node_stay_as_they_are() {
    let fx = Fixture::strict().await;
    let (farm_id, alice) = fx.farm("alpha", 1).await;
    let (_, mallory) = fx.farm("evil", 2).await;
    let node = fx.node(farm_id, 10).await;
    let id = node.node_id();
    let before = (
        fx.client.farm(farm_id, Some(&alice)).await.unwrap().value,
        fx.client.node(id, true, Some(&alice)).await.unwrap().value,
    );
    let mut nonce = 0;
    let public = json!({"master": "eth0", "ipv4": "1.2.3.4/8", "gw4": "1.2.3.5",
                        "ipv6": "2a10::2/64", "gw6": "2a10::1"});
    let stolen = serde_json::to_value(registration(&node, 2)).unwrap();
    for (path, body) in [
        (format!("/nodes/{id}/state"), json!({"state": "blocked"})),
        (format!("/nodes/{id}/configure_public"), public),
        (
            format!("/nodes/{id}/configure_free"),
            json!({"free_to_use": true}),
        ),
        (format!("/nodes/{id}/uptime"), json!({"uptime": 1})),
        (format!("/nodes/{id}/ports"), json!({"ports": [1]})),
        (format!("/nodes/{id}/used_resources"), json!({"cru": 1})),
        (format!("/nodes/{id}/interfaces"), json!([])),
        (
            format!("/nodes/{id}/capacity"),
            json!({"capacity": {"cru": 9}}),
        ),
        ("/nodes".to_owned(), stolen),
        (
            format!("/farms/{farm_id}/ip"),
            json!([{"address": "1.2.3.4/8", "gateway": "1.2.3.5"}]),
        ),
        (format!("/farms/{farm_id}/deals"), json!({"threebot_id": 2})),
        (format!("/farms/{farm_id}/enrolment_tokens"), json!({})),
    ] {
        for signer in [&mallory, &Signer::Node(seed(77))] {
            nonce += 1;
            let answer = write(&fx, signer, &path, &body, nonce).await;
            assert_eq!(answer.status, 403, "{path}: {answer:?}");
        }
    }
    let after = (
        fx.client.farm(farm_id, Some(&alice)).await.unwrap().value,
        fx.client.node(id, true, Some(&alice)).await.unwrap().value,
    );
    assert_eq!(before, after);
}

#[tokio::test]
async fn deep_and_broken_json_is_refused_everywhere() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let node = Signer::Node(fx.node(farm_id, 10).await);
    let id = seed(10).node_id();
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes();
    let deep_object = format!("{{\"x\":{}", "{\"x\":".repeat(50_000)).into_bytes();
    let node_paths = [
        "interfaces",
        "ports",
        "capacity",
        "uptime",
        "used_resources",
    ];
    let owner_paths = ["state", "configure_public", "configure_free"];
    let mut nonce = 0;
    for body in [&deep[..], &deep_object, b"\xff\xfe{}", b"{}{}", b"NaN", b""] {
        let node_targets = node_paths.map(|path| (&node, path));
        let owner_targets = owner_paths.map(|path| (&owner, path));
        for (signer, path) in node_targets.into_iter().chain(owner_targets) {
            nonce += 1;
            let target = format!("/api/v1/nodes/{id}/{path}");
            let parts = RequestParts {
                method: "POST",
                target: &target,
                body,
            };
            let answer = request(fx.addr(), &parts, Some(&fx.sign(signer, &parts, nonce))).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(30)]).into_owned();
            assert_eq!(answer.status, 400, "{path} {shown}: {answer:?}");
            assert!(
                answer.body.len() < 500,
                "the body is not sent back: {answer:?}"
            );
        }
    }
    let target = format!("/api/v1/nodes/{id}/uptime");
    for body in [
        &b"{\"uptime\": \xc3\x28}"[..],
        b"{\"uptime\":1e999}",
        b"{\"uptime\":\"\\ud800\"}",
        b"{\"uptime\":1,\"uptime\":2}",
    ] {
        nonce += 1;
        let parts = RequestParts {
            method: "POST",
            target: &target,
            body,
        };
        let answer = request(fx.addr(), &parts, Some(&fx.sign(&node, &parts, nonce))).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    assert_eq!(get(fx.addr(), "/health").await.status, 200);
}

/// Many who send a byte now and then hold neither the others' requests nor the connections.
#[tokio::test]
async fn a_crowd_of_slow_clients_does_not_keep_others_out() {
    let fx = Fixture::with(|config| {
        config.limits.head = Duration::from_millis(700);
        config.limits.request = Duration::from_millis(700);
        config.limits.connections = 40;
    })
    .await;
    let mut slow: Vec<_> = (0..40)
        .map(|number| {
            let mut stream = std::net::TcpStream::connect(fx.addr()).unwrap();
            let begun: &[u8] = match number % 3 {
                0 => b"GET /explorer/farms HTTP/1.1\r\nHost: x\r\nX-",
                1 => b"POST /explorer/users HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
                _ => b"",
            };
            stream.write_all(begun).unwrap();
            stream
        })
        .collect();
    let began = SystemClock.monotonic();
    let trickle = std::thread::spawn(move || {
        for _ in 0..30 {
            std::thread::sleep(Duration::from_millis(100));
            for stream in &mut slow {
                let _ = stream.write_all(b"x");
            }
        }
    });
    let answer = get(fx.addr(), "/health").await;
    let waited = SystemClock.monotonic() - began;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(waited < Duration::from_millis(2500), "{waited:?}");
    tokio::task::spawn_blocking(move || trickle.join().unwrap())
        .await
        .unwrap();
}

/// What goes wrong inside is not told outside.
#[tokio::test]
async fn errors_tell_nothing_of_the_inside() {
    let fx = Fixture::strict().await;
    let (_, owner) = fx.farm("alpha", 1).await;
    for target in [
        "/explorer/farms/9223372036854775808",
        "/explorer/farms/-1",
        "/explorer/farms?owner=99999999999999999999",
        "/explorer/nodes?cru=9223372036854775808",
        "/explorer/nodes?farm=-9223372036854775808&page=18446744073709551615",
        "/explorer/users/18446744073709551615",
        "/explorer/farms/1/deals/18446744073709551615",
        "/explorer/gateways?country=%00",
        "/explorer/nodes/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/../../etc/passwd",
        "//explorer/farms",
    ] {
        let answer = get(fx.addr(), target).await;
        assert!(
            matches!(answer.status, 200 | 400 | 404),
            "{target}: {answer:?}"
        );
        let body = answer.body.to_lowercase();
        for word in ["sql", "select", "panicked", "/src/", "constraint", "root:"] {
            assert!(!body.contains(word), "{target}: {answer:?}");
        }
    }
    let body = json!({"threebot_id": u64::MAX});
    let answer = write(&fx, &owner, "/farms/1/deals", &body, 1).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let server = answer.header("server");
    assert_eq!(
        server, None,
        "no name and version for those who look for old ones"
    );
}
