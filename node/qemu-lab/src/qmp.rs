//! The few words of QEMU's machine protocol that tests need.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

const ANSWER_PATIENCE: Duration = Duration::from_secs(20);

/// A connection to the monitor of one guest.
pub(crate) struct Monitor {
    stream: BufReader<UnixStream>,
}

impl Monitor {
    /// Waits for the socket to appear, then negotiates.
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let begun = Instant::now();
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(_) if begun.elapsed() < ANSWER_PATIENCE => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(error).context("connecting to QEMU's monitor"),
            }
        };
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        let mut monitor = Self {
            stream: BufReader::new(stream),
        };
        monitor.read()?;
        monitor.run("qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    /// Runs one command and returns what it answers; events in between are dropped.
    pub(crate) fn run(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let mut text = json!({ "execute": command, "arguments": arguments }).to_string();
        text.push('\n');
        self.stream.get_mut().write_all(text.as_bytes())?;
        loop {
            let mut answer = self.read()?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses {command}: {error}");
            }
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
        }
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self
            .stream
            .read_line(&mut line)
            .context("reading from QEMU's monitor")?
            == 0
        {
            bail!("QEMU closed its monitor");
        }
        Ok(serde_json::from_str(&line)?)
    }
}
