//! Reading: pages of nodes, farms, and totals.

use hw_probe::capacity::Capacity;
use hw_probe::units::Bytes;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::{CacheError, Source, from_sql, to_sql};
use crate::clock::UnixTime;
use crate::wire::{Farm, Node, NodeState};

/// Which nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeQuery {
    /// Of this farm.
    pub farm_id: Option<u64>,
    /// In exactly this country.
    pub country: Option<String>,
    /// In exactly this city.
    pub city: Option<String>,
    /// About which the owner said this.
    pub state: Option<NodeState>,
    /// With this text in host name or id; case of ASCII letters does not matter.
    pub text: Option<String>,
}

/// By what nodes are sorted. Equal ones follow by their serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SortBy {
    /// Order of registration.
    #[default]
    Id,
    /// Farm.
    Farm,
    /// Time of the last report.
    Reported,
    /// Host name.
    Hostname,
    /// Country, then city.
    Place,
    /// Logical CPUs.
    Cru,
    /// Memory.
    Mru,
    /// SSD.
    Sru,
    /// HDD.
    Hru,
}

/// An order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Sort {
    /// By what.
    pub by: SortBy,
    /// The largest first.
    pub descending: bool,
}

/// Part of a sorted list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// How many the whole list has.
    pub total: u64,
}

/// Sums over nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// All nodes.
    pub nodes: u64,
    /// About which the owner has not said anything.
    pub pending: u64,
    /// Which the owner refuses.
    pub blocked: u64,
    /// What approved nodes have.
    pub capacity: Capacity,
}

impl SortBy {
    const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Id => &["id"],
            Self::Farm => &["farm_id", "id"],
            Self::Reported => &["reported", "id"],
            Self::Hostname => &["hostname", "id"],
            Self::Place => &["country", "city", "id"],
            Self::Cru => &["cru", "id"],
            Self::Mru => &["mru", "id"],
            Self::Sru => &["sru", "id"],
            Self::Hru => &["hru", "id"],
        }
    }
}

impl Sort {
    pub(super) fn push_to(self, sql: &mut QueryBuilder<Sqlite>) {
        let direction = if self.descending { " DESC" } else { "" };
        for (index, column) in self.by.columns().iter().enumerate() {
            sql.push(if index > 0 { ", " } else { "" })
                .push(*column)
                .push(direction);
        }
    }
}

impl NodeQuery {
    fn is_of_farm_only(&self) -> bool {
        let Self {
            farm_id: _,
            country,
            city,
            state,
            text,
        } = self;
        country.is_none() && city.is_none() && state.is_none() && text.is_none()
    }

    fn push_to(&self, sql: &mut QueryBuilder<Sqlite>, source: i64) {
        sql.push(" FROM nodes WHERE source = ").push_bind(source);
        if let Some(farm) = self.farm_id {
            sql.push(" AND farm_id = ").push_bind(to_sql(farm));
        }
        if let Some(country) = &self.country {
            sql.push(" AND country = ").push_bind(country.clone());
        }
        if let Some(city) = &self.city {
            sql.push(" AND city = ").push_bind(city.clone());
        }
        if let Some(state) = self.state {
            sql.push(" AND state = ").push_bind(state.as_str());
        }
        if let Some(text) = &self.text {
            let text = text.to_ascii_lowercase();
            sql.push(" AND (instr(lower(hostname), ")
                .push_bind(text.clone())
                .push(") > 0 OR instr(lower(node_id), ")
                .push_bind(text)
                .push(") > 0)");
        }
    }
}

impl Source {
    /// Nodes `offset..offset + limit` of the sorted list, and how long that is.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn page(
        &self,
        query: &NodeQuery,
        sort: Sort,
        offset: u64,
        limit: u32,
    ) -> Result<Page, CacheError> {
        let page = async {
            let mut sql = QueryBuilder::<Sqlite>::new("SELECT body");
            query.push_to(&mut sql, self.id);
            sql.push(" ORDER BY ");
            sort.push_to(&mut sql);
            sql.push(" LIMIT ").push_bind(i64::from(limit));
            sql.push(" OFFSET ").push_bind(to_sql(offset));
            let rows = sql.build().fetch_all(&self.cache.readers).await?;
            let nodes = rows.iter().map(body).collect::<Result<Vec<Node>, _>>()?;
            Ok::<_, sqlx::Error>(nodes)
        };
        let nodes = page.await.map_err(|error| self.cache.failed(error))?;
        let total = self.count(query).await?;
        Ok(Page { nodes, total })
    }

    /// How many nodes match.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn count(&self, query: &NodeQuery) -> Result<u64, CacheError> {
        if query.is_of_farm_only() {
            return Ok(self.totals(query.farm_id).await?.nodes);
        }
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT COUNT(*)");
        query.push_to(&mut sql, self.id);
        let row = sql.build().fetch_one(&self.cache.readers).await;
        row.and_then(|row| row.try_get::<i64, _>(0))
            .map(from_sql)
            .map_err(|error| self.cache.failed(error))
    }

    /// Sums over the nodes of one farm, or of all.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn totals(&self, farm_id: Option<u64>) -> Result<Totals, CacheError> {
        let totals = async {
            let mut sql = QueryBuilder::<Sqlite>::new("SELECT ");
            for (index, column) in ["nodes", "pending", "blocked", "cru", "mru", "sru", "hru"]
                .into_iter()
                .enumerate()
            {
                let comma = if index > 0 { ", " } else { "" };
                // TOTAL would be a float, SUM of nothing is NULL.
                sql.push(comma)
                    .push("COALESCE(SUM(")
                    .push(column)
                    .push("), 0)");
            }
            sql.push(" FROM totals WHERE source = ").push_bind(self.id);
            if let Some(farm) = farm_id {
                sql.push(" AND farm_id = ").push_bind(to_sql(farm));
            }
            let row = sql.build().fetch_one(&self.cache.readers).await?;
            let number = |index: usize| row.try_get::<i64, _>(index).map(from_sql);
            Ok::<_, sqlx::Error>(Totals {
                nodes: number(0)?,
                pending: number(1)?,
                blocked: number(2)?,
                capacity: Capacity {
                    cru: number(3)?,
                    mru_bytes: Bytes(number(4)?),
                    sru_bytes: Bytes(number(5)?),
                    hru_bytes: Bytes(number(6)?),
                },
            })
        };
        totals.await.map_err(|error| self.cache.failed(error))
    }

    /// How many nodes have reported, but not since this moment: with the totals, how many are up,
    /// late and down. [`Source::never_reported`] counts the others.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn silent_since(
        &self,
        farm_id: Option<u64>,
        moment: UnixTime,
    ) -> Result<u64, CacheError> {
        self.count_reported(farm_id, 1, moment.secs).await
    }

    /// How many nodes have never reported.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn never_reported(&self, farm_id: Option<u64>) -> Result<u64, CacheError> {
        self.count_reported(farm_id, 0, 1).await
    }

    async fn count_reported(
        &self,
        farm_id: Option<u64>,
        from: i64,
        before: i64,
    ) -> Result<u64, CacheError> {
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT COUNT(*) FROM nodes WHERE source = ");
        sql.push_bind(self.id);
        if let Some(farm) = farm_id {
            sql.push(" AND farm_id = ").push_bind(to_sql(farm));
        }
        sql.push(" AND reported >= ").push_bind(from);
        sql.push(" AND reported < ").push_bind(before);
        let row = sql.build().fetch_one(&self.cache.readers).await;
        row.and_then(|row| row.try_get::<i64, _>(0))
            .map(from_sql)
            .map_err(|error| self.cache.failed(error))
    }

    /// One farm; `None` if the cache has none of this number.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn farm(&self, farm_id: u64) -> Result<Option<Farm>, CacheError> {
        let row = sqlx::query("SELECT body FROM farms WHERE source = $1 AND id = $2")
            .bind(self.id)
            .bind(to_sql(farm_id))
            .fetch_optional(&self.cache.readers)
            .await;
        row.and_then(|row| row.as_ref().map(body).transpose())
            .map_err(|error| self.cache.failed(error))
    }

    /// Farms that have nodes but are not in the directory, in order of their numbers.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn missing_farms(&self) -> Result<Vec<u64>, CacheError> {
        let rows = sqlx::query(
            "SELECT farm_id FROM totals WHERE source = $1 AND nodes > 0 AND farm_id NOT IN \
             (SELECT id FROM farms WHERE source = $1) ORDER BY farm_id",
        )
        .bind(self.id)
        .fetch_all(&self.cache.readers)
        .await;
        rows.and_then(|rows| {
            let ids = rows.iter().map(|row| row.try_get("farm_id").map(from_sql));
            ids.collect()
        })
        .map_err(|error| self.cache.failed(error))
    }

    /// Farms `offset..offset + limit` in order of their numbers.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn farms(&self, offset: u64, limit: u32) -> Result<Vec<Farm>, CacheError> {
        let rows =
            sqlx::query("SELECT body FROM farms WHERE source = $1 ORDER BY id LIMIT $2 OFFSET $3")
                .bind(self.id)
                .bind(i64::from(limit))
                .bind(to_sql(offset))
                .fetch_all(&self.cache.readers)
                .await;
        rows.and_then(|rows| rows.iter().map(body).collect())
            .map_err(|error| self.cache.failed(error))
    }
}

pub(super) fn body<T: serde::de::DeserializeOwned>(row: &SqliteRow) -> Result<T, sqlx::Error> {
    let text: &str = row.try_get("body")?;
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}
