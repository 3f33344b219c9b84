//! Kinds of cores: the fast and the economical ones of a hybrid processor.
//!
//! Cores of one kind do not all run equally fast: makers favour the best few of a chip by some
//! percent. So frequencies count only with a clear gap between them, and only where the kernel has
//! nothing better to tell cores apart by.

use std::collections::{BTreeMap, BTreeSet};

use super::topology::Core;
use super::{CPU_DIR, Family, cpuinfo::CpuInfo, len, list};
use crate::inventory::{CoreKind, Cpu};
use crate::root::Root;

/// Performance monitoring units of Intel's kinds of cores. A processor with one kind has `cpu`
/// instead.
const INTEL_KINDS: [(&str, &str); 3] = [
    ("cpu_core", "performance"),
    ("cpu_atom", "efficiency"),
    ("cpu_lowpower", "low-power"),
];
/// A kind of cores is slower than the next by more than a fifth; favoured cores of one kind differ
/// by less than a tenth.
const GAP_PERCENT: u64 = 80;

pub(super) fn collect(root: &Root, info: &CpuInfo, cores: &[Core], cpu: &mut Cpu) {
    let frequencies = frequencies(root, cores);
    cpu.max_mhz = frequencies.values().max().map(|khz| mhz(*khz));
    // Threads that belong to no known core are of no known kind either.
    let placed: usize = cores.iter().map(|core| core.threads.len()).sum();
    if cpu.logical != Some(len(placed)) {
        return;
    }
    let found = intel(root, info, cores)
        .or_else(|| capacities(root, info, cores))
        .or_else(|| by_frequency(info, cores, &frequencies));
    let Some(groups) = found else {
        return;
    };
    cpu.hybrid = Some(groups.len() > 1);
    cpu.core_kinds = Some(if groups.len() > 1 {
        groups
            .iter()
            .map(|group| kind(group, &frequencies))
            .collect()
    } else {
        Vec::new()
    });
}

/// Cores of one kind.
struct Group<'a> {
    name: String,
    cores: Vec<&'a Core>,
}

fn kind(group: &Group<'_>, frequencies: &BTreeMap<u32, u64>) -> CoreKind {
    let fastest = group
        .cores
        .iter()
        .filter_map(|core| frequencies.get(core.threads.first()?))
        .max();
    CoreKind {
        name: group.name.clone(),
        cores: len(group.cores.len()),
        threads: len(group.cores.iter().map(|core| core.threads.len()).sum()),
        max_mhz: fastest.map(|khz| mhz(*khz)),
    }
}

fn mhz(khz: u64) -> u32 {
    u32::try_from(khz / 1000).unwrap_or(u32::MAX)
}

/// Highest frequency in kHz by the first thread of every core; all or nothing, so that a machine
/// without frequency scaling costs one look.
fn frequencies(root: &Root, cores: &[Core]) -> BTreeMap<u32, u64> {
    let mut all = BTreeMap::new();
    for n in cores.iter().filter_map(|core| core.threads.first()) {
        let path = format!("{CPU_DIR}/cpu{n}/cpufreq/cpuinfo_max_freq");
        match root.number::<u64>(path) {
            Some(khz) => all.insert(*n, khz),
            None => return BTreeMap::new(),
        };
    }
    all
}

fn intel<'a>(root: &Root, info: &CpuInfo, cores: &'a [Core]) -> Option<Vec<Group<'a>>> {
    if info.family != Family::X86 {
        return None;
    }
    let mut groups = Vec::new();
    let mut placed = 0;
    for (unit, name) in INTEL_KINDS {
        let Some(text) = root.text(format!("/sys/devices/{unit}/cpus")) else {
            continue;
        };
        let members: BTreeSet<u32> = list::parse(&text).into_iter().collect();
        let cores: Vec<&Core> = cores
            .iter()
            .filter(|core| core.threads.iter().all(|n| members.contains(n)))
            .collect();
        placed += cores.len();
        if !cores.is_empty() {
            groups.push(Group {
                name: name.to_owned(),
                cores,
            });
        }
    }
    if placed == 0 {
        let one_kind =
            info.field("vendor_id") == Some("GenuineIntel") && root.exists("/sys/devices/cpu/type");
        return one_kind.then(|| one(cores)).flatten();
    }
    // Lists that leave cores out, or name them twice, are not understood.
    (placed == cores.len()).then_some(groups)
}

fn one(cores: &[Core]) -> Option<Vec<Group<'_>>> {
    (!cores.is_empty()).then(|| {
        vec![Group {
            name: String::new(),
            cores: cores.iter().collect(),
        }]
    })
}

/// ARM and RISC-V: how much a core gets done, as the scheduler sees it. On x86 the number follows
/// the favoured cores too and tells no kinds.
fn capacities<'a>(root: &Root, info: &CpuInfo, cores: &'a [Core]) -> Option<Vec<Group<'a>>> {
    if info.family == Family::X86 {
        return None;
    }
    let mut kinds: BTreeMap<u64, Vec<&Core>> = BTreeMap::new();
    for core in cores {
        let n = core.threads.first()?;
        let capacity = root.number(format!("{CPU_DIR}/cpu{n}/cpu_capacity"))?;
        kinds.entry(capacity).or_default().push(core);
    }
    (!kinds.is_empty()).then(|| numbered(kinds.into_values().rev()))
}

fn by_frequency<'a>(
    info: &CpuInfo,
    cores: &'a [Core],
    frequencies: &BTreeMap<u32, u64>,
) -> Option<Vec<Group<'a>>> {
    if frequencies.is_empty() {
        return None;
    }
    let of = |core: &Core| {
        core.threads
            .first()
            .and_then(|n| frequencies.get(n).copied())
            .unwrap_or(0)
    };
    let mut sorted: Vec<&Core> = cores.iter().collect();
    sorted.sort_by_key(|core| std::cmp::Reverse(of(core)));
    let mut groups: Vec<Vec<&Core>> = Vec::new();
    let mut slowest = 0_u64;
    for core in sorted {
        let khz = of(core);
        match groups.last_mut() {
            Some(group) if khz.saturating_mul(100) >= slowest.saturating_mul(GAP_PERCENT) => {
                group.push(core)
            }
            _ => groups.push(vec![core]),
        }
        slowest = khz;
    }
    Some(match (info.family, groups.as_slice()) {
        (Family::X86, [_, _]) => ["performance", "efficiency"]
            .into_iter()
            .zip(groups)
            .map(|(name, cores)| Group {
                name: name.to_owned(),
                cores,
            })
            .collect(),
        _ => numbered(groups.into_iter()),
    })
}

/// Kinds without names of their own, fastest first.
fn numbered<'a>(kinds: impl Iterator<Item = Vec<&'a Core>>) -> Vec<Group<'a>> {
    kinds
        .enumerate()
        .map(|(index, cores)| Group {
            name: format!("kind-{index}"),
            cores,
        })
        .collect()
}
