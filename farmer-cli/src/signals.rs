//! Being asked to stop: Ctrl-C, SIGTERM (service managers), SIGHUP (a closed terminal).

use std::ffi::c_int;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// What signals do to work that looks for them by itself.
pub struct Watch {
    /// Somebody asked to stop.
    asked: Arc<AtomicBool>,
    /// No work runs that would have to clean up.
    is_idle: Arc<AtomicBool>,
}

static WATCH: OnceLock<Watch> = OnceLock::new();

/// The signals of this process, watched from the first call on. The first one only asks the work to
/// stop. Ctrl-C again ends the process; the others come more than once by themselves, from a terminal
/// that is closed or from `timeout`.
pub fn watch() -> Outcome<&'static Watch> {
    if let Some(watch) = WATCH.get() {
        return Ok(watch);
    }
    let watch = Watch {
        asked: Arc::default(),
        is_idle: Arc::default(),
    };
    let ends_if = |signal, flag: &Arc<AtomicBool>| {
        signal_hook::flag::register_conditional_shutdown(signal, INTERRUPTED, flag.clone())
    };
    // The flag is set last: the first signal finds it unset.
    let registered = ends_if(SIGINT, &watch.asked).and_then(|_| {
        ALL.into_iter().try_for_each(|signal| {
            ends_if(signal, &watch.is_idle)?;
            signal_hook::flag::register(signal, watch.asked.clone()).map(drop)
        })
    });
    registered.map_err(|error| Failure::io("listening for", Path::new("signals"), error))?;
    Ok(WATCH.get_or_init(|| watch))
}

impl Watch {
    /// Work begins; the flag tells it to stop.
    pub fn begin(&self) -> Arc<AtomicBool> {
        if self.is_idle.swap(false, Ordering::Relaxed) {
            self.asked.store(false, Ordering::Relaxed);
        }
        self.asked.clone()
    }

    /// Work has ended: the next signal ends the process. Returns whether it was asked to stop.
    pub fn end(&self) -> bool {
        self.is_idle.store(true, Ordering::Relaxed);
        self.asked.load(Ordering::Relaxed)
    }
}

/// For watched work that may be long in noticing: answers the user at once, and does not wait for ever.
pub fn answer_for_the_work(printer: &Printer) {
    static STARTED: Once = Once::new();
    let Some(watch) = WATCH.get() else {
        return;
    };
    STARTED.call_once(|| {
        let printer = printer.clone();
        // Without it the work is only less talkative.
        let Ok(mut signals) = Signals::new(ALL) else {
            return;
        };
        std::thread::spawn(move || {
            let was_asked = watch.asked.load(Ordering::Relaxed);
            if was_asked || signals.forever().next().is_some() {
                printer.message("cleaning up; Ctrl-C again ends at once");
                std::thread::sleep(CLEAN_UP);
                printer.failure(&interrupted());
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
