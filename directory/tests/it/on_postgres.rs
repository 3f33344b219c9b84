//! What holds whatever keeps the data, on PostgreSQL: the same tests as on SQLite.

#![allow(
    clippy::duplicate_mod,
    reason = "the same tests, on the other database"
)]

pub type Fixture = crate::support::FixtureOn<crate::postgres::Postgres>;

#[path = "attacks.rs"]
mod attacks;
#[path = "boards.rs"]
mod boards;
#[path = "capacity.rs"]
mod capacity;
#[path = "changes.rs"]
mod changes;
#[path = "compat.rs"]
mod compat;
#[path = "conformance.rs"]
mod conformance;
#[path = "enrolment.rs"]
mod enrolment;
#[path = "farms.rs"]
mod farms;
#[path = "limits.rs"]
mod limits;
#[path = "nodes.rs"]
mod nodes;
#[path = "signatures.rs"]
mod signatures;
#[path = "users.rs"]
mod users;
