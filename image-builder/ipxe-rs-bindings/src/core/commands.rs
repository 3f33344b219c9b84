//! The table of commands, and arguments held against it.
#![expect(
    unsafe_code,
    reason = "calls the C core; every call states why it is sound"
)]

use std::borrow::Cow;

use super::ffi::*;
use super::words::text;

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
