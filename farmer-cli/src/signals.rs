//! Being asked to stop: Ctrl-C, SIGTERM (service managers), SIGHUP (a closed terminal).

use std::ffi::c_int;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once, OnceLock};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::printer::Printer;

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

const ALL: [c_int; 3] = [SIGINT, SIGTERM, SIGHUP];
const INTERRUPTED: c_int = ExitStatus::Interrupted.code() as c_int;
/// How long work gets to clean up before the process ends anyway; a compressor finishes its running
/// blocks first.
const CLEAN_UP: Duration = Duration::from_secs(30);

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Set when the process is asked to stop, for work that looks by itself. Whoever asks again while it is
/// set ends the process.
pub fn flag() -> Outcome<Arc<AtomicBool>> {
    if let Some(flag) = FLAG.get() {
        return Ok(flag.clone());
    }
    let flag = Arc::new(AtomicBool::new(false));
    for signal in ALL {
        // In this order: the first signal finds the flag unset.
        signal_hook::flag::register_conditional_shutdown(signal, INTERRUPTED, flag.clone())
            .and_then(|_| signal_hook::flag::register(signal, flag.clone()))
            .map_err(|error| Failure::io("listening for", Path::new("signals"), error))?;
    }
    Ok(FLAG.get_or_init(|| flag).clone())
}

/// For work that looks at [`flag`] and may be long in noticing: answers the user at once, and does not
/// wait for ever.
pub fn answer_for_the_work(printer: &Printer) {
    static STARTED: Once = Once::new();
    if FLAG.get().is_none() {
        return;
    }
    STARTED.call_once(|| {
        let printer = printer.clone();
        // Without it the work is only less talkative.
        let Ok(mut signals) = Signals::new(ALL) else {
            return;
        };
        std::thread::spawn(move || {
            if signals.forever().next().is_some() {
                printer.message("cleaning up; Ctrl-C again ends at once");
                std::thread::sleep(CLEAN_UP);
                signal_hook::low_level::exit(INTERRUPTED);
            }
        });
    });
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
