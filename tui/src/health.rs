//! How fresh the answers of one source are. The last answer is kept when the source goes silent.

use std::time::Duration;

use crate::node::duration_text;

/// A source that has been asked and may or may not answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// When the last good answer came, on the monotonic clock.
    pub last_ok: Option<Duration>,
    /// What went wrong since, if anything did.
    pub last_error: Option<String>,
    /// Failures since the last good answer.
    pub failures: u32,
    /// When the running request was sent.
    pub asked: Option<Duration>,
    /// When the last answer or failure came.
    pub settled_at: Option<Duration>,
}

/// A source's state in one word and the age of its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Nothing has come yet, and nothing failed.
    Connecting,
    /// The last answer is as fresh as it should be.
    Live(Duration),
    /// The last answer is overdue.
    Delayed(Duration),
    /// The source fails; the data shown, if any, is this old.
    NoResponse(Option<Duration>),
}

impl Health {
    /// A request was sent.
    pub fn ask(&mut self, now: Duration) {
        self.asked = Some(now);
    }

    /// A good answer came.
    pub fn succeed(&mut self, now: Duration) {
        *self = Self {
            last_ok: Some(now),
            settled_at: Some(now),
            ..Self::default()
        };
    }

    /// The request failed.
    pub fn fail(&mut self, now: Duration, error: String) {
        self.asked = None;
        self.settled_at = Some(now);
        self.last_error = Some(error);
        self.failures = self.failures.saturating_add(1);
    }

    /// Time since the last answer or failure; `None` before the first.
    #[must_use]
    pub fn settled(&self, now: Duration) -> Option<Duration> {
        self.settled_at.map(|then| now.saturating_sub(then))
    }

    /// How fresh the data is when answers are wanted every `interval`.
    #[must_use]
    pub fn freshness(&self, now: Duration, interval: Duration) -> Freshness {
        let age = self.last_ok.map(|then| now.saturating_sub(then));
        match age {
            None if self.failures == 0 => Freshness::Connecting,
            age if self.failures > 1 => Freshness::NoResponse(age),
            None => Freshness::NoResponse(None),
            Some(age) if age > interval * 12 => Freshness::NoResponse(Some(age)),
            Some(age) if age > interval * 2 => Freshness::Delayed(age),
            Some(age) => Freshness::Live(age),
        }
    }
}

impl Freshness {
    /// The words shown.
    #[must_use]
    pub fn text(self) -> String {
        let age = |age: Duration| duration_text(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        match self {
            Self::Connecting => "connecting".to_owned(),
            Self::Live(_) => "live".to_owned(),
            Self::Delayed(since) => format!("delayed {}", age(since)),
            Self::NoResponse(None) => "no response".to_owned(),
            Self::NoResponse(Some(since)) => format!("no response, data {} old", age(since)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn words_follow_age_and_failures() {
        let mut health = Health::default();
        let text = |health: &Health, now| health.freshness(S(now), S(5)).text();
        assert_eq!(text(&health, 0), "connecting");
        health.fail(S(0), "refused".into());
        assert_eq!(text(&health, 1), "no response");
        health.succeed(S(10));
        assert_eq!(text(&health, 15), "live");
        health.fail(S(16), "timeout".into());
        assert_eq!(text(&health, 17), "live", "one hiccup is not an outage");
        assert_eq!(text(&health, 52), "delayed 42s");
        health.fail(S(52), "timeout".into());
        assert_eq!(text(&health, 52), "no response, data 42s old");
        health.succeed(S(60));
        assert_eq!(text(&health, 60), "live");
    }
}
