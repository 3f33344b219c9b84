//! A sorted and filtered list of nodes with a selection. The rows belong to the state; a table keeps
//! their order only, and its selection by id, so that it survives whatever happens to the rows.

use std::cmp::Ordering;
use std::collections::HashSet;

use directory::clock::UnixTime;
use directory::identity::NodeId;
use directory::wire::NodeState;

use crate::columns::Column;
use crate::filter::{Filter, fuzzy_score};
use crate::row::NodeRow;

/// Which rows a table is about before anybody filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All.
    All,
    /// Those the owner has not decided about, or has refused.
    Undecided,
}

/// One table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub scope: Scope,
    pub columns: Vec<Column>,
    /// What it shows until somebody chooses.
    pub usual: Vec<Column>,
    pub sort: Column,
    pub descending: bool,
    pub filter_text: String,
    filter: Filter,
    /// Indices of rows, in the order shown.
    order: Vec<u32>,
    selected: Option<NodeId>,
    at: usize,
    /// Whether somebody chose the selection. Until then it is the first line, whatever that is.
    touched: bool,
    pub top: usize,
}

impl Table {
    pub fn new(scope: Scope, columns: &[Column], sort: Column) -> Self {
        Self {
            scope,
            columns: columns.to_vec(),
            usual: columns.to_vec(),
            sort,
            descending: false,
            filter_text: String::new(),
            filter: Filter::default(),
            order: Vec::new(),
            selected: None,
            at: 0,
            touched: false,
            top: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_filtered(&self) -> bool {
        !self.filter.is_empty()
    }

    /// Takes a filter; one that cannot be read changes nothing.
    pub fn set_filter(&mut self, text: &str) -> Result<(), String> {
        let filter = Filter::parse(text).map_err(|error| error.to_string())?;
        self.filter = filter;
        text.clone_into(&mut self.filter_text);
        Ok(())
    }

    /// Filters and sorts anew. The selection stays on its node; if that is gone, whoever took its
    /// place is selected.
    pub fn rebuild(&mut self, rows: &[NodeRow], now: UnixTime, marks: &HashSet<NodeId>) {
        let everything = self.filter.is_empty();
        let passing = rows.iter().zip(0_u32..).filter(|(row, _)| {
            let in_scope = match self.scope {
                Scope::All => true,
                Scope::Undecided => row.decision != NodeState::Approved,
            };
            in_scope && (everything || self.filter.passes(row, now, marks))
        });
        self.order.clear();
        self.order.extend(passing.map(|(_, index)| index));
        self.sort(rows, now);
        self.find_selected(rows);
    }

    fn sort(&mut self, rows: &[NodeRow], now: UnixTime) {
        let (column, descending) = (self.sort, self.descending);
        let direction = |order: Ordering| if descending { order.reverse() } else { order };
        let row = |index: u32| rows.get(index as usize);
        let is_number = rows
            .first()
            .is_some_and(|row| column.key(row, now).is_some());
        if is_number {
            let key = |index: u32| row(index).and_then(|row| column.key(row, now)).unwrap_or(0);
            let mut keyed: Vec<(u64, u32)> = self.order.iter().map(|i| (key(*i), *i)).collect();
            // Ties are broken by node id, so that rows never jump.
            let tie = |a: u32, b: u32| row(a).map(|r| r.node_id).cmp(&row(b).map(|r| r.node_id));
            keyed.sort_unstable_by(|a, b| direction(a.0.cmp(&b.0)).then_with(|| tie(a.1, b.1)));
            self.order.clear();
            self.order.extend(keyed.into_iter().map(|(_, index)| index));
        } else {
            self.order
                .sort_unstable_by(|a, b| match (row(*a), row(*b)) {
                    (Some(a), Some(b)) => {
                        direction(column.compare_text(a, b)).then_with(|| a.node_id.cmp(&b.node_id))
                    }
                    _ => Ordering::Equal,
                });
        }
    }

    fn find_selected(&mut self, rows: &[NodeRow]) {
        if !self.touched {
            self.at = 0;
        }
        let chosen = self.selected.filter(|_| self.touched);
        let found = chosen.and_then(|id| {
            let is_it = |index: &u32| rows.get(*index as usize).is_some_and(|r| r.node_id == id);
            if self.order.get(self.at).is_some_and(is_it) {
                return Some(self.at);
            }
            self.order.iter().position(is_it)
        });
        self.at = found.unwrap_or(self.at.min(self.order.len().saturating_sub(1)));
        self.selected = self.row(rows, self.at).map(|row| row.node_id);
    }

    /// The node of line `line`.
    pub fn row<'a>(&self, rows: &'a [NodeRow], line: usize) -> Option<&'a NodeRow> {
        let index = *self.order.get(line)?;
        rows.get(index as usize)
    }

    /// The selected node.
    pub fn selected<'a>(&self, rows: &'a [NodeRow]) -> Option<&'a NodeRow> {
        self.row(rows, self.at)
    }

    pub fn selected_id(&self) -> Option<NodeId> {
        self.selected
    }

    pub fn selected_line(&self) -> usize {
        self.at
    }

    /// All nodes that pass, in the order shown.
    pub fn all<'a>(&'a self, rows: &'a [NodeRow]) -> impl Iterator<Item = &'a NodeRow> {
        self.order
            .iter()
            .filter_map(move |index| rows.get(*index as usize))
    }

    pub fn select_by(&mut self, step: isize, rows: &[NodeRow]) {
        let last = self.order.len().saturating_sub(1);
        self.select_line(self.at.saturating_add_signed(step).min(last), rows);
    }

    pub fn select_line(&mut self, line: usize, rows: &[NodeRow]) {
        self.at = line;
        self.touched = true;
        self.selected = self.row(rows, line).map(|row| row.node_id);
    }

    /// Selects the node that these letters fit best.
    pub fn find(&mut self, letters: &str, rows: &[NodeRow]) -> bool {
        let letters = letters.to_lowercase();
        let best = self
            .all(rows)
            .zip(0..)
            .filter_map(|(row, line)| Some((fuzzy_score(&letters, row)?, line)))
            .min();
        if let Some((_, line)) = best {
            self.select_line(line, rows);
        }
        best.is_some()
    }

    /// Keeps the selection within `height` lines.
    pub fn scroll(&mut self, height: usize) {
        let height = height.max(1);
        if self.at < self.top {
            self.top = self.at;
        } else if self.at >= self.top + height {
            self.top = self.at + 1 - height;
        }
        self.top = self.top.min(self.order.len().saturating_sub(height));
    }

    pub fn sort_by_neighbour(&mut self, step: isize) {
        let at = self
            .columns
            .iter()
            .position(|column| *column == self.sort)
            .unwrap_or(0);
        let count = isize::try_from(self.columns.len()).unwrap_or(1).max(1);
        let next = (isize::try_from(at).unwrap_or(0) + step).rem_euclid(count);
        if let Some(column) = usize::try_from(next)
            .ok()
            .and_then(|next| self.columns.get(next))
        {
            self.sort = *column;
            self.descending = column.begins_big();
        }
    }

    /// Shows or hides a column, in its usual place; the state stays.
    pub fn toggle(&mut self, column: Column) {
        if column == Column::State {
            return;
        }
        if self.columns.contains(&column) {
            self.columns.retain(|other| *other != column);
            if self.sort == column {
                self.sort = Column::State;
                self.descending = false;
            }
        } else {
            let shown = std::mem::take(&mut self.columns);
            self.columns = Column::ALL
                .into_iter()
                .filter(|other| *other == column || shown.contains(other))
                .collect();
        }
    }
}
