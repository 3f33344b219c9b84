//! Debian control stanzas (deb822): the `control` file of a package and the output of `apt-cache`.

use std::collections::BTreeMap;

/// One stanza. Field names are looked up without regard to case, as the Debian policy asks (5.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stanza(BTreeMap<String, String>);

impl Stanza {
    /// Parses every stanza of a text. Lines that are neither a field nor a continuation are
    /// skipped: `apt-cache` may print notices between stanzas.
    pub fn parse_all(text: &str) -> Vec<Self> {
        let mut stanzas = Vec::new();
        let mut current = Self::default();
        let mut field: Option<String> = None;
        for line in text.lines() {
            if line.trim().is_empty() {
                if !current.0.is_empty() {
                    stanzas.push(std::mem::take(&mut current));
                }
                field = None;
            } else if line.starts_with([' ', '\t']) {
                if let Some(value) = field.as_ref().and_then(|f| current.0.get_mut(f)) {
                    value.push('\n');
                    value.push_str(line.trim());
                }
            } else if let Some((name, value)) = line.split_once(':')
                && !line.starts_with('#')
                && !name.contains(char::is_whitespace)
            {
                let name = name.to_ascii_lowercase();
                current.0.insert(name.clone(), value.trim().to_owned());
                field = Some(name);
            }
        }
        if !current.0.is_empty() {
            stanzas.push(current);
        }
        stanzas
    }

    /// The value of a field, continuation lines joined by newlines.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(&field.to_ascii_lowercase()).map(String::as_str)
    }

    /// Package names of a dependency field, version restrictions and architectures removed; the
    /// first of each group of alternatives.
    pub fn depends_on(&self, field: &str) -> Vec<&str> {
        let groups = self.get(field).unwrap_or_default().split(',');
        groups
            .filter_map(|group| {
                let first = group.split('|').next()?.trim();
                let name = first.split([' ', '(', '[', ':', '<']).next()?;
                (!name.is_empty()).then_some(name)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_fields_and_continuations() {
        let text = "N: notice with spaces is no field\nPackage: a\nversion: 1:2-3\nDescription: x\n \
                    more\n .\n\n\n# comment: y\nPackage: b\nDepends: c (= 1) | d, e:any [amd64]\n";
        let stanzas = Stanza::parse_all(text);
        assert_eq!(stanzas.len(), 2);
        assert_eq!(stanzas[0].get("Version"), Some("1:2-3"));
        assert_eq!(stanzas[0].get("description"), Some("x\nmore\n."));
        assert_eq!(stanzas[1].depends_on("Depends"), ["c", "e"]);
        assert!(stanzas[1].depends_on("Pre-Depends").is_empty());
    }
}
