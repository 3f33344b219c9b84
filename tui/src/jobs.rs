//! What was asked for, and what happened.

use std::collections::VecDeque;
use std::time::Duration;

use crate::event::Action;
use crate::media::{Made, Order};

/// Entries kept of jobs and log.
const KEPT: usize = 500;

/// Something that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub number: u64,
    pub what: String,
    /// On the wall clock, Unix seconds.
    pub begun: i64,
    pub outcome: Option<Result<String, String>>,
    /// What takes it back.
    pub undo: Option<Action>,
    /// The medium that it makes.
    pub medium: Option<Box<Medium>>,
    /// Whether its outcome is to be pasted elsewhere.
    pub is_copied: bool,
}

/// A medium that is made.
#[derive(Debug, Clone)]
pub(crate) struct Medium {
    pub order: Order,
    pub stage: String,
    /// Bytes done of the stage, and of how many.
    pub bytes: Option<(u64, u64)>,
    pub warnings: Vec<String>,
    pub made: Option<Made>,
    /// On the monotonic clock.
    pub begun: Duration,
    pub ended: Option<Duration>,
    pub is_cancelled: bool,
}

/// A line at the bottom for a while.
#[derive(Debug, Clone)]
pub(crate) struct Toast {
    pub text: String,
    pub is_bad: bool,
    pub undo: Option<Action>,
    /// On the monotonic clock.
    pub until: Duration,
}

/// A line of the log.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub at: i64,
    pub text: String,
    pub is_bad: bool,
}

/// Adds to a list that does not grow for ever.
pub(crate) fn keep<T>(list: &mut VecDeque<T>, entry: T) {
    if list.len() >= KEPT {
        list.pop_front();
    }
    list.push_back(entry);
}
