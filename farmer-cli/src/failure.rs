//! Why a command did not do what was asked, and what that means to the user.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::Path;

use crate::exit::ExitStatus;

/// A library's error as the command line sees it: which exit code, which advice.
pub trait Classify: StdError {
    /// Exit code of a command that ends with this error.
    fn status(&self) -> ExitStatus {
        ExitStatus::Failed
    }

    /// The next thing to do, if it is known.
    fn advice(&self) -> Option<String> {
        None
    }
}

/// The end of a command that failed.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub status: ExitStatus,
    /// What went wrong, with its chain of causes.
    pub error: anyhow::Error,
    /// The next thing to do.
    pub hint: Option<String>,
    /// The reader of standard output has gone away: nothing to report.
    pub stdout_closed: bool,
}

/// Result of a command.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A failure in our own words.
    pub fn new(
        status: ExitStatus,
        message: impl fmt::Display + fmt::Debug + Send + Sync + 'static,
    ) -> Self {
        Self {
            status,
            error: anyhow::Error::msg(message),
            hint: None,
            stdout_closed: false,
        }
    }

    /// Standard output is closed. The program ends quietly, as `head` expects of its feeder.
    pub fn closed_stdout() -> Self {
        Self {
            stdout_closed: true,
            ..Self::new(ExitStatus::Ok, "standard output is closed")
        }
    }

    /// Adds or replaces the advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts what we were doing in front of the chain.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display + Send + Sync + 'static) -> Self {
        self.error = self.error.context(doing);
        self
    }

    /// An operating-system error about a path, with the advice its kind deserves.
    pub fn io(doing: &str, path: &Path, error: io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty() && !parent.exists())
                .map(|parent| {
                    format!(
                        "there is no directory {}; create it first",
                        parent.display()
                    )
                }),
            io::ErrorKind::PermissionDenied => {
                Some("you may not do that with your user's rights; choose another place".to_owned())
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Some("the disk is full: free some space, or choose another place".to_owned())
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                Some("the file system is read-only; choose another place".to_owned())
            }
            _ => None,
        };
        let status = match error.kind() {
            io::ErrorKind::NotFound => ExitStatus::NotFound,
            _ => ExitStatus::Failed,
        };
        let doing = format!("{doing} {}", path.display());
        Self {
            status,
            error: anyhow::Error::new(error).context(doing),
            hint,
            stdout_closed: false,
        }
    }

    /// Whether the directory may answer the same request later.
    pub fn is_passing(&self) -> bool {
        self.error
            .downcast_ref::<directory::client::Error>()
            .is_some_and(directory::client::Error::is_retryable)
    }

    /// The messages from the outermost to the root cause, without repetitions.
    pub fn chain(&self) -> Vec<String> {
        let mut chain: Vec<String> = Vec::new();
        for cause in self.error.chain() {
            let text = one_line(&cause.to_string());
            // Libraries that wrap an error often repeat its text; said once is enough.
            if !text.is_empty() && !chain.last().is_some_and(|last| last.ends_with(&text)) {
                chain.push(text);
            }
        }
        chain
    }
}

impl<E: Classify + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            status: error.status(),
            hint: error.advice(),
            error: anyhow::Error::new(error),
            stdout_closed: false,
        }
    }
}

/// Messages can quote outsiders (a server's answer, a disk's name): no escapes to the terminal. Line
/// breaks stay, because parsers point at the offending column with them.
fn one_line(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            let indent = line.len() - line.trim_start_matches(' ').len();
            format!(
                "{:indent$}{}",
                "",
                hw_probe::text::Untrusted::from(line.trim_start_matches(' '))
            )
        })
        .collect();
    lines.join("\n")
}

/// Puts what we were doing in front of an error's chain.
pub trait Doing<T> {
    /// `doing` is a gerund phrase: "reading the farm".
    fn doing(self, doing: impl fmt::Display + Send + Sync + 'static) -> Outcome<T>;
}

impl<T, E: Into<Failure>> Doing<T> for Result<T, E> {
    fn doing(self, doing: impl fmt::Display + Send + Sync + 'static) -> Outcome<T> {
        self.map_err(|error| error.into().context(doing))
    }
}

impl Classify for node_config::ConfigError {
    fn status(&self) -> ExitStatus {
        match self {
            Self::InsecureHttp { .. } => ExitStatus::Refused,
            Self::Value { .. } | Self::Missing { .. } => ExitStatus::Usage,
            Self::Syntax { .. } | Self::NewerSchema { .. } => ExitStatus::Failed,
        }
    }

    fn advice(&self) -> Option<String> {
        self.hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_is_repeated_is_said_once() {
        let root = io::Error::other("no route");
        let error = anyhow::Error::new(root)
            .context("connecting: no route")
            .context("listing farms");
        let failure = Failure {
            status: ExitStatus::Failed,
            error,
            hint: None,
            stdout_closed: false,
        };
        assert_eq!(failure.chain(), ["listing farms", "connecting: no route"]);
    }

    #[test]
    fn escapes_in_a_message_do_not_reach_the_terminal() {
        let failure = Failure::new(ExitStatus::Failed, "server said \u{1b}[2Jgone");
        assert_eq!(failure.chain(), ["server said gone"]);
    }

    #[test]
    fn a_full_disk_has_a_hint() {
        let failure = Failure::io(
            "writing",
            Path::new("/x/y"),
            io::ErrorKind::StorageFull.into(),
        );
        assert!(failure.hint.is_some_and(|hint| hint.contains("full")));
    }
}
