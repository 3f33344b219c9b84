//! What was seen over time: samples of the totals, and events of single nodes.
//!
//! A directory keeps the present only. What passed is here as far as somebody looked: both are kept
//! in bounds, and lost with the cache.

use std::collections::HashMap;

use hw_probe::text::Untrusted;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{CacheError, Source, from_sql, to_sql};
use crate::clock::UnixTime;
use crate::identity::NodeId;
use crate::wire::{Node, NodeState, gib_to_bytes};

/// Seconds that a sample stands for.
pub const SAMPLE_SECONDS: i64 = 600;
/// Samples older than this are thinned to one an hour.
const FINE_SECONDS: i64 = 86_400;
/// Samples older than this go.
const KEPT_SECONDS: i64 = 31 * 86_400;
/// Events kept, of all nodes of all sources together.
const KEPT_EVENTS: i64 = 20_000;
/// A node that says nothing for longer than this was away.
const SILENCE_SECONDS: i64 = 3_600;

/// The totals at some time, as whoever recorded them counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Beginning of its [`SAMPLE_SECONDS`], Unix seconds.
    pub at: i64,
    /// Approved nodes.
    pub nodes: u64,
    /// Those of them that reported on time.
    pub up: u64,
    /// Compute units of approved nodes, millionths.
    pub cu_micro: u64,
    /// Storage units of approved nodes, millionths.
    pub su_micro: u64,
    /// What the period still pays, units of 10^-7 TFT.
    pub reward: u64,
}

/// Something that happened to a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEvent {
    /// When it happened, or was noticed, Unix seconds.
    pub at: i64,
    /// What.
    pub kind: NodeEventKind,
    /// What was before, in words; empty if that says nothing.
    pub before: Untrusted,
    /// What came, in words.
    pub after: Untrusted,
}

/// What can happen to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeEventKind {
    /// The owner decided about it.
    Decided,
    /// It moved to another farm.
    Moved,
    /// It reported its uptime for the first time.
    Reported,
    /// It reported again after a silence; before and after are the times of the reports.
    Back,
    /// It booted again.
    Booted,
    /// It has another amount of resources.
    Resized,
}

impl NodeEventKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Decided => "decided",
            Self::Moved => "moved",
            Self::Reported => "reported",
            Self::Back => "back",
            Self::Booted => "booted",
            Self::Resized => "resized",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [
            Self::Decided,
            Self::Moved,
            Self::Reported,
            Self::Back,
            Self::Booted,
            Self::Resized,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }
}

/// What the cache had of a node before something new came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub farm_id: i64,
    state: String,
    reported: i64,
    uptime: i64,
    resources: [i64; 4],
}

impl Known {
    pub fn read(row: &SqliteRow) -> Result<(String, Self), sqlx::Error> {
        let number = |name: &str| row.try_get::<i64, _>(name);
        let known = Self {
            farm_id: number("farm_id")?,
            state: row.try_get("state")?,
            reported: number("reported")?,
            uptime: number("uptime")?,
            resources: [
                number("cru")?,
                number("mru")?,
                number("sru")?,
                number("hru")?,
            ],
        };
        Ok((row.try_get("node_id")?, known))
    }

    /// What happened between this and `node`.
    pub fn events(&self, node: &Node, now: UnixTime) -> Vec<NodeEvent> {
        let mut events = Vec::new();
        let mut add = |at, kind, before: String, after: String| {
            events.push(NodeEvent {
                at,
                kind,
                before: before.into(),
                after: after.into(),
            });
        };
        if node.uptime > 0 {
            let reported = node.updated.0;
            if self.reported == 0 {
                add(
                    reported,
                    NodeEventKind::Reported,
                    String::new(),
                    String::new(),
                );
            } else if reported - self.reported > SILENCE_SECONDS {
                let (before, after) = (self.reported.to_string(), reported.to_string());
                add(reported, NodeEventKind::Back, before, after);
            }
            if self.reported > 0 && node.uptime < self.uptime {
                let booted = reported - node.uptime;
                add(booted, NodeEventKind::Booted, String::new(), String::new());
            }
        }
        let resources = resources_of(node);
        if self.resources != [0; 4] && self.resources != resources {
            add(
                now.secs,
                NodeEventKind::Resized,
                resources_text(self.resources),
                resources_text(resources),
            );
        }
        let farm_id = to_sql(node.farm_id);
        if self.farm_id != farm_id {
            let (before, after) = (self.farm_id.to_string(), farm_id.to_string());
            add(now.secs, NodeEventKind::Moved, before, after);
        }
        let state = state_of(node).to_string();
        if self.state != state {
            add(now.secs, NodeEventKind::Decided, self.state.clone(), state);
        }
        events
    }
}

/// What the owner decided, also for directories that know only `approved`.
pub(super) fn state_of(node: &Node) -> NodeState {
    node.state.unwrap_or(if node.approved {
        NodeState::Approved
    } else {
        NodeState::Pending
    })
}

/// Threads, and bytes of memory, SSD and HDD, as the cache keeps them.
pub(super) fn resources_of(node: &Node) -> [i64; 4] {
    let bytes = |gib: f64| to_sql(gib_to_bytes(gib).unwrap_or(0));
    let total = &node.total_resources;
    [
        to_sql(total.cru),
        bytes(total.mru),
        bytes(total.sru),
        bytes(total.hru),
    ]
}

fn resources_text([cru, mru, sru, hru]: [i64; 4]) -> String {
    let bytes = |value| hw_probe::units::Bytes(from_sql(value));
    format!(
        "{cru} threads, {} memory, {} SSD, {} HDD",
        bytes(mru),
        bytes(sru),
        bytes(hru)
    )
}

/// Keeps what happened to nodes that were known before, and makes room.
pub(super) async fn put_events(
    tx: &mut SqliteConnection,
    source: i64,
    nodes: &[&Node],
    known: &HashMap<String, Known>,
    now: UnixTime,
) -> Result<(), sqlx::Error> {
    let mut rows = Vec::new();
    for node in nodes {
        let id = node.node_id.to_string();
        let Some(known) = known.get(&id) else {
            continue;
        };
        for event in known.events(node, now) {
            let kind = event.kind.name();
            let (before, after) = (event.before, event.after);
            rows.push((id.clone(), event.at, kind, before, after));
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let rows = serde_json::to_string(&rows).map_err(|error| sqlx::Error::Encode(error.into()))?;
    // One statement for all of them: rows travel as JSON.
    sqlx::query(
        "INSERT INTO events (source, node_id, at, kind, before, after) \
         SELECT $1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 \
         FROM json_each($2)",
    )
    .bind(source)
    .bind(rows)
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM events WHERE id <= (SELECT MAX(id) FROM events) - $1")
        .bind(KEPT_EVENTS)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

impl Source {
    /// Keeps a sample, in the place of an earlier one of the same time, and makes room.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn record_sample(&self, sample: &Sample) -> Result<(), CacheError> {
        let at = sample.at.div_euclid(SAMPLE_SECONDS) * SAMPLE_SECONDS;
        let done = async {
            let mut tx = self.cache.writer.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::query(
                "INSERT OR REPLACE INTO samples (source, at, nodes, up, cu, su, reward) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(self.id)
            .bind(at)
            .bind(to_sql(sample.nodes))
            .bind(to_sql(sample.up))
            .bind(to_sql(sample.cu_micro))
            .bind(to_sql(sample.su_micro))
            .bind(to_sql(sample.reward))
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "DELETE FROM samples AS old WHERE source = $1 AND (at < $2 OR (at < $3 AND EXISTS \
                 (SELECT 1 FROM samples AS kept WHERE kept.source = old.source \
                 AND kept.at < old.at AND kept.at / 3600 = old.at / 3600)))",
            )
            .bind(self.id)
            .bind(at - KEPT_SECONDS)
            .bind(at - FINE_SECONDS)
            .execute(&mut *tx)
            .await?;
            tx.commit().await
        };
        done.await.map_err(|error| self.cache.failed(error))
    }

    /// The samples that are kept, the oldest first.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn samples(&self) -> Result<Vec<Sample>, CacheError> {
        let rows = sqlx::query(
            "SELECT at, nodes, up, cu, su, reward FROM samples WHERE source = $1 ORDER BY at",
        )
        .bind(self.id)
        .fetch_all(&self.cache.readers)
        .await;
        let sample = |row: &SqliteRow| -> Result<Sample, sqlx::Error> {
            let number = |name: &str| row.try_get::<i64, _>(name);
            Ok(Sample {
                at: number("at")?,
                nodes: from_sql(number("nodes")?),
                up: from_sql(number("up")?),
                cu_micro: from_sql(number("cu")?),
                su_micro: from_sql(number("su")?),
                reward: from_sql(number("reward")?),
            })
        };
        rows.and_then(|rows| rows.iter().map(sample).collect())
            .map_err(|error| self.cache.failed(error))
    }

    /// What happened to a node while somebody looked, the newest first.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn node_events(
        &self,
        node_id: NodeId,
        limit: u32,
    ) -> Result<Vec<NodeEvent>, CacheError> {
        let rows = sqlx::query(
            "SELECT at, kind, before, after FROM events WHERE source = $1 AND node_id = $2 \
             ORDER BY id DESC LIMIT $3",
        )
        .bind(self.id)
        .bind(node_id.to_string())
        .bind(i64::from(limit))
        .fetch_all(&self.cache.readers)
        .await;
        let event = |row: &SqliteRow| -> Result<NodeEvent, sqlx::Error> {
            let kind = NodeEventKind::of_name(row.try_get("kind")?);
            Ok(NodeEvent {
                at: row.try_get("at")?,
                kind: kind.ok_or_else(|| sqlx::Error::Decode("kind of an event".into()))?,
                before: row.try_get::<&str, _>("before")?.into(),
                after: row.try_get::<&str, _>("after")?.into(),
            })
        };
        rows.and_then(|rows| rows.iter().map(event).collect())
            .map_err(|error| self.cache.failed(error))
    }
}
