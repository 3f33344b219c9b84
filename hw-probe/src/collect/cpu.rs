//! Processors, from the kernel's topology. `/proc/cpuinfo` gives names and flags only: counting
//! cores by its ids is wrong on many real servers.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::{Cpu, CpuSource, Warning};
use crate::root::Root;
use crate::smbios::Processors;
use crate::text::Untrusted;

const CPU_DIR: &str = "/sys/devices/system/cpu";
/// `/proc/cpuinfo` of thousands of threads.
const CPUINFO_MAX_BYTES: usize = 32 * 1024 * 1024;
/// The first processor's entry with all its flags.
const CPUINFO_FIRST_BYTES: usize = 16 * 1024;
/// More hardware threads than any kernel is built for.
const CPUS_MAX: u32 = 65_536;

/// Instruction set family, as far as it changes how sysfs is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Family {
    X86,
    Arm,
    S390,
    Power,
    #[default]
    Other,
}

/// The first processor as `/proc/cpuinfo` describes it.
#[derive(Debug, Default)]
pub(super) struct CpuInfo {
    fields: BTreeMap<String, String>,
    pub family: Family,
}

impl CpuInfo {
    pub(super) fn read(root: &Root) -> Self {
        // The kernel asks every processor for its frequency; the first screenful is enough.
        let data = root
            .read_start("/proc/cpuinfo", CPUINFO_FIRST_BYTES)
            .unwrap_or_default();
        let text = String::from_utf8_lossy(&data);
        let mut fields = BTreeMap::new();
        for line in text.lines() {
            if let Some((key, value)) = line.split_once(':') {
                // The first processor's values: later ones do not replace them.
                fields
                    .entry(key.trim().to_owned())
                    .or_insert_with(|| value.trim().to_owned());
            }
        }
        let has = |key: &str| fields.contains_key(key);
        let vendor = fields.get("vendor_id").map_or("", String::as_str);
        let family = if vendor.starts_with("IBM/S390") {
            Family::S390
        } else if has("CPU implementer") || has("CPU architecture") {
            Family::Arm
        } else if fields
            .get("cpu")
            .is_some_and(|cpu| cpu.starts_with("POWER"))
            || fields
                .get("platform")
                .is_some_and(|p| p == "pSeries" || p == "PowerNV")
        {
            Family::Power
        } else if has("cpu family") && has("vendor_id") || has("flags") {
            Family::X86
        } else {
            Family::Other
        };
        Self { fields, family }
    }

    fn get(&self, keys: &[&str]) -> Option<&str> {
        keys.iter()
            .filter_map(|key| self.fields.get(*key))
            .map(String::as_str)
            .find(|value| !value.is_empty())
    }

    /// Feature flags of an x86 processor.
    pub(super) fn flags(&self) -> Option<impl Iterator<Item = &str>> {
        Some(
            self.get(&["flags", "Features", "features"])?
                .split_ascii_whitespace(),
        )
    }

    /// Whether the processor says that a hypervisor is above it; `None` where it cannot say.
    pub(super) fn hypervisor_flag(&self) -> Option<bool> {
        if self.family != Family::X86 {
            return None;
        }
        self.flags()
            .map(|mut flags| flags.any(|flag| flag == "hypervisor"))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub(super) fn field(&self, key: &str) -> Option<&str> {
        self.get(&[key])
    }
}

pub(super) fn collect(
    root: &Root,
    info: &CpuInfo,
    firmware: &Processors,
    warnings: &mut Vec<Warning>,
) -> Cpu {
    let text = |keys: &[&str]| info.get(keys).map(Untrusted::from);
    let mut cpu = Cpu {
        model: text(&["model name", "Model Name", "cpu model", "uarch"])
            .or_else(|| firmware.model.clone()),
        vendor: text(&["vendor_id", "CPU implementer"]).or_else(|| firmware.vendor.clone()),
        microcode: text(&["microcode"]),
        flags: flags(info),
        numa_nodes: count_numbered(root, "/sys/devices/system/node", "node"),
        ..Cpu::default()
    };
    if info.family == Family::X86 && !cpu.flags.is_empty() {
        cpu.hardware_virtualisation = Some(cpu.flags.iter().any(|f| f == "svm" || f == "vmx"));
    }

    let cpus = Topology::read(root);
    if !cpus.online.is_empty() {
        cpu.source = Some(CpuSource::Sysfs);
        cpu.logical = Some(len(cpus.online.len()));
        cpu.present = Some(len(cpus.present.max(cpus.online.len())));
        count_topology(root, info, &cpus, &mut cpu, warnings);
    } else if let Some(count) = cpuinfo_count(root) {
        cpu.source = Some(CpuSource::Cpuinfo);
        cpu.logical = Some(count);
    } else if firmware.sockets.is_some() {
        cpu.source = Some(CpuSource::Smbios);
        cpu.logical = firmware.threads;
        cpu.cores = firmware.cores;
        cpu.sockets = firmware.sockets;
        warnings.push(Warning::new(
            "cpu",
            "counts come from the firmware, not from the kernel",
        ));
    } else {
        warnings.push(Warning::new("cpu", "no processor topology found"));
    }
    cpu
}

fn len(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn flags(info: &CpuInfo) -> Vec<String> {
    // Flags are plain words; anything else in a snapshot is no flag.
    let plain = |flag: &&str| {
        flag.len() <= 32
            && flag
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
    };
    let unique: BTreeSet<&str> = info.flags().into_iter().flatten().filter(plain).collect();
    unique.into_iter().map(str::to_owned).collect()
}

/// How many `prefixN` a directory has; `None` for none.
fn count_numbered(root: &Root, dir: &str, prefix: &str) -> Option<u32> {
    let count = root
        .names(dir)
        .iter()
        .filter(|name| number(name, prefix).is_some())
        .count();
    (count > 0).then(|| len(count))
}

fn number(name: &str, prefix: &str) -> Option<u32> {
    let digits = name.strip_prefix(prefix)?;
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()
}

struct Topology {
    online: Vec<u32>,
    present: usize,
}

impl Topology {
    fn read(root: &Root) -> Self {
        let list = |name: &str| {
            root.text(format!("{CPU_DIR}/{name}"))
                .map(|text| parse_list(&text))
                .unwrap_or_default()
        };
        let mut present = list("present").len();
        let mut online = list("online");
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

fn count_topology(
    root: &Root,
    info: &CpuInfo,
    cpus: &Topology,
    cpu: &mut Cpu,
    warnings: &mut Vec<Warning>,
) {
    // New name first. Lists and masks are equally good as keys: equal sets are equal texts.
    const SIBLINGS: [&str; 4] = [
        "core_cpus_list",
        "thread_siblings_list",
        "core_cpus",
        "thread_siblings",
    ];
    let mut form = None;
    let mut cores = BTreeSet::new();
    let mut packages = BTreeSet::new();
    let mut without = 0_u32;
    for n in &cpus.online {
        let dir = format!("{CPU_DIR}/cpu{n}/topology");
        let read = |name: &str| root.text(format!("{dir}/{name}"));
        let siblings = match form {
            Some(name) => read(name),
            None => SIBLINGS.into_iter().find_map(|name| {
                let text = read(name)?;
                form = Some(name);
                Some(text)
            }),
        };
        match siblings {
            Some(siblings) => {
                cores.insert(siblings);
            }
            None => without += 1,
        }
        if let Some(package) = read("physical_package_id") {
            packages.insert(package);
        }
    }
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
    }
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

fn cpuinfo_count(root: &Root) -> Option<u32> {
    let data = root.read_up_to("/proc/cpuinfo", CPUINFO_MAX_BYTES).ok()?;
    let text = String::from_utf8_lossy(&data);
    let count = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| {
            let rest = key.trim().strip_prefix("processor");
            rest.is_some_and(|rest| rest.trim().bytes().all(|b| b.is_ascii_digit()))
        })
        .count();
    (count > 0).then(|| len(count))
}

/// The kernel's list format: `0-3,8,10-11`. Nonsense gives what was understood before it.
fn parse_list(text: &str) -> Vec<u32> {
    let mut list = Vec::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) else {
            break;
        };
        if last >= CPUS_MAX {
            break;
        }
        list.extend(first..=last);
        // A range that is repeated a thousand times is still one range, and no memory's end.
        if list.len() > CPUS_MAX as usize {
            break;
        }
    }
    list.sort_unstable();
    list.dedup();
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(parse_list("0-3,8,10-11\n"), [0, 1, 2, 3, 8, 10, 11]);
        assert!(parse_list("").is_empty());
        assert!(parse_list("5-2").is_empty());
        assert_eq!(parse_list("1,x,3"), [1]);
        assert!(parse_list("0-4294967295").is_empty());
        assert_eq!(parse_list("1,0-2,2"), [0, 1, 2]);
        assert_eq!(parse_list(&"0-65535,".repeat(8000)).len(), 65_536);
    }
}
