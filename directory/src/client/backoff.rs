//! Waiting longer after every failure, and not all at the same moment.

use std::time::Duration;

/// Exponential back-off: doubles from `min` to `max`, each wait shortened by a random part.
#[derive(Debug, Clone)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    jitter: f64,
    next: Duration,
}

impl Backoff {
    /// Waits from `min` to `max`; `jitter` is the part of each wait that is random, 0.0 (none) to
    /// 1.0 (anything from nothing to the whole wait).
    #[must_use]
    pub fn new(min: Duration, max: Duration, jitter: f64) -> Self {
        let max = max.max(min);
        Self {
            min,
            max,
            jitter: if jitter.is_finite() {
                jitter.clamp(0.0, 1.0)
            } else {
                0.0
            },
            next: min,
        }
    }

    /// How long to wait now; the wait after it will be longer.
    #[must_use]
    pub fn next_delay(&mut self) -> Duration {
        let full = self.next;
        self.next = full.saturating_mul(2).min(self.max);
        // Without random numbers, all wait the full time: slower, never wrong.
        let random = getrandom::u32().map_or(0.0, |random| f64::from(random) / 4_294_967_296.0);
        full.mul_f64(1.0 - self.jitter * random)
    }

    /// Starts again at `min`, after a success.
    pub fn reset(&mut self) {
        self.next = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_maximum_and_start_again_after_success() {
        let secs = Duration::from_secs;
        let mut backoff = Backoff::new(secs(1), secs(5), 0.0);
        let waits: Vec<_> = (0..5).map(|_| backoff.next_delay().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5]);
        backoff.reset();
        assert_eq!(backoff.next_delay(), secs(1));
    }

    #[test]
    fn jitter_shortens_by_no_more_than_its_share_and_differs() {
        let mut backoff = Backoff::new(Duration::from_secs(8), Duration::from_secs(8), 0.5);
        let waits: Vec<_> = (0..50).map(|_| backoff.next_delay()).collect();
        assert!(
            waits
                .iter()
                .all(|wait| (4.0..=8.0).contains(&wait.as_secs_f64())),
            "{waits:?}"
        );
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
