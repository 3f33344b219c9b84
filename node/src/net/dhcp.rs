//! A DHCPv4 client (RFC 2131) for a port that has no address yet.

mod client;
mod frame;
mod lease;
mod message;
mod wire;

pub use client::{Event, Port, run};
pub use lease::Lease;
