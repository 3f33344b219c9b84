//! Text written by outsiders: firmware, disks, other farmers' names in the directory.
//!
//! Such text may hold terminal escapes, bidirectional overrides or spreadsheet formulas. It is
//! kept as it came, for comparing and storing, and is made harmless at the moment it is shown.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest text shown, in characters. SMBIOS and every grid name fit well below it.
pub const SHOWN_MAX_CHARS: usize = 255;

/// Owned text from an outsider. Serialises as a plain string.
///
/// `Display` (and [`Untrusted::shown`]) is safe for a terminal; [`Untrusted::csv_cell`] for a
/// spreadsheet. [`Untrusted::raw`] is for comparing and storing, never for printing.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Untrusted(String);

impl Untrusted {
    /// Takes the text as it is.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Takes bytes of unknown encoding; what is not UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).into_owned())
    }

    /// The text as it came. For comparing and storing only.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// Whether nothing is left to show.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.shown().is_empty()
    }

    /// The text as one line that any terminal can show: no control characters, escape sequences,
    /// bidirectional or invisible characters; runs of white space are one space; at most
    /// [`SHOWN_MAX_CHARS`] characters.
    #[must_use]
    pub fn shown(&self) -> Cow<'_, str> {
        let plain = |b: u8| (0x21..=0x7e).contains(&b);
        let bytes = self.0.as_bytes();
        let simple = bytes.len() <= SHOWN_MAX_CHARS
            && bytes.iter().enumerate().all(|(i, &b)| {
                plain(b) || (b == b' ' && i > 0 && bytes.get(i + 1).copied().is_some_and(plain))
            });
        if simple {
            return Cow::Borrowed(&self.0);
        }
        Cow::Owned(sanitise(&self.0))
    }

    /// One complete CSV cell (RFC 4180): [`Untrusted::shown`], quoted when needed, and with a
    /// leading `'` where a spreadsheet would start a formula (`= + - @`, tab, carriage return).
    #[must_use]
    pub fn csv_cell(&self) -> String {
        let shown = self.shown();
        let starts_formula = |text: &str| {
            text.starts_with([
                '=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
            ])
        };
        // The raw text counts too: dropping a leading tab must not turn data into a formula that
        // another program reads from the raw column.
        let guard = if starts_formula(&shown) || starts_formula(&self.0) {
            "'"
        } else {
            ""
        };
        if shown.contains(['"', ',', ';', '\'']) || !guard.is_empty() {
            format!("\"{guard}{}\"", shown.replace('"', "\"\""))
        } else {
            shown.into_owned()
        }
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.shown())
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Untrusted({:?})", self.0)
    }
}

impl From<String> for Untrusted {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Untrusted {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl PartialEq<str> for Untrusted {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Untrusted {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

/// Characters that reorder, hide or otherwise falsify what a reader sees.
fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e0fff}'
        | '\u{f0000}'..='\u{10ffff}')
}

fn sanitise(text: &str) -> String {
    let mut out = String::new();
    let mut shown = 0_usize;
    let mut gap = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let c = match c {
            '\u{1b}' => {
                skip_escape(&mut chars);
                continue;
            }
            '\u{9b}' => {
                skip_csi(&mut chars);
                continue;
            }
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => {
                skip_string(&mut chars);
                continue;
            }
            c if c.is_whitespace() => {
                gap = true;
                continue;
            }
            c if c.is_control() || is_deceptive(c) => continue,
            c => c,
        };
        let needed = 1 + usize::from(gap && shown > 0);
        if shown + needed > SHOWN_MAX_CHARS {
            // Room for the mark: the last character makes way.
            out.pop();
            out.push('…');
            return out;
        }
        if gap && shown > 0 {
            out.push(' ');
        }
        gap = false;
        out.push(c);
        shown += needed;
    }
    out
}

/// After ESC: ECMA-48 control sequence, string, or a two-character escape.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.peek().copied() {
        Some('[') => {
            chars.next();
            skip_csi(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            skip_string(chars);
        }
        Some(c) if ('\u{20}'..='\u{2f}').contains(&c) => {
            while chars
                .next_if(|c| ('\u{20}'..='\u{2f}').contains(c))
                .is_some()
            {}
            chars.next_if(|c| ('\u{30}'..='\u{7e}').contains(c));
        }
        Some(c) if ('\u{30}'..='\u{7e}').contains(&c) => {
            chars.next();
        }
        _ => {}
    }
}

/// Parameter and intermediate bytes, then one final byte.
fn skip_csi(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while chars
        .next_if(|c| ('\u{20}'..='\u{3f}').contains(c))
        .is_some()
    {}
    chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
}

/// Up to BEL or ST. An unterminated string swallows the rest, as a terminal would.
fn skip_string(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(c) = chars.next() {
        match c {
            '\u{07}' | '\u{9c}' => return,
            '\u{1b}' => {
                chars.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn terminal_tricks_are_removed() {
        for (raw, shown) in [
            ("Samsung SSD 980", "Samsung SSD 980"),
            ("  padded   part\tnumber  ", "padded part number"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{07}after", "after"),
            ("\u{1b}]8;;http://x\u{1b}\\link", "link"),
            ("\u{9b}2Jcleared", "cleared"),
            ("a\u{202e}b\u{2066}c\u{200b}d\u{feff}", "abcd"),
            ("line\nbreak\r\u{7}", "line break"),
            ("\u{1b}", ""),
            ("\u{1b}(Bx", "x"),
            ("Müller 東京", "Müller 東京"),
        ] {
            assert_eq!(Untrusted::from(raw).shown(), shown, "{raw:?}");
        }
    }

    #[test]
    fn length_is_capped_and_marked() {
        let shown = Untrusted::new("x".repeat(100_000)).to_string();
        assert_eq!(shown.chars().count(), SHOWN_MAX_CHARS);
        assert!(shown.ends_with('…'));
        assert_eq!(Untrusted::new("x".repeat(255)).shown(), "x".repeat(255));
    }

    #[test]
    fn formulas_do_not_reach_a_spreadsheet() {
        for (raw, cell) in [
            ("plain", "plain"),
            ("=cmd()", "\"'=cmd()\""),
            ("\t=1", "\"'=1\""),
            ("@x", "\"'@x\""),
            ("-1", "\"'-1\""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("\u{200b}=1", "\"'=1\""),
        ] {
            assert_eq!(Untrusted::from(raw).csv_cell(), cell, "{raw:?}");
        }
    }

    #[test]
    fn bytes_are_decoded_lossily_and_raw_is_kept() {
        let text = Untrusted::from_bytes(b"ab\xff\x1b[1m");
        assert_eq!(text.raw(), "ab\u{fffd}\u{1b}[1m");
        assert_eq!(
            serde_json::to_string(&text).unwrap(),
            "\"ab\u{fffd}\\u001b[1m\""
        );
    }

    proptest! {
        #[test]
        fn shown_text_is_harmless(raw in any::<String>()) {
            let text = Untrusted::from(raw.as_str());
            let shown = text.to_string();
            prop_assert!(shown.chars().all(|c| !c.is_control() && !is_deceptive(c)));
            prop_assert!(!shown.contains(char::from(27)));
            prop_assert!(shown.chars().count() <= SHOWN_MAX_CHARS);
            prop_assert!(!shown.starts_with(' ') && !shown.ends_with(' '));
            prop_assert_eq!(text.raw(), raw);
        }

        #[test]
        fn showing_is_idempotent(raw in "[\\PC\u{1b}\u{9b}\\[\\]\u{202e} \n=+@-]{0,300}") {
            let once = Untrusted::from(raw).to_string();
            let again = Untrusted::from(once.as_str());
            prop_assert_eq!(again.shown(), once.as_str());
        }

        #[test]
        fn cells_never_start_a_formula(raw in "[=+@\t\r\u{200b} -]{0,3}[\\PC\u{1b}]{0,20}") {
            let cell = Untrusted::from(raw).csv_cell();
            let inner = cell.strip_prefix('"').unwrap_or(&cell);
            prop_assert!(!inner.starts_with(['=', '+', '-', '@', '\t', '\r']));
            // Every quote inside a quoted cell is doubled.
            if let Some(body) = cell.strip_prefix('"').and_then(|c| c.strip_suffix('"')) {
                prop_assert!(!body.replace("\"\"", "").contains('"'));
            } else {
                prop_assert!(!cell.contains(['"', ',', ';', '\n']));
            }
        }
    }
}
