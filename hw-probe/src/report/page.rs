//! A page of aligned text in the making.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const LABEL: usize = 13;

/// Below this the tables cannot be read.
const WIDTH_MIN: usize = 64;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Style {
    Plain,
    Strong,
    Dim,
    Warn,
    Bad,
}

pub(super) struct Page {
    out: String,
    width: usize,
    colour: bool,
}

impl Page {
    pub(super) fn new(width: usize, colour: bool) -> Self {
        Self {
            out: String::new(),
            width: width.max(WIDTH_MIN),
            colour,
        }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    fn styled(&mut self, text: &str, style: Style) {
        let code = match style {
            _ if !self.colour => None,
            Style::Plain => None,
            Style::Strong => Some("1"),
            Style::Dim => Some("2"),
            Style::Warn => Some("33"),
            Style::Bad => Some("31"),
        };
        match code {
            Some(code) => {
                let _ = writeln!(self.out, "\u{1b}[{code}m{text}\u{1b}[0m");
            }
            None => {
                let _ = writeln!(self.out, "{text}");
            }
        }
    }

    pub(super) fn heading(&mut self, text: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.styled(text, Style::Strong);
    }

    pub(super) fn field(&mut self, label: &str, value: &str) {
        let mut first = true;
        for line in wrap(value, self.width.saturating_sub(LABEL + 2)) {
            let label = if first { label } else { "" };
            self.styled(&format!("  {label:<LABEL$}{line}"), Style::Plain);
            first = false;
        }
    }

    pub(super) fn wrapped(&mut self, mark: &str, text: &str, style: Style) {
        let indent = mark.width();
        for (index, line) in wrap(text, self.width.saturating_sub(indent))
            .iter()
            .enumerate()
        {
            let lead = if index == 0 { mark } else { "" };
            self.styled(&format!("{lead:<indent$}{line}"), style);
        }
    }

    /// Fixed columns, then one that takes what is left.
    pub(super) fn row(&mut self, columns: &[usize], cells: &[&str], style: Style) {
        let mut line = String::from("  ");
        for (index, cell) in cells.iter().enumerate() {
            let left = self.width.saturating_sub(line.width());
            match columns.get(index) {
                Some(&column) if column < left => {
                    let text = cut(cell, column - 1);
                    line.push_str(&text);
                    line.extend(std::iter::repeat_n(' ', column - text.width()));
                }
                _ => line.push_str(&cut(cell, left)),
            }
        }
        let line = line.trim_end().to_owned();
        self.styled(&line, style);
    }
}

/// The text, shortened with an ellipsis to at most `width` columns.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > width {
            break;
        }
        out.push(c);
        used += w;
    }
    if width > 0 {
        out.push('…');
    }
    out
}

/// Lines of at most `width` columns, broken at spaces where there are any.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word.to_owned();
        let last = lines.last().map_or(0, |line| line.width());
        if last > 0 && last + 1 + word.width() > width {
            lines.push(String::new());
        }
        while word.width() > width && width > 0 {
            let mut head = String::new();
            while let Some(c) = word.chars().next() {
                if !head.is_empty() && head.width() + c.width().unwrap_or(0) > width {
                    break;
                }
                head.push(c);
                word.remove(0);
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(&head);
            }
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    lines
}
