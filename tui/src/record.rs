//! Sessions as files: a head, then an event on each line. What is not drawn from events cannot be
//! seen, so a recording shows exactly what its user saw.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::prefs::Preferences;
use crate::state::{Place, Settings};

/// Version of the format; another one is refused.
const VERSION: u32 = 2;

/// The first line: what the session began with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Head {
    version: u32,
    directory: String,
    farm_id: Option<u64>,
    interval: Duration,
    read_only: bool,
    #[serde(default)]
    places: Vec<Place>,
    /// What was remembered from before.
    pub preferences: Preferences,
    /// The terminal's columns and rows.
    pub size: (u16, u16),
}

impl Head {
    /// Of a session.
    #[must_use]
    pub fn new(settings: &Settings, preferences: &Preferences, size: (u16, u16)) -> Self {
        Self {
            version: VERSION,
            directory: settings.directory.clone(),
            farm_id: settings.farm_id,
            interval: settings.interval,
            read_only: settings.read_only,
            places: settings.places.clone(),
            preferences: preferences.clone(),
            size,
        }
    }

    /// The session's settings, with the colours and shapes of whoever looks now.
    #[must_use]
    pub fn settings(&self, now: &Settings) -> Settings {
        Settings {
            directory: self.directory.clone(),
            farm_id: self.farm_id,
            interval: self.interval,
            read_only: self.read_only,
            places: self.places.clone(),
            ..now.clone()
        }
    }
}

/// Writes a session.
#[derive(Debug)]
pub struct Recorder(BufWriter<File>);

impl Recorder {
    /// Begins a recording in a new file that only its owner can read: it holds whatever is typed.
    ///
    /// # Errors
    /// The file is there already, or cannot be written.
    pub fn create(path: &Path, head: &Head) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let mut recorder = Self(BufWriter::new(file));
        recorder.line(head)?;
        Ok(recorder)
    }

    /// Adds an event.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        self.line(event)
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, value)?;
        self.0.write_all(b"\n")?;
        self.0.flush()
    }
}

/// A recording that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("cannot read the recording")]
    Io(#[from] io::Error),
    /// It is no recording, or one of another version.
    #[error("line {line} is not of a recording of this version")]
    Line {
        /// Counted from 1.
        line: usize,
        /// Why.
        #[source]
        source: Option<serde_json::Error>,
    },
}

/// Reads a session.
pub struct Replay {
    /// What it began with.
    pub head: Head,
    lines: std::iter::Zip<io::Lines<BufReader<File>>, std::ops::RangeFrom<usize>>,
}

impl Replay {
    /// Opens a recording.
    ///
    /// # Errors
    /// As [`ReplayError`] lists them.
    pub fn open(path: &Path) -> Result<Self, ReplayError> {
        let mut lines = BufReader::new(File::open(path)?).lines().zip(1..);
        let first = lines.next().map_or(Ok(String::new()), |(line, _)| line)?;
        let wrong = |source| ReplayError::Line { line: 1, source };
        let head: Head = serde_json::from_str(&first).map_err(|error| wrong(Some(error)))?;
        if head.version != VERSION {
            return Err(wrong(None));
        }
        Ok(Self { head, lines })
    }
}

impl Iterator for Replay {
    type Item = Result<Event, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (text, line) = self.lines.next()?;
        Some(text.map_err(ReplayError::Io).and_then(|text| {
            serde_json::from_str(&text).map_err(|error| ReplayError::Line {
                line,
                source: Some(error),
            })
        }))
    }
}
