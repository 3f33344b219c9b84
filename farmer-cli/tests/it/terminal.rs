//! A real terminal, that of tmux.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::Home;

const PATIENCE: Duration = Duration::from_secs(20);

/// A tmux server of its own with one window; killed when dropped.
pub struct Terminal {
    socket: std::path::PathBuf,
}

impl Terminal {
    /// Starts one in this home.
    pub fn start(home: &Home, name: &str) -> Self {
        let socket = home.path().join(name);
        let terminal = Self { socket };
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "-u",
            "new-session",
            "-d",
            "-x",
            "90",
            "-y",
            "24",
            "env",
            "PS1=$ ",
            "sh",
        ]);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .arg("-S")
            .arg(&self.socket)
            .args(arguments)
            .output()
            .expect("tmux (Debian: apt-get install tmux)");
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What is on the screen now.
    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// What is on the screen, and what has scrolled out of it.
    pub fn history(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-S", "-"])
    }

    /// Types text and Enter.
    pub fn types(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
        self.send(&["Enter"]);
    }

    /// Presses keys, as tmux names them.
    pub fn send(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Waits until this text is on the screen.
    pub fn shows(&self, text: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if screen.contains(text) {
                return;
            }
            assert!(
                Instant::now() < until,
                "{text:?} does not appear on\n{screen}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
