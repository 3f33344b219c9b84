//! The terminal UI of a farm: everything at a glance, every registration in hand.
//!
//! One loop ([`run()`]) owns the [`State`]. Whatever happens is an [`Event`] on one channel;
//! [`State::update`] is pure and answers with [`Effect`]s; [`view::draw`] draws from the state only.
//! What is shown comes from the directory's cache, so the screen is there at once and stays when the
//! connection is lost; answers of the directory come back as events, so a lost connection costs
//! freshness only. Events are data: a session can be recorded and replayed ([`record`]).
//!
//! [`command`] is the one table of keys that feeds input, hints, help and palette. [`node`] holds
//! what a node's record means (liveness, capacity, rewards); the command line shows the same.

pub mod arrange;
pub mod columns;
pub mod command;
pub mod event;
pub mod export;
pub mod filter;
mod form;
pub mod health;
pub mod history;
mod input;
mod jobs;
pub mod media;
pub mod node;
mod prefs;
pub mod record;
pub mod row;
pub mod rows;
mod run;
pub mod source;
mod state;
pub mod summary;
mod table;
mod terminal;
#[cfg(test)]
mod testing;
pub mod theme;
pub mod trouble;
pub mod uptime;
pub mod view;
mod worker;

pub use command::View;
pub use event::{Action, Effect, Event};
pub use prefs::{Preferences, TablePreferences};
pub use run::{RunError, Session, replay, run};
pub use source::{DirectorySource, Source, Unusable};
pub use state::{Place, Settings, State};
pub use theme::{Glyphs, Theme};
