//! The pseudo file systems a Linux user land stands on.

use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};

/// A file system that could not be mounted.
#[derive(Debug, thiserror::Error)]
#[error("{kind} is not on {target}")]
pub struct MountError {
    kind: &'static str,
    target: &'static str,
    #[source]
    source: Errno,
}

/// Mounts everything that is needed before the first line is printed, and goes on where one fails.
pub fn early() -> Vec<MountError> {
    let safe = MountFlags::NOSUID | MountFlags::NOEXEC;
    [
        // First: in a static binary the random number generator may open /dev/urandom.
        on("devtmpfs", "/dev", MountFlags::NOSUID, c"mode=0755"),
        on("proc", "/proc", safe | MountFlags::NODEV, c""),
        on("sysfs", "/sys", safe | MountFlags::NODEV, c""),
        on(
            "tmpfs",
            "/run",
            MountFlags::NOSUID | MountFlags::NODEV,
            c"mode=0755,size=16m",
        ),
    ]
    .into_iter()
    .filter_map(Result::err)
    .collect()
}

/// Mounts the firmware's variables if the machine was started by UEFI. Needs the module loader.
pub fn efivars() -> Option<MountError> {
    if !Path::new("/sys/firmware/efi").is_dir() {
        return None;
    }
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
    // Read-only: nothing here writes variables, and a wrong write can brick a board.
    let flags = flags | MountFlags::RDONLY;
    on("efivarfs", "/sys/firmware/efi/efivars", flags, c"").err()
}

fn on(
    kind: &'static str,
    target: &'static str,
    flags: MountFlags,
    data: &std::ffi::CStr,
) -> Result<(), MountError> {
    let _ = std::fs::create_dir_all(target);
    match mount(kind, target, kind, flags, data) {
        // Busy: the kernel mounted it already (CONFIG_DEVTMPFS_MOUNT).
        Ok(()) | Err(Errno::BUSY) => Ok(()),
        Err(source) => Err(MountError {
            kind,
            target,
            source,
        }),
    }
}
