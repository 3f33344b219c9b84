//! The help screen.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use super::put;
use crate::node::Liveness;
use crate::state::State;

const KEYS: [(&str, &str); 13] = [
    ("j k  Down Up", "next, previous node"),
    ("PgDn PgUp", "a page on, a page back (scrolls details)"),
    ("g G  Home End", "first, last node"),
    ("Enter", "details of the node, and back"),
    ("s >  Right", "sort by the next column"),
    ("<  Left", "sort by the previous column"),
    ("r", "reverse the order"),
    ("R", "ask the directory now"),
    ("Ctrl-L", "draw the screen anew"),
    ("Ctrl-Z", "suspend; `fg` comes back"),
    ("Esc", "back"),
    ("?", "this help"),
    ("q", "back, or quit"),
];

pub(super) fn draw(state: &State, frame: &mut Frame<'_>) {
    let area = frame.area();
    let theme = state.settings.theme;
    let mut lines = vec![Line::styled("Keys", theme.title())];
    for (keys, text) in KEYS {
        lines.push(Line::from(vec![
            Span::styled(format!("  {keys:<15}"), theme.key()),
            Span::raw(text),
        ]));
    }
    lines.push(Line::raw(""));
    lines.push(Line::styled("States", theme.title()));
    for (liveness, text) in [
        (Liveness::Up, "reports on time"),
        (Liveness::Late, "silent for more than 20 minutes"),
        (Liveness::Down, "silent for more than an hour"),
        (Liveness::New, "registered, has not reported yet"),
    ] {
        let state = format!(
            "  {} {:<13}",
            theme.glyphs.liveness(liveness),
            liveness.word()
        );
        lines.push(Line::from(vec![
            Span::styled(state, theme.liveness(liveness)),
            Span::raw(text),
        ]));
    }
    lines.push(Line::raw(
        "    pending      waits for `farmer node approve`",
    ));
    let room = usize::from(area.height.saturating_sub(1));
    for (row, line) in (0_u16..).zip(lines.into_iter().take(room)) {
        put(frame, area, row, line);
    }
    let back = Line::from(vec![Span::styled("Esc", theme.key()), Span::raw(" back")]);
    put(frame, area, area.height - 1, back);
}
