//! Time is a value handed in: days of back-off, freshness windows and certificate validity can be
//! tested in milliseconds. Waiting goes through `tokio::time`, which tests can pause.

use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in time: seconds and nanoseconds since 1970-01-01T00:00:00 UTC, without leap seconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct UnixTime {
    /// Whole seconds since the epoch; negative before it.
    pub secs: i64,
    /// Nanoseconds to add to `secs`, always below 1 000 000 000.
    pub nanos: u32,
}

impl UnixTime {
    /// A whole second.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self { secs, nanos: 0 }
    }

    /// This instant as the standard library counts it; times before the epoch become the epoch.
    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        let secs = u64::try_from(self.secs).unwrap_or(0);
        UNIX_EPOCH
            .checked_add(Duration::new(secs, self.nanos))
            .unwrap_or(UNIX_EPOCH)
    }

    /// `self - other` in whole seconds, truncated; saturates.
    #[must_use]
    pub const fn seconds_since(self, other: Self) -> i64 {
        self.secs.saturating_sub(other.secs)
    }

    /// The HTTP date of this instant (RFC 9110 section 5.6.7, IMF-fixdate).
    ///
    /// HTTP dates have four-digit years: anything outside 1970..=9999 is clamped.
    #[must_use]
    pub fn to_http_date(self) -> String {
        const LAST_SECOND_OF_9999: i64 = 253_402_300_799;
        let clamped = Self::from_secs(self.secs.clamp(0, LAST_SECOND_OF_9999));
        httpdate::fmt_http_date(clamped.to_system_time())
    }

    /// Parses any of the three HTTP date forms of RFC 9110 section 5.6.7.
    #[must_use]
    pub fn parse_http_date(text: &str) -> Option<Self> {
        httpdate::parse_http_date(text).ok().map(Self::from)
    }
}

impl From<SystemTime> for UnixTime {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self {
                secs: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
                nanos: after.subsec_nanos(),
            },
            Err(error) => {
                let before = error.duration();
                let secs = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
                match before.subsec_nanos() {
                    0 => Self::from_secs(-secs),
                    nanos => Self {
                        secs: -secs - 1,
                        nanos: 1_000_000_000 - nanos,
                    },
                }
            }
        }
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock: may be wrong and may jump (a node with a dead RTC battery starts in 1970).
    fn now(&self) -> UnixTime;

    /// Time since some fixed moment in the past; never jumps, never goes back.
    fn monotonic(&self) -> Duration;
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one Clock that reads the machine"
    )]
    fn now(&self) -> UnixTime {
        SystemTime::now().into()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one Clock that reads the machine"
    )]
    fn monotonic(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        let now = Instant::now();
        now.saturating_duration_since(*START.get_or_init(|| now))
    }
}

/// A clock that stands still until it is told to move; for tests.
#[derive(Debug)]
pub struct ManualClock(Mutex<(UnixTime, Duration)>);

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub const fn new(now: UnixTime) -> Self {
        Self(Mutex::new((now, Duration::ZERO)))
    }

    /// Lets time pass on both clocks.
    pub fn advance(&self, by: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let nanos = u64::from(state.0.nanos) + u64::from(by.subsec_nanos());
        let carry = nanos / 1_000_000_000;
        let secs = i64::try_from(by.as_secs() + carry).unwrap_or(i64::MAX);
        state.0.secs = state.0.secs.saturating_add(secs);
        state.0.nanos = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
        state.1 += by;
    }

    /// Sets the wall clock, as SNTP or an administrator does; the monotonic clock goes on.
    pub fn set(&self, now: UnixTime) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_dates_round_trip_and_clamp() {
        let july = UnixTime::from_secs(1_593_561_600);
        assert_eq!(july.to_http_date(), "Wed, 01 Jul 2020 00:00:00 GMT");
        assert_eq!(UnixTime::parse_http_date(&july.to_http_date()), Some(july));
        assert_eq!(
            UnixTime::from_secs(-5).to_http_date(),
            "Thu, 01 Jan 1970 00:00:00 GMT"
        );
        assert_eq!(
            UnixTime::from_secs(i64::MAX).to_http_date(),
            "Fri, 31 Dec 9999 23:59:59 GMT"
        );
        assert_eq!(UnixTime::parse_http_date("yesterday"), None);
    }

    #[test]
    fn a_manual_clock_carries_and_may_be_set_back() {
        let clock = ManualClock::new(UnixTime {
            secs: 10,
            nanos: 900_000_000,
        });
        clock.advance(Duration::from_millis(1200));
        assert_eq!(
            clock.now(),
            UnixTime {
                secs: 12,
                nanos: 100_000_000
            }
        );
        clock.set(UnixTime::from_secs(3));
        assert_eq!(clock.now().secs, 3);
        assert_eq!(clock.monotonic(), Duration::from_millis(1200));
    }

    #[test]
    fn times_before_the_epoch_convert() {
        let before = UNIX_EPOCH - Duration::from_millis(1500);
        assert_eq!(
            UnixTime::from(before),
            UnixTime {
                secs: -2,
                nanos: 500_000_000
            }
        );
    }
}
