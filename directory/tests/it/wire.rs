//! The JSON, key by key, as 2020 clients read and write it.

use directory::wire::{
    CapacityPost, Farm, FarmPublicIp, FarmThreebotPrice, FreePost, Gateway, Iface, Node, PortsPost,
    Proof, PublicIface, Registration, UptimePost, UsagePost, User, UserUpdate, ValidatePost,
    Validity,
};
use serde_json::{Value, json};

use crate::on_sqlite::Fixture;
use crate::support::get;

/// Parsing what the original writes and writing it again changes nothing.
fn round_trip<T: serde::Serialize + serde::de::DeserializeOwned>(original: Value) {
    let parsed: T = serde_json::from_value(original.clone()).unwrap();
    assert_eq!(serde_json::to_value(&parsed).unwrap(), original);
}

fn farm() -> Value {
    json!({
        "id": 1, "threebot_id": 7, "iyo_organization": "org", "name": "freefarm",
        "wallet_addresses": [{"asset": "TFT", "address": "GBOVQ"}],
        "location": {"city": "Ghent", "country": "Belgium", "continent": "Europe",
                     "latitude": 51, "longitude": 3.72},
        "email": "a@b",
        "resource_prices": [{"currency": 1, "cru": 2.5, "mru": 1, "sru": 0, "hru": 0, "nru": 0}],
        "prefix_zero": "2a10:b600:1::1/64",
        "ipaddresses": [{"address": "1.2.3.4/24", "gateway": "1.2.3.1", "reservation_id": 0}],
        "enable_custom_pricing": true,
        "farm_cloudunits_price": {"currency": 1, "cu": 10, "su": 8, "nu": 0, "ipv4u": 6},
        "is_grid3_compliant": true
    })
}

fn node() -> Value {
    json!({
        "id": 3, "node_id": "FkUfMueBVSK6V1DCHVAtzzaqPqCPVzGguDzCQxq7Ep85", "hostname": "zos",
        "node_id_v1": "525400123456", "farm_id": 1, "os_version": "v0.3.5",
        "created": 1_593_561_600, "updated": 1_593_561_601, "uptime": 60, "address": "",
        "location": {"city": "Ghent", "country": "Belgium", "continent": "Europe",
                     "latitude": 51.05, "longitude": 3.72},
        "total_resources": {"cru": 8, "mru": 31, "hru": 0, "sru": 931.5},
        "used_resources": {"cru": 0, "mru": 0, "hru": 0, "sru": 0},
        "reserved_resources": {"cru": 1, "mru": 2, "hru": 0, "sru": 10},
        "workloads": {"network": 1, "network_resource": 0, "volume": 0, "zdb_namespace": 0,
                      "container": 2, "k8s_vm": 0, "generic_vm": 0, "proxy": 0,
                      "reverse_proxy": 0, "subdomain": 0, "delegate_domain": 0},
        "proofs": null,
        "ifaces": [{"name": "eth0", "addrs": ["192.168.1.5/24", "fe80::1/64"],
                    "gateway": ["192.168.1.1"], "macaddress": "52:54:00:12:34:56"}],
        "public_config": {"master": "eth1", "type": 0, "ipv4": "185.206.122.1/24",
                          "ipv6": "2a10:b600:1::cc4:7a30:65b5/64", "gw4": "185.206.122.2",
                          "gw6": "2a10:b600:1::1", "version": 1},
        "free_to_use": false, "approved": false,
        "public_key_hex": "db26de5be5a0bd95b775170db6d80f0461d2f7c33742726fd9c6c35d39eeb9de",
        "wg_ports": [51820], "deleted": false, "reserved": false
    })
}

fn gateway() -> Value {
    json!({
        "id": 2, "node_id": "FkUfMueBVSK6V1DCHVAtzzaqPqCPVzGguDzCQxq7Ep85", "farm_id": 1,
        "os_version": "1.0", "created": 1_593_561_600, "updated": 1_593_561_601, "uptime": 60,
        "address": "", "location": {"city": "Ghent", "country": "Belgium", "continent": "Europe",
                                    "latitude": 51.05, "longitude": 3.72},
        "public_key_hex": "db26de5be5a0bd95b775170db6d80f0461d2f7c33742726fd9c6c35d39eeb9de",
        "workloads": {"network": 0, "network_resource": 0, "volume": 0, "zdb_namespace": 0,
                      "container": 0, "k8s_vm": 0, "generic_vm": 0, "proxy": 2,
                      "reverse_proxy": 1, "subdomain": 3, "delegate_domain": 1},
        "managed_domains": ["gateway.example.org"], "tcp_router_port": 18000,
        "dns_nameserver": ["ns1.example.org"], "free_to_use": false
    })
}

fn capacity() -> Value {
    json!({
        "capacity": {"cru": 8, "mru": 31, "hru": 0, "sru": 931},
        "dmi": {
            "tooling": {"aggregator": "dmidecode 3.2", "decoder": "0-core Go dmi decoder v0.2.0"},
            "sections": [{
                "handleline": "Handle 0x0001, DMI type 1, 27 bytes",
                "typestr": "System Information", "typenum": 1,
                "subsections": [{"title": "System Information", "properties": {
                    "Flags": {"value": "", "items": ["FPU", "TSC"]},
                    "Manufacturer": {"value": "LENOVO"}
                }}]
            }]
        },
        "disks": {
            "tool": "smartctl 7.0", "environment": "x86_64-linux", "aggregator": "0-OS",
            "devices": [{"Tool": "smartctl", "Environment": "x86_64",
                         "Information": {"Rotation Rate": "Solid State Device"}}]
        },
        "hypervisor": ["kvm"]
    })
}

#[test]
fn every_shape_of_the_original_round_trips() {
    round_trip::<Farm>(farm());
    round_trip::<Node>(node());
    round_trip::<CapacityPost>(capacity());
    let body = capacity();
    round_trip::<Proof>(json!({
        "created": 1_593_561_600, "hardware_hash": "aa", "disk_hash": "bb",
        "hardware": body["dmi"], "disks": body["disks"], "hypervisor": []
    }));
    round_trip::<User>(json!({
        "id": 1, "name": "alice", "email": "a@b", "pubkey": "ab", "host": "", "description": "",
        "wallet_addresses": [{"asset": "TFT", "address": "G"}], "signature": "cd",
        "trusted_sales_channel": false
    }));
    round_trip::<Gateway>(gateway());
    round_trip::<FarmThreebotPrice>(json!({
        "threebot_id": 8, "farm_id": 1,
        "custom_cloudunits_price": {"currency": 1, "cu": 9.5, "su": 7, "nu": 0, "ipv4u": 5}
    }));
    round_trip::<FarmPublicIp>(json!({
        "address": "185.206.122.1/24", "gateway": "185.206.122.2", "reservation_id": 3
    }));
    round_trip::<Iface>(json!({
        "name": "zos", "addrs": [], "gateway": [], "macaddress": ""
    }));
    round_trip::<PublicIface>(node()["public_config"].clone());
    round_trip::<UptimePost>(json!({"uptime": 600}));
    round_trip::<PortsPost>(json!({"ports": [51820, 51821]}));
    round_trip::<FreePost>(json!({"free_to_use": true}));
    round_trip::<UserUpdate>(json!({
        "name": "alice", "email": "a@b", "pubkey": "ab", "host": "h", "description": "d",
        "wallet_addresses": [], "sender_signature_hex": "cd"
    }));
    round_trip::<ValidatePost>(json!({"payload": "ab", "signature": "cd"}));
    round_trip::<Validity>(json!({"is_valid": true}));
}

#[test]
fn usage_is_one_flat_object() {
    let body = json!({
        "cru": 1, "mru": 2, "hru": 0, "sru": 10.5, "network": 1, "network_resource": 0,
        "volume": 3, "zdb_namespace": 0, "container": 2, "k8s_vm": 0, "generic_vm": 0, "proxy": 0,
        "reverse_proxy": 0, "subdomain": 0, "delegate_domain": 4
    });
    round_trip::<UsagePost>(body.clone());
    let post: UsagePost = serde_json::from_value(body).unwrap();
    assert_eq!(
        (post.resources.sru, post.workloads.delegate_domain),
        (10.5, 4)
    );
    // A node of 2020 knows fewer kinds, and one of tomorrow more.
    let other = json!({"cru": 1, "mru": null, "volume": null, "virtual_machine": 9});
    let post: UsagePost = serde_json::from_value(other).unwrap();
    assert_eq!((post.resources.cru, post.resources.mru), (1, 0.0));
}

#[test]
fn an_identity_is_the_reference_vectors() {
    let seed = directory::identity::Seed::from(*b"helloworldhelloworldhelloworld12");
    assert_eq!(
        seed.public_key().to_hex(),
        "db26de5be5a0bd95b775170db6d80f0461d2f7c33742726fd9c6c35d39eeb9de"
    );
    let registration = Registration::new(&seed, 1, "v0.3.5", Default::default());
    let json = serde_json::to_value(registration).unwrap();
    assert_eq!(
        json["node_id"],
        "FkUfMueBVSK6V1DCHVAtzzaqPqCPVzGguDzCQxq7Ep85"
    );
    for extension in ["enrolment_token", "board_sha256"] {
        assert!(json.get(extension).is_none(), "{json}");
    }
    let zero = directory::identity::NodeId::from_public_key(
        directory::identity::PublicKey::from_bytes([0; 32]),
    );
    assert_eq!(zero.to_string(), "1".repeat(32));
}

#[test]
fn a_users_signature_covers_the_fields_in_the_originals_order() {
    let update = UserUpdate {
        name: "alice".into(),
        email: "a@b".into(),
        pubkey: "ab12".into(),
        host: "host".into(),
        description: "words".into(),
        ..UserUpdate::default()
    };
    assert_eq!(update.signed_text(7), "7alicea@bhostwordsab12");
    let seed = directory::identity::Seed::from([1; 32]);
    let signed = update.clone().signed(7, &seed);
    let signature = hex::decode(signed.sender_signature_hex.raw()).unwrap();
    assert!(
        seed.public_key()
            .verify(update.signed_text(7).as_bytes(), &signature)
    );
}

#[test]
fn unset_values_are_written_as_go_writes_them() {
    let farm = serde_json::to_value(Farm::default()).unwrap();
    assert_eq!((&farm["prefix_zero"], &farm["id"]), (&json!(""), &json!(0)));
    let public = serde_json::to_value(PublicIface::default()).unwrap();
    assert_eq!((&public["ipv4"], &public["gw6"]), (&json!(""), &json!("")));
    let text = serde_json::to_string(&directory::wire::Location::default()).unwrap();
    assert!(text.contains("\"latitude\":0,"), "{text}");
}

#[test]
fn null_missing_and_unknown_fields_are_read_as_go_reads_them() {
    let mut nulls = farm();
    for value in nulls.as_object_mut().unwrap().values_mut() {
        *value = Value::Null;
    }
    assert_eq!(
        serde_json::from_value::<Farm>(nulls).unwrap(),
        Farm::default()
    );
    let future = json!({"name": "x", "from_the_future": {"a": [1]}});
    assert_eq!(serde_json::from_value::<Farm>(future).unwrap().name, "x");
    let mut bare = node();
    bare.as_object_mut()
        .unwrap()
        .retain(|key, _| key == "node_id");
    assert_eq!(serde_json::from_value::<Node>(bare).unwrap().farm_id, 0);
    let post = json!({"capacity": {"cru": 1}, "hypervisor": null, "disks": {"devices": null}});
    assert!(
        serde_json::from_value::<CapacityPost>(post)
            .unwrap()
            .hypervisor
            .is_empty()
    );
    // A 2020 node sends itself whole.
    let whole: Registration = serde_json::from_value(node()).unwrap();
    assert_eq!((whole.farm_id, whole.uptime), (1, 60));
    // Nobody writes garbage where an address belongs.
    let mut garbage = farm();
    garbage["prefix_zero"] = json!("::1");
    assert!(serde_json::from_value::<Farm>(garbage).is_err());
}

#[tokio::test]
async fn answers_have_exactly_the_originals_keys_and_our_extensions() {
    let fx = Fixture::strict().await;
    let (farm_id, _) = fx.farm("alpha", 1).await;
    let node_seed = fx.node(farm_id, 10).await;
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let served = get(fx.addr(), "/explorer/farms").await;
    assert_eq!(served.header("content-type"), Some("application/json"));
    let mut expected = keys(&farm());
    expected.push("verified".into());
    expected.sort();
    assert_eq!(keys(&served.json()[0]), expected);
    let served = get(fx.addr(), &format!("/api/v1/nodes/{}", node_seed.node_id()))
        .await
        .json();
    let mut expected = keys(&node());
    expected.push("state".into());
    expected.sort();
    assert_eq!(keys(&served), expected);
    assert_eq!(
        (&served["proofs"], &served["state"]),
        (&Value::Null, &json!("pending"))
    );
}
