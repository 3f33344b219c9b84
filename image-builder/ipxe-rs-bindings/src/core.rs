//! The C core (`csrc/`), made safe. The only `unsafe` code of the crate.
#![expect(
    unsafe_code,
    reason = "calls the C core; every call states why it is sound"
)]

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_int};

/// Longest word that expansion may make, in bytes.
const WORD_LIMIT: usize = 64 << 10;
const OPTION_LIMIT: usize = 9;

const OK: c_int = 0;
const FULL: c_int = 2;
const UNFINISHED: c_int = 3;
const ENDLESS: c_int = 4;
const UNSUPPORTED: c_int = 6;

#[repr(C)]
#[derive(Clone, Copy)]
struct Span {
    data: *const u8,
    length: usize,
}

impl Span {
    const fn of(bytes: &[u8]) -> Self {
        Self {
            data: bytes.as_ptr(),
            length: bytes.len(),
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
struct RawWord {
    at: usize,
    offset: usize,
    length: usize,
}

#[repr(C)]
struct RawLine {
    at: usize,
    word_count: usize,
    has_label: c_int,
}

#[repr(C)]
struct RawSetting {
    name: Span,
    value: Span,
    r#type: c_int,
}

#[repr(C)]
struct RawOption {
    letter: c_char,
    kind: u8,
    newer: u8,
    name: *const c_char,
}

#[repr(C)]
struct RawCommand {
    name: *const c_char,
    usage: *const c_char,
    least: u8,
    most: u8,
    effect: u8,
    options: [RawOption; OPTION_LIMIT],
}

#[repr(C)]
struct RawArguments {
    verdict: c_int,
    position: usize,
    first: usize,
    culprit: Span,
    values: [Span; OPTION_LIMIT],
}

// SAFETY: the declarations are those of csrc/ipxs.h; the layout tests below compare sizes.
unsafe extern "C" {
    fn ipxs_line(
        script: Span,
        position: *mut usize,
        buffer: *mut u8,
        buffer_size: usize,
        words: *mut RawWord,
        word_limit: usize,
        line: *mut RawLine,
    ) -> c_int;
    fn ipxs_find_label(script: Span, label: Span, position: *mut usize) -> c_int;
    fn ipxs_operator(word: Span) -> c_int;
    fn ipxs_runs(operator: c_int, failed: c_int) -> c_int;
    fn ipxs_type_named(name: Span) -> c_int;
    fn ipxs_type_name(t: c_int) -> *const c_char;
    fn ipxs_type_of_setting(name: Span) -> c_int;
    fn ipxs_format(t: c_int, value: Span, out: *mut u8, size: usize, length: *mut usize) -> c_int;
    fn ipxs_parse(
        t: c_int,
        newer: c_int,
        text: Span,
        out: *mut u8,
        size: usize,
        length: *mut usize,
    ) -> c_int;
    fn ipxs_integer(text: Span, newer: c_int, value: *mut u32) -> c_int;
    fn ipxs_find_setting(name: Span, settings: *const RawSetting, count: usize) -> isize;
    fn ipxs_expand(
        word: Span,
        settings: *const RawSetting,
        count: usize,
        newer: c_int,
        out: *mut u8,
        size: usize,
        length: *mut usize,
    ) -> c_int;
    fn ipxs_command(name: Span) -> *const RawCommand;
    fn ipxs_command_at(index: usize) -> *const RawCommand;
    fn ipxs_arguments(
        command: *const RawCommand,
        words: *const Span,
        count: usize,
        newer: c_int,
        arguments: *mut RawArguments,
    );
}

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
fn text(bytes: &[u8]) -> String {
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

/// How a setting is stored and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Type(c_int);

impl Type {
    /// Text.
    pub const STRING: Self = Self(0);
    /// A number of 32 bits, decimal.
    pub const INT32: Self = Self(6);

    /// The type of this name.
    pub fn named(name: &str) -> Option<Self> {
        // SAFETY: the span is valid for the call.
        let found = unsafe { ipxs_type_named(Span::of(name.as_bytes())) };
        (found >= 0).then_some(Self(found))
    }

    /// Whether builds as new as `newer` know it (see [`Command::options`]).
    pub fn is_in(self, newer: u8) -> bool {
        newer > 0 || self.name() != "guid"
    }

    /// The type that a setting of this name has by itself.
    pub fn of_setting(name: &str) -> Self {
        // SAFETY: the span is valid for the call.
        let found = unsafe { ipxs_type_of_setting(Span::of(name.as_bytes())) };
        if found >= 0 {
            Self(found)
        } else {
            Self::STRING
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        // SAFETY: takes an integer; the result is never null.
        table_text(unsafe { ipxs_type_name(self.0) })
    }

    /// Whether `inc` can count in it.
    pub fn is_number(self) -> bool {
        (4..=9).contains(&self.0)
    }

    /// The value as text; `None` if this type cannot show it.
    pub fn format(self, value: &[u8]) -> Option<Vec<u8>> {
        // No format writes more than five bytes for one, or 40 in all.
        let mut out = vec![0; value.len().saturating_mul(5) + 40];
        let mut length = 0;
        // SAFETY: `out` is writable for its length; the span is valid for the call.
        let status = unsafe {
            ipxs_format(
                self.0,
                Span::of(value),
                out.as_mut_ptr(),
                out.len(),
                &raw mut length,
            )
        };
        out.truncate(length);
        (status == OK).then_some(out)
    }

    /// The value that this text means, to a build as new as `newer` (see [`Command::options`]).
    ///
    /// # Errors
    /// [`ValueError`]
    pub fn parse(self, text: &[u8], newer: u8) -> Result<Vec<u8>, ValueError> {
        // Nothing is longer than its text, but for fixed lengths up to 16.
        let mut out = vec![0; text.len() + 16];
        let mut length = 0;
        // SAFETY: as in `format`.
        let status = unsafe {
            ipxs_parse(
                self.0,
                newer.into(),
                Span::of(text),
                out.as_mut_ptr(),
                out.len(),
                &raw mut length,
            )
        };
        match status {
            OK => {
                out.truncate(length);
                Ok(out)
            }
            UNSUPPORTED => Err(ValueError::CannotBeSet),
            _ => Err(ValueError::Invalid),
        }
    }
}

/// Why a text is no value of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// It means nothing in this type.
    #[error("not a value of this type")]
    Invalid,
    /// The type can be shown only.
    #[error("settings of this type cannot be set by a script")]
    CannotBeSet,
}

/// A number as commands take it: decimal, `0x…` or `0…`, signed. Nothing at all is 0 to the oldest
/// builds.
pub fn integer(text: &[u8], newer: u8) -> Option<u32> {
    let mut value = 0;
    // SAFETY: the span is valid for the call.
    let status = unsafe { ipxs_integer(Span::of(text), newer.into(), &raw mut value) };
    (status == OK).then_some(value)
}

/// A setting that has a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name, with its scope as in `net0/mac`.
    pub name: String,
    /// Its bytes.
    pub value: Vec<u8>,
    /// How they are shown.
    pub r#type: Type,
}

fn raw(settings: &[Setting]) -> Vec<RawSetting> {
    settings
        .iter()
        .map(|setting| RawSetting {
            name: Span::of(setting.name.as_bytes()),
            value: Span::of(&setting.value),
            r#type: setting.r#type.0,
        })
        .collect()
}

/// Which of the settings a name means.
pub fn find_setting(name: &str, settings: &[Setting]) -> Option<usize> {
    let raw = raw(settings);
    // SAFETY: the spans in `raw` point into `settings`, which outlives the call.
    let found = unsafe { ipxs_find_setting(Span::of(name.as_bytes()), raw.as_ptr(), raw.len()) };
    usize::try_from(found).ok()
}

/// Why a word cannot be expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// A setting's value names itself.
    #[error("a setting expands to itself without end")]
    Endless,
    /// The result is longer than any command takes.
    #[error("the word grows beyond 64 KiB")]
    TooLong,
}

/// Expands every `${name:type}` of a word, innermost first, with the types of a build as new as
/// `newer` (see [`Command::options`]).
///
/// # Errors
/// [`ExpandError`]
pub fn expand(word: &str, settings: &[Setting], newer: u8) -> Result<Vec<u8>, ExpandError> {
    if !word.contains("${") {
        return Ok(word.as_bytes().to_vec());
    }
    let raw = raw(settings);
    let mut length = 0;
    let mut size = (word.len() * 4).max(256);
    loop {
        let mut out = vec![0; size];
        // SAFETY: the spans in `raw` point into `settings`; `out` is writable for its length and is
        // no part of them.
        let status = unsafe {
            ipxs_expand(
                Span::of(word.as_bytes()),
                raw.as_ptr(),
                raw.len(),
                newer.into(),
                out.as_mut_ptr(),
                out.len(),
                &raw mut length,
            )
        };
        match status {
            FULL if size < WORD_LIMIT => size = WORD_LIMIT,
            FULL => return Err(ExpandError::TooLong),
            ENDLESS => return Err(ExpandError::Endless),
            _ => {
                out.truncate(length);
                return Ok(out);
            }
        }
    }
}

/// What a command does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing outside the script.
    Pure,
    /// Something with the network ports.
    Network,
    /// Fetches a file.
    Fetch,
    /// Starts another program and may not come back.
    Handover,
    /// Asks a person.
    Interactive,
    /// Anything else.
    Other,
}

/// A command and its rules.
#[derive(Clone, Copy)]
pub struct Command(&'static RawCommand);

/// A string of the C core's tables.
fn table_text(pointer: *const c_char) -> &'static str {
    // SAFETY: the pointers in the tables are to string literals of the core.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().unwrap_or_default()
}

impl Command {
    /// The command of this name.
    pub fn named(name: &[u8]) -> Option<Self> {
        // SAFETY: the span is valid for the call; the result is null or into a constant table.
        unsafe { ipxs_command(Span::of(name)).as_ref() }.map(Self)
    }

    /// All that are known, by name.
    pub fn all() -> impl Iterator<Item = Self> {
        // SAFETY: the result is null or into a constant table.
        (0..).map_while(|index| unsafe { ipxs_command_at(index).as_ref() }.map(Self))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        table_text(self.0.name)
    }

    /// Its name and arguments, without options.
    pub fn usage(self) -> String {
        format!("{} {}", self.name(), table_text(self.0.usage))
            .trim_end()
            .to_owned()
    }

    /// What it does.
    pub fn effect(self) -> Effect {
        match self.0.effect {
            0 => Effect::Pure,
            1 => Effect::Network,
            2 => Effect::Fetch,
            3 => Effect::Handover,
            4 => Effect::Interactive,
            _ => Effect::Other,
        }
    }

    /// Its options as they are written: 0 for those of 2019, 1 also of 2025, 2 all.
    pub fn options(self, newer: u8) -> Vec<String> {
        let options = self.0.options.iter().take_while(|o| o.letter != 0);
        options
            .filter(|option| option.newer <= newer)
            .map(|option| format!("--{}", table_text(option.name)))
            .collect()
    }

    /// Reads the words behind its name, with options as new as `newer` (see [`Self::options`]).
    pub fn arguments(self, words: &[Cow<'_, [u8]>], newer: u8) -> Arguments {
        let spans: Vec<Span> = words.iter().map(|word| Span::of(word)).collect();
        let nothing = Span {
            data: std::ptr::null(),
            length: 0,
        };
        let mut raw = RawArguments {
            verdict: 0,
            position: 0,
            first: 0,
            culprit: nothing,
            values: [nothing; OPTION_LIMIT],
        };
        // SAFETY: the spans point into `words`, which outlives the call; `raw` is written in full.
        unsafe {
            ipxs_arguments(
                self.0,
                spans.as_ptr(),
                spans.len(),
                newer.into(),
                &raw mut raw,
            );
        }
        let bytes = |span: Span| {
            if span.data.is_null() {
                return Vec::new();
            }
            // SAFETY: a span that is not null points into one of `words`, or behind its last byte
            // with length 0.
            unsafe { std::slice::from_raw_parts(span.data, span.length) }.to_vec()
        };
        let culprit = text(&bytes(raw.culprit));
        let at = raw.position;
        let problem = match raw.verdict {
            0 => None,
            1 => Some(Problem::Help { at }),
            2 => Some(Problem::UnknownOption {
                at,
                option: if culprit.starts_with('-') {
                    culprit
                } else {
                    format!("-{culprit}")
                },
            }),
            3 => Some(Problem::NoValue {
                at,
                option: culprit,
            }),
            4 => Some(Problem::NotANumber { at, value: culprit }),
            _ => Some(Problem::Count {
                given: words.len() - raw.first,
            }),
        };
        let options = self.0.options.iter().zip(raw.values);
        Arguments {
            problem,
            first: raw.first,
            options: options
                .filter(|(option, value)| option.letter != 0 && !value.data.is_null())
                .map(|(option, value)| (table_text(option.name), bytes(value)))
                .collect(),
        }
    }
}

/// What the arguments of a command are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// What is wrong with them.
    pub problem: Option<Problem>,
    /// The first word that is no option.
    pub first: usize,
    /// Options and their values; a flag has its own name.
    pub options: Vec<(&'static str, Vec<u8>)>,
}

/// What can be wrong with arguments; `at` counts the words behind the command's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// `--help`: the command only shows its usage, and fails.
    Help {
        /// Which word.
        at: usize,
    },
    /// No such option.
    UnknownOption {
        /// Which word.
        at: usize,
        /// The option with its dashes.
        option: String,
    },
    /// An option without its value.
    NoValue {
        /// Which word.
        at: usize,
        /// The option without dashes.
        option: String,
    },
    /// An option whose value is no number.
    NotANumber {
        /// Which word.
        at: usize,
        /// The value.
        value: String,
    },
    /// Too few or too many.
    Count {
        /// How many there are.
        given: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_complete() {
        let names: Vec<_> = Command::all().map(Command::name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(names.len() > 60);
        for name in names {
            assert_eq!(
                Command::named(name.as_bytes()).map(Command::name),
                Some(name)
            );
        }
    }

    #[test]
    fn structures_have_the_layout_of_the_header() {
        // Read through the C side: the last fields of the structures arrive where they belong.
        let chain = Command::named(b"chain").expect("chain is a command");
        assert_eq!(chain.effect(), Effect::Handover);
        let options = chain.options(2);
        assert_eq!(options.last().map(String::as_str), Some("--replace"));
        let words: Vec<Cow<'_, [u8]>> = ["-t", "5", "-r", "x"].map(|w| w.as_bytes().into()).into();
        let arguments = chain.arguments(&words, 0);
        assert_eq!(arguments.first, 3);
        assert_eq!(arguments.options[0], ("timeout", b"5".to_vec()));
        assert_eq!(arguments.options[1].0, "replace");
    }

    #[test]
    fn an_endless_setting_is_an_error() {
        let settings = [Setting {
            name: "x".into(),
            value: b"${x}".to_vec(),
            r#type: Type::STRING,
        }];
        assert_eq!(expand("${x}", &settings, 0), Err(ExpandError::Endless));
        let grows = [Setting {
            name: "x".into(),
            value:
                b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa${x}${x}"
                    .to_vec(),
            r#type: Type::STRING,
        }];
        assert_eq!(expand("${x}", &grows, 0), Err(ExpandError::TooLong));
    }
}
