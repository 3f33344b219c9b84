//! How the program ends: one table for code, `farmer help exit-codes`, the manual and the tests.

use std::process::ExitCode;

use serde::Serialize;

/// Outcome of a command, as its exit code tells it to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Done.
    Ok,
    /// The operation failed.
    Failed,
    /// The command line is wrong, or a question could not be asked.
    Usage,
    /// Something is not what it was said to be: a digest, a pin, a signature.
    Mismatch,
    /// The other side wants another identity, or one at all.
    Unauthorised,
    /// Refused because it would be unsafe; a flag named in the hint allows it.
    Refused,
    /// What was named does not exist.
    NotFound,
    /// Done for some, not for all.
    Partial,
    /// Not there yet: the time to wait for it has passed.
    Pending,
    /// Ended by Ctrl-C or a signal.
    Interrupted,
    /// What `farmer check` found; its exit codes are those of monitoring plugins.
    Checked(Health),
}

/// The four answers of a monitoring plugin, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// All is well.
    Ok,
    /// Somebody should look at it.
    Warning,
    /// Somebody should look at it now.
    Critical,
    /// It could not be found out.
    Unknown,
}

impl Health {
    /// As monitoring systems write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl ExitStatus {
    /// Every status, in the order of the table; those of `farmer check` are in its own help.
    pub const ALL: [Self; 10] = [
        Self::Ok,
        Self::Failed,
        Self::Usage,
        Self::Mismatch,
        Self::Unauthorised,
        Self::Refused,
        Self::NotFound,
        Self::Partial,
        Self::Pending,
        Self::Interrupted,
    ];

    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Mismatch => 3,
            Self::Unauthorised => 4,
            Self::Refused => 5,
            Self::NotFound => 6,
            Self::Partial => 7,
            Self::Pending => 8,
            Self::Interrupted => 130,
            Self::Checked(health) => health as u8,
        }
    }

    /// Short name, as it stands in a JSON error.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Mismatch => "mismatch",
            Self::Unauthorised => "unauthorised",
            Self::Refused => "refused",
            Self::NotFound => "not-found",
            Self::Partial => "partial",
            Self::Pending => "pending",
            Self::Interrupted => "interrupted",
            Self::Checked(health) => health.word(),
        }
    }

    /// What it means, in one line.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done; also when the reader of our output went away",
            Self::Failed => "the operation failed",
            Self::Usage => "wrong command line, or a confirmation is needed (--yes)",
            Self::Mismatch => "verification failed: a digest, pin or signature differs",
            Self::Unauthorised => "the directory refuses this identity, or wants one",
            Self::Refused => "refused as unsafe; the hint names the flag that allows it",
            Self::NotFound => "no such farm, node, file or directory server",
            Self::Partial => "done for some, not for all",
            Self::Pending => "not there yet when the time was up",
            Self::Interrupted => "interrupted (Ctrl-C or a signal)",
            Self::Checked(_) => "what a monitoring plugin answers",
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}
