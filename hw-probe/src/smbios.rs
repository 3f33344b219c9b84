//! The firmware table.
