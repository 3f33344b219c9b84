//! Makes a configuration from a kernel source. The only place where this program runs `make`: only
//! Kconfig itself knows for certain what becomes of an option.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use image_builder::kernel_config::{Config, Fragment, ModuleOptions, Symbols};
use image_builder::payload::Selection;
use tempfile::TempDir;

use crate::blocking::Cancel;
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::progress::Progress;

/// The configuration of Linux that the fragments are put on.
const BASE: &str = "x86_64_defconfig";
/// How often a running command is looked at.
const POLL: Duration = Duration::from_millis(50);
/// As much of a command's complaint as fits an error.
const COMPLAINT_LINES: usize = 8;
/// Files deeper than in any kernel source.
const DEPTH_LIMIT: usize = 16;

/// What of an archive configuring needs; the drivers' code is a gigabyte more.
const NEEDED: [&str; 7] = [
    "*/Makefile*",
    "*/Kbuild*",
    "*/Kconfig*",
    "*/scripts/*",
    "*/arch/x86/configs/*",
    "*/arch/x86/*.sh",
    "*/include/config/*",
];

/// A configuration made from the fragments.
pub struct Made {
    pub config: Config,
    pub symbols: Symbols,
    pub drivers_not_built: BTreeMap<String, Vec<String>>,
}

/// Merges the fragments on the source's own configuration and lets its `make` settle the rest.
pub fn make(
    source: &Path,
    fragments: &[Fragment],
    progress: &mut Progress,
    cancel: &Cancel,
) -> Outcome<Made> {
    let work = tempfile::Builder::new()
        .prefix("farmer-kernel-")
        .tempdir()
        .map_err(|error| Failure::io("creating a directory in", &std::env::temp_dir(), error))?;
    let tree = unpacked(source, &work, progress, cancel)?;
    let output = work.path().join("output");
    fs::create_dir(&output).map_err(|error| Failure::io("creating", &output, error))?;

    progress.stage(&format!("running make {BASE} in {}", output.display()));
    run_make(&tree, &output, BASE, cancel)?;
    let file = output.join(".config");
    let merged = Fragment::merge(fragments, &super::read(&file)?);
    fs::write(&file, merged).map_err(|error| Failure::io("writing", &file, error))?;
    progress.stage(&format!(
        "running make olddefconfig in {}",
        output.display()
    ));
    run_make(&tree, &output, "olddefconfig", cancel)?;
    let config = super::read(&file)?;

    progress.stage("reading what options depend on");
    let mut read = |path: &str| {
        // The path stands in the source; it must not lead out of it.
        let plain = Path::new(path).components();
        let stays = plain
            .into_iter()
            .all(|c| matches!(c, std::path::Component::Normal(_)));
        let bytes = stays.then(|| fs::read(tree.join(path)).ok()).flatten()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let symbols = Symbols::read(&mut read);
    let mut options = ModuleOptions::default();
    for top in ["arch/x86", "block", "crypto", "drivers", "fs", "lib", "net"] {
        learn(&tree.join(top), 0, &mut options, cancel);
    }
    let selection = Selection::default_set()
        .map_err(|error| Failure::new(ExitStatus::Failed, error.to_string()))?;
    let drivers_not_built = options
        .not_built(&selection, &config)
        .into_iter()
        .map(|(module, options)| (module, options.into_iter().map(str::to_owned).collect()))
        .collect();
    Ok(Made {
        config,
        symbols,
        drivers_not_built,
    })
}

/// The source's directory; an archive is unpacked as far as it is needed.
fn unpacked(
    source: &Path,
    work: &TempDir,
    progress: &mut Progress,
    cancel: &Cancel,
) -> Outcome<PathBuf> {
    let source = fs::canonicalize(source).map_err(|error| Failure::io("opening", source, error))?;
    if source.is_dir() {
        return checked_tree(source);
    }
    progress.stage(&format!("unpacking {}", source.display()));
    let into = work.path().join("source");
    fs::create_dir(&into).map_err(|error| Failure::io("creating", &into, error))?;
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(&source).arg("-C").arg(&into);
    tar.args(["--strip-components=1", "--wildcards"])
        .args(NEEDED);
    // Patterns that match nothing are an error to tar, and no release has all of them.
    let complaint = run(
        &mut tar,
        "install Debian's packages tar and xz-utils",
        cancel,
    );
    match (checked_tree(into), complaint) {
        (Ok(tree), _) => Ok(tree),
        (Err(_), Err(failure)) => Err(failure),
        (Err(failure), Ok(())) => Err(failure),
    }
}

fn checked_tree(tree: PathBuf) -> Outcome<PathBuf> {
    if tree.join("arch/x86/configs").join(BASE).is_file() {
        return Ok(tree);
    }
    Err(Failure::new(
        ExitStatus::Failed,
        format!(
            "{} is no kernel source: it has no arch/x86/configs/{BASE}",
            tree.display()
        ),
    )
    .with_hint(
        "install Debian's package linux-source and name /usr/src/linux-source-VERSION.tar.xz",
    ))
}

fn run_make(tree: &Path, output: &Path, target: &str, cancel: &Cancel) -> Outcome<()> {
    let mut make = Command::new("make");
    make.arg("-s").arg("-C").arg(tree);
    make.arg(format!("O={}", output.display()));
    make.args(["ARCH=x86_64", target]);
    // Nobody's settings but those asked for; messages in the language of the tests.
    for variable in [
        "MAKEFLAGS",
        "MFLAGS",
        "KCONFIG_CONFIG",
        "KCONFIG_ALLCONFIG",
        "CROSS_COMPILE",
    ] {
        make.env_remove(variable);
    }
    make.env("LC_ALL", "C");
    let hint =
        "the last words above are make's; it needs Debian's packages make, gcc, flex and bison";
    run(&mut make, hint, cancel)
}

/// Ends the command with the work it was started for.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail where it has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(command: &mut Command, hint: &str, cancel: &Cancel) -> Outcome<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |error| Failure::io("running", Path::new(&name), error).with_hint(hint);
    // A file, not a pipe: nobody has to read while it runs.
    let mut said = tempfile::tempfile().map_err(failed)?;
    let err: File = said.try_clone().map_err(failed)?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(err);
    let mut running = Running(command.spawn().map_err(failed)?);
    let status = loop {
        cancel.check();
        if let Some(status) = running.0.try_wait().map_err(failed)? {
            break status;
        }
        std::thread::sleep(POLL);
    };
    if status.success() {
        return Ok(());
    }
    let mut text = Vec::new();
    // Without its words there is still its exit code.
    let _ = said.rewind().and_then(|()| said.read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines[lines.len().saturating_sub(COMPLAINT_LINES)..].join("\n");
    let failure =
        Failure::new(ExitStatus::Failed, last).context(format!("{name} ended with {status}"));
    Err(failure.with_hint(hint))
}

/// Reads all makefiles below a directory.
fn learn(dir: &Path, depth: usize, options: &mut ModuleOptions, cancel: &Cancel) {
    cancel.check();
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_dir && depth < DEPTH_LIMIT {
            learn(&entry.path(), depth + 1, options, cancel);
        } else if ["Makefile", "Kbuild"]
            .iter()
            .any(|name| entry.file_name() == *name)
            && let Ok(bytes) = fs::read(entry.path())
        {
            options.learn(&String::from_utf8_lossy(&bytes));
        }
    }
}
