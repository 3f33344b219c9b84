//! What has to look at every node: filtering, sorting, summing up, finding by name. The state only
//! asks for it; another thread works it out, so that no key waits for a hundred thousand nodes.

use std::sync::Arc;

use directory::clock::UnixTime;
use directory::wire::NodeState;
use serde::{Deserialize, Serialize};

use crate::columns::Column;
use crate::command::View;
use crate::filter::{Around, Filter, Letters};
use crate::rows::{Marks, Rows};
use crate::summary::Summary;
use crate::trouble::Trouble;

/// Rows looked at between two looks at whether the answer is still wanted.
const STRIDE: usize = 4096;

/// Rows in the order of a table. They are many, so whoever shows them shares them.
pub type Order = Arc<Vec<u32>>;

/// Which rows a table is about before anybody filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All.
    All,
    /// Those the owner has not decided about or has refused, and those with something wrong.
    Doubtful,
}

/// What a table shows, and in which order.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    pub(crate) scope: Scope,
    pub(crate) filter: Filter,
    pub(crate) sort: Column,
    pub(crate) descending: bool,
}

/// Tables to be filled.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrange {
    /// To be sent back with the answer.
    pub generation: u64,
    /// Of what.
    pub rows: Rows,
    /// Now, on the wall clock.
    pub wall: UnixTime,
    /// Which of them are marked.
    pub marks: Marks,
    /// Farms that are not in the directory, in order.
    pub missing: Vec<u64>,
    /// The tables.
    pub tables: Vec<(View, Query)>,
    /// Whether to sum up too.
    pub sums_up: bool,
}

/// Tables filled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Arranged {
    /// The rows of each.
    pub orders: Vec<(View, Order)>,
    /// Totals, if they were asked for.
    pub summary: Option<Box<Summary>>,
}

impl Arrange {
    /// Works it out; `None` as soon as it is no longer wanted.
    #[must_use]
    pub fn answer(&self, is_wanted: &dyn Fn() -> bool) -> Option<Arranged> {
        let mut orders = Vec::with_capacity(self.tables.len());
        for (view, query) in &self.tables {
            let order = self.order(query, is_wanted)?;
            orders.push((*view, Arc::new(order)));
        }
        let sum = || Summary::with_problems(&self.rows, self.wall, &self.missing);
        let summary = self.sums_up.then(|| Box::new(sum()));
        Some(Arranged { orders, summary })
    }

    fn order(&self, query: &Query, is_wanted: &dyn Fn() -> bool) -> Option<Vec<u32>> {
        let rows = &self.rows;
        let everything = query.filter.is_empty();
        let around = Around {
            now: self.wall,
            marks: &self.marks,
            missing: &self.missing,
        };
        let mut order = Vec::with_capacity(if everything { rows.len() } else { 0 });
        let mut numbered = (0_u32..).zip(rows.iter()).peekable();
        while numbered.peek().is_some() {
            if !is_wanted() {
                return None;
            }
            let stride = numbered.by_ref().take(STRIDE);
            let passing = stride.filter(|(at, row)| {
                let is_in_scope = match query.scope {
                    Scope::All => true,
                    Scope::Doubtful => {
                        row.decision != NodeState::Approved || self.trouble(*at).is_some()
                    }
                };
                let passes = || everything || query.filter.passes(rows, *at, &around);
                is_in_scope && passes()
            });
            order.extend(passing.map(|(at, _)| at));
        }
        is_wanted().then(|| self.sorted(order, query))
    }

    fn trouble(&self, at: u32) -> Option<Trouble> {
        Trouble::of(&self.rows, at, self.wall, &self.missing)
    }

    /// Sorts by numbers only: equal ones follow in the order of ids, which is that of the rows.
    fn sorted(&self, order: Vec<u32>, query: &Query) -> Vec<u32> {
        let rows = &self.rows;
        let ranks = match query.sort {
            Column::Host => Some(rows.index().hosts(rows)),
            Column::Place => Some(rows.index().places(rows)),
            Column::Os => Some(rows.index().systems(rows)),
            _ => None,
        };
        let key = |at: u32| {
            let key = match ranks {
                Some(ranks) => ranks.get(at as usize).copied().map(u64::from),
                None if query.sort == Column::Node => Some(u64::from(at)),
                None if query.sort == Column::Problem => {
                    Some(self.trouble(at).map_or(u64::MAX, Trouble::rank))
                }
                None => rows
                    .get(at as usize)
                    .and_then(|row| query.sort.key(row, self.wall)),
            };
            let key = key.unwrap_or(0);
            if query.descending { !key } else { key }
        };
        let mut keyed: Vec<(u64, u32)> = order.into_iter().map(|at| (key(at), at)).collect();
        keyed.sort_unstable();
        keyed.into_iter().map(|(_, at)| at).collect()
    }
}

/// A node to be found by some letters of its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Find {
    /// To be sent back with the answer.
    pub generation: u64,
    /// Among which.
    pub rows: Rows,
    /// Of them, in which order.
    pub order: Order,
    /// The letters.
    pub letters: String,
}

impl Find {
    /// Place in the order of the node they fit best.
    #[must_use]
    pub fn answer(&self) -> Option<usize> {
        let letters = Letters::new(&self.letters);
        let index = self.rows.index();
        let (mut best, mut found) = (usize::MAX, None);
        for (line, at) in self.order.iter().enumerate() {
            let row = self.rows.get(*at as usize)?;
            // Only a better one counts, so most rows need not be looked at whole.
            if let Some(score) = letters.score(index.texts(*at), row, best) {
                (best, found) = (score, Some(line));
            }
        }
        found
    }
}
