//! What a script does, without doing it.
//!
//! Commands that touch nothing outside the script (`set`, `isset`, `goto`, `echo`, ...) are carried
//! out; the others are assumed to succeed unless they are named as failing.

use std::borrow::Cow;

use crate::capabilities::{Capabilities, Kind};
use crate::core::{
    self, Arguments, Command, Effect, ExpandError, Problem, Read, Reader, Setting, Type, Word,
};
use crate::place::Place;

/// A script that runs longer waits for something that never comes.
const STEP_LIMIT: usize = 10_000;

/// The machine a script runs on: its settings, and what goes wrong.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    settings: Vec<Setting>,
    failing: Vec<String>,
    capabilities: Option<Capabilities>,
}

/// Why a setting cannot be set.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingError {
    /// `name:type` with a type that does not exist.
    #[error("{name}: there is no such type of a setting")]
    Type {
        /// The setting as given.
        name: String,
    },
    /// The text is no value of that type.
    #[error("{name}: {value:?} is no {type_name}")]
    Value {
        /// Its name.
        name: String,
        /// The text.
        value: String,
        /// Its type.
        type_name: &'static str,
    },
}

impl Settings {
    /// A machine without any setting, where everything succeeds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `name` or `name:type` as `set` does; an empty value clears it.
    ///
    /// # Errors
    /// [`SettingError`]
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        self.store(name, value.as_bytes())
    }

    /// Lets a command fail wherever it comes: its name, or the whole of its words.
    #[must_use]
    pub fn failing(mut self, command: &str) -> Self {
        self.failing.push(command.to_owned());
        self
    }

    /// Lets commands that this binary does not have fail, and names its platform as it does itself.
    #[must_use]
    pub fn on(mut self, capabilities: &Capabilities) -> Self {
        let platform = match capabilities.kind {
            Kind::EfiX64 => "efi",
            Kind::Lkrn | Kind::Pxe => "pcbios",
        };
        self.put("platform", platform.into(), Type::of_setting("platform"));
        self.capabilities = Some(capabilities.clone());
        self
    }

    fn level(&self) -> u8 {
        let known = self.capabilities.as_ref();
        known.map_or(u8::MAX, Capabilities::level)
    }

    fn store(&mut self, name: &str, value: &[u8]) -> Result<(), SettingError> {
        let (bare, r#type) = match name.split_once(':') {
            Some((bare, type_name)) => {
                let found = Type::named(type_name).filter(|found| found.is_in(self.level()));
                let found = found.ok_or_else(|| SettingError::Type { name: name.into() })?;
                (bare, found)
            }
            None => (name, Type::of_setting(name)),
        };
        let bytes = if value.is_empty() {
            Vec::new()
        } else {
            r#type
                .parse(value, self.level())
                .map_err(|_| SettingError::Value {
                    name: bare.to_owned(),
                    value: lossy(value),
                    type_name: r#type.name(),
                })?
        };
        self.put(bare, bytes, r#type);
        Ok(())
    }

    fn put(&mut self, name: &str, value: Vec<u8>, r#type: Type) {
        self.settings.retain(|setting| setting.name != name);
        if !value.is_empty() {
            self.settings.push(Setting {
                name: name.to_owned(),
                value,
                r#type,
            });
        }
    }

    fn get(&self, name: &str) -> Option<&Setting> {
        core::find_setting(name, &self.settings).and_then(|index| self.settings.get(index))
    }
}

/// A command that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where it is.
    pub place: Place,
    /// Its words, expanded.
    pub words: Vec<String>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out and did not fail.
    Done,
    /// It does something outside the script, and is taken to have succeeded.
    Assumed,
    /// It failed.
    Failed(String),
}

/// How a script ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Behind its last line.
    Finished,
    /// By `exit` with this status.
    Exit(u32),
    /// By a command that failed and nobody cared.
    Failed(Place),
    /// Another program took over.
    HandedOver(Place),
    /// It went on and on.
    Endless,
    /// Its last line ends in a backslash, which iPXE refuses.
    Unfinished(Place),
}

/// What a script did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The commands that ran, in order.
    pub steps: Vec<Step>,
    /// What the screen shows; the usage of a command is shortened to one line.
    pub console: String,
    /// How it ended.
    pub end: End,
}

/// Follows a script on a machine.
pub fn trace(script: &str, machine: &Settings) -> Trace {
    let mut run = Run {
        script,
        machine: machine.clone(),
        steps: Vec::new(),
        console: String::new(),
    };
    let end = run.lines();
    Trace {
        steps: run.steps,
        console: run.console,
        end,
    }
}

/// What follows a command.
enum Next {
    Go,
    Fail,
    Jump(usize),
    End(End),
}

struct Run<'a> {
    script: &'a str,
    machine: Settings,
    steps: Vec<Step>,
    console: String,
}

impl Run<'_> {
    fn lines(&mut self) -> End {
        let mut reader = Reader::new(self.script);
        'lines: while let Some(read) = reader.next() {
            let line = match read {
                Read::Line(line) => line,
                Read::Unfinished { at } => return End::Unfinished(Place::of(self.script, at)),
            };
            let mut operator = None;
            let mut failed = false;
            let mut last = line.at;
            let mut words = &line.words[..];
            loop {
                let length = words.iter().position(|w| core::operator(&w.text).is_some());
                let command = &words[..length.unwrap_or(words.len())];
                if core::runs(operator, failed) {
                    failed = false;
                    if let Some(first) = command.first() {
                        last = first.at;
                        if self.steps.len() == STEP_LIMIT {
                            return End::Endless;
                        }
                        match self.command(command) {
                            Next::Go => {}
                            Next::Fail => failed = true,
                            Next::End(end) => return end,
                            Next::Jump(position) => {
                                reader.seek(position);
                                continue 'lines;
                            }
                        }
                    }
                }
                let Some(length) = length else { break };
                operator = core::operator(&words[length].text);
                words = &words[length + 1..];
            }
            if failed {
                return End::Failed(Place::of(self.script, last));
            }
        }
        End::Finished
    }

    fn command(&mut self, words: &[Word]) -> Next {
        let expanded: Result<Vec<Vec<u8>>, ExpandError> = words
            .iter()
            .map(|word| core::expand(&word.text, &self.machine.settings, self.machine.level()))
            .collect();
        let place = Place::of(self.script, words[0].at);
        let (shown, result) = match expanded {
            Ok(expanded) => (
                expanded.iter().map(|word| lossy(word)).collect(),
                self.expanded(&expanded, place),
            ),
            Err(error) => (
                words.iter().map(|word| word.text.clone()).collect(),
                Err(error.to_string()),
            ),
        };
        let (outcome, next) = match result {
            Ok((outcome, next)) => (outcome, next),
            Err(why) => (Outcome::Failed(why), Next::Fail),
        };
        self.steps.push(Step {
            place,
            words: shown,
            outcome,
        });
        next
    }

    fn expanded(&mut self, words: &[Vec<u8>], place: Place) -> Result<(Outcome, Next), String> {
        let name = lossy(&words[0]);
        let known = self.machine.capabilities.as_ref();
        let command = Command::named(&words[0]).filter(|_| known.is_none_or(|k| k.has(&name)));
        let Some(command) = command else {
            return self.say(format!("{name}: command not found"));
        };
        let rest: Vec<Cow<'_, [u8]>> = words[1..].iter().map(|word| word.into()).collect();
        let arguments = command.arguments(&rest, self.machine.level());
        if let Some(problem) = &arguments.problem {
            return self.refuse(command, problem);
        }
        let values = &words[1 + arguments.first..];
        match command.name() {
            "echo" => self.echo(&arguments, values),
            "set" => self.set(values),
            "clear" => {
                // A type behind the name means nothing.
                let name = lossy(&values[0]);
                let name = name.split(':').next().unwrap_or_default();
                self.machine.settings.retain(|setting| setting.name != name);
                Ok((Outcome::Done, Next::Go))
            }
            "inc" => self.inc(values),
            "isset" => truth(!values[0].is_empty(), "it is not set"),
            "iseq" => truth(values[0] == values[1], "they differ"),
            "show" => self.show(&values[0]),
            "sleep" => match core::integer(&values[0], self.machine.level()) {
                Some(_) => Ok((Outcome::Done, Next::Go)),
                None => self.not_a_number(&values[0]),
            },
            "goto" => match core::find_label(self.script, &values[0]) {
                Some(position) => Ok((Outcome::Done, Next::Jump(position))),
                None => Err(format!("there is no label {}", lossy(&values[0]))),
            },
            "exit" => match core::integer(
                values.first().map_or(b"0", |v| &v[..]),
                self.machine.level(),
            ) {
                Some(0) => Ok((Outcome::Done, Next::End(End::Exit(0)))),
                Some(status) => Ok((Outcome::Done, Next::End(End::Exit(status)))),
                None => self.not_a_number(&values[0]),
            },
            _ => {
                let all: Vec<String> = words.iter().map(|word| lossy(word)).collect();
                let all = all.join(" ");
                let mut failing = self.machine.failing.iter();
                if failing.any(|failing| *failing == name || *failing == all) {
                    return Err("it is taken to fail".to_owned());
                }
                let next = if command.effect() == Effect::Handover {
                    Next::End(End::HandedOver(place))
                } else {
                    Next::Go
                };
                Ok((Outcome::Assumed, next))
            }
        }
    }

    fn say<T>(&mut self, message: String) -> Result<T, String> {
        self.console.push_str(&message);
        self.console.push('\n');
        Err(message)
    }

    fn not_a_number<T>(&mut self, value: &[u8]) -> Result<T, String> {
        self.say(format!("\"{}\": invalid integer value", lossy(value)))
    }

    fn refuse<T>(&mut self, command: Command, problem: &Problem) -> Result<T, String> {
        let why = match problem {
            Problem::NotANumber { value, .. } => return self.not_a_number(value.as_bytes()),
            Problem::UnknownOption { option, .. } => {
                Some(format!("Unrecognised option \"{option}\""))
            }
            Problem::NoValue { option, .. } => {
                Some(format!("Option \"{option}\" requires an argument"))
            }
            Problem::Help { .. } | Problem::Count { .. } => None,
        };
        if let Some(why) = &why {
            self.console.push_str(why);
            self.console.push('\n');
        }
        self.say(format!("Usage: {}", command.name()))
            .map_err(|usage| why.unwrap_or(usage))
    }

    fn echo(
        &mut self,
        arguments: &Arguments,
        values: &[Vec<u8>],
    ) -> Result<(Outcome, Next), String> {
        let values: Vec<String> = values.iter().map(|value| lossy(value)).collect();
        self.console.push_str(&values.join(" "));
        if arguments.options.is_empty() {
            self.console.push('\n');
        }
        Ok((Outcome::Done, Next::Go))
    }

    fn set(&mut self, values: &[Vec<u8>]) -> Result<(Outcome, Next), String> {
        let value = values[1..].join(&b' ');
        match self.machine.store(&lossy(&values[0]), &value) {
            Ok(()) => Ok((Outcome::Done, Next::Go)),
            Err(SettingError::Type { name }) => self.say(format!("\"{name}\": invalid setting")),
            Err(SettingError::Value { name, .. }) => self.could_not_store(&name),
        }
    }

    fn could_not_store<T>(&mut self, name: &str) -> Result<T, String> {
        self.say(format!("Could not store \"{name}\""))
    }

    fn inc(&mut self, values: &[Vec<u8>]) -> Result<(Outcome, Next), String> {
        let name = lossy(&values[0]);
        let Some(by) = core::integer(
            values.get(1).map_or(b"1", |value| &value[..]),
            self.machine.level(),
        ) else {
            return self.not_a_number(&values[1]);
        };
        let (old, r#type) = match self.machine.get(&name) {
            Some(setting) => (
                // Bytes of a number are big-endian; only their last four count.
                setting
                    .value
                    .iter()
                    .fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)),
                setting.r#type,
            ),
            None => (0, Type::INT32),
        };
        if !r#type.is_number() {
            return self.could_not_store(&name);
        }
        let sum = old.wrapping_add(by).to_string();
        match r#type.parse(sum.as_bytes(), 0) {
            Ok(value) => {
                self.machine.put(&name, value, r#type);
                Ok((Outcome::Done, Next::Go))
            }
            Err(_) => self.could_not_store(&name),
        }
    }

    fn show(&mut self, name: &[u8]) -> Result<(Outcome, Next), String> {
        let name = lossy(name);
        let found = self.machine.get(&name).map(|setting| {
            let text = setting.r#type.format(&setting.value).unwrap_or_default();
            format!(
                "{}:{} = {}\n",
                setting.name,
                setting.r#type.name(),
                lossy(&text)
            )
        });
        match found {
            Some(line) => {
                self.console.push_str(&line);
                Ok((Outcome::Done, Next::Go))
            }
            None => self.say(format!("Could not find \"{name}\"")),
        }
    }
}

fn truth(is_true: bool, otherwise: &str) -> Result<(Outcome, Next), String> {
    if is_true {
        Ok((Outcome::Done, Next::Go))
    } else {
        Err(otherwise.to_owned())
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
