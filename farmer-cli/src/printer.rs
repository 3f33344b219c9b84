//! Everything the program says. Data goes to standard output (or the file of `--out`), messages go
//! to standard error; nothing else in the program writes to either.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anstream::AutoStream;
use hw_probe::text::Untrusted;
use serde::Serialize;

use crate::args::{ColorWhen, OutputFormat};
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::page::Page;

/// Data a command answers with: one structure for machines, one page for people.
pub trait Show: Serialize {
    /// Writes the form for people.
    fn show(&self, page: &mut Page);
}

/// What is said while a command works.
#[derive(Debug, Clone, Copy)]
pub enum Said<'a> {
    /// What is going on.
    Message(&'a str),
    /// What the user should act on.
    Warning(&'a str),
    /// The next stage of a long piece of work.
    Stage(&'a str),
    /// So many bytes of the stage are done, of so many.
    Bytes(u64, u64),
}

/// Takes what is said where standard error is not the place for it.
#[derive(Clone)]
pub struct Listener(Arc<dyn Fn(Said<'_>) + Send + Sync>);

impl Listener {
    /// Tells it.
    pub fn hear(&self, said: Said<'_>) {
        (self.0)(said);
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

/// The one way out.
#[derive(Debug, Clone)]
pub struct Printer {
    format: OutputFormat,
    color: anstream::ColorChoice,
    out: Option<PathBuf>,
    quiet: bool,
    listener: Option<Listener>,
}

impl Printer {
    /// `out` is the file for data; `None` or `-` is standard output.
    pub fn new(format: OutputFormat, color: ColorWhen, out: Option<PathBuf>, quiet: bool) -> Self {
        let color = match color {
            ColorWhen::Auto => anstream::ColorChoice::Auto,
            ColorWhen::Always => anstream::ColorChoice::Always,
            ColorWhen::Never => anstream::ColorChoice::Never,
        };
        let out = out.filter(|path| path != Path::new("-"));
        Self {
            format,
            color,
            out,
            quiet,
            listener: None,
        }
    }

    /// The same printer with somebody in the place of standard error.
    pub fn heard_by(&self, listener: impl Fn(Said<'_>) + Send + Sync + 'static) -> Self {
        Self {
            listener: Some(Listener(Arc::new(listener))),
            ..self.clone()
        }
    }

    /// Who takes what is said, if it is not standard error.
    pub fn listener(&self) -> Option<&Listener> {
        self.listener.as_ref()
    }

    /// The same printer with data on standard output, for commands whose `--out` is something else.
    pub fn to_stdout(&self) -> Self {
        Self {
            out: None,
            ..self.clone()
        }
    }

    /// Whether messages are wanted on a terminal that can redraw a line.
    pub fn stderr_is_live(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Whether standard output shows colour, for the TUI.
    pub fn stdout_has_color(&self) -> bool {
        match self.color {
            anstream::ColorChoice::Auto => {
                AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
            }
            choice => choice != anstream::ColorChoice::Never,
        }
    }

    /// Whether messages are unwanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether standard error shows colour, for the log writer.
    pub fn stderr_has_color(&self) -> bool {
        match self.color {
            anstream::ColorChoice::Auto => {
                AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
            }
            choice => choice != anstream::ColorChoice::Never,
        }
    }

    /// Prints a command's answer in the format asked for.
    pub fn data<T: Show>(&self, value: &T) -> Outcome<()> {
        match self.format {
            OutputFormat::Table => {
                let mut page = Page::default();
                value.show(&mut page);
                self.styled(&page.finish())
            }
            OutputFormat::Json => {
                let text = serde_json::to_string_pretty(value).map_err(unserialisable)?;
                self.raw(harmless(&text).as_bytes())
            }
            OutputFormat::Yaml => self.raw(yaml(value)?.as_bytes()),
        }
    }

    /// Prints an answer that is a file to edit: YAML for people too, in the order of its fields.
    pub fn document<T: Serialize>(&self, value: &T) -> Outcome<()> {
        let text = match self.format {
            OutputFormat::Json => {
                harmless(&serde_json::to_string_pretty(value).map_err(unserialisable)?)
            }
            OutputFormat::Table | OutputFormat::Yaml => serde_saphyr::to_string(value)
                .map_err(|error| Failure::new(ExitStatus::Failed, error.to_string()))?
                .replace(|c: char| !is_harmless(c), "\u{fffd}"),
        };
        self.raw(text.as_bytes())
    }

    /// Prints an answer as one line of JSON and flushes it: for programs that wait for that line.
    pub fn event<T: Show>(&self, value: &T) -> Outcome<()> {
        if self.format != OutputFormat::Json {
            return self.data(value);
        }
        let text = serde_json::to_string(value).map_err(unserialisable)?;
        self.raw(harmless(&text).as_bytes())
    }

    /// Prints an answer that takes the place of the one before: on a terminal the page is drawn
    /// anew, elsewhere answers follow each other (JSON: one line each).
    pub fn refresh<T: Show>(&self, value: &T) -> Outcome<()> {
        let is_page = self.format == OutputFormat::Table && self.out.is_none();
        if is_page && io::stdout().is_terminal() {
            self.raw(CLEAR.as_bytes())?;
        }
        self.event(value)
    }

    /// Writes bytes that are the answer themselves, such as a completion script.
    pub fn raw(&self, bytes: &[u8]) -> Outcome<()> {
        if let Some(path) = &self.out {
            return write_file(path, bytes);
        }
        stdout_result(write_all(io::stdout().lock(), bytes))
    }

    fn styled(&self, text: &str) -> Outcome<()> {
        if let Some(path) = &self.out {
            return write_file(
                path,
                anstream::adapter::strip_str(text).to_string().as_bytes(),
            );
        }
        let stream = AutoStream::new(io::stdout().lock(), self.color);
        stdout_result(write_all(stream, text.as_bytes()))
    }

    /// Tells what is going on; silent with `--quiet`.
    pub fn message(&self, text: &str) {
        if let Some(listener) = &self.listener {
            listener.hear(Said::Message(text));
        } else if !self.quiet {
            self.stderr(&format!("{text}\n"));
        }
    }

    /// Asks the user something: shown even with `--quiet`, and without a line break.
    pub fn prompt(&self, text: &str) {
        self.stderr(text);
    }

    /// Tells what the user should act on.
    pub fn warning(&self, text: &str) {
        match &self.listener {
            Some(listener) => listener.hear(Said::Warning(text)),
            None => self.stderr(&format!("{YELLOW}warning{RESET}: {text}\n")),
        }
    }

    /// Reports why the command failed: `error`, `caused by`, a blank line, `hint`.
    pub fn failure(&self, failure: &Failure) {
        if failure.stdout_closed {
            return;
        }
        let text = match self.format {
            OutputFormat::Json => failure_json(failure),
            OutputFormat::Table | OutputFormat::Yaml => failure_text(failure),
        };
        self.stderr(&text);
    }

    fn stderr(&self, text: &str) {
        let stream = AutoStream::new(io::stderr().lock(), self.color);
        // Without standard error there is nowhere left to complain.
        let _ = write_all(stream, text.as_bytes());
    }
}

/// To the corner, and clear the screen.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";
const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const CYAN: &str = "\u{1b}[1;36m";
const RESET: &str = "\u{1b}[0m";

fn failure_text(failure: &Failure) -> String {
    let chain = failure.chain();
    let mut text = String::new();
    for (depth, message) in chain.iter().enumerate() {
        if depth == 0 {
            text.push_str(&format!("{RED}error{RESET}: {message}\n"));
        } else {
            text.push_str(&format!("  caused by: {message}\n"));
        }
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("\n{CYAN}hint{RESET}: {hint}\n"));
    }
    text
}

fn failure_json(failure: &Failure) -> String {
    let chain = failure.chain();
    let object = serde_json::json!({
        "error": {
            "code": failure.status.code(),
            "kind": failure.status.name(),
            "message": chain.first(),
            "chain": chain.get(1..).unwrap_or_default(),
            "hint": failure.hint,
        }
    });
    harmless(&object.to_string())
}

/// JSON with a line break behind it, and with escapes for what a terminal would act on. serde_json
/// escapes ASCII controls only; C1 controls and bidirectional overrides would pass.
fn harmless(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        if is_harmless(c) {
            text.push(c);
        } else {
            // Outside strings JSON is ASCII, so this is inside one.
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text.push('\n');
    text
}

/// Whether a terminal only shows it.
fn is_harmless(c: char) -> bool {
    match c {
        '\n' | ' '..='~' => true,
        c if c.is_control() => false,
        c => c.is_whitespace() || !Untrusted::from(c.to_string()).is_blank(),
    }
}

/// YAML has no escapes outside quotes, so what a terminal would act on is replaced.
fn disarm(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) if !text.chars().all(is_harmless) => {
            *text = text.replace(|c: char| !is_harmless(c), "\u{fffd}");
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(disarm),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(disarm),
        _ => {}
    }
}

fn yaml<T: Serialize>(value: &T) -> Outcome<String> {
    // By way of JSON: both machine formats then show exactly the same fields and types.
    let mut value = serde_json::to_value(value).map_err(unserialisable)?;
    disarm(&mut value);
    let mut text = serde_saphyr::to_string(&value)
        .map_err(|error| Failure::new(ExitStatus::Failed, error.to_string()))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn unserialisable(error: serde_json::Error) -> Failure {
    Failure::new(
        ExitStatus::Failed,
        format!("cannot write the answer as JSON: {error}"),
    )
}

fn write_all(mut stream: impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

fn stdout_result(result: io::Result<()>) -> Outcome<()> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::closed_stdout(),
        _ => Failure::io("writing to", Path::new("standard output"), error),
    })
}

/// Writes a whole file or none: a full disk leaves what was there before.
fn write_file(path: &Path, bytes: &[u8]) -> Outcome<()> {
    let failed = |error| Failure::io("writing", path, error);
    let found = path.metadata().ok();
    if found
        .as_ref()
        .is_some_and(|found| found.file_type().is_block_device())
    {
        let message = format!(
            "{} is a disk, and this is an answer for a file",
            path.display()
        );
        return Err(Failure::new(ExitStatus::Usage, message));
    }
    if found.is_some_and(|found| !found.is_file()) {
        // A device or a pipe is written to, not replaced.
        return File::options()
            .write(true)
            .open(path)
            .and_then(|file| write_all(file, bytes))
            .map_err(failed);
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".farmer-").permissions(readable_by_all());
    let mut file = builder.tempfile_in(directory).map_err(failed)?;
    write_all(&mut file, bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn readable_by_all() -> std::fs::Permissions {
    // The user's umask still applies.
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Failure {
        Failure::new(ExitStatus::NotFound, "farm 7 does not exist")
            .context("reading the farm")
            .with_hint("`farmer farm list` shows what there is")
    }

    #[test]
    fn a_failure_reads_error_cause_blank_hint() {
        let text = anstream::adapter::strip_str(&failure_text(&sample())).to_string();
        assert_eq!(
            text,
            "error: reading the farm\n  caused by: farm 7 does not exist\n\n\
             hint: `farmer farm list` shows what there is\n"
        );
    }

    #[test]
    fn a_failure_in_json_is_one_object_on_one_line() {
        let value: serde_json::Value = serde_json::from_str(&failure_json(&sample())).unwrap();
        assert_eq!(value["error"]["code"], 6);
        assert_eq!(value["error"]["kind"], "not-found");
        assert_eq!(value["error"]["chain"][0], "farm 7 does not exist");
        assert_eq!(failure_json(&sample()).lines().count(), 1);
    }

    #[test]
    fn json_keeps_its_meaning_and_loses_its_teeth() {
        let value = serde_json::json!({ "name": "a\u{9b}2J\u{202e}b\u{7f} M\u{fc}ller \u{1f600}" });
        let text = harmless(&value.to_string());
        assert!(!text.contains(['\u{9b}', '\u{202e}', '\u{7f}']), "{text:?}");
        assert!(text.contains("M\u{fc}ller \u{1f600}"));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }

    #[test]
    fn yaml_reads_back_and_has_no_controls() {
        struct Evil;
        impl Serialize for Evil {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_map([("name", "a\u{9b}2J\u{1b}[1m: #x")])
            }
        }
        let text = yaml(&Evil).unwrap();
        assert!(!text.contains(['\u{9b}', '\u{1b}']), "{text:?}");
    }

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data.json");
        write_file(&path, b"one").unwrap();
        write_file(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let failure = write_file(&dir.path().join("no/such"), b"x").unwrap_err();
        assert!(failure.hint.unwrap().contains("create it first"));
    }
}
