//! Main memory: what the kernel can use, and what the firmware says is installed.

use crate::inventory::{Memory, Warning};
use crate::root::Root;
use crate::smbios::Firmware;
use crate::units::{Bytes, KIB, TIB};

/// No machine has more; what is above is a broken table or a tampered snapshot.
const USABLE_MAX: Bytes = Bytes(64 * TIB);

pub(super) fn collect(root: &Root, firmware: &Firmware, warnings: &mut Vec<Warning>) -> Memory {
    let mut warn = |text: String| warnings.push(Warning::new("memory", text));
    let mut usable = mem_total(root, "/proc/meminfo", "MemTotal:");
    if usable.is_none() {
        usable = node_sum(root);
        if usable.is_some() {
            warn("/proc/meminfo is missing: usable memory is the sum over the NUMA nodes".into());
        }
    }
    if let Some(bytes) = usable.filter(|bytes| *bytes > USABLE_MAX) {
        warn(format!(
            "the kernel claims {bytes} of memory, which cannot be"
        ));
        usable = None;
    }
    cross_check(root, usable, &mut warn);

    let mut installed = firmware.installed_bytes;
    let mut lower_bound = firmware.installed_is_lower_bound;
    if let (Some(have), Some(told)) = (usable, installed)
        && u128::from(have.0) * 100 > u128::from(told.0) * 102
    {
        warn(format!(
            "the firmware lists {told} of memory modules, but {have} are usable"
        ));
        installed = Some(have);
        lower_bound = true;
    }
    Memory {
        usable_bytes: usable,
        installed_bytes: installed,
        installed_is_lower_bound: lower_bound,
        ecc: firmware.ecc.clone(),
        slots: firmware.slots,
        dimms: firmware.dimms.clone(),
    }
}

/// Compares with what sysinfo finds on the running machine, which also knows of the limit that a
/// container may have been given: a farmer who probes inside one sees why it has less.
fn cross_check(root: &Root, usable: Option<Bytes>, warn: &mut impl FnMut(String)) {
    let answer = root.ask("kernel", "memory", || {
        let mut system = sysinfo::System::new().ok()?;
        system.refresh_memory_specifics(sysinfo::MemoryRefreshKind::nothing().with_ram());
        let total = system.total_memory();
        let limit = system
            .cgroup_limits()
            .map_or(0, |limits| limits.total_memory);
        Some(format!("{total} {limit}").into_bytes())
    });
    let numbers = answer.and_then(|answer| {
        let text = String::from_utf8(answer).ok()?;
        let (total, limit) = text.split_once(' ')?;
        Some((Bytes(total.parse().ok()?), Bytes(limit.parse().ok()?)))
    });
    let (Some(usable), Some((total, limit))) = (usable, numbers) else {
        return;
    };
    // By more than 5 %.
    let less = |a: Bytes, b: Bytes| u128::from(a.0) * 100 < u128::from(b.0) * 95;
    if total > Bytes::ZERO && (less(total, usable) || less(usable, total)) {
        warn(format!(
            "the kernel gives {usable} as usable, sysinfo {total}"
        ));
    }
    if limit > Bytes::ZERO && less(limit, usable) {
        warn(format!(
            "a control group limits programs here to {limit} of the {usable}"
        ));
    }
}

/// `MemTotal` of a meminfo file, whose lines end in `NUMBER kB` (kibibytes in truth).
pub(super) fn mem_total(root: &Root, path: &str, label: &str) -> Option<Bytes> {
    let text = root.text(path)?;
    let line = text
        .lines()
        .find_map(|line| line.split_once(label).map(|(_, rest)| rest))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Bytes(kib.checked_mul(KIB)?))
}

fn node_sum(root: &Root) -> Option<Bytes> {
    const NODES: &str = "/sys/devices/system/node";
    let sizes: Vec<Bytes> = root
        .names(NODES)
        .iter()
        .filter(|name| name.starts_with("node"))
        .filter_map(|name| mem_total(root, &format!("{NODES}/{name}/meminfo"), "MemTotal:"))
        .collect();
    (!sizes.is_empty()).then(|| sizes.into_iter().sum())
}
