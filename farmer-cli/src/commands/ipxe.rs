//! `farmer ipxe`

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use hw_probe::text::Untrusted;
use image_builder::ipxe::{
    self, BinaryError, Capabilities, Command, Delivery, End, Evidence, Generation, Kind,
    Outcome as StepOutcome, SettingError, Settings, Severity,
};
use serde::Serialize;

use super::Context;
use crate::args::{IpxeLintArgs, IpxeShowArgs, IpxeTraceArgs};
use crate::exit::ExitStatus;
use crate::failure::{Classify, Doing as _, Failure, Outcome};
use crate::page::{Align, Page};
use crate::printer::Show;

/// iPXE itself is below 2 MB, its scripts below a few kB.
const LIMIT_BYTES: u64 = 16 << 20;

impl Classify for BinaryError {}

impl Classify for SettingError {
    fn status(&self) -> ExitStatus {
        ExitStatus::Usage
    }
}

/// The answer of `lint`.
#[derive(Serialize)]
struct Linted {
    path: String,
    /// The build the script was held to.
    ipxe: String,
    errors: usize,
    warnings: usize,
    findings: Vec<LintedFinding>,
}

#[derive(Serialize)]
struct LintedFinding {
    severity: &'static str,
    line: usize,
    column: usize,
    rule: &'static str,
    message: String,
    hint: String,
}

impl Show for Linted {
    fn show(&self, page: &mut Page) {
        page.field("script", &self.path).field("for", &self.ipxe);
        let result = match (self.errors, self.warnings) {
            (0, 0) => "nothing to say".to_owned(),
            (errors, warnings) => format!("{errors} errors, {warnings} warnings"),
        };
        page.field("result", result);
        for finding in &self.findings {
            page.line("")
                .line(format!(
                    "line {}, column {}: {}: {}",
                    finding.line,
                    finding.column,
                    finding.severity,
                    Untrusted::from(finding.message.as_str())
                ))
                .line(format!("  {}", Untrusted::from(finding.hint.as_str())));
        }
    }
}

/// `farmer ipxe lint`
pub fn lint(context: &Context<'_>, args: &IpxeLintArgs) -> Outcome<ExitStatus> {
    let script = script(&args.file)?;
    let capabilities = match &args.binary {
        Some(binary) => capabilities(binary)?,
        None => Capabilities::oldest(Kind::Lkrn),
    };
    let findings: Vec<LintedFinding> = ipxe::lint(&script, &capabilities)
        .into_iter()
        .map(|finding| LintedFinding {
            severity: match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            line: finding.place.line,
            column: finding.place.column,
            rule: finding.rule,
            message: finding.message,
            hint: finding.hint,
        })
        .collect();
    let errors = findings.iter().filter(|f| f.severity == "error").count();
    let answer = Linted {
        path: args.file.display().to_string(),
        ipxe: build(&capabilities),
        errors,
        warnings: findings.len() - errors,
        findings,
    };
    context.printer.data(&answer)?;
    Ok(if errors == 0 {
        ExitStatus::Ok
    } else {
        ExitStatus::Partial
    })
}

/// The answer of `trace`.
#[derive(Serialize)]
struct Traced {
    path: String,
    steps: Vec<TracedStep>,
    /// What the screen shows, usage texts shortened.
    console: String,
    /// `finished`, `exit`, `failed`, `handed-over`, `endless` or `unfinished`.
    end: &'static str,
    /// Where it ended, if at a command.
    line: Option<usize>,
    /// The status of `exit`.
    status: Option<u32>,
}

#[derive(Serialize)]
struct TracedStep {
    line: usize,
    column: usize,
    words: Vec<String>,
    /// `done`, `assumed` or `failed`.
    outcome: &'static str,
    reason: Option<String>,
}

impl Show for Traced {
    fn show(&self, page: &mut Page) {
        let rows: Vec<Vec<String>> = self
            .steps
            .iter()
            .map(|step| {
                let outcome = step.reason.as_deref().map_or_else(
                    || step.outcome.to_owned(),
                    |reason| format!("{}: {}", step.outcome, Untrusted::from(reason)),
                );
                vec![
                    step.line.to_string(),
                    Untrusted::from(step.words.join(" ").as_str()).to_string(),
                    outcome,
                ]
            })
            .collect();
        page.table(
            &[
                ("LINE", Align::Right),
                ("COMMAND", Align::Left),
                ("OUTCOME", Align::Left),
            ],
            &rows,
        );
        if !self.console.is_empty() {
            page.heading("The screen shows");
            for line in self.console.lines() {
                page.line(Untrusted::from(line));
            }
        }
        let at = self
            .line
            .map_or(String::new(), |line| format!(" at line {line}"));
        let status = self
            .status
            .map_or(String::new(), |status| format!(" {status}"));
        page.line("")
            .field("end", format!("{}{status}{at}", self.end));
    }
}

/// `farmer ipxe trace`
pub fn trace(context: &Context<'_>, args: &IpxeTraceArgs) -> Outcome<ExitStatus> {
    let script = script(&args.file)?;
    let mut machine = Settings::new();
    for setting in &args.set {
        let (name, value) = setting.split_once('=').ok_or_else(|| {
            Failure::new(ExitStatus::Usage, format!("--set {setting}: there is no ="))
                .with_hint("as in --set net0/mac=52:54:00:12:34:56")
        })?;
        machine.set(name, value).doing("reading --set")?;
    }
    for command in &args.fail {
        machine = machine.failing(command);
    }
    if let Some(binary) = &args.binary {
        machine = machine.on(&capabilities(binary)?);
    }
    let trace = ipxe::trace(&script, &machine);
    let steps = trace
        .steps
        .into_iter()
        .map(|step| {
            let (outcome, reason) = match step.outcome {
                StepOutcome::Done => ("done", None),
                StepOutcome::Assumed => ("assumed", None),
                StepOutcome::Failed(reason) => ("failed", Some(reason)),
            };
            TracedStep {
                line: step.place.line,
                column: step.place.column,
                words: step.words,
                outcome,
                reason,
            }
        })
        .collect();
    let (end, line, status) = match trace.end {
        End::Finished => ("finished", None, None),
        End::Exit(status) => ("exit", None, Some(status)),
        End::Failed(place) => ("failed", Some(place.line), None),
        End::HandedOver(place) => ("handed-over", Some(place.line), None),
        End::Endless => ("endless", None, None),
        End::Unfinished(place) => ("unfinished", Some(place.line), None),
    };
    context.printer.data(&Traced {
        path: args.file.display().to_string(),
        steps,
        console: trace.console,
        end,
        line,
        status,
    })?;
    Ok(ExitStatus::Ok)
}

/// The answer of `show`.
#[derive(Serialize)]
struct Shown {
    path: String,
    /// `lkrn`, `pxe` or `efi`.
    kind: &'static str,
    version: Option<String>,
    like: &'static str,
    /// `words`, `version` or `assumed`.
    known_from: &'static str,
    schemes: Vec<&'static str>,
    https: bool,
    autoexec: bool,
    load_options: bool,
    /// How a script on a medium reaches it.
    delivery: Option<&'static str>,
    /// Why none does.
    no_delivery: Option<String>,
    commands: Vec<&'static str>,
    missing_commands: Vec<&'static str>,
}

impl Show for Shown {
    fn show(&self, page: &mut Page) {
        let yes = |is: bool| if is { "yes" } else { "no" };
        page.field("binary", &self.path).field(
            "kind",
            match self.kind {
                "lkrn" => "BIOS, loaded like a Linux kernel",
                "pxe" => "BIOS, loaded by PXE",
                _ => "UEFI, x86-64",
            },
        );
        page.field("version", self.version.as_deref().unwrap_or("not said"))
            .field("like", self.like)
            .field(
                "known from",
                match self.known_from {
                    "words" => "the words in it",
                    "version" => "its version (it is packed)",
                    _ => "nothing: it is packed, and taken for the oldest in use",
                },
            );
        page.field("fetches over", self.schemes.join(", "))
            .field("https", yes(self.https))
            .field("autoexec", yes(self.autoexec))
            .field("load options", yes(self.load_options));
        page.field("script by", self.delivery.unwrap_or("no way from a medium"));
        if let Some(why) = &self.no_delivery {
            page.text(why);
        }
        page.heading("Commands").text(&self.commands.join(" "));
        page.heading("Not in it")
            .text(&self.missing_commands.join(" "));
    }
}

/// `farmer ipxe show`
pub fn show(context: &Context<'_>, args: &IpxeShowArgs) -> Outcome<ExitStatus> {
    let found = capabilities(&args.binary)?;
    let delivery = Delivery::on_medium(&found);
    let missing = Command::all().map(Command::name);
    let answer = Shown {
        path: args.binary.display().to_string(),
        kind: found.kind.name(),
        version: found.version.clone(),
        like: Generation::name(found.generation),
        known_from: match found.evidence {
            Evidence::Words => "words",
            Evidence::Version => "version",
            Evidence::Assumed => "assumed",
        },
        https: found.https(),
        autoexec: found.autoexec,
        load_options: found.load_options,
        delivery: delivery.as_ref().ok().map(|delivery| delivery.name()),
        no_delivery: delivery.err().map(|error| error.to_string()),
        missing_commands: missing.filter(|name| !found.has(name)).collect(),
        schemes: found.schemes.into_iter().collect(),
        commands: found.commands.into_iter().collect(),
    };
    context.printer.data(&answer)?;
    Ok(ExitStatus::Ok)
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LIMIT_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::io("reading", path, error))?;
    if bytes.len() as u64 > LIMIT_BYTES {
        let message = format!("{} is larger than anything of iPXE", path.display());
        return Err(Failure::new(ExitStatus::Failed, message));
    }
    Ok(bytes)
}

fn script(path: &Path) -> Outcome<String> {
    String::from_utf8(read(path)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let message = format!("{} is no text: byte {at} is not UTF-8", path.display());
        Failure::new(ExitStatus::Failed, message).with_hint("name an iPXE script")
    })
}

/// Reads what a binary can do.
pub fn capabilities(binary: &Path) -> Outcome<Capabilities> {
    Capabilities::of(&read(binary)?).doing(format!("reading {}", binary.display()))
}

/// A build in words.
pub fn build(capabilities: &Capabilities) -> String {
    let version = capabilities
        .version
        .as_deref()
        .unwrap_or("version not said");
    format!(
        "iPXE, {} ({version})",
        Generation::name(capabilities.generation)
    )
}
