//! The fragments in `kernel-config/`, which are part of this program.

use std::collections::BTreeSet;

use super::{Config, KernelConfigError, Line, Value, bad_line};

/// Merged in this order, so that a later one wins: what Zero-OS can do with either of `y` and `m` is
/// settled by the fragments behind it.
const NEEDS: (&str, &str) = (
    "zero-os.needs",
    include_str!("../../../kernel-config/zero-os.needs"),
);
const FRAGMENTS: [(&str, &str); 6] = [
    (
        "base.config",
        include_str!("../../../kernel-config/base.config"),
    ),
    (
        "storage.config",
        include_str!("../../../kernel-config/storage.config"),
    ),
    (
        "network.config",
        include_str!("../../../kernel-config/network.config"),
    ),
    (
        "nic.config",
        include_str!("../../../kernel-config/nic.config"),
    ),
    (
        "virtualisation.config",
        include_str!("../../../kernel-config/virtualisation.config"),
    ),
    (
        "hardening.config",
        include_str!("../../../kernel-config/hardening.config"),
    ),
];
const DEBUG: (&str, &str) = (
    "debug.config",
    include_str!("../../../kernel-config/debug.config"),
);

/// One thing asked of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The option, without `CONFIG_`.
    pub option: String,
    /// What it should be; a decimal number is the least that is enough.
    pub value: Value,
    /// Why.
    pub reason: String,
}

/// A file of wishes with one purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Its file's name.
    pub name: String,
    /// First line of the file.
    pub purpose: String,
    /// In the order of the file.
    pub wishes: Vec<Wish>,
}

impl Fragment {
    /// The built-in fragments in the order in which they are merged: Zero-OS' needs first.
    ///
    /// # Errors
    /// None in a released program: a test parses the files.
    pub fn built_in(with_debug: bool) -> Result<Vec<Self>, KernelConfigError> {
        std::iter::once(NEEDS)
            .chain(FRAGMENTS)
            .chain(with_debug.then_some(DEBUG))
            .map(|(name, text)| Self::parse(name, text))
            .collect()
    }

    /// Whether this is the list of what Zero-OS needs.
    pub fn is_zero_os(&self) -> bool {
        self.name == NEEDS.0
    }

    /// Parses and checks a fragment: every option once, each with its reason in the line above.
    pub fn parse(name: &str, text: &str) -> Result<Self, KernelConfigError> {
        let mut purpose = None;
        let mut wishes: Vec<Wish> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut reason = None;
        for (index, line) in text.lines().enumerate() {
            match Line::parse(line).ok_or_else(|| bad_line(index, line))? {
                Line::Blank => reason = None,
                Line::Comment(comment) => {
                    purpose.get_or_insert_with(|| comment.to_owned());
                    // Two number signs make a heading.
                    reason = (!comment.starts_with('#') && !comment.is_empty())
                        .then(|| comment.to_owned());
                }
                Line::Option(option, value) => {
                    if !seen.insert(option) {
                        return Err(KernelConfigError::Twice {
                            fragment: name.to_owned(),
                            option: option.to_owned(),
                        });
                    }
                    let reason = reason.take().ok_or_else(|| KernelConfigError::NoReason {
                        fragment: name.to_owned(),
                        option: option.to_owned(),
                    })?;
                    wishes.push(Wish {
                        option: option.to_owned(),
                        value,
                        reason,
                    });
                }
            }
        }
        if wishes.is_empty() {
            return Err(KernelConfigError::Empty);
        }
        Ok(Self {
            name: name.to_owned(),
            purpose: purpose.unwrap_or_default(),
            wishes,
        })
    }

    /// The file for `make olddefconfig`: what `base` says, without what the fragments ask for, and
    /// then the fragments. Order matters where one of several options is chosen: the last `y` wins.
    pub fn merge(fragments: &[Self], base: &Config) -> String {
        let wishes = || fragments.iter().flat_map(|fragment| &fragment.wishes);
        let mut rest = base.clone();
        let mut asked = Config::default();
        for wish in wishes() {
            rest.options.remove(&wish.option);
            asked.set(&wish.option, wish.value.clone());
        }
        rest.to_text() + &asked.to_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_fragments_keep_their_rules_and_agree_with_each_other() {
        let fragments = Fragment::built_in(true).unwrap();
        let mut settled: std::collections::BTreeMap<&str, (&str, &Value)> = Default::default();
        for fragment in &fragments {
            assert!(fragment.purpose.ends_with('.'), "{}", fragment.purpose);
            for wish in &fragment.wishes {
                let here = (fragment.name.as_str(), &wish.value);
                let Some((other, value)) = settled.insert(&wish.option, here) else {
                    continue;
                };
                // The needs say "y or m"; between fragments every option has one place.
                assert_eq!(other, NEEDS.0, "{} is in {}, too", wish.option, here.0);
                assert_ne!((*value == Value::Off), (wish.value != Value::Off));
            }
        }
    }

    #[test]
    fn every_file_of_the_directory_is_built_in() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../kernel-config");
        let mut there: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".config") || name.ends_with(".needs"))
            .collect();
        there.sort();
        let fragments = Fragment::built_in(true).unwrap();
        let mut built_in: Vec<&str> = fragments.iter().map(|f| f.name.as_str()).collect();
        built_in.sort_unstable();
        assert_eq!(there, built_in);
    }

    #[test]
    fn later_fragments_win_and_stand_behind_the_base() {
        let base = Config::from_bytes(b"CONFIG_B_CHOICE=y\nCONFIG_C=y\n").unwrap();
        let fragments = [
            Fragment::parse("one", "# r\nCONFIG_A_CHOICE=y\n# r\nCONFIG_C=y\n").unwrap(),
            Fragment::parse("two", "# r\n# CONFIG_C is not set\n").unwrap(),
        ];
        assert_eq!(
            Fragment::merge(&fragments, &base),
            "CONFIG_B_CHOICE=y\nCONFIG_A_CHOICE=y\n# CONFIG_C is not set\n"
        );
    }

    #[test]
    fn mistakes_are_named() {
        let message = |text: &str| Fragment::parse("f", text).unwrap_err().to_string();
        assert!(message("# why\nCONFIG_A=y\nCONFIG_B=y\n").contains("B has no reason"));
        assert!(message("# why\n\nCONFIG_A=y\n").contains("A has no reason"));
        assert!(message("## Heading\nCONFIG_A=y\n").contains("A has no reason"));
        assert!(message("# a\nCONFIG_A=y\n# b\n# CONFIG_A is not set\n").contains("twice"));
        assert!(message("# a\nCONFIG_A=maybe\n").contains("line 2"));
        assert!(message("# nothing\n").contains("not one"));
    }
}
