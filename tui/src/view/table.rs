//! The table of nodes: heading and visible rows.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use super::{fit, put};
use crate::columns::Column;
use crate::command::View;
use crate::row::NodeRow;
use crate::state::State;
use crate::table::Table;
use crate::theme::Glyphs;

/// The place in front of a row, for its mark.
const MARK: u16 = 1;

/// The columns that are shown on a screen this wide.
fn columns(table: &Table, width: u16) -> Vec<Column> {
    let room = width.saturating_sub(MARK);
    Column::that_fit(&table.columns, &table.usual, table.sort, room)
}

/// The column whose heading is at `x`.
pub(super) fn column_at(table: &Table, width: u16, x: u16) -> Option<Column> {
    let mut begin = MARK;
    columns(table, width).into_iter().find(|column| {
        let end = begin + column.width();
        let is_it = (begin..end).contains(&x);
        begin = end + 1;
        is_it
    })
}

pub(super) fn draw(state: &State, table: &Table, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.settings.theme;
    let columns = columns(table, area.width);
    put(frame, area, 0, heading(state, table, &columns, area.width));
    if let Some(work) = state.at_work() {
        // Over the end of the headings: no line moves because of it.
        let text = format!(" {work}{} ", theme.glyphs.ellipsis());
        let width = u16::try_from(text.width()).unwrap_or(area.width);
        let end = Rect {
            x: area.x + area.width.saturating_sub(width),
            width: width.min(area.width),
            ..area
        };
        put(frame, end, 0, Line::styled(text, theme.selected()));
    }
    if table.len() == 0 {
        let text = fit(&empty_text(state, table), area.width, theme.glyphs);
        return put(frame, area, 1, Line::styled(text, theme.dim()));
    }
    for row in 1..area.height {
        let line = table.top + usize::from(row) - 1;
        let Some((at, node)) = table
            .row_number(line)
            .and_then(|at| Some((at, state.rows.get(at as usize)?)))
        else {
            break;
        };
        let drawn = row_line(state, at, node, &columns, area.width);
        let drawn = if line == table.selected_line() {
            drawn.patch_style(theme.selected())
        } else {
            drawn
        };
        put(frame, area, row, drawn);
    }
}

fn heading(state: &State, table: &Table, columns: &[Column], width: u16) -> Line<'static> {
    let theme = state.settings.theme;
    let mut text = " ".to_owned();
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        let mut name = column.title().to_owned();
        if *column == table.sort {
            name.push_str(theme.glyphs.sorted(table.descending));
        }
        text.push_str(&cell(&name, *column, theme.glyphs));
    }
    Line::styled(fit(&text, width, theme.glyphs), theme.heading())
}

fn cell(text: &str, column: Column, glyphs: Glyphs) -> String {
    let have = text.width();
    let room = usize::from(column.width());
    if column.is_number() && have < room {
        return format!("{:pad$}{text}", "", pad = room - have);
    }
    fit(text, column.width(), glyphs)
}

fn row_line(
    state: &State,
    at: u32,
    node: &NodeRow,
    columns: &[Column],
    width: u16,
) -> Line<'static> {
    let theme = state.settings.theme;
    let is_marked = state.marks.has(at);
    let mut spans = Vec::with_capacity(columns.len() * 2 + 2);
    let mark = if is_marked { theme.glyphs.mark() } else { " " };
    spans.push(Span::styled(mark, theme.title()));
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            spans.push(Span::raw(" "));
        }
        let text = match column {
            Column::Problem => state
                .trouble(at)
                .map_or_else(String::new, |trouble| trouble.text(&state.rows)),
            _ => column.text(node, state.wall, theme.glyphs),
        };
        let text = cell(&text, *column, theme.glyphs);
        let style = match column {
            Column::State => theme.state(node.decision, node.liveness(state.wall)),
            Column::Risk if text.trim() == "lost" => theme.bad(),
            Column::Problem => theme.caution(),
            _ => Style::new(),
        };
        spans.push(Span::styled(text, style));
    }
    let used: usize = spans.iter().map(Span::width).sum();
    let pad = usize::from(width).saturating_sub(used);
    spans.push(Span::raw(" ".repeat(pad)));
    let line = Line::from(spans);
    if is_marked {
        line.patch_style(theme.title())
    } else {
        line
    }
}

fn empty_text(state: &State, table: &Table) -> String {
    let answered = state.as_of.is_some() || state.health.last_ok.is_some();
    match (answered, table.is_filtered(), state.view) {
        (false, ..) => "waiting for the directory".to_owned(),
        (true, true, _) => format!("no node passes /{}; Esc shows all", table.filter_text),
        (true, false, View::Registrations) => {
            "no node waits for your word, none is blocked, and nothing is wrong".to_owned()
        }
        (true, false, _) if state.settings.farm_id.is_some() => {
            "no node has registered in this farm yet; 6 builds a boot medium for one".to_owned()
        }
        (true, false, _) => "no node has registered in this directory yet".to_owned(),
    }
}
