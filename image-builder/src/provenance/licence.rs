//! Licences from Debian's machine-readable copyright files
//! (<https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/>) as SPDX expressions.

use std::collections::BTreeSet;

/// SPDX for "not said here".
pub const NO_ASSERTION: &str = "NOASSERTION";

/// Debian's short names that have an exact SPDX counterpart.
const NAMES: [(&str, &str); 27] = [
    ("apache-2.0", "Apache-2.0"),
    ("artistic-2.0", "Artistic-2.0"),
    ("bsd-2-clause", "BSD-2-Clause"),
    ("bsd-3-clause", "BSD-3-Clause"),
    ("bsl-1.0", "BSL-1.0"),
    ("cc0-1.0", "CC0-1.0"),
    ("expat", "MIT"),
    ("mit", "MIT"),
    ("gpl-1+", "GPL-1.0-or-later"),
    ("gpl-2", "GPL-2.0-only"),
    ("gpl-2.0", "GPL-2.0-only"),
    ("gpl-2+", "GPL-2.0-or-later"),
    ("gpl-2.0+", "GPL-2.0-or-later"),
    ("gpl-3", "GPL-3.0-only"),
    ("gpl-3.0", "GPL-3.0-only"),
    ("gpl-3+", "GPL-3.0-or-later"),
    ("gpl-3.0+", "GPL-3.0-or-later"),
    ("isc", "ISC"),
    ("lgpl-2", "LGPL-2.0-only"),
    ("lgpl-2+", "LGPL-2.0-or-later"),
    ("lgpl-2.1", "LGPL-2.1-only"),
    ("lgpl-2.1+", "LGPL-2.1-or-later"),
    ("lgpl-3", "LGPL-3.0-only"),
    ("lgpl-3+", "LGPL-3.0-or-later"),
    ("openssl", "OpenSSL"),
    ("mpl-2.0", "MPL-2.0"),
    ("zlib", "Zlib"),
];

/// A licence without a counterpart among SPDX's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Own {
    /// Its id in a document: `LicenseRef-Debian-...`.
    pub id: String,
    /// Debian's name for it.
    pub name: String,
}

/// The SPDX expression for all files that a copyright file speaks of, and the licences in it that
/// only Debian names. [`NO_ASSERTION`] when the file is free text.
#[must_use]
pub fn of_debian_copyright(text: &str) -> (String, Vec<Own>) {
    let mut names = BTreeSet::new();
    for stanza in text.split("\n\n").filter(|_| text.starts_with("Format:")) {
        let stanza = stanza.trim_start_matches('\n');
        if !stanza.lines().any(|line| line.starts_with("Files:")) {
            continue;
        }
        let licence = stanza
            .lines()
            .find_map(|line| line.strip_prefix("License:"));
        names.extend(licence.map(str::trim).filter(|name| !name.is_empty()));
    }
    let mut own = BTreeSet::new();
    let all: BTreeSet<String> = names
        .into_iter()
        .map(|name| {
            expression(name).unwrap_or_else(|| {
                let id = format!("LicenseRef-Debian-{}", id_text(name));
                own.insert(Own {
                    id: id.clone(),
                    name: name.to_owned(),
                });
                id
            })
        })
        .collect();
    if all.is_empty() {
        return (NO_ASSERTION.to_owned(), Vec::new());
    }
    let all: Vec<String> = all.into_iter().collect();
    (all.join(" AND "), own.into_iter().collect())
}

/// SPDX ids have letters, digits, `.` and `-`.
pub(super) fn id_text(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        })
        .collect()
}

/// One `License:` line: short names with `or`, `and` and commas between them.
fn expression(line: &str) -> Option<String> {
    let mut words = Vec::new();
    for word in line.replace(',', " ").split_whitespace() {
        words.push(match word {
            "or" => "OR",
            "and" => "AND",
            name => {
                let lower = name.to_lowercase();
                NAMES.iter().find(|(debian, _)| *debian == lower)?.1
            }
        });
    }
    // Names and operators in turn; "GPL-2 with an exception" has no counterpart here.
    let is_operator = |word: &&str| matches!(*word, "OR" | "AND");
    let in_turn = words
        .iter()
        .enumerate()
        .all(|(index, word)| is_operator(word) == (index % 2 == 1));
    if words.len() % 2 == 0 || !in_turn {
        return None;
    }
    let joined = words.join(" ");
    Some(match words.len() {
        1 => joined,
        _ => format!("({joined})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_debian_says_exactly_is_taken_over() {
        let text = "Format: https://www.debian.org/\n\nFiles: *\nLicense: GPL-3+\n\nFiles: a\n\
                    License: GPL-2 or Expat\n text\n\nLicense: GPL-3+\n On Debian\n";
        assert_eq!(
            of_debian_copyright(text).0,
            "(GPL-2.0-only OR MIT) AND GPL-3.0-or-later"
        );
        let text = text.replace("GPL-2 or Expat", "Unicode_data");
        let (all, own) = of_debian_copyright(&text);
        assert_eq!(all, "GPL-3.0-or-later AND LicenseRef-Debian-Unicode-data");
        assert_eq!(own.len(), 1);
        assert_eq!(own[0].name, "Unicode_data");
        assert_eq!(of_debian_copyright("This is free.").0, NO_ASSERTION);
        for odd in ["GPL-2+ with OpenSSL exception", "or", "GPL-2 GPL-3", ""] {
            assert_eq!(expression(odd), None, "{odd:?}");
        }
    }
}
