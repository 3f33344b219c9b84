//! The directory over real HTTP on the loopback interface.

mod compat;
mod farms;
mod limits;
mod nodes;
mod signatures;
mod support;
mod tls;
mod users;
mod wire;
