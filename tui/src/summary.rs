//! Totals over all nodes, and what deserves the farmer's attention.

use directory::clock::UnixTime;
use directory::wire::NodeState;
use hw_probe::capacity::Capacity;
use hw_probe::cloud_units::CloudUnits;
use hw_probe::reward::{Certification, PERIOD_SECONDS, period_at, period_start};

use serde::{Deserialize, Serialize};

use crate::columns::tft_text;
use crate::node::{Liveness, duration_text};
use crate::row::NodeRow;
use crate::rows::Rows;
use crate::trouble::Trouble;
use crate::uptime::{MissedUptime, UptimeRisk};

/// Totals over nodes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// All nodes.
    pub nodes: usize,
    /// Approved and reporting on time.
    pub up: usize,
    /// Approved and late.
    pub late: usize,
    /// Approved and down.
    pub down: usize,
    /// Approved and never seen.
    pub new: usize,
    /// Not decided about.
    pub pending: usize,
    /// Refused.
    pub blocked: usize,
    /// Those with something wrong about their registration.
    pub problems: usize,
    /// Virtual machines among them.
    pub virtual_machines: usize,
    /// Approved nodes that have used up half of the time they may be off this period.
    pub near: usize,
    /// Approved nodes that have lost this period's reward.
    pub lost: usize,
    /// What approved nodes have.
    pub capacity: Capacity,
    /// Their cloud units.
    pub units: CloudUnits,
    /// What a period pays for them at full uptime, units of 10^-7 TFT.
    #[serde(rename = "reward_tft_units")]
    pub reward: u64,
    /// The part of it that is not lost yet.
    #[serde(rename = "reward_left_tft_units")]
    pub reward_left: u64,
}

impl Summary {
    /// Sums up.
    #[must_use]
    pub fn of(rows: &[NodeRow], now: UnixTime) -> Self {
        let mut sum = Self {
            nodes: rows.len(),
            ..Self::default()
        };
        for row in rows {
            sum.virtual_machines += usize::from(row.is_virtual == Some(true));
            match row.decision {
                NodeState::Pending => sum.pending += 1,
                NodeState::Blocked => sum.blocked += 1,
                NodeState::Approved => sum.add(row, now),
            }
        }
        sum
    }

    /// Sums up, and counts the registrations that have something wrong. `missing` are farms that are
    /// not in the directory, in order.
    #[must_use]
    pub fn with_problems(rows: &Rows, now: UnixTime, missing: &[u64]) -> Self {
        let problems = (0_u32..)
            .take(rows.len())
            .filter(|at| Trouble::of(rows, *at, now, missing).is_some())
            .count();
        Self {
            problems,
            ..Self::of(rows, now)
        }
    }

    fn add(&mut self, row: &NodeRow, now: UnixTime) {
        match row.liveness(now) {
            Liveness::Up => self.up += 1,
            Liveness::Late => self.late += 1,
            Liveness::Down => self.down += 1,
            Liveness::New => self.new += 1,
        }
        let lost = match MissedUptime::of_row(row, now, Certification::Diy).risk() {
            UptimeRisk::None => false,
            UptimeRisk::Near => {
                self.near += 1;
                false
            }
            UptimeRisk::Lost => {
                self.lost += 1;
                true
            }
        };
        let capacity = &mut self.capacity;
        capacity.cru = capacity.cru.saturating_add(row.capacity.cru);
        capacity.mru_bytes = capacity.mru_bytes.saturating_add(row.capacity.mru_bytes);
        capacity.sru_bytes = capacity.sru_bytes.saturating_add(row.capacity.sru_bytes);
        capacity.hru_bytes = capacity.hru_bytes.saturating_add(row.capacity.hru_bytes);
        let units = row.units();
        self.units.cu_micro = self.units.cu_micro.saturating_add(units.cu_micro);
        self.units.su_micro = self.units.su_micro.saturating_add(units.su_micro);
        self.reward = self.reward.saturating_add(row.reward);
        if !lost {
            self.reward_left = self.reward_left.saturating_add(row.reward);
        }
    }

    /// `12 nodes: 10 up, 1 down, 1 pending`
    #[must_use]
    pub fn counts(&self) -> String {
        let noun = if self.nodes == 1 { "node" } else { "nodes" };
        let parts: Vec<String> = self
            .states()
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        if parts.is_empty() {
            return format!("{} {noun}", self.nodes);
        }
        format!("{} {noun}: {}", self.nodes, parts.join(", "))
    }

    /// How many are in each state, with its word.
    #[must_use]
    pub const fn states(&self) -> [(usize, &'static str); 6] {
        [
            (self.up, "up"),
            (self.late, "late"),
            (self.down, "down"),
            (self.new, "new"),
            (self.pending, "pending"),
            (self.blocked, "blocked"),
        ]
    }

    /// What deserves attention, the worst first.
    #[must_use]
    pub fn alerts(&self) -> Vec<Alert> {
        let count = |n: usize, one: &str, many: &str| match n {
            1 => format!("1 node {one}"),
            n => format!("{n} nodes {many}"),
        };
        let mut alerts = Vec::new();
        let mut add = |n: usize, is_bad, text: String, filter, what| {
            if n > 0 {
                alerts.push(Alert {
                    is_bad,
                    text,
                    filter,
                    what,
                });
            }
        };
        let lost = count(self.lost, "has", "have");
        add(
            self.lost,
            true,
            format!("{lost} lost this period's reward by being off too long"),
            "state:down",
            "2 then /state:down",
        );
        add(
            self.down,
            true,
            format!(
                "{} down: silent for more than an hour",
                count(self.down, "is", "are")
            ),
            "state:down",
            "2 then /state:down",
        );
        add(
            self.near,
            false,
            format!(
                "{} used up half of the time off that this period allows",
                count(self.near, "has", "have")
            ),
            "state:down",
            "2 then /state:down",
        );
        add(
            self.late,
            false,
            format!("{} late with a report", count(self.late, "is", "are")),
            "state:late",
            "2 then /state:late",
        );
        add(
            self.pending,
            false,
            format!("{} for your word", count(self.pending, "waits", "wait")),
            "state:pending",
            "3 then a",
        );
        add(
            self.problems,
            false,
            format!(
                "{} something wrong with the registration",
                count(self.problems, "has", "have")
            ),
            "problem",
            "2 then /problem",
        );
        add(
            self.virtual_machines,
            false,
            format!(
                "{} in a virtual machine: not paid",
                count(self.virtual_machines, "runs", "run")
            ),
            "virtual",
            "2 then /virtual",
        );
        alerts
    }

    /// The overview as plain lines.
    #[must_use]
    pub fn text(&self, now: UnixTime) -> Vec<(&'static str, String)> {
        let capacity = &self.capacity;
        let seconds = u64::try_from(now.secs).unwrap_or(0);
        let gone = seconds.saturating_sub(period_start(period_at(seconds)));
        let left = i64::try_from(PERIOD_SECONDS.saturating_sub(gone)).unwrap_or(0);
        vec![
            ("nodes", self.counts()),
            (
                "capacity",
                format!(
                    "{} threads, {} memory, {} SSD, {} HDD",
                    capacity.cru, capacity.mru_bytes, capacity.sru_bytes, capacity.hru_bytes
                ),
            ),
            (
                "cloud units",
                format!("{} CU, {} SU (grid v3)", self.units.cu(), self.units.su()),
            ),
            (
                "reward",
                format!(
                    "{} TFT a period at full uptime, {} TFT still to be had in this one",
                    tft_text(self.reward),
                    tft_text(self.reward_left)
                ),
            ),
            (
                "period",
                format!(
                    "{} % over, {} left; nodes may be off for 5 % of it",
                    gone.saturating_mul(100) / PERIOD_SECONDS,
                    duration_text(left)
                ),
            ),
        ]
    }
}

/// Something that deserves attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// Whether something is lost already.
    pub is_bad: bool,
    /// What, in words.
    pub text: String,
    /// The filter that lists the nodes.
    pub filter: &'static str,
    /// The keys that get there.
    #[serde(skip)]
    pub what: &'static str,
}
