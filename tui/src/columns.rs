//! Columns of the tables: what each shows, how wide it is, how it sorts, and which give way first on
//! a narrow terminal.

use directory::clock::UnixTime;
use directory::wire::{Node, NodeState};
use hw_probe::reward::{Certification, Tft, UNITS_PER_TFT};
use serde::{Deserialize, Serialize};

use crate::node::{Liveness, brief_duration_text};
use crate::row::NodeRow;
use crate::theme::Glyphs;
use crate::uptime::{MissedUptime, UptimeRisk};

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Column {
    /// Shape and word of the node's liveness, or what the owner still has to decide.
    State,
    /// The node's id, shortened.
    Node,
    /// Host name.
    Host,
    /// Farm.
    Farm,
    /// Threads.
    Cru,
    /// Memory.
    Mru,
    /// SSD.
    Sru,
    /// HDD.
    Hru,
    /// Number of disks.
    Disks,
    /// Compute units.
    Cu,
    /// Storage units.
    Su,
    /// What a period pays.
    Reward,
    /// What keeps it from earning more.
    Limit,
    /// How near it is to losing the period's reward.
    Risk,
    /// Time since boot.
    Uptime,
    /// Time since the last report.
    Seen,
    /// Time since the first registration.
    Age,
    /// Country and city.
    Place,
    /// Operating system version.
    Os,
    /// What is wrong with its registration.
    Problem,
}

impl Column {
    /// In the order shown.
    pub const ALL: [Self; 20] = [
        Self::State,
        Self::Node,
        Self::Host,
        Self::Farm,
        Self::Problem,
        Self::Cru,
        Self::Mru,
        Self::Sru,
        Self::Hru,
        Self::Disks,
        Self::Cu,
        Self::Su,
        Self::Reward,
        Self::Limit,
        Self::Risk,
        Self::Uptime,
        Self::Seen,
        Self::Age,
        Self::Place,
        Self::Os,
    ];

    /// What the nodes view shows until somebody chooses.
    pub const NODES: [Self; 13] = [
        Self::State,
        Self::Node,
        Self::Host,
        Self::Cru,
        Self::Mru,
        Self::Sru,
        Self::Hru,
        Self::Cu,
        Self::Su,
        Self::Uptime,
        Self::Seen,
        Self::Place,
        Self::Os,
    ];

    /// What the view of registrations shows.
    pub const REGISTRATIONS: [Self; 11] = [
        Self::State,
        Self::Node,
        Self::Host,
        Self::Farm,
        Self::Problem,
        Self::Cru,
        Self::Mru,
        Self::Seen,
        Self::Age,
        Self::Place,
        Self::Os,
    ];

    /// What the view of rewards shows.
    pub const REWARDS: [Self; 10] = [
        Self::State,
        Self::Node,
        Self::Host,
        Self::Cu,
        Self::Su,
        Self::Reward,
        Self::Limit,
        Self::Risk,
        Self::Uptime,
        Self::Place,
    ];

    /// Heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::State => "STATE",
            Self::Node => "NODE",
            Self::Host => "HOST",
            Self::Farm => "FARM",
            Self::Cru => "CRU",
            Self::Mru => "MEMORY",
            Self::Sru => "SSD",
            Self::Hru => "HDD",
            Self::Disks => "DISKS",
            Self::Cu => "CU",
            Self::Su => "SU",
            Self::Reward => "TFT/PERIOD",
            Self::Limit => "LIMITED BY",
            Self::Risk => "PERIOD",
            Self::Uptime => "UPTIME",
            Self::Seen => "SEEN",
            Self::Age => "SINCE",
            Self::Place => "PLACE",
            Self::Os => "SYSTEM",
            Self::Problem => "PROBLEM",
        }
    }

    /// What it shows, in words, for the chooser.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::State => "up, late, down, new, or what you have to decide",
            Self::Node => "the node's id",
            Self::Host => "host name",
            Self::Farm => "number of its farm",
            Self::Cru => "threads",
            Self::Mru => "memory",
            Self::Sru => "solid-state disks",
            Self::Hru => "rotating disks",
            Self::Disks => "number of block devices (your own nodes)",
            Self::Cu => "compute units, grid v3",
            Self::Su => "storage units, grid v3",
            Self::Reward => "what a period pays at full uptime",
            Self::Limit => "the resource that keeps the compute units down",
            Self::Risk => "time it may still be off this period",
            Self::Uptime => "time since boot",
            Self::Seen => "time since its last report",
            Self::Age => "time since it first registered",
            Self::Place => "country and city",
            Self::Os => "operating system",
            Self::Problem => "what is wrong with its registration",
        }
    }

    /// Cells of the terminal.
    #[must_use]
    pub const fn width(self) -> u16 {
        match self {
            Self::State => 10,
            Self::Node => 13,
            Self::Host => 14,
            Self::Farm => 6,
            Self::Cru | Self::Disks => 5,
            Self::Mru | Self::Sru | Self::Hru => 11,
            Self::Cu | Self::Su => 8,
            Self::Reward | Self::Limit => 11,
            Self::Risk => 12,
            Self::Problem => 15,
            Self::Uptime | Self::Seen | Self::Age => 8,
            Self::Place => 16,
            Self::Os => 22,
        }
    }

    /// Numbers lean right.
    #[must_use]
    pub const fn is_number(self) -> bool {
        !matches!(
            self,
            Self::State
                | Self::Node
                | Self::Host
                | Self::Limit
                | Self::Risk
                | Self::Place
                | Self::Os
                | Self::Problem
        )
    }

    /// Whether the interesting end is the big one: sorting begins there.
    #[must_use]
    pub const fn begins_big(self) -> bool {
        self.is_number() && !matches!(self, Self::Reward | Self::Farm)
    }

    /// The smaller, the longer it stays when the terminal gets narrow.
    const fn rank(self) -> u8 {
        match self {
            Self::State => 0,
            Self::Node => 1,
            Self::Reward => 2,
            Self::Limit | Self::Problem => 3,
            Self::Seen => 4,
            Self::Host => 5,
            Self::Cru => 6,
            Self::Mru => 7,
            Self::Sru => 8,
            Self::Hru => 9,
            Self::Risk => 10,
            Self::Uptime => 11,
            Self::Place => 12,
            Self::Age => 13,
            Self::Cu => 14,
            Self::Su => 15,
            Self::Farm => 16,
            Self::Disks => 17,
            Self::Os => 18,
        }
    }

    /// Which of `chosen` fit into `width` cells, in the order given. The sorted one stays, and what
    /// is not `usual` was asked for.
    #[must_use]
    pub fn that_fit(chosen: &[Self], usual: &[Self], sorted: Self, width: u16) -> Vec<Self> {
        let mut by_rank = chosen.to_vec();
        by_rank.sort_by_key(|column| {
            let comes_first = *column == Self::State;
            let is_sorted = *column == sorted;
            (
                !comes_first,
                !is_sorted,
                usual.contains(column),
                column.rank(),
            )
        });
        let mut room = width;
        let mut kept = Vec::new();
        for column in by_rank {
            let needed = column.width() + u16::from(!kept.is_empty());
            if needed > room && !kept.is_empty() {
                continue;
            }
            room = room.saturating_sub(needed);
            kept.push(column);
        }
        let mut shown = chosen.to_vec();
        shown.retain(|column| kept.contains(column));
        shown
    }

    /// Text of the cell.
    #[must_use]
    pub fn text(self, node: &NodeRow, now: UnixTime, glyphs: Glyphs) -> String {
        let if_known = |text: String| {
            if node.has_capacity() {
                text
            } else {
                "-".to_owned()
            }
        };
        let time = |seconds: Option<i64>| seconds.map_or("-".to_owned(), brief_duration_text);
        match self {
            Self::State => format!(
                "{} {}",
                state_shape(node, now, glyphs),
                node.state_word(now)
            ),
            Self::Node => {
                let id = node.node_id.to_string();
                // Base58 is ASCII, so bytes are characters.
                match (id.get(..6), id.get(id.len().saturating_sub(5)..)) {
                    (Some(head), Some(tail)) if id.len() > 13 => {
                        format!("{head}{}{tail}", glyphs.ellipsis())
                    }
                    _ => id,
                }
            }
            Self::Host => node.host.to_string(),
            Self::Farm => node.farm_id.to_string(),
            Self::Cru => if_known(node.capacity.cru.to_string()),
            Self::Mru => if_known(node.capacity.mru_bytes.to_string()),
            Self::Sru => if_known(node.capacity.sru_bytes.to_string()),
            Self::Hru => if_known(node.capacity.hru_bytes.to_string()),
            Self::Disks => node.disks.map_or("-".to_owned(), |count| count.to_string()),
            Self::Cu => if_known(node.units().cu().to_string()),
            Self::Su => if_known(node.units().su().to_string()),
            Self::Reward => if_known(tft_text(node.reward)),
            Self::Limit => node.limit_word().to_owned(),
            Self::Risk => risk_text(node, now),
            Self::Uptime => time(node.up_seconds(now)),
            Self::Seen => time(node.age_seconds(now)),
            Self::Age => time((node.created > 0).then(|| now.secs.saturating_sub(node.created))),
            Self::Place => node.place(),
            Self::Os => node.os.to_string(),
            // It takes more than the node to tell.
            Self::Problem => String::new(),
        }
    }

    /// A number that sorts like the column, if the column can be told by one of the node alone.
    pub(crate) fn key(self, node: &NodeRow, now: UnixTime) -> Option<u64> {
        let signed =
            |seconds: Option<i64>| seconds.map_or(0, |s| u64::try_from(s).unwrap_or(0) + 1);
        Some(match self {
            Self::State => u64::from(state_rank(node, now)),
            Self::Farm => node.farm_id,
            Self::Cru => node.capacity.cru,
            Self::Mru => node.capacity.mru_bytes.0,
            Self::Sru => node.capacity.sru_bytes.0,
            Self::Hru => node.capacity.hru_bytes.0,
            Self::Disks => node.disks.map_or(0, |count| u64::from(count) + 1),
            Self::Cu => node.units().cu_micro,
            Self::Su => node.units().su_micro,
            Self::Reward => node.reward,
            // By the word.
            Self::Limit => match node.limit_word() {
                "CPU" => 0,
                "SSD" => 1,
                "memory" => 2,
                "unknown" => 3,
                _ => 4,
            },
            Self::Risk => {
                let missed = MissedUptime::of_row(node, now, Certification::Diy);
                missed.allowed_seconds.saturating_sub(missed.off_seconds)
            }
            Self::Uptime => signed(node.up_seconds(now)),
            // Never seen sorts as seen longest ago.
            Self::Seen => node
                .age_seconds(now)
                .map_or(u64::MAX, |age| signed(Some(age))),
            Self::Age => u64::try_from(now.secs.saturating_sub(node.created)).unwrap_or(0),
            Self::Node | Self::Host | Self::Place | Self::Os | Self::Problem => return None,
        })
    }

    /// The column of this name, as filters and the remembered state write it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|column| column.title().eq_ignore_ascii_case(name))
    }
}

/// Whole and hundredths of a TFT: enough to compare nodes.
#[must_use]
pub fn tft_text(units: u64) -> String {
    let hundredth = UNITS_PER_TFT / 100;
    Tft(units / hundredth * hundredth).to_string()
}

/// `32h left`, `lost`, `joined late`
fn risk_text(node: &NodeRow, now: UnixTime) -> String {
    let missed = MissedUptime::of_row(node, now, Certification::Diy);
    if missed.joined_late {
        return "joined late".to_owned();
    }
    match missed.risk() {
        UptimeRisk::Lost => "lost".to_owned(),
        UptimeRisk::None | UptimeRisk::Near => {
            let left = missed.allowed_seconds.saturating_sub(missed.off_seconds);
            format!("{}h to lose", left / 3600)
        }
    }
}

/// Country and city of a node.
#[must_use]
pub fn place(node: &Node) -> String {
    let (country, city) = (node.location.country.shown(), node.location.city.shown());
    match (country.is_empty(), city.is_empty()) {
        (false, false) => format!("{country} {city}"),
        _ => format!("{country}{city}"),
    }
}

/// What needs the farmer's eye comes first: to be decided, down, late, never seen, up, blocked.
fn state_rank(node: &NodeRow, now: UnixTime) -> u8 {
    match (node.decision, node.liveness(now)) {
        (NodeState::Pending, _) => 0,
        (NodeState::Approved, Liveness::Down) => 1,
        (NodeState::Approved, Liveness::Late) => 2,
        (NodeState::Approved, Liveness::New) => 3,
        (NodeState::Approved, Liveness::Up) => 4,
        (NodeState::Blocked, _) => 5,
    }
}

pub(crate) fn state_shape(node: &NodeRow, now: UnixTime, glyphs: Glyphs) -> &'static str {
    match node.decision {
        NodeState::Blocked => glyphs.blocked(),
        _ => glyphs.liveness(node.liveness(now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_terminals_keep_what_matters_in_order() {
        let fit = |width| Column::that_fit(&Column::NODES, &Column::NODES, Column::State, width);
        assert_eq!(
            fit(40),
            [Column::State, Column::Node, Column::Cru, Column::Seen,]
        );
        assert_eq!(fit(1), [Column::State]);
        assert_eq!(fit(400), Column::NODES);
        for width in 10..300 {
            let columns = Column::that_fit(&Column::ALL, &Column::NODES, Column::Place, width);
            let needed: u16 = columns.iter().map(|c| c.width()).sum::<u16>()
                + u16::try_from(columns.len()).unwrap()
                - 1;
            assert!(needed <= width, "{width}: {needed}");
            assert!(columns.contains(&Column::Place) || width < 27, "{width}");
        }
    }

    #[test]
    fn names_are_titles() {
        for column in Column::ALL {
            assert_eq!(Column::named(&column.title().to_lowercase()), Some(column));
        }
    }
}
