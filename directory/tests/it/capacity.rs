//! Finding capacity: who is given, in which order, page by page.

use std::time::Duration;

use directory::identity::Seed;
use directory::sign::{RequestParts, Signer};
use directory::wire::{CapacityPage, CapacityPost, GIB, Location, NodeState, ResourceAmount};
use serde_json::json;

use super::Fixture;
use crate::support::{get, registration, request, seed};

/// An approved node with so much: CPUs, and GiB of memory, SSD and HDD.
async fn node(fx: &Fixture, farm: (u64, &Signer), key: u8, has: [u64; 4], country: &str) -> Seed {
    let seed = seed(key);
    let mut registration = registration(&seed, farm.0);
    registration.location = Location {
        country: country.into(),
        city: format!("city of {country}").as_str().into(),
        ..Location::default()
    };
    fx.client.register(&registration, &seed).await.unwrap();
    let [cru, mru, sru, hru] = has;
    let post = CapacityPost {
        capacity: ResourceAmount::from_bytes(cru, mru * GIB, sru * GIB, hru * GIB),
        ..CapacityPost::default()
    };
    fx.client.post_capacity(&post, &seed).await.unwrap();
    let approved = NodeState::Approved;
    let id = seed.node_id();
    let set = fx.client.set_node_state(id, approved, None, farm.1);
    set.await.unwrap();
    seed
}

async fn signed(fx: &Fixture, signer: &Signer, path: &str, body: serde_json::Value, nonce: u8) {
    let body = body.to_string().into_bytes();
    let target = format!("/api/v1{path}");
    let parts = RequestParts {
        method: "POST",
        target: &target,
        body: &body,
    };
    let answer = request(fx.addr(), &parts, Some(&fx.sign(signer, &parts, nonce))).await;
    assert!(answer.status < 300, "{answer:?}");
}

async fn page(fx: &Fixture, query: &str) -> CapacityPage {
    let answer = get(fx.addr(), &format!("/api/v1/capacity?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// Which of these nodes a search gives, by their place in the list.
async fn found(fx: &Fixture, nodes: &[Seed], query: &str) -> Vec<usize> {
    let page = page(fx, query).await;
    let place = |id| nodes.iter().position(|seed| seed.node_id() == id).unwrap();
    page.nodes
        .iter()
        .map(|offer| place(offer.node_id))
        .collect()
}

#[tokio::test]
async fn the_best_fit_comes_first_and_only_what_is_approved_and_free() {
    let fx = Fixture::strict().await;
    let (first, owner) = fx.farm("alpha", 1).await;
    let (second, other) = fx.farm("beta", 2).await;
    let (alpha, beta) = ((first, &owner), (second, &other));
    let nodes = [
        node(&fx, alpha, 10, [64, 256, 4000, 0], "BE").await,
        node(&fx, alpha, 11, [8, 32, 500, 0], "BE").await,
        node(&fx, beta, 12, [8, 32, 500, 8000], "NL").await,
        node(&fx, beta, 13, [16, 64, 1000, 0], "NL").await,
    ];
    // Not approved, and given back.
    fx.node(first, 14).await;
    let gone = node(&fx, alpha, 15, [8, 32, 500, 0], "BE").await;
    fx.client
        .delete_node(first, gone.node_id(), &owner)
        .await
        .unwrap();

    let gib = |n: u64| n * GIB;
    assert_eq!(found(&fx, &nodes, "").await, [1, 2, 3, 0]);
    assert_eq!(found(&fx, &nodes, "cru=9").await, [3, 0]);
    assert_eq!(
        found(&fx, &nodes, &format!("mru={}", gib(32))).await,
        [1, 2, 3, 0]
    );
    assert_eq!(
        found(&fx, &nodes, &format!("mru={}", gib(32) + 1)).await,
        [3, 0]
    );
    assert_eq!(
        found(&fx, &nodes, &format!("cru=8&sru={}", gib(600))).await,
        [3, 0]
    );
    assert_eq!(found(&fx, &nodes, "hru=1").await, [2]);
    assert_eq!(found(&fx, &nodes, "cru=65").await, [0_usize; 0]);
    assert_eq!(found(&fx, &nodes, "country=NL").await, [2, 3]);
    assert_eq!(found(&fx, &nodes, "country=nl").await, [0_usize; 0]);
    assert_eq!(found(&fx, &nodes, "city=city%20of%20BE").await, [1, 0]);
    assert_eq!(
        found(&fx, &nodes, &format!("farm={second}&cru=9")).await,
        [3]
    );

    // What is reserved is not free.
    let usage = json!({"cru": 60, "mru": 240.5, "sru": 3000, "hru": 0});
    let path = format!("/nodes/{}/used_resources", nodes[0].node_id());
    signed(&fx, &Signer::Node(nodes[0].clone()), &path, usage, 1).await;
    assert_eq!(found(&fx, &nodes, "").await, [0, 1, 2, 3]);
    assert_eq!(found(&fx, &nodes, "cru=9").await, [3]);
    let offer = &page(&fx, &format!("farm={first}")).await.nodes[0];
    assert_eq!((offer.total.cru, offer.free.cru), (64, 4));
    assert_eq!(offer.free.mru_bytes.0, gib(15) + GIB / 2, "to the byte");
    assert_eq!((offer.country.raw(), offer.farm_id), ("BE", first));

    let path = format!("/nodes/{}/configure_free", nodes[3].node_id());
    signed(&fx, &other, &path, json!({"free_to_use": true}), 2).await;
    assert_eq!(found(&fx, &nodes, "free_to_use=true").await, [3]);

    // Two reports missed: offline.
    fx.clock.advance(Duration::from_secs(20 * 60));
    assert_eq!(found(&fx, &nodes, "online=true").await.len(), 4);
    fx.clock.advance(Duration::from_secs(1));
    fx.client.post_uptime(7, &nodes[1]).await.unwrap();
    assert_eq!(found(&fx, &nodes, "online=true").await, [1]);
    let all = page(&fx, "").await.nodes;
    let online: Vec<bool> = all.iter().map(|offer| offer.online).collect();
    assert_eq!(online, [false, true, false, false]);

    // A blocked node is offered no more.
    let set = fx
        .client
        .set_node_state(nodes[1].node_id(), NodeState::Blocked, None, &owner);
    set.await.unwrap();
    assert_eq!(found(&fx, &nodes, "").await, [0, 2, 3]);
}

#[tokio::test]
async fn pages_go_on_where_the_one_before_ended() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let mut nodes = Vec::new();
    for key in 0..7_u8 {
        // Two of each size: the order is that of the numbers then.
        let cru = u64::from(key / 2) + 1;
        nodes.push(node(&fx, (farm_id, &owner), 20 + key, [cru, 4, 0, 0], "BE").await);
    }
    for query in ["", "cru=1&country=BE", "cru=2"] {
        let whole = page(&fx, query).await;
        assert_eq!(whole.next, None);
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let step = page(&fx, &format!("{query}&limit=2{after}")).await;
            seen.extend(step.nodes);
            let Some(next) = step.next else { break };
            after = format!("&after={next}");
        }
        assert_eq!(seen, whole.nodes, "{query}");
        assert!(seen.len() >= 5);
    }
    for bad in ["after=x", "after=1", "cru=many", "limit=x", "cru=%00"] {
        let target = format!("/api/v1/capacity?{bad}");
        assert_eq!(get(fx.addr(), &target).await.status, 400, "{bad}");
    }
    for odd in ["cru=9223372036854775807", "mru=-1", "limit=0&after=0.0"] {
        let target = format!("/api/v1/capacity?{odd}");
        assert_eq!(get(fx.addr(), &target).await.status, 200, "{odd}");
    }
}
