//! Columns of the node table: what each shows, how wide it is, how it sorts, and which give way
//! first on a narrow terminal.

use std::cmp::Ordering;

use directory::clock::UnixTime;
use directory::wire::{Node, NodeState};
use hw_probe::cloud_units::CloudUnits;

use crate::node::{
    Liveness, capacity, decision, duration_text, report_age_seconds, uptime_seconds,
};
use crate::theme::Glyphs;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Shape and word of the node's liveness, or what the owner still has to decide.
    State,
    /// The node's id, shortened.
    Node,
    /// Host name.
    Host,
    /// Threads.
    Cru,
    /// Memory.
    Mru,
    /// SSD.
    Sru,
    /// HDD.
    Hru,
    /// Compute units.
    Cu,
    /// Storage units.
    Su,
    /// Time since boot.
    Uptime,
    /// Time since the last report.
    Seen,
    /// Country and city.
    Place,
    /// Operating system version.
    Os,
}

impl Column {
    /// In the order shown.
    pub const ALL: [Self; 13] = [
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

    /// Heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::State => "STATE",
            Self::Node => "NODE",
            Self::Host => "HOST",
            Self::Cru => "CRU",
            Self::Mru => "MEMORY",
            Self::Sru => "SSD",
            Self::Hru => "HDD",
            Self::Cu => "CU",
            Self::Su => "SU",
            Self::Uptime => "UPTIME",
            Self::Seen => "SEEN",
            Self::Place => "PLACE",
            Self::Os => "SYSTEM",
        }
    }

    /// Cells of the terminal.
    #[must_use]
    pub const fn width(self) -> u16 {
        match self {
            Self::State => 10,
            Self::Node => 13,
            Self::Host => 14,
            Self::Cru => 5,
            Self::Mru | Self::Sru | Self::Hru => 11,
            Self::Cu | Self::Su => 8,
            Self::Uptime | Self::Seen => 8,
            Self::Place => 16,
            Self::Os => 22,
        }
    }

    /// Numbers lean right.
    #[must_use]
    pub const fn is_number(self) -> bool {
        !matches!(
            self,
            Self::State | Self::Node | Self::Host | Self::Place | Self::Os
        )
    }

    /// The smaller, the longer it stays when the terminal gets narrow.
    const fn rank(self) -> u8 {
        match self {
            Self::State => 0,
            Self::Node => 1,
            Self::Seen => 2,
            Self::Cru => 3,
            Self::Mru => 4,
            Self::Sru => 5,
            Self::Hru => 6,
            Self::Uptime => 7,
            Self::Place => 8,
            Self::Cu => 9,
            Self::Su => 10,
            Self::Host => 11,
            Self::Os => 12,
        }
    }

    /// The columns that fit into `width` cells, in the order shown.
    #[must_use]
    pub fn that_fit(width: u16) -> Vec<Self> {
        let mut by_rank = Self::ALL;
        by_rank.sort_by_key(|column| column.rank());
        let mut room = width;
        let mut kept = Vec::new();
        for column in by_rank {
            let needed = column.width() + u16::from(!kept.is_empty());
            if needed > room && !kept.is_empty() {
                break;
            }
            room = room.saturating_sub(needed);
            kept.push(column);
        }
        Self::ALL
            .into_iter()
            .filter(|column| kept.contains(column))
            .collect()
    }

    /// Text of the cell.
    #[must_use]
    pub fn text(self, node: &Node, now: UnixTime, glyphs: Glyphs) -> String {
        let resources = capacity(node);
        let known = node.total_resources.cru > 0;
        let if_known = |text: String| if known { text } else { "-".to_owned() };
        match self {
            Self::State => state_text(node, now, glyphs),
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
            Self::Host => node.hostname.to_string(),
            Self::Cru => if_known(resources.cru.to_string()),
            Self::Mru => if_known(resources.mru_bytes.to_string()),
            Self::Sru => if_known(resources.sru_bytes.to_string()),
            Self::Hru => if_known(resources.hru_bytes.to_string()),
            Self::Cu => if_known(CloudUnits::v3(&resources).cu().to_string()),
            Self::Su => if_known(CloudUnits::v3(&resources).su().to_string()),
            Self::Uptime => uptime_seconds(node, now).map_or("-".to_owned(), duration_text),
            Self::Seen => report_age_seconds(node, now).map_or("-".to_owned(), duration_text),
            Self::Place => place(node),
            Self::Os => node.os_version.to_string(),
        }
    }

    /// Order of two nodes by this column; ties are broken by node id, so that rows never jump.
    #[must_use]
    pub fn compare(self, a: &Node, b: &Node, now: UnixTime) -> Ordering {
        let resource = |of: fn(&Node) -> f64| of(a).total_cmp(&of(b));
        let units = |node: &Node| CloudUnits::v3(&capacity(node));
        let by_column = match self {
            Self::State => state_rank(a, now).cmp(&state_rank(b, now)),
            Self::Node => Ordering::Equal,
            Self::Host => a.hostname.shown().cmp(&b.hostname.shown()),
            Self::Cru => a.total_resources.cru.cmp(&b.total_resources.cru),
            Self::Mru => resource(|node| node.total_resources.mru),
            Self::Sru => resource(|node| node.total_resources.sru),
            Self::Hru => resource(|node| node.total_resources.hru),
            Self::Cu => units(a).cu_micro.cmp(&units(b).cu_micro),
            Self::Su => units(a).su_micro.cmp(&units(b).su_micro),
            Self::Uptime => uptime_seconds(a, now).cmp(&uptime_seconds(b, now)),
            // Never seen sorts as seen longest ago.
            Self::Seen => report_age_seconds(a, now)
                .unwrap_or(i64::MAX)
                .cmp(&report_age_seconds(b, now).unwrap_or(i64::MAX)),
            Self::Place => place(a).cmp(&place(b)),
            Self::Os => a.os_version.shown().cmp(&b.os_version.shown()),
        };
        by_column.then_with(|| a.node_id.to_string().cmp(&b.node_id.to_string()))
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

/// What needs the farmer's eye comes first.
fn state_rank(node: &Node, now: UnixTime) -> (u8, Liveness) {
    let decided = match decision(node) {
        NodeState::Pending => 0,
        NodeState::Approved => 1,
        NodeState::Blocked => 2,
    };
    (decided, Liveness::of(node, now))
}

fn state_text(node: &Node, now: UnixTime, glyphs: Glyphs) -> String {
    let liveness = Liveness::of(node, now);
    let word = match decision(node) {
        NodeState::Blocked => "blocked",
        NodeState::Pending => "pending",
        NodeState::Approved => liveness.word(),
    };
    let shape = if decision(node) == NodeState::Blocked {
        glyphs.blocked()
    } else {
        glyphs.liveness(liveness)
    };
    format!("{shape} {word}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn narrow_terminals_keep_what_matters_in_order() {
        assert_eq!(
            Column::that_fit(40),
            [Column::State, Column::Node, Column::Cru, Column::Seen,]
        );
        assert_eq!(Column::that_fit(1), [Column::State]);
        assert_eq!(Column::that_fit(400), Column::ALL);
        for width in 10..300 {
            let columns = Column::that_fit(width);
            let needed: u16 = columns.iter().map(|c| c.width()).sum::<u16>()
                + u16::try_from(columns.len()).unwrap()
                - 1;
            assert!(needed <= width, "{width}: {needed}");
        }
    }

    #[test]
    fn equal_rows_keep_their_order() {
        let (a, b) = (testing::node(1), testing::node(2));
        let now = UnixTime::from_secs(0);
        for column in Column::ALL {
            let forth = column.compare(&a, &b, now);
            assert_eq!(forth, column.compare(&b, &a, now).reverse(), "{column:?}");
            assert_eq!(column.compare(&a, &a, now), Ordering::Equal);
            assert_ne!(forth, Ordering::Equal);
        }
    }
}
