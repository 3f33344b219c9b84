//! `hw-probe`: shows what this machine is, what the grid counts of it, and what it would pay.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use hw_probe::args::{EstimateArgs, MachineArgs, MachineError, RewardArgs, SnapshotArgs};
use hw_probe::overrides::DiskOverrides;
use hw_probe::planning::estimate;
use hw_probe::report::{ClockCheck, Report, ReportOptions, render_estimate, render_table};
use hw_probe::settle::Settling;
use serde::{Deserialize, Serialize};

/// Shows what this machine is, what the ThreeFold Grid counts of it, and what it would pay.
///
/// Reads only; starts no other program. Works without root rights, with fewer details. Words on
/// disks in `[disks]` of ~/.config/farmer/config.toml are heeded.
#[derive(Debug, Parser)]
#[command(
    name = "hw-probe",
    version,
    after_help = "Examples:\n  \
        hw-probe                              this machine, for people\n  \
        sudo hw-probe -o json --out me.json   everything, for programs\n  \
        hw-probe --anonymise -o json          without serial numbers and addresses\n  \
        sudo hw-probe snapshot me.tar.zst     all that was read, to be read elsewhere\n  \
        hw-probe --sysroot me.tar.zst         that other machine\n  \
        hw-probe --smbios dump.bin            what a firmware table says\n  \
        hw-probe --disk S4EWNX0R123456=ssd    what the disk does not say of itself\n  \
        hw-probe estimate --cru 16 --mru 64GiB --sru 2TB"
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    machine: MachineArgs,

    /// The true time in seconds since 1970 (`date +%s` on a machine that knows): says how far this
    /// machine's clock is off
    #[arg(long, value_name = "SECONDS", conflicts_with_all = ["sysroot", "smbios"])]
    reference_time: Option<i64>,

    /// End with exit status 2 when there are warnings
    #[arg(long)]
    strict: bool,

    /// Data format
    #[arg(short, long, value_enum, default_value_t = Format::Table, global = true)]
    output: Format,

    /// Write to FILE instead of standard output (- is standard output)
    #[arg(long, value_name = "FILE", global = true)]
    out: Option<PathBuf>,

    /// Replace the FILE of --out if it exists
    #[arg(long, requires = "out", global = true)]
    force: bool,

    #[command(flatten)]
    reward: RewardArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write all that the probe reads to a new archive, for a bug report or for --sysroot
    ///
    /// It has serial numbers and addresses in it; only its owner can read the file.
    Snapshot(SnapshotArgs),
    /// What a machine that you do not have yet would earn and cost
    Estimate(EstimateArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Aligned text for people
    Table,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// What went wrong and what to do about it.
struct Failure {
    message: String,
    hint: Option<String>,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    fn hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

impl From<MachineError> for Failure {
    fn from(error: MachineError) -> Self {
        Self::new(with_sources(&error)).hint(error.hint())
    }
}

fn main() -> ExitCode {
    // clap ends the process itself for --help (0) and for wrong usage (2).
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(failure) => {
            let mut text = format!("error: {}\n", failure.message);
            if let Some(hint) = failure.hint {
                text.push_str(&format!("hint: {hint}\n"));
            }
            // Nothing is left to do if even that cannot be written.
            let _ = io::stderr().lock().write_all(text.as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.command {
        Some(Command::Snapshot(args)) => {
            let taken = arguments.machine.snapshot(args, tell)?;
            print(&format!(
                "{}: {} files, directories and links; {} warnings\n",
                args.archive.display(),
                taken.entries,
                taken.warnings
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Estimate(_)) if arguments.machine.is_given() => Err(Failure::new(
            "estimate reads no machine: it takes --cru, --mru, --sru and --hru",
        )),
        Some(Command::Estimate(args)) => {
            let estimate = estimate(&args.inputs());
            answer(arguments, &estimate, |width, colour| {
                render_estimate(&estimate, width, colour)
            })?;
            Ok(ExitCode::SUCCESS)
        }
        None => report(arguments),
    }
}

fn report(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let inventory = arguments.machine.inventory(settings()?, tell)?;
    let options = ReportOptions {
        clock: arguments.reference_time.map(clock_check),
        ..arguments.reward.report_options()
    };
    let report = Report::of(&inventory, &options);
    answer(arguments, &report, |width, colour| {
        render_table(&report, width, colour)
    })?;
    Ok(if arguments.strict && !inventory.warnings.is_empty() {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    })
}

/// Prints in the format asked for, where it was asked for.
fn answer(
    arguments: &Arguments,
    value: &impl Serialize,
    render: impl FnOnce(usize, bool) -> String,
) -> Result<(), Failure> {
    let file = arguments
        .out
        .as_deref()
        .filter(|path| *path != Path::new("-"));
    let text = match arguments.output {
        Format::Table => {
            let (width, colour) = if file.is_some() {
                (80, false)
            } else {
                terminal()
            };
            render(width, colour)
        }
        Format::Json => serde_json::to_string_pretty(value)
            .map(|json| json + "\n")
            .map_err(|error| Failure::new(format!("cannot write JSON: {error}")))?,
        Format::Yaml => serde_saphyr::to_string(value)
            .map_err(|error| Failure::new(format!("cannot write YAML: {error}")))?,
    };
    match file {
        Some(path) => write_file(path, &text, arguments.force),
        None => print(&text),
    }
}

/// What has appeared while drivers are loading.
fn tell(now: &Settling) {
    let text = format!(
        "waiting for drivers: {} block devices, {} network interfaces\n",
        now.block.len(),
        now.net.len()
    );
    // Only progress; the report does not depend on it.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// The part of farmer's settings file that is about this machine.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    disks: DiskOverrides,
}

/// The operator's word on disks: that of the variable goes before that of the file.
fn settings() -> Result<DiskOverrides, Failure> {
    let mut disks = settings_file()?;
    if let Some(words) = setting("FARMER_DISKS") {
        let words = DiskOverrides::parse_list(&words.to_string_lossy())
            .map_err(|error| Failure::new(format!("FARMER_DISKS: {error}")))?;
        disks.extend(words);
    }
    Ok(disks)
}

/// A home that is none (`/dev/null`), or is another user's.
fn is_out_of_reach(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
    )
}

fn settings_file() -> Result<DiskOverrides, Failure> {
    let named = setting("FARMER_CONFIG").map(PathBuf::from);
    let absolute = |name| {
        setting(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let usual = || {
        let home = || absolute("HOME").map(|home| home.join(".config"));
        let base = absolute("XDG_CONFIG_HOME").or_else(home)?;
        Some(base.join("farmer/config.toml"))
    };
    let Some(path) = named.clone().or_else(usual) else {
        return Ok(DiskOverrides::default());
    };
    let at = path.display();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        // Only a file that somebody named must be there, and readable.
        Err(error) if is_out_of_reach(&error) && named.is_none() => String::new(),
        Err(error) => return Err(Failure::new(format!("cannot read {at}: {error}"))),
    };
    let settings: Settings = toml::from_str(&text).map_err(|error| {
        let hint = "[disks.\"WWN or serial number\"] has kind = \"ssd\", kind = \"hdd\" or \
                    ignore = true";
        Failure::new(format!("{at}: {}", error.to_string().trim_end())).hint(Some(hint.to_owned()))
    })?;
    Ok(settings.disks)
}

/// A variable that is set and not empty.
fn setting(name: &str) -> Option<std::ffi::OsString> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program's settings are read here only"
    )]
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new(format!(
            "cannot write to standard output: {error}"
        ))),
        Ok(()) => Ok(()),
    }
}

/// This machine's clock beside the given time.
fn clock_check(reference_unix_seconds: i64) -> ClockCheck {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    ClockCheck {
        machine_unix_seconds: now.tv_sec,
        reference_unix_seconds,
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(&format!(": {inner}"));
        source = inner.source();
    }
    text
}

/// Width of the terminal and whether to colour, by the rules of no-color.org.
fn terminal() -> (usize, bool) {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return (80, false);
    }
    let width = rustix::termios::tcgetwinsize(&stdout)
        .ok()
        // A serial line does not know its size.
        .filter(|size| size.ws_col > 0)
        .map_or(80, |size| usize::from(size.ws_col).min(120));
    let dumb = setting("TERM").is_some_and(|term| term == "dumb");
    (width, setting("NO_COLOR").is_none() && !dumb)
}

/// Writes the whole file or none of it.
fn write_file(path: &Path, text: &str, replace: bool) -> Result<(), Failure> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    let fail = |error: io::Error| {
        let failure = Failure::new(format!("cannot write {}: {error}", path.display()));
        let exists = error.kind() == io::ErrorKind::AlreadyExists;
        failure.hint(exists.then(|| "give another name, or --force to replace it".to_owned()))
    };
    let name = path
        .file_name()
        .ok_or_else(|| Failure::new(format!("{} names no file", path.display())))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(temporary);
    let write = || -> io::Result<()> {
        let mut file = std::fs::File::options()
            .write(true)
            .create_new(true)
            .open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        if replace {
            return std::fs::rename(&temporary, path);
        }
        match renameat_with(CWD, &temporary, CWD, path, RenameFlags::NOREPLACE) {
            // Some network file systems cannot; a hard link does not replace either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                std::fs::hard_link(&temporary, path)?;
                std::fs::remove_file(&temporary)
            }
            result => Ok(result?),
        }
    };
    write().map_err(|error| {
        // Also when the temporary file could not be made: then there is none to remove.
        let _ = std::fs::remove_file(&temporary);
        fail(error)
    })
}
