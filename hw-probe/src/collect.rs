//! Reading a machine: one collector per section of the inventory.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::inventory::{Inventory, Warning};
use crate::root::Root;

/// What the caller knows better than the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeOptions {
    /// Contents of a file with the firmware's SMBIOS table, in any of the forms that
    /// [`crate::smbios::load`] takes, used instead of the root's own.
    pub smbios: Option<Vec<u8>>,
    /// Kernel name of the disk this system was started from (`sda`), which never counts as
    /// capacity. The caller recognises it by the label of our images.
    pub boot_medium_disk: Option<String>,
}

/// Reads a machine. Never fails: what cannot be read is `null` and a warning, and a collector that
/// panics loses its own section only.
#[must_use]
pub fn probe(root: &Root, options: &ProbeOptions) -> Inventory {
    let mut inventory = Inventory::default();
    let _ = (root, options);
    let _ = guarded("all", &mut inventory.warnings, |_| ());
    inventory
}

fn guarded<T: Default>(
    section: &str,
    warnings: &mut Vec<Warning>,
    collect: impl FnOnce(&mut Vec<Warning>) -> T,
) -> T {
    let mut own = Vec::new();
    let result = catch_unwind(AssertUnwindSafe(|| collect(&mut own)));
    warnings.append(&mut own);
    result.unwrap_or_else(|_| {
        warnings.push(Warning::new(
            section,
            "internal error while reading this section",
        ));
        T::default()
    })
}
