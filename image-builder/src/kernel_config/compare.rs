//! What became of wishes in a configuration.

use serde::Serialize;

use super::{Config, Fragment, Value, Wish};

/// How exactly a configuration has to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// A finished kernel: what is asked for may be built in or a module.
    Finished,
    /// A configuration that was made from the fragments: a module is not built in.
    Made,
}

/// What became of one wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// As asked for; also built in where a module would do, and more than the number asked for.
    Met,
    /// A module where built in was asked for, in a finished kernel.
    AsModule,
    /// Off.
    Missing,
    /// Set to something else, or on where off was asked for.
    Different,
}

impl Verdict {
    /// Whether there is nothing to do about it.
    pub fn is_met(self) -> bool {
        matches!(self, Self::Met | Self::AsModule)
    }

    fn of(wanted: &Value, found: &Value, strictness: Strictness) -> Self {
        let enough = || Some(found.number()? >= wanted.number()?);
        match (wanted, found) {
            _ if wanted == found => Self::Met,
            (Value::Module, Value::BuiltIn) => Self::Met,
            (Value::BuiltIn, Value::Module) if strictness == Strictness::Finished => Self::AsModule,
            (Value::Literal(_), Value::Literal(_)) if enough() == Some(true) => Self::Met,
            (Value::BuiltIn | Value::Module | Value::Literal(_), Value::Off) => Self::Missing,
            _ => Self::Different,
        }
    }
}

/// One wish and what became of it.
#[derive(Debug, Clone)]
pub struct Finding<'a> {
    /// The fragment it stands in.
    pub fragment: &'a Fragment,
    /// What was asked for.
    pub wish: &'a Wish,
    /// What the configuration has.
    pub found: Value,
    /// Whether that will do.
    pub verdict: Verdict,
}

/// How many wishes of a fragment ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// All wishes.
    pub asked: usize,
    /// Those that are met.
    pub met: usize,
    /// Those met by a module.
    pub as_module: usize,
    /// Those that are off.
    pub missing: usize,
    /// Those set to something else.
    pub different: usize,
}

impl Tally {
    /// Counts the findings of one fragment.
    pub fn of(fragment: &Fragment, findings: &[Finding<'_>]) -> Self {
        let mut tally = Self::default();
        for finding in findings.iter().filter(|f| f.fragment.name == fragment.name) {
            tally.asked += 1;
            *match finding.verdict {
                Verdict::Met => &mut tally.met,
                Verdict::AsModule => &mut tally.as_module,
                Verdict::Missing => &mut tally.missing,
                Verdict::Different => &mut tally.different,
            } += 1;
        }
        tally
    }
}

/// Looks up every wish, in the order of the fragments.
///
/// Where two fragments name an option, the needs of Zero-OS and one of ours, the need is met by
/// either of built in and module also in a configuration that was made: ours decides.
pub fn compare<'a>(
    fragments: &'a [Fragment],
    config: &Config,
    strictness: Strictness,
) -> Vec<Finding<'a>> {
    let mut findings = Vec::new();
    for fragment in fragments {
        let strictness = if fragment.is_zero_os() {
            Strictness::Finished
        } else {
            strictness
        };
        for wish in &fragment.wishes {
            let found = config.get(&wish.option);
            findings.push(Finding {
                fragment,
                wish,
                found: found.clone(),
                verdict: Verdict::of(&wish.value, found, strictness),
            });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let value = |text: &str| Value::parse(text).unwrap();
        let (finished, made) = (Strictness::Finished, Strictness::Made);
        for (wanted, found, strictness, verdict) in [
            ("y", "y", made, Verdict::Met),
            ("m", "y", made, Verdict::Met),
            ("y", "m", made, Verdict::Different),
            ("y", "m", finished, Verdict::AsModule),
            ("y", "n", finished, Verdict::Missing),
            ("m", "n", made, Verdict::Missing),
            ("n", "m", finished, Verdict::Different),
            ("n", "n", made, Verdict::Met),
            ("512", "8192", finished, Verdict::Met),
            ("512", "64", finished, Verdict::Different),
            ("512", "n", finished, Verdict::Missing),
            ("\"a\"", "\"b\"", finished, Verdict::Different),
        ] {
            let got = Verdict::of(&value(wanted), &value(found), strictness);
            assert_eq!(got, verdict, "{wanted} {found}");
        }
    }
}
