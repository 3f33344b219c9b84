//! The filter language: `country:BE state:down -disks>2 text ~fuzzy`. All parts must hold.

use directory::clock::UnixTime;
use hw_probe::units::{GB, GIB, MB, MIB, TB, TIB};
use memchr::memmem::Finder;

use crate::row::NodeRow;
use crate::rows::{Marks, Rows, Texts};
use crate::trouble::Trouble;

/// What a filter that cannot be read is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part:?}: {why}")]
pub struct FilterError {
    /// The part of the filter.
    pub part: String,
    /// What is wrong with it, and what would be right.
    pub why: String,
}

/// Fields with a text, and what they are.
const TEXT_FIELDS: &str = "country, city, host, node, os, state, limit";
/// Fields with a number.
const NUMBER_FIELDS: &str = "farm, cru, memory, ssd, hdd, disks, cu, su, reward, uptime, seen, age";

/// A filter as it was typed, ready to be asked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
struct Part {
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    /// Somewhere in host, id, place or system.
    Anywhere(Needle),
    /// These letters in this order, in host, id or place.
    Fuzzy(Letters),
    Text(TextField, Needle),
    Number(NumberField, Compare, f64),
    Marked,
    Problem,
    Free,
    Virtual,
}

/// A text to be found; case of ASCII letters does not matter.
#[derive(Debug, Clone)]
struct Needle {
    text: String,
    finder: Finder<'static>,
}

impl Needle {
    fn new(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let finder = Finder::new(text.as_bytes()).into_owned();
        Self { text, finder }
    }

    /// Whether `hay`, whose ASCII letters are small, has it.
    fn is_in(&self, hay: &[u8]) -> bool {
        self.finder.find(hay).is_some()
    }

    fn begins(&self, hay: &[u8]) -> bool {
        hay.starts_with(self.text.as_bytes())
    }

    fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }
}

impl PartialEq for Needle {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextField {
    Country,
    City,
    Host,
    Node,
    Os,
    State,
    Limit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NumberField {
    Farm,
    Cru,
    Memory,
    Ssd,
    Hdd,
    Disks,
    Cu,
    Su,
    Reward,
    Uptime,
    Seen,
    Age,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

/// Longest first, so that `>=` is not taken for `>`.
const OPERATORS: [(&str, Compare); 6] = [
    (">=", Compare::AtLeast),
    ("<=", Compare::AtMost),
    (">", Compare::More),
    ("<", Compare::Less),
    ("=", Compare::Equal),
    (":", Compare::Equal),
];

impl Filter {
    /// Reads a filter; an empty text lets everything pass.
    ///
    /// # Errors
    /// The first part that cannot be read.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let parts = text.split_whitespace().map(Part::parse);
        Ok(Self {
            parts: parts.collect::<Result<_, _>>()?,
        })
    }

    /// Whether everything passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether the node of this row passes.
    #[must_use]
    pub fn passes(&self, rows: &Rows, at: u32, around: &Around<'_>) -> bool {
        let Some(node) = rows.get(at as usize) else {
            return false;
        };
        let seen = Seen {
            node,
            texts: rows.index().texts(at),
            is_marked: around.marks.has(at),
            now: around.now,
            has_trouble: &|| Trouble::of(rows, at, around.now, around.missing).is_some(),
        };
        self.parts
            .iter()
            .all(|part| part.test.holds(&seen) != part.negated)
    }
}

/// What a filter has to know beside the rows.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Now, on the wall clock.
    pub now: UnixTime,
    /// Which rows are marked.
    pub marks: &'a Marks,
    /// Farms that are not in the directory, in order.
    pub missing: &'a [u64],
}

/// A node as a test sees it.
struct Seen<'a> {
    node: &'a NodeRow,
    texts: Texts<'a>,
    is_marked: bool,
    now: UnixTime,
    has_trouble: &'a dyn Fn() -> bool,
}

impl Part {
    fn parse(text: &str) -> Result<Self, FilterError> {
        let (negated, rest) = match text.strip_prefix(['-', '!']) {
            Some(rest) if !rest.is_empty() => (true, rest),
            _ => (false, text),
        };
        Ok(Self {
            negated,
            test: Test::parse(rest)?,
        })
    }
}

impl Test {
    fn parse(text: &str) -> Result<Self, FilterError> {
        let fail = |why: String| FilterError {
            part: text.to_owned(),
            why,
        };
        if let Some(letters) = text.strip_prefix('~') {
            return Ok(Self::Fuzzy(Letters::new(letters)));
        }
        let at = text.find(['<', '>', '=', ':']);
        let Some((name, rest)) = at.and_then(|at| text.split_at_checked(at)) else {
            return Ok(match text {
                "marked" => Self::Marked,
                "problem" => Self::Problem,
                "free" => Self::Free,
                "virtual" => Self::Virtual,
                _ => Self::Anywhere(Needle::new(text)),
            });
        };
        let found = OPERATORS
            .into_iter()
            .find_map(|(sign, compare)| Some((sign, compare, rest.strip_prefix(sign)?)));
        let Some((sign, compare, value)) = found else {
            return Ok(Self::Anywhere(Needle::new(text)));
        };
        if let Some(field) = TextField::named(name) {
            return match compare {
                Compare::Equal => Ok(Self::Text(field, Needle::new(value))),
                _ => Err(fail(format!("{name} is a text; ask {name}:WORD"))),
            };
        }
        let Some(field) = NumberField::named(name) else {
            return Err(fail(format!(
                "no field {name:?}; there are {TEXT_FIELDS}; {NUMBER_FIELDS}"
            )));
        };
        if value.is_empty() {
            return Err(fail(format!("{sign} what?")));
        }
        let number = field
            .number(value)
            .ok_or_else(|| fail(format!("{value:?} is no {}", field.example())))?;
        Ok(Self::Number(field, compare, number))
    }

    fn holds(&self, seen: &Seen<'_>) -> bool {
        let Seen {
            node, texts, now, ..
        } = *seen;
        match self {
            Self::Anywhere(text) => text.is_in(texts.all()),
            Self::Fuzzy(letters) => letters.score(texts, node, usize::MAX).is_some(),
            Self::Text(field, text) => match field {
                // A country or state is the whole word or the beginning of it.
                TextField::Country => text.begins(texts.country(node)),
                TextField::City => text.is_in(texts.city(node)),
                TextField::Host => text.is_in(texts.host(node)),
                TextField::Node => text.is_in(texts.id(node)),
                TextField::Os => text.is_in(texts.os(node)),
                TextField::State => {
                    text.is(node.state_word(now))
                        || text.is(node.liveness(now).word())
                        || text.is(node.decision.as_str())
                }
                TextField::Limit => starts(node.limit_word(), &text.text),
            },
            Self::Number(field, compare, wanted) => {
                // What is not known is neither more nor less.
                field.of(node, now).is_some_and(|have| match compare {
                    Compare::Less => have < *wanted,
                    Compare::AtMost => have <= *wanted,
                    // Sizes are shown rounded; what looks equal is.
                    Compare::Equal => (have - wanted).abs() <= wanted.abs() * 0.005,
                    Compare::AtLeast => have >= *wanted,
                    Compare::More => have > *wanted,
                })
            }
            Self::Marked => seen.is_marked,
            Self::Problem => (seen.has_trouble)(),
            Self::Free => node.free_to_use,
            Self::Virtual => node.is_virtual == Some(true),
        }
    }
}

impl TextField {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "country" => Self::Country,
            "city" => Self::City,
            "host" => Self::Host,
            "node" | "id" => Self::Node,
            "os" | "system" => Self::Os,
            "state" => Self::State,
            "limit" => Self::Limit,
            _ => return None,
        })
    }
}

impl NumberField {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "farm" => Self::Farm,
            "cru" | "cpu" | "threads" => Self::Cru,
            "memory" | "mem" | "mru" => Self::Memory,
            "ssd" | "sru" => Self::Ssd,
            "hdd" | "hru" => Self::Hdd,
            "disks" | "disk" => Self::Disks,
            "cu" => Self::Cu,
            "su" => Self::Su,
            "reward" | "tft" => Self::Reward,
            "uptime" | "up" => Self::Uptime,
            "seen" => Self::Seen,
            "age" | "since" => Self::Age,
            _ => return None,
        })
    }

    const fn example(self) -> &'static str {
        match self {
            Self::Memory | Self::Ssd | Self::Hdd => "size such as 32GiB, 500GB or 2TB",
            Self::Uptime | Self::Seen | Self::Age => "time such as 90s, 20m, 3h or 2d",
            _ => "number",
        }
    }

    /// Sizes in bytes (without a unit: GiB), times in seconds.
    fn number(self, text: &str) -> Option<f64> {
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (digits, unit) = text.split_at_checked(end)?;
        let number: f64 = digits.parse().ok()?;
        #[expect(clippy::cast_precision_loss, reason = "units are powers of 2 and 10")]
        let factor = match self {
            Self::Memory | Self::Ssd | Self::Hdd => match unit.to_ascii_lowercase().as_str() {
                "" | "gib" | "g" => GIB,
                "mib" | "m" => MIB,
                "tib" | "t" => TIB,
                "mb" => MB,
                "gb" => GB,
                "tb" => TB,
                _ => return None,
            },
            Self::Uptime | Self::Seen | Self::Age => match unit {
                "" | "s" => 1,
                "m" => 60,
                "h" => 3_600,
                "d" => 86_400,
                _ => return None,
            },
            _ if unit.is_empty() => 1,
            _ => return None,
        } as f64;
        Some(number * factor)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "compared with what a person typed"
    )]
    fn of(self, node: &NodeRow, now: UnixTime) -> Option<f64> {
        let capacity = &node.capacity;
        let known = |value: u64| node.has_capacity().then_some(value as f64);
        match self {
            Self::Farm => Some(node.farm_id as f64),
            Self::Cru => known(capacity.cru),
            Self::Memory => known(capacity.mru_bytes.0),
            Self::Ssd => known(capacity.sru_bytes.0),
            Self::Hdd => known(capacity.hru_bytes.0),
            Self::Disks => node.disks.map(f64::from),
            Self::Cu => known(node.units().cu_micro).map(|micro| micro / 1e6),
            Self::Su => known(node.units().su_micro).map(|micro| micro / 1e6),
            Self::Reward => known(node.reward).map(|units| units / 1e7),
            Self::Uptime => node.up_seconds(now).map(|seconds| seconds as f64),
            Self::Seen => node.age_seconds(now).map(|seconds| seconds as f64),
            Self::Age => (node.created > 0).then(|| now.secs.saturating_sub(node.created) as f64),
        }
    }
}

fn starts(hay: &str, text: &str) -> bool {
    hay.get(..text.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(text))
}

/// How well letters are found that stand together in the id.
const IN_ID: usize = 20;
/// How much worse letters are that are found in city or country than in the name.
const IN_PLACE: usize = 40;

/// Letters to be found in this order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Letters {
    /// Small.
    letters: Vec<char>,
    text: Needle,
    is_ascii: bool,
}

impl Letters {
    pub fn new(letters: &str) -> Self {
        Self {
            letters: letters.chars().flat_map(char::to_lowercase).collect(),
            text: Needle::new(letters),
            is_ascii: letters.is_ascii(),
        }
    }

    /// How well they are found in host name, id or place, if better than `limit`; smaller is better.
    pub fn score(&self, texts: Texts<'_>, node: &NodeRow, limit: usize) -> Option<usize> {
        let host = self.fuzzy(texts.host(node), &node.host);
        let mut best = host.map_or(limit, |score| score.min(limit));
        // In 44 random letters nearly everything is in some order.
        if best > IN_ID && self.text.is_in(texts.id(node)) {
            best = IN_ID;
        }
        for (text, plain) in [
            (texts.city(node), &node.city),
            (texts.country(node), &node.country),
        ] {
            if best > IN_PLACE
                && let Some(score) = self.fuzzy(text, plain)
            {
                best = best.min(IN_PLACE + score);
            }
        }
        (best < limit).then_some(best)
    }

    /// As [`fuzzy`]; `hay` is `plain` with small ASCII letters.
    fn fuzzy(&self, hay: &[u8], plain: &str) -> Option<usize> {
        let mut from = 0;
        let (mut score, mut last) = (0, None);
        if !self.is_ascii {
            return gaps(&self.letters, small(plain));
        }
        for letter in self.text.text.bytes() {
            let rest = hay.get(from..)?;
            let at = from + rest.iter().position(|byte| *byte == letter)?;
            score += last.map_or(at, |last| (at - last - 1) * 2);
            last = Some(at);
            from = at + 1;
        }
        Some(score)
    }
}

/// The gaps between `letters` (small), and where they begin; `None` when they are not all there.
pub(crate) fn fuzzy(letters: &str, hay: &str) -> Option<usize> {
    let letters: Vec<char> = letters.chars().collect();
    gaps(&letters, small(hay))
}

/// Small letters; those that become several count as their first.
fn small(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| c.to_lowercase().next().unwrap_or(c))
}

fn gaps(letters: &[char], hay: impl Iterator<Item = char>) -> Option<usize> {
    let mut wanted = letters.iter();
    let mut next = wanted.next();
    let (mut score, mut last) = (0, None);
    for (at, c) in hay.enumerate() {
        let Some(letter) = next else { break };
        if c == *letter {
            score += last.map_or(at, |last| (at - last - 1) * 2);
            last = Some(at);
            next = wanted.next();
        }
    }
    next.is_none().then_some(score)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn matches(filter: &str, rows: &Rows) -> bool {
        let now = UnixTime::from_secs(1_000_000);
        let mut marks = Marks::default();
        marks.set(0, true);
        let around = Around {
            now,
            marks: &marks,
            missing: &[],
        };
        Filter::parse(filter).unwrap().passes(rows, 0, &around)
    }

    #[test]
    fn every_part_must_hold() {
        let mut node = testing::node(1);
        node.updated = UnixTime::from_secs(1_000_000 - 5 * 3600).into();
        node.hardware = Some(testing::hardware(false));
        let rows = Rows::new(vec![NodeRow::from(&node)]);
        for (filter, expected) in [
            ("", true),
            ("country:be state:down", true),
            ("country:BE state:up", false),
            ("-state:up !country:NL", true),
            ("state:approved", true),
            ("disks>2", true),
            ("-disks>2", false),
            ("disk>3", false),
            ("memory>=31GiB memory<32", true),
            ("ssd>1.1TB", false),
            ("ssd:931.5", true),
            ("cru=8", true),
            ("seen>4h seen<1d", true),
            ("uptime:1h", true),
            ("farm:1", true),
            ("farm:2", false),
            ("ODE-1", true),
            ("~nd1", true),
            ("~1dn", false),
            ("marked -free -virtual -problem", true),
            ("reward>0", true),
            ("limit:mem", true),
        ] {
            assert_eq!(matches(filter, &rows), expected, "{filter}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (filter, why) in [
            ("colour:red", "no field \"colour\""),
            ("state>up", "ask state:WORD"),
            ("disks>many", "\"many\" is no number"),
            ("memory>3XB", "32GiB"),
            ("seen<", "< what?"),
            ("up>1w", "20m"),
        ] {
            let error = Filter::parse(filter).unwrap_err();
            assert!(error.to_string().contains(why), "{filter}: {error}");
        }
    }
}
