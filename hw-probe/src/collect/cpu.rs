//! Processors: counted by the kernel's topology, named by `/proc/cpuinfo`.

mod cpuinfo;
mod kinds;
mod list;
mod numa;
mod topology;
mod vulnerabilities;

pub(super) use cpuinfo::{CpuInfo, Family};

use crate::inventory::{Cpu, CpuSource, Warning};
use crate::root::Root;
use crate::smbios::Processors;
use crate::text::Untrusted;

const CPU_DIR: &str = "/sys/devices/system/cpu";

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
        flags: info.plain_flags(),
        numa: numa::collect(root, warnings),
        vulnerabilities: vulnerabilities::collect(root),
        ..Cpu::default()
    };
    cpu.numa_nodes = cpu.numa.as_ref().map(|nodes| len(nodes.len()));
    if info.family == Family::X86 {
        cpu.family = info.number("cpu family");
        cpu.model_number = info.number("model");
        cpu.stepping = info.number("stepping");
        if !cpu.flags.is_empty() {
            cpu.hardware_virtualisation = Some(cpu.flags.iter().any(|f| f == "svm" || f == "vmx"));
        }
    }

    let threads = topology::Threads::read(root);
    if !threads.online.is_empty() {
        cpu.source = Some(CpuSource::Sysfs);
        cpu.logical = Some(len(threads.online.len()));
        cpu.present = Some(len(threads.present.max(threads.online.len())));
        let cores = topology::count(root, info, &threads, &mut cpu, warnings);
        kinds::collect(root, info, &cores, &mut cpu);
    } else if let Some(count) = cpuinfo::count(root) {
        cpu.source = Some(CpuSource::Cpuinfo);
        cpu.logical = Some(len(count));
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

/// N of the name `prefixN`.
fn number(name: &str, prefix: &str) -> Option<u32> {
    let digits = name.strip_prefix(prefix)?;
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()
}
