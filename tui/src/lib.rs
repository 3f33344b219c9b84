//! The terminal UI of a farm: a live table of its nodes.
//!
//! One loop ([`run`]) owns the [`State`]. Whatever happens is an [`Event`] on one channel;
//! [`State::update`] is pure and answers with [`Effect`]s; [`view::draw`] draws from the state only.
//! Answers of the directory come back as events too, so a lost connection costs freshness, never
//! the screen.
//!
//! [`node`] holds what a node's record means (liveness, capacity, rewards); the command line shows
//! the same.

pub mod columns;
pub mod health;
pub mod node;
mod run;
pub mod source;
mod state;
mod terminal;
#[cfg(test)]
mod testing;
pub mod theme;
pub mod uptime;
pub mod view;

pub use run::{RunError, run};
pub use source::{DirectorySource, Source};
pub use state::{Effect, Event, Overlay, Settings, State};
pub use theme::{Glyphs, Theme};
