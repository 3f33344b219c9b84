//! Following what changes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use directory::client::{FarmFilter, NodeFilter};
use directory::wire::{Changes, Farm, GoneKind, Node};

use super::Fixture;
use crate::support::{Raw, get, registration, seed, send_bytes};

async fn ask(addr: SocketAddr, query: &str, tag: Option<&str>) -> Raw {
    let condition = tag.map_or(String::new(), |tag| format!("If-None-Match: {tag}\r\n"));
    let request = format!(
        "GET /api/v1/changes?{query} HTTP/1.1\r\nHost: x\r\n{condition}Connection: close\r\n\r\n"
    );
    send_bytes(addr, request.into_bytes()).await
}

/// Somebody who follows one farm or all.
#[derive(Default)]
struct Follower {
    farm: Option<u64>,
    revision: u64,
    farms: BTreeMap<u64, Farm>,
    nodes: BTreeMap<u64, Node>,
}

impl Follower {
    fn of_farm(farm: u64) -> Self {
        Self {
            farm: Some(farm),
            ..Self::default()
        }
    }

    /// Asks until there is no more; gives the number of answers.
    async fn catch_up(&mut self, addr: SocketAddr, limit: u32) -> usize {
        let farm = self.farm.map_or(String::new(), |id| format!("&farm={id}"));
        for answers in 1.. {
            let query = format!("since={}&limit={limit}{farm}", self.revision);
            let answer = ask(addr, &query, None).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let changes: Changes = serde_json::from_str(&answer.body).unwrap();
            let tag = format!("\"{}\"", changes.revision);
            assert_eq!(answer.header("etag"), Some(tag.as_str()));
            assert!(changes.revision >= self.revision);
            let count = changes.farms.len() + changes.nodes.len() + changes.gone.len();
            assert!(count <= limit as usize);
            self.revision = changes.revision;
            self.farms
                .extend(changes.farms.into_iter().map(|f| (f.id, f)));
            for gone in changes.gone {
                match gone.kind {
                    GoneKind::Farm => drop(self.farms.remove(&gone.id)),
                    GoneKind::Node => drop(self.nodes.remove(&gone.id)),
                }
            }
            self.nodes
                .extend(changes.nodes.into_iter().map(|n| (n.id, n)));
            if !changes.more {
                return answers;
            }
        }
        unreachable!()
    }

    /// Whether it knows what the directory has.
    async fn assert_knows_all(&self, fx: &Fixture) {
        let filter = NodeFilter {
            farm_id: self.farm,
            ..NodeFilter::default()
        };
        let nodes = fx.client.all_nodes(&filter, None).await.unwrap();
        let known: Vec<Node> = self.nodes.values().cloned().collect();
        assert_eq!(known, nodes);
        if self.farm.is_none() {
            let farms = fx.client.all_farms(&FarmFilter::default(), None).await;
            let known: Vec<Farm> = self.farms.values().cloned().collect();
            assert_eq!(known, farms.unwrap());
        }
    }
}

#[tokio::test]
async fn a_follower_hears_of_everything_once() {
    let fx = Fixture::strict().await;
    let mut all = Follower::default();
    all.catch_up(fx.addr(), 10).await;
    assert!(all.farms.is_empty());

    let (alpha, alice) = fx.farm("alpha", 1).await;
    let (beta, _) = fx.farm("beta", 2).await;
    let nodes: Vec<_> = (10..15).collect();
    for key in &nodes {
        fx.node(alpha, *key).await;
    }
    let (mut of_alpha, mut of_beta) = (Follower::of_farm(alpha), Follower::of_farm(beta));
    for limit in [1, 2, 100] {
        let mut fresh = Follower::default();
        let answers = fresh.catch_up(fx.addr(), limit).await;
        assert_eq!(answers, 7_usize.div_ceil(limit as usize));
        fresh.assert_knows_all(&fx).await;
    }
    for follower in [&mut all, &mut of_alpha, &mut of_beta] {
        follower.catch_up(fx.addr(), 100).await;
        follower.assert_knows_all(&fx).await;
    }
    assert_eq!((of_alpha.farms.len(), of_alpha.nodes.len()), (1, 5));

    // Nothing new: nothing sent.
    let known = format!("\"{}\"", all.revision);
    let since = format!("since={}", all.revision);
    for tag in [known.clone(), format!("\"1\", W/{known}")] {
        let answer = ask(fx.addr(), &since, Some(&tag)).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (304, ""),
            "{answer:?}"
        );
        assert_eq!(answer.header("etag"), Some(known.as_str()));
    }
    // A report, a farm's change, a node that goes, one that moves, one that comes back.
    fx.clock.advance(Duration::from_secs(600));
    fx.client.post_uptime(605, &seed(10)).await.unwrap();
    let answer = ask(fx.addr(), &since, Some(&known)).await;
    let changes: Changes = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((changes.nodes.len(), changes.farms.len()), (1, 0));
    assert_eq!(changes.nodes[0].uptime, 605);
    // Those who follow another farm are told nothing.
    let beta_since = format!("since={}&farm={beta}", of_beta.revision);
    let beta_tag = format!("\"{}\"", of_beta.revision);
    assert_eq!(
        ask(fx.addr(), &beta_since, Some(&beta_tag)).await.status,
        304
    );

    let mut farm = fx.client.farm(alpha, Some(&alice)).await.unwrap().value;
    farm.iyo_organization = "org".into();
    fx.client.update_farm(&farm, &alice).await.unwrap();
    for key in [11, 12] {
        let id = seed(key).node_id();
        fx.client.delete_node(alpha, id, &alice).await.unwrap();
    }
    fx.node(alpha, 12).await;
    let moving = registration(&seed(13), beta);
    fx.client.register(&moving, &seed(13)).await.unwrap();
    for follower in [&mut all, &mut of_alpha, &mut of_beta] {
        follower.catch_up(fx.addr(), 1).await;
        follower.assert_knows_all(&fx).await;
    }
    assert_eq!(
        (all.nodes.len(), of_alpha.nodes.len(), of_beta.nodes.len()),
        (4, 3, 1)
    );
    assert_eq!(all.farms[&alpha].iyo_organization, "org");
    assert_eq!(all.farms[&alpha].email, "", "not for everybody");
}

#[tokio::test]
async fn who_was_away_for_long_starts_again() {
    let fx = Fixture::strict().await;
    let (alpha, alice) = fx.farm("alpha", 1).await;
    for key in 10..14 {
        fx.node(alpha, key).await;
    }
    let mut away = Follower::default();
    away.catch_up(fx.addr(), 100).await;
    let old = away.revision;
    let delete = async |key| {
        let id = seed(key).node_id();
        fx.client.delete_node(alpha, id, &alice).await.unwrap();
    };
    delete(10).await;
    fx.clock.advance(Duration::from_secs(31 * 24 * 3600));
    // Still remembered: nothing was forgotten meanwhile.
    let since_old = format!("since={old}");
    assert_eq!(ask(fx.addr(), &since_old, None).await.status, 200);
    delete(11).await;
    let answer = ask(fx.addr(), &since_old, None).await;
    assert_eq!(answer.status, 410);
    assert!(answer.body.contains("start again at 0"), "{answer:?}");

    // From the start it works, also in small pages whose revisions are old.
    let mut fresh = Follower::default();
    fresh.catch_up(fx.addr(), 1).await;
    fresh.assert_knows_all(&fx).await;
    // A revision of the future is one of another database.
    let future = format!("since={}", fresh.revision + 2);
    assert_eq!(ask(fx.addr(), &future, None).await.status, 410);
    assert_eq!(get(fx.addr(), "/api/v1/changes?since=x").await.status, 400);
}

/// Numbers are taken before they are committed: a reader in between must not pass over one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_follower_misses_nothing_of_many_writers() {
    let fx = Fixture::strict().await;
    let (alpha, _) = fx.farm("alpha", 1).await;
    for key in 10..30 {
        fx.node(alpha, key).await;
    }
    let writers = (10..30).map(|key| {
        let client = fx.client.clone();
        tokio::spawn(async move {
            for uptime in 0..40 {
                client.post_uptime(uptime, &seed(key)).await.unwrap();
            }
        })
    });
    let mut writers: Vec<_> = writers.collect();
    let mut follower = Follower::default();
    let mut answers = 0;
    while !writers.is_empty() {
        answers += follower.catch_up(fx.addr(), 7).await;
        writers.retain(|writer| !writer.is_finished());
    }
    follower.catch_up(fx.addr(), 7).await;
    follower.assert_knows_all(&fx).await;
    assert!(
        answers > 3,
        "it followed while they wrote: {answers} answers"
    );
    assert!(follower.nodes.values().all(|node| node.uptime == 39));
}
