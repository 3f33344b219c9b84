//! The cache: filled from real servers and from one that tells changes, read back, damaged.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use directory::cache::{Cache, NodeQuery, Refreshed, Sort, SortBy, Source};
use directory::client::{Client, ClientOptions};
use directory::clock::{Clock, ManualClock, SystemClock, UnixTime};
use directory::wire::{
    Changes, Gone, GoneKind, Iface, MacAddr, Node, NodeState, ResourceAmount, Untrusted,
};
use tempfile::TempDir;

use crate::on_sqlite::Fixture;
use crate::support::{NOW, seed};

async fn open(dir: &Path) -> Cache {
    let opened = Cache::open(dir).await.unwrap();
    assert_eq!(opened.set_aside, None);
    opened.cache
}

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join("directories.sqlite")
}

async fn ids(source: &Source, query: &NodeQuery, by: SortBy, descending: bool) -> Vec<u64> {
    let page = source
        .page(query, Sort { by, descending }, 0, 100)
        .await
        .unwrap();
    assert_eq!(page.total, page.nodes.len() as u64);
    page.nodes.iter().map(|node| node.id).collect()
}

/// Node number `n` of farm `1 + n % 10`.
fn node(n: u64) -> Node {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&n.to_le_bytes());
    let id = directory::identity::Seed::from(key).node_id().to_string();
    let mut node: Node = serde_json::from_value(serde_json::json!({ "node_id": id })).unwrap();
    node.id = n;
    node.farm_id = 1 + n % 10;
    node.hostname = format!("Rack-{n}").into();
    node.location.country = if n.is_multiple_of(2) { "BE" } else { "NL" }.into();
    node.total_resources = ResourceAmount {
        cru: n % 64,
        mru: 16.0,
        sru: 1000.5,
        hru: 0.0,
    };
    node.state = Some(if n % 4 == 3 {
        NodeState::Pending
    } else {
        NodeState::Approved
    });
    node.uptime = 60;
    node.updated = UnixTime::from_secs(NOW - i64::try_from(n % 100).unwrap() * 60).into();
    node
}

#[tokio::test]
async fn a_directory_is_read_shown_when_it_is_silent_and_read_again() {
    let fx = Fixture::strict().await;
    let (farm, owner) = fx.farm("alpha", 1).await;
    let (other, _) = fx.farm("beta", 2).await;
    let first = fx.node(farm, 10).await;
    fx.node(farm, 11).await;
    fx.node(other, 12).await;
    fx.client.post_uptime(60, &first).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path()).await;
    let source = cache.source(fx.client.base_url(), None).await.unwrap();
    assert_eq!(source.age(fx.clock.now()).await.unwrap(), None);
    assert!(source.missing_farms().await.unwrap().is_empty());
    let mut told = Vec::new();
    let done = source
        .refresh(&fx.client, Some(&owner), &*fx.clock, &mut |p| {
            told.push(p.entries)
        })
        .await
        .unwrap();
    assert!(matches!(done, Refreshed::Everything(5)), "{done:?}");
    assert_eq!(told.last(), Some(&5));
    let all = NodeQuery::default();
    assert_eq!(ids(&source, &all, SortBy::Id, true).await, [3, 2, 1]);
    assert_eq!(source.totals(None).await.unwrap().pending, 3);
    assert_eq!(source.never_reported(None).await.unwrap(), 0);
    assert_eq!(source.farms(0, 10).await.unwrap().len(), 2);
    let seen = source.farm(farm).await.unwrap().unwrap();
    assert_eq!(seen.email, "farmer@example.org", "as its owner sees it");

    fx.clock.advance(Duration::from_secs(100));
    fx.client
        .delete_node(farm, seed(11).node_id(), &owner)
        .await
        .unwrap();
    fx.client
        .set_node_state(first.node_id(), NodeState::Approved, None, &owner)
        .await
        .unwrap();
    assert_eq!(source.age(fx.clock.now()).await.unwrap(), Some(100));
    source
        .refresh(&fx.client, Some(&owner), &*fx.clock, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(ids(&source, &all, SortBy::Id, false).await, [1, 3]);
    let totals = source.totals(Some(farm)).await.unwrap();
    assert_eq!((totals.nodes, totals.pending), (1, 0));

    // A silent directory takes nothing away, also for another process.
    let client = fx.client.clone();
    fx.server.shutdown().await.unwrap();
    let failed = source.refresh(&client, None, &*fx.clock, &mut |_| {}).await;
    assert!(failed.is_err());
    cache.close().await;
    let again = open(dir.path()).await;
    let source = again.source(client.base_url(), None).await.unwrap();
    assert_eq!(ids(&source, &all, SortBy::Id, false).await, [1, 3]);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&file(&dir).metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_summed() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path()).await;
    let source = cache.source("https://a", None).await.unwrap();
    let elsewhere = cache.source("https://b", None).await.unwrap();
    let nodes: Vec<Node> = (1..=8).map(node).collect();
    let now = UnixTime::from_secs(NOW);
    source.store_nodes(&nodes, now).await.unwrap();
    elsewhere.store_nodes(&nodes[..1], now).await.unwrap();
    let query = |change: fn(&mut NodeQuery)| {
        let mut query = NodeQuery::default();
        change(&mut query);
        query
    };
    for (query, expected) in [
        (query(|q| q.country = Some("BE".into())), vec![2, 4, 6, 8]),
        (query(|q| q.farm_id = Some(4)), vec![3]),
        (query(|q| q.state = Some(NodeState::Pending)), vec![3, 7]),
        (query(|q| q.text = Some("RACK-5".into())), vec![5]),
        (query(|q| q.text = Some("%".into())), vec![]),
    ] {
        assert_eq!(ids(&source, &query, SortBy::Id, false).await, expected);
    }
    let all = NodeQuery::default();
    assert_eq!(
        ids(&source, &all, SortBy::Cru, true).await,
        [8, 7, 6, 5, 4, 3, 2, 1]
    );
    assert_eq!(
        ids(&source, &all, SortBy::Place, false).await,
        [2, 4, 6, 8, 1, 3, 5, 7]
    );
    assert_eq!(
        ids(&source, &all, SortBy::Reported, false).await,
        [8, 7, 6, 5, 4, 3, 2, 1]
    );
    let part = source.page(&all, Sort::default(), 6, 10).await.unwrap();
    assert_eq!((part.nodes.len(), part.total), (2, 8));
    assert_eq!(part.nodes[0], nodes[6], "whole, as it came");
    let totals = source.totals(None).await.unwrap();
    assert_eq!((totals.nodes, totals.pending), (8, 2));
    assert_eq!(totals.capacity.cru, 1 + 2 + 4 + 5 + 6 + 8);
    let since = UnixTime::from_secs(NOW - 5 * 60);
    assert_eq!(source.silent_since(None, since).await.unwrap(), 3);
    // A shorter list takes the others away.
    source.store_nodes(&nodes[..2], now).await.unwrap();
    assert_eq!(ids(&source, &all, SortBy::Id, false).await, [1, 2]);
    assert_eq!(source.totals(None).await.unwrap().nodes, 2);
    assert_eq!(elsewhere.totals(None).await.unwrap().nodes, 1);
}

#[tokio::test]
async fn machines_and_missing_farms_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path()).await;
    let source = cache.source("https://dir.example", None).await.unwrap();
    let mut nodes: Vec<Node> = (1..=4).map(node).collect();
    nodes[0].node_id_v1 = "525400000001".into();
    nodes[1].ifaces = vec![Iface {
        macaddress: "52:54:00:00:00:02".parse().ok(),
        ..Iface::default()
    }];
    nodes[2].node_id_v1 = "nonsense".into();
    nodes[3].hardware = Some(serde_json::json!({ "inventory": { "board": { "serial": "B1" } } }));
    nodes[2].two_boards = Some(UnixTime::from_secs(NOW).into());
    let now = UnixTime::from_secs(NOW);
    source.store_nodes(&nodes, now).await.unwrap();
    let mut seen = Vec::new();
    source
        .each_summary(&mut |summary| seen.push(summary))
        .await
        .unwrap();
    let macs: Vec<_> = seen.iter().map(|node| node.mac).collect();
    let mac = |last| Some(MacAddr([0x52, 0x54, 0, 0, 0, last]));
    assert_eq!(macs, [mac(1), mac(2), None, None]);
    let board = seen[3].board_serial.as_ref().map(Untrusted::raw);
    assert_eq!(board, Some("B1"));
    let two_boards: Vec<_> = seen.iter().map(|node| node.two_boards).collect();
    assert_eq!(two_boards, [false, false, true, false]);
    // A list of nodes says nothing about farms.
    assert_eq!(source.missing_farms().await.unwrap(), [2, 3, 4, 5]);
}

#[tokio::test]
async fn directories_nobody_asks_any_more_make_room() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path()).await;
    for n in 0..70 {
        let source = cache.source(&format!("https://{n}"), None).await.unwrap();
        let now = UnixTime::from_secs(NOW + n);
        source.store_nodes(&[node(1)], now).await.unwrap();
    }
    let age = async |n: u64| {
        let source = cache.source(&format!("https://{n}"), None).await.unwrap();
        source.refreshed().await.unwrap()
    };
    assert!(age(69).await.is_some() && age(10).await.is_some());
    assert_eq!(age(0).await, None);
}

/// What a server that tells changes would say next.
#[derive(Default)]
struct Script {
    asked: Vec<(u64, Option<String>)>,
    answers: Vec<Result<Changes, StatusCode>>,
}

type Shared = Arc<Mutex<Script>>;

/// Several programs use the file at once, and each is about to read its directory.
#[tokio::test]
async fn a_directory_that_was_just_named_stays_when_another_is() {
    let dir = TempDir::new().unwrap();
    let (cache, other) = (open(dir.path()).await, open(dir.path()).await);
    for n in 0..70 {
        let source = cache.source(&format!("https://{n}.example"), None).await;
        let now = UnixTime::from_secs(NOW + n);
        source.unwrap().store_nodes(&[], now).await.unwrap();
    }
    let source = cache.source("https://one.example", None).await.unwrap();
    for n in 0..8 {
        let address = format!("https://two.example/{n}");
        other.source(&address, None).await.unwrap();
    }
    assert_eq!(source.refreshed().await.unwrap(), None);
    let now = UnixTime::from_secs(NOW);
    source.store_nodes(&[node(1)], now).await.unwrap();
    assert_eq!(source.refreshed().await.unwrap(), Some(now));
}

async fn changes(
    State(script): State<Shared>,
    Query(query): Query<std::collections::HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let since = query["since"].parse().unwrap();
    let tag = headers
        .get("if-none-match")
        .map(|tag| tag.to_str().unwrap().to_owned());
    let mut script = script.lock().unwrap();
    script.asked.push((since, tag));
    match script.answers.remove(0) {
        Ok(changes) => axum::Json(changes).into_response(),
        Err(status) => status.into_response(),
    }
}

#[tokio::test]
async fn changes_are_followed_and_a_lost_thread_is_picked_up() {
    let script = Shared::default();
    let router = axum::Router::new()
        .route("/explorer/changes", axum::routing::get(changes))
        .with_state(script.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let client = Client::new(&ClientOptions::new(&url)).unwrap();
    let clock = ManualClock::new(UnixTime::from_secs(NOW));
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path()).await;
    let source = cache.source(&url, None).await.unwrap();
    let page = |revision, more, nodes: &[u64]| Changes {
        revision,
        more,
        nodes: nodes.iter().map(|n| node(*n)).collect(),
        ..Changes::default()
    };
    let say = |answers: Vec<Result<Changes, StatusCode>>| {
        *script.lock().unwrap() = Script {
            asked: Vec::new(),
            answers,
        };
    };
    let asked = || -> Vec<u64> {
        let script = script.lock().unwrap();
        assert!(script.answers.is_empty());
        script.asked.iter().map(|(since, _)| *since).collect()
    };
    let all = NodeQuery::default();
    let shown = async || ids(&source, &all, SortBy::Id, false).await;
    let refresh = async || source.refresh(&client, None, &clock, &mut |_| {}).await;

    // Cut off in the middle of reading everything: begun again, not gone on with.
    say(vec![
        Ok(page(10, true, &[1, 2])),
        Err(StatusCode::BAD_GATEWAY),
    ]);
    assert!(refresh().await.is_err());
    assert_eq!(source.refreshed().await.unwrap(), None);
    say(vec![Ok(page(10, true, &[1, 2])), Ok(page(20, false, &[3]))]);
    assert_eq!(refresh().await.unwrap(), Refreshed::Everything(3));
    assert_eq!(asked(), [0, 10]);
    assert_eq!(shown().await, [1, 2, 3]);

    let gone = Changes {
        gone: vec![Gone {
            kind: GoneKind::Node,
            id: 2,
            node_id: None,
        }],
        ..page(30, false, &[4])
    };
    say(vec![Ok(gone)]);
    assert_eq!(refresh().await.unwrap(), Refreshed::Changes(2));
    assert_eq!(
        script.lock().unwrap().asked,
        [(20, Some("\"20\"".to_owned()))]
    );
    assert_eq!(shown().await, [1, 3, 4]);
    assert_eq!(source.totals(None).await.unwrap().nodes, 3);

    clock.advance(Duration::from_secs(5));
    say(vec![Err(StatusCode::NOT_MODIFIED)]);
    assert_eq!(refresh().await.unwrap(), Refreshed::Changes(0));
    assert_eq!(
        source.age(clock.now()).await.unwrap(),
        Some(0),
        "known to be fresh"
    );

    // Away for too long: everything again, and what is not there any more is gone.
    say(vec![Err(StatusCode::GONE), Ok(page(90, false, &[3, 5]))]);
    assert_eq!(refresh().await.unwrap(), Refreshed::Everything(2));
    assert_eq!(asked(), [30, 0]);
    assert_eq!(shown().await, [3, 5]);
}

#[tokio::test]
async fn a_damaged_or_newer_file_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir);
    let fill = async || {
        let cache = Cache::open(dir.path()).await.unwrap().cache;
        let source = cache.source("https://a", None).await.unwrap();
        let nodes: Vec<Node> = (1..=500).map(node).collect();
        source
            .store_nodes(&nodes, UnixTime::from_secs(NOW))
            .await
            .unwrap();
        cache.close().await;
    };
    let is_set_aside = async || {
        let opened = Cache::open(dir.path()).await.unwrap();
        let aside = dir.path().join("directories.set-aside");
        assert_eq!(opened.set_aside, Some(aside.clone()));
        assert!(aside.exists());
        let source = opened.cache.source("https://a", None).await.unwrap();
        assert_eq!(source.totals(None).await.unwrap().nodes, 0);
        opened.cache.close().await;
    };
    std::fs::write(
        &path,
        "this is no database, and long enough to be read as one".repeat(99),
    )
    .unwrap();
    is_set_aside().await;

    fill().await;
    let newer = Command::new("sqlite3")
        .arg(&path)
        .arg("PRAGMA user_version = 99")
        .status()
        .unwrap();
    assert!(newer.success());
    is_set_aside().await;

    fill().await;
    let length = path.metadata().unwrap().len();
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(length / 2)
        .unwrap();
    is_set_aside().await;

    // Damage that shows only when it is read: the caller is told, and begins anew.
    fill().await;
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8192..].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let opened = Cache::open(dir.path()).await.unwrap();
    if opened.set_aside.is_none() {
        let read = async {
            let source = opened.cache.source("https://a", None).await?;
            source
                .page(&NodeQuery::default(), Sort::default(), 0, 500)
                .await
        };
        let error = read.await.unwrap_err();
        assert!(error.is_damage(), "{error:?}");
        opened.cache.set_aside().await.unwrap();
    }
    let opened = Cache::open(dir.path()).await.unwrap();
    assert_eq!(opened.set_aside, None);
}

/// Far above what it takes, for machines that are busy; a scan of all bodies takes seconds.
const SOON: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_hundred_thousand_nodes_are_shown_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path()).await;
    let source = cache.source("https://a", None).await.unwrap();
    let nodes: Vec<Node> = (1..=100_000).map(node).collect();
    let now = UnixTime::from_secs(NOW);
    source.store_nodes(&nodes, now).await.unwrap();
    let all = NodeQuery::default();
    let of_farm = NodeQuery {
        farm_id: Some(3),
        ..NodeQuery::default()
    };
    for (query, by, offset) in [
        (&all, SortBy::Id, 0),
        (&all, SortBy::Id, 99_950),
        (&all, SortBy::Mru, 0),
        (&all, SortBy::Reported, 0),
        (&all, SortBy::Hostname, 0),
        (&all, SortBy::Place, 0),
        (&of_farm, SortBy::Farm, 0),
    ] {
        for descending in [false, true] {
            let sort = Sort { by, descending };
            let mut best = Duration::MAX;
            for _ in 0..3 {
                let began = SystemClock.monotonic();
                let page = source.page(query, sort, offset, 50).await.unwrap();
                let totals = source.totals(None).await.unwrap();
                best = best.min(SystemClock.monotonic() - began);
                assert_eq!((page.nodes.len(), totals.nodes), (50, 100_000));
            }
            assert!(best < SOON, "{by:?} {descending} {offset}: {best:?}");
        }
    }
}
