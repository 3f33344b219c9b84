//! What belongs together: threads, cores, clusters, dies, packages, as the kernel schedules them.
//!
//! Every file costs a system call or four, and there are machines with a thousand threads: what a
//! file says of a whole group is read once for the group.

use std::collections::{BTreeMap, BTreeSet};

use super::{CPU_DIR, Family, cpuinfo::CpuInfo, len, list, number};
use crate::inventory::{Cpu, Warning};
use crate::root::Root;

/// The hardware threads.
pub(super) struct Threads {
    pub online: Vec<u32>,
    pub present: usize,
}

/// The online threads of one core; the first speaks for the core.
pub(super) struct Core {
    pub threads: Vec<u32>,
}

impl Threads {
    pub(super) fn read(root: &Root) -> Self {
        let read = |name: &str| {
            root.text(format!("{CPU_DIR}/{name}"))
                .map(|text| list::parse(&text))
                .unwrap_or_default()
        };
        let mut present = read("present").len();
        let mut online = read("online");
        if online.is_empty() {
            // Old kernels and thin snapshots: each processor says it for itself, the boot
            // processor often does not.
            let names = root.names(CPU_DIR);
            let all: Vec<u32> = names
                .iter()
                .filter_map(|name| number(name, "cpu"))
                .collect();
            let any_topology = all.iter().any(|n| has_topology(root, *n));
            online = all
                .iter()
                .copied()
                .filter(
                    |n| match root.text(format!("{CPU_DIR}/cpu{n}/online")).as_deref() {
                        Some("0") => false,
                        Some(_) => true,
                        None => !any_topology || has_topology(root, *n),
                    },
                )
                .collect();
            online.sort_unstable();
            present = present.max(all.len());
        }
        Self { online, present }
    }
}

fn has_topology(root: &Root, cpu: u32) -> bool {
    root.exists(format!("{CPU_DIR}/cpu{cpu}/topology"))
}

fn topology(root: &Root, cpu: u32, name: &str) -> Option<String> {
    root.text(format!("{CPU_DIR}/cpu{cpu}/topology/{name}"))
}

/// Counts what the kernel tells, and returns the cores; none when it tells of no core.
pub(super) fn count(
    root: &Root,
    info: &CpuInfo,
    threads: &Threads,
    cpu: &mut Cpu,
    warnings: &mut Vec<Warning>,
) -> Vec<Core> {
    let (cores, without) = cores(root, threads);
    if cores.is_empty() {
        warnings.push(Warning::new("cpu", "the kernel gives no core topology"));
    } else {
        if without > 0 {
            warnings.push(Warning::new(
                "cpu",
                format!("{without} threads without topology are taken as cores of their own"),
            ));
        }
        cpu.cores = Some(len(cores.len()).saturating_add(without));
        cpu.threads_per_core = cores.iter().map(|core| len(core.threads.len())).max();
        cpu.smt = cpu.threads_per_core.map(|most| most > 1);
    }
    let firsts: Vec<u32> = match cores.as_slice() {
        [] => threads.online.clone(),
        cores => cores
            .iter()
            .filter_map(|core| core.threads.first().copied())
            .collect(),
    };
    packages(root, info, &firsts, cpu, warnings);
    cpu.dies = groups(root, &firsts, "die");
    cpu.clusters = groups(root, &firsts, "cluster");
    cores
}

/// The online threads by core, and how many say nothing of theirs.
fn cores(root: &Root, threads: &Threads) -> (Vec<Core>, u32) {
    // New name first. Lists and masks are equally good as keys: equal sets are equal texts.
    const SIBLINGS: [&str; 4] = [
        "core_cpus_list",
        "thread_siblings_list",
        "core_cpus",
        "thread_siblings",
    ];
    let mut form = None;
    let mut sets: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let mut without = 0_u32;
    for n in &threads.online {
        let siblings = match form {
            Some(name) => topology(root, *n, name),
            None => SIBLINGS.into_iter().find_map(|name| {
                let text = topology(root, *n, name)?;
                form = Some(name);
                Some(text)
            }),
        };
        match siblings {
            Some(siblings) => sets.entry(siblings).or_default().push(*n),
            None => without += 1,
        }
    }
    let mut cores: Vec<Core> = sets.into_values().map(|threads| Core { threads }).collect();
    // By number rather than by text.
    cores.sort_by_key(|core| core.threads.first().copied());
    (cores, without)
}

fn packages(
    root: &Root,
    info: &CpuInfo,
    firsts: &[u32],
    cpu: &mut Cpu,
    warnings: &mut Vec<Warning>,
) {
    let packages: BTreeSet<String> = firsts
        .iter()
        .filter_map(|n| topology(root, *n, "physical_package_id"))
        .collect();
    let trusted = match info.family {
        Family::X86 => true,
        Family::S390 | Family::Power => false,
        // With a device tree the number is often that of a cluster; ACPI knows packages.
        Family::Arm | Family::Other => {
            root.exists("/sys/firmware/acpi") || root.exists("/sys/class/dmi/id")
        }
    };
    let valid = !packages.is_empty() && !packages.contains("-1");
    if trusted && valid {
        cpu.sockets = Some(len(packages.len()));
    } else if valid {
        warnings.push(Warning::new(
            "cpu",
            "the kernel's package number does not mean a socket here: sockets unknown",
        ));
    }
}

/// How many groups of a kind (`die`, `cluster`) the online cores form. The kernel gives every
/// thread a group of its own, and -1 or 65535 for a number, where it does not know.
fn groups(root: &Root, firsts: &[u32], kind: &str) -> Option<u32> {
    let (id, members) = (format!("{kind}_id"), format!("{kind}_cpus_list"));
    let mut seen = BTreeSet::new();
    let mut count = 0_u32;
    for n in firsts {
        if seen.contains(n) {
            continue;
        }
        let number: i64 = topology(root, *n, &id)?.parse().ok()?;
        if number < 0 || number == 0xffff {
            return None;
        }
        let group = list::parse(&topology(root, *n, &members)?);
        if !group.contains(n) {
            return None;
        }
        seen.extend(group);
        count += 1;
    }
    (count > 0).then_some(count)
}
