//! Jobs and log.

use ratatui::text::{Line, Span};

use super::{cut, section};
use crate::node::duration_text;
use crate::state::State;

pub(super) fn jobs(state: &State, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let mut lines = vec![section(theme, "jobs, the newest first", width)];
    if state.jobs.is_empty() {
        lines.push(Line::styled("nothing was asked for yet", theme.dim()));
    }
    for job in state.jobs.iter().rev() {
        let age = duration_text(state.wall.secs.saturating_sub(job.begun));
        let (shape, style, text) = match &job.outcome {
            None => {
                let stage = job.medium.as_ref().map(|medium| medium.stage.clone());
                let text = stage.unwrap_or_else(|| "running".to_owned());
                (theme.glyphs.busy(), theme.caution(), text)
            }
            Some(Ok(text)) => (theme.glyphs.done(), theme.good(), text.clone()),
            Some(Err(error)) => (theme.glyphs.alarm(), theme.bad(), error.clone()),
        };
        let room = usize::from(width).saturating_sub(16);
        let whole = cut(&format!("{}: {text}", job.what), room, theme.glyphs);
        lines.push(Line::from(vec![
            Span::styled(format!("{age:>8} ago "), theme.dim()),
            Span::styled(format!("{shape} "), style),
            Span::raw(whole),
        ]));
    }
    lines
}

pub(super) fn log(state: &State, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let mut lines = vec![section(theme, "log, the newest first", width)];
    if state.log.is_empty() {
        lines.push(Line::styled("nothing happened yet", theme.dim()));
    }
    for entry in state.log.iter().rev() {
        let age = duration_text(state.wall.secs.saturating_sub(entry.at));
        let text = hw_probe::text::Untrusted::from(entry.text.as_str()).to_string();
        let shape = if entry.is_bad {
            theme.glyphs.alarm()
        } else {
            " "
        };
        let room = usize::from(width).saturating_sub(16);
        lines.push(Line::from(vec![
            Span::styled(format!("{age:>8} ago "), theme.dim()),
            Span::styled(format!("{shape} "), theme.bad()),
            Span::raw(cut(&text, room, theme.glyphs)),
        ]));
    }
    lines
}
