//! Lists of nodes, in order of id, with page numbers as the original has them.
//!
//! Page numbers ask for the rows at an offset and for the number of all: both mean passing every row
//! before or behind. All nodes together are counted in blocks; rows that match a filter are passed
//! in an index only, and counted up to [`COUNTED`] behind the page.

use super::leads::{Lead, best};
use super::nodes::NodeRecord;
use super::sql::{Conn, Sql};
use super::{Listed, Store, Window, from_sql};
use crate::wire::GIB;

/// So few rows are fetched and sorted.
const FEW: i64 = 2000;
/// So many entries of an index that holds all that is asked for are passed and sorted.
const FEW_COVERED: i64 = 10_000;
/// So many matches behind a page are counted: a list that has more says that it ends there, until
/// somebody comes near.
const COUNTED: i64 = 10_000;
/// Ids of a block, as in the schema.
const BLOCK: i64 = 1000;

/// Which nodes; resources are minima of the totals, in bytes (cru: a count).
#[derive(Debug, Default)]
pub(crate) struct NodeQuery {
    pub(crate) farm_id: Option<i64>,
    pub(crate) country: Option<String>,
    pub(crate) city: Option<String>,
    pub(crate) cru: Option<i64>,
    pub(crate) mru_gib: Option<i64>,
    pub(crate) sru_gib: Option<i64>,
    pub(crate) hru_gib: Option<i64>,
    /// Deleted ones too.
    pub(crate) deleted: bool,
}

impl NodeQuery {
    fn minima(&self) -> [(&'static str, Option<i64>); 4] {
        let gib = i64::try_from(GIB).unwrap_or(i64::MAX);
        let bytes = |least: Option<i64>| least.map(|least| least.saturating_mul(gib));
        [
            ("total_cru", self.cru),
            ("total_mru_bytes", bytes(self.mru_gib)),
            ("total_sru_bytes", bytes(self.sru_gib)),
            ("total_hru_bytes", bytes(self.hru_gib)),
        ]
    }

    fn is_everything(&self) -> bool {
        let Self {
            farm_id,
            country,
            city,
            deleted,
            ..
        } = self;
        let has_minima = self.minima().iter().any(|(_, least)| least.is_some());
        farm_id.is_none() && country.is_none() && city.is_none() && !deleted && !has_minima
    }

    /// The index that holds the matches, or at least all ids, in order of id.
    fn index(&self) -> &'static str {
        if self.farm_id.is_some() {
            "nodes_farm"
        } else if self.city.is_some() {
            "nodes_city"
        } else if self.country.is_some() {
            "nodes_country"
        } else {
            "nodes_ids"
        }
    }

    fn push_conditions(&self, sql: &mut Sql) {
        if !self.deleted {
            sql.push(" AND NOT deleted");
        }
        if let Some(farm_id) = self.farm_id {
            sql.push(" AND farm_id = ").push_bind(farm_id);
        }
        for (term, text) in [
            (" AND country = ", &self.country),
            (" AND city = ", &self.city),
        ] {
            if let Some(text) = text {
                sql.push(term).push_bind(text);
            }
        }
        for (column, least) in self.minima() {
            if let Some(least) = least {
                sql.push(&format!(" AND {column} >= ")).push_bind(least);
            }
        }
    }

    /// ` FROM nodes WHERE ...` by the best way there is.
    async fn matches(&self, mut conn: Conn<'_>) -> Result<Sql, sqlx::Error> {
        let dialect = conn.dialect();
        let minima = self.minima().into_iter();
        let has_place = self.farm_id.is_some() || self.city.is_some() || self.country.is_some();
        let few = if has_place { FEW } else { FEW_COVERED };
        let leads = minima
            .filter_map(|(column, least)| Some(Lead::at_least("TRUE", column, least?, few)))
            .collect();
        let lead = best(leads, conn.again()).await?;
        let index = match &lead {
            None => self.index(),
            Some(lead) => match lead.column {
                "total_cru" => "nodes_total_cru",
                "total_mru_bytes" => "nodes_total_mru",
                "total_sru_bytes" => "nodes_total_sru",
                _ => "nodes_total_hru",
            },
        };
        let mut sql = Sql::new(format!(
            " FROM nodes{} WHERE id > 0",
            dialect.indexed_by(index)
        ));
        self.push_conditions(&mut sql);
        Ok(sql)
    }
}

impl Store {
    /// Nodes that match, in order of id.
    pub(crate) async fn nodes(
        &self,
        wanted: &NodeQuery,
        window: Window,
    ) -> Result<Listed<NodeRecord>, sqlx::Error> {
        let mut reader = self.reader().await?;
        let (total, rows) = if wanted.is_everything() {
            let total = Sql::new("SELECT CAST(coalesce(sum(nodes), 0) AS BIGINT) FROM node_blocks")
                .fetch_int(reader.conn())
                .await?;
            let begin = Sql::new(
                "SELECT block, CAST(before AS BIGINT) AS before FROM (\
                     SELECT block, nodes, sum(nodes) OVER (ORDER BY block) - nodes AS before \
                     FROM node_blocks\
                 ) AS blocks WHERE before <= $1 AND before + nodes > $1",
            )
            .bind(window.offset)
            .fetch_optional(reader.conn())
            .await?;
            let rows = match begin {
                Some(row) => {
                    let (block, before): (i64, i64) = (row.get("block")?, row.get("before")?);
                    Sql::new(
                        "SELECT * FROM nodes JOIN node_pulse ON node = id WHERE id IN (\
                             SELECT id FROM nodes WHERE id >= $1 AND NOT deleted \
                             ORDER BY id LIMIT $2 OFFSET $3\
                         ) ORDER BY id",
                    )
                    .bind(block * BLOCK)
                    .bind(window.size)
                    .bind(window.offset - before)
                    .fetch_all(reader.conn())
                    .await?
                }
                None => Vec::new(),
            };
            (total, rows)
        } else {
            let matches = wanted.matches(reader.conn()).await?;
            let mut count = matches.after("SELECT count(*) FROM (SELECT 1");
            let most = window.offset.saturating_add(window.size);
            count
                .push(" LIMIT ")
                .push_bind(most.saturating_add(COUNTED))
                .push(") AS counted");
            let total = count.fetch_int(reader.conn()).await?;
            // Rows are fetched for the page only, not for what is passed before it.
            let mut page = matches
                .after("SELECT * FROM nodes JOIN node_pulse ON node = id WHERE id IN (SELECT id");
            page.push(" ORDER BY id LIMIT ")
                .push_bind(window.size)
                .push(" OFFSET ")
                .push_bind(window.offset)
                .push(") ORDER BY id");
            (total, page.fetch_all(reader.conn()).await?)
        };
        Ok(Listed {
            items: rows
                .iter()
                .map(NodeRecord::from_row)
                .collect::<Result<_, _>>()?,
            total: from_sql(total),
        })
    }
}
