//! What a snapshot keeps: recording everything that is read and asked through a [`Root`], and
//! giving it again.
//!
//! The recorder follows symbolic links component by component, as the kernel does, so that a path
//! that was read through `/sys/block/sda` leads to the same file in the snapshot. Errors that say
//! more than "not there" are kept too: a report made from a snapshot has the same warnings.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FileType, OFlags, fstat, readlinkat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::{OwnedFd, Root, RootError};

/// Where a snapshot keeps what no file answers.
pub(crate) const ANSWERS_PATH: &str = "/hw-probe/ioctl.json";
/// Version of that file.
const ANSWERS_VERSION: u32 = 1;
/// A machine with thousands of disks stays far below.
const ANSWERS_MAX_BYTES: usize = 64 << 20;
/// As many links as the kernel follows in one path.
const LINKS_MAX: usize = 40;

/// Something in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A directory.
    Directory,
    /// A file: what was read of it, or nothing when it was only seen.
    File(Option<Vec<u8>>),
    /// A symbolic link and its target.
    Link(PathBuf),
}

/// What was asked rather than read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Answers {
    pub schema_version: u32,
    /// Devices that were opened: 0, or the error number.
    pub opened: BTreeMap<String, i32>,
    /// Answers in hexadecimal by subject and question; `null` where there was none.
    pub answers: BTreeMap<String, BTreeMap<String, Option<String>>>,
    /// Error numbers of reads that failed, other than for absence.
    pub errors: BTreeMap<String, i32>,
}

/// Everything recorded so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recording {
    /// By path from the root, without a leading slash.
    pub entries: BTreeMap<PathBuf, Entry>,
    pub answers: Answers,
    /// Whether somebody was there to answer. A copied tree without answers stays one: replaying
    /// "no answer" is not the same as not asking.
    pub answerable: bool,
}

/// Recorder and memory of one root; both absent for an ordinary probe.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tape {
    recording: Option<Arc<Mutex<Recording>>>,
    replay: Option<Arc<Answers>>,
    /// Holds an unpacked archive; removed with the last handle.
    unpacked: Option<Arc<tempfile::TempDir>>,
}

fn locked(recording: &Mutex<Recording>) -> MutexGuard<'_, Recording> {
    // Every change is one insertion, so what a panicking thread left behind is whole.
    recording.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tape {
    pub(super) const EMPTY: Self = Self {
        recording: None,
        replay: None,
        unpacked: None,
    };

    pub(super) fn replays(&self) -> bool {
        self.replay.is_some()
    }

    fn record(&self, change: impl FnOnce(&mut Recording)) {
        if let Some(recording) = &self.recording {
            change(&mut locked(recording));
        }
    }

    pub(super) fn answer(
        &self,
        subject: &str,
        question: &str,
        ask: impl FnOnce() -> Option<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        let answer = match &self.replay {
            Some(known) => known
                .answers
                .get(subject)
                .and_then(|answers| answers.get(question)?.as_ref())
                .and_then(|text| hex::decode(text).ok()),
            None => ask(),
        };
        self.record(|recording| {
            let answers = &mut recording.answers.answers;
            let of_subject = answers.entry(subject.to_owned()).or_default();
            of_subject.insert(question.to_owned(), answer.as_ref().map(hex::encode));
        });
        answer
    }

    /// How opening this device went when the snapshot was taken; `None` when there is no snapshot.
    pub(super) fn replayed_open(&self, path: &Path) -> Option<Result<(), std::io::Error>> {
        let known = self.replay.as_ref()?;
        let absent = Errno::NOENT.raw_os_error();
        let name = path.to_string_lossy();
        Some(match known.opened.get(&*name).copied().unwrap_or(absent) {
            0 => Ok(()),
            errno => Err(std::io::Error::from_raw_os_error(errno)),
        })
    }

    pub(super) fn record_open(&self, path: &Path, result: &Result<Option<OwnedFd>, RootError>) {
        self.record(|recording| {
            let errno = match result {
                Ok(_) => 0,
                Err(error) => errno_of(error).unwrap_or(Errno::IO.raw_os_error()),
            };
            let name = path.to_string_lossy().into_owned();
            recording.answers.opened.insert(name, errno);
        });
    }
}

fn errno_of(error: &RootError) -> Option<i32> {
    match error {
        RootError::Io { source, .. } => source.raw_os_error(),
        _ => None,
    }
}

impl Root {
    /// This root, keeping all that is read and asked from now on for
    /// [`Snapshot::of`](crate::snapshot::Snapshot::of).
    #[must_use]
    pub fn recording(mut self) -> Self {
        let recording = Recording {
            answers: Answers {
                schema_version: ANSWERS_VERSION,
                ..Answers::default()
            },
            answerable: self.answers_questions(),
            ..Recording::default()
        };
        self.tape.recording = Some(Arc::new(Mutex::new(recording)));
        self
    }

    /// What was recorded so far.
    pub(crate) fn recorded(&self) -> Option<Recording> {
        let recording = self.tape.recording.as_ref()?;
        Some(locked(recording).clone())
    }

    /// This root, living in a directory that goes with it.
    pub(crate) fn owning(mut self, dir: tempfile::TempDir) -> Self {
        self.tape.unpacked = Some(Arc::new(dir));
        self
    }

    pub(super) fn load_answers(&mut self) -> Result<(), RootError> {
        let data = match self.read_up_to(ANSWERS_PATH, ANSWERS_MAX_BYTES) {
            Ok(data) => data,
            Err(error) if error.is_absent() => return Ok(()),
            Err(error) => return Err(error),
        };
        let wrong = |reason: String| RootError::Answers {
            path: ANSWERS_PATH.into(),
            reason,
        };
        let answers: Answers =
            serde_json::from_slice(&data).map_err(|error| wrong(error.to_string()))?;
        if answers.schema_version != ANSWERS_VERSION {
            let version = answers.schema_version;
            return Err(wrong(format!("it has version {version}")));
        }
        self.tape.replay = Some(Arc::new(answers));
        Ok(())
    }

    /// The error that reading `path` gave on the machine the snapshot was taken on.
    pub(super) fn replayed_error(&self, path: &Path) -> Result<(), RootError> {
        let known = self.tape.replay.as_ref();
        match known.and_then(|known| known.errors.get(&*path.to_string_lossy())) {
            Some(errno) => Err(RootError::Io {
                path: path.to_owned(),
                source: std::io::Error::from_raw_os_error(*errno),
            }),
            None => Ok(()),
        }
    }

    pub(super) fn record_file(&self, path: &Path, result: &Result<Vec<u8>, RootError>) {
        self.record_error(path, result.as_ref().err());
        let Ok(data) = result else {
            self.record_presence(path, true);
            return;
        };
        let Some(real) = self.trace(path, true) else {
            return;
        };
        self.tape.record(|recording| {
            let kept = recording.entries.entry(real).or_insert(Entry::File(None));
            // A longer look at the same file shows more of it; a later one may show other values.
            let longer = match kept {
                Entry::File(Some(known)) => data.len() > known.len(),
                _ => true,
            };
            if longer {
                *kept = Entry::File(Some(data.clone()));
            }
        });
    }

    pub(super) fn record_names(&self, path: &Path, result: &Result<Vec<String>, RootError>) {
        if self.tape.recording.is_none() {
            return;
        }
        self.record_error(path, result.as_ref().err());
        self.record_presence(path, true);
        for name in result.iter().flatten() {
            self.trace(&path.join(name), false);
        }
    }

    pub(super) fn record_presence(&self, path: &Path, follow: bool) {
        self.trace(path, follow);
    }

    fn record_error(&self, path: &Path, error: Option<&RootError>) {
        let absent = [Errno::NOENT, Errno::NOTDIR].map(Errno::raw_os_error);
        if let Some(errno) = error.and_then(errno_of).filter(|e| !absent.contains(e)) {
            self.tape.record(|recording| {
                let name = path.to_string_lossy().into_owned();
                recording.answers.errors.insert(name, errno);
            });
        }
    }

    /// Records every directory and link on the way to `path`, and what lies there. Returns the
    /// path without links; `None` when nothing is recorded, or nothing is there.
    fn trace(&self, path: &Path, follow: bool) -> Option<PathBuf> {
        let recording = self.tape.recording.as_ref()?;
        let mut real = PathBuf::new();
        let mut rest: VecDeque<OsString> = names(path).collect();
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                real.pop();
                continue;
            }
            let next = real.join(&name);
            let known = locked(recording).entries.get(&next).cloned();
            let entry = match known {
                Some(entry) => entry,
                None => {
                    let entry = self.look(&next)?;
                    let mut recording = locked(recording);
                    recording.entries.insert(next.clone(), entry.clone());
                    entry
                }
            };
            match entry {
                Entry::Link(target) if follow || !rest.is_empty() => {
                    links += 1;
                    if links > LINKS_MAX {
                        return None;
                    }
                    if target.is_absolute() {
                        real = PathBuf::new();
                    }
                    for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                        rest.push_front(name);
                    }
                }
                _ => real = next,
            }
        }
        Some(real)
    }

    /// What lies at a path without links.
    fn look(&self, path: &Path) -> Option<Entry> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = self.open(path, flags).ok()?;
        Some(match FileType::from_raw_mode(fstat(&fd).ok()?.st_mode) {
            FileType::Directory => Entry::Directory,
            FileType::Symlink => {
                use std::os::unix::ffi::OsStrExt as _;
                let target = readlinkat(&fd, "", Vec::new()).ok()?;
                Entry::Link(PathBuf::from(OsStr::from_bytes(target.as_bytes())))
            }
            _ => Entry::File(None),
        })
    }
}

/// Components of a path below a root; `..` stays.
fn names(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}
