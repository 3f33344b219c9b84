//! The directory over real HTTP on the loopback interface.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod cache;
mod clients;
mod cluster;
mod history;
mod hostile;
mod metrics;
mod on_postgres;
mod on_sqlite;
mod postgres;
mod sqlite;
mod support;
mod tls;
mod upgrade;
mod wire;
