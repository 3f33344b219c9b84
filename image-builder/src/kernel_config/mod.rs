//! Kernel configurations: files as the kernel's build writes them, the fragments in `kernel-config/`
//! that say what nodes need, and what becomes of one in the other.
//!
//! The format is Kconfig's, described in the kernel's `Documentation/kbuild/kconfig.rst`.

mod compare;
mod expression;
mod fragment;
mod kbuild;
mod kconfig;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;

pub use compare::{Finding, Strictness, Tally, Verdict, compare};
pub use fragment::{Fragment, Wish};
pub use kbuild::ModuleOptions;
pub use kconfig::{Obstacle, Symbols};

/// What an option is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `n`, "is not set", or not mentioned at all.
    Off,
    /// `m`: built as a module.
    Module,
    /// `y`: part of the kernel.
    BuiltIn,
    /// A number or a quoted string, as it stands in the file.
    Literal(String),
}

impl Value {
    fn parse(text: &str) -> Option<Self> {
        let is_string = |t: &str| t.len() >= 2 && t.starts_with('"') && t.ends_with('"');
        let is_decimal = |t: &str| {
            let digits = t.strip_prefix('-').unwrap_or(t);
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
        };
        let is_hexadecimal = |t: &str| {
            t.strip_prefix("0x")
                .is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        match text {
            "y" => Some(Self::BuiltIn),
            "m" => Some(Self::Module),
            "n" => Some(Self::Off),
            // The kernel's build leaves numbers without a default empty.
            "" => Some(Self::Literal(String::new())),
            _ if is_string(text) || is_decimal(text) || is_hexadecimal(text) => {
                Some(Self::Literal(text.to_owned()))
            }
            _ => None,
        }
    }

    fn number(&self) -> Option<u64> {
        match self {
            Self::Literal(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "n",
            Self::Module => "m",
            Self::BuiltIn => "y",
            Self::Literal(text) => text,
        })
    }
}

/// A file that is no kernel configuration, or a fragment that breaks a rule of ours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KernelConfigError {
    /// A line of another format.
    #[error("line {line} is no line of a kernel configuration: {text:?}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// Its beginning.
        text: String,
    },
    /// Text without a single option.
    #[error("there is not one CONFIG_ line in it")]
    Empty,
    /// More than any configuration has, perhaps after unpacking.
    #[error("it is larger than any kernel configuration ({} MiB)", Config::LIMIT_BYTES >> 20)]
    TooLarge,
    /// Compressed data that ends early or is damaged.
    #[error("its gzip data is damaged")]
    Gzip(#[source] std::io::Error),
    /// A fragment's option without a reason above it.
    #[error("{fragment}: {option} has no reason in a comment above it")]
    NoReason {
        /// File name of the fragment.
        fragment: String,
        /// The option's name.
        option: String,
    },
    /// A fragment's option that stands there twice.
    #[error("{fragment}: {option} is listed twice")]
    Twice {
        /// File name of the fragment.
        fragment: String,
        /// The option's name.
        option: String,
    },
}

impl KernelConfigError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Line { .. } | Self::Empty | Self::TooLarge | Self::Gzip(_) => Some(
                "name the file that the kernel's build left: /boot/config-VERSION, \
                 /proc/config.gz or .config"
                    .into(),
            ),
            Self::NoReason { .. } | Self::Twice { .. } => None,
        }
    }
}

/// The options of a kernel, by name without `CONFIG_`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// The kernel it was written for, such as `Linux/x86 6.1.192`, where the file says so.
    pub kernel: Option<String>,
    options: BTreeMap<String, Value>,
}

impl Config {
    /// No configuration is larger, packed or unpacked; real ones are a tenth of it.
    pub const LIMIT_BYTES: usize = 4 << 20;

    /// Reads a configuration file, also a compressed one such as `/proc/config.gz`.
    ///
    /// # Errors
    /// Where a line has another format, or there is no option at all.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KernelConfigError> {
        let mut unpacked = Vec::new();
        let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
            flate2::read::GzDecoder::new(bytes)
                .take(Self::LIMIT_BYTES as u64 + 1)
                .read_to_end(&mut unpacked)
                .map_err(KernelConfigError::Gzip)?;
            &unpacked
        } else {
            bytes
        };
        if bytes.len() > Self::LIMIT_BYTES {
            return Err(KernelConfigError::TooLarge);
        }
        let text = String::from_utf8_lossy(bytes);
        let mut config = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_end();
            match Line::parse(line) {
                Some(Line::Option(name, value)) => {
                    // The last one counts, as for the kernel's build.
                    config.options.insert(name.to_owned(), value);
                }
                Some(Line::Comment(comment)) => {
                    if config.kernel.is_none() {
                        config.kernel = comment
                            .strip_suffix(" Kernel Configuration")
                            .map(str::to_owned);
                    }
                }
                Some(Line::Blank) => {}
                None => return Err(bad_line(index, line)),
            }
        }
        if config.options.is_empty() {
            return Err(KernelConfigError::Empty);
        }
        Ok(config)
    }

    /// What an option is set to; one that is not mentioned is off.
    pub fn get(&self, option: &str) -> &Value {
        self.options.get(option).unwrap_or(&Value::Off)
    }

    /// Sets an option.
    pub fn set(&mut self, option: &str, value: Value) {
        self.options.insert(option.to_owned(), value);
    }

    /// How many options it mentions.
    pub fn len(&self) -> usize {
        self.options.len()
    }

    /// Whether it mentions none.
    pub fn is_empty(&self) -> bool {
        self.options.is_empty()
    }

    /// The file the kernel's build reads.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.options {
            match value {
                Value::Off => text.push_str(&format!("# CONFIG_{name} is not set\n")),
                value => text.push_str(&format!("CONFIG_{name}={value}\n")),
            }
        }
        text
    }
}

/// One line of a configuration or a fragment.
enum Line<'a> {
    Blank,
    Comment(&'a str),
    Option(&'a str, Value),
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        if line.is_empty() {
            return Some(Self::Blank);
        }
        if let Some(comment) = line.strip_prefix('#') {
            let comment = comment.trim();
            let off = comment
                .strip_prefix("CONFIG_")
                .and_then(|rest| rest.strip_suffix(" is not set"))
                .filter(|name| is_name(name));
            return Some(off.map_or(Self::Comment(comment), |name| {
                Self::Option(name, Value::Off)
            }));
        }
        let (name, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
        if !is_name(name) {
            return None;
        }
        Some(Self::Option(name, Value::parse(value)?))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn bad_line(index: usize, line: &str) -> KernelConfigError {
    KernelConfigError::Line {
        line: index + 1,
        text: line.chars().take(60).collect(),
    }
}
