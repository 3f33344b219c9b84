//! A server in the 2020 form, and clients of it.

use directory::client::Error;
use directory::server::ServerMode;
use directory::sign::{RequestParts, SignatureMode, Signer, sign};
use directory::wire::{CapacityPost, Iface, NodeState};

use super::Fixture;
use crate::support::{farm, get, request, user_id};

async fn compat() -> Fixture {
    Fixture::with(|config| config.mode = ServerMode::Compat).await
}

/// A strict server with a listener for clients of 2020 beside it.
async fn both() -> Fixture {
    Fixture::with(|config| config.compat_listen = Some(([127, 0, 0, 1], 0).into())).await
}

#[tokio::test]
async fn both_listeners_answer_from_the_same_data_each_in_its_way() {
    let fx = both().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let old = fx.server.compat_addr().unwrap();
    let node = crate::support::seed(10);
    let body = serde_json::to_vec(&crate::support::registration(&node, farm_id)).unwrap();
    let parts = RequestParts {
        method: "POST",
        target: "/explorer/nodes",
        body: &body,
    };
    let signer = Signer::Node(node.clone());
    let now = directory::clock::UnixTime::from_secs(0);
    let signed = |mode| sign(mode, signer.seed(), &signer.key_id(), &parts, now, [1; 16]);
    let compat = signed(SignatureMode::Compat);
    assert_eq!(request(fx.addr(), &parts, Some(&compat)).await.status, 401);
    assert_eq!(request(old, &parts, Some(&compat)).await.status, 201);
    // A signature that was made for the strict listener is worth nothing at the other.
    let strict = fx.sign(&signer, &parts, 2);
    assert_eq!(request(old, &parts, Some(&strict)).await.status, 401);

    let seen = fx.client.node(node.node_id(), false, Some(&owner)).await;
    assert_eq!(seen.unwrap().value.state, Some(NodeState::Pending));
    for (addr, word) in [(fx.addr(), "strict"), (old, "compat")] {
        assert_eq!(get(addr, "/health").await.json()["signatures"], word);
    }
    fx.server.shutdown().await.unwrap();
    assert!(
        std::net::TcpStream::connect(old).is_err(),
        "it stops with the directory"
    );
}

#[tokio::test]
async fn the_old_protocol_works_from_user_to_uptime() {
    let fx = compat().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let node = fx.node(farm_id, 10).await;
    fx.client
        .post_capacity(&CapacityPost::default(), &node)
        .await
        .unwrap();
    fx.client
        .post_interfaces(&[Iface::default()], &node)
        .await
        .unwrap();
    fx.client.post_uptime(9, &node).await.unwrap();
    let seen = fx
        .client
        .node(node.node_id(), true, None)
        .await
        .unwrap()
        .value;
    assert_eq!((seen.uptime, seen.ifaces.len(), seen.state), (9, 1, None));
    let proofs = seen.proofs.unwrap();
    assert_eq!(
        proofs[0].hardware_hash,
        directory::wire::legacy_hash(2).as_str()
    );
    assert_eq!(
        proofs[0].disk_hash,
        directory::wire::legacy_hash(4).as_str()
    );
    let mut changed = fx.client.farm(farm_id, Some(&owner)).await.unwrap().value;
    assert_eq!(changed.email, "farmer@example.org");
    changed.iyo_organization = "org".into();
    fx.client.update_farm(&changed, &owner).await.unwrap();

    let error = fx
        .client
        .set_node_state(node.node_id(), NodeState::Approved, None, &owner)
        .await;
    assert!(matches!(error, Err(Error::NotSupported { .. })));
    let target = format!("/explorer/nodes/{}/state", node.node_id());
    let parts = RequestParts {
        method: "POST",
        target: &target,
        body: b"{}",
    };
    assert_eq!(request(fx.addr(), &parts, None).await.status, 404);
}

#[tokio::test]
async fn a_farm_needs_no_signature_on_this_machine_and_duplicates_speak_mongo() {
    let fx = compat().await;
    let body = serde_json::to_vec(&farm("alpha", 7)).unwrap();
    let parts = RequestParts {
        method: "POST",
        target: "/explorer/farms",
        body: &body,
    };
    let first = request(fx.addr(), &parts, None).await;
    assert_eq!((first.status, first.body.trim()), (201, r#"{"id":1}"#));
    let stored = get(fx.addr(), "/explorer/farms/1").await.json();
    assert!(stored.get("verified").is_none(), "{stored}");
    let second = request(fx.addr(), &parts, None).await;
    assert_eq!(second.status, 500);
    assert!(second.body.contains("E11000"), "{}", second.body);
}

#[tokio::test]
async fn what_came_unsigned_is_marked_until_the_owner_signs_it() {
    let fx = both().await;
    let owner = fx.user("alice", 1).await;
    let body = serde_json::to_vec(&farm("alpha", user_id(&owner))).unwrap();
    let parts = RequestParts {
        method: "POST",
        target: "/explorer/farms",
        body: &body,
    };
    let old = fx.server.compat_addr().unwrap();
    assert_eq!(request(old, &parts, None).await.status, 201);
    assert_eq!(request(fx.addr(), &parts, None).await.status, 401);
    // The strict listener tells.
    let verified = async |fx: &Fixture| {
        let farm = get(fx.addr(), "/explorer/farms/1").await.json();
        farm["verified"].clone()
    };
    assert_eq!(verified(&fx).await, false);
    let mut mine = fx.client.farm(1, Some(&owner)).await.unwrap().value;
    mine.iyo_organization = "org".into();
    fx.client.update_farm(&mine, &owner).await.unwrap();
    assert_eq!(verified(&fx).await, true);
}

#[tokio::test]
async fn unsigned_farms_are_neither_taken_from_everywhere_nor_without_end() {
    let fx = Fixture::with(|config| {
        config.mode = ServerMode::Compat;
        config.limits.unsigned_farm_rate =
            directory::server::Rate::new(2, std::time::Duration::from_secs(60));
    })
    .await;
    let mut statuses = Vec::new();
    for name in ["alpha", "beta", "gamma"] {
        let body = serde_json::to_vec(&farm(name, 7)).unwrap();
        let parts = RequestParts {
            method: "POST",
            target: "/explorer/farms",
            body: &body,
        };
        statuses.push(request(fx.addr(), &parts, None).await.status);
    }
    assert_eq!(statuses, [201, 201, 429]);
    // Who signs is not one of them.
    fx.farm("delta", 1).await;
}

#[tokio::test]
async fn what_changes_a_farm_or_node_is_signed_even_so() {
    let fx = compat().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let body = serde_json::to_vec(&farm("beta", user_id(&owner))).unwrap();
    let target = format!("/explorer/farms/{farm_id}");
    let parts = RequestParts {
        method: "PUT",
        target: &target,
        body: &body,
    };
    let answer = request(fx.addr(), &parts, None).await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Signature headers=\"(created) date threebot-id\"")
    );
    let Signer::User { id, .. } = owner else {
        panic!()
    };
    let thief = Signer::User {
        id,
        seed: crate::support::seed(50),
    };
    let now = directory::clock::UnixTime::from_secs(0);
    let key_id = thief.key_id();
    let forged = sign(
        SignatureMode::Compat,
        thief.seed(),
        &key_id,
        &parts,
        now,
        [0; 16],
    );
    assert_eq!(request(fx.addr(), &parts, Some(&forged)).await.status, 401);
    assert_eq!(get(fx.addr(), &target).await.json()["name"], "alpha");
}
