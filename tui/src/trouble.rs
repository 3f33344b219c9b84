//! What is wrong with a registration, as far as the directory tells.

use directory::clock::UnixTime;

use crate::node::{TWO_BOARDS, TWO_BOARDS_TODO};
use crate::row::NodeRow;
use crate::rows::Rows;

/// A node that has not reported so long after it registered never will.
const NEVER_SECONDS: i64 = 24 * 3600;

/// What is wrong with a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Its farm is not in the directory.
    NoFarm,
    /// Two machines use its identity.
    TwoBoards,
    /// The same machine is registered in another farm, as this row.
    OtherFarm(u32),
    /// The same machine is registered under another id, as this row.
    Twin(u32),
    /// It registered long ago and has never reported.
    Silent,
}

impl Trouble {
    /// What is wrong with the registration of a row. `missing` are the numbers, in order, of farms
    /// that the directory does not know.
    #[must_use]
    pub fn of(rows: &Rows, at: u32, now: UnixTime, missing: &[u64]) -> Option<Self> {
        let row = rows.get(at as usize)?;
        if missing.binary_search(&row.farm_id).is_ok() {
            return Some(Self::NoFarm);
        }
        if row.two_boards {
            return Some(Self::TwoBoards);
        }
        if let Some(twin) = rows.index().twin(rows, at) {
            let is_elsewhere = |other: &NodeRow| other.farm_id != row.farm_id;
            return Some(match rows.get(twin as usize) {
                Some(other) if is_elsewhere(other) => Self::OtherFarm(twin),
                _ => Self::Twin(twin),
            });
        }
        let age = now.secs.saturating_sub(row.created);
        let never = row.reported == 0 && row.created > 0 && age > NEVER_SECONDS;
        never.then_some(Self::Silent)
    }

    /// A number to sort by: the worst first.
    #[must_use]
    pub const fn rank(self) -> u64 {
        match self {
            Self::NoFarm => 0,
            Self::TwoBoards => 1,
            Self::OtherFarm(_) => 2,
            Self::Twin(_) => 3,
            Self::Silent => 4,
        }
    }

    /// In a few words.
    #[must_use]
    pub fn text(self, rows: &Rows) -> String {
        let other = |at: u32| rows.get(at as usize);
        match self {
            Self::NoFarm => "no such farm".to_owned(),
            Self::TwoBoards => "two machines".to_owned(),
            Self::OtherFarm(at) => {
                other(at).map_or_else(String::new, |row| format!("also in farm {}", row.farm_id))
            }
            Self::Twin(at) => other(at).map_or_else(String::new, |row| {
                format!(
                    "twin of {}",
                    row.node_id.to_string().get(..6).unwrap_or_default()
                )
            }),
            Self::Silent => "never reported".to_owned(),
        }
    }

    /// Whole sentences: what it is, and what can be done.
    #[must_use]
    pub fn advice(self, rows: &Rows, row: &NodeRow, now: UnixTime) -> [String; 2] {
        let twin = match self {
            Self::OtherFarm(at) | Self::Twin(at) => rows.get(at as usize),
            Self::NoFarm | Self::TwoBoards | Self::Silent => None,
        };
        let same = |other: &NodeRow| {
            if row.mac > 0 && row.mac == other.mac {
                "the same network card"
            } else {
                "the same mainboard"
            }
        };
        let is_older = |other: &NodeRow| other.reported > row.reported;
        match (self, twin) {
            (Self::NoFarm, _) => [
                format!(
                    "farm {} is not in the directory: nobody can approve the node",
                    row.farm_id
                ),
                "M moves it to a farm that is; D removes it once it is off".to_owned(),
            ],
            (Self::TwoBoards, _) => [
                format!("{TWO_BOARDS}: it came from two boards within an hour"),
                format!("{TWO_BOARDS_TODO}; then a approves"),
            ],
            (Self::OtherFarm(_), Some(other)) => [
                format!(
                    "{} in farm {} has {}, and reported {}",
                    other.name(),
                    other.farm_id,
                    same(other),
                    if is_older(other) { "later" } else { "earlier" },
                ),
                if is_older(other) {
                    "this is what the machine left behind: D removes it".to_owned()
                } else {
                    format!(
                        "is it meant for farm {}? M moves it back; else remove the other",
                        other.farm_id
                    )
                },
            ],
            (_, Some(other)) => [
                format!(
                    "{} {} has {}: one machine with a new identity, or a copied medium",
                    other.name(),
                    other.node_id.to_string().get(..6).unwrap_or_default(),
                    same(other),
                ),
                if is_older(other) {
                    "the other one reported later: D removes this one".to_owned()
                } else {
                    "this one reported later: approve it, and remove the other".to_owned()
                },
            ],
            (_, None) => [
                format!(
                    "registered {} ago and has never reported: did it get through its start?",
                    crate::node::duration_text(now.secs.saturating_sub(row.created))
                ),
                "its console tells; D removes it".to_owned(),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn machines_are_told_by_card_or_board() {
        let now = UnixTime::from_secs(1_000_000);
        let row = |n: u8, farm_id, mac: &str, reported| {
            let mut node = testing::node(n);
            node.farm_id = farm_id;
            node.node_id_v1 = mac.into();
            node.created = UnixTime::from_secs(500_000).into();
            node.updated = UnixTime::from_secs(reported).into();
            NodeRow::from(&node)
        };
        let mut silent = row(6, 1, "", 0);
        silent.reported = 0;
        let mut boards = [row(7, 1, "", 900_000), row(8, 1, "", 900_001)];
        for row in &mut boards {
            row.board = 77;
        }
        let mut copied = row(9, 1, "525400000009", 999_000);
        copied.two_boards = true;
        let rows: Rows = [
            row(1, 1, "525400000001", 900_000),
            row(2, 2, "52:54:00:00:00:01", 999_000),
            row(3, 1, "525400000003", 999_000),
            row(4, 9, "525400000004", 999_000),
            row(5, 1, "", 999_000),
            silent,
        ]
        .into_iter()
        .chain(boards)
        .chain([copied])
        // A maker's sample number is no machine.
        .chain((20..60).map(|n| row(n, 1, "000000000001", 999_000)))
        .collect();
        let at = |n: u8| rows.position(testing::node(n).node_id).unwrap();
        let trouble = |n: u8| Trouble::of(&rows, at(n), now, &[9, 12]);
        assert_eq!(trouble(1), Some(Trouble::OtherFarm(at(2))));
        assert_eq!(trouble(2), Some(Trouble::OtherFarm(at(1))));
        assert_eq!(trouble(3), None);
        assert_eq!(trouble(4), Some(Trouble::NoFarm));
        assert_eq!(trouble(5), None);
        assert_eq!(trouble(6), Some(Trouble::Silent));
        assert_eq!(trouble(7), Some(Trouble::Twin(at(8))));
        assert_eq!(trouble(9), Some(Trouble::TwoBoards));
        assert_eq!(trouble(20), None);
        let advice = |n: u8| {
            let row = &rows[at(n) as usize];
            trouble(n).unwrap().advice(&rows, row, now).join(" ")
        };
        assert!(advice(1).contains("node-2 in farm 2 has the same network card"));
        assert!(advice(1).contains("D removes it"), "{}", advice(1));
        assert!(
            advice(2).contains("is it meant for farm 1?"),
            "{}",
            advice(2)
        );
        assert!(advice(7).contains("mainboard"));
        assert!(advice(9).contains("two machines use this identity"));
    }
}
