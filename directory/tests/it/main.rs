//! The directory over real HTTP on the loopback interface.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod compat;
mod farms;
mod limits;
mod metrics;
mod nodes;
mod signatures;
mod support;
mod tls;
mod users;
mod wire;
