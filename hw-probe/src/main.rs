//! `hw-probe`: shows what this machine is, what the grid counts of it, and what it would pay.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use hw_probe::report::{ClockCheck, Report, ReportOptions, render_table};
use hw_probe::root::Root;
use hw_probe::snapshot::{self, Snapshot, SnapshotError};
use hw_probe::{ProbeOptions, anonymise, smbios};

/// Shows what this machine is, what the ThreeFold Grid counts of it, and what it would pay.
///
/// Reads only; starts no other program. Works without root rights, with fewer details.
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
        hw-probe --smbios dump.bin            what a firmware table says"
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// Read another machine: a directory with its /proc and /sys, or a snapshot's archive
    #[arg(long, value_name = "PATH", global = true)]
    sysroot: Option<PathBuf>,

    /// Take the firmware's table from FILE (dmidecode --dump-bin, a bare table, Windows RSMB);
    /// without --sysroot nothing else is read
    #[arg(long, value_name = "FILE")]
    smbios: Option<PathBuf>,

    /// Replace serial numbers, UUIDs, world wide names, addresses and labels by keyed hashes
    #[arg(long, global = true)]
    anonymise: bool,

    /// Take the key of --anonymise from FILE, so that several reports can be compared; without it
    /// every report has its own
    #[arg(long, value_name = "FILE", requires = "anonymise")]
    anonymise_key: Option<PathBuf>,

    /// The true time in seconds since 1970 (`date +%s` on a machine that knows): says how far this
    /// machine's clock is off
    #[arg(long, value_name = "SECONDS", conflicts_with_all = ["sysroot", "smbios"])]
    reference_time: Option<i64>,

    /// Mount the EFI variables for the time of the probe if nobody has, as in an initramfs: tells
    /// about Secure Boot (needs root)
    #[arg(long, conflicts_with_all = ["sysroot", "smbios"])]
    mount_efivars: bool,

    /// End with exit status 2 when there are warnings
    #[arg(long)]
    strict: bool,

    /// Data format
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,

    /// Write to FILE instead of standard output (- is standard output)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Replace FILE if it exists
    #[arg(long, requires = "out")]
    force: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write all that the probe reads to a new archive, for a bug report or for --sysroot
    ///
    /// It has serial numbers and addresses in it; only its owner can read the file.
    Snapshot {
        /// The archive; an existing file is never replaced
        #[arg(value_name = "OUT.tar.zst")]
        out: PathBuf,
    },
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
    let table = arguments.smbios.as_deref().map(read_smbios).transpose()?;
    let root = match (&arguments.sysroot, &table) {
        (Some(path), _) => snapshot::open(path),
        // A foreign table says nothing about this machine's processors and disks.
        (None, Some(_)) => Ok(Root::empty()),
        (None, None) => Root::live().map_err(SnapshotError::from),
    }
    .map_err(|error| {
        Failure::new(with_sources(&error)).hint(error.hint().or_else(|| {
            Some(
                "--sysroot wants a snapshot, or a directory that holds another machine's proc and \
                 sys"
                .to_owned(),
            )
        }))
    })?;
    if let Some(Command::Snapshot { out }) = &arguments.command {
        return take_snapshot(root, out, arguments);
    }
    let options = ProbeOptions {
        smbios: table,
        mount_efivars: arguments.mount_efivars,
        ..ProbeOptions::default()
    };
    let mut inventory = hw_probe::probe(&root, &options);
    if arguments.anonymise {
        let key = anonymising_key(arguments.anonymise_key.as_deref())?;
        inventory = anonymise::inventory(&inventory, &key)
            .map_err(|error| Failure::new(with_sources(&error)).hint(error.hint()))?;
    }
    let code = if arguments.strict && !inventory.warnings.is_empty() {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    };
    let report_options = ReportOptions {
        clock: arguments.reference_time.map(clock_check),
        ..ReportOptions::default()
    };
    let report = Report::of(&inventory, &report_options);

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
            render_table(&report, width, colour)
        }
        Format::Json => serde_json::to_string_pretty(&report)
            .map(|json| json + "\n")
            .map_err(|error| Failure::new(format!("cannot write JSON: {error}")))?,
        Format::Yaml => serde_saphyr::to_string(&report)
            .map_err(|error| Failure::new(format!("cannot write YAML: {error}")))?,
    };
    match file {
        Some(path) => write_file(path, &text, arguments.force)?,
        None => print(&text)?,
    }
    Ok(code)
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

fn take_snapshot(root: Root, out: &Path, arguments: &Arguments) -> Result<ExitCode, Failure> {
    if arguments.anonymise {
        return Err(Failure::new(
            "a snapshot cannot be anonymised: firmware tables and devices' answers are kept as \
             they are",
        )
        .hint(Some(
            "share `hw-probe --anonymise -o json` instead, or the snapshot with whom you trust"
                .to_owned(),
        )));
    }
    if arguments.smbios.is_some() {
        return Err(Failure::new(
            "a snapshot holds what the probe reads of a machine; --smbios is no part of it",
        ));
    }
    let root = root.recording();
    let options = ProbeOptions {
        mount_efivars: arguments.mount_efivars,
        ..ProbeOptions::default()
    };
    let inventory = hw_probe::probe(&root, &options);
    let snapshot = Snapshot::of(&root).ok_or_else(|| Failure::new("nothing was recorded"))?;
    snapshot
        .create(out)
        .map_err(|error| Failure::new(with_sources(&error)).hint(error.hint()))?;
    print(&format!(
        "{}: {} files, directories and links; {} warnings\n",
        out.display(),
        snapshot.len(),
        inventory.warnings.len()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn anonymising_key(file: Option<&Path>) -> Result<anonymise::Key, Failure> {
    let key =
        match file {
            Some(path) => anonymise::Key::from_bytes(&std::fs::read(path).map_err(|error| {
                Failure::new(format!("cannot read {}: {error}", path.display()))
            })?),
            None => anonymise::Key::random(),
        };
    key.map_err(|error| Failure::new(with_sources(&error)).hint(error.hint()))
}

/// This machine's clock beside the given time.
fn clock_check(reference_unix_seconds: i64) -> ClockCheck {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    ClockCheck {
        machine_unix_seconds: now.tv_sec,
        reference_unix_seconds,
    }
}

fn read_smbios(path: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let fail = |error: io::Error| Failure::new(format!("cannot read {}: {error}", path.display()));
    let limit = u64::try_from(smbios::TABLE_MAX_BYTES)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(fail)?;
    // Said here, so that a wrong file is an error and not a report about nothing.
    smbios::load(&bytes)
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())).hint(error.hint()))?;
    Ok(bytes)
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
    let setting = |name: &str| {
        #[expect(
            clippy::disallowed_methods,
            reason = "the program's settings are read here only"
        )]
        std::env::var_os(name).filter(|value| !value.is_empty())
    };
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
