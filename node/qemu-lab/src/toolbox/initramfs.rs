//! The guest's file system: busybox, programs of the host with their libraries, and drivers.

use std::fs::File;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::kernel::Kernel;
use super::{BEGIN, DONE, END, hint, run};

/// Process 1. It loads drivers in rounds: a controller's driver brings up devices that need drivers
/// of their own.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
known=
for round in 1 2 3 4 5; do
    aliases=$(find /sys/devices -name uevent -exec sed -n 's/^MODALIAS=//p' {} + | sort -u)
    [ "$aliases" = "$known" ] && break
    known=$aliases
    modprobe -a -q $aliases
    sleep 0.2
done
[ -d /sys/firmware/efi/efivars ] && modprobe efivarfs
# Waits until this many block devices are there; without them the tools say what is missing.
disks() {
    for tick in $(seq 150); do
        [ "$(ls /sys/block | wc -l)" -ge "$1" ] && return
        sleep 0.2
    done
}
mkdir -p /answers
cd /answers
. /script
stty -F /dev/ttyS1 raw 2>/dev/null
{
    echo @BEGIN@
    tar cf - . | gzip | base64
    echo @END@
} >/dev/ttyS1
echo "@DONE@"
poweroff -f
"#;

/// Builds the part that all runs share.
pub(super) fn build(kernel: &Kernel, programs: &[&Path], work: &Path) -> Result<PathBuf> {
    let tree = work.join("tree");
    for dir in ["bin", "dev", "proc", "sys", "tmp", "lib", "run", "etc"] {
        std::fs::create_dir_all(tree.join(dir))?;
    }
    let busybox = find("busybox")?;
    if !libraries(&busybox)?.is_empty() {
        bail!(
            "{} needs shared libraries ({})",
            busybox.display(),
            hint("busybox")
        );
    }
    std::fs::copy(&busybox, tree.join("bin/busybox"))?;
    for program in programs {
        let path = if program.is_absolute() {
            program.to_path_buf()
        } else {
            find(&program.to_string_lossy())?
        };
        let name = path.file_name().context("a program has a name")?;
        let target = tree.join("bin").join(name);
        std::fs::copy(&path, &target).with_context(|| format!("copying {}", path.display()))?;
        // Debugging symbols are most of a test build, and all of it goes through emulated memory.
        run(Command::new("strip").arg(&target))?;
        for library in libraries(&path)? {
            let target = tree.join(library.strip_prefix("/").unwrap_or(&library));
            if let Some(parent) = target.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::copy(&library, target)
                .with_context(|| format!("copying {}", library.display()))?;
        }
    }
    copy_tree(&kernel.modules(), &tree.join("lib/modules"))?;
    let init = INIT
        .replace("@BEGIN@", BEGIN)
        .replace("@END@", END)
        .replace("@DONE@", DONE);
    write_executable(&tree.join("init"), &init)?;
    // The kernel opens it before anything is mounted.
    symlink("bin/busybox", tree.join("linuxrc"))?;
    let archive = work.join("initramfs");
    pack(&tree, &archive)?;
    std::fs::remove_dir_all(&tree)?;
    Ok(archive)
}

/// The shared part and one run's script behind it: the kernel unpacks both.
pub(super) fn with_script(shared: &Path, script: &str, work: &Path) -> Result<PathBuf> {
    let tree = work.join("tree");
    std::fs::create_dir(&tree)?;
    std::fs::write(tree.join("script"), script)?;
    let own = work.join("script.cpio");
    pack(&tree, &own)?;
    let initrd = work.join("initrd");
    std::fs::copy(shared, &initrd)?;
    let mut file = File::options().append(true).open(&initrd)?;
    std::io::copy(&mut File::open(own)?, &mut file)?;
    Ok(initrd)
}

fn pack(tree: &Path, archive: &Path) -> Result<()> {
    let status = Command::new("sh")
        .args([
            "-ec",
            "find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0",
        ])
        .current_dir(tree)
        .stdin(Stdio::null())
        .stdout(File::create(archive)?)
        .status()?;
    if !status.success() {
        bail!(
            "packing the initramfs with cpio: {status} ({})",
            hint("cpio")
        );
    }
    Ok(())
}

/// Where the host has a program. `/sbin` is not in everybody's path.
fn find(program: &str) -> Result<PathBuf> {
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .iter()
        .map(|dir| Path::new(dir).join(program))
        .find(|path| path.is_file())
        .with_context(|| format!("{program} is not installed ({})", hint(program)))
}

/// The shared libraries of a program and its loader; none for a static one.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(program)
        .env("LC_ALL", "C")
        .output()
        .with_context(|| format!("starting ldd ({})", hint("ldd")))?;
    // ldd fails for a program that is no dynamic one, so its words count and not its status.
    let text = String::from_utf8_lossy(&output.stdout);
    let mut found = Vec::new();
    for line in text.lines() {
        if line.contains("not found") {
            bail!("{}: {}", program.display(), line.trim());
        }
        let path = line.split_whitespace().find(|word| word.starts_with('/'));
        found.extend(path.map(|path| PathBuf::from(path.trim_end_matches(':'))));
    }
    Ok(found)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn write_executable(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}
