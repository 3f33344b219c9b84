//! The ELF note by which builders learn what this node understands.
#![allow(
    unsafe_code,
    reason = "`link_section` can misplace things; this one is only read"
)]

use node_config::note;
use node_config::schema::{KEYS, SCHEMA_VERSION};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const BYTES: usize = note::len(VERSION, KEYS);

/// Notes are read in words.
#[repr(C, align(4))]
struct Aligned([u8; BYTES]);

// SAFETY: the section's name is one that linkers keep in a note segment; nothing reads it at run
// time, and its content is plain bytes.
#[used]
#[unsafe(link_section = ".note.farm-node")]
static NOTE: Aligned = Aligned(note::encode(SCHEMA_VERSION, VERSION, KEYS));
