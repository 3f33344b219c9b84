//! The iPXE programs of a bootkit, with what they can do.
//!
//! Finding that out takes a look at every byte, longer than the making of a thin image; the program
//! with a digest always can do the same, so the answer is kept beside it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Bootkit, Loader, store};
use crate::content::Content;
use crate::ipxe::{Capabilities, Command, Evidence, Generation, Kind};
use crate::medium::thin::{Program, ProgramError};

/// Name of the answers inside the bootkit's directory.
const ANSWERS_FILE: &str = ".ipxe.json";
const LIMIT_BYTES: u64 = 64 << 10;
/// Goes up when [`Capabilities::of`] tells more, or otherwise.
const FORMAT: u32 = 1;

const KINDS: [Kind; 3] = [Kind::Lkrn, Kind::Pxe, Kind::EfiX64];
const GENERATIONS: [Generation; 3] = [Generation::Debian12, Generation::Debian13, Generation::V2];
const EVIDENCES: [Evidence; 3] = [Evidence::Words, Evidence::Version, Evidence::Assumed];

/// Answers by the digest of the program; losing them costs time, never correctness.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Answers {
    format: u32,
    programs: BTreeMap<String, Answer>,
}

/// [`Capabilities`] as numbers in the lists above, and words.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    kind: usize,
    version: Option<String>,
    generation: usize,
    evidence: usize,
    commands: Vec<String>,
    schemes: Vec<String>,
    autoexec: bool,
    load_options: bool,
}

fn number<T: PartialEq>(of: &T, all: &[T]) -> usize {
    all.iter().position(|one| one == of).unwrap_or(all.len())
}

fn words(words: &BTreeSet<&'static str>) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Answer {
    fn of(known: &Capabilities) -> Self {
        Self {
            kind: number(&known.kind, &KINDS),
            version: known.version.clone(),
            generation: number(&known.generation, &GENERATIONS),
            evidence: number(&known.evidence, &EVIDENCES),
            commands: words(&known.commands),
            schemes: words(&known.schemes),
            autoexec: known.autoexec,
            load_options: known.load_options,
        }
    }

    /// `None` for what this program would not have written.
    fn capabilities(&self) -> Option<Capabilities> {
        let names: BTreeMap<_, _> = Command::all().map(|c| (c.name(), c.name())).collect();
        let command = |word: &String| names.get(word.as_str()).copied();
        Some(Capabilities {
            kind: *KINDS.get(self.kind)?,
            version: self.version.clone(),
            generation: *GENERATIONS.get(self.generation)?,
            evidence: *EVIDENCES.get(self.evidence)?,
            commands: self.commands.iter().map(command).collect::<Option<_>>()?,
            schemes: self
                .schemes
                .iter()
                .map(|word| Capabilities::scheme(word))
                .collect::<Option<_>>()?,
            autoexec: self.autoexec,
            load_options: self.load_options,
        })
    }
}

impl Bootkit {
    /// The iPXE programs it has of these. One that cannot be used is an error of its own.
    pub fn ipxe_programs(&self, wanted: &[Loader]) -> Vec<Result<Program, ProgramError>> {
        let path = self.dir.join(ANSWERS_FILE);
        let answers = store::read_limited(&path, LIMIT_BYTES).ok();
        let mut answers: Answers = answers
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .filter(|answers: &Answers| answers.format == FORMAT)
            .unwrap_or_default();
        let mut has_news = false;
        let mut programs = Vec::new();
        for loader in wanted {
            let Some(entry) = self.loader_entry(*loader) else {
                continue;
            };
            let mut known = answers
                .programs
                .get(&entry.sha256.to_string())
                .and_then(Answer::capabilities);
            let mut open = || {
                let content = Content::file(self.loader(*loader), *entry.sha256.as_bytes())?;
                let known = match known.take() {
                    Some(known) => known,
                    None => {
                        let known = Capabilities::of(&content.read()?)?;
                        let digest = entry.sha256.to_string();
                        answers.programs.insert(digest, Answer::of(&known));
                        has_news = true;
                        known
                    }
                };
                Program::known(content, known)
            };
            programs.push(open());
        }
        if has_news {
            answers.format = FORMAT;
            // A directory that cannot be written is looked through again next time.
            if let Ok(json) = serde_json::to_vec(&answers) {
                let _ = store::write_atomic(&path, &json);
            }
        }
        programs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_survives_being_written() {
        for kind in KINDS {
            for version in [
                "1.0.0+git-20190125.36a4c85-5.1",
                "1.21.1+git-20250501.1-1",
                "2.0.0",
            ] {
                let known = Capabilities::of_version(kind, version);
                let json = serde_json::to_string(&Answer::of(&known)).unwrap();
                let read: Answer = serde_json::from_str(&json).unwrap();
                assert_eq!(read.capabilities(), Some(known));
            }
        }
        let mut answer = Answer::of(&Capabilities::oldest(Kind::Pxe));
        answer.commands.push("nonsense".to_owned());
        assert_eq!(answer.capabilities(), None);
    }
}
