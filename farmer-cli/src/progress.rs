//! Progress on standard error: a bar with rate and ETA on a terminal, a line now and then elsewhere.

use std::time::Duration;

use directory::clock::{Clock, SystemClock};
use hw_probe::units::Bytes;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::printer::{Listener, Printer, Said};
use crate::signals;

/// How often a line is due where no bar can be drawn.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// How often a listener is told how far a stage has come.
const HEARD_INTERVAL: Duration = Duration::from_millis(200);

/// Tells how far a long piece of work has come.
pub struct Progress {
    printer: Printer,
    view: View,
    clock: SystemClock,
    last_line: Duration,
    stage: String,
}

enum View {
    Bar(ProgressBar),
    Lines,
    Heard(Listener),
    Silent,
}

impl Progress {
    /// Chooses the form that standard error can show.
    pub fn new(printer: &Printer) -> Self {
        let clock = SystemClock;
        let view = if let Some(listener) = printer.listener() {
            View::Heard(listener.clone())
        } else if printer.is_quiet() {
            View::Silent
        } else if printer.stderr_is_live() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.enable_steady_tick(Duration::from_millis(250));
            View::Bar(bar)
        } else {
            View::Lines
        };
        Self {
            printer: printer.clone(),
            view,
            clock,
            last_line: clock.monotonic(),
            stage: String::new(),
        }
    }

    /// Starts the next stage, of unknown length.
    pub fn stage(&mut self, stage: &str) {
        if stage == self.stage {
            return;
        }
        stage.clone_into(&mut self.stage);
        // Work that has a stage worth naming takes its time.
        signals::answer_for_the_work(&self.printer);
        match &self.view {
            View::Bar(bar) => {
                bar.reset();
                bar.unset_length();
                bar.set_style(style("{spinner} {msg} {elapsed}"));
                bar.set_message(stage.to_owned());
            }
            View::Lines => {
                self.printer.message(stage);
                self.last_line = self.clock.monotonic();
            }
            View::Heard(listener) => listener.hear(Said::Stage(stage)),
            View::Silent => {}
        }
    }

    /// Tells how far the stage has come, in bytes.
    pub fn bytes(&mut self, done: u64, total: u64) {
        match &self.view {
            View::Bar(bar) => {
                if bar.length() != Some(total) {
                    bar.set_style(style(
                        "{spinner} {msg} [{bar:24}] {bytes}/{total_bytes} {bytes_per_sec} ETA {eta}",
                    ));
                    bar.set_length(total);
                }
                bar.set_position(done);
            }
            View::Lines => {
                let now = self.clock.monotonic();
                if now.saturating_sub(self.last_line) >= LINE_INTERVAL && total > 0 {
                    self.last_line = now;
                    let percent = u128::from(done) * 100 / u128::from(total);
                    let text = format!("{}: {percent} % of {}", self.stage, Bytes(total));
                    self.printer.message(&text);
                }
            }
            View::Heard(listener) => {
                let now = self.clock.monotonic();
                if now.saturating_sub(self.last_line) >= HEARD_INTERVAL {
                    self.last_line = now;
                    listener.hear(Said::Bytes(done, total));
                }
            }
            View::Silent => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

#[expect(
    clippy::expect_used,
    reason = "the templates are constants, and a test parses them"
)]
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("a valid template")
        .progress_chars("=> ")
}
