//! Enrolment tokens: what they open, and what they do not.

use std::time::Duration;

use directory::sign::{RequestParts, Signer};
use directory::wire::{EnrolmentToken, NodeState};
use serde_json::{Value, json};

use super::Fixture;
use crate::support::{NOW, Raw, registration, request, seed};

async fn send(
    fx: &Fixture,
    signer: &Signer,
    method: &str,
    path: &str,
    body: Value,
    nonce: u8,
) -> Raw {
    let body = match body {
        Value::Null => Vec::new(),
        body => serde_json::to_vec(&body).unwrap(),
    };
    let target = format!("/explorer{path}");
    let parts = RequestParts {
        method,
        target: &target,
        body: &body,
    };
    request(fx.addr(), &parts, Some(&fx.sign(signer, &parts, nonce))).await
}

async fn token(fx: &Fixture, owner: &Signer, wanted: Value, nonce: u8) -> EnrolmentToken {
    let answer = send(
        fx,
        owner,
        "POST",
        "/farms/1/enrolment_tokens",
        wanted,
        nonce,
    )
    .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    serde_json::from_value(answer.json()["token"].clone()).unwrap()
}

/// Registers a node with a token; what the server says of it, and the state it is in then.
async fn enrol(fx: &Fixture, farm_id: u64, key: u8, token: &EnrolmentToken) -> (String, NodeState) {
    let mut body = registration(&seed(key), farm_id);
    body.enrolment_token = Some(token.clone());
    let answer = fx.client.register(&body, &seed(key)).await.unwrap();
    let node = fx
        .client
        .node(seed(key).node_id(), false, None)
        .await
        .unwrap();
    let words = answer.enrolment.unwrap();
    (words.raw().to_owned(), node.value.state.unwrap())
}

fn accepted() -> (String, NodeState) {
    ("accepted".to_owned(), NodeState::Approved)
}

fn refused(why: &str) -> (String, NodeState) {
    (format!("refused: {why}"), NodeState::Pending)
}

#[tokio::test]
async fn a_token_approves_as_many_nodes_as_it_was_made_for() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let token = token(&fx, &owner, json!({"uses": 2, "note": "rack 4"}), 1).await;
    assert_eq!(enrol(&fx, farm_id, 10, &token).await, accepted());
    // A node that boots again does not use it up.
    assert_eq!(enrol(&fx, farm_id, 10, &token).await, accepted());
    assert_eq!(enrol(&fx, farm_id, 11, &token).await, accepted());
    assert_eq!(
        enrol(&fx, farm_id, 12, &token).await,
        refused("the token is used up")
    );
    // Without a token nothing is said of one.
    let answer = fx
        .client
        .register(&registration(&seed(13), farm_id), &seed(13))
        .await
        .unwrap();
    assert_eq!(answer.enrolment, None);

    let listed = send(
        &fx,
        &owner,
        "GET",
        "/farms/1/enrolment_tokens",
        Value::Null,
        0,
    )
    .await;
    assert_eq!(
        listed.json(),
        json!([{"id": 1, "node_id": null, "uses_left": 0, "created": NOW, "expires": NOW + 86_400, "note": "rack 4"}])
    );
    assert!(!listed.body.contains(token.expose()));
}

#[tokio::test]
async fn a_token_is_good_for_one_farm_one_time_and_if_so_made_one_node() {
    let fx = Fixture::strict().await;
    let (first, owner) = fx.farm("alpha", 1).await;
    let (second, _) = fx.farm("beta", 2).await;
    let mine = seed(10).node_id().to_string();
    let bound = token(&fx, &owner, json!({"node_id": mine, "uses": 5}), 1).await;
    assert_eq!(
        enrol(&fx, second, 10, &bound).await,
        refused("this farm has no such token")
    );
    assert_eq!(
        enrol(&fx, first, 11, &bound).await,
        refused("the token is for another node")
    );
    assert_eq!(enrol(&fx, first, 10, &bound).await, accepted());

    let short = token(&fx, &owner, json!({"lifetime_secs": 60}), 2).await;
    fx.clock.advance(Duration::from_secs(60));
    assert_eq!(
        enrol(&fx, first, 12, &short).await,
        refused("the token has expired")
    );
    let nonsense: EnrolmentToken = serde_json::from_value(json!("'; DROP TABLE nodes --")).unwrap();
    assert_eq!(
        enrol(&fx, first, 12, &nonsense).await,
        refused("this farm has no such token")
    );

    let gone = token(&fx, &owner, json!({}), 3).await;
    let revoked = send(
        &fx,
        &owner,
        "DELETE",
        "/farms/1/enrolment_tokens/3",
        Value::Null,
        4,
    )
    .await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    assert_eq!(
        enrol(&fx, first, 12, &gone).await,
        refused("this farm has no such token")
    );
}

#[tokio::test]
async fn a_token_does_not_let_a_blocked_node_back_in() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let node = fx.node(farm_id, 10).await;
    fx.client
        .set_node_state(node.node_id(), NodeState::Blocked, None, &owner)
        .await
        .unwrap();
    let token = token(&fx, &owner, json!({}), 1).await;
    let mut body = registration(&node, farm_id);
    body.enrolment_token = Some(token.clone());
    assert!(fx.client.register(&body, &node).await.is_err());
    assert_eq!(
        enrol(&fx, farm_id, 11, &token).await,
        accepted(),
        "it is not used up"
    );
}

#[tokio::test]
async fn a_token_is_told_once_and_kept_nowhere() {
    let fx = Fixture::strict().await;
    let (_, owner) = fx.farm("alpha", 1).await;
    let first = send(
        &fx,
        &owner,
        "POST",
        "/farms/1/enrolment_tokens",
        json!({}),
        1,
    )
    .await;
    assert_eq!(first.status, 201);
    let replay = send(
        &fx,
        &owner,
        "POST",
        "/farms/1/enrolment_tokens",
        json!({}),
        1,
    )
    .await;
    assert_eq!(replay.status, 409, "{replay:?}");
    assert!(
        replay.json()["error"]
            .as_str()
            .unwrap()
            .contains("told once")
    );
    let listed = send(
        &fx,
        &owner,
        "GET",
        "/farms/1/enrolment_tokens",
        Value::Null,
        0,
    )
    .await;
    assert_eq!(
        listed.json().as_array().unwrap().len(),
        1,
        "the replay made no second"
    );

    let token = first.json()["token"].as_str().unwrap().to_owned();
    for entry in walk(fx.dir.path()) {
        let bytes = std::fs::read(&entry).unwrap();
        let found = bytes
            .windows(token.len())
            .any(|window| window == token.as_bytes());
        assert!(!found, "the token is in {}", entry.display());
    }
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
