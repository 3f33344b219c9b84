//! What a machine is, what the ThreeFold Grid counts of it, and what it would pay.
//!
//! A pipeline of pure steps, each serialisable:
//!
//! ```text
//! Inventory -> Capacity -> CloudUnits -> Reward        (Report holds them all)
//! ```
//!
//! so the same code serves the running machine, a snapshot of another one, a what-if, the node
//! agent and the terminal UI. With the feature `probe` (default) the first step is taken too:
//! [`probe`] reads a machine through one [`root::Root`].
//!
//! The library starts no process, prints nothing and reads no environment.

#[cfg(feature = "snapshot")]
pub mod anonymise;
#[cfg(feature = "args")]
pub mod args;
pub mod capacity;
pub mod chain;
pub mod cloud_units;
mod disk_names;
#[cfg(feature = "probe")]
pub mod health;
pub mod inventory;
pub mod overrides;
pub mod planning;
pub mod report;
pub mod reward;
pub mod selling;
pub mod text;
pub mod units;

#[cfg(feature = "probe")]
mod collect;
#[cfg(feature = "probe")]
pub mod root;
#[cfg(feature = "probe")]
pub mod settle;
#[cfg(feature = "probe")]
pub mod signature;
#[cfg(feature = "probe")]
pub mod smbios;
#[cfg(feature = "snapshot")]
pub mod snapshot;

#[cfg(feature = "probe")]
pub use collect::{ProbeOptions, probe};
