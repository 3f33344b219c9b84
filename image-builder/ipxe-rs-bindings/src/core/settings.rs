//! Settings and their expansion in words.
#![expect(
    unsafe_code,
    reason = "calls the C core; every call states why it is sound"
)]

use super::ffi::*;
use super::types::Type;

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
