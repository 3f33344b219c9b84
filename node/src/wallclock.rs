//! The wall clock: a server with a dead RTC battery wakes up in 1970 or 2003, where no certificate
//! is valid and no signature is fresh.
//!
//! Two sources, in this order: the payload's newest file (the time cannot be earlier), and the date
//! in an answer of the directory. SNTP would stand between the two.

use directory::clock::UnixTime;
use rustix::time::{ClockId, Timespec, clock_settime};

use crate::console::Console;
use crate::payload::PayloadFacts;
use crate::stages::Stage;

/// 2024-01-01 and 2100-01-01: a payload's date outside is no date (a build may be pinned to 1980).
const PLAUSIBLE: std::ops::Range<i64> = 1_704_067_200..4_102_444_800;
/// A source may not move the clock more than 20 years past the payload's date.
const FURTHEST_AHEAD_SECS: i64 = 20 * 365 * 86_400;
/// Signatures are good for minutes; smaller errors do no harm.
const TOLERATED_SECS: u64 = 30;

/// Bounds of the time, from the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The time cannot be earlier than this, in seconds since 1970.
    pub earliest: Option<i64>,
}

impl Bounds {
    /// Bounds from the payload's date, if that is a plausible one.
    pub fn of(facts: &PayloadFacts) -> Self {
        let date = i64::try_from(facts.newest_mtime).ok();
        Self {
            earliest: date.filter(|date| PLAUSIBLE.contains(date)),
        }
    }

    /// The time to set instead of `now` because `now` is impossible.
    pub fn correct(self, now: UnixTime) -> Option<UnixTime> {
        self.earliest
            .filter(|earliest| now.secs < *earliest)
            .map(UnixTime::from_secs)
    }

    /// The time to set because a trusted peer says so; `None` if the clock is right enough or the
    /// peer's date is impossible.
    pub fn follow(self, now: UnixTime, peer: UnixTime) -> Option<UnixTime> {
        let earliest = self.earliest.unwrap_or(PLAUSIBLE.start);
        let latest = self
            .earliest
            .map_or(PLAUSIBLE.end, |date| date + FURTHEST_AHEAD_SECS);
        let is_possible = (earliest..latest).contains(&peer.secs);
        let is_off = now.seconds_since(peer).unsigned_abs() > TOLERATED_SECS;
        (is_possible && is_off).then_some(peer)
    }
}

/// Sets the clock to the payload's date if it shows an earlier time.
pub fn start(console: &Console, bounds: Bounds, now: UnixTime) {
    match bounds.correct(now) {
        Some(time) => {
            let text = format!(
                "clock shows {}, which is before this image was made; set to {}",
                now.to_http_date(),
                time.to_http_date()
            );
            set(console, time, &text);
        }
        None => console.say(Stage::Clock, now.to_http_date()),
    }
}

/// Steps the clock to the directory's date if it is off.
pub fn follow(console: &Console, bounds: Bounds, now: UnixTime, peer: UnixTime) -> bool {
    let Some(time) = bounds.follow(now, peer) else {
        return false;
    };
    let text = format!(
        "clock was off by {}; set to the directory's {}",
        span(now.seconds_since(time).unsigned_abs()),
        time.to_http_date()
    );
    set(console, time, &text)
}

fn set(console: &Console, time: UnixTime, words: &str) -> bool {
    let timespec = Timespec {
        tv_sec: time.secs,
        tv_nsec: i64::from(time.nanos),
    };
    match clock_settime(ClockId::Realtime, timespec) {
        Ok(()) => {
            console.say(Stage::Clock, words);
            true
        }
        Err(error) => {
            console.warn(Stage::Clock, format_args!("clock cannot be set: {error}"));
            false
        }
    }
}

/// A length of time in words, in the largest unit that says enough.
pub fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(newest_mtime: u64) -> Bounds {
        Bounds::of(&PayloadFacts {
            newest_mtime,
            ..PayloadFacts::default()
        })
    }

    const PAYLOAD: i64 = 1_760_000_000;

    fn at(secs: i64) -> UnixTime {
        UnixTime::from_secs(secs)
    }

    #[test]
    fn a_dead_battery_is_noticed() {
        let bounds = bounds(1_760_000_000);
        assert_eq!(bounds.correct(at(0)), Some(at(PAYLOAD)));
        assert_eq!(bounds.correct(at(PAYLOAD)), None);
    }

    #[test]
    fn an_implausible_payload_date_bounds_nothing() {
        for date in [0, 315_532_800, 4_102_444_800, u64::MAX] {
            assert_eq!(bounds(date).correct(at(5)), None, "{date}");
        }
    }

    #[test]
    fn a_peer_is_followed_within_bounds_only() {
        let bounds = bounds(1_760_000_000);
        let now = at(PAYLOAD + 100);
        assert_eq!(bounds.follow(now, at(PAYLOAD + 120)), None, "near enough");
        let day = PAYLOAD + 86_400;
        assert_eq!(bounds.follow(now, at(day)), Some(at(day)));
        assert_eq!(
            bounds.follow(at(day), now),
            Some(now),
            "back, above the bound"
        );
        assert_eq!(
            bounds.follow(now, at(PAYLOAD - 40)),
            None,
            "below the bound"
        );
        assert_eq!(bounds.follow(now, at(PAYLOAD + 21 * 365 * 86_400)), None);
        assert_eq!(bounds.follow(now, at(i64::MAX)), None);
        assert_eq!(bounds.follow(at(i64::MIN), at(day)), Some(at(day)));
    }

    #[test]
    fn spans_in_words() {
        assert_eq!(span(31), "31 seconds");
        assert_eq!(span(1), "1 second");
        assert_eq!(span(3 * 3600), "3 hours");
        assert_eq!(span(9131 * 86_400), "9131 days");
    }
}
