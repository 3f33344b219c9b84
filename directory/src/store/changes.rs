//! What changed since when.
//!
//! Every change of a farm or node takes the next revision (a trigger does it), so what changed after
//! a revision is found by an index, in the order in which it happened.
//!
//! What leaves a trace only because it is gone is a tombstone, and those are forgotten after a while.
//! Whoever knows a state older than that starts again; but not who is on the way through all that
//! there is, page by page: that is where the last bit of a [`Cursor`] stands for.

use super::farms;
use super::nodes::NodeRecord;
use super::postgres;
use super::sql::{Row, Sql};
use super::{Store, WriteTx, from_sql, to_sql};
use crate::wire::{Farm, Gone, GoneKind};

/// How long it is remembered that something is gone, in seconds.
const REMEMBERED_SECS: i64 = 30 * 24 * 60 * 60;

/// How far somebody knows the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// All changes up to this revision are known.
    revision: i64,
    /// Only of what still exists: the first pass is under way.
    is_first_pass: bool,
}

impl Cursor {
    /// Knows nothing.
    const START: Self = Self {
        revision: 0,
        is_first_pass: true,
    };

    /// From the number on the wire.
    pub(crate) fn from_number(number: u64) -> Self {
        match number {
            0 => Self::START,
            _ => Self {
                revision: to_sql(number / 2),
                is_first_pass: number % 2 == 1,
            },
        }
    }

    /// The number on the wire; it never gets smaller.
    pub(crate) fn to_number(self) -> u64 {
        from_sql(self.revision) * 2 + u64::from(self.is_first_pass)
    }
}

/// A page of changes.
#[derive(Debug)]
pub(crate) struct ChangeSet {
    pub(crate) cursor: Cursor,
    pub(crate) more: bool,
    pub(crate) farms: Vec<Farm>,
    pub(crate) nodes: Vec<NodeRecord>,
    pub(crate) gone: Vec<Gone>,
}

/// Something that changed.
enum Changed {
    Farm(Box<Farm>),
    Node(Box<NodeRecord>),
    Gone(Gone),
}

fn gone(row: &Row) -> Result<Gone, sqlx::Error> {
    let is_node = row.get::<String, _>("kind")? == "node";
    let node_id: String = row.get("node_id")?;
    Ok(Gone {
        kind: if is_node {
            GoneKind::Node
        } else {
            GoneKind::Farm
        },
        id: from_sql(row.get("gone")?),
        node_id: node_id.parse().ok(),
    })
}

impl Store {
    /// The revision up to which everything is committed.
    ///
    /// On SQLite that is the last one. On PostgreSQL smaller ones may be under way: writers hold a
    /// lock, and who gets it exclusively for a moment has seen them end. `since` is enough if it is
    /// still the last: then nothing can be missed.
    async fn last_revision(&self, since: i64) -> Result<i64, sqlx::Error> {
        let mut reader = self.reader().await?;
        let pool = match self {
            Self::Sqlite(_) => {
                let last = Sql::new("SELECT last FROM revisions");
                return last.fetch_int(reader.conn()).await;
            }
            Self::Postgres(pool) => pool,
        };
        let last = Sql::new("SELECT last_value FROM revisions");
        if last.clone().fetch_int(reader.conn()).await? == since {
            return Ok(since);
        }
        drop(reader);
        let mut tx = pool.begin_with(postgres::WAIT_FOR_WRITERS).await?;
        let last = last.fetch_int(super::Conn::Postgres(&mut tx)).await?;
        tx.commit().await?;
        Ok(last)
    }

    /// What changed after `since`, of one farm or of all, the oldest change first; at most `limit`.
    /// `None` if `since` is not known any more, or not yet.
    pub(crate) async fn changes(
        &self,
        since: Cursor,
        farm_id: Option<i64>,
        limit: i64,
    ) -> Result<Option<ChangeSet>, sqlx::Error> {
        let last = self.last_revision(since.revision).await?;
        let mut reader = self.reader().await?;
        let floor = Sql::new("SELECT floor FROM change_floor")
            .fetch_int(reader.conn())
            .await?;
        let is_forgotten = since.revision < floor && !since.is_first_pass;
        if is_forgotten || since.revision > last {
            return Ok(None);
        }
        let dialect = reader.conn().dialect();
        let mut changed: Vec<(i64, Changed)> = Vec::new();
        let end = |mut sql: Sql| {
            sql.push(" AND revision > ")
                .push_bind(since.revision)
                .push(" AND revision <= ")
                .push_bind(last)
                .push(" ORDER BY revision LIMIT ")
                // One more tells whether there is more.
                .push_bind(limit.saturating_add(1));
            sql
        };

        let mut farms = Sql::new("SELECT * FROM farms WHERE TRUE");
        if let Some(farm_id) = farm_id {
            farms.push(" AND id = ").push_bind(farm_id);
        }
        for row in end(farms).fetch_all(reader.conn()).await? {
            let farm = farms::from_row(&row)?;
            changed.push((row.get("revision")?, Changed::Farm(Box::new(farm))));
        }

        let nodes = match farm_id {
            // A farm has few nodes; they need not be in order.
            Some(farm_id) => {
                let mut nodes = Sql::new(format!(
                    "SELECT * FROM nodes{} CROSS JOIN node_pulse \
                     WHERE node = id AND NOT deleted AND farm_id = ",
                    dialect.indexed_by("nodes_farm")
                ));
                nodes.push_bind(farm_id);
                nodes
            }
            None => Sql::new(format!(
                "SELECT * FROM node_pulse{} CROSS JOIN nodes WHERE id = node AND NOT deleted",
                dialect.indexed_by("node_pulse_revision")
            )),
        };
        for row in end(nodes).fetch_all(reader.conn()).await? {
            let node = NodeRecord::from_row(&row)?;
            changed.push((row.get("revision")?, Changed::Node(Box::new(node))));
        }

        // Whoever knows nothing misses nothing.
        if since != Cursor::START {
            let mut tombstones = Sql::new("SELECT * FROM tombstones WHERE TRUE");
            if let Some(farm_id) = farm_id {
                tombstones.push(" AND farm_id = ").push_bind(farm_id);
            }
            // It may be back, or in another farm only.
            tombstones.push(
                " AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = tombstones.gone \
                 AND tombstones.kind = 'node' AND NOT nodes.deleted",
            );
            if let Some(farm_id) = farm_id {
                tombstones.push(" AND nodes.farm_id = ").push_bind(farm_id);
            }
            tombstones.push(")");
            for row in end(tombstones).fetch_all(reader.conn()).await? {
                changed.push((row.get("revision")?, Changed::Gone(gone(&row)?)));
            }
        }

        changed.sort_by_key(|(revision, _)| *revision);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = changed.len() > limit;
        changed.truncate(limit);
        let revision = match changed.last() {
            Some((revision, _)) if more => *revision,
            _ => last,
        };
        let mut set = ChangeSet {
            cursor: Cursor {
                revision,
                is_first_pass: since.is_first_pass && more,
            },
            more,
            farms: Vec::new(),
            nodes: Vec::new(),
            gone: Vec::new(),
        };
        for (_, changed) in changed {
            match changed {
                Changed::Farm(farm) => set.farms.push(*farm),
                Changed::Node(node) => set.nodes.push(*node),
                Changed::Gone(gone) => set.gone.push(gone),
            }
        }
        Ok(Some(set))
    }
}

impl WriteTx {
    /// Remembers that a node is gone from its farm, and forgets what is gone for long.
    pub(super) async fn bury(&mut self, node_id: &str, now: i64) -> Result<(), sqlx::Error> {
        let before = now.saturating_sub(REMEMBERED_SECS);
        Sql::new(
            "UPDATE change_floor SET floor = (\
                 SELECT coalesce(max(revision), floor) FROM tombstones WHERE created < $1) \
             WHERE EXISTS (SELECT 1 FROM tombstones WHERE created < $1)",
        )
        .bind(before)
        .execute(self.conn())
        .await?;
        Sql::new("DELETE FROM tombstones WHERE created < $1")
            .bind(before)
            .execute(self.conn())
            .await?;
        Sql::new(
            "INSERT INTO tombstones (kind, gone, node_id, farm_id, created) \
             SELECT 'node', id, node_id, farm_id, $2 FROM nodes WHERE node_id = $1",
        )
        .bind(node_id)
        .bind(now)
        .execute(self.conn())
        .await
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_the_wire_and_grow() {
        assert_eq!(Cursor::from_number(0), Cursor::START);
        let mut before = 0;
        for (revision, is_first_pass) in [(0, true), (3, true), (7, true), (9, false), (9, false)] {
            let cursor = Cursor {
                revision,
                is_first_pass,
            };
            let number = cursor.to_number();
            assert_eq!(Cursor::from_number(number), cursor);
            assert!(number >= before);
            before = number;
        }
    }
}
