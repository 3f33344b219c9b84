//! Long blocking work that can be asked to stop at every step it reports.

use std::time::Duration;

use ::tui::media::Cancel as Flag;

use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::printer::Printer;
use crate::signals::{Stop, interrupted};

/// How long work gets to clean up before the process ends anyway; a compressor finishes its running
/// blocks first.
const CLEAN_UP: Duration = Duration::from_secs(30);

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
            std::panic::resume_unwind(Box::new(Cancelled));
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
        Err(_) if cancel.0.is_set() => Err(interrupted()),
        Err(error) => Err(defect(&error)),
    }
}

/// Runs blocking work on a thread of its own until it is done or the process is asked to stop.
pub async fn run<T: Send + 'static>(
    printer: &Printer,
    work: impl FnOnce(&Cancel) -> Outcome<T> + Send + 'static,
) -> Outcome<T> {
    let stop = Stop::listen()?;
    let cancel = Cancel::default();
    let theirs = cancel.clone();
    let mut task = tokio::task::spawn_blocking(move || work(&theirs));
    let joined = tokio::select! {
        joined = &mut task => joined,
        () = stop.requested() => {
            cancel.0.set();
            printer.message("cleaning up; Ctrl-C again ends at once");
            let again = Stop::listen()?;
            // Work that is deep inside a child process may be left behind.
            tokio::select! {
                _ = tokio::time::timeout(CLEAN_UP, task) => {}
                () = again.requested() => {}
            }
            return Err(interrupted());
        }
    };
    joined.unwrap_or_else(|error| Err(defect(&error)))
}

fn defect(error: &tokio::task::JoinError) -> Failure {
    Failure::new(
        ExitStatus::Failed,
        format!("a defect in this program: {error}"),
    )
}
