//! What a thin medium's script says of its farm, read back from it.

use ipxe_rs_bindings::{Read, Reader};

use crate::medium::pxe::CALLER_ARGUMENTS;

/// What a script fetches, and the kernel arguments it hands over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptFacts {
    /// Addresses in the order they are tried.
    pub fetches: Vec<String>,
    /// The arguments, separated by blanks.
    pub arguments: String,
}

impl ScriptFacts {
    /// Reads them; of a script that somebody changed, what is still to be recognised.
    #[must_use]
    pub fn of(script: &str) -> Self {
        let mut facts = Self::default();
        for read in Reader::new(script) {
            let Read::Line(line) = read else { continue };
            let words: Vec<&str> = line.words.iter().map(|word| word.text.as_str()).collect();
            let end = words
                .iter()
                .position(|word| ipxe_rs_bindings::operator(word).is_some());
            match &words[..end.unwrap_or(words.len())] {
                ["set", CALLER_ARGUMENTS, arguments @ ..] => {
                    facts.arguments = arguments.join(" ");
                }
                ["chain", url] => facts.fetch(url),
                ["kernel", "--name", _, url, arguments @ ..] => {
                    facts.fetch(url);
                    facts.arguments = arguments.join(" ");
                }
                _ => {}
            }
        }
        facts
    }

    fn fetch(&mut self, url: &str) {
        if !self.fetches.iter().any(|known| known == url) {
            self.fetches.push(url.to_owned());
        }
    }
}
