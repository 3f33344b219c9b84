//! Lines, words, labels and operators of a script.
#![expect(
    unsafe_code,
    reason = "calls the C core; every call states why it is sound"
)]

use std::ffi::c_int;

use super::ffi::*;

/// A word of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Where it begins, in bytes from the start of the script.
    pub at: usize,
    /// Its text, joined if a backslash cut it.
    pub text: String,
}

/// A line of a script after backslashes joined it, without comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it begins, in bytes from the start of the script.
    pub at: usize,
    /// Its label, without the colon.
    pub label: Option<Word>,
    /// The other words, operators among them.
    pub words: Vec<Word>,
}

/// What the reader found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// A line.
    Line(Line),
    /// The last line ends in a backslash, which iPXE refuses.
    Unfinished {
        /// Where the line begins.
        at: usize,
    },
}

/// Reads the lines of a script.
pub struct Reader<'a> {
    script: &'a str,
    position: usize,
    buffer: Vec<u8>,
    words: Vec<RawWord>,
}

impl<'a> Reader<'a> {
    /// Begins at the first line, which is the magic one.
    pub fn new(script: &'a str) -> Self {
        Self {
            script,
            position: 0,
            buffer: vec![0; script.len()],
            words: vec![
                RawWord {
                    at: 0,
                    offset: 0,
                    length: 0
                };
                script.len() / 2 + 1
            ],
        }
    }

    /// Goes on at this place, where a line begins.
    pub fn seek(&mut self, position: usize) {
        self.position = position;
    }

    /// Where the next line begins.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl Iterator for Reader<'_> {
    type Item = Read;

    fn next(&mut self) -> Option<Read> {
        let mut line = RawLine {
            at: 0,
            word_count: 0,
            has_label: 0,
        };
        // SAFETY: every pointer is to memory of the length beside it, which outlives the call; the
        // core keeps none of them.
        let status = unsafe {
            ipxs_line(
                Span::of(self.script.as_bytes()),
                &raw mut self.position,
                self.buffer.as_mut_ptr(),
                self.buffer.len(),
                self.words.as_mut_ptr(),
                self.words.len(),
                &raw mut line,
            )
        };
        match status {
            OK => {}
            UNFINISHED => return Some(Read::Unfinished { at: line.at }),
            _ => return None,
        }
        let mut words = self.words[..line.word_count].iter().map(|word| Word {
            at: word.at,
            text: text(&self.buffer[word.offset..word.offset + word.length]),
        });
        let label = (line.has_label != 0)
            .then(|| words.next())
            .flatten()
            .map(|mut word| {
                word.text.remove(0);
                word
            });
        Some(Read::Line(Line {
            at: line.at,
            label,
            words: words.collect(),
        }))
    }
}

/// Text that can only be UTF-8 because it was cut from UTF-8 at ASCII characters.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Where the first line with this label begins.
pub fn find_label(script: &str, label: &[u8]) -> Option<usize> {
    let mut position = 0;
    // SAFETY: both spans are valid for the call, and `position` is written before OK is returned.
    let status = unsafe {
        ipxs_find_label(
            Span::of(script.as_bytes()),
            Span::of(label),
            &raw mut position,
        )
    };
    (status == OK).then_some(position)
}

/// What joins two commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `||`: the next runs if the last that ran failed.
    Or,
    /// `&&`: the next runs if the last that ran did not fail.
    And,
    /// `;`: the next runs.
    Then,
}

/// Whether a word is an operator.
pub fn operator(word: &str) -> Option<Operator> {
    // SAFETY: the span is valid for the call.
    match unsafe { ipxs_operator(Span::of(word.as_bytes())) } {
        0 => None,
        c if c == c_int::from(b'|') => Some(Operator::Or),
        c if c == c_int::from(b'&') => Some(Operator::And),
        _ => Some(Operator::Then),
    }
}

/// Whether a command runs after one that failed or not.
pub fn runs(operator: Option<Operator>, failed: bool) -> bool {
    let operator = match operator {
        None => 0,
        Some(Operator::Or) => b'|',
        Some(Operator::And) => b'&',
        Some(Operator::Then) => b';',
    };
    // SAFETY: takes and returns integers.
    unsafe { ipxs_runs(operator.into(), failed.into()) != 0 }
}
