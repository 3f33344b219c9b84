//! What a farmer wants to know of a node, derived from what the directory says.

use directory::clock::UnixTime;
use directory::wire::{Node, NodeState, gib_to_bytes};
use hw_probe::capacity::Capacity;
use hw_probe::cloud_units::{CloudUnits, CuLimit};
use hw_probe::inventory::Inventory;
use hw_probe::reward::{Reward, RewardInputs, RewardPolicy as _, Scenario, V3Minting};
use hw_probe::units::Bytes;
use serde::Serialize;

/// Nodes report their uptime every 10 minutes; two reports may be missed before a node is late.
pub const UP_MAX_AGE_SECONDS: i64 = 20 * 60;
/// A node silent for longer than this is down.
pub const LATE_MAX_AGE_SECONDS: i64 = 60 * 60;

/// Whether a node is there, judged by the age of its last report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Liveness {
    /// Reports on time.
    Up,
    /// Has missed two reports.
    Late,
    /// Silent for more than an hour.
    Down,
    /// Registered, but has never reported its uptime.
    New,
}

impl Liveness {
    /// Liveness of `node` at `now`.
    #[must_use]
    pub fn of(node: &Node, now: UnixTime) -> Self {
        Self::by_age(report_age_seconds(node, now))
    }

    /// Liveness by the seconds since the last report, `None` before the first.
    #[must_use]
    pub fn by_age(age_seconds: Option<i64>) -> Self {
        match age_seconds {
            None => Self::New,
            Some(age) if age <= UP_MAX_AGE_SECONDS => Self::Up,
            Some(age) if age <= LATE_MAX_AGE_SECONDS => Self::Late,
            Some(_) => Self::Down,
        }
    }

    /// The word shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Late => "late",
            Self::Down => "down",
            Self::New => "new",
        }
    }
}

/// Whether the node has told both what it has and how long it is up.
#[must_use]
pub fn has_reported(node: &Node) -> bool {
    node.uptime > 0 && node.total_resources.cru > 0
}

/// Seconds since the node's last uptime report; `None` before its first. A report from the future
/// (this computer's clock is behind) has just arrived.
#[must_use]
pub fn report_age_seconds(node: &Node, now: UnixTime) -> Option<i64> {
    (node.uptime > 0 && !node.updated.is_unset())
        .then(|| now.seconds_since(UnixTime::from(node.updated)).max(0))
}

/// Seconds the node is up: while it reports on time, the time since its last report counts too.
/// `None` before its first report.
#[must_use]
pub fn uptime_seconds(node: &Node, now: UnixTime) -> Option<i64> {
    let age = report_age_seconds(node, now)?;
    let since = if age <= UP_MAX_AGE_SECONDS { age } else { 0 };
    Some(node.uptime.saturating_add(since))
}

/// What the farm's owner decided, also for directories that know only `approved`.
#[must_use]
pub fn decision(node: &Node) -> NodeState {
    node.state.unwrap_or(if node.approved {
        NodeState::Approved
    } else {
        NodeState::Pending
    })
}

/// What is the matter with a node whose identity was seen from two boards.
pub const TWO_BOARDS: &str = "two machines use this identity";
/// What can be done about it, before the node is approved again.
pub const TWO_BOARDS_TODO: &str = "make a new medium for one, or delete its node-identity.toml";

/// What the machine has, as the grid counts it.
#[must_use]
pub fn capacity(node: &Node) -> Capacity {
    let total = &node.total_resources;
    Capacity {
        cru: total.cru,
        mru_bytes: Bytes(gib_to_bytes(total.mru).unwrap_or(0)),
        sru_bytes: Bytes(gib_to_bytes(total.sru).unwrap_or(0)),
        hru_bytes: Bytes(gib_to_bytes(total.hru).unwrap_or(0)),
    }
}

/// The hardware the node posted; the directory shows it to the farm's owner only.
#[must_use]
pub fn inventory(node: &Node) -> Option<Inventory> {
    let value = node.hardware.as_ref()?;
    let value = value.get("inventory").unwrap_or(value);
    serde_json::from_value(value.clone()).ok()
}

/// Capacity, cloud units and rewards of one machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Assessment {
    /// As the grid counts it.
    pub capacity: Capacity,
    /// Grid v3's cloud units of it.
    pub cloud_units: CloudUnits,
    /// Which resource keeps the compute units down.
    pub limited_by: CuLimit,
    /// Whether it is a virtual machine; `None` when nobody told us.
    pub virtualised: Option<bool>,
    /// What the grid pays for the machine as it is: nothing for a virtual one. Unknown when we do
    /// not know whether it is virtual.
    pub as_measured: Option<Reward>,
    /// What the same hardware earns on bare metal.
    pub as_bare_metal: Reward,
}

impl Assessment {
    /// Assesses a capacity under grid v3's rule, for a whole period of uptime unless `inputs` says
    /// otherwise.
    #[must_use]
    pub fn new(virtualised: Option<bool>, inputs: RewardInputs) -> Self {
        let policy = V3Minting::default();
        let capacity = inputs.capacity;
        Self {
            capacity,
            cloud_units: CloudUnits::v3(&capacity),
            limited_by: CloudUnits::v3_limit(&capacity),
            virtualised,
            as_measured: virtualised.map(|virtualised| {
                policy.reward(&RewardInputs {
                    virtualised,
                    ..inputs
                })
            }),
            as_bare_metal: policy
                .reward(&inputs.as_if_bare_metal())
                .labelled(Scenario::AsIfBareMetal),
        }
    }

    /// Assesses a node as the directory knows it.
    #[must_use]
    pub fn of_node(node: &Node) -> Self {
        let inventory = inventory(node);
        let virtualised = inventory
            .as_ref()
            .and_then(|found| found.virtualisation.is_virtual);
        // The directory's amounts are rounded by some clients; the inventory is exact.
        let capacity = inventory
            .as_ref()
            .map_or_else(|| capacity(node), Capacity::as_zero_os);
        Self::new(virtualised, RewardInputs::new(capacity, false))
    }
}

/// `3d 4h`, `2h 05m`, `7m 03s`, `12s`.
#[must_use]
pub fn duration_text(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match seconds {
        86_400.. => format!("{days}d {hours:02}h"),
        3_600.. => format!("{hours}h {minutes:02}m"),
        60.. => format!("{minutes}m {rest:02}s"),
        _ => format!("{rest}s"),
    }
}

/// As [`duration_text`], without seconds once there are minutes: what is shown does not change every
/// second.
#[must_use]
pub fn brief_duration_text(seconds: i64) -> String {
    match seconds {
        60..3_600 => format!("{}m", seconds / 60),
        _ => duration_text(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn liveness_follows_the_last_report() {
        let now = UnixTime::from_secs(1_000_000);
        let mut node = testing::node(1);
        for (age, uptime, expected) in [
            (0, 5, Liveness::Up),
            (-30, 5, Liveness::Up),
            (UP_MAX_AGE_SECONDS, 5, Liveness::Up),
            (UP_MAX_AGE_SECONDS + 1, 5, Liveness::Late),
            (LATE_MAX_AGE_SECONDS + 1, 5, Liveness::Down),
            (0, 0, Liveness::New),
        ] {
            node.updated = UnixTime::from_secs(now.secs - age).into();
            node.uptime = uptime;
            assert_eq!(Liveness::of(&node, now), expected, "{age} {uptime}");
            let up = (uptime > 0).then(|| {
                if expected == Liveness::Up {
                    5 + age.max(0)
                } else {
                    5
                }
            });
            assert_eq!(uptime_seconds(&node, now), up);
        }
    }

    #[test]
    fn a_virtual_machine_earns_nothing_and_bare_metal_does() {
        let mut node = testing::node(1);
        node.hardware = Some(testing::hardware(true));
        let assessment = Assessment::of_node(&node);
        assert_eq!(assessment.virtualised, Some(true));
        assert_eq!(assessment.as_measured.unwrap().tft_units, 0);
        assert!(assessment.as_bare_metal.tft_units > 0);
        assert_eq!(assessment.as_bare_metal.scenario, Scenario::AsIfBareMetal);
    }

    #[test]
    fn without_hardware_details_nothing_is_claimed_about_virtualisation() {
        let assessment = Assessment::of_node(&testing::node(1));
        assert_eq!(assessment.virtualised, None);
        assert!(assessment.as_measured.is_none());
    }

    #[test]
    fn durations() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m 00s"),
            (3_661, "1h 01m"),
            (90_000, "1d 01h"),
            (-5, "0s"),
        ] {
            assert_eq!(duration_text(seconds), text);
        }
    }
}
