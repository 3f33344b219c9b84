//! Conditions of Kconfig: symbols joined by `&&`, `||`, `!`, `=`, `!=` and parentheses, with the
//! three values n < m < y (`Documentation/kbuild/kconfig-language.rst`, "Menu dependencies").

use super::{Config, Value};

/// Deeper parentheses than any real file has.
const DEPTH_LIMIT: usize = 64;

/// n, m, y.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tristate {
    No,
    Module,
    Yes,
}

/// The value of a condition; `None` where it is beyond this reader, such as a macro.
pub(super) fn evaluate(condition: &str, config: &Config) -> Option<Tristate> {
    let mut reader = Reader {
        rest: condition.trim(),
        config,
    };
    let value = reader.alternatives(0)?;
    reader.rest.is_empty().then_some(value)
}

/// The parts of a condition that must all hold.
pub(super) fn conjuncts(condition: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut from, mut quoted) = (0_usize, 0, false);
    let bytes = condition.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            // Below `||` a part need not hold by itself.
            b'|' if depth == 0 => return vec![condition.trim()],
            b'&' if depth == 0 && bytes.get(at + 1) == Some(&b'&') => {
                parts.push(condition[from..at].trim());
                from = at + 2;
            }
            _ => {}
        }
    }
    parts.push(condition[from..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

struct Reader<'a> {
    rest: &'a str,
    config: &'a Config,
}

impl<'a> Reader<'a> {
    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn alternatives(&mut self, depth: usize) -> Option<Tristate> {
        let mut value = self.conjunction(depth)?;
        while self.take("||") {
            value = value.max(self.conjunction(depth)?);
        }
        Some(value)
    }

    fn conjunction(&mut self, depth: usize) -> Option<Tristate> {
        let mut value = self.term(depth)?;
        while self.take("&&") {
            value = value.min(self.term(depth)?);
        }
        Some(value)
    }

    fn term(&mut self, depth: usize) -> Option<Tristate> {
        if depth > DEPTH_LIMIT {
            return None;
        }
        if self.take("!") {
            return Some(match self.term(depth + 1)? {
                Tristate::No => Tristate::Yes,
                Tristate::Module => Tristate::Module,
                Tristate::Yes => Tristate::No,
            });
        }
        if self.take("(") {
            let value = self.alternatives(depth + 1)?;
            return self.take(")").then_some(value);
        }
        let left = self.word()?;
        let wants_equal = if self.take("!=") {
            false
        } else if self.take("=") {
            true
        } else {
            return Some(match self.text_of(left).as_str() {
                "y" => Tristate::Yes,
                "m" => Tristate::Module,
                _ => Tristate::No,
            });
        };
        let right = self.word()?;
        let equal = self.text_of(left) == self.text_of(right);
        Some(if equal == wants_equal {
            Tristate::Yes
        } else {
            Tristate::No
        })
    }

    /// A symbol, or a string with its quotation marks.
    fn word(&mut self) -> Option<&'a str> {
        let length = if let Some(behind) = self.rest.strip_prefix('"') {
            behind.find('"')? + 2
        } else {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len())
        };
        if length == 0 {
            return None;
        }
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest.trim_start();
        Some(word)
    }

    /// Kconfig's constants and symbols that are none stand for themselves.
    fn text_of(&self, word: &str) -> String {
        match word {
            "y" | "m" | "n" => word.to_owned(),
            _ if word.starts_with('"') => word.trim_matches('"').to_owned(),
            _ if word.bytes().all(|b| b.is_ascii_digit()) => word.to_owned(),
            _ => match self.config.get(word) {
                Value::Literal(text) => text.trim_matches('"').to_owned(),
                value => value.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let config = Config::from_bytes(b"CONFIG_Y=y\nCONFIG_M=m\nCONFIG_S=\"x\"\n").unwrap();
        let (no, module, yes) = (Tristate::No, Tristate::Module, Tristate::Yes);
        for (text, value) in [
            ("Y", Some(yes)),
            ("M", Some(module)),
            ("N", Some(no)),
            ("!N && Y", Some(yes)),
            ("Y && M || N", Some(module)),
            ("(Y || N) && !M", Some(module)),
            ("M=m", Some(yes)),
            ("M!=n && Y = y", Some(yes)),
            ("S=\"x\"", Some(yes)),
            ("", None),
            ("(Y", None),
            ("Y Y", None),
            ("$(success,true)", None),
            (&"(".repeat(10_000), None),
            (&"!".repeat(10_000), None),
        ] {
            assert_eq!(evaluate(text, &config), value, "{text}");
        }
    }

    #[test]
    fn only_what_must_hold_is_taken_apart() {
        assert_eq!(conjuncts("A && (B || C) && !D"), ["A", "(B || C)", "!D"]);
        assert_eq!(conjuncts("A && B || C"), ["A && B || C"]);
        assert_eq!(conjuncts(""), [""; 0]);
    }
}
