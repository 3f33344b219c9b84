//! What is wrong with a script, for the binary that will run it.

use std::borrow::Cow;

use crate::capabilities::{Capabilities, Generation};
use crate::core::{self, Command, Effect, Line, Problem, Read, Reader, Type, Word};
use crate::place::Place;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but hardly as meant.
    Warning,
    /// The script fails there.
    Error,
}

/// Something wrong with a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub place: Place,
    /// Short name of the rule.
    pub rule: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.message, self.hint)
    }
}

/// Checks a script against what a binary can do. Findings come in the order of the script; those of
/// [`Severity::Error`] are what the binary refuses when it gets there.
pub fn lint(script: &str, capabilities: &Capabilities) -> Vec<Finding> {
    let mut linter = Linter {
        script,
        capabilities,
        findings: Vec::new(),
    };
    linter.magic();
    let mut labels: Vec<String> = Vec::new();
    let mut dead = false;
    for read in Reader::new(script) {
        match read {
            Read::Unfinished { at } => linter.error(
                at,
                "unfinished",
                "the last line ends in a backslash, and iPXE refuses the script there".into(),
                "remove the backslash".into(),
            ),
            Read::Line(line) => {
                if let Some(label) = &line.label {
                    dead = false;
                    linter.label(label, &labels);
                    labels.push(label.text.clone());
                }
                if dead && let Some(word) = line.words.first() {
                    linter.warning(
                        word.at,
                        "unreachable",
                        "nothing ever gets here".into(),
                        "remove it, or put a label before it".into(),
                    );
                    dead = false;
                }
                dead |= linter.line(&line);
            }
        }
    }
    linter.findings.sort_by_key(|finding| finding.place);
    linter.findings
}

struct Linter<'a> {
    script: &'a str,
    capabilities: &'a Capabilities,
    findings: Vec<Finding>,
}

impl Linter<'_> {
    fn add(&mut self, severity: Severity, at: usize, rule: &'static str, text: (String, String)) {
        self.findings.push(Finding {
            severity,
            place: Place::of(self.script, at),
            rule,
            message: text.0,
            hint: text.1,
        });
    }

    fn error(&mut self, at: usize, rule: &'static str, message: String, hint: String) {
        self.add(Severity::Error, at, rule, (message, hint));
    }

    fn warning(&mut self, at: usize, rule: &'static str, message: String, hint: String) {
        self.add(Severity::Warning, at, rule, (message, hint));
    }

    /// This iPXE in words, and how to come by another.
    fn build(&self) -> (String, String) {
        let hint = match self.capabilities.generation {
            Generation::Debian12 => "use the package of Debian 13, or do without",
            _ => "do without, or use an iPXE built with it",
        };
        (
            format!("this iPXE ({})", self.capabilities.generation.name()),
            hint.to_owned(),
        )
    }

    fn magic(&mut self) {
        let rest = self.script.strip_prefix("#!ipxe");
        if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            self.error(
                0,
                "magic",
                "the first line is not #!ipxe, so iPXE does not take this for a script".into(),
                "begin with a line #!ipxe, without anything before it".into(),
            );
        }
    }

    fn label(&mut self, label: &Word, before: &[String]) {
        if before.contains(&label.text) {
            self.warning(
                label.at,
                "label-twice",
                format!(
                    "label {} is there before, and goto finds the first",
                    label.text
                ),
                "give it another name".into(),
            );
        }
        if label.text.is_empty() {
            self.warning(
                label.at,
                "label-empty",
                "a colon alone is a label without a name".into(),
                "write the name right behind the colon".into(),
            );
        }
    }

    /// Checks a line; true if nothing runs on behind it.
    fn line(&mut self, line: &Line) -> bool {
        let mut words = &line.words[..];
        let mut before = None;
        let mut leaves = false;
        loop {
            let length = words.iter().position(|w| core::operator(&w.text).is_some());
            let command = &words[..length.unwrap_or(words.len())];
            let after = length.and_then(|at| core::operator(&words[at].text));
            if let Some(first) = command.first() {
                self.command(command, after.is_some());
                leaves = before.is_none()
                    && after.is_none()
                    && ["exit", "goto"].contains(&first.text.as_str());
            }
            let Some(length) = length else { break };
            before = after;
            words = &words[length + 1..];
        }
        leaves
    }

    fn command(&mut self, words: &[Word], guarded: bool) {
        for word in words {
            self.word(word);
        }
        let name = &words[0];
        if name.text.contains("${") {
            // Nobody knows yet which command that will be.
            return;
        }
        let Some(command) = Command::named(name.text.as_bytes()) else {
            let near = Command::all()
                .map(Command::name)
                .filter(|known| self.capabilities.has(known))
                .min_by_key(|known| distance(known, &name.text))
                .filter(|known| distance(known, &name.text) <= 2);
            self.error(
                name.at,
                "command",
                format!("{} is no command of iPXE", name.text),
                near.map_or("see farmer ipxe show for its commands".into(), |near| {
                    format!("{near} is meant?")
                }),
            );
            return;
        };
        if !self.capabilities.has(command.name()) {
            let (build, hint) = self.build();
            let message = format!("{} is not in {build}", command.name());
            if guarded {
                self.warning(name.at, "command-missing", message, hint);
            } else {
                self.error(name.at, "command-missing", message, hint);
            }
            return;
        }
        self.arguments(command, words);
        let outside = matches!(command.effect(), Effect::Fetch | Effect::Network);
        if !guarded && (outside || command.effect() == Effect::Handover) {
            self.warning(
                name.at,
                "unguarded",
                format!("the script ends if {} fails", command.name()),
                "say what then: COMMAND || goto LABEL".into(),
            );
        }
        if matches!(command.effect(), Effect::Fetch | Effect::Handover) {
            for word in &words[1..] {
                self.address(word);
            }
        }
    }

    fn arguments(&mut self, command: Command, words: &[Word]) {
        let rest: Vec<Cow<'_, [u8]>> = words[1..]
            .iter()
            // A value that is not known yet is neither an option nor a wrong number.
            .map(|word| {
                if word.text.contains("${") {
                    Cow::Borrowed(&b"0"[..])
                } else {
                    Cow::Borrowed(word.text.as_bytes())
                }
            })
            .collect();
        let newer = self.capabilities.level();
        let arguments = command.arguments(&rest, newer);
        let at = |index: usize| words.get(index + 1).map_or(words[0].at, |word| word.at);
        let options = || {
            let options = command.options(newer);
            if options.is_empty() {
                format!(
                    "{} has no options; -- before a word makes it none",
                    command.name()
                )
            } else {
                format!("its options are {}", options.join(" "))
            }
        };
        match arguments.problem {
            None => self.values(command, &words[1 + arguments.first..]),
            Some(Problem::Help { at: index }) => self.error(
                at(index),
                "help",
                format!("{} only shows its usage so, and fails", command.name()),
                "remove the option".into(),
            ),
            Some(Problem::UnknownOption { at: index, option }) => {
                if command.arguments(&rest, u8::MAX).problem.is_none() {
                    let (build, hint) = self.build();
                    let message = format!("{} {option} is not in {build}", command.name());
                    self.error(at(index), "option-missing", message, hint);
                } else {
                    let message = format!("{} has no option {option}", command.name());
                    self.error(at(index), "option", message, options());
                }
            }
            Some(Problem::NoValue { at: index, option }) => self.error(
                at(index),
                "option-value",
                format!("option {option} lacks its value"),
                command.usage(),
            ),
            Some(Problem::NotANumber { at: index, value }) => self.error(
                at(index),
                "number",
                format!("{value:?} is no number"),
                "decimal, 0x hexadecimal or 0 octal".into(),
            ),
            Some(Problem::Count { given }) => self.error(
                words[0].at,
                "count",
                format!("{} does not take {given} arguments", command.name()),
                format!("it is: {}", command.usage()),
            ),
        }
    }

    /// Arguments whose meaning is known before the script runs.
    fn values(&mut self, command: Command, values: &[Word]) {
        let fixed = |word: &&Word| !word.text.contains("${");
        match command.name() {
            "goto" => {
                if let Some(label) = values.first().filter(fixed)
                    && core::find_label(self.script, label.text.as_bytes()).is_none()
                {
                    self.error(
                        label.at,
                        "label",
                        format!("there is no label :{}", label.text),
                        "a label is a line that begins with a colon and its name".into(),
                    );
                }
            }
            "sleep" | "exit" => {
                if let Some(number) = values.first().filter(fixed)
                    && core::integer(number.text.as_bytes(), self.capabilities.level()).is_none()
                {
                    self.error(
                        number.at,
                        "number",
                        format!("{:?} is no number", number.text),
                        "decimal, 0x hexadecimal or 0 octal".into(),
                    );
                }
            }
            "set" => self.set(values),
            _ => {}
        }
    }

    fn set(&mut self, values: &[Word]) {
        let Some((name, value)) = values.split_first() else {
            return;
        };
        let Some((_, type_name)) = name.text.split_once(':') else {
            return;
        };
        if name.text.contains("${") {
            return;
        }
        let Some(r#type) = Type::named(type_name) else {
            self.no_type(name.at, type_name);
            return;
        };
        self.type_in(name.at, r#type);
        if value.is_empty() || value.iter().any(|word| word.text.contains("${")) {
            return;
        }
        let text: Vec<&str> = value.iter().map(|word| word.text.as_str()).collect();
        if let Err(error) = r#type.parse(text.join(" ").as_bytes(), self.capabilities.level()) {
            self.error(
                value[0].at,
                "value",
                format!("{:?} as {type_name}: {error}", text.join(" ")),
                "correct the value or the type".into(),
            );
        }
    }

    fn type_in(&mut self, at: usize, found: Type) {
        if !found.is_in(self.capabilities.level()) {
            let (build, hint) = self.build();
            self.error(
                at,
                "type",
                format!("type {} is not in {build}", found.name()),
                hint,
            );
        }
    }

    fn no_type(&mut self, at: usize, name: &str) {
        self.error(
            at,
            "type",
            format!("{name:?} is no type of a setting"),
            "string, uristring, hex, hexhyp, hexraw, base64, int8 to int32, uint8 to uint32, ipv4, \
             ipv6, uuid, busdevfn"
                .into(),
        );
    }

    /// What is suspicious in any word.
    fn word(&mut self, word: &Word) {
        let text = &word.text;
        if text.starts_with(['"', '\'']) {
            self.warning(
                word.at,
                "quote",
                "iPXE knows no quotes: they stay in the text and hold nothing together".into(),
                "leave them out; a value with blanks in a setting stays one word".into(),
            );
        }
        if (text.contains("||") || text.contains("&&")) && core::operator(text).is_none() {
            self.warning(
                word.at,
                "operator-attached",
                format!("{text:?} is one word: an operator needs blanks around it"),
                "put blanks around || and &&".into(),
            );
        }
        if text.len() > 1 && text.ends_with(';') {
            self.warning(
                word.at,
                "operator-attached",
                format!("{text:?} is one word: the semicolon is part of it"),
                "put a blank before ;".into(),
            );
        }
        if !text.is_ascii() {
            self.warning(
                word.at,
                "ascii",
                format!("{text:?} is not ASCII, which iPXE's screens do not show"),
                "write it in ASCII".into(),
            );
        }
        let mut rest = text.as_str();
        let mut opened = 0_usize;
        while let Some(at) = rest.find("${") {
            opened += 1;
            rest = &rest[at + 2..];
        }
        if opened > text.matches('}').count() {
            self.warning(
                word.at,
                "brace",
                format!("{text:?} lacks a closing brace and stays as it is"),
                "write ${name}, without blanks".into(),
            );
        }
        for expression in expressions(text) {
            let Some((_, type_name)) = expression.split_once(':') else {
                continue;
            };
            match Type::named(type_name) {
                Some(found) => self.type_in(word.at, found),
                None => self.no_type(word.at, type_name),
            }
        }
    }

    /// A word that may be an address to fetch from.
    fn address(&mut self, word: &Word) {
        let Some((scheme, _)) = word.text.split_once("://") else {
            return;
        };
        if !scheme.bytes().all(|b| b.is_ascii_alphabetic()) {
            return;
        }
        if !self.capabilities.schemes.contains(scheme) {
            let (build, hint) = self.build();
            self.error(
                word.at,
                "scheme",
                format!("{build} cannot fetch over {scheme}"),
                format!("use a http:// address; or {hint}"),
            );
        }
        for expression in expressions(&word.text) {
            let free = ["serial", "asset", "product", "manufacturer", "hostname"];
            if free.contains(&expression) {
                self.warning(
                    word.at,
                    "escape",
                    format!("${{{expression}}} may have blanks, which break the address"),
                    format!("write ${{{expression}:uristring}}"),
                );
            }
        }
    }
}

/// The innermost `${…}` of a word, without what surrounds them.
fn expressions(text: &str) -> impl Iterator<Item = &str> {
    text.split("${")
        .skip(1)
        .filter_map(|part| part.split_once('}').map(|(expression, _)| expression))
}

/// How many letters two words differ by.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
