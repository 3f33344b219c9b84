//! Why an option is not to be had: reads the kernel's Kconfig files far enough to know what each
//! option depends on (`Documentation/kbuild/kconfig-language.rst`).

use std::collections::BTreeMap;

use serde::Serialize;

use super::expression::{Tristate, conjuncts, evaluate};
use super::{Config, Value};

/// Files may include each other this deep.
const DEPTH_LIMIT: usize = 32;
/// Linux has some 1700.
const FILES_LIMIT: usize = 20_000;

/// What stands between an option and the value asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[non_exhaustive]
pub enum Obstacle {
    /// The source has no such option.
    Unknown,
    /// It has no switch: only other options turn it on.
    NoSwitch,
    /// Conditions that do not hold.
    Unmet {
        /// As they stand in the source.
        conditions: Vec<String>,
    },
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => f.write_str("this source has no such option"),
            Self::NoSwitch => f.write_str("has no switch of its own, other options select it"),
            Self::Unmet { conditions } => write!(f, "depends on {}", conditions.join(", ")),
        }
    }
}

/// One place where an option is defined.
#[derive(Debug, Clone, Default)]
struct Definition {
    depends: Vec<String>,
    has_switch: bool,
}

/// The options a kernel source has.
#[derive(Debug, Clone, Default)]
pub struct Symbols(BTreeMap<String, Vec<Definition>>);

impl Symbols {
    /// Reads `Kconfig` and what it includes. `read` gives a file's text by its path in the source;
    /// files it does not have are passed over, as for optional includes.
    pub fn read(read: &mut dyn FnMut(&str) -> Option<String>) -> Self {
        let mut reader = Reader {
            read,
            symbols: Self::default(),
            enclosing: Vec::new(),
            files: 0,
        };
        reader.file("Kconfig", 0);
        reader.symbols
    }

    /// How many options there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Why `option` is not `wanted` in a finished configuration; `None` where nothing is found that
    /// stands in the way.
    pub fn obstacle(&self, option: &str, wanted: &Value, config: &Config) -> Option<Obstacle> {
        let Some(definitions) = self.0.get(option) else {
            return Some(Obstacle::Unknown);
        };
        let needed = match wanted {
            Value::Off => return None,
            Value::BuiltIn => Tristate::Yes,
            Value::Module | Value::Literal(_) => Tristate::Module,
        };
        let switches: Vec<&Definition> = definitions.iter().filter(|d| d.has_switch).collect();
        if switches.is_empty() {
            return Some(Obstacle::NoSwitch);
        }
        // The place that lacks least is the one to complain about.
        let conditions = switches
            .into_iter()
            .map(|definition| {
                let unmet = definition.depends.iter().flat_map(|d| conjuncts(d));
                let mut unmet: Vec<String> = unmet
                    .filter(|part| evaluate(part, config).is_some_and(|value| value < needed))
                    .map(str::to_owned)
                    .collect();
                unmet.dedup();
                unmet
            })
            .min_by_key(Vec::len)?;
        (!conditions.is_empty()).then_some(Obstacle::Unmet { conditions })
    }
}

/// What the lines of a file are inside of.
enum Block {
    If,
    Menu,
    Choice,
}

/// The entry whose attributes are being read.
enum Entry {
    None,
    Symbol(String, Definition),
    /// Dependencies go to the innermost block.
    Block,
    /// A comment, whose attributes concern nobody.
    Other,
}

struct Reader<'a> {
    read: &'a mut dyn FnMut(&str) -> Option<String>,
    symbols: Symbols,
    /// Each open block with the conditions it puts on what is inside.
    enclosing: Vec<(Block, Vec<String>)>,
    files: usize,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, depth: usize) {
        self.files += 1;
        if depth > DEPTH_LIMIT || self.files > FILES_LIMIT {
            return;
        }
        let Some(text) = (self.read)(path) else {
            return;
        };
        let text = text.replace("\\\n", " ");
        let outside = self.enclosing.len();
        let mut entry = Entry::None;
        // Depth of the help text that is being passed over; its first line decides.
        let mut help: Option<Option<usize>> = None;
        for raw in text.lines() {
            let line = raw.trim();
            if line.is_empty() {
                continue;
            }
            let indent = indentation(raw);
            if let Some(depth) = help {
                if indent > 0 && indent >= depth.unwrap_or(indent) {
                    help = Some(Some(depth.unwrap_or(indent)));
                    continue;
                }
                help = None;
            }
            if line.starts_with('#') {
                continue;
            }
            let (word, rest) = split_word(line);
            match word {
                "help" | "---help---" => help = Some(None),
                "depends" => {
                    let (_, condition) = split_word(rest);
                    self.depends(&mut entry, condition);
                }
                "visible" => {
                    let (_, condition) = split_word(rest);
                    self.depends(&mut entry, condition);
                }
                "bool" | "tristate" | "string" | "int" | "hex" | "prompt" => {
                    switch(&mut entry, rest);
                }
                "config" | "menuconfig" => {
                    self.finish(&mut entry);
                    let definition = Definition {
                        depends: self.conditions(),
                        has_switch: false,
                    };
                    entry = Entry::Symbol(rest.to_owned(), definition);
                }
                "if" => {
                    self.finish(&mut entry);
                    self.enclosing
                        .push((Block::If, vec![without_comment(rest).to_owned()]));
                }
                "menu" | "choice" => {
                    self.finish(&mut entry);
                    let block = if word == "menu" {
                        Block::Menu
                    } else {
                        Block::Choice
                    };
                    self.enclosing.push((block, Vec::new()));
                    entry = Entry::Block;
                }
                "endif" | "endmenu" | "endchoice" => {
                    self.finish(&mut entry);
                    // A file closes its own blocks only.
                    let closes = self.enclosing.len() > outside
                        && self.enclosing.last().is_some_and(|(block, _)| match block {
                            Block::If => word == "endif",
                            Block::Menu => word == "endmenu",
                            Block::Choice => word == "endchoice",
                        });
                    if closes {
                        self.enclosing.pop();
                    }
                }
                "comment" | "mainmenu" => {
                    self.finish(&mut entry);
                    entry = Entry::Other;
                }
                "source" | "rsource" | "osource" | "orsource" => {
                    self.finish(&mut entry);
                    let name = rest.trim_matches('"').replace("$(SRCARCH)", "x86");
                    let is_relative = word.ends_with("rsource");
                    let place = path.rsplit_once('/').filter(|_| is_relative);
                    let name = place.map_or(name.clone(), |(dir, _)| format!("{dir}/{name}"));
                    self.file(&name, depth + 1);
                }
                _ => {}
            }
        }
        self.finish(&mut entry);
        self.enclosing.truncate(outside);
    }

    fn depends(&mut self, entry: &mut Entry, condition: &str) {
        let condition = without_comment(condition).to_owned();
        match entry {
            Entry::Symbol(_, definition) => definition.depends.push(condition),
            Entry::Block => {
                if let Some((_, conditions)) = self.enclosing.last_mut() {
                    conditions.push(condition);
                }
            }
            Entry::None | Entry::Other => {}
        }
    }

    fn finish(&mut self, entry: &mut Entry) {
        if let Entry::Symbol(name, definition) = std::mem::replace(entry, Entry::None) {
            self.symbols.0.entry(name).or_default().push(definition);
        }
    }

    fn conditions(&self) -> Vec<String> {
        let all = self.enclosing.iter().flat_map(|(_, conditions)| conditions);
        all.cloned().collect()
    }
}

/// A type with a text behind it is a switch; behind the text may stand when it is shown.
fn switch(entry: &mut Entry, rest: &str) {
    let Entry::Symbol(_, definition) = entry else {
        return;
    };
    let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        return;
    };
    definition.has_switch = true;
    let behind = rest[1..].split_once(quote).map_or("", |(_, behind)| behind);
    if let ("if", condition) = split_word(behind.trim_start()) {
        definition
            .depends
            .push(without_comment(condition).to_owned());
    }
}

fn split_word(line: &str) -> (&str, &str) {
    let end = line
        .find(|c: char| c.is_whitespace() || c == '"' || c == '(')
        .unwrap_or(line.len());
    (&line[..end], line[end..].trim_start())
}

fn without_comment(text: &str) -> &str {
    text.split_once('#').map_or(text, |(front, _)| front).trim()
}

fn indentation(line: &str) -> usize {
    let mut columns = 0;
    for c in line.chars() {
        match c {
            '\t' => columns = columns / 8 * 8 + 8,
            ' ' => columns += 1,
            _ => break,
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(files: &[(&str, &str)]) -> Symbols {
        Symbols::read(&mut |path| {
            let found = files.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn conditions_come_from_the_option_and_all_around_it() {
        let symbols = symbols(&[
            (
                "Kconfig",
                "mainmenu \"x\"\nsource \"drivers/Kconfig\"\nsource \"arch/$(SRCARCH)/Kconfig\"\n",
            ),
            (
                "drivers/Kconfig",
                "menu \"Drivers\"\n\tdepends on PCI # bus\n\nif NET\nconfig CARD\n\ttristate \"card\" if EXPERT\n\
                 \tdepends on A && \\\n\t\t(B || C)\n\thelp\n\t  Words.\n\n\t  config FALSE\n\
                 config LIB\n\ttristate\nendif\nendmenu\n",
            ),
            (
                "arch/x86/Kconfig",
                "endmenu\nconfig FREE\n\tbool \"free\"\n\tdepends on !NET\nconfig CARD\n\ttristate \"again\"\n\tdepends on X && Y && Z && V && W && U\n",
            ),
        ]);
        assert_eq!(symbols.len(), 3);
        let config = Config::from_bytes(b"CONFIG_A=m\nCONFIG_NET=y\n").unwrap();
        let why = |option: &str, wanted| symbols.obstacle(option, &wanted, &config);
        let unmet = |conditions: &[&str]| {
            Some(Obstacle::Unmet {
                conditions: conditions.iter().map(|c| (*c).to_owned()).collect(),
            })
        };
        let module = why("CARD", Value::Module);
        assert_eq!(module, unmet(&["PCI", "EXPERT", "(B || C)"]));
        let built_in = why("CARD", Value::BuiltIn);
        assert_eq!(built_in, unmet(&["PCI", "EXPERT", "A", "(B || C)"]));
        assert_eq!(why("LIB", Value::Module), Some(Obstacle::NoSwitch));
        assert_eq!(why("FREE", Value::BuiltIn), unmet(&["!NET"]));
        assert_eq!(why("GONE", Value::BuiltIn), Some(Obstacle::Unknown));
    }

    #[test]
    fn files_that_include_themselves_end() {
        let mut count = 0;
        Symbols::read(&mut |_| {
            count += 1;
            Some("source \"Kconfig\"\n".repeat(2))
        });
        assert!(count <= FILES_LIMIT);
    }
}
