//! Plain pages for people: fields and tables, aligned by display width, readable without colour.

use std::fmt::Display;

use unicode_width::UnicodeWidthStr as _;

const BOLD: &str = "\u{1b}[1m";
const RESET: &str = "\u{1b}[0m";

/// Text for people in the making.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    fields: Vec<(String, String)>,
}

/// Which way a column leans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

impl Page {
    /// A `name  value` line; neighbouring fields are aligned with each other.
    pub fn field(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.fields.push((name.to_owned(), value.to_string()));
        self
    }

    /// A heading, set off by a blank line.
    pub fn heading(&mut self, text: &str) -> &mut Self {
        self.flush_fields();
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&format!("{BOLD}{text}{RESET}\n"));
        self
    }

    /// A line of prose.
    pub fn line(&mut self, text: impl Display) -> &mut Self {
        self.flush_fields();
        self.text.push_str(&format!("{text}\n"));
        self
    }

    /// Text that is laid out already.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.flush_fields();
        self.text.push_str(text);
        self
    }

    /// A table with a header line; the last column is not padded.
    pub fn table(&mut self, columns: &[(&str, Align)], rows: &[Vec<String>]) -> &mut Self {
        self.flush_fields();
        let widths: Vec<usize> = columns
            .iter()
            .enumerate()
            .map(|(index, (name, _))| {
                let cells = rows.iter().filter_map(|row| row.get(index));
                cells
                    .map(|cell| cell.width())
                    .max()
                    .unwrap_or(0)
                    .max(name.width())
            })
            .collect();
        let header: Vec<String> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let header = row_text(&header, columns, &widths);
        self.text.push_str(&format!("{BOLD}{header}{RESET}\n"));
        for row in rows {
            self.text.push_str(&row_text(row, columns, &widths));
            self.text.push('\n');
        }
        self
    }

    /// The finished text.
    pub fn finish(mut self) -> String {
        self.flush_fields();
        self.text
    }

    fn flush_fields(&mut self) {
        let fields = std::mem::take(&mut self.fields);
        let width = fields
            .iter()
            .map(|(name, _)| name.width())
            .max()
            .unwrap_or(0);
        for (name, value) in fields {
            let pad = width - name.width();
            let mut lines = value.lines();
            let first = lines.next().unwrap_or_default();
            self.text.push_str(&format!("{name}{:pad$}  {first}", ""));
            trim_line_end(&mut self.text);
            self.text.push('\n');
            for line in lines {
                self.text.push_str(&format!("{:width$}  {line}\n", ""));
            }
        }
    }
}

fn row_text(cells: &[String], columns: &[(&str, Align)], widths: &[usize]) -> String {
    let mut line = String::new();
    for (index, (_, align)) in columns.iter().enumerate() {
        let cell = cells.get(index).map_or("", String::as_str);
        let pad = widths[index].saturating_sub(cell.width());
        if index > 0 {
            line.push_str("  ");
        }
        match align {
            Align::Left => line.push_str(&format!("{cell}{:pad$}", "")),
            Align::Right => line.push_str(&format!("{:pad$}{cell}", "")),
        }
    }
    trim_line_end(&mut line);
    line
}

fn trim_line_end(line: &mut String) {
    line.truncate(line.trim_end_matches(' ').len());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(page: Page) -> String {
        anstream::adapter::strip_str(&page.finish()).to_string()
    }

    #[test]
    fn columns_line_up_by_display_width() {
        let mut page = Page::default();
        page.table(
            &[
                ("NAME", Align::Left),
                ("CRU", Align::Right),
                ("CITY", Align::Left),
            ],
            &[
                vec!["東京".into(), "8".into(), "Tokyo".into()],
                vec!["a".into(), "128".into(), String::new()],
            ],
        );
        assert_eq!(
            plain(page),
            "NAME  CRU  CITY\n東京    8  Tokyo\na     128\n"
        );
    }

    #[test]
    fn fields_line_up_until_a_heading() {
        let mut page = Page::default();
        page.field("id", 1)
            .field("name", "alpha")
            .heading("more")
            .field("x", "two\nlines");
        assert_eq!(
            plain(page),
            "id    1\nname  alpha\n\nmore\nx  two\n   lines\n"
        );
    }
}
