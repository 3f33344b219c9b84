//! Being asked to stop: Ctrl-C, SIGTERM (service managers), SIGHUP (a closed terminal).

use std::io;
use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};

/// Listens for the three signals from the moment it exists.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Stop {
    /// Starts to listen.
    pub fn listen() -> Outcome<Self> {
        let failed = |error: io::Error| Failure::io("listening for", Path::new("signals"), error);
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            hang_up: signal(SignalKind::hangup()).map_err(failed)?,
        })
    }

    /// Waits until the process is asked to stop.
    pub async fn requested(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// How a command ends that was asked to stop.
pub fn interrupted() -> Failure {
    Failure::new(ExitStatus::Interrupted, "interrupted")
}

/// Runs `work` until it is done or the process is asked to stop; then `work` is dropped.
pub async fn or_stopped<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let stop = Stop::listen()?;
    tokio::select! {
        done = work => done,
        () = stop.requested() => Err(interrupted()),
    }
}
