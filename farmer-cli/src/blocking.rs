//! Long blocking work that can be asked to stop at every step it reports.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use ::tui::media::Cancel as Flag;

use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::signals::{self, interrupted};

/// Carried by the unwinding that ends cancelled work.
struct Cancelled;

/// Tells work that it is no longer wanted.
#[derive(Clone, Default)]
pub struct Cancel(Flag);

impl Cancel {
    /// For work that somebody else may stop.
    pub fn of(flag: Flag) -> Self {
        Self(flag)
    }

    /// Whether the work is no longer wanted, for work on threads of its own that must be joined.
    pub fn is_asked(&self) -> bool {
        self.0.is_set()
    }

    /// Ends the work here if it was cancelled: unwinds, so that every temporary file on the way is
    /// removed by its owner. To be called from progress callbacks, which have no way to return an
    /// error through a library.
    pub fn check(&self) {
        if self.is_asked() {
            resume_unwind(Box::new(Cancelled));
        }
    }
}

/// Runs blocking work on a thread of its own, until it is done or `cancel` is set.
pub async fn run_until<T: Send + 'static>(
    cancel: Cancel,
    work: impl FnOnce(&Cancel) -> Outcome<T> + Send + 'static,
) -> Outcome<T> {
    let theirs = cancel.clone();
    match tokio::task::spawn_blocking(move || work(&theirs)).await {
        Ok(done) => done,
        Err(_) if cancel.is_asked() => Err(interrupted()),
        Err(error) => Err(defect(&error.to_string())),
    }
}

/// Runs blocking work here until it is done or the process is asked to stop; asked again, the process
/// ends at once. No thread and no event loop: many a command is done before they would be started.
pub fn run<T>(work: impl FnOnce(&Cancel) -> Outcome<T>) -> Outcome<T> {
    let watch = signals::watch()?;
    let cancel = Cancel(Flag::from(watch.begin()));
    let done = catch_unwind(AssertUnwindSafe(|| work(&cancel)));
    let was_asked = watch.end();
    match done {
        Ok(Ok(value)) => Ok(value),
        // A child process that was interrupted too makes its own error.
        Ok(Err(_)) if was_asked => Err(interrupted()),
        Ok(Err(failure)) => Err(failure),
        Err(panic) if panic.is::<Cancelled>() => Err(interrupted()),
        Err(panic) => Err(defect(words(panic.as_ref()))),
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it says nothing")
}

fn defect(what: &str) -> Failure {
    Failure::new(
        ExitStatus::Failed,
        format!("a defect in this program: {what}"),
    )
}
