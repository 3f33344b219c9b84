//! What holds whatever keeps the data, on SQLite.

pub type Fixture = crate::support::FixtureOn<crate::support::Sqlite>;

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
