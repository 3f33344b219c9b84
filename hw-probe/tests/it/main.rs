//! Behaviour of the probe at its public edge, over small machines of our own.

mod machines;
mod program;
mod smbios_tables;
