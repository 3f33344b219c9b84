//! All nodes of one reading of the cache, and marks on them. Both are small and cheap to hand to
//! another thread: a table of a hundred thousand nodes is sorted and searched there.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::{Arc, OnceLock};

use directory::identity::NodeId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::row::NodeRow;

/// Letters of the longest id.
const ID_LENGTH: usize = 44;

/// Nodes in the order of their ids: a node is found by halving, and equal ones of a sorted table
/// follow in this order without being compared.
#[derive(Clone, Default)]
pub struct Rows(Arc<Inner>);

#[derive(Default)]
struct Inner {
    rows: Vec<NodeRow>,
    index: OnceLock<Index>,
}

impl Rows {
    /// Puts the nodes in order.
    #[must_use]
    pub fn new(mut rows: Vec<NodeRow>) -> Self {
        if !rows.is_sorted_by_key(|row| row.node_id) {
            rows.sort_unstable_by_key(|row| row.node_id);
        }
        Self(Arc::new(Inner {
            rows,
            index: OnceLock::new(),
        }))
    }

    /// As [`Rows::new`], and makes ready what sorting and searching need. With a hundred thousand
    /// nodes this takes longer than a picture may.
    #[must_use]
    pub fn prepared(rows: Vec<NodeRow>) -> Self {
        let rows = Self::new(rows);
        let index = rows.index();
        index.hosts(&rows);
        index.places(&rows);
        index.systems(&rows);
        index.twin(&rows, 0);
        rows
    }

    /// Where a node is.
    #[must_use]
    pub fn position(&self, id: NodeId) -> Option<u32> {
        let at = self.binary_search_by_key(&id, |row| row.node_id).ok()?;
        u32::try_from(at).ok()
    }

    /// Whether both are the same reading, not only equal.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn index(&self) -> &Index {
        self.0.index.get_or_init(|| Index::of(self))
    }
}

impl Deref for Rows {
    type Target = [NodeRow];

    fn deref(&self) -> &[NodeRow] {
        &self.0.rows
    }
}

impl FromIterator<NodeRow> for Rows {
    fn from_iter<I: IntoIterator<Item = NodeRow>>(rows: I) -> Self {
        Self::new(rows.into_iter().collect())
    }
}

impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || **self == **other
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rows({})", self.len())
    }
}

impl Serialize for Rows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.rows.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::new)
    }
}

/// What is found by reading from end to end instead of from row to row: a hundred thousand strings
/// lie everywhere in memory.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Of each row: host, country, city, system and id, each with an end of line. ASCII letters are
    /// small.
    text: Vec<u8>,
    /// Where each row's texts begin.
    starts: Vec<usize>,
    hosts: OnceLock<Vec<u32>>,
    places: OnceLock<Vec<u32>>,
    systems: OnceLock<Vec<u32>>,
    /// Each row that is the same machine as another, and which one, in order of the first.
    twins: OnceLock<Vec<(u32, u32)>>,
}

impl Index {
    fn of(rows: &[NodeRow]) -> Self {
        let texts = |row: &NodeRow| {
            let fields: [&str; 4] = [&row.host, &row.country, &row.city, &row.os];
            fields.iter().map(|field| field.len() + 1).sum::<usize>() + ID_LENGTH + 1
        };
        let mut index = Self::default();
        // As much as is needed at once: what growing leaves behind is never given back.
        index.text.reserve_exact(rows.iter().map(texts).sum());
        index.starts.reserve_exact(rows.len());
        for row in rows {
            index.starts.push(index.text.len());
            let id = row.node_id.to_string();
            for field in [&row.host, &row.country, &row.city, &row.os, &*id] as [&str; 5] {
                index.text.extend_from_slice(field.as_bytes());
                index.text.push(b'\n');
            }
        }
        index.text.make_ascii_lowercase();
        index
    }

    /// All texts of a row.
    pub fn texts(&self, at: u32) -> Texts<'_> {
        let at = at as usize;
        let end = self.text.len();
        let begin = |at: usize| self.starts.get(at).copied().unwrap_or(end);
        Texts(self.text.get(begin(at)..begin(at + 1)).unwrap_or_default())
    }

    /// Place of each row in the order of host names; equal names have the same.
    pub fn hosts(&self, rows: &[NodeRow]) -> &[u32] {
        self.hosts
            .get_or_init(|| ranks(rows, |row| prefix(&row.host), |a, b| a.host.cmp(&b.host)))
    }

    /// The row that is the same machine under another id, if there is one.
    pub fn twin(&self, rows: &[NodeRow], at: u32) -> Option<u32> {
        let twins = self.twins.get_or_init(|| twins(rows));
        let found = twins.binary_search_by_key(&at, |(row, _)| *row).ok()?;
        twins.get(found).map(|(_, twin)| *twin)
    }

    /// The same of countries and cities.
    pub fn places(&self, rows: &[NodeRow]) -> &[u32] {
        let compare = |a: &NodeRow, b: &NodeRow| (&a.country, &a.city).cmp(&(&b.country, &b.city));
        self.places
            .get_or_init(|| ranks(rows, |row| prefix(&row.country), compare))
    }

    /// The same of operating systems.
    pub fn systems(&self, rows: &[NodeRow]) -> &[u32] {
        self.systems
            .get_or_init(|| ranks(rows, |row| prefix(&row.os), |a, b| a.os.cmp(&b.os)))
    }
}

/// The texts of one row, ASCII letters small.
#[derive(Clone, Copy)]
pub(crate) struct Texts<'a>(&'a [u8]);

impl<'a> Texts<'a> {
    /// All of them, each with an end of line.
    pub const fn all(self) -> &'a [u8] {
        self.0
    }

    fn part(self, range: Range<usize>) -> &'a [u8] {
        self.0.get(range).unwrap_or_default()
    }

    /// The host name of this row.
    pub fn host(self, row: &NodeRow) -> &'a [u8] {
        self.part(0..row.host.len())
    }

    /// The country.
    pub fn country(self, row: &NodeRow) -> &'a [u8] {
        let from = row.host.len() + 1;
        self.part(from..from + row.country.len())
    }

    /// The city.
    pub fn city(self, row: &NodeRow) -> &'a [u8] {
        let from = row.host.len() + row.country.len() + 2;
        self.part(from..from + row.city.len())
    }

    /// The operating system.
    pub fn os(self, row: &NodeRow) -> &'a [u8] {
        let from = row.host.len() + row.country.len() + row.city.len() + 3;
        self.part(from..from + row.os.len())
    }

    /// The id.
    pub fn id(self, row: &NodeRow) -> &'a [u8] {
        let from = row.host.len() + row.country.len() + row.city.len() + row.os.len() + 4;
        self.part(from..self.0.len().saturating_sub(1))
    }
}

/// The first bytes of a text as a number that sorts like them.
fn prefix(text: &str) -> u64 {
    let mut bytes = [0; 8];
    for (to, from) in bytes.iter_mut().zip(text.as_bytes()) {
        *to = *from;
    }
    u64::from_be_bytes(bytes)
}

/// The place of each row in an order; equal rows have the same.
fn ranks(
    rows: &[NodeRow],
    first: impl Fn(&NodeRow) -> u64,
    compare: impl Fn(&NodeRow, &NodeRow) -> Ordering,
) -> Vec<u32> {
    let mut order: Vec<(u64, u32)> = rows.iter().map(first).zip(0..).collect();
    let full = |a: u32, b: u32| match (rows.get(a as usize), rows.get(b as usize)) {
        (Some(a), Some(b)) => compare(a, b),
        _ => Ordering::Equal,
    };
    order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| full(a.1, b.1)));
    let mut ranks = vec![0; rows.len()];
    let mut before: Option<(u64, u32)> = None;
    let mut rank = 0;
    for entry in order {
        if before.is_some_and(|last| last.0 != entry.0 || full(last.1, entry.1).is_ne()) {
            rank += 1;
        }
        before = Some(entry);
        if let Some(place) = ranks.get_mut(entry.1 as usize) {
            *place = rank;
        }
    }
    ranks
}

/// More nodes than this with one number are no machine: some makers give all theirs the same.
const MOST_TWINS: usize = 16;

/// Rows that share a network card or a mainboard. Each is told the one of the others that reported
/// last.
fn twins(rows: &[NodeRow]) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    for number in [|row: &NodeRow| row.mac, |row: &NodeRow| row.board] {
        let numbers = rows.iter().map(number).zip(0_u32..);
        let mut known: Vec<(u64, u32)> = numbers.filter(|(number, _)| *number > 0).collect();
        known.sort_unstable();
        for group in known.chunk_by(|a, b| a.0 == b.0) {
            if !(2..=MOST_TWINS).contains(&group.len()) {
                continue;
            }
            let seen = |at: u32| rows.get(at as usize).map(|row| row.reported);
            for (_, at) in group {
                let others = group.iter().map(|(_, other)| *other);
                let twin = others
                    .filter(|other| other != at)
                    .max_by_key(|other| seen(*other));
                found.extend(twin.map(|twin| (*at, twin)));
            }
        }
    }
    found.sort_unstable();
    found.dedup_by_key(|(at, _)| *at);
    found
}

/// Marks on rows. They move along when the rows are read again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    bits: Vec<u64>,
    count: usize,
}

impl Marks {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether this row has one.
    #[must_use]
    pub fn has(&self, row: u32) -> bool {
        let word = self.bits.get(row as usize / 64).copied().unwrap_or(0);
        word >> (row % 64) & 1 == 1
    }

    /// Gives this row one, or takes it away.
    pub fn set(&mut self, row: u32, marked: bool) {
        if self.has(row) == marked {
            return;
        }
        let at = row as usize / 64;
        if at >= self.bits.len() {
            self.bits.resize(at + 1, 0);
        }
        if let Some(word) = self.bits.get_mut(at) {
            *word ^= 1 << (row % 64);
        }
        if marked {
            self.count += 1;
        } else {
            self.count -= 1;
        }
    }

    /// Takes all away.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The rows that have one.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let words = (0_u32..).step_by(64).zip(self.bits.iter().copied());
        words.flat_map(|(base, word)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| base + bit)
        })
    }

    /// The marks of the same nodes in another reading; those of nodes that are gone are dropped.
    #[must_use]
    pub fn moved(&self, from: &Rows, to: &Rows) -> Self {
        let mut moved = Self::default();
        // Both are in the order of ids: one walk over both finds them all.
        let mut rest = to.iter().zip(0_u32..).peekable();
        for id in self
            .iter()
            .filter_map(|at| Some(from.get(at as usize)?.node_id))
        {
            while rest.next_if(|(row, _)| row.node_id < id).is_some() {}
            if let Some((_, at)) = rest.next_if(|(row, _)| row.node_id == id) {
                moved.set(at, true);
            }
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn rows(numbers: impl IntoIterator<Item = u8>) -> Rows {
        let row = |n| NodeRow::from(&testing::node(n));
        numbers.into_iter().map(row).collect()
    }

    #[test]
    fn nodes_are_found_and_texts_are_theirs() {
        let rows = rows(1..=40);
        assert!(rows.is_sorted_by_key(|row| row.node_id));
        for (row, at) in rows.iter().zip(0..) {
            assert_eq!(rows.position(row.node_id), Some(at));
            let texts = rows.index().texts(at);
            assert_eq!(texts.host(row), row.host.as_bytes());
            assert_eq!(texts.country(row), b"be");
            assert_eq!(texts.city(row), b"ghent");
            assert_eq!(texts.os(row), b"farm-node/0.1.0");
            let id = row.node_id.to_string().to_ascii_lowercase();
            assert_eq!(texts.id(row), id.as_bytes());
        }
        let stranger = testing::node(41).node_id;
        assert_eq!(rows.position(stranger), None);
        assert_eq!(rows.index().texts(40).all(), b"");
    }

    #[test]
    fn ranks_follow_the_texts_and_equal_ones_share_theirs() {
        let mut nodes: Vec<NodeRow> = (1..=40).map(|n| (&testing::node(n)).into()).collect();
        for (row, n) in nodes.iter_mut().zip(0_u32..) {
            row.host = format!("long-prefix-{}", n * 7 % 13).into();
        }
        let rows = Rows::new(nodes);
        let hosts = rows.index().hosts(&rows);
        for (a, rank_a) in rows.iter().zip(hosts) {
            for (b, rank_b) in rows.iter().zip(hosts) {
                assert_eq!(a.host.cmp(&b.host), rank_a.cmp(rank_b));
            }
        }
    }

    #[test]
    fn marks_follow_their_nodes() {
        let before = rows(1..=100);
        let after = rows((1..=200).filter(|n| n % 3 != 0));
        let mut marks = Marks::default();
        let node = |n: u8| testing::node(n).node_id;
        for n in [2, 3, 64, 65, 99, 100] {
            marks.set(before.position(node(n)).unwrap(), true);
        }
        marks.set(before.position(node(65)).unwrap(), false);
        assert_eq!((marks.len(), marks.iter().count()), (5, 5));
        let moved = marks.moved(&before, &after);
        assert_eq!(moved.len(), 3);
        for n in [2, 64, 100] {
            assert!(moved.has(after.position(node(n)).unwrap()), "{n}");
        }
    }
}
