//! What a strict server makes of signatures.

use std::time::Duration;

use directory::client::{Client, Error};
use directory::clock::{ManualClock, UnixTime};
use directory::identity::NodeId;
use directory::sign::{RequestParts, SignatureMode, Signer, sign};

use super::Fixture;
use crate::support::{NOW, farm, options, registration, request, seed, user_id};

fn post<'a>(target: &'a str, body: &'a [u8]) -> RequestParts<'a> {
    RequestParts {
        method: "POST",
        target,
        body,
    }
}

#[tokio::test]
async fn anything_altered_is_refused_and_the_original_is_not() {
    let fx = Fixture::strict().await;
    let owner = fx.user("alice", 1).await;
    let body = serde_json::to_vec(&farm("alpha", user_id(&owner))).unwrap();
    let altered = serde_json::to_vec(&farm("gamma", user_id(&owner))).unwrap();
    let good = post("/explorer/farms", &body);
    let signed = fx.sign(&owner, &good, 1);

    for (what, parts) in [
        ("body", post("/explorer/farms", &altered)),
        ("query", post("/explorer/farms?x=1", &body)),
        ("prefix", post("/api/v1/farms", &body)),
        (
            "method",
            RequestParts {
                method: "PUT",
                target: "/explorer/farms/1",
                body: &body,
            },
        ),
    ] {
        let answer = request(fx.addr(), &parts, Some(&signed)).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(
            error.starts_with("unauthorized access: "),
            "{what}: {error}"
        );
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains("(request-target) (created) date digest threebot-id nonce"));
    }
    let unsigned = request(fx.addr(), &good, None).await;
    assert_eq!(unsigned.status, 401);

    let Signer::User { id, .. } = owner else {
        panic!()
    };
    let thief = Signer::User { id, seed: seed(99) };
    let forged = request(fx.addr(), &good, Some(&fx.sign(&thief, &good, 2))).await;
    assert_eq!(forged.status, 401, "{forged:?}");

    let accepted = request(fx.addr(), &good, Some(&signed)).await;
    assert_eq!(
        (accepted.status, accepted.body.trim()),
        (201, r#"{"id":1}"#)
    );
}

#[tokio::test]
async fn a_compat_signature_is_not_taken_by_a_strict_server() {
    let fx = Fixture::strict().await;
    let owner = fx.user("alice", 1).await;
    let mut old = options(&fx.server, fx.clock.clone());
    old.signature = SignatureMode::Compat;
    let old = Client::new(&old).unwrap();
    let error = old
        .create_farm(&farm("alpha", user_id(&owner)), &owner)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Status { status: 401, .. }),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("strict"));
}

#[tokio::test]
async fn a_replayed_write_gets_the_first_answer_and_changes_nothing() {
    let fx = Fixture::strict().await;
    let owner = fx.user("alice", 1).await;
    let body = serde_json::to_vec(&farm("alpha", user_id(&owner))).unwrap();
    let parts = post("/explorer/farms", &body);
    let signed = fx.sign(&owner, &parts, 1);
    let first = request(fx.addr(), &parts, Some(&signed)).await;
    fx.clock.advance(Duration::from_secs(200));
    let second = request(fx.addr(), &parts, Some(&signed)).await;
    assert_eq!((first.status, &first.body), (second.status, &second.body));
    assert_eq!(
        fx.client
            .all_farms(&Default::default(), None)
            .await
            .unwrap()
            .len(),
        1
    );

    // The same nonce for something else is no replay but an attack or a broken client.
    let other = serde_json::to_vec(&farm("beta", user_id(&owner))).unwrap();
    let other = post("/explorer/farms", &other);
    let reused = request(fx.addr(), &other, Some(&fx.sign(&owner, &other, 1))).await;
    assert_eq!(reused.status, 401, "{reused:?}");
    assert!(reused.body.contains("nonce"));

    fx.clock.advance(Duration::from_secs(101));
    let stale = request(fx.addr(), &parts, Some(&signed)).await;
    assert_eq!(stale.status, 401, "{stale:?}");
}

#[tokio::test]
async fn a_replayed_report_cannot_turn_back_what_came_later() {
    let fx = Fixture::strict().await;
    let (farm_id, _) = fx.farm("alpha", 1).await;
    let node = fx.node(farm_id, 10).await;
    let target = format!("/explorer/nodes/{}/uptime", node.node_id());
    let early = post(&target, br#"{"uptime":10}"#);
    let signed = fx.sign(&Signer::Node(node.clone()), &early, 1);
    assert_eq!(request(fx.addr(), &early, Some(&signed)).await.status, 200);
    fx.clock.advance(Duration::from_secs(60));
    fx.client.post_uptime(70, &node).await.unwrap();

    let replay = request(fx.addr(), &early, Some(&signed)).await;
    assert_eq!((replay.status, replay.body.as_str()), (200, "null\n"));
    let stored = fx
        .client
        .node(node.node_id(), false, None)
        .await
        .unwrap()
        .value;
    assert_eq!((stored.uptime, stored.updated.0), (70, NOW + 60));
}

#[tokio::test]
async fn a_wrong_clock_is_told_in_seconds_with_the_servers_time() {
    let fx = Fixture::strict().await;
    let (farm_id, _) = fx.farm("alpha", 1).await;
    let node = seed(10);
    // A dead RTC battery: 2001-01-01.
    let clock = ManualClock::new(UnixTime::from_secs(978_307_200));
    let client = Client::new(&options(&fx.server, std::sync::Arc::new(clock))).unwrap();
    let error = client
        .register(&registration(&node, farm_id), &node)
        .await
        .unwrap_err();
    let Error::ClockSkew { seconds, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*seconds, 978_307_200 - NOW);
    assert!(error.to_string().contains("(9131 days) behind"), "{error}");
    assert!(error.hint().unwrap().contains("slow"));

    let parts = post("/explorer/nodes", b"{}");
    let key_id = Signer::Node(node.clone()).key_id();
    let at = UnixTime::from_secs(NOW + 301);
    let signed = sign(SignatureMode::Strict, &node, &key_id, &parts, at, [0; 16]);
    let answer = request(fx.addr(), &parts, Some(&signed)).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["clock_difference_seconds"], 301);
    assert_eq!(answer.header("date"), Some("Thu, 01 Jan 2026 00:00:00 GMT"));
}

#[tokio::test]
async fn a_signature_that_is_there_must_be_good_even_where_none_is_needed() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let target = format!("/explorer/farms/{farm_id}");
    let parts = RequestParts {
        method: "GET",
        target: &target,
        body: b"",
    };
    let signed = fx.sign(&owner, &parts, 0);
    assert_eq!(request(fx.addr(), &parts, Some(&signed)).await.status, 200);
    fx.clock.advance(Duration::from_secs(301));
    assert_eq!(request(fx.addr(), &parts, Some(&signed)).await.status, 401);
    assert_eq!(request(fx.addr(), &parts, None).await.status, 200);
}

#[tokio::test]
async fn nobody_signs_for_another_node_or_with_a_key_of_small_order() {
    let fx = Fixture::strict().await;
    let (farm_id, owner) = fx.farm("alpha", 1).await;
    let (victim, thief) = (fx.node(farm_id, 10).await, seed(11));
    let target = format!("/explorer/nodes/{}/uptime", victim.node_id());
    let parts = post(&target, br#"{"uptime":1}"#);
    for signer in [Signer::Node(thief.clone()), owner] {
        let answer = request(fx.addr(), &parts, Some(&fx.sign(&signer, &parts, 3))).await;
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    let claimed = registration(&victim, farm_id);
    let error = fx.client.register(&claimed, &thief).await.unwrap_err();
    assert!(
        matches!(error, Error::Status { status: 403, .. }),
        "{error:?}"
    );

    // The all-zero key verifies anything with a careless verifier.
    let zero: NodeId = "1".repeat(32).parse().unwrap();
    let key_id = directory::sign::KeyId::Node(zero);
    let mut signed = sign(
        SignatureMode::Strict,
        &thief,
        &key_id,
        &parts,
        UnixTime::from_secs(NOW),
        [7; 16],
    );
    let at = signed.authorization.find("signature=").unwrap();
    signed.authorization.truncate(at);
    signed.authorization += &format!("signature=\"{}==\"", "A".repeat(86));
    let answer = request(fx.addr(), &parts, Some(&signed)).await;
    assert_eq!(answer.status, 401, "{answer:?}");
}
