//! What is listed, as a file.

use std::path::PathBuf;

use directory::clock::UnixTime;
use hw_probe::text::Untrusted;

use crate::arrange::Order;
use crate::columns::Column;
use crate::node::Liveness;
use crate::row::NodeRow;
use crate::rows::Rows;
use crate::theme::Glyphs;

/// A table to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// Where; `.json` at its end makes it JSON, else it is CSV.
    pub path: PathBuf,
    pub(crate) rows: Rows,
    pub(crate) order: Order,
    pub(crate) columns: Vec<Column>,
    pub(crate) wall: UnixTime,
}

impl Export {
    /// What is written.
    #[must_use]
    pub fn contents(&self) -> String {
        let rows = self
            .order
            .iter()
            .filter_map(|at| self.rows.get(*at as usize));
        if self.path.extension().is_some_and(|end| end == "json") {
            json(rows, self.wall)
        } else {
            csv(rows, &self.columns, self.wall)
        }
    }
}

/// The columns shown, one line for each node; ids whole, texts safe for spreadsheets.
fn csv<'a>(rows: impl Iterator<Item = &'a NodeRow>, columns: &[Column], now: UnixTime) -> String {
    let titles: Vec<&str> = columns.iter().map(|column| column.title()).collect();
    let mut out = titles.join(",");
    out.push_str("\r\n");
    for row in rows {
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            let text = match column {
                Column::Node => row.node_id.to_string(),
                Column::State => row.state_word(now).to_owned(),
                // Numbers a spreadsheet can add up.
                Column::Mru => row.capacity.mru_bytes.0.to_string(),
                Column::Sru => row.capacity.sru_bytes.0.to_string(),
                Column::Hru => row.capacity.hru_bytes.0.to_string(),
                _ => column.text(row, now, Glyphs::Ascii),
            };
            out.push_str(&Untrusted::new(text).csv_cell());
        }
        out.push_str("\r\n");
    }
    out
}

/// Everything known of each row.
fn json<'a>(rows: impl Iterator<Item = &'a NodeRow>, now: UnixTime) -> String {
    let values: Vec<serde_json::Value> = rows.map(|row| value(row, now)).collect();
    let mut text = serde_json::to_string_pretty(&values).unwrap_or_default();
    text.push('\n');
    text
}

/// One row.
pub(crate) fn value(row: &NodeRow, now: UnixTime) -> serde_json::Value {
    let mut value = serde_json::to_value(row).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        let liveness: Liveness = row.liveness(now);
        fields.insert("liveness".to_owned(), liveness.word().into());
        fields.insert("limited_by".to_owned(), row.limit_word().into());
    }
    value
}
