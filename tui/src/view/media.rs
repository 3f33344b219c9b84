//! Boot media: what can be made, what is being made, what was made.

use std::collections::HashSet;

use ratatui::text::{Line, Span};

use super::overlay::wrap;
use super::{cut, field, section};
use crate::command::{Binding, Command, Unavailable};
use crate::jobs::{Job, Medium};
use crate::media::FORMATS;
use crate::node::duration_text;
use crate::state::State;
use crate::theme::Theme;
use hw_probe::units::Bytes;

/// What can be asked for here, one at a time.
const OFFERS: [(Command, &str); 2] = [
    (
        Command::BuildMedium,
        "a boot medium for the nodes of a farm",
    ),
    (
        Command::CustomizeMedium,
        "a finished medium for another farm, address or kernel argument",
    ),
];
/// Cells of the widest bar.
const BAR: usize = 40;

pub(super) fn lines(state: &State, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let mut lines = Vec::new();
    if let Some((_, medium)) = state.medium_under_way() {
        lines.push(section(theme, "being made", width));
        lines.extend(under_way(state, medium, width));
    } else {
        lines.push(section(theme, "what can be made", width));
        for (command, what) in OFFERS {
            lines.extend(offer(state, command, what, width));
        }
    }
    lines.push(section(theme, "made of", width));
    match &state.survey {
        None => lines.push(Line::styled("looking what there is", theme.dim())),
        Some(Err(why)) => lines.push(Line::styled(
            format!("{} {why}", theme.glyphs.alarm()),
            theme.bad(),
        )),
        Some(Ok(survey)) => {
            for (name, text) in &survey.parts {
                lines.push(field(theme, name, text, width));
            }
        }
    }
    let media = state.jobs.iter().rev().filter(|job| job.outcome.is_some());
    let mut media = media
        .filter_map(|job| Some((job, job.medium.as_deref()?)))
        .peekable();
    if media.peek().is_some() {
        lines.push(section(
            theme,
            "made in this session, the newest first",
            width,
        ));
        let mut changed_since = HashSet::new();
        for (job, medium) in media {
            let is_old = !changed_since.insert(medium.order.target().clone());
            lines.extend(made(theme, job, medium, is_old, width));
        }
    } else if state.medium_under_way().is_none() {
        lines.push(section(theme, "formats", width));
        for (name, ending, meaning) in FORMATS {
            lines.push(field(theme, name, &format!("{meaning} ({ending})"), width));
        }
        lines.push(field(
            theme,
            "elsewhere",
            "`farmer image build` and `farmer image customize` do the same and more",
            width,
        ));
    }
    lines
}

/// A key and what it makes; what cannot be made is greyed and says why.
fn offer(state: &State, command: Command, what: &str, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let key = Binding::key_of(command);
    match command.check(state) {
        Ok(()) => vec![Line::from(vec![
            Span::styled(format!("{key} "), theme.key()),
            Span::raw(cut(
                what,
                usize::from(width).saturating_sub(2),
                theme.glyphs,
            )),
        ])],
        Err(Unavailable::Elsewhere) => Vec::new(),
        Err(Unavailable::Because(why)) => {
            let text = format!("({key}) {what}");
            let mut lines = vec![Line::styled(
                cut(&text, usize::from(width), theme.glyphs),
                theme.dim(),
            )];
            for part in wrap(&why, usize::from(width).saturating_sub(4)) {
                lines.push(Line::styled(format!("    {part}"), theme.caution()));
            }
            lines
        }
    }
}

fn under_way(state: &State, medium: &Medium, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let elapsed = state.now.saturating_sub(medium.begun).as_secs();
    let elapsed = duration_text(i64::try_from(elapsed).unwrap_or(0));
    let stage = if medium.is_cancelled {
        "stopping"
    } else {
        medium.stage.as_str()
    };
    let stage = hw_probe::text::Untrusted::from(stage).to_string();
    let mut lines = vec![
        field(
            theme,
            "file",
            &medium.order.target().display().to_string(),
            width,
        ),
        field(theme, "command", &medium.order.command_line(), width),
        field(
            theme,
            "now",
            &format!("{} {stage}, {elapsed} since the start", theme.glyphs.busy()),
            width,
        ),
    ];
    if let Some((done, total)) = medium.bytes.filter(|(_, total)| *total > 0) {
        let percent = u64::try_from(u128::from(done) * 100 / u128::from(total)).unwrap_or(100);
        let room = BAR.min(usize::from(width).saturating_sub(52));
        let filled = usize::try_from(percent).unwrap_or(0) * room / 100;
        let text = format!(
            "{}{} {percent:>3} % of {}",
            theme.glyphs.full().repeat(filled.min(room)),
            theme.glyphs.hollow().repeat(room.saturating_sub(filled)),
            Bytes(total)
        );
        lines.push(field(theme, "", text.trim_start(), width));
    }
    lines.extend(warnings(theme, medium, width));
    if !medium.is_cancelled {
        lines.push(Line::from(vec![
            Span::styled(
                format!("{} ", Binding::key_of(Command::CancelWork)),
                theme.key(),
            ),
            Span::raw("stops it"),
        ]));
    }
    lines
}

/// What came of an order; a digest counts only until the file is written again.
fn made(theme: Theme, job: &Job, medium: &Medium, is_old: bool, width: u16) -> Vec<Line<'static>> {
    let (shape, style) = match &job.outcome {
        Some(Ok(_)) => (theme.glyphs.done(), theme.good()),
        _ => (theme.glyphs.alarm(), theme.bad()),
    };
    let took = medium.ended.map_or(String::new(), |ended| {
        let seconds = ended.saturating_sub(medium.begun).as_secs();
        format!(" in {}", duration_text(i64::try_from(seconds).unwrap_or(0)))
    });
    let head = format!("{}{took}", job.what);
    let room = usize::from(width).saturating_sub(3);
    let mut lines = vec![Line::from(vec![
        Span::styled(format!("{shape} "), style),
        Span::raw(cut(&head, room, theme.glyphs)),
    ])];
    match (&job.outcome, &medium.made) {
        (_, Some(made)) => {
            let file = made.file.display().to_string();
            let size = made
                .size_bytes
                .map_or(String::new(), |bytes| format!("  {}", Bytes(bytes)));
            lines.push(field(theme, "  file", &format!("{file}{size}"), width));
            match &made.sha256 {
                Some(_) if is_old => {
                    lines.push(field(
                        theme,
                        "  sha256",
                        "was changed since, see above",
                        width,
                    ));
                }
                Some(sha256) => lines.push(field(theme, "  sha256", sha256, width)),
                None => {}
            }
            for (name, value) in &made.facts {
                lines.push(field(theme, &format!("  {name}"), value, width));
            }
        }
        (Some(Err(why)), None) => {
            let why = hw_probe::text::Untrusted::from(why.as_str()).to_string();
            for part in wrap(&why, usize::from(width).saturating_sub(4)) {
                lines.push(Line::styled(format!("    {part}"), theme.bad()));
            }
        }
        _ => {}
    }
    lines.extend(warnings(theme, medium, width));
    lines
}

fn warnings(theme: Theme, medium: &Medium, width: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for warning in &medium.warnings {
        let text = hw_probe::text::Untrusted::from(warning.as_str()).to_string();
        for (at, part) in wrap(&text, usize::from(width).saturating_sub(16))
            .into_iter()
            .enumerate()
        {
            let label = if at == 0 { "  warning" } else { "" };
            let mut line = field(theme, label, &part, width);
            if let Some(value) = line.spans.get_mut(1) {
                value.style = theme.caution();
            }
            lines.push(line);
        }
    }
    lines
}
