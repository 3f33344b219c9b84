//! What was asked for, and what happened.

use std::collections::VecDeque;
use std::time::Duration;

use crate::event::Action;

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
    /// Whether its outcome is to be pasted elsewhere.
    pub is_copied: bool,
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
