// What every fuzz target does with its bytes. Shared by the fuzzer (`src/lib.rs`) and by the replay
// on the stable toolchain (`tests/it/hostile.rs`), so both mean the same by a failure: a panic.

use std::fmt::Debug;

use directory::clock::UnixTime;
use directory::identity::Seed;
use directory::sign::{
    Authorization, KeyId, RequestParts, STRICT_WRITE_HEADERS, SignatureMode, sign, verify_compat,
    verify_strict,
};
use directory::wire::{
    CapacityPost, Cidr, ErrorBody, Farm, FarmPublicIp, FarmThreebotPrice, FreePost, Gateway, Iface,
    NewEnrolmentToken, NewUser, Node, PortsPost, Proof, PublicIface, Registration, StatePost,
    Untrusted, UptimePost, UsagePost, User, UserUpdate, ValidatePost, gib_to_bytes, is_valid_email,
    is_valid_farm_name,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

const NOW: UnixTime = UnixTime::from_secs(1_767_225_600);

/// An `Authorization` header; lines behind it are other headers, `name: value`.
pub fn authorization_header(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let Ok(parsed) = Authorization::parse(lines.next().unwrap_or_default()) else {
        return;
    };
    assert_eq!(parsed.signature.len(), 64);
    assert!(!parsed.key_id.is_empty() && !parsed.headers.is_empty());
    if let Some(key_id) = KeyId::parse(&parsed.key_id) {
        assert_eq!(KeyId::parse(&key_id.to_string()), Some(key_id));
    }
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
    let header = |name: &str| {
        let found = headers.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    };
    // Nobody has this key, so nothing verifies.
    let key = Seed::from(*b"this seed is in no fuzzer's hand").public_key();
    assert!(verify_compat(&parsed, &key, header).is_err());
    for method in ["GET", "POST"] {
        let request = RequestParts {
            method,
            target: "/explorer/farms?x=1",
            body: data,
        };
        let verified = verify_strict(&parsed, &key, &request, header, NOW);
        assert!(verified.is_err());
    }
    // What we sign ourselves reads back, whatever the path and body are.
    let seed = Seed::from([7; 32]);
    let request = RequestParts {
        method: "PUT",
        target: &text,
        body: data,
    };
    let key_id = KeyId::Node(seed.node_id());
    let signed = sign(
        SignatureMode::Strict,
        &seed,
        &key_id,
        &request,
        NOW,
        [1; 16],
    );
    let parsed = Authorization::parse(&signed.authorization).unwrap();
    assert_eq!(parsed.headers, STRICT_WRITE_HEADERS);
    let header = |name: &str| {
        let found = signed.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value)
    };
    verify_strict(&parsed, &seed.public_key(), &request, header, NOW).unwrap();
}

/// A body: which kind (the first byte), and its JSON.
pub fn json_bodies(data: &[u8]) {
    let Some((kind, json)) = data.split_first() else {
        return;
    };
    match kind.wrapping_sub(b'a') {
        0 => farm(json),
        1 => again::<Node>(json, shown_node),
        2 => again::<Registration>(json, |registration| {
            shown(&registration.node_id);
            registration.board_sha256.iter().for_each(shown);
            let debug = format!("{registration:?}");
            let token = registration.enrolment_token.as_ref();
            // A token is never shown.
            let secret = token.map(|token| token.expose()).filter(|t| t.len() > 40);
            assert!(secret.is_none_or(|secret| !debug.contains(secret)));
        }),
        3 => again::<CapacityPost>(json, |post| {
            let _ = gib_to_bytes(post.capacity.mru);
            post.hypervisor.iter().for_each(shown);
        }),
        4 => again::<Vec<Iface>>(json, |ifaces| ifaces.iter().for_each(|i| shown(&i.name))),
        5 => again::<UptimePost>(json, |_| ()),
        6 => again::<PortsPost>(json, |_| ()),
        7 => again::<UsagePost>(json, |_| ()),
        8 => again::<PublicIface>(json, |config| {
            if config.check().is_ok() {
                assert!(config.ipv4.unwrap().addr.is_ipv4());
                assert!(config.ipv6.unwrap().addr.is_ipv6());
            }
        }),
        9 => again::<FreePost>(json, |_| ()),
        10 => again::<StatePost>(json, |_| ()),
        11 => again::<Gateway>(json, |gateway| shown(&gateway.address)),
        12 => again::<NewUser>(json, |user| {
            let _ = is_valid_email(user.email.raw());
            shown(&user.name);
        }),
        13 => again::<UserUpdate>(json, |update| {
            let signed = update.clone().signed(7, &Seed::from([7; 32]));
            assert_eq!(signed.signed_text(7), update.signed_text(7));
        }),
        14 => again::<User>(json, |user| shown(&user.description)),
        15 => again::<ValidatePost>(json, |_| ()),
        16 => again::<FarmThreebotPrice>(json, |deal| {
            let _ = deal.custom_cloudunits_price.is_valid();
        }),
        17 => again::<Vec<FarmPublicIp>>(json, |ips| {
            for (address, gateway) in ips.iter().filter_map(|ip| ip.check().ok()) {
                assert!(address.contains(gateway) && gateway != address.addr);
            }
        }),
        18 => again::<Vec<Cidr>>(json, |networks| {
            assert!(
                networks
                    .iter()
                    .all(|network| network.contains(network.addr))
            );
        }),
        19 => again::<NewEnrolmentToken>(json, |_| ()),
        20 => again::<Proof>(json, |proof| shown(&proof.hardware_hash)),
        21 => again::<ErrorBody>(json, |body| shown(&body.error)),
        _ => {}
    }
}

fn farm(json: &[u8]) {
    again::<Farm>(json, |farm| {
        let name = farm.name.raw();
        if is_valid_farm_name(name) {
            assert_eq!(farm.name.shown(), name);
        }
        shown(&farm.name);
        for ip in &farm.ipaddresses {
            let _ = ip.check();
        }
    });
}

fn shown_node(node: &Node) {
    shown(&node.hostname);
    assert_eq!(node.node_id.to_string().parse(), Ok(node.node_id));
    if let Some(config) = &node.public_config {
        let _ = config.check();
    }
}

/// Reads a body and, if it is one, writes it and reads it again: the same.
fn again<T: DeserializeOwned + Serialize + PartialEq + Debug>(json: &[u8], look: impl Fn(&T)) {
    let Ok(first) = serde_json::from_slice::<T>(json) else {
        return;
    };
    look(&first);
    let written = serde_json::to_vec(&first).unwrap();
    let second: T = serde_json::from_slice(&written).unwrap();
    assert_eq!(first, second);
}

/// What is shown has nothing in it that a terminal would act on.
fn shown(text: &Untrusted) {
    let shown = text.to_string();
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
}
