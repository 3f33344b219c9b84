//! Which ACPI tables the firmware brought; their names are enough and may be read by everybody.

use crate::root::Root;

/// Names of the tables; `None` where they cannot be listed.
pub(super) fn tables(root: &Root) -> Option<Vec<String>> {
    let names = root.read_dir("/sys/firmware/acpi/tables").ok()?;
    // Every ACPI machine has some: an empty directory says nothing.
    (!names.is_empty()).then_some(names)
}

/// Whether any of these tables is there. The kernel numbers tables of one name (`SSDT2`).
pub(super) fn has(tables: Option<&[String]>, signatures: &[&str]) -> bool {
    tables
        .into_iter()
        .flatten()
        .filter_map(|name| name.get(..4))
        .any(|name| signatures.contains(&name))
}

/// Whether the firmware describes a device of this hardware id.
pub(super) fn has_device(root: &Root, id: &str) -> bool {
    root.names("/sys/bus/acpi/devices")
        .iter()
        .any(|name| name.split(':').next() == Some(id))
}
