//! Writing: everything, or what changed.

use std::collections::{BTreeSet, HashMap};

use sqlx::{Row as _, Sqlite, Transaction};

use super::history::{self, Known, resources_of, state_of};
use super::{CacheError, Source, from_sql, to_sql};
use crate::client::{Client, Error, FarmFilter, NodeFilter, PageRequest, Response};
use crate::clock::{Clock, UnixTime};
use crate::sign::Signer;
use crate::wire::{Changes, Farm, GoneKind, Node};

/// Entries asked for at once.
const CHANGES_PAGE: u32 = 5000;
const LIST_PAGE: u32 = 1000;

/// How far a refresh has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Farms and nodes that were read.
    pub entries: u64,
    /// How many there will be, where the server says so.
    pub of: Option<u64>,
}

/// What a refresh did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// The server told what changed: so many entries.
    Changes(u64),
    /// Everything was read: so many entries.
    Everything(u64),
}

/// A refresh that did not come to its end. What was there before is there still.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The directory.
    #[error(transparent)]
    Directory(#[from] Error),
    /// The cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

impl Source {
    /// Brings the cache up to date with the directory behind `client`. A signer's own farms are
    /// seen as their owner sees them.
    ///
    /// # Errors
    /// As [`RefreshError`] lists them.
    pub async fn refresh(
        &self,
        client: &Client,
        signer: Option<&Signer>,
        clock: &dyn Clock,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Refreshed, RefreshError> {
        let revision = self.revision().await?;
        if revision > 0 {
            match self
                .follow(client, signer, (revision, None), clock, progress)
                .await
            {
                Ok(entries) => {
                    self.refreshed_at(clock.now()).await?;
                    return Ok(Refreshed::Changes(entries));
                }
                // Away for too long, or another server stands at this address now.
                Err(RefreshError::Directory(
                    Error::Status { status: 410, .. } | Error::NotSupported { .. },
                )) => {}
                Err(error) => return Err(error),
            }
        }
        let generation = self.next_generation().await?;
        let entries = match self
            .follow(client, signer, (0, Some(generation)), clock, progress)
            .await
        {
            Ok(entries) => entries,
            Err(RefreshError::Directory(Error::NotSupported { .. })) => {
                self.read_lists(client, signer, generation, clock, progress)
                    .await?
            }
            Err(error) => return Err(error),
        };
        self.forget_older(generation, clock.now()).await?;
        Ok(Refreshed::Everything(entries))
    }

    /// Takes a whole list of nodes as what the directory has now. Farms stay as they are.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn store_nodes(&self, nodes: &[Node], now: UnixTime) -> Result<(), CacheError> {
        let generation = self.next_generation().await?;
        let mut change = self.begin().await?;
        for chunk in nodes.chunks(LIST_PAGE as usize) {
            change.put_nodes(chunk, generation, now).await?;
        }
        change.commit().await?;
        // A list has no revision to go on from.
        self.set_revision(0).await?;
        let done = sqlx::query("UPDATE farms SET generation = $2 WHERE source = $1")
            .bind(self.id)
            .bind(generation)
            .execute(&self.cache.writer)
            .await;
        done.map_err(|error| self.cache.failed(error))?;
        self.forget_older(generation, now).await
    }

    /// Follows changes from a revision to the last one; with a generation, everything is read.
    async fn follow(
        &self,
        client: &Client,
        signer: Option<&Signer>,
        (since, generation): (u64, Option<i64>),
        clock: &dyn Clock,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<u64, RefreshError> {
        let mut since = since;
        let mut entries = 0;
        let stamp = match generation {
            Some(generation) => generation,
            None => self.generation().await?,
        };
        while let Some(changes) = client
            .changes(since, self.farm_id, CHANGES_PAGE, signer)
            .await?
        {
            let Changes {
                revision,
                more,
                farms,
                nodes,
                gone,
            } = changes;
            entries += (farms.len() + nodes.len() + gone.len()) as u64;
            let mut change = self.begin().await?;
            // What moved out of the farm that is followed is gone from it.
            let stays = |node: &&Node| self.farm_id.is_none_or(|farm| node.farm_id == farm);
            let (here, moved): (Vec<&Node>, Vec<&Node>) =
                nodes.iter().filter(|node| !node.deleted).partition(stays);
            let deleted = nodes.iter().filter(|node| node.deleted);
            change.put_farms(&farms, stamp).await?;
            change.put_nodes(here, stamp, clock.now()).await?;
            for node in moved.into_iter().chain(deleted) {
                change.remove_node(node.id).await?;
            }
            for gone in gone {
                match gone.kind {
                    GoneKind::Farm => change.remove_farm(gone.id).await?,
                    GoneKind::Node => change.remove_node(gone.id).await?,
                }
            }
            // Reading everything only counts when it is complete.
            if generation.is_none() || !more {
                change.set_revision(revision).await?;
            }
            change.commit().await?;
            progress(Progress { entries, of: None });
            if !more || revision <= since {
                break;
            }
            since = revision;
        }
        Ok(entries)
    }

    /// Reads the lists of farms and nodes, page by page.
    async fn read_lists(
        &self,
        client: &Client,
        signer: Option<&Signer>,
        generation: i64,
        clock: &dyn Clock,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<u64, RefreshError> {
        let mut entries = 0;
        self.set_revision(0).await?;
        if let Some(id) = self.farm_id {
            let farm = client.farm(id, signer).await?.value;
            let mut change = self.begin().await?;
            change.put_farms([&farm], generation).await?;
            change.commit().await?;
            entries += 1;
        } else {
            for page in 1.. {
                let page = PageRequest {
                    page,
                    size: LIST_PAGE,
                };
                let answer = client.farms(&FarmFilter::default(), page, signer).await?;
                let mut change = self.begin().await?;
                change.put_farms(&answer.value, generation).await?;
                change.commit().await?;
                entries += answer.value.len() as u64;
                progress(Progress { entries, of: None });
                if is_last(&answer, page) {
                    break;
                }
            }
        }
        let before = entries;
        let filter = NodeFilter {
            farm_id: self.farm_id,
            ..NodeFilter::default()
        };
        for page in 1.. {
            let page = PageRequest {
                page,
                size: LIST_PAGE,
            };
            let answer = client.nodes(&filter, page, signer).await?;
            let mut change = self.begin().await?;
            change
                .put_nodes(&answer.value, generation, clock.now())
                .await?;
            change.commit().await?;
            entries += answer.value.len() as u64;
            let of = answer
                .pages
                .map(|pages| before + pages.saturating_mul(u64::from(LIST_PAGE)));
            progress(Progress { entries, of });
            if is_last(&answer, page) {
                break;
            }
        }
        Ok(entries)
    }

    async fn revision(&self) -> Result<u64, CacheError> {
        self.number("SELECT revision FROM sources WHERE id = $1")
            .await
            .map(from_sql)
    }

    async fn generation(&self) -> Result<i64, CacheError> {
        self.number("SELECT generation FROM sources WHERE id = $1")
            .await
    }

    async fn next_generation(&self) -> Result<i64, CacheError> {
        let sql =
            "UPDATE sources SET generation = generation + 1 WHERE id = $1 RETURNING generation";
        self.number(sql).await
    }

    async fn number(&self, sql: &'static str) -> Result<i64, CacheError> {
        let row = sqlx::query(sql)
            .bind(self.id)
            .fetch_one(&self.cache.writer)
            .await;
        row.and_then(|row| row.try_get(0))
            .map_err(|error| self.cache.failed(error))
    }

    async fn set_revision(&self, revision: u64) -> Result<(), CacheError> {
        let mut change = self.begin().await?;
        change.set_revision(revision).await?;
        change.commit().await
    }

    async fn refreshed_at(&self, now: UnixTime) -> Result<(), CacheError> {
        let done = sqlx::query("UPDATE sources SET refreshed = $2 WHERE id = $1")
            .bind(self.id)
            .bind(now.secs)
            .execute(&self.cache.writer)
            .await;
        done.map(drop).map_err(|error| self.cache.failed(error))
    }

    /// Everything was read: what was not seen is gone.
    async fn forget_older(&self, generation: i64, now: UnixTime) -> Result<(), CacheError> {
        let mut change = self.begin().await?;
        let forgotten = async {
            sqlx::query("DELETE FROM farms WHERE source = $1 AND generation < $2")
                .bind(self.id)
                .bind(generation)
                .execute(&mut *change.tx)
                .await?;
            sqlx::query("DELETE FROM nodes WHERE source = $1 AND generation < $2 RETURNING farm_id")
                .bind(self.id)
                .bind(generation)
                .fetch_all(&mut *change.tx)
                .await?
                .iter()
                .map(|row| row.try_get("farm_id"))
                .collect::<Result<Vec<i64>, sqlx::Error>>()
        };
        let farms = forgotten.await.map_err(|error| self.cache.failed(error))?;
        change.touched.extend(farms);
        change.commit().await?;
        self.refreshed_at(now).await
    }

    async fn begin(&self) -> Result<Change<'_>, CacheError> {
        let tx = self.cache.writer.begin_with("BEGIN IMMEDIATE").await;
        Ok(Change {
            tx: tx.map_err(|error| self.cache.failed(error))?,
            source: self,
            touched: BTreeSet::new(),
        })
    }
}

fn is_last<T>(answer: &Response<Vec<T>>, page: PageRequest) -> bool {
    answer.value.is_empty() || u64::from(page.page) >= answer.pages.unwrap_or(1)
}

/// Changes of one source that become visible together, totals included.
struct Change<'a> {
    tx: Transaction<'static, Sqlite>,
    source: &'a Source,
    /// Farms whose totals have to be counted again.
    touched: BTreeSet<i64>,
}

impl Change<'_> {
    fn failed(&self, error: sqlx::Error) -> CacheError {
        self.source.cache.failed(error)
    }

    async fn set_revision(&mut self, revision: u64) -> Result<(), CacheError> {
        let done = sqlx::query("UPDATE sources SET revision = $2 WHERE id = $1")
            .bind(self.source.id)
            .bind(to_sql(revision))
            .execute(&mut *self.tx)
            .await;
        done.map(drop).map_err(|error| self.failed(error))
    }

    async fn put_farms(
        &mut self,
        farms: impl IntoIterator<Item = &Farm>,
        generation: i64,
    ) -> Result<(), CacheError> {
        let rows: Vec<(i64, &Farm)> = farms.into_iter().map(|f| (to_sql(f.id), f)).collect();
        // One statement for all of them: rows travel as JSON.
        let done = sqlx::query(
            "INSERT INTO farms (source, id, generation, body) \
             SELECT $1, value ->> 0, $2, value -> 1 FROM json_each($3) WHERE true \
             ON CONFLICT DO UPDATE SET generation = excluded.generation, body = excluded.body",
        )
        .bind(self.source.id)
        .bind(generation)
        .bind(json(&rows).map_err(|error| self.failed(error))?)
        .execute(&mut *self.tx)
        .await;
        done.map(drop).map_err(|error| self.failed(error))
    }

    async fn put_nodes(
        &mut self,
        nodes: impl IntoIterator<Item = &Node>,
        generation: i64,
        now: UnixTime,
    ) -> Result<(), CacheError> {
        let nodes: Vec<&Node> = nodes.into_iter().collect();
        if nodes.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = nodes.iter().map(|node| node.node_id.to_string()).collect();
        let rows: Vec<_> = nodes
            .iter()
            .zip(&ids)
            .map(|(node, id)| row(node, id))
            .collect();
        self.touched
            .extend(nodes.iter().map(|node| to_sql(node.farm_id)));
        let (ids, rows) = (json(&ids), json(&rows));
        let done = async {
            // CROSS JOIN: SQLite keeps the order, and looks each id up instead of scanning.
            let known = sqlx::query(
                "SELECT node_id, farm_id, state, reported, uptime, cru, mru, sru, hru \
                 FROM json_each($2) AS ids CROSS JOIN nodes \
                 ON nodes.source = $1 AND nodes.node_id = ids.value",
            )
            .bind(self.source.id)
            .bind(ids?)
            .fetch_all(&mut *self.tx)
            .await?;
            let known: HashMap<String, Known> =
                known.iter().map(Known::read).collect::<Result<_, _>>()?;
            // A node that moved leaves a farm whose totals change too.
            self.touched.extend(known.values().map(|node| node.farm_id));
            history::put_events(&mut self.tx, self.source.id, &nodes, &known, now).await?;
            sqlx::query(
                "INSERT INTO nodes (source, generation, id, node_id, farm_id, hostname, country, \
                 city, state, reported, uptime, cru, mru, sru, hru, body) \
                 SELECT $1, $2, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, \
                 value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, \
                 value ->> 11, value ->> 12, value -> 13 FROM json_each($3) WHERE true \
                 ON CONFLICT (source, node_id) DO UPDATE SET generation = excluded.generation, \
                 id = excluded.id, farm_id = excluded.farm_id, hostname = excluded.hostname, \
                 country = excluded.country, city = excluded.city, state = excluded.state, \
                 reported = excluded.reported, uptime = excluded.uptime, cru = excluded.cru, \
                 mru = excluded.mru, sru = excluded.sru, hru = excluded.hru, body = excluded.body",
            )
            .bind(self.source.id)
            .bind(generation)
            .bind(rows?)
            .execute(&mut *self.tx)
            .await
        };
        let done: Result<_, sqlx::Error> = done.await;
        done.map(drop).map_err(|error| self.failed(error))
    }

    async fn remove_node(&mut self, id: u64) -> Result<(), CacheError> {
        let removed =
            sqlx::query("DELETE FROM nodes WHERE source = $1 AND id = $2 RETURNING farm_id")
                .bind(self.source.id)
                .bind(to_sql(id))
                .fetch_optional(&mut *self.tx)
                .await;
        let farm = removed.and_then(|row| row.map(|row| row.try_get("farm_id")).transpose());
        self.touched.extend(
            farm.map_err(|error| self.failed(error))?
                .into_iter()
                .collect::<Vec<i64>>(),
        );
        Ok(())
    }

    async fn remove_farm(&mut self, id: u64) -> Result<(), CacheError> {
        let done = sqlx::query("DELETE FROM farms WHERE source = $1 AND id = $2")
            .bind(self.source.id)
            .bind(to_sql(id))
            .execute(&mut *self.tx)
            .await;
        done.map(drop).map_err(|error| self.failed(error))
    }

    async fn commit(mut self) -> Result<(), CacheError> {
        let touched = std::mem::take(&mut self.touched);
        let source = self.source;
        let done = async {
            let touched = json(&touched)?;
            sqlx::query(
                "DELETE FROM totals WHERE source = $1 AND farm_id IN \
                 (SELECT value FROM json_each($2))",
            )
            .bind(source.id)
            .bind(&touched)
            .execute(&mut *self.tx)
            .await?;
            sqlx::query(
                "INSERT INTO totals (source, farm_id, nodes, pending, blocked, cru, mru, sru, hru) \
                 SELECT $1, farm_id, COUNT(*), SUM(state = 'pending'), SUM(state = 'blocked'), \
                 SUM(cru * (state = 'approved')), SUM(mru * (state = 'approved')), \
                 SUM(sru * (state = 'approved')), SUM(hru * (state = 'approved')) \
                 FROM nodes WHERE source = $1 AND farm_id IN (SELECT value FROM json_each($2)) \
                 GROUP BY farm_id",
            )
            .bind(source.id)
            .bind(&touched)
            .execute(&mut *self.tx)
            .await?;
            self.tx.commit().await
        };
        done.await.map_err(|error| source.cache.failed(error))
    }
}

/// A node's columns in the order of the statement that inserts them.
fn row<'a>(node: &'a Node, id: &'a str) -> impl serde::Serialize + use<'a> {
    let [cru, mru, sru, hru] = resources_of(node);
    let reported = if node.uptime > 0 { node.updated.0 } else { 0 };
    (
        to_sql(node.id),
        id,
        to_sql(node.farm_id),
        &node.hostname,
        &node.location.country,
        &node.location.city,
        state_of(node),
        reported,
        node.uptime,
        cru,
        mru,
        sru,
        hru,
        node,
    )
}

fn json(value: &impl serde::Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}
