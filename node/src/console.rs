//! What a person sees: plain lines on every console the kernel has.
//!
//! A server's console may be a screen, a serial line nobody reads, or both. Each device gets a
//! writer thread of its own, so that a serial line held by flow control never holds the node.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::OFlags;

use crate::stages::Stage;

/// Lines waiting for one slow device; more are dropped there.
const QUEUED_LINES: usize = 512;
/// The log kept for `last-boot.txt`: enough for hours of trouble, small beside a FARMCFG of 2 MiB.
const LOG_BYTES: usize = 96 * 1024;
/// Longest line; what a peer sends may be longer than any screen.
const LINE_CHARS: usize = 480;

/// All consoles of the machine, and the log of what was said.
#[derive(Clone)]
pub struct Console {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    devices: Vec<Device>,
    log: VecDeque<String>,
    log_bytes: usize,
    last_of_stage: Vec<(Stage, String)>,
}

struct Device {
    name: String,
    colour: bool,
    lines: SyncSender<String>,
}

impl Console {
    /// A console without devices: only the log.
    pub fn silent() -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                devices: Vec::new(),
                log: VecDeque::new(),
                log_bytes: 0,
                last_of_stage: Vec::new(),
            })),
        }
    }

    /// Opens every console the kernel writes to. Devices that cannot be opened are left out.
    pub fn open(root: &Path) -> Self {
        let console = Self::silent();
        let active = std::fs::read_to_string(root.join("sys/class/tty/console/active"));
        for name in active.unwrap_or_default().split_whitespace() {
            // NONBLOCK: opening a serial line would wait for its carrier. NOCTTY: PID 1 must not
            // get a controlling terminal, or a break on the line would signal it.
            let file = OpenOptions::new()
                .write(true)
                .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
                .open(root.join("dev").join(name));
            let Ok(file) = file else { continue };
            if let Ok(flags) = rustix::fs::fcntl_getfl(&file) {
                let _ = rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK);
            }
            console.attach(name, file);
        }
        console
    }

    /// Adds a device; a thread writes to it until the console goes away.
    pub fn attach(&self, name: &str, mut sink: impl Write + Send + 'static) {
        let (lines, queue) = sync_channel::<String>(QUEUED_LINES);
        let spawned = std::thread::Builder::new()
            .name(format!("console {name}"))
            .spawn(move || {
                for line in queue {
                    // One write per line, so that lines of others do not come in between.
                    let _ = sink.write_all(line.as_bytes());
                    let _ = sink.flush();
                }
            });
        if spawned.is_ok() {
            self.lock().devices.push(Device {
                name: name.to_owned(),
                // A screen shows colours; a serial line may be read by a program.
                colour: name.strip_prefix("tty").is_some_and(is_number),
                lines,
            });
        }
    }

    /// Says what a stage has come to. The same words twice in a row are said once.
    pub fn say(&self, stage: Stage, text: impl std::fmt::Display) {
        self.stage_line(stage, &text.to_string(), false);
    }

    /// Says something that needs a person: red where there is colour.
    pub fn warn(&self, stage: Stage, text: impl std::fmt::Display) {
        self.stage_line(stage, &text.to_string(), true);
    }

    /// A line without a stage: `farm-node: <text>`.
    pub fn line(&self, text: impl std::fmt::Display) {
        self.lock().emit(&plain(&text.to_string()), false);
    }

    fn stage_line(&self, stage: Stage, text: &str, warning: bool) {
        let text = plain(text);
        let mut inner = self.lock();
        match inner.last_of_stage.iter_mut().find(|(s, _)| *s == stage) {
            Some((_, last)) if *last == text => return,
            Some((_, last)) => last.clone_from(&text),
            None => inner.last_of_stage.push((stage, text.clone())),
        }
        inner.emit(&format!("{stage}: {text}"), warning);
    }

    /// Everything said so far, oldest first, each line with the seconds since boot.
    pub fn log(&self) -> String {
        let inner = self.lock();
        let mut text = String::with_capacity(inner.log_bytes);
        for line in &inner.log {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Names of the devices, for the first line.
    pub fn device_names(&self) -> Vec<String> {
        self.lock().devices.iter().map(|d| d.name.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn emit(&mut self, text: &str, warning: bool) {
        let entry = format!("{:>10.3} {text}", uptime().as_secs_f64());
        self.log_bytes += entry.len();
        self.log.push_back(entry);
        while self.log_bytes > LOG_BYTES {
            let Some(oldest) = self.log.pop_front() else {
                break;
            };
            self.log_bytes -= oldest.len();
        }
        self.devices.retain(|device| {
            // The terminal adds the carriage return.
            let line = if warning && device.colour {
                format!("\x1b[1;31mfarm-node: {text}\x1b[0m\n")
            } else {
                format!("farm-node: {text}\n")
            };
            !matches!(
                device.lines.try_send(line),
                Err(TrySendError::Disconnected(_))
            )
        });
    }
}

/// Time since the machine was started, also counting sleep.
pub fn uptime() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// Text from anywhere (a directory, a DHCP server, firmware) as one line a terminal cannot be
/// steered by: control and bidirectional characters become `?`, and the length is bounded.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(LINE_CHARS));
    for (count, c) in text.chars().enumerate() {
        if count == LINE_CHARS {
            let _ = out.write_char('…');
            break;
        }
        let harmful = c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{feff}')
            || ('\u{2028}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c);
        out.push(match c {
            '\n' | '\t' => ' ',
            _ if harmful => '?',
            _ => c,
        });
    }
    out
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    struct Sink(std::sync::mpsc::Sender<String>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.send(String::from_utf8(bytes.to_vec()).unwrap()).ok();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn device(console: &Console, name: &str) -> Receiver<String> {
        let (sender, lines) = channel();
        console.attach(name, Sink(sender));
        lines
    }

    #[test]
    fn a_screen_gets_colour_and_a_serial_line_does_not() {
        let console = Console::silent();
        let (screen, serial) = (device(&console, "tty0"), device(&console, "ttyS0"));
        console.warn(Stage::Network, "no cable on eth0");
        let wait = Duration::from_secs(5);
        assert_eq!(
            screen.recv_timeout(wait).unwrap(),
            "\x1b[1;31mfarm-node: network: no cable on eth0\x1b[0m\n"
        );
        assert_eq!(
            serial.recv_timeout(wait).unwrap(),
            "farm-node: network: no cable on eth0\n"
        );
    }

    #[test]
    fn the_same_state_is_said_once_until_it_changes() {
        let console = Console::silent();
        for text in ["a", "a", "b", "a"] {
            console.say(Stage::Network, text);
        }
        console.say(Stage::Clock, "a");
        let said: Vec<_> = console.log().lines().map(|l| l[11..].to_owned()).collect();
        assert_eq!(said, ["network: a", "network: b", "network: a", "clock: a"]);
    }

    #[test]
    fn the_log_is_bounded_and_keeps_the_newest() {
        let console = Console::silent();
        for number in 0..5000 {
            console.line(format_args!("{number} {}", "x".repeat(100)));
        }
        let log = console.log();
        assert!(log.len() < LOG_BYTES + 8192);
        assert!(log.lines().last().unwrap().contains("4999 x"));
    }

    #[test]
    fn hostile_text_is_defused() {
        assert_eq!(plain("a\x1b[2Jb\u{202e}c\r\nd"), "a?[2Jb?c? d");
        assert!(plain(&"x".repeat(9000)).chars().count() <= LINE_CHARS + 1);
    }
}
