//! Waiting for drivers: early in a boot disks and network cards are still appearing.

use std::time::Duration;

use crate::root::Root;

/// How often is looked.
const INTERVAL: Duration = Duration::from_millis(100);
/// For this long nothing may have changed.
const QUIET: Duration = Duration::from_secs(1);

/// What is there so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settling {
    /// Names of block devices, partitions included.
    pub block: Vec<String>,
    /// Names of network interfaces.
    pub net: Vec<String>,
    /// How long was waited.
    pub waited: Duration,
    /// Whether nothing has changed for a second.
    pub is_settled: bool,
}

impl Settling {
    fn look(root: &Root) -> Self {
        Self {
            block: root.names("/sys/class/block"),
            net: root.names("/sys/class/net"),
            ..Self::default()
        }
    }

    fn shows_the_same(&self, other: &Self) -> bool {
        (&self.block, &self.net) == (&other.block, &other.net)
    }
}

/// Waits until no block device and no network interface has come or gone for a second, at most
/// `limit`. `sleep` waits; time is counted by its calls, so no clock is needed and a clock that is
/// set meanwhile does no harm. `changed` is told of the first look and of every change.
pub fn settle(
    root: &Root,
    limit: Duration,
    mut sleep: impl FnMut(Duration),
    mut changed: impl FnMut(&Settling),
) -> Settling {
    let mut seen = Settling::look(root);
    changed(&seen);
    let mut quiet = Duration::ZERO;
    while quiet < QUIET && seen.waited < limit {
        let pause = INTERVAL.min(limit.saturating_sub(seen.waited));
        sleep(pause);
        let now = Settling {
            waited: seen.waited.saturating_add(pause),
            ..Settling::look(root)
        };
        if now.shows_the_same(&seen) {
            quiet = quiet.saturating_add(pause);
        } else {
            quiet = Duration::ZERO;
            changed(&now);
        }
        seen = now;
    }
    Settling {
        is_settled: quiet >= QUIET,
        ..seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_late_devices_and_a_quiet_second() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::at(dir.path()).unwrap();
        let mut looks = 0;
        let mut told = Vec::new();
        let settled = settle(
            &root,
            Duration::from_secs(60),
            |_| {
                looks += 1;
                if looks == 7 {
                    std::fs::create_dir_all(dir.path().join("sys/class/block/sda")).unwrap();
                }
            },
            |now| told.push(now.block.len()),
        );
        assert!(settled.is_settled);
        assert_eq!(settled.waited, Duration::from_millis(1700));
        assert_eq!(told, [0, 1]);
    }

    #[test]
    fn gives_up_when_the_time_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::at(dir.path()).unwrap();
        let mut looks = 0;
        let seen = settle(
            &root,
            Duration::from_millis(2050),
            |_| {
                looks += 1;
                let name = format!("sys/class/net/veth{looks}");
                std::fs::create_dir_all(dir.path().join(name)).unwrap();
            },
            |_| {},
        );
        assert!(!seen.is_settled);
        assert_eq!(seen.waited, Duration::from_millis(2050));
        assert_eq!(seen.net.len(), 21);
    }
}
