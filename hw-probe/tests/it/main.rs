//! Behaviour of the probe at its public edge, over small machines of our own.

mod smbios_tables;
mod machines;
mod program;
