//! Questions that may never be answered.

use std::sync::mpsc;
use std::time::Duration;

/// What `work` returns, if it does in time. It runs in a thread of its own, which is left behind
/// when it hangs: a driver in trouble must not take the report with it.
pub(super) fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new()
        .name("patient".to_owned())
        .spawn(move || {
            // Nobody listens any more once the deadline has passed.
            let _ = sender.send(work());
        })
        .ok()?;
    receiver.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slow_are_left_behind() {
        assert_eq!(within(Duration::from_secs(10), || 7), Some(7));
        let slow = || std::thread::sleep(Duration::from_secs(10));
        assert_eq!(within(Duration::from_millis(20), slow), None);
    }
}
