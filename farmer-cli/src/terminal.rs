//! The user's own terminal, whatever the streams are redirected to: for questions, and for secrets
//! that must not end up in a file or a pipe.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::signals::interrupted;

const DEVICE: &str = "/dev/tty";
/// Moves to the corner, clears the screen, and what scrolled out of it.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J\u{1b}[3J";
/// Longest line taken, in bytes: 24 words have less than 250.
const LONGEST_LINE: usize = 4096;

/// A terminal with somebody at it.
pub struct Terminal(File);

impl Terminal {
    /// The terminal, if somebody is there: one of standard input and standard error leads to it.
    pub fn open() -> Option<Self> {
        if !io::stdin().is_terminal() && !io::stderr().is_terminal() {
            return None;
        }
        File::options()
            .read(true)
            .write(true)
            .open(DEVICE)
            .map(Self)
            .ok()
    }

    /// Writes to it.
    pub fn say(&mut self, text: &str) -> Outcome<()> {
        self.0
            .write_all(text.as_bytes())
            .map_err(failed("writing to"))
    }

    /// Clears the screen and its history.
    pub fn clear(&mut self) -> Outcome<()> {
        self.say(CLEAR)
    }

    /// Asks for a line.
    pub fn line(&mut self, prompt: &str) -> Outcome<Zeroizing<String>> {
        self.say(prompt)?;
        let mut line = Zeroizing::new(Vec::with_capacity(LONGEST_LINE));
        loop {
            match self.byte()? {
                None if line.is_empty() => return Err(interrupted()),
                None | Some(b'\n') => return text(&line),
                Some(byte) => push(&mut line, byte)?,
            }
        }
    }

    /// Asks for a line that is not shown.
    pub fn secret(&mut self, prompt: &str) -> Outcome<Zeroizing<String>> {
        self.say(prompt)?;
        let before = tcgetattr(&self.0).map_err(|error| failed("reading")(error.into()))?;
        let hidden = Hidden::new(self.0.try_clone().map_err(failed("reading"))?, before)?;
        let mut line = Zeroizing::new(Vec::with_capacity(LONGEST_LINE));
        let answer = loop {
            match self.byte()? {
                // Ctrl-C; nobody else looks at it while the line is hidden.
                Some(0x03) => break Err(interrupted()),
                // Ctrl-D
                None | Some(0x04) if line.is_empty() => break Err(interrupted()),
                None | Some(0x04 | b'\n' | b'\r') => break text(&line),
                // Backspace takes a whole character away, Ctrl-U the line.
                Some(0x08 | 0x7f) => while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
                Some(0x15) => line.clear(),
                Some(byte) => push(&mut line, byte)?,
            }
        };
        drop(hidden);
        self.say("\n")?;
        answer
    }

    fn byte(&mut self) -> Outcome<Option<u8>> {
        let mut byte = [0];
        let count = self.0.read(&mut byte).map_err(failed("reading"))?;
        Ok((count == 1).then_some(byte[0]))
    }
}

/// The terminal without echo; as before when dropped.
struct Hidden {
    terminal: File,
    before: Termios,
}

impl Hidden {
    /// Signals are off too: a process that ends by Ctrl-C could not turn echo on again.
    fn new(terminal: File, before: Termios) -> Outcome<Self> {
        let mut modes = before.clone();
        modes
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(terminal.as_fd(), OptionalActions::Flush, &modes)
            .map_err(|error| failed("setting up")(error.into()))?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that has gone needs no echo.
        let _ = tcsetattr(self.terminal.as_fd(), OptionalActions::Now, &self.before);
    }
}

fn push(line: &mut Vec<u8>, byte: u8) -> Outcome<()> {
    if line.len() == LONGEST_LINE {
        return Err(Failure::new(ExitStatus::Usage, "the line is too long"));
    }
    line.push(byte);
    Ok(())
}

fn text(line: &[u8]) -> Outcome<Zeroizing<String>> {
    std::str::from_utf8(line)
        .map(|line| Zeroizing::new(line.to_owned()))
        .map_err(|_| Failure::new(ExitStatus::Usage, "the line is not UTF-8"))
}

fn failed(doing: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::io(doing, Path::new("the terminal"), error)
}
