//! The farm at a glance.

use ratatui::text::{Line, Span};

use super::{cut, field, section};
use crate::state::State;
use crate::theme::Theme;

/// Cells of the widest bar.
const BAR: usize = 30;

pub(super) fn lines(state: &State, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let summary = &state.summary;
    if state.as_of.is_none() && state.rows.is_empty() {
        return vec![Line::styled("waiting for the directory", theme.dim())];
    }
    if state.is_partial() {
        let text = format!("reading {} nodes from the cache", state.total);
        return vec![Line::styled(text, theme.dim())];
    }
    let mut lines = vec![section(theme, "needs attention", width)];
    let alerts = state.alerts();
    let selected = state.alert.min(alerts.len().saturating_sub(1));
    if alerts.is_empty() {
        let word = if summary.nodes == 0 {
            "no node has registered yet; 6 then n builds a boot medium for one"
        } else {
            "nothing: every node is approved and reports on time"
        };
        let text = format!("{} {word}", theme.glyphs.done());
        lines.push(Line::styled(text, theme.good()));
    }
    for (at, alert) in alerts.iter().enumerate() {
        let style = if alert.is_bad {
            theme.bad()
        } else {
            theme.caution()
        };
        let what = if at == selected {
            "Enter lists them"
        } else {
            alert.what
        };
        let room = usize::from(width).saturating_sub(what.len() + 6);
        let line = Line::from(vec![
            Span::styled(
                format!(
                    "{} {}",
                    theme.glyphs.alarm(),
                    cut(&alert.text, room, theme.glyphs)
                ),
                style,
            ),
            Span::raw("   "),
            Span::styled(what, theme.key()),
        ]);
        lines.push(if at == selected {
            line.patch_style(theme.selected())
        } else {
            line
        });
    }
    lines.push(section(theme, "totals", width));
    for (label, text) in summary.text(state.wall) {
        lines.push(field(theme, label, &text, width));
    }
    if summary.nodes > 0 {
        lines.extend(super::trend::lines(state, width));
        lines.push(section(theme, "states", width));
        for (count, word) in summary.states() {
            if count > 0 {
                lines.push(share(theme, word, count, summary.nodes, width));
            }
        }
    }
    lines
}

/// `up   10  ########`
fn share(theme: Theme, word: &str, count: usize, of: usize, width: u16) -> Line<'static> {
    let room = BAR.min(usize::from(width).saturating_sub(24));
    // Something is never nothing.
    let filled = (room * count / of.max(1)).max(1).min(room);
    let style = match word {
        "up" => theme.good(),
        "down" => theme.bad(),
        "blocked" => theme.dim(),
        _ => theme.caution(),
    };
    Line::from(vec![
        Span::styled(format!("{word:<13} "), theme.dim()),
        Span::raw(format!("{count:>7}  ")),
        Span::styled(theme.glyphs.full().repeat(filled), style),
    ])
}
