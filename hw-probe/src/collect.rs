//! Reading a machine: one collector per section of the inventory.

mod acpi;
mod bmc;
mod boot;
mod boot_medium;
mod cpu;
mod deadline;
mod disks;
mod dmi_memory;
mod efivars;
mod ethtool;
mod firmware;
mod memory;
mod mounts;
mod nics;
mod pci;
mod tpm;
mod udev;
mod virtualisation;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::inventory::{Boot, Inventory, Live, Warning};
use crate::overrides::DiskOverrides;
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
    /// What the operator says about disks; it goes before all evidence.
    pub overrides: DiskOverrides,
    /// Measure seek times of disks whose kind nothing else tells (`SeekTest` evidence). Reads only,
    /// but for about a second, and the numbers depend on what else the machine does.
    pub seek_test: bool,
    /// What the processor answers to CPUID leaf 4000_0000h (`KVMKVMKVM`), when a snapshot is read
    /// and the answer is known from elsewhere. The running machine is asked directly.
    pub hypervisor_signature: Option<String>,
    /// Mount the EFI variables for the time of the probe where nobody has, as in an initramfs:
    /// without them nothing is known about Secure Boot. Needs root rights, and is done on the
    /// running machine only.
    pub mount_efivars: bool,
}

/// Reads a machine. Never fails: what cannot be read is `null` and a warning, and a collector that
/// panics loses its own section only.
#[must_use]
pub fn probe(root: &Root, options: &ProbeOptions) -> Inventory {
    let mut warnings = Vec::new();
    let w = &mut warnings;
    // For the disks too: a boot loader leaves the name of its partition in a variable.
    let efivars = guarded("boot", w, |w| {
        options
            .mount_efivars
            .then(|| efivars::Mounted::new(root, w))
    });
    let firmware = guarded("firmware", w, |w| {
        firmware::collect(root, options.smbios.as_deref(), w)
    });
    let cpuinfo = guarded("cpu", w, |_| cpu::CpuInfo::read(root));
    let cpu = guarded("cpu", w, |w| {
        cpu::collect(root, &cpuinfo, &firmware.processors, w)
    });
    let memory = guarded("memory", w, |w| memory::collect(root, &firmware, w));
    let virtualisation = guarded("virtualisation", w, |_| {
        virtualisation::collect(
            root,
            options.hypervisor_signature.as_deref(),
            &cpuinfo,
            &firmware,
        )
    });
    let disks = guarded("disks", w, |w| disks::collect(root, options, w));
    let nics = guarded("nics", w, |w| nics::collect(root, w));
    let pci = guarded("pci", w, |_| pci::collect(root));
    let gpus = guarded("gpus", w, |_| {
        pci.as_deref()
            .map(|devices| pci::accelerators(root, devices))
    });
    let bmc = guarded("bmc", w, |w| bmc::collect(root, &firmware, w));
    let tpm = guarded("tpm", w, |_| tpm::collect(root, &firmware));
    let boot = Boot {
        medium: disks.boot_medium,
        ..guarded("boot", w, |w| boot::collect(root, &cpuinfo, w))
    };
    drop(efivars);
    let live = guarded("live", w, |_| live(root));
    Inventory {
        cpu,
        memory,
        disks: disks.list,
        nics,
        virtualisation,
        system: firmware.system,
        board: firmware.board,
        bios: firmware.bios,
        chassis: firmware.platform.chassis,
        pci,
        gpus,
        bmc,
        tpm,
        boot,
        live,
        warnings,
        ..Inventory::default()
    }
}

/// Momentary values. sysinfo reads fixed paths, which is right here and only here.
fn live(root: &Root) -> Option<Live> {
    let answer = root.ask("kernel", "load", || {
        let load = sysinfo::System::load_average().ok()?;
        let uptime = sysinfo::System::uptime().ok()?;
        let text = format!("{uptime} {} {} {}", load.one, load.five, load.fifteen);
        Some(text.into_bytes())
    })?;
    let text = String::from_utf8(answer).ok()?;
    let (uptime, loads) = text.split_once(' ')?;
    let loads: Vec<f64> = loads
        .split(' ')
        .filter_map(|load| load.parse().ok())
        .collect();
    Some(Live {
        uptime_seconds: uptime.parse().ok()?,
        load_average: loads.try_into().ok()?,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panicking_collector_loses_only_its_section() {
        let mut warnings = Vec::new();
        let value: Vec<u8> = guarded("disks", &mut warnings, |w| {
            w.push(Warning::new("disks", "said before"));
            panic!("on purpose")
        });
        assert!(value.is_empty());
        assert_eq!(warnings.len(), 2);
        assert_eq!(warnings[1].section, "disks");
    }

    #[test]
    fn an_empty_machine_is_all_unknown() {
        let inventory = probe(&Root::empty(), &ProbeOptions::default());
        assert_eq!(inventory.cpu.logical, None);
        assert_eq!(inventory.memory.usable_bytes, None);
        assert_eq!(inventory.virtualisation.is_virtual, None);
        assert_eq!(inventory.boot.firmware, None);
        assert!(inventory.disks.is_empty() && inventory.live.is_none());
    }

    #[test]
    fn the_running_machine_has_a_processor_and_memory() {
        let inventory = probe(&Root::live().unwrap(), &ProbeOptions::default());
        assert!(inventory.cpu.logical.unwrap() >= 1);
        assert!(inventory.memory.usable_bytes.unwrap().0 > 1 << 28);
        assert!(inventory.live.is_some());
    }
}
