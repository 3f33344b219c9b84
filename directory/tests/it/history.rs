//! What passed: events of nodes, and samples of the totals.

use directory::cache::{Cache, NodeEventKind, Sample, Source};
use directory::clock::UnixTime;
use directory::identity::Seed;
use directory::wire::{Node, NodeState, ResourceAmount};

use crate::support::NOW;

const HOUR: i64 = 3_600;

fn node() -> Node {
    let id = Seed::from([7; 32]).node_id().to_string();
    let mut node: Node = serde_json::from_value(serde_json::json!({ "node_id": id })).unwrap();
    node.id = 1;
    node.farm_id = 1;
    node.state = Some(NodeState::Pending);
    node.updated = UnixTime::from_secs(NOW).into();
    node
}

async fn source(dir: &tempfile::TempDir) -> Source {
    let cache = Cache::open(dir.path()).await.unwrap().cache;
    cache.source("https://a", Some(1)).await.unwrap()
}

#[tokio::test]
async fn what_happened_to_a_node_is_kept_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let source = source(&dir).await;
    let mut node = node();
    let id = node.node_id;
    let mut at = NOW;
    let mut kinds = Vec::new();
    for step in 0..6 {
        at += 600;
        match step {
            0 => {}
            1 => {
                node.uptime = 300;
                node.total_resources = ResourceAmount {
                    cru: 8,
                    mru: 16.0,
                    sru: 100.0,
                    hru: 0.0,
                };
            }
            2 => node.state = Some(NodeState::Approved),
            3 => {
                // Off for five hours, and back with more memory.
                at += 5 * HOUR;
                node.uptime = 60;
                node.total_resources.mru = 32.0;
            }
            4 => node.farm_id = 2,
            // On time, and nothing else.
            _ => node.uptime += 600,
        }
        node.updated = UnixTime::from_secs(at).into();
        source
            .store_nodes(std::slice::from_ref(&node), UnixTime::from_secs(at))
            .await
            .unwrap();
        let events = source.node_events(id, 50).await.unwrap();
        kinds.push(events.len());
    }
    assert_eq!(kinds, [0, 1, 2, 5, 6, 6]);
    let events = source.node_events(id, 50).await.unwrap();
    let told: Vec<NodeEventKind> = events.iter().map(|event| event.kind).collect();
    use NodeEventKind::{Back, Booted, Decided, Moved, Reported, Resized};
    assert_eq!(told, [Moved, Resized, Booted, Back, Decided, Reported]);
    assert_eq!(events[0].after, "2");
    assert_eq!(
        events[1].before.to_string(),
        "8 threads, 16.0 GiB memory, 100.0 GiB SSD, 0 B HDD"
    );
    let away: Vec<i64> = [&events[3].before, &events[3].after]
        .map(|text| text.raw().parse().unwrap())
        .to_vec();
    assert_eq!(away[1] - away[0], 600 + 5 * HOUR);
    assert_eq!(
        (events[4].before.raw(), events[4].after.raw()),
        ("pending", "approved")
    );
    assert_eq!(source.node_events(id, 2).await.unwrap().len(), 2);
}

#[tokio::test]
async fn samples_replace_their_like_are_thinned_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let source = source(&dir).await;
    let begin = NOW / HOUR * HOUR;
    let sample = |at: i64, up| Sample {
        at,
        nodes: 3,
        up,
        cu_micro: 1,
        su_micro: 2,
        reward: 3,
    };
    source.record_sample(&sample(begin + 5, 1)).await.unwrap();
    source.record_sample(&sample(begin + 599, 2)).await.unwrap();
    assert_eq!(source.samples().await.unwrap(), [sample(begin, 2)]);
    // Three days, six samples an hour: the last day stays whole.
    for step in 1..3 * 144 {
        let at = begin + step * 600;
        source.record_sample(&sample(at, 1)).await.unwrap();
    }
    let kept = source.samples().await.unwrap();
    assert_eq!(kept.len(), 145 + 48);
    assert!(kept.is_sorted_by_key(|sample| sample.at));
    let later = begin + 40 * 24 * HOUR;
    source.record_sample(&sample(later, 1)).await.unwrap();
    assert_eq!(source.samples().await.unwrap(), [sample(later, 1)]);
}
