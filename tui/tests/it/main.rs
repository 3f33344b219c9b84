//! The UI driven by scripted events: what it asks for, what it keeps, and what it looks like.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail like tests"
)]

mod actions;
mod behaviour;
mod history;
mod looks;
mod media;
mod mouse;
mod orders;
mod places;
mod properties;
mod readme;
mod recordings;
mod registrations;
mod support;
#[path = "../../src/testing.rs"]
mod testing;
