//! Nodes: registration, reports, states, and who sees what.

use std::time::Duration;

use directory::client::{Error, NodeFilter, PageRequest};
use directory::sign::{RequestParts, Signer};
use directory::wire::{CapacityPost, Iface, NodeState, ResourceAmount};
use serde_json::json;

use super::Fixture;
use crate::support::{NOW, get, registration, request, seed};

fn status(error: &Error) -> u16 {
    match error {
        Error::Status { status, .. } => *status,
        Error::FarmNotFound { .. } | Error::NodeNotFound { .. } => 404,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_loop_register_capacity_interfaces_uptime() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let node = fx.node(farm_id, 10).await;
    let id = node.node_id();

    fx.clock.advance(Duration::from_secs(60));
    let capacity = ResourceAmount::from_bytes(8, 33_222_000_640, 1_000_204_886_016, 0);
    let post = CapacityPost {
        capacity,
        hypervisor: vec!["kvm".into()],
        hardware: Some(json!({"cpu": {"threads": 8}})),
        ..CapacityPost::default()
    };
    fx.client.post_capacity(&post, &node).await.unwrap();
    let iface = Iface {
        name: "eth0".into(),
        addrs: vec![
            "10.0.2.15/24".parse().unwrap(),
            "fec0::1/64".parse().unwrap(),
        ],
        gateway: vec!["10.0.2.2".parse().unwrap()],
        macaddress: Some("52:54:00:12:34:56".parse().unwrap()),
    };
    fx.client
        .post_interfaces(std::slice::from_ref(&iface), &node)
        .await
        .unwrap();
    fx.client.post_uptime(65, &node).await.unwrap();

    for signer in [&owner, &Signer::Node(node.clone())] {
        let full = fx.client.node(id, true, Some(signer)).await.unwrap().value;
        assert_eq!(full.total_resources, capacity, "to the byte");
        assert_eq!(full.ifaces, std::slice::from_ref(&iface));
        assert_eq!(full.hardware, Some(json!({"cpu": {"threads": 8}})));
        let proofs = full.proofs.unwrap();
        assert_eq!((proofs.len(), proofs[0].created.0), (1, NOW + 60));
        assert_eq!(proofs[0].hypervisor, ["kvm"]);
        assert_eq!(
            (full.created.0, full.updated.0, full.uptime),
            (NOW, NOW + 60, 65)
        );
        assert_eq!(
            (full.state, full.approved),
            (Some(NodeState::Pending), false)
        );
    }
    let (stranger_farm, stranger) = fx.farm("other", 2).await;
    for signer in [None, Some(&stranger), Some(&Signer::Node(seed(77)))] {
        let public = fx.client.node(id, true, signer).await.unwrap().value;
        assert_eq!(public.total_resources, capacity);
        assert!(public.ifaces.is_empty() && public.proofs.is_none() && public.hardware.is_none());
    }
    let filter = NodeFilter {
        proofs: true,
        ..NodeFilter::default()
    };
    let listed = fx.client.all_nodes(&filter, Some(&owner)).await.unwrap();
    assert!(listed[0].hardware.is_some() && listed[0].proofs.is_some());
    let listed = fx.client.all_nodes(&filter, Some(&stranger)).await.unwrap();
    assert!(listed[0].hardware.is_none() && listed[0].ifaces.is_empty());
    assert!(
        fx.client
            .all_nodes(&NodeFilter::of_farm(stranger_farm), None)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn an_unknown_farm_is_told_in_the_originals_words() {
    let fx = Fixture::strict().await;
    let node = seed(10);
    let error = fx
        .client
        .register(&registration(&node, 12), &node)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::FarmNotFound { farm_id: 12, .. }),
        "{error:?}"
    );
    assert!(!error.is_retryable() && error.hint().is_some());

    let body = serde_json::to_vec(&registration(&node, 12)).unwrap();
    let parts = RequestParts {
        method: "POST",
        target: "/explorer/nodes",
        body: &body,
    };
    let signed = fx.sign(&Signer::Node(node.clone()), &parts, 1);
    let answer = request(fx.addr(), &parts, Some(&signed)).await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.body,
        r#"{"error":"farm with id:12 does not exists"}"#
    );

    let error = fx.client.post_uptime(1, &node).await.unwrap_err();
    assert!(
        matches!(&error, Error::NodeNotFound { node_id, .. } if *node_id == node.node_id().to_string())
    );
    let answer = get(fx.addr(), &format!("/explorer/nodes/{}", node.node_id())).await;
    assert_eq!(
        answer.json()["error"],
        format!("node '{}' not found", node.node_id())
    );
    assert_eq!(get(fx.addr(), "/explorer/nodes/x").await.status, 404);
}

#[tokio::test]
async fn registrations_are_validated_in_order() {
    let fx = Fixture::strict().await;
    let (farm_id, _) = fx.farm("alpha", 1).await;
    let node = seed(10);
    let good = registration(&node, farm_id);
    let mut bad = Vec::new();
    let mut case = |word: &'static str, change: &dyn Fn(&mut directory::wire::Registration)| {
        let mut registration = good.clone();
        change(&mut registration);
        bad.push((word, registration));
    };
    case("node_id is required", &|r| {
        r.node_id = "".into();
        r.farm_id = 0;
    });
    case("farm_id is required", &|r| r.farm_id = 0);
    case("os_version is required", &|r| r.os_version = "".into());
    case("public_key_hex is required", &|r| {
        r.public_key_hex = "".into()
    });
    case("hexadecimal", &|r| r.public_key_hex = "xyz".into());
    case("does not match", &|r| {
        r.public_key_hex = seed(11).public_key().to_hex().into()
    });
    case("location is required", &|r| r.location = Default::default());
    case("latitude", &|r| r.location.latitude = 91.0);
    case("hostname is longer", &|r| {
        r.hostname = "x".repeat(300).into()
    });
    for (word, registration) in bad {
        let error = fx.client.register(&registration, &node).await.unwrap_err();
        assert_eq!(status(&error), 400, "{error:?}");
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
    fx.client.register(&good, &node).await.unwrap();
}

#[tokio::test]
async fn registering_again_keeps_what_was_decided_unless_the_farm_changes() {
    let fx = Fixture::strict().await;
    let (first, alice) = fx.farm("alpha", 1).await;
    let (second, bob) = fx.farm("beta", 2).await;
    let node = fx.node(first, 10).await;
    let id = node.node_id();
    fx.client
        .set_node_state(id, NodeState::Approved, None, &alice)
        .await
        .unwrap();

    fx.clock.advance(Duration::from_secs(9));
    let mut again = registration(&node, first);
    again.hostname = "renamed".into();
    fx.client.register(&again, &node).await.unwrap();
    let stored = fx.client.node(id, false, None).await.unwrap().value;
    assert_eq!(
        (stored.state, stored.approved),
        (Some(NodeState::Approved), true)
    );
    assert_eq!(stored.hostname, "renamed");
    assert_eq!((stored.created.0, stored.updated.0), (NOW, NOW + 9));

    fx.client
        .register(&registration(&node, second), &node)
        .await
        .unwrap();
    let moved = fx.client.node(id, false, None).await.unwrap().value;
    assert_eq!(
        (moved.farm_id, moved.state),
        (second, Some(NodeState::Pending))
    );
    assert_eq!(moved.id, stored.id);
    let error = fx
        .client
        .set_node_state(id, NodeState::Approved, None, &alice)
        .await
        .unwrap_err();
    assert_eq!(status(&error), 403, "no longer hers");
    fx.client
        .set_node_state(id, NodeState::Approved, None, &bob)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_blocked_node_is_shut_out_until_it_is_let_back_in() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let (other_farm, _) = fx.farm("beta", 2).await;
    let node = fx.node(farm_id, 10).await;
    let id = node.node_id();
    let stranger = fx.user("mallory", 3).await;
    let error = fx
        .client
        .set_node_state(id, NodeState::Blocked, None, &stranger)
        .await
        .unwrap_err();
    assert_eq!(status(&error), 403);
    let itself = Signer::Node(node.clone());
    let error = fx
        .client
        .set_node_state(id, NodeState::Approved, None, &itself)
        .await
        .unwrap_err();
    assert_eq!(status(&error), 403);

    fx.client
        .set_node_state(id, NodeState::Blocked, Some("not mine"), &owner)
        .await
        .unwrap();
    for error in [
        fx.client
            .register(&registration(&node, farm_id), &node)
            .await
            .unwrap_err(),
        fx.client.post_uptime(1, &node).await.unwrap_err(),
        fx.client
            .post_capacity(&CapacityPost::default(), &node)
            .await
            .unwrap_err(),
        fx.client.post_interfaces(&[], &node).await.unwrap_err(),
    ] {
        assert_eq!(status(&error), 403);
        assert!(
            error
                .to_string()
                .contains("blocked by the owner of farm 1: not mine"),
            "{error}"
        );
    }
    // Deleting is not forgiving.
    fx.client.delete_node(farm_id, id, &owner).await.unwrap();
    let error = fx
        .client
        .register(&registration(&node, farm_id), &node)
        .await
        .unwrap_err();
    assert_eq!(status(&error), 403);
    // Another farm is another matter.
    fx.client
        .register(&registration(&node, other_farm), &node)
        .await
        .unwrap();
    let error = fx
        .client
        .set_node_state(id, NodeState::Pending, None, &stranger)
        .await
        .unwrap_err();
    assert_eq!(status(&error), 403);
    fx.client
        .set_node_state(id, NodeState::Pending, None, &owner)
        .await
        .unwrap();
    fx.client
        .register(&registration(&node, farm_id), &node)
        .await
        .unwrap();
    fx.client.post_uptime(1, &node).await.unwrap();
}

#[tokio::test]
async fn only_the_farms_owner_deletes_its_nodes() {
    let fx = Fixture::strict().await;
    let (first, alice) = fx.farm("alpha", 1).await;
    let (second, bob) = fx.farm("beta", 2).await;
    let node = fx.node(first, 10).await;
    let id = node.node_id();
    fx.client
        .post_capacity(&CapacityPost::default(), &node)
        .await
        .unwrap();
    for (farm_id, signer, expected) in [
        (first, &bob, 403),
        (second, &bob, 403),
        (second, &alice, 403),
        (99, &alice, 404),
        (first, &Signer::Node(node.clone()), 403),
    ] {
        let error = fx
            .client
            .delete_node(farm_id, id, signer)
            .await
            .unwrap_err();
        assert_eq!(status(&error), expected, "farm {farm_id}: {error}");
    }
    fx.client.delete_node(first, id, &alice).await.unwrap();
    assert_eq!(
        status(&fx.client.node(id, false, None).await.unwrap_err()),
        404
    );
    assert_eq!(
        status(&fx.client.delete_node(first, id, &alice).await.unwrap_err()),
        404
    );
}

#[tokio::test]
async fn nodes_are_found_by_place_and_size() {
    let fx = Fixture::strict().await;
    let (farm_id, _) = fx.farm("alpha", 1).await;
    for (key, country, cru, mru) in [
        (10, "Belgium", 4, 16.0),
        (11, "Egypt", 8, 31.5),
        (12, "Belgium", 16, 64.0),
    ] {
        let node = seed(key);
        let mut registration = registration(&node, farm_id);
        registration.location.country = country.into();
        fx.client.register(&registration, &node).await.unwrap();
        let capacity = ResourceAmount {
            cru,
            mru,
            sru: 100.0,
            hru: 0.0,
        };
        let post = CapacityPost {
            capacity,
            ..CapacityPost::default()
        };
        fx.client.post_capacity(&post, &node).await.unwrap();
    }
    let any = NodeFilter::default;
    let cases: [(NodeFilter, &[u64]); 10] = [
        (any(), &[4, 8, 16]),
        (
            NodeFilter {
                country: Some("Belgium".into()),
                ..any()
            },
            &[4, 16],
        ),
        (
            NodeFilter {
                country: Some("belgium".into()),
                ..any()
            },
            &[],
        ),
        (
            NodeFilter {
                city: Some("Ghent".into()),
                cru: Some(8),
                ..any()
            },
            &[8, 16],
        ),
        (
            NodeFilter {
                mru_gib: Some(31),
                ..any()
            },
            &[8, 16],
        ),
        (
            NodeFilter {
                mru_gib: Some(32),
                ..any()
            },
            &[16],
        ),
        (
            NodeFilter {
                sru_gib: Some(100),
                hru_gib: Some(0),
                ..any()
            },
            &[4, 8, 16],
        ),
        (
            NodeFilter {
                hru_gib: Some(1),
                ..any()
            },
            &[],
        ),
        (
            NodeFilter {
                sru_gib: Some(u64::MAX / 2),
                ..any()
            },
            &[],
        ),
        (NodeFilter::of_farm(farm_id + 1), &[]),
    ];
    for (filter, expected) in cases {
        let nodes = fx.client.all_nodes(&filter, None).await.unwrap();
        let found: Vec<u64> = nodes.iter().map(|node| node.total_resources.cru).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let page = fx
        .client
        .nodes(&any(), PageRequest { page: 2, size: 2 }, None)
        .await
        .unwrap();
    assert_eq!((page.value.len(), page.pages), (1, Some(2)));
    assert_eq!(get(fx.addr(), "/explorer/nodes?cru=four").await.status, 400);
}

#[tokio::test]
async fn impossible_reports_are_refused() {
    let fx = Fixture::strict().await;
    let (farm_id, _) = fx.farm("alpha", 1).await;
    let node = fx.node(farm_id, 10).await;
    let signer = Signer::Node(node.clone());
    let id = node.node_id();
    for (what, body) in [
        ("capacity", r#"{"capacity":{"cru":8,"mru":-1}}"#),
        ("capacity", r#"{"capacity":{"cru":8,"mru":1e300}}"#),
        ("capacity", r#"{"capacity":{"cru":-8}}"#),
        ("capacity", r#"{"capacity":{"cru":99999999999}}"#),
        ("capacity", "not json"),
        ("uptime", r#"{"uptime":-1}"#),
        ("uptime", r#"{"uptime":18446744073709551615}"#),
        ("uptime", r#"{}"#),
        ("interfaces", r#"[{"addrs":["1.2.3.4"]}]"#),
        ("interfaces", r#"[{"macaddress":"zz"}]"#),
    ] {
        let target = format!("/explorer/nodes/{id}/{what}");
        let parts = RequestParts {
            method: "POST",
            target: &target,
            body: body.as_bytes(),
        };
        let answer = request(fx.addr(), &parts, Some(&fx.sign(&signer, &parts, 1))).await;
        assert_eq!(answer.status, 400, "{what} {body}: {answer:?}");
        assert!(answer.json()["error"].is_string());
    }
    let stored = fx.client.node(id, false, None).await.unwrap().value;
    assert_eq!(
        (stored.total_resources, stored.uptime),
        (ResourceAmount::default(), 5)
    );
}

#[tokio::test]
async fn proofs_are_kept_but_not_without_end() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let node = fx.node(farm_id, 10).await;
    for boot in 0..40 {
        fx.clock.advance(Duration::from_secs(1));
        let post = CapacityPost {
            hypervisor: vec![format!("boot {boot}").into()],
            ..CapacityPost::default()
        };
        fx.client.post_capacity(&post, &node).await.unwrap();
    }
    let proofs = fx
        .client
        .node(node.node_id(), true, Some(&owner))
        .await
        .unwrap()
        .value
        .proofs;
    let proofs = proofs.unwrap();
    assert_eq!(proofs.len(), 32);
    assert_eq!(proofs[31].hypervisor, ["boot 39"]);
    assert_eq!(proofs[0].hypervisor, ["boot 8"]);
}
