//! Declarations of the C core, as `csrc/ipxs.h` has them.
#![expect(unsafe_code, reason = "declares the C core and reads its tables")]

use std::ffi::{CStr, c_char, c_int};

/// Longest word that expansion may make, in bytes.
pub const WORD_LIMIT: usize = 64 << 10;
pub const OPTION_LIMIT: usize = 9;

pub const OK: c_int = 0;
pub const FULL: c_int = 2;
pub const UNFINISHED: c_int = 3;
pub const ENDLESS: c_int = 4;
pub const UNSUPPORTED: c_int = 6;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Span {
    pub data: *const u8,
    pub length: usize,
}

impl Span {
    pub const fn of(bytes: &[u8]) -> Self {
        Self {
            data: bytes.as_ptr(),
            length: bytes.len(),
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawWord {
    pub at: usize,
    pub offset: usize,
    pub length: usize,
}

#[repr(C)]
pub struct RawLine {
    pub at: usize,
    pub word_count: usize,
    pub has_label: c_int,
}

#[repr(C)]
pub struct RawSetting {
    pub name: Span,
    pub value: Span,
    pub r#type: c_int,
}

#[repr(C)]
pub struct RawOption {
    pub letter: c_char,
    pub kind: u8,
    pub newer: u8,
    pub name: *const c_char,
}

#[repr(C)]
pub struct RawCommand {
    pub name: *const c_char,
    pub usage: *const c_char,
    pub least: u8,
    pub most: u8,
    pub effect: u8,
    pub options: [RawOption; OPTION_LIMIT],
}

#[repr(C)]
pub struct RawArguments {
    pub verdict: c_int,
    pub position: usize,
    pub first: usize,
    pub culprit: Span,
    pub values: [Span; OPTION_LIMIT],
}

// SAFETY: the declarations are those of csrc/ipxs.h; the layout tests below compare sizes.
unsafe extern "C" {
    pub fn ipxs_line(
        script: Span,
        position: *mut usize,
        buffer: *mut u8,
        buffer_size: usize,
        words: *mut RawWord,
        word_limit: usize,
        line: *mut RawLine,
    ) -> c_int;
    pub fn ipxs_find_label(script: Span, label: Span, position: *mut usize) -> c_int;
    pub fn ipxs_operator(word: Span) -> c_int;
    pub fn ipxs_runs(operator: c_int, failed: c_int) -> c_int;
    pub fn ipxs_type_named(name: Span) -> c_int;
    pub fn ipxs_type_name(t: c_int) -> *const c_char;
    pub fn ipxs_type_of_setting(name: Span) -> c_int;
    pub fn ipxs_format(
        t: c_int,
        value: Span,
        out: *mut u8,
        size: usize,
        length: *mut usize,
    ) -> c_int;
    pub fn ipxs_parse(
        t: c_int,
        newer: c_int,
        text: Span,
        out: *mut u8,
        size: usize,
        length: *mut usize,
    ) -> c_int;
    pub fn ipxs_integer(text: Span, newer: c_int, value: *mut u32) -> c_int;
    pub fn ipxs_find_setting(name: Span, settings: *const RawSetting, count: usize) -> isize;
    pub fn ipxs_expand(
        word: Span,
        settings: *const RawSetting,
        count: usize,
        newer: c_int,
        out: *mut u8,
        size: usize,
        length: *mut usize,
    ) -> c_int;
    pub fn ipxs_command(name: Span) -> *const RawCommand;
    pub fn ipxs_command_at(index: usize) -> *const RawCommand;
    pub fn ipxs_arguments(
        command: *const RawCommand,
        words: *const Span,
        count: usize,
        newer: c_int,
        arguments: *mut RawArguments,
    );
}

/// A string of the C core's tables.
pub fn table_text(pointer: *const c_char) -> &'static str {
    // SAFETY: the pointers in the tables are to string literals of the core.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().unwrap_or_default()
}
