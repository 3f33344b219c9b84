//! Media, jobs and log.

use ratatui::text::{Line, Span};

use super::{cut, field, section};
use crate::node::duration_text;
use crate::state::State;

pub(super) fn media(state: &State, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let farm = state.settings.farm_id.unwrap_or(1);
    let server = &state.settings.directory;
    vec![
        section(theme, "boot media", width),
        Line::raw("Media are built at the command line; this screen does not build them yet."),
        field(
            theme,
            "an image",
            &format!("farmer image build --farm-id {farm} --out node.iso"),
            width,
        ),
        field(
            theme,
            "another farm",
            "farmer image customize node.iso --farm-id N",
            width,
        ),
        field(theme, "explain one", "farmer image show node.iso", width),
        field(theme, "directory", server, width),
    ]
}

pub(super) fn jobs(state: &State, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let mut lines = vec![section(theme, "jobs, the newest first", width)];
    if state.jobs.is_empty() {
        lines.push(Line::styled("nothing was asked for yet", theme.dim()));
    }
    for job in state.jobs.iter().rev() {
        let age = duration_text(state.wall.secs.saturating_sub(job.begun));
        let (shape, style, text) = match &job.outcome {
            None => (theme.glyphs.busy(), theme.caution(), "running".to_owned()),
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
