//! A running guest.

use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;
use tempfile::TempDir;

use crate::qmp::Monitor;

const TAIL_LINES: usize = 40;

/// A running machine. Dropping it kills QEMU and removes its disks.
pub struct Guest {
    name: String,
    child: Child,
    serial: PathBuf,
    monitor_socket: PathBuf,
    monitor: Option<Monitor>,
    begun: Instant,
    /// How much of the serial console earlier waits have consumed, in bytes.
    seen: usize,
    /// Holds the disks; removed when the guest is dropped.
    work: TempDir,
}

impl Guest {
    pub(crate) fn new(
        name: &str,
        child: Child,
        work: TempDir,
        serial: PathBuf,
        monitor_socket: PathBuf,
    ) -> Self {
        Self {
            name: name.to_owned(),
            child,
            serial,
            monitor_socket,
            monitor: None,
            begun: Instant::now(),
            seen: 0,
            work,
        }
    }

    /// Everything the serial console has shown so far, without terminal sequences.
    #[must_use]
    pub fn console(&self) -> String {
        let bytes = std::fs::read(&self.serial).unwrap_or_default();
        strip_escapes(&String::from_utf8_lossy(&bytes))
    }

    /// Time since QEMU was started.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Waits until the console shows `text` after what earlier waits matched, and returns the
    /// whole line.
    ///
    /// # Errors
    /// When the patience is over, the guest ends or its kernel panics; the error has the last
    /// lines of the console.
    pub fn wait_for(&mut self, text: &str, patience: Duration) -> Result<String> {
        let begun = Instant::now();
        loop {
            let console = self.console();
            let fresh = console.get(self.seen..).unwrap_or_default();
            if let Some(at) = fresh.find(text) {
                let start = fresh[..at].rfind('\n').map_or(0, |newline| newline + 1);
                // Only a complete line: the rest may still be on its way.
                if let Some(length) = fresh[at..].find('\n') {
                    let line = fresh[start..at + length].trim_end().to_owned();
                    self.seen += at + length;
                    return Ok(line);
                }
            }
            if console.contains("Kernel panic") {
                return self.give_up(&format!("kernel panic while waiting for {text:?}"));
            }
            if let Some(status) = self.child.try_wait()? {
                let stderr = std::fs::read_to_string(self.work.path().join("qemu.err"));
                let stderr = stderr.unwrap_or_default();
                return self.give_up(&format!("QEMU ended with {status} {stderr}"));
            }
            if begun.elapsed() > patience {
                return self.give_up(&format!("no {text:?} within {} s", patience.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Plugs or unplugs the cable of a network port.
    ///
    /// # Errors
    /// When QEMU refuses.
    pub fn set_link(&mut self, nic: usize, up: bool) -> Result<()> {
        self.monitor()?
            .run("set_link", json!({ "name": format!("nic{nic}"), "up": up }))?;
        Ok(())
    }

    /// Presses a key of the keyboard, by QEMU's name for it (`r`, `down`, `ret`).
    ///
    /// # Errors
    /// When QEMU refuses.
    pub fn press(&mut self, key: &str) -> Result<()> {
        let keys = json!({ "keys": [{ "type": "qcode", "data": key }] });
        self.monitor()?.run("send-key", keys)?;
        Ok(())
    }

    /// Resets the machine, as its button does.
    ///
    /// # Errors
    /// When QEMU refuses.
    pub fn reset(&mut self) -> Result<()> {
        self.monitor()?.run("system_reset", json!({}))?;
        Ok(())
    }

    pub(crate) fn resume(&mut self) -> Result<()> {
        self.monitor()?.run("cont", json!({}))?;
        Ok(())
    }

    fn monitor(&mut self) -> Result<&mut Monitor> {
        if self.monitor.is_none() {
            match Monitor::connect(&self.monitor_socket) {
                Ok(monitor) => self.monitor = Some(monitor),
                Err(error) => {
                    let stderr = std::fs::read_to_string(self.work.path().join("qemu.err"));
                    bail!("{}: {error:#}\n{}", self.name, stderr.unwrap_or_default());
                }
            }
        }
        self.monitor
            .as_mut()
            .ok_or_else(|| anyhow::anyhow!("no monitor"))
    }

    fn give_up<T>(&self, why: &str) -> Result<T> {
        let console = self.console();
        let lines: Vec<_> = console
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        bail!("{}: {why}; end of its console:\n{tail}", self.name)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the process is ours alone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes CSI sequences and carriage returns out of what firmware and GRUB print.
fn strip_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                for c in chars.by_ref() {
                    if ('@'..='~').contains(&c) {
                        break;
                    }
                }
            }
            '\u{1b}' | '\r' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::strip_escapes;

    #[test]
    fn escapes_go_and_text_stays() {
        assert_eq!(
            strip_escapes("\u{1b}[2J\u{1b}[01;01Hfarm\r\nnode\u{1b}[0m"),
            "farm\nnode"
        );
    }
}
