//! Types of settings: how values are shown, and read from text.
#![expect(
    unsafe_code,
    reason = "calls the C core; every call states why it is sound"
)]

use std::ffi::c_int;

use super::ffi::*;

/// How a setting is stored and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Type(pub(super) c_int);

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
