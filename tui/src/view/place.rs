//! What is where on the screen, for the mouse.

use unicode_width::UnicodeWidthStr as _;

use super::{areas, table};
use crate::columns::Column;
use crate::command::View;
use crate::state::State;

/// Something on the screen that can be clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The name of a view.
    Tab(View),
    /// The heading of a column.
    Heading(Column),
    /// A line of the table, counted from its first.
    Row(usize),
}

/// What is at column `x` of row `y`.
pub(crate) fn place(state: &State, x: u16, y: u16) -> Option<Place> {
    let (areas, width) = (areas(state), state.size.0);
    if areas.tabs && y == 1 {
        let mut end = 0;
        let names = tab_names(state, width).into_iter();
        return names
            .map(|(name, view)| {
                end += name.width();
                (end, view)
            })
            .find_map(|(end, view)| (usize::from(x) < end).then_some(Place::Tab(view)));
    }
    let row = y.checked_sub(1 + u16::from(areas.tabs))?;
    if row >= areas.body || state.open.is_some() {
        return None;
    }
    let table = state.table_shown()?;
    if row == 0 {
        return table::column_at(table, width, x).map(Place::Heading);
    }
    let line = table.top + usize::from(row) - 1;
    (line < table.len()).then_some(Place::Row(line))
}

/// Names of the views with their keys: whole, or only the one shown and the keys of the others.
pub(super) fn tab_names(state: &State, width: u16) -> Vec<(String, View)> {
    let whole: usize = View::ALL.iter().map(|view| view.name().len() + 3).sum();
    let is_wide = whole <= usize::from(width);
    (1..)
        .zip(View::ALL)
        .map(|(number, view)| {
            let name = if is_wide || view == state.view {
                format!("{number} {} ", view.name())
            } else {
                format!("{number} ")
            };
            (name, view)
        })
        .collect()
}
