//! Reading what a table shows of a node, without its whole body.

use hw_probe::capacity::Capacity;
use hw_probe::text::Untrusted;
use hw_probe::units::Bytes;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::page::body;
use super::{CacheError, Sort, Source, from_sql, to_sql};
use crate::identity::NodeId;
use crate::wire::{Date, MacAddr, Node, NodeState};

/// Nodes read in one statement: few enough that a program with one thread stays responsive.
const CHUNK: i64 = 500;

/// The columns, with what is only in the body. SQLite parses a body once for all of them.
const SELECT: &str = "SELECT id, node_id, farm_id, hostname, country, city, state, reported, \
    uptime, cru, mru, sru, hru, body ->> '$.os_version' AS os, body ->> '$.created' AS created, \
    body ->> '$.free_to_use' AS free, body ->> '$.two_boards' AS two_boards, COALESCE(\
    json_array_length(body, '$.hardware.inventory.disks'), \
    json_array_length(body, '$.hardware.disks')) AS disks, COALESCE(\
    body ->> '$.hardware.inventory.virtualisation.is_virtual', \
    body ->> '$.hardware.virtualisation.is_virtual') AS virtual, COALESCE(\
    NULLIF(body ->> '$.node_id_v1', ''), body ->> '$.ifaces[0].macaddress') AS mac, COALESCE(\
    body ->> '$.hardware.inventory.board.serial', \
    body ->> '$.hardware.board.serial') AS board FROM nodes WHERE source = ";

/// A node as a line of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSummary {
    /// Serial number in the directory.
    pub id: u64,
    /// Its identity.
    pub node_id: NodeId,
    /// Its farm.
    pub farm_id: u64,
    /// Host name it gave.
    pub hostname: Untrusted,
    /// Country.
    pub country: Untrusted,
    /// City.
    pub city: Untrusted,
    /// Operating system.
    pub os_version: Untrusted,
    /// What the owner decided.
    pub state: NodeState,
    /// First registration.
    pub created: Date,
    /// Last uptime report; unset before the first.
    pub reported: Date,
    /// Seconds since boot, as of that report.
    pub uptime_seconds: i64,
    /// What it has.
    pub capacity: Capacity,
    /// Whether the farmer accepts FreeTFT.
    pub free_to_use: bool,
    /// Block devices it has; told to the owner only.
    pub disks: Option<u64>,
    /// Whether it is a virtual machine; told to the owner only.
    pub is_virtual: Option<bool>,
    /// Hardware address of its first network card.
    pub mac: Option<MacAddr>,
    /// Serial number of its mainboard; told to the owner only.
    pub board_serial: Option<Untrusted>,
    /// Whether its identity was seen from two boards; told to the owner only.
    pub two_boards: bool,
}

impl Source {
    /// The first nodes of the sorted list.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn first_summaries(
        &self,
        sort: Sort,
        limit: u32,
    ) -> Result<Vec<NodeSummary>, CacheError> {
        let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
        sql.push_bind(self.id).push(" ORDER BY ");
        sort.push_to(&mut sql);
        sql.push(" LIMIT ").push_bind(i64::from(limit));
        let rows = sql.build().fetch_all(&self.cache.readers).await;
        rows.and_then(|rows| rows.iter().map(summary).collect())
            .map_err(|error| self.cache.failed(error))
    }

    /// Hands every node to `take`, in order of registration. Memory for one chunk is used, and given
    /// back at the end.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn each_summary(
        &self,
        take: &mut (dyn FnMut(NodeSummary) + Send),
    ) -> Result<(), CacheError> {
        let read = async {
            let mut reader = self.cache.readers.acquire().await?;
            let mut after = -1_i64;
            loop {
                let mut sql = QueryBuilder::<Sqlite>::new(SELECT);
                sql.push_bind(self.id)
                    .push(" AND id > ")
                    .push_bind(after)
                    .push(" ORDER BY id LIMIT ")
                    .push_bind(CHUNK);
                let rows = sql.build().fetch_all(&mut *reader).await?;
                for row in &rows {
                    let summary = summary(row)?;
                    after = to_sql(summary.id);
                    take(summary);
                }
                if i64::try_from(rows.len()).is_ok_and(|count| count < CHUNK) {
                    break;
                }
            }
            sqlx::query("PRAGMA shrink_memory")
                .execute(&mut *reader)
                .await?;
            Ok(())
        };
        let done: Result<(), sqlx::Error> = read.await;
        done.map_err(|error| self.cache.failed(error))
    }

    /// One node; `None` if the cache has none of this id.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn node(&self, node_id: NodeId) -> Result<Option<Node>, CacheError> {
        let row = sqlx::query("SELECT body FROM nodes WHERE source = $1 AND node_id = $2")
            .bind(self.id)
            .bind(node_id.to_string())
            .fetch_optional(&self.cache.readers)
            .await;
        row.and_then(|row| row.as_ref().map(body).transpose())
            .map_err(|error| self.cache.failed(error))
    }
}

/// A hardware address, with colons or as grid v1 wrote it, without.
#[must_use]
pub fn first_mac(text: &str) -> Option<MacAddr> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    let number = u64::from_str_radix(&digits, 16).ok()?;
    let [0, 0, mac @ ..] = number.to_be_bytes() else {
        return None;
    };
    (digits.len() == 12 && number > 0).then_some(MacAddr(mac))
}

fn summary(row: &SqliteRow) -> Result<NodeSummary, sqlx::Error> {
    let number = |name: &str| row.try_get::<i64, _>(name);
    let text = |name: &str| row.try_get::<&str, _>(name);
    let wrong = |what: &str| sqlx::Error::Decode(format!("{what} of a node").into());
    let state = match text("state")? {
        "pending" => NodeState::Pending,
        "approved" => NodeState::Approved,
        "blocked" => NodeState::Blocked,
        _ => return Err(wrong("state")),
    };
    let some = |name: &str| row.try_get::<Option<i64>, _>(name);
    Ok(NodeSummary {
        id: from_sql(number("id")?),
        node_id: text("node_id")?.parse().map_err(|_| wrong("node_id"))?,
        farm_id: from_sql(number("farm_id")?),
        hostname: text("hostname")?.into(),
        country: text("country")?.into(),
        city: text("city")?.into(),
        os_version: row
            .try_get::<Option<&str>, _>("os")?
            .unwrap_or_default()
            .into(),
        state,
        created: Date(some("created")?.unwrap_or(0)),
        reported: Date(number("reported")?),
        uptime_seconds: number("uptime")?,
        capacity: Capacity {
            cru: from_sql(number("cru")?),
            mru_bytes: Bytes(from_sql(number("mru")?)),
            sru_bytes: Bytes(from_sql(number("sru")?)),
            hru_bytes: Bytes(from_sql(number("hru")?)),
        },
        free_to_use: some("free")?.is_some_and(|free| free != 0),
        disks: some("disks")?.map(from_sql),
        is_virtual: some("virtual")?.map(|value| value != 0),
        mac: row.try_get::<Option<&str>, _>("mac")?.and_then(first_mac),
        board_serial: row
            .try_get::<Option<&str>, _>("board")?
            .filter(|serial| !serial.is_empty())
            .map(Untrusted::from),
        two_boards: some("two_boards")?.is_some(),
    })
}
