//! What lies over the view: help, palette, chooser, questions and the form.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;
use unicode_width::UnicodeWidthStr as _;

use super::{cut, fit, help, lines, put};
use crate::command::Unavailable;
use crate::form::Form;
use crate::health::Freshness;
use crate::state::{Confirm, Consent, Palette, Prompt, State};

/// From this height on a form has room for what there is to say about it.
pub(super) const TALL: u16 = 22;

pub(super) fn draw(state: &State, prompt: &Prompt, frame: &mut Frame<'_>, body: Rect) {
    match prompt {
        Prompt::Filter { .. }
        | Prompt::Find { .. }
        | Prompt::Move { .. }
        | Prompt::Export { .. } => {}
        Prompt::Help(top) => {
            frame.render_widget(Clear, body);
            lines(frame, body, help::lines(state), *top);
        }
        Prompt::Palette(palette) => {
            let shown = palette_lines(state, palette, body.width);
            panel(
                state,
                frame,
                body,
                "what do you want?",
                shown,
                palette.selected,
            );
        }
        Prompt::Places(at) => {
            let shown = place_lines(state, *at, body.width);
            panel(state, frame, body, "farms and directories", shown, *at);
        }
        Prompt::Columns(at) => {
            let shown = column_lines(state, *at, body.width);
            panel(state, frame, body, "columns", shown, *at);
        }
        Prompt::Confirm(confirm) => {
            let shown = confirm_lines(state, confirm, body.width);
            panel(state, frame, body, &confirm.title, shown, 0);
        }
        Prompt::Form(form) => {
            let shown = form_lines(state, form, body.width);
            panel(state, frame, body, form.title, shown, form.focus);
        }
    }
}

/// Puts lines at the bottom of the body, under a rule with a title; line `focus` stays visible.
fn panel(
    state: &State,
    frame: &mut Frame<'_>,
    body: Rect,
    title: &str,
    shown: Vec<Line<'static>>,
    focus: usize,
) {
    let theme = state.settings.theme;
    let wanted = u16::try_from(shown.len() + 1).unwrap_or(u16::MAX);
    let height = wanted.min(body.height);
    let area = Rect {
        y: body.y + body.height - height,
        height,
        ..body
    };
    frame.render_widget(Clear, area);
    let title = cut(
        title,
        usize::from(area.width).saturating_sub(4),
        theme.glyphs,
    );
    put(frame, area, 0, super::section(theme, &title, area.width));
    let below = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    let top = (focus + 1).saturating_sub(usize::from(below.height));
    lines(frame, below, shown, top);
}

fn palette_lines(state: &State, palette: &Palette, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let found = palette.matches();
    if found.is_empty() {
        return vec![Line::styled("nothing fits", theme.dim())];
    }
    let line = |(at, binding): (usize, &&crate::command::Binding)| {
        let (text, style) = match binding.command.check(state) {
            Ok(()) => (binding.help.to_owned(), ratatui::style::Style::new()),
            Err(Unavailable::Because(why)) => (format!("not now: {why}"), theme.dim()),
            Err(Unavailable::Elsewhere) => ("not in this view".to_owned(), theme.dim()),
        };
        let text = format!(" {:<14} {:<10} {text}", binding.label, binding.key_text());
        let line = Line::styled(fit(&text, width, theme.glyphs), style);
        if at == palette.selected {
            line.patch_style(theme.selected())
        } else {
            line
        }
    };
    found.iter().enumerate().map(line).collect()
}

fn place_lines(state: &State, at: usize, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let line = |(number, visit): (usize, &crate::state::Visit)| {
        let place = &visit.place;
        let here = if number == state.at { ">" } else { " " };
        let health = if number == state.at {
            &state.health
        } else {
            &visit.health
        };
        let freshness = match state.freshness_of(number) {
            Freshness::Connecting if !place.is_watched => "asked when looked at".to_owned(),
            freshness => freshness.text(),
        };
        let error = health.last_error.as_deref();
        let error = error.map_or(String::new(), |error| format!(": {error}"));
        let farm = place
            .farm_id
            .map_or("all farms".to_owned(), |id| format!("farm {id}"));
        let text = format!(
            "{here}{} {:<14} {farm:<10} {freshness:<24} {}{error}",
            number + 1,
            place.title(),
            place.directory,
        );
        let drawn = Line::raw(fit(&text, width, theme.glyphs));
        if number == at {
            drawn.patch_style(theme.selected())
        } else {
            drawn
        }
    };
    state.places.iter().enumerate().map(line).collect()
}

fn column_lines(state: &State, at: usize, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let Some(table) = state.table_shown() else {
        return Vec::new();
    };
    let line = |(line, column): (usize, crate::columns::Column)| {
        let check = if table.columns.contains(&column) {
            "x"
        } else {
            " "
        };
        let text = format!(" [{check}] {:<11} {}", column.title(), column.meaning());
        let drawn = Line::raw(fit(&text, width, theme.glyphs));
        if line == at {
            drawn.patch_style(theme.selected())
        } else {
            drawn
        }
    };
    let all = crate::columns::Column::ALL;
    all.into_iter().enumerate().map(line).collect()
}

fn confirm_lines(state: &State, confirm: &Confirm, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let room = usize::from(width).saturating_sub(2);
    let mut lines: Vec<Line<'static>> = confirm
        .lines
        .iter()
        .map(|line| Line::raw(format!(" {}", cut(line, room, theme.glyphs))))
        .collect();
    lines.push(Line::raw(""));
    match &confirm.consent {
        Consent::Button { focused } => {
            // The focus is told by the arrow too, not by reverse alone.
            let button = |text: &str, has_focus: bool| {
                if has_focus {
                    Span::styled(format!(" >[ {text} ] "), theme.selected())
                } else {
                    Span::raw(format!("  [ {text} ] "))
                }
            };
            lines.push(Line::from(vec![
                button("Cancel", !focused),
                button("Do it", *focused),
                Span::styled("  y", theme.key()),
                Span::raw(" does it  "),
                Span::styled("Enter", theme.key()),
                Span::raw(if *focused { " does it" } else { " cancels" }),
            ]));
        }
        Consent::Typed { expected, input } => {
            let (before, after) = input.parts();
            lines.push(Line::from(vec![
                Span::raw(" type "),
                Span::styled(expected.clone(), theme.title()),
                Span::raw(format!(": {before}{}{after}", theme.glyphs.caret())),
            ]));
            let text = if confirm.consent.is_given() {
                " Enter does it"
            } else {
                " Esc cancels"
            };
            lines.push(Line::styled(text, theme.dim()));
        }
    }
    lines
}

fn form_lines(state: &State, form: &Form, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let line = |(at, field): (usize, &crate::form::Field)| {
        let has_focus = at == form.focus;
        let arrow = if has_focus { ">" } else { " " };
        let (before, after) = field.input.parts();
        let is_typed = has_focus && field.choices.is_empty();
        let caret = if is_typed { theme.glyphs.caret() } else { "" };
        let shown = |text: &str| hw_probe::text::Untrusted::from(text).to_string();
        let value = match (has_focus, is_typed) {
            (true, true) => format!("{before}{caret}{after}"),
            (true, false) => format!("< {} >", field.input.text()),
            (false, _) => shown(field.input.text()),
        };
        let (note, style) = match field.error() {
            Some(error) => (format!("{} {error}", theme.glyphs.alarm()), theme.bad()),
            None if has_focus || field.input.text().is_empty() => {
                (field.hint.to_owned(), theme.dim())
            }
            None => (String::new(), theme.dim()),
        };
        let room = usize::from(width).saturating_sub(14 + note.width() + 2);
        Line::from(vec![
            Span::styled(format!("{arrow} {:<11} ", field.label), theme.key()),
            Span::raw(format!("{}  ", cut(&value, room, theme.glyphs))),
            Span::styled(note, style),
        ])
    };
    let mut lines: Vec<Line<'static>> = form.fields.iter().enumerate().map(line).collect();
    // Where there is no room for all of it, the line for messages has it.
    if let Some((text, is_bad)) = form.told().filter(|_| state.size.1 >= TALL) {
        let style = if is_bad { theme.bad() } else { theme.dim() };
        let mark = if is_bad { theme.glyphs.alarm() } else { " " };
        // Reasons can be long, and the end often says what to do.
        let parts = wrap(&text, usize::from(width).saturating_sub(4)).into_iter();
        lines.extend(parts.enumerate().map(|(at, part)| {
            let mark = if at == 0 { mark } else { " " };
            Line::styled(format!("  {mark} {part}"), style)
        }));
    }
    lines
}

/// `text` in lines of at most `width` cells, broken between words.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let room = lines.last().map_or(0, |line| line.width());
        if room > 0 && room + 1 + word.width() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
