//! Drawing: from the state only, nothing is changed here. Only visible rows are built.

mod detail;
mod help;

use directory::wire::NodeState;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::health::Freshness;
use crate::node::{Liveness, decision};
use crate::state::{Overlay, State};
use crate::theme::{Glyphs, Theme};

/// Below this nothing useful can be shown.
const SMALLEST: (u16, u16) = (20, 5);
/// From this height on, details leave room for the table.
const SPLIT_HEIGHT: u16 = 24;

/// How the screen is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Areas {
    /// Rows of nodes.
    pub rows: u16,
    /// Rows of the detail pane, its rule included.
    pub detail: u16,
    /// Whether a line is kept for what went wrong.
    pub message: bool,
}

/// Divides the screen: title and heading above, message and key hints below.
pub(crate) fn areas(state: &State) -> Areas {
    let message = message(state).is_some();
    let room = state.size.1.saturating_sub(3 + u16::from(message));
    let detail = match state.overlay {
        Overlay::Detail if state.size.1 >= SPLIT_HEIGHT => room * 3 / 5,
        Overlay::Detail => room,
        Overlay::None | Overlay::Help => 0,
    };
    Areas {
        rows: room - detail,
        detail,
        message,
    }
}

/// Draws the whole screen.
pub fn draw(state: &State, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let text = format!("{}x{} needed", SMALLEST.0, SMALLEST.1);
        put(
            frame,
            area,
            0,
            Line::raw(fit(&text, area.width, Glyphs::Ascii)),
        );
        return;
    }
    if state.overlay == Overlay::Help {
        help::draw(state, frame);
        return;
    }
    let areas = areas(state);
    put(frame, area, 0, title(state, area.width));
    put(frame, area, 1, heading(state, area.width));
    draw_rows(state, frame, areas.rows);
    if areas.detail > 0 {
        let pane = Rect {
            y: area.y + 2 + areas.rows,
            height: areas.detail,
            ..area
        };
        detail::draw(state, frame, pane);
    }
    if let Some(text) = message(state) {
        let theme = state.settings.theme;
        let text = fit(&text, area.width, theme.glyphs);
        put(
            frame,
            area,
            area.height - 2,
            Line::styled(text, theme.bad()),
        );
    }
    put(frame, area, area.height - 1, hints(state, area.width));
}

/// Puts a line on row `row` of `area`.
fn put(frame: &mut Frame<'_>, area: Rect, row: u16, line: Line<'_>) {
    if row < area.height {
        frame.render_widget(
            line,
            Rect {
                y: area.y + row,
                height: 1,
                ..area
            },
        );
    }
}

/// `text` in exactly `width` cells: cut with a mark, or padded.
fn fit(text: &str, width: u16, glyphs: Glyphs) -> String {
    let width = usize::from(width);
    let have = text.width();
    if have <= width {
        return format!("{text}{:pad$}", "", pad = width - have);
    }
    let mark = glyphs.ellipsis();
    let room = width.saturating_sub(mark.width());
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide > room {
            break;
        }
        used += wide;
        out.push(c);
    }
    if width >= mark.width() {
        out.push_str(mark);
        used += mark.width();
    }
    format!("{out}{:pad$}", "", pad = width.saturating_sub(used))
}

/// What went wrong with a source, if it still fails.
fn message(state: &State) -> Option<String> {
    let of_list = state.list_health.last_error.as_ref();
    let of_detail = state.detail_health.last_error.as_ref();
    of_list
        .or(of_detail.filter(|_| state.overlay == Overlay::Detail))
        .map(|error| hw_probe::text::Untrusted::from(error.as_str()).to_string())
}

fn freshness_style(theme: Theme, freshness: Freshness) -> Style {
    match freshness {
        Freshness::Live(_) => theme.good(),
        Freshness::Connecting | Freshness::Delayed(_) => theme.caution(),
        Freshness::NoResponse(_) => theme.bad(),
    }
}

fn title(state: &State, width: u16) -> Line<'static> {
    let theme = state.settings.theme;
    let place = match (&state.farm, state.settings.farm_id) {
        (Some(farm), _) => format!("farm {} {}", farm.id, farm.name),
        (None, Some(id)) => format!("farm {id}"),
        (None, None) => format!("all nodes of {}", state.settings.directory),
    };
    let freshness = state
        .list_health
        .freshness(state.now, state.settings.interval);
    let counts = counts(state);
    let right = freshness.text();
    let room = usize::from(width).saturating_sub(right.width() + 1);
    let left = fit(
        &format!("{place}   {counts}"),
        u16::try_from(room).unwrap_or(0),
        theme.glyphs,
    );
    Line::from(vec![
        Span::styled(left, theme.title()),
        Span::raw(" "),
        Span::styled(right, freshness_style(theme, freshness)),
    ])
}

/// `12 nodes: 10 up, 1 down, 1 pending`
fn counts(state: &State) -> String {
    if state.list_health.last_ok.is_none() {
        return String::new();
    }
    let mut up = 0;
    let mut late = 0;
    let mut down = 0;
    let mut new = 0;
    let mut pending = 0;
    for node in &state.nodes {
        match Liveness::of(node, state.wall) {
            Liveness::Up => up += 1,
            Liveness::Late => late += 1,
            Liveness::Down => down += 1,
            Liveness::New => new += 1,
        }
        pending += usize::from(decision(node) == NodeState::Pending);
    }
    let total = state.nodes.len();
    let noun = if total == 1 { "node" } else { "nodes" };
    let parts: Vec<String> = [
        (up, "up"),
        (late, "late"),
        (down, "down"),
        (new, "new"),
        (pending, "pending"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    if parts.is_empty() {
        return format!("{total} {noun}");
    }
    format!("{total} {noun}: {}", parts.join(", "))
}

fn heading(state: &State, width: u16) -> Line<'static> {
    let theme = state.settings.theme;
    let glyphs = theme.glyphs;
    let mut text = String::new();
    for (index, column) in state.columns().into_iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        let mut name = column.title().to_owned();
        if column == state.sort {
            name.push_str(glyphs.sorted(state.descending));
        }
        text.push_str(&cell(&name, column.width(), column.is_number(), glyphs));
    }
    Line::styled(fit(&text, width, glyphs), theme.heading())
}

fn cell(text: &str, width: u16, is_number: bool, glyphs: Glyphs) -> String {
    let have = text.width();
    let room = usize::from(width);
    if is_number && have < room {
        return format!("{:pad$}{text}", "", pad = room - have);
    }
    fit(text, width, glyphs)
}

fn draw_rows(state: &State, frame: &mut Frame<'_>, rows: u16) {
    let area = frame.area();
    let theme = state.settings.theme;
    if state.nodes.is_empty() {
        if rows > 0 {
            let text = fit(empty_text(state), area.width, theme.glyphs);
            put(frame, area, 2, Line::styled(text, theme.dim()));
        }
        return;
    }
    let columns = state.columns();
    let visible = state.nodes.iter().skip(state.top).take(usize::from(rows));
    for (row, node) in (2_u16..).zip(visible) {
        let is_selected = state.selected == Some(node.node_id);
        let mut spans = Vec::with_capacity(columns.len() * 2);
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                spans.push(Span::raw(" "));
            }
            let text = column.text(node, state.wall, theme.glyphs);
            let text = cell(&text, column.width(), column.is_number(), theme.glyphs);
            let style = if index == 0 {
                state_style(theme, decision(node), Liveness::of(node, state.wall))
            } else {
                Style::new()
            };
            spans.push(Span::styled(text, style));
        }
        let used: usize = spans.iter().map(Span::width).sum();
        let pad = usize::from(area.width).saturating_sub(used);
        spans.push(Span::raw(" ".repeat(pad)));
        let line = Line::from(spans);
        let line = if is_selected {
            line.patch_style(theme.selected())
        } else {
            line
        };
        put(frame, area, row, line);
    }
}

fn state_style(theme: Theme, decision: NodeState, liveness: Liveness) -> Style {
    match decision {
        NodeState::Pending => theme.caution(),
        NodeState::Blocked => theme.dim(),
        NodeState::Approved => theme.liveness(liveness),
    }
}

fn empty_text(state: &State) -> &'static str {
    match (state.list_health.last_ok, state.settings.farm_id) {
        (None, _) => "waiting for the directory",
        (Some(_), Some(_)) => "no node has registered in this farm yet",
        (Some(_), None) => "no node has registered in this directory yet",
    }
}

/// The keys that do something now, the most useful first, as many as fit.
fn hints(state: &State, width: u16) -> Line<'static> {
    let theme = state.settings.theme;
    let keys: &[(&str, &str)] = match state.overlay {
        Overlay::Detail => &[
            ("Esc", "back"),
            ("j/k", "next/previous node"),
            ("PgDn/PgUp", "scroll"),
            ("?", "help"),
        ],
        Overlay::None | Overlay::Help => &[
            ("q", "quit"),
            ("?", "help"),
            ("Enter", "details"),
            ("s", "sort"),
            ("r", "reverse"),
            ("R", "refresh"),
        ],
    };
    let mut spans = Vec::new();
    let mut used = 0;
    for (key, text) in keys {
        let gap = if spans.is_empty() { 0 } else { 2 };
        let needed = gap + key.width() + 1 + text.width();
        if used + needed > usize::from(width) {
            break;
        }
        used += needed;
        spans.push(Span::raw(" ".repeat(gap)));
        spans.push(Span::styled((*key).to_owned(), theme.key()));
        spans.push(Span::raw(format!(" {text}")));
    }
    Line::from(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_fits_exactly_whatever_its_width() {
        for (text, width, fitted) in [
            ("abc", 5, "abc  "),
            ("abcdef", 5, "abcd…"),
            ("東京都", 5, "東京…"),
            ("東京都", 4, "東… "),
            ("abc", 0, ""),
            ("abc", 1, "…"),
        ] {
            assert_eq!(fit(text, width, Glyphs::Unicode), fitted);
        }
        assert_eq!(fit("abcdef", 5, Glyphs::Ascii), "abc..");
    }
}
