//! One identity on two boards: noticed, shown to the owner, and nobody is shut out.

use std::time::Duration;

use directory::client::NodeFilter;
use directory::identity::Seed;
use directory::server::ServerMode;
use directory::sign::{RequestParts, SignatureMode, Signer, sign};
use directory::wire::{EnrolmentToken, NodeState};
use serde_json::{Value, json};

use super::Fixture;
use crate::support::{NOW, get, registration, request, seed};

/// The hash of a board's UUID.
fn board(digit: char) -> String {
    std::iter::repeat_n(digit, 64).collect()
}

/// Registers the node from a board, or from one that has no UUID.
async fn register(fx: &Fixture, node: &Seed, farm_id: u64, board_sha256: Option<&str>) {
    let mut registration = registration(node, farm_id);
    registration.board_sha256 = board_sha256.map(Into::into);
    fx.client.register(&registration, node).await.unwrap();
}

/// Since when the signer sees two boards.
async fn seen(fx: &Fixture, node: &Seed, signer: Option<&Signer>) -> Option<i64> {
    let node = fx.client.node(node.node_id(), false, signer).await.unwrap();
    node.value.two_boards.map(|date| date.0)
}

async fn decide(fx: &Fixture, node: &Seed, state: NodeState, owner: &Signer) {
    let decided = fx.client.set_node_state(node.node_id(), state, None, owner);
    decided.await.unwrap();
}

#[tokio::test]
async fn two_boards_within_the_hour_are_shown_to_the_owner_until_the_node_is_approved_again() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let (_, stranger) = fx.farm("beta", 2).await;
    let node = seed(10);
    let (first, second) = (board('a'), board('b'));
    register(&fx, &node, farm_id, Some(&first)).await;
    decide(&fx, &node, NodeState::Approved, &owner).await;
    assert_eq!(seen(&fx, &node, Some(&owner)).await, None);
    let before = fx.client.changes(0, None, 100, Some(&owner)).await;
    let before = before.unwrap().unwrap().revision;

    fx.clock.advance(Duration::from_secs(3599));
    register(&fx, &node, farm_id, Some(&second)).await;
    let noticed = NOW + 3599;
    assert_eq!(seen(&fx, &node, Some(&owner)).await, Some(noticed));
    let itself = Signer::Node(node.clone());
    assert_eq!(seen(&fx, &node, Some(&itself)).await, Some(noticed));
    // In lists and among changes too; and to nobody else.
    let other = Signer::Node(seed(77));
    for (signer, told) in [
        (Some(&owner), true),
        (None, false),
        (Some(&stranger), false),
        (Some(&other), false),
    ] {
        let listed = fx.client.all_nodes(&NodeFilter::default(), signer).await;
        assert_eq!(listed.unwrap()[0].two_boards.is_some(), told);
        let changes = fx.client.changes(before, None, 100, signer).await;
        let changes = changes.unwrap().unwrap();
        assert_eq!(changes.nodes[0].two_boards.is_some(), told);
        assert_eq!(seen(&fx, &node, signer).await.is_some(), told);
    }
    let public = get(fx.addr(), &format!("/explorer/nodes/{}", node.node_id())).await;
    assert!(
        !public.body.contains("board") && !public.body.contains(&second),
        "{public:?}"
    );

    // Both go on, and what was decided stays.
    fx.client.post_uptime(60, &node).await.unwrap();
    let shown = fx.client.node(node.node_id(), false, None).await.unwrap();
    assert_eq!(shown.value.state, Some(NodeState::Approved));
    // The same board, however it is written, and one that is not told change nothing.
    fx.clock.advance(Duration::from_secs(60));
    register(&fx, &node, farm_id, Some(&second.to_uppercase())).await;
    register(&fx, &node, farm_id, None).await;
    assert_eq!(seen(&fx, &node, Some(&owner)).await, Some(noticed));
    // Other words than approval leave it open.
    for state in [NodeState::Blocked, NodeState::Pending] {
        decide(&fx, &node, state, &owner).await;
        assert_eq!(seen(&fx, &node, Some(&owner)).await, Some(noticed));
    }
    decide(&fx, &node, NodeState::Approved, &owner).await;
    assert_eq!(seen(&fx, &node, Some(&owner)).await, None);
    // The other machine is still there.
    register(&fx, &node, farm_id, Some(&first)).await;
    assert_eq!(seen(&fx, &node, Some(&owner)).await, Some(noticed + 60));
}

#[tokio::test]
async fn a_medium_that_moved_an_hour_later_is_one_machine_after_the_other() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let node = seed(10);
    register(&fx, &node, farm_id, Some(&board('a'))).await;
    fx.clock.advance(Duration::from_secs(3600));
    register(&fx, &node, farm_id, Some(&board('b'))).await;
    assert_eq!(seen(&fx, &node, Some(&owner)).await, None);
    // It counts when the node reported last, not when it registered.
    fx.clock.advance(Duration::from_secs(3000));
    fx.client.post_uptime(3000, &node).await.unwrap();
    fx.clock.advance(Duration::from_secs(3000));
    register(&fx, &node, farm_id, Some(&board('a'))).await;
    assert_eq!(seen(&fx, &node, Some(&owner)).await, Some(NOW + 9600));
}

#[tokio::test]
async fn a_board_that_is_not_told_is_no_other_board() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let node = seed(10);
    for told in [None, Some(board('a')), None, Some(board('a'))] {
        register(&fx, &node, farm_id, told.as_deref()).await;
        assert_eq!(seen(&fx, &node, Some(&owner)).await, None);
    }
    // What was told before is not forgotten.
    register(&fx, &node, farm_id, None).await;
    register(&fx, &node, farm_id, Some(&board('b'))).await;
    assert_eq!(seen(&fx, &node, Some(&owner)).await, Some(NOW));
}

/// Copies of a medium that start together: whoever comes second sees the first.
#[tokio::test]
async fn two_machines_at_once_are_noticed() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    for key in 10..20 {
        let (node, first, second) = (seed(key), board('a'), board('b'));
        tokio::join!(
            register(&fx, &node, farm_id, Some(&first)),
            register(&fx, &node, farm_id, Some(&second)),
        );
        assert_eq!(seen(&fx, &node, Some(&owner)).await, Some(NOW), "{key}");
    }
}

#[tokio::test]
async fn a_deleted_node_begins_anew() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let node = seed(10);
    register(&fx, &node, farm_id, Some(&board('a'))).await;
    register(&fx, &node, farm_id, Some(&board('b'))).await;
    assert_eq!(seen(&fx, &node, Some(&owner)).await, Some(NOW));
    let deleted = fx.client.delete_node(farm_id, node.node_id(), &owner);
    deleted.await.unwrap();
    register(&fx, &node, farm_id, Some(&board('c'))).await;
    assert_eq!(seen(&fx, &node, Some(&owner)).await, None);
}

/// A token approves a node that nobody has looked at.
#[tokio::test]
async fn an_enrolment_token_is_not_the_owners_word() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let node = seed(10);
    register(&fx, &node, farm_id, Some(&board('a'))).await;
    let parts = RequestParts {
        method: "POST",
        target: "/explorer/farms/1/enrolment_tokens",
        body: b"{}",
    };
    let made = request(fx.addr(), &parts, Some(&fx.sign(&owner, &parts, 1))).await;
    let token: EnrolmentToken = serde_json::from_value(made.json()["token"].clone()).unwrap();
    let mut body = registration(&node, farm_id);
    body.board_sha256 = Some(board('b').into());
    body.enrolment_token = Some(token);
    fx.client.register(&body, &node).await.unwrap();
    let shown = fx.client.node(node.node_id(), false, Some(&owner)).await;
    let shown = shown.unwrap().value;
    assert_eq!(shown.state, Some(NodeState::Approved));
    assert!(shown.two_boards.is_some());
}

/// Posts a registration with this in the place of the board, to either listener.
async fn post(fx: &Fixture, mode: ServerMode, board_sha256: Value, nonce: u8) -> (u16, String) {
    let node = Signer::Node(seed(10));
    let mut body = serde_json::to_value(registration(&seed(10), 1)).unwrap();
    body["board_sha256"] = board_sha256;
    let body = serde_json::to_vec(&body).unwrap();
    let parts = RequestParts {
        method: "POST",
        target: "/explorer/nodes",
        body: &body,
    };
    let (addr, signed) = match mode {
        ServerMode::Strict => (fx.addr(), fx.sign(&node, &parts, nonce)),
        ServerMode::Compat => {
            let (scheme, now) = (SignatureMode::Compat, Default::default());
            let signed = sign(
                scheme,
                node.seed(),
                &node.key_id(),
                &parts,
                now,
                [nonce; 16],
            );
            (fx.server.compat_addr().unwrap(), signed)
        }
    };
    let answer = request(addr, &parts, Some(&signed)).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn what_is_no_hash_is_refused_and_the_listener_of_2020_knows_no_boards() {
    let fx = Fixture::with(|config| config.compat_listen = Some(([127, 0, 0, 1], 0).into())).await;
    let (_, owner) = fx.farm("alpha", 1).await;
    let node = seed(10);
    for (nonce, nonsense) in (1..).zip([
        String::new(),
        "xyz".to_owned(),
        board('g'),
        board('a')[1..].to_owned(),
        board('a') + "a",
    ]) {
        let (status, body) = post(&fx, ServerMode::Strict, json!(nonsense), nonce).await;
        assert_eq!(status, 400, "{nonsense}");
        assert!(
            body.contains("board_sha256 is not 64 hexadecimal digits"),
            "{body}"
        );
    }
    let (status, _) = post(&fx, ServerMode::Strict, Value::Null, 20).await;
    assert_eq!(status, 201);
    let (status, _) = post(&fx, ServerMode::Strict, json!(board('a')), 21).await;
    assert_eq!(status, 201);
    for (nonce, told) in [(22, board('b')), (23, "xyz".to_owned())] {
        let (status, body) = post(&fx, ServerMode::Compat, json!(told), nonce).await;
        assert_eq!(status, 201, "{body}");
    }
    assert_eq!(seen(&fx, &node, Some(&owner)).await, None);
    // What the strict one noticed is not told there either.
    post(&fx, ServerMode::Strict, json!(board('b')), 24).await;
    assert_eq!(seen(&fx, &node, Some(&owner)).await, Some(NOW));
    let target = format!("/explorer/nodes/{}", node.node_id());
    let old = get(fx.server.compat_addr().unwrap(), &target).await;
    assert!(
        old.status == 200 && old.json().get("two_boards").is_none(),
        "{old:?}"
    );
}
