//! Finding capacity: approved nodes with enough free, the best fit first.
//!
//! The best fit leaves the least unused. What is left is what is free minus what is wanted, and what
//! is wanted is the same for all: so the order is that of all that is free, as one number
//! (`free_weight`), and an index holds it. A search walks that index from the weight of what is
//! wanted on, and a page ends after [`WALK`] nodes, found or not. Where the first [`STEP`] of them do
//! not come near filling it, and one of the conditions alone leaves few nodes, those are sorted
//! instead.

use super::leads::{Lead, best};
use super::sql::{Dialect, Row, Sql, Value};
use super::{Store, from_sql};
use crate::wire::{Date, Offer};
use hw_probe::capacity::Capacity;
use hw_probe::units::Bytes;

/// So few rows are fetched and sorted.
const FEW: i64 = 500;
/// So many entries of an index that holds all that is asked for are passed and sorted.
const FEW_COVERED: i64 = 10_000;
/// Index entries of the first step of a walk; mostly it is enough.
const STEP: i64 = 1000;
/// Index entries a page walks along at most.
const WALK: i64 = 10_000;

/// What is wanted: minima of what is free, 0 for none.
#[derive(Debug, Default)]
pub(crate) struct CapacityQuery {
    pub(crate) cru: i64,
    pub(crate) mru_bytes: i64,
    pub(crate) sru_bytes: i64,
    pub(crate) hru_bytes: i64,
    pub(crate) country: Option<String>,
    pub(crate) city: Option<String>,
    pub(crate) farm_id: Option<i64>,
    pub(crate) free_to_use: bool,
    pub(crate) online: bool,
    /// Nodes that reported at or after this time are online.
    pub(crate) online_since: i64,
    /// Offers at most.
    pub(crate) limit: i64,
    /// Where the page before ended.
    pub(crate) after: Option<Place>,
}

/// A place in the order of fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) weight: i64,
    pub(crate) id: i64,
}

/// Offers, and where the next page begins: there may be one even if this one is not full.
#[derive(Debug)]
pub(crate) struct Offers {
    pub(crate) offers: Vec<Offer>,
    pub(crate) next: Option<Place>,
}

/// What the indexes of searches hold.
const COVERED: &str =
    "id, free_weight, free_cru, free_mru_bytes, free_sru_bytes, free_hru_bytes, free_to_use";

const COLUMNS: &str = "id, node_id, farm_id, country, city, updated, uptime_secs, free_to_use, \
    total_cru, total_mru_bytes, total_sru_bytes, total_hru_bytes, \
    free_cru, free_mru_bytes, free_sru_bytes, free_hru_bytes, free_weight";

impl CapacityQuery {
    fn minima(&self) -> [(&'static str, i64); 4] {
        [
            ("free_cru", self.cru),
            ("free_mru_bytes", self.mru_bytes),
            ("free_sru_bytes", self.sru_bytes),
            ("free_hru_bytes", self.hru_bytes),
        ]
    }

    /// As the schema weighs what is free: in MiB of memory, of which a processor is worth 4096, and
    /// 25 MiB of SSD or 250 MiB of HDD are worth one.
    fn weight(&self) -> i64 {
        let mib = 1 << 20;
        self.cru
            .saturating_mul(4096)
            .saturating_add(self.mru_bytes / mib)
            .saturating_add(self.sru_bytes / (25 * mib))
            .saturating_add(self.hru_bytes / (250 * mib))
    }

    /// The walk's index, and the conditions that are its own.
    fn walk(&self) -> (&'static str, &'static str, Option<Value>) {
        match &self.country {
            Some(country) => (
                "nodes_fit_country",
                "offered AND country = ",
                Some(country.into()),
            ),
            None if self.free_to_use => ("nodes_fit_free", "offered AND free_to_use", None),
            None => ("nodes_fit", "offered", None),
        }
    }

    /// Whether [`COVERED`] is enough to know the answers.
    fn is_covered(&self) -> bool {
        self.country.is_none() && self.city.is_none() && self.farm_id.is_none() && !self.online
    }

    fn leads(&self) -> Vec<Lead> {
        let few = if self.is_covered() { FEW_COVERED } else { FEW };
        let mut leads: Vec<Lead> = self
            .minima()
            .into_iter()
            .filter(|(_, least)| *least > 0)
            .map(|(column, least)| Lead::at_least("offered", column, least, few))
            .collect();
        if let Some(farm_id) = self.farm_id {
            leads.push(Lead::exactly("farm_id", farm_id, FEW));
        }
        if let Some(city) = &self.city {
            leads.push(Lead::exactly("city", city, FEW));
        }
        if self.online {
            leads.push(Lead {
                table: "node_pulse",
                id: "node",
                ..Lead::at_least("TRUE", "updated", self.online_since, FEW)
            });
        }
        leads
    }

    /// Everything that makes a node an answer, but the place.
    fn push_conditions(&self, sql: &mut Sql) {
        for (column, least) in self.minima() {
            if least > 0 {
                sql.push(&format!(" AND {column} >= ")).push_bind(least);
            }
        }
        if self.free_to_use {
            sql.push(" AND free_to_use");
        }
        for (term, text) in [
            (" AND country = ", &self.country),
            (" AND city = ", &self.city),
        ] {
            if let Some(text) = text {
                sql.push(term).push_bind(text);
            }
        }
        if let Some(farm_id) = self.farm_id {
            sql.push(" AND farm_id = ").push_bind(farm_id);
        }
        if self.online {
            sql.push(" AND updated >= ").push_bind(self.online_since);
        }
    }

    /// The answers among the rows of a lead.
    fn few(&self, lead: &Lead, dialect: Dialect, after: Place, limit: i64) -> Sql {
        let mut sql = Sql::new(format!(
            "SELECT {COLUMNS} FROM nodes{} CROSS JOIN node_pulse WHERE node = id AND ",
            dialect.by_row_id()
        ));
        if self.is_covered() {
            sql.push("id IN (SELECT id FROM (");
            lead.push_select(&mut sql, COVERED, lead.few);
            sql.push(") AS led WHERE TRUE");
        } else {
            sql.push("id IN (");
            lead.push_select(&mut sql, lead.id, lead.few);
            sql.push(") AND offered");
        }
        self.push_conditions(&mut sql);
        push_place(&mut sql, ">", after);
        sql.push(" ORDER BY free_weight, id LIMIT ")
            .push_bind(limit);
        if self.is_covered() {
            sql.push(") ORDER BY free_weight, id");
        }
        sql
    }

    /// The end of so many steps along the walk's index.
    fn end(&self, dialect: Dialect, after: Place, steps: i64) -> Sql {
        let mut sql = self.along("free_weight, id", "WHERE", dialect, after);
        sql.push(" ORDER BY free_weight, id LIMIT 1 OFFSET ")
            .push_bind(steps - 1);
        sql
    }

    /// The answers along the walk's index between two places.
    fn between(&self, dialect: Dialect, after: Place, until: Option<Place>, limit: i64) -> Sql {
        let with_pulse = "CROSS JOIN node_pulse WHERE node = id AND";
        let mut sql = self.along(COLUMNS, with_pulse, dialect, after);
        if let Some(until) = until {
            push_place(&mut sql, "<=", until);
        }
        self.push_conditions(&mut sql);
        sql.push(" ORDER BY free_weight, id LIMIT ")
            .push_bind(limit);
        sql
    }

    /// `SELECT what` of the walk's index behind a place.
    fn along(&self, what: &str, from: &str, dialect: Dialect, after: Place) -> Sql {
        let (index, within, value) = self.walk();
        let mut sql = Sql::new(format!(
            "SELECT {what} FROM nodes{} {from} {within}",
            dialect.indexed_by(index)
        ));
        if let Some(value) = value {
            sql.push_bind(value);
        }
        push_place(&mut sql, ">", after);
        sql
    }
}

fn push_place(sql: &mut Sql, relation: &str, place: Place) {
    sql.push(&format!(" AND (free_weight, id) {relation} ("))
        .push_bind(place.weight)
        .push(", ")
        .push_bind(place.id)
        .push(")");
}

fn place(row: &Row) -> Result<Place, sqlx::Error> {
    Ok(Place {
        weight: row.get("free_weight")?,
        id: row.get("id")?,
    })
}

fn offer(row: &Row, online_since: i64) -> Result<Offer, sqlx::Error> {
    let count = |column: &str| row.get::<i64, _>(column).map(from_sql);
    let capacity = |cru: &str, mru: &str, sru: &str, hru: &str| {
        Ok::<_, sqlx::Error>(Capacity {
            cru: count(cru)?,
            mru_bytes: Bytes(count(mru)?),
            sru_bytes: Bytes(count(sru)?),
            hru_bytes: Bytes(count(hru)?),
        })
    };
    let updated: i64 = row.get("updated")?;
    Ok(Offer {
        node_id: row
            .get::<String, _>("node_id")?
            .parse()
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        farm_id: count("farm_id")?,
        country: row.get::<String, _>("country")?.into(),
        city: row.get::<String, _>("city")?.into(),
        updated: Date(updated),
        uptime: row.get("uptime_secs")?,
        online: updated >= online_since,
        free_to_use: row.get("free_to_use")?,
        total: capacity(
            "total_cru",
            "total_mru_bytes",
            "total_sru_bytes",
            "total_hru_bytes",
        )?,
        free: capacity(
            "free_cru",
            "free_mru_bytes",
            "free_sru_bytes",
            "free_hru_bytes",
        )?,
    })
}

impl Store {
    /// A page of offers.
    pub(crate) async fn capacity(&self, wanted: &CapacityQuery) -> Result<Offers, sqlx::Error> {
        let mut reader = self.reader().await?;
        let dialect = reader.conn().dialect();
        let mut after = wanted.after.unwrap_or(Place {
            weight: wanted.weight(),
            id: 0,
        });
        let mut found: Vec<Row> = Vec::new();
        let mut steps = STEP;
        let next = loop {
            let end = wanted.end(dialect, after, steps);
            let end = end.fetch_optional(reader.conn()).await?;
            let end = end.as_ref().map(place).transpose()?;
            let missing = wanted.limit - i64::try_from(found.len()).unwrap_or(i64::MAX);
            let query = wanted.between(dialect, after, end, missing);
            let rows = query.fetch_all(reader.conn()).await?;
            let is_full = i64::try_from(rows.len()).unwrap_or(i64::MAX) >= missing;
            found.extend(rows);
            if is_full {
                break found.last().map(place).transpose()?;
            }
            let Some(end) = end else {
                break None;
            };
            if steps > STEP {
                break Some(end);
            }
            after = end;
            // Where a tenth of the page was found in a tenth of the walk, the rest is likely to be.
            let is_rich = found.len() * 10 >= usize::try_from(wanted.limit).unwrap_or(usize::MAX);
            if !is_rich && let Some(lead) = best(wanted.leads(), reader.conn()).await? {
                // One more tells whether there is a next page.
                let most = wanted.limit.saturating_add(1);
                let missing = most - i64::try_from(found.len()).unwrap_or(i64::MAX);
                let query = wanted.few(&lead, dialect, after, missing);
                found.extend(query.fetch_all(reader.conn()).await?);
                if found.len() <= usize::try_from(wanted.limit).unwrap_or(usize::MAX) {
                    break None;
                }
                found.pop();
                break found.last().map(place).transpose()?;
            }
            steps = WALK - STEP;
        };
        let offers = found.iter().map(|row| offer(row, wanted.online_since));
        Ok(Offers {
            offers: offers.collect::<Result<_, _>>()?,
            next,
        })
    }
}
