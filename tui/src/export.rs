//! What is listed, as a file.

use std::path::PathBuf;

use directory::clock::UnixTime;
use directory::wire::MacAddr;
use hw_probe::text::Untrusted;

use crate::arrange::Order;
use crate::columns::Column;
use crate::node::Liveness;
use crate::row::NodeRow;
use crate::rows::Rows;
use crate::theme::Glyphs;
use crate::trouble::Trouble;

/// A table to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// Where; `.json` at its end makes it JSON, else it is CSV.
    pub path: PathBuf,
    pub(crate) rows: Rows,
    pub(crate) order: Order,
    pub(crate) columns: Vec<Column>,
    pub(crate) wall: UnixTime,
    pub(crate) missing: Vec<u64>,
}

impl Export {
    /// What is written.
    #[must_use]
    pub fn contents(&self) -> String {
        let row = |at: &u32| Some((*at, self.rows.get(*at as usize)?));
        let rows = self.order.iter().filter_map(row);
        if self.path.extension().is_some_and(|end| end == "json") {
            self.json(rows)
        } else {
            self.csv(rows)
        }
    }

    fn problem(&self, at: u32) -> Option<String> {
        let trouble = Trouble::of(&self.rows, at, self.wall, &self.missing)?;
        Some(trouble.text(&self.rows))
    }

    /// The columns shown, one line for each node; ids whole, texts safe for spreadsheets.
    fn csv<'a>(&self, rows: impl Iterator<Item = (u32, &'a NodeRow)>) -> String {
        let titles: Vec<&str> = self.columns.iter().map(|column| column.title()).collect();
        let mut out = titles.join(",");
        out.push_str("\r\n");
        for (at, row) in rows {
            for (number, column) in self.columns.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                let text = match column {
                    Column::Node => row.node_id.to_string(),
                    Column::State => row.state_word(self.wall).to_owned(),
                    // Numbers a spreadsheet can add up.
                    Column::Mru => row.capacity.mru_bytes.0.to_string(),
                    Column::Sru => row.capacity.sru_bytes.0.to_string(),
                    Column::Hru => row.capacity.hru_bytes.0.to_string(),
                    Column::Problem => self.problem(at).unwrap_or_default(),
                    _ => column.text(row, self.wall, Glyphs::Ascii),
                };
                out.push_str(&Untrusted::new(text).csv_cell());
            }
            out.push_str("\r\n");
        }
        out
    }

    /// Everything known of each row.
    fn json<'a>(&self, rows: impl Iterator<Item = (u32, &'a NodeRow)>) -> String {
        let values: Vec<serde_json::Value> = rows
            .map(|(at, row)| {
                let mut value = value(row, self.wall);
                if let Some(fields) = value.as_object_mut() {
                    fields.insert("problem".to_owned(), self.problem(at).into());
                }
                value
            })
            .collect();
        let mut text = serde_json::to_string_pretty(&values).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// One row.
pub(crate) fn value(row: &NodeRow, now: UnixTime) -> serde_json::Value {
    let mut value = serde_json::to_value(row).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        let liveness: Liveness = row.liveness(now);
        fields.insert("liveness".to_owned(), liveness.word().into());
        fields.insert("limited_by".to_owned(), row.limit_word().into());
        // A number of this session only.
        fields.remove("board");
        let mac = fields.remove("mac").and_then(|mac| mac.as_u64());
        let mac = mac.filter(|mac| *mac > 0).map(|mac| {
            let [_, _, address @ ..] = mac.to_be_bytes();
            MacAddr(address).to_string()
        });
        fields.insert("mac".to_owned(), mac.into());
    }
    value
}
