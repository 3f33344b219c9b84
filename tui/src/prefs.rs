//! What is remembered between sessions.

use serde::{Deserialize, Serialize};

use crate::columns::Column;
use crate::table::Table;

/// What is remembered between sessions. Unknown keys are ignored, missing ones have their default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Preferences {
    /// Of the nodes view.
    pub nodes: TablePreferences,
    /// Of the view of registrations.
    pub registrations: TablePreferences,
    /// Of the view of rewards.
    pub rewards: TablePreferences,
    /// Whether the mouse is listened to.
    pub mouse: bool,
}

/// How a table was left.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TablePreferences {
    /// Sorted by.
    pub sort: Option<Column>,
    /// The largest first.
    pub descending: bool,
    /// Columns shown; the view's own if empty.
    pub columns: Vec<Column>,
    /// Filter.
    pub filter: String,
}

impl Preferences {
    /// Reads what an earlier session wrote; nonsense counts as nothing.
    #[must_use]
    pub fn from_json(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// As it is written.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl TablePreferences {
    pub(crate) fn of(table: &Table) -> Self {
        Self {
            sort: Some(table.sort),
            descending: table.descending,
            columns: table.columns.clone(),
            filter: table.filter_text.clone(),
        }
    }

    pub(crate) fn apply(&self, table: &mut Table) {
        if let Some(sort) = self.sort {
            table.sort = sort;
            table.descending = self.descending;
        }
        if self.columns.contains(&Column::State) {
            table.columns.clone_from(&self.columns);
        }
        // A filter of another version that cannot be read any more is no filter.
        let _ = table.set_filter(&self.filter);
    }
}
