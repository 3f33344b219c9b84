//! A sorted and filtered list of nodes with a selection. The rows belong to the state; a table keeps
//! their order only, and its selection by id, so that it survives whatever happens to the rows.

use std::sync::Arc;
use std::time::Duration;

use directory::identity::NodeId;

use crate::arrange::{Order, Query, Scope};
use crate::columns::Column;
use crate::filter::Filter;
use crate::row::NodeRow;
use crate::rows::Rows;

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
    /// Rows in the order shown.
    order: Order,
    /// When they were put in order, on the monotonic clock.
    pub arranged: Duration,
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
            order: Order::default(),
            arranged: Duration::ZERO,
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

    /// What it is to show.
    pub fn query(&self) -> Query {
        Query {
            scope: self.scope,
            filter: self.filter.clone(),
            sort: self.sort,
            descending: self.descending,
        }
    }

    /// The rows shown, in order.
    pub fn order(&self) -> Order {
        Arc::clone(&self.order)
    }

    /// Takes an order of `rows`. The selection stays on its node; if that is gone, whoever took its
    /// place is selected.
    pub fn arrange(&mut self, order: Order, rows: &Rows, now: Duration) {
        self.order = order;
        self.arranged = now;
        let found = self
            .selected
            .filter(|_| self.touched)
            .and_then(|id| rows.position(id))
            .and_then(|row| self.order.iter().position(|other| *other == row));
        if !self.touched {
            self.at = 0;
        }
        self.at = found.unwrap_or(self.at.min(self.order.len().saturating_sub(1)));
        self.selected = self.row(rows, self.at).map(|row| row.node_id);
    }

    /// Forgets rows and selection; what it is to show stays.
    pub fn empty(&mut self) {
        self.order = Order::default();
        self.selected = None;
        self.touched = false;
        self.at = 0;
        self.top = 0;
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

    /// The row of line `line`.
    pub fn row_number(&self, line: usize) -> Option<u32> {
        self.order.get(line).copied()
    }

    pub fn selected_line(&self) -> usize {
        self.at
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
