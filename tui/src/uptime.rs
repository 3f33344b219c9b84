//! How much of a minting period a node has missed, as far as the directory can tell.
//!
//! The directory keeps a node's last report only, so this is what is certain: the silence since that
//! report. Time off before the last boot is not seen.

use directory::clock::UnixTime;
use directory::wire::Node;
use hw_probe::reward::{Certification, PERIOD_SECONDS, period_at, period_end, period_start};
use serde::Serialize;

use crate::node::{Liveness, report_age_seconds};
use crate::row::NodeRow;

/// What a node has missed of the minting period that runs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MissedUptime {
    /// End of the period, Unix seconds.
    pub period_end: u64,
    /// Seconds of the period that the node was certainly off.
    pub off_seconds: u64,
    /// Seconds it may be off before the whole period is not paid.
    pub allowed_seconds: u64,
    /// Whether it registered after the period began and has missed too much by that alone.
    pub joined_late: bool,
}

/// How near a node is to losing the period's reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UptimeRisk {
    /// Less than half of what is allowed is used up.
    None,
    /// Half of it is.
    Near,
    /// The period is lost.
    Lost,
}

impl MissedUptime {
    /// What `node` has missed at `now`, under the rule for nodes of this certification.
    #[must_use]
    pub fn of(node: &Node, now: UnixTime, certification: Certification) -> Self {
        let silent = report_age_seconds(node, now);
        Self::by_silence(silent, node.created.0, now, certification)
    }

    /// The same of a table's row.
    #[must_use]
    pub fn of_row(row: &NodeRow, now: UnixTime, certification: Certification) -> Self {
        Self::by_silence(row.age_seconds(now), row.created, now, certification)
    }

    fn by_silence(
        age_seconds: Option<i64>,
        created: i64,
        now: UnixTime,
        certification: Certification,
    ) -> Self {
        let now_secs = u64::try_from(now.secs).unwrap_or(0);
        let period = period_at(now_secs);
        let begin = period_start(period);
        // A node that reports on time gets the time since its last report credited with the next.
        let silent = match Liveness::by_age(age_seconds) {
            Liveness::Up | Liveness::New => 0,
            Liveness::Late | Liveness::Down => age_seconds.unwrap_or(0),
        };
        let off_seconds = u64::try_from(silent)
            .unwrap_or(0)
            .min(now_secs.saturating_sub(begin));
        let minimum = certification.minimum_uptime_permille();
        let allowed_seconds = PERIOD_SECONDS - (PERIOD_SECONDS * minimum).div_ceil(1000);
        let created = u64::try_from(created).unwrap_or(0);
        Self {
            period_end: period_end(period),
            off_seconds,
            allowed_seconds,
            joined_late: created.saturating_sub(begin) > allowed_seconds,
        }
    }

    /// How near that is to losing the reward. A node that joined late cannot lose what it cannot
    /// get.
    #[must_use]
    pub const fn risk(&self) -> UptimeRisk {
        if self.joined_late {
            UptimeRisk::None
        } else if self.off_seconds > self.allowed_seconds {
            UptimeRisk::Lost
        } else if self.off_seconds > self.allowed_seconds / 2 {
            UptimeRisk::Near
        } else {
            UptimeRisk::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// The middle of a period.
    fn middle() -> u64 {
        period_start(100) + PERIOD_SECONDS / 2
    }

    fn missed(silent: u64, created: u64, certification: Certification) -> MissedUptime {
        let seconds = |value: u64| UnixTime::from_secs(i64::try_from(value).unwrap());
        let mut node = testing::node(1);
        node.created = seconds(created).into();
        node.updated = seconds(middle() - silent).into();
        MissedUptime::of(&node, seconds(middle()), certification)
    }

    #[test]
    fn a_period_is_lost_after_five_or_two_percent_of_it() {
        let hours = |hours: u64| hours * 3600;
        for (silent, certification, risk) in [
            (600, Certification::Diy, UptimeRisk::None),
            (hours(18), Certification::Diy, UptimeRisk::None),
            (hours(19), Certification::Diy, UptimeRisk::Near),
            (hours(37), Certification::Diy, UptimeRisk::Lost),
            (hours(8), Certification::Certified, UptimeRisk::Near),
            (hours(15), Certification::Certified, UptimeRisk::Lost),
        ] {
            let missed = missed(silent, 1, certification);
            assert_eq!(missed.risk(), risk, "{silent} {missed:?}");
        }
        // 36.54 hours of 730.8, as the published rule says.
        assert_eq!(missed(0, 1, Certification::Diy).allowed_seconds, 131_544);
    }

    #[test]
    fn only_this_period_counts_and_newcomers_lose_nothing() {
        let long_ago = missed(PERIOD_SECONDS, 1, Certification::Diy);
        assert_eq!(long_ago.off_seconds, PERIOD_SECONDS / 2);
        let new = missed(PERIOD_SECONDS / 4, middle() - 10, Certification::Diy);
        assert!(new.joined_late && new.risk() == UptimeRisk::None);
    }
}
