//! Drawing: from the state only, nothing is changed here. Only visible rows are built.

mod farm;
mod help;
mod lists;
mod media;
mod node;
mod overlay;
mod overview;
mod place;
mod registrations;
mod rewards;
mod table;
mod trend;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::command::{BINDINGS, Unavailable, View};
use crate::health::Freshness;
use crate::node::duration_text;
use crate::row::NodeRow;
use crate::state::{Prompt, State};
use crate::theme::{Glyphs, Theme};

pub(crate) use place::{Place, place};

/// Below this nothing useful can be shown.
const SMALLEST: (u16, u16) = (20, 5);
/// From this height on, the names of the views have a line.
const TABS_HEIGHT: u16 = 12;
/// From this height on, the views of registrations and rewards explain the selected node.
const PANE_HEIGHT: u16 = 20;

/// How the screen is divided, from above: title, names of the views, body, pane, message, hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Areas {
    /// Whether the names of the views are shown.
    pub tabs: bool,
    /// Lines of the view.
    pub body: u16,
    /// Lines below it, about the selected node.
    pub pane: u16,
    /// Whether a line is kept for what is typed or was said.
    pub message: bool,
}

/// Divides the screen.
pub(crate) fn areas(state: &State) -> Areas {
    let height = state.size.1;
    let tabs = height >= TABS_HEIGHT;
    let message = message(state).is_some();
    let room = height.saturating_sub(2 + u16::from(tabs) + u16::from(message));
    // Their lines, a rule included.
    let pane = match state.view {
        _ if state.open.is_some() || height < PANE_HEIGHT => 0,
        View::Rewards => 7,
        View::Registrations => 4,
        _ => 0,
    };
    Areas {
        tabs,
        body: room - pane,
        pane,
        message,
    }
}

/// Draws the whole screen.
pub fn draw(state: &State, frame: &mut Frame<'_>) {
    let area = frame.area();
    let theme = state.settings.theme;
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let text = format!("{}x{} needed", SMALLEST.0, SMALLEST.1);
        let text = fit(&text, area.width, Glyphs::Ascii);
        return put(frame, area, 0, Line::raw(text));
    }
    let areas = areas(state);
    put(frame, area, 0, title(state, area.width));
    if areas.tabs {
        put(frame, area, 1, tabs(state, area.width));
    }
    let body = Rect {
        y: area.y + 1 + u16::from(areas.tabs),
        height: areas.body,
        ..area
    };
    if let Some(open) = &state.open {
        lines(frame, body, node::lines(state, open, body.width), open.top);
    } else if let Some(shown) = state.table_shown() {
        table::draw(state, shown, frame, body);
        let pane = Rect {
            y: body.y + body.height,
            height: areas.pane,
            ..area
        };
        if areas.pane > 0 {
            let below = match state.view {
                View::Registrations => registrations::lines(state, pane.width),
                _ => rewards::lines(state, pane.width),
            };
            lines(frame, pane, below, 0);
        }
    } else {
        lines(frame, body, view_lines(state, body.width), state.top);
    }
    if let Some((text, style)) = message(state) {
        let text = fit(&text, area.width, theme.glyphs);
        put(frame, area, area.height - 2, Line::styled(text, style));
    }
    put(frame, area, area.height - 1, hints(state, area.width));
    if let Some(prompt) = &state.prompt {
        overlay::draw(state, prompt, frame, body);
    }
}

fn view_lines(state: &State, width: u16) -> Vec<Line<'static>> {
    match state.view {
        View::Farm => farm::lines(state, width),
        View::Media => media::lines(state, width),
        View::Jobs => lists::jobs(state, width),
        View::Log => lists::log(state, width),
        View::Overview | View::Nodes | View::Registrations | View::Rewards => {
            overview::lines(state, width)
        }
    }
}

/// Lines of the view that is shown, if it has no table.
pub(crate) fn lines_length(state: &State) -> usize {
    view_lines(state, state.size.0).len()
}

/// Lines of the node that is looked at.
pub(crate) fn detail_length(state: &State) -> usize {
    let open = state.open.as_ref();
    open.map_or(0, |open| node::lines(state, open, state.size.0).len())
}

/// Lines of the help.
pub(crate) fn help_length(state: &State) -> usize {
    help::lines(state).len()
}

fn lines(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'static>>, top: usize) {
    let room = usize::from(area.height);
    let top = top.min(lines.len().saturating_sub(room));
    for (row, line) in (0_u16..).zip(lines.into_iter().skip(top).take(room)) {
        put(frame, area, row, line);
    }
}

/// Puts a line on row `row` of `area`.
fn put(frame: &mut Frame<'_>, area: Rect, row: u16, line: Line<'_>) {
    if row < area.height {
        let area = Rect {
            y: area.y + row,
            height: 1,
            ..area
        };
        frame.render_widget(line, area.intersection(frame.area()));
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

/// `text` as at most `width` cells, not padded.
fn cut(text: &str, width: usize, glyphs: Glyphs) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    fit(text, u16::try_from(width).unwrap_or(u16::MAX), glyphs)
}

/// A name in front of a value.
fn field(theme: Theme, label: &str, value: &str, width: u16) -> Line<'static> {
    let room = usize::from(width).saturating_sub(14);
    Line::from(vec![
        Span::styled(format!("{label:<13} "), theme.dim()),
        Span::raw(cut(value, room, theme.glyphs)),
    ])
}

/// The heading of a part.
fn section(theme: Theme, text: &str, width: u16) -> Line<'static> {
    let text = format!("{} {text} ", theme.glyphs.rule());
    let dashes = usize::from(width).saturating_sub(text.width());
    Line::styled(
        format!("{text}{}", theme.glyphs.rule().repeat(dashes)),
        theme.title(),
    )
}

/// What is typed, was said, or went wrong; the line above the hints.
fn message(state: &State) -> Option<(String, Style)> {
    let theme = state.settings.theme;
    let caret = theme.glyphs.caret();
    let typed = |name: &str, input: &crate::input::Input| {
        let (before, after) = input.parts();
        format!("{name}{before}{caret}{after}")
    };
    match &state.prompt {
        Some(Prompt::Filter { input, error, .. }) => {
            let text = typed("/", input);
            return Some(match error {
                Some(error) => (format!("{text}   {error}"), theme.bad()),
                None => (text, theme.key()),
            });
        }
        Some(Prompt::Find { input, found, .. }) => {
            let text = typed("find: ", input);
            return Some(if *found {
                (text, theme.key())
            } else {
                (format!("{text}   nothing fits"), theme.bad())
            });
        }
        Some(Prompt::Palette(palette)) => {
            return Some((typed(":", &palette.input), theme.key()));
        }
        Some(Prompt::Form(form)) if state.size.1 < overlay::TALL => {
            if let Some((text, is_bad)) = form.told() {
                return Some(if is_bad {
                    (format!("{} {text}", theme.glyphs.alarm()), theme.bad())
                } else {
                    (text, theme.dim())
                });
            }
        }
        Some(Prompt::Move { input, id }) => {
            let name = state
                .row_of(*id)
                .map_or_else(|| id.to_string(), NodeRow::name);
            let text = typed(&format!("move {name} to farm number: "), input);
            return Some((text, theme.key()));
        }
        Some(Prompt::Export { input }) => {
            let text = typed("write to (.csv or .json): ", input);
            return Some((text, theme.key()));
        }
        _ => {}
    }
    if let Some(toast) = &state.toast {
        let undo = if toast.undo.is_some() {
            "   u undoes it"
        } else {
            ""
        };
        let (word, style) = if toast.is_bad {
            (theme.glyphs.alarm(), theme.bad())
        } else {
            (theme.glyphs.done(), theme.good())
        };
        return Some((format!("{word} {}{undo}", toast.text), style));
    }
    let of_open = state.open.as_ref().map(|open| &open.health);
    let error = state
        .health
        .last_error
        .as_ref()
        .or(of_open.and_then(|health| health.last_error.as_ref()));
    if let Some(error) = error {
        let text = hw_probe::text::Untrusted::from(error.as_str()).to_string();
        return Some((format!("{} {text}", theme.glyphs.alarm()), theme.bad()));
    }
    if let Some(table) = state.table_shown().filter(|table| table.is_filtered()) {
        let text = format!(
            "/{}   {} of {} nodes; Esc shows all",
            table.filter_text,
            table.len(),
            state.rows.len()
        );
        return Some((text, theme.caution()));
    }
    None
}

fn freshness_style(theme: Theme, freshness: Freshness) -> Style {
    match freshness {
        Freshness::Live(_) => theme.good(),
        Freshness::Connecting | Freshness::Delayed(_) => theme.caution(),
        Freshness::NoResponse(_) => theme.bad(),
    }
}

/// How fresh the data are, also when they are from an earlier session.
fn freshness_text(state: &State, freshness: Freshness) -> String {
    if let Some((entries, of)) = state.progress {
        let of = of.map_or(String::new(), |of| format!(" of {of}"));
        return format!("reading {entries}{of}");
    }
    let has_own_age = matches!(
        freshness,
        Freshness::Live(_) | Freshness::Delayed(_) | Freshness::NoResponse(Some(_))
    );
    match state.as_of {
        Some(as_of) if !has_own_age => {
            let age = duration_text(state.wall.secs.saturating_sub(as_of));
            format!("{}, data {age} old", freshness.text())
        }
        _ => freshness.text(),
    }
}

fn title(state: &State, width: u16) -> Line<'static> {
    let theme = state.settings.theme;
    let mut place = match (&state.farm, state.settings.farm_id) {
        (Some(farm), _) => format!("farm {} {}", farm.id, farm.name),
        (None, Some(id)) => format!("farm {id}"),
        (None, None) => format!("all nodes of {}", state.settings.directory),
    };
    let name = state.places.get(state.at).map(|visit| &visit.place.name);
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        place = format!("{name}: {place}");
    }
    let freshness = state.freshness();
    let mut left = place;
    if state.as_of.is_some() || !state.rows.is_empty() {
        left.push_str("   ");
        if state.is_partial() {
            left.push_str(&format!("{} nodes", state.total));
        } else {
            left.push_str(&state.summary.counts());
        }
    }
    if !state.marks.is_empty() {
        left.push_str(&format!("   {} marked", state.marks.len()));
    }
    if state.settings.read_only {
        left.push_str("   read-only");
    }
    let right = match state.silent_places()[..] {
        [] => freshness_text(state, freshness),
        [ref one] => format!("{}; {one}: no response", freshness_text(state, freshness)),
        ref many => format!(
            "{}; {} others: no response",
            freshness_text(state, freshness),
            many.len()
        ),
    };
    let room = usize::from(width).saturating_sub(right.width() + 1);
    let left = fit(&left, u16::try_from(room).unwrap_or(0), theme.glyphs);
    Line::from(vec![
        Span::styled(left, theme.title()),
        Span::raw(" "),
        Span::styled(right, freshness_style(theme, freshness)),
    ])
}

fn tabs(state: &State, width: u16) -> Line<'static> {
    let theme = state.settings.theme;
    let spans = place::tab_names(state, width)
        .into_iter()
        .map(|(text, view)| {
            let style = if view == state.view {
                theme.selected()
            } else {
                theme.dim()
            };
            Span::styled(text, style)
        });
    Line::from_iter(spans)
}

/// The keys that do something now, the most useful first, as many as fit.
fn hints(state: &State, width: u16) -> Line<'static> {
    let theme = state.settings.theme;
    let typing: &[(&str, &str)] = match &state.prompt {
        Some(Prompt::Help(_)) => &[("Esc", "back"), ("j/k PgDn", "scroll")],
        Some(Prompt::Filter { .. }) => &[("Enter", "keep"), ("Esc", "as before")],
        Some(Prompt::Find { .. }) => &[("Enter", "stay here"), ("Esc", "back")],
        Some(Prompt::Palette(_)) => &[("Enter", "do it"), ("Up/Down", "choose"), ("Esc", "back")],
        Some(Prompt::Places(_)) => &[("Enter", "look at it"), ("j/k", "choose"), ("Esc", "back")],
        Some(Prompt::Columns(_)) => &[
            ("Space", "show or hide"),
            ("j/k", "choose"),
            ("Esc", "done"),
        ],
        Some(Prompt::Move { .. }) => &[("Enter", "go on"), ("Esc", "back")],
        Some(Prompt::Export { .. }) => &[("Enter", "write"), ("Esc", "back")],
        Some(Prompt::Confirm(confirm)) if confirm.form.is_some() => &[("Esc", "back to the form")],
        Some(Prompt::Confirm(_)) => &[("Esc", "cancel")],
        Some(Prompt::Form(form)) => form.keys(),
        None => &[],
    };
    let mut line = Hints {
        spans: Vec::new(),
        used: 0,
        room: usize::from(width),
        theme,
    };
    for (key, text) in typing {
        line.add(key, text, true);
    }
    if state.prompt.is_none() {
        // The way out and the way to learn more always have their place.
        let leave = if state.open.is_some() {
            ("Esc", "back")
        } else {
            ("q", "quit")
        };
        line.add(leave.0, leave.1, true);
        line.add("?", "help", true);
        for binding in BINDINGS
            .iter()
            .filter(|binding| binding.command.is_hinted())
        {
            use crate::command::Command::{Back, Help, NextView, Quit};
            if matches!(binding.command, Back | Help | NextView | Quit) {
                continue;
            }
            match binding.command.check(state) {
                Ok(()) => line.add(&binding.key_text(), binding.label, true),
                Err(Unavailable::Because(_)) => line.add(&binding.key_text(), binding.label, false),
                Err(Unavailable::Elsewhere) => {}
            }
        }
    }
    Line::from(line.spans)
}

struct Hints {
    spans: Vec<Span<'static>>,
    used: usize,
    room: usize,
    theme: Theme,
}

impl Hints {
    fn add(&mut self, key: &str, text: &str, works: bool) {
        let gap = if self.spans.is_empty() { 0 } else { 2 };
        // What does not work now is told by more than a shade.
        let text = if works {
            format!(" {text}")
        } else {
            format!(" ({text})")
        };
        let needed = gap + key.width() + text.width();
        if self.used + needed > self.room {
            return;
        }
        self.used += needed;
        let (of_key, of_text) = if works {
            (self.theme.key(), Style::new())
        } else {
            (self.theme.dim(), self.theme.dim())
        };
        self.spans.push(Span::raw(" ".repeat(gap)));
        self.spans.push(Span::styled(key.to_owned(), of_key));
        self.spans.push(Span::styled(text, of_text));
    }
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
