//! How often one client may ask: token buckets, by address and by key.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A bucket of `burst` requests that gets one back every `refill`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests that may come at once.
    pub burst: u32,
    /// Time until one more is allowed.
    pub refill: Duration,
}

impl Rate {
    /// A rate of `burst` at once, then one every `refill`.
    #[must_use]
    pub const fn new(burst: u32, refill: Duration) -> Self {
        Self { burst, refill }
    }
}

/// Buckets kept in a generation; with two of them, memory stays below some 10 MB whoever asks.
const MAX_BUCKETS: usize = 1 << 16;

/// One bucket per client.
#[derive(Debug)]
pub(super) struct Limiter<K> {
    rate: Rate,
    buckets: Mutex<Generations<K>>,
}

/// Buckets by client. When the young generation is full it becomes the old one, and the old one is
/// forgotten: a client that has not asked since begins anew, with a full bucket.
#[derive(Debug)]
struct Generations<K> {
    young: HashMap<K, Duration>,
    old: HashMap<K, Duration>,
}

impl<K: Copy + Eq + Hash> Limiter<K> {
    pub(super) fn new(rate: Rate) -> Self {
        let buckets = Generations {
            young: HashMap::new(),
            old: HashMap::new(),
        };
        Self {
            rate,
            buckets: Mutex::new(buckets),
        }
    }

    /// Takes one request out of a client's bucket at the monotonic time `now`.
    ///
    /// # Errors
    /// How long the client has to wait, when its bucket is empty.
    pub(super) fn take(&self, client: K, now: Duration) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Generations { young, old } = &mut *buckets;
        // A bucket is the moment at which it is full again (GCRA).
        let full_at = young.get(&client).or_else(|| old.get(&client)).copied();
        let full_at = full_at.unwrap_or(now).max(now) + self.rate.refill;
        let depth = self.rate.refill.saturating_mul(self.rate.burst);
        if let Some(wait) = full_at.checked_sub(now + depth)
            && !wait.is_zero()
        {
            return Err(wait);
        }
        if young.len() >= MAX_BUCKETS && !young.contains_key(&client) {
            *old = std::mem::take(young);
        }
        young.insert(client, full_at);
        Ok(())
    }
}

/// Whom an address stands for: an IPv6 customer has a whole /64.
pub(super) fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_passes_and_then_one_every_refill() {
        let limiter = Limiter::new(Rate::new(3, SECOND));
        let now = Duration::from_secs(100);
        for _ in 0..3 {
            limiter.take('a', now).unwrap();
        }
        assert_eq!(limiter.take('a', now), Err(SECOND));
        assert_eq!(limiter.take('b', now), Ok(()), "of another client");
        assert_eq!(limiter.take('a', now + SECOND), Ok(()));
        assert_eq!(limiter.take('a', now + SECOND), Err(SECOND));
        // Waiting long fills the bucket, and not beyond the brim.
        let later = now + 100 * SECOND;
        for _ in 0..3 {
            limiter.take('a', later).unwrap();
        }
        assert_eq!(limiter.take('a', later), Err(SECOND));
    }

    #[test]
    fn many_clients_take_bounded_memory_and_the_greedy_one_stays_known() {
        let limiter = Limiter::new(Rate::new(1, 1000 * SECOND));
        let greedy = usize::MAX;
        limiter.take(greedy, SECOND).unwrap();
        for client in 0..MAX_BUCKETS {
            limiter.take(client, SECOND).unwrap();
        }
        assert!(limiter.take(greedy, SECOND).is_err());
        let buckets = limiter.buckets.lock().unwrap();
        assert!(buckets.young.len() <= MAX_BUCKETS && buckets.old.len() <= MAX_BUCKETS);
    }

    #[test]
    fn an_ipv6_customer_is_one_client() {
        let client = |text: &str| client_of(text.parse().unwrap());
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_ne!(client("192.0.2.2"), client("192.0.2.1"));
    }
}
