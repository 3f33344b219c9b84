//! A guest for asking other programs: Debian's kernel, busybox, and programs of the host, which run
//! on whatever hardware QEMU can imitate and send their answers back.
//!
//! The kernel starts directly (`-kernel`; OVMF takes it from QEMU too), so there is no medium to
//! build and a run takes seconds. It has all drivers that QEMU's devices need as modules and loads
//! those that the hardware asks for, as a distribution does.

mod initramfs;
mod kernel;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::guest::Guest;
use crate::machine::Machine;

/// What the guest writes before and after its answers on the second serial port. Firmware may have
/// written there as well.
const BEGIN: &str = "-----BEGIN ANSWERS-----";
const END: &str = "-----END ANSWERS-----";
/// What the guest says on its console when everything is sent.
const DONE: &str = "toolbox: done";

/// A kernel, an initial file system and the programs in it.
pub struct Toolbox {
    kernel: kernel::Kernel,
    initramfs: PathBuf,
    /// Holds the initramfs.
    _work: TempDir,
}

/// What to do in a guest.
#[derive(Debug, Clone, Copy)]
pub struct Errand<'a> {
    /// More of the kernel's command line.
    pub command_line: &'a str,
    /// Shell commands. They run in an empty directory; the files they leave there are the answers.
    pub script: &'a str,
    /// How long all of it may take.
    pub patience: Duration,
}

/// The files a guest left.
pub struct Answers {
    dir: TempDir,
}

impl Answers {
    /// The directory they are in.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// One of them as text.
    ///
    /// # Errors
    /// When it is not there or no text.
    pub fn text(&self, name: &str) -> Result<String> {
        std::fs::read_to_string(self.dir.path().join(name))
            .with_context(|| format!("the guest left no readable {name}"))
    }
}

impl Toolbox {
    /// A toolbox with these programs of the host. They keep their file names, and the shared
    /// libraries they need come along.
    ///
    /// # Errors
    /// When a program or package is missing; the error says what to install.
    pub fn new(programs: &[&Path]) -> Result<Self> {
        let kernel = kernel::Kernel::get()?;
        let work = tempfile::Builder::new().prefix("toolbox-").tempdir()?;
        let initramfs = initramfs::build(&kernel, programs, work.path())?;
        Ok(Self {
            kernel,
            initramfs,
            _work: work,
        })
    }

    /// Version of the kernel's Debian package.
    #[must_use]
    pub fn kernel_package(&self) -> &str {
        &self.kernel.package
    }

    /// Boots the machine, runs the errand in it and takes the answers.
    ///
    /// # Errors
    /// When the guest does not boot or the script fails; the error has the end of its console.
    pub fn run(&self, name: &str, machine: &Machine, errand: &Errand<'_>) -> Result<Answers> {
        let work = tempfile::Builder::new().prefix("toolbox-").tempdir()?;
        let port = work.path().join("answers");
        let mut machine = machine.clone();
        let answers = crate::machine::prefixed("file:", &port);
        machine.extra.extend(["-serial".into(), answers]);
        let mut guest = self.start(name, &machine, errand)?;
        guest.wait_for(DONE, errand.patience)?;
        let told = std::fs::read(&port).context("reading the guest's second serial port")?;

        let told = String::from_utf8_lossy(&told);
        let answers = framed(&told)
            .with_context(|| format!("{name}: the guest's answers have no beginning or end"))?;
        unpack(answers).with_context(|| format!("{name}: unpacking the guest's answers"))
    }

    /// Boots the machine and leaves it to its errand, which need not end.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn start(&self, name: &str, machine: &Machine, errand: &Errand<'_>) -> Result<Guest> {
        let work = tempfile::Builder::new().prefix("toolbox-").tempdir()?;
        let initrd = initramfs::with_script(&self.initramfs, errand.script, work.path())?;
        let mut machine = machine.clone();
        let path = |path: &Path| path.as_os_str().to_owned();
        machine.extra.extend([
            "-kernel".into(),
            path(&self.kernel.image()),
            "-initrd".into(),
            path(&initrd),
            "-append".into(),
            format!(
                "console=ttyS0 quiet panic=-1 no_timer_check usb-storage.delay_use=0 {}",
                errand.command_line
            )
            .into(),
        ]);
        // QEMU has read the files when it answers.
        machine.boot(name)
    }
}

fn framed(told: &str) -> Option<&str> {
    let (_, rest) = told.split_once(BEGIN)?;
    Some(rest.split_once(END)?.0)
}

/// Unpacks a tar file in base64. Its checksum is gzip's.
fn unpack(base64: &str) -> Result<Answers> {
    let dir = tempfile::Builder::new().prefix("answers-").tempdir()?;
    let text = dir.path().join(".base64");
    std::fs::write(&text, base64.replace('\r', ""))?;
    let script = "base64 -d .base64 >.tar.gz && tar -xzf .tar.gz && rm .base64 .tar.gz";
    run(Command::new("sh")
        .args(["-ec", script])
        .current_dir(dir.path()))?;
    Ok(Answers { dir })
}

/// Runs a program of the host and returns what it printed.
fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("starting {program} ({})", hint(&program)))?;
    if !output.status.success() {
        let arguments: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
        bail!(
            "{program} {}: {}\n{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Which package has a program.
fn hint(program: &str) -> String {
    let package = match Path::new(program)
        .file_name()
        .and_then(|name| name.to_str())
    {
        Some("dpkg-deb") => "dpkg",
        Some("apt-get" | "apt-cache") => "apt",
        Some("depmod") => "kmod",
        Some("ldd") => "libc-bin",
        Some("strip") => "binutils",
        Some("busybox") => "busybox-static",
        Some("lscpu" | "lsblk" | "lsmem") => "util-linux",
        Some(other) => other,
        None => program,
    };
    format!("Debian: apt-get install {package}")
}

#[cfg(test)]
mod tests {
    use super::framed;

    #[test]
    fn answers_are_found_among_what_firmware_writes() {
        let told = "BdsDxe: loading\n-----BEGIN ANSWERS-----\nAAAA\n-----END ANSWERS-----\n";
        assert_eq!(framed(told), Some("\nAAAA\n"));
        assert_eq!(framed("-----BEGIN ANSWERS-----\nAAA"), None);
    }
}
