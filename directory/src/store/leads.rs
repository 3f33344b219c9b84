//! Which index leads to few rows.
//!
//! A search with several minima has no index of its own; but often one of them alone leaves few
//! nodes. Each is counted in its index, up to its bound, and the one that leaves the fewest leads.

use super::sql::{Conn, Dialect, Sql, Value};

/// A condition that an index answers.
#[derive(Debug)]
pub(super) struct Lead {
    /// Table or view, and its column that holds the node's id.
    pub(super) table: &'static str,
    pub(super) id: &'static str,
    /// What is always true of the rows in the index.
    pub(super) within: &'static str,
    /// The column, how it compares, and with what.
    pub(super) column: &'static str,
    pub(super) relation: &'static str,
    pub(super) value: Value,
    /// Rows it may lead to.
    pub(super) few: i64,
}

impl Lead {
    /// Nodes whose column is at least the value, if they are so few.
    pub(super) fn at_least(
        within: &'static str,
        column: &'static str,
        least: i64,
        few: i64,
    ) -> Self {
        Self {
            table: "nodes",
            id: "id",
            within,
            column,
            relation: ">=",
            value: least.into(),
            few,
        }
    }

    /// Nodes whose column is the value, if they are so few.
    pub(super) fn exactly(column: &'static str, value: impl Into<Value>, few: i64) -> Self {
        Self {
            relation: "=",
            value: value.into(),
            ..Self::at_least("TRUE", column, 0, few)
        }
    }

    /// `SELECT what FROM ... LIMIT most`, with the value bound.
    pub(super) fn push_select(&self, sql: &mut Sql, what: &str, most: i64) {
        let Self {
            table,
            within,
            column,
            relation,
            value,
            ..
        } = self;
        sql.push(&format!(
            "SELECT {what} FROM {table} WHERE {within} AND {column} {relation} "
        ))
        .push_bind(value.clone())
        // The order keeps the planner on the index.
        .push(&format!(" ORDER BY {column} LIMIT "))
        .push_bind(most);
    }
}

/// The lead to the fewest rows, of those that lead to few.
pub(super) async fn best(
    mut leads: Vec<Lead>,
    conn: Conn<'_>,
) -> Result<Option<Lead>, sqlx::Error> {
    if leads.is_empty() {
        return Ok(None);
    }
    let mut sql = Sql::new("SELECT ");
    for (index, lead) in leads.iter().enumerate() {
        sql.push(if index == 0 { "" } else { ", " })
            .push("(SELECT count(*) FROM (");
        lead.push_select(&mut sql, "1", lead.few.saturating_add(1));
        sql.push(&format!(") AS lead{index})"));
    }
    let row = sql.fetch_one(conn).await?;
    let mut fewest: Option<(usize, i64)> = None;
    for (index, lead) in leads.iter().enumerate() {
        let rows: i64 = row.get(index)?;
        if rows <= lead.few && fewest.is_none_or(|(_, least)| rows < least) {
            fewest = Some((index, rows));
        }
    }
    Ok(fewest.map(|(index, _)| leads.swap_remove(index)))
}

impl Dialect {
    /// Names the index that SQLite takes for a table, whatever it knows of the data. PostgreSQL
    /// decides by its statistics.
    pub(super) fn indexed_by(self, index: &str) -> String {
        match self {
            Self::Sqlite => format!(" INDEXED BY {index}"),
            Self::Postgres => String::new(),
        }
    }

    /// Keeps SQLite from any index but the row id.
    pub(super) fn by_row_id(self) -> &'static str {
        match self {
            Self::Sqlite => " NOT INDEXED",
            Self::Postgres => "",
        }
    }
}
