//! EFI variables where nothing has mounted their file system, as in an initramfs.

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::inventory::Warning;
use crate::root::Root;

const EFI: &str = "/sys/firmware/efi";
/// Where everybody expects them.
pub(super) const DIR: &str = "/sys/firmware/efi/efivars";

/// The variables, mounted for as long as this lives.
#[derive(Default)]
pub(super) struct Mounted(bool);

impl Mounted {
    /// Mounts the variables read-only, unless they are there already, or this is not the running
    /// machine, or it was not started through UEFI. Failure is a warning.
    pub(super) fn new(root: &Root, warnings: &mut Vec<Warning>) -> Self {
        if !root.is_live() || !root.exists(EFI) || !root.names(DIR).is_empty() {
            return Self(false);
        }
        let flags =
            MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        match mount("efivarfs", DIR, "efivarfs", flags, None) {
            Ok(()) => Self(true),
            Err(error) => {
                let text = format!("cannot mount the EFI variables: {error}");
                warnings.push(Warning::new("boot", text));
                Self(false)
            }
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.0 {
            // A thread that still hangs in a file of it keeps it alive, but nobody sees it.
            let _ = unmount(DIR, UnmountFlags::DETACH);
        }
    }
}
