//! The report's part about the machine as a whole.

use std::fmt::Write as _;

use super::page::Page;
use super::table::known;
use crate::inventory::{Cpu, Firmware, Inventory};
use crate::text::Untrusted;
use crate::units::Bytes;

fn joined(parts: &[Option<&Untrusted>]) -> Option<String> {
    let parts: Vec<String> = parts.iter().flatten().map(ToString::to_string).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

pub(super) fn machine(page: &mut Page, inventory: &Inventory) {
    page.heading("Machine");
    let system = &inventory.system;
    if let Some(text) = joined(&[system.vendor.as_ref(), system.product.as_ref()]) {
        page.field("System", &text);
    }
    let board = &inventory.board;
    if let Some(text) = joined(&[board.vendor.as_ref(), board.product.as_ref()]) {
        page.field("Board", &text);
    }
    chassis(page, inventory);
    let bios = &inventory.bios;
    if let Some(text) = joined(&[
        bios.vendor.as_ref(),
        bios.version.as_ref(),
        bios.date.as_ref(),
    ]) {
        page.field("Firmware", &text);
    }
    let boot = match (inventory.boot.firmware, inventory.boot.secure_boot) {
        (Some(Firmware::Uefi), Some(true)) => "UEFI, Secure Boot on",
        (Some(Firmware::Uefi), Some(false)) => "UEFI, Secure Boot off",
        (Some(Firmware::Uefi), None) => "UEFI",
        (Some(Firmware::Bios), _) => "BIOS",
        _ => "unknown",
    };
    let boot = match inventory.boot.setup_mode {
        Some(true) => format!("{boot}, setup mode: no platform key"),
        _ => boot.to_owned(),
    };
    page.field("Boot", &boot);

    controllers(page, inventory);

    let cpu = &inventory.cpu;
    page.field("Processor", &known(cpu.model.as_ref()));
    let count = |n: Option<u32>, one: &str| match n {
        None => format!("? {one}s"),
        Some(1) => format!("1 {one}"),
        Some(n) => format!("{n} {one}s"),
    };
    page.field(
        "",
        &format!(
            "{}, {}, {}, {}",
            count(cpu.logical, "thread"),
            count(cpu.cores, "core"),
            count(cpu.sockets, "socket"),
            count(cpu.numa_nodes, "NUMA node"),
        ),
    );
    processor_details(page, cpu);
    page.field(
        "KVM",
        match cpu.hardware_virtualisation {
            Some(true) => "supported by the processor",
            Some(false) => "not offered by the processor",
            None => "unknown",
        },
    );

    let memory = &inventory.memory;
    let size = |bytes: Option<Bytes>| bytes.map_or_else(|| "?".to_owned(), |b| b.to_string());
    let at_least = if memory.installed_is_lower_bound {
        "at least "
    } else {
        ""
    };
    let populated = memory
        .dimms
        .iter()
        .filter(|d| d.is_system_memory && d.size_bytes != Some(Bytes(0)))
        .count();
    let mut text = format!(
        "{} usable, {at_least}{} installed",
        size(memory.usable_bytes),
        size(memory.installed_bytes)
    );
    if let Some(slots) = memory.slots {
        let _ = write!(text, ", {populated} of {slots} slots");
    }
    if let Some(ecc) = &memory.ecc {
        let _ = write!(text, ", ECC {ecc}");
    }
    page.field("Memory", &text);

    let virtualisation = &inventory.virtualisation;
    let text = match (virtualisation.is_virtual, virtualisation.kind.as_deref()) {
        (Some(false), _) => "none, bare metal".to_owned(),
        (Some(true), Some(kind)) => Untrusted::from(kind).to_string(),
        (Some(true), None) => "yes, hypervisor unknown".to_owned(),
        (None, _) => "unknown".to_owned(),
    };
    page.field("Virtual", &text);
}

fn chassis(page: &mut Page, inventory: &Inventory) {
    let chassis = &inventory.chassis;
    let mut text = joined(&[chassis.vendor.as_ref(), chassis.version.as_ref()]);
    if let Some(kind) = &chassis.kind {
        let kind = Untrusted::from(kind.as_str());
        text = Some(text.map_or_else(|| kind.to_string(), |text| format!("{text}, {kind}")));
    }
    if let Some(text) = text {
        page.field("Chassis", &text);
    }
}

/// What sits beside the processors: management, trust, accelerators.
fn controllers(page: &mut Page, inventory: &Inventory) {
    let safe = |text: &str| Untrusted::from(text).to_string();
    let bmc = &inventory.bmc;
    if bmc.present == Some(true) {
        let mut parts = vec!["present".to_owned()];
        let version = bmc.ipmi_version.as_deref();
        parts.extend(version.map(|version| format!("IPMI {}", safe(version))));
        parts.extend(bmc.interface.as_deref().map(safe));
        let firmware = bmc.firmware.as_ref();
        parts.extend(firmware.map(|firmware| format!("firmware {firmware}")));
        if bmc.host_network == Some(true) {
            parts.push("host network".to_owned());
        }
        page.field("BMC", &parts.join(", "));
    }
    let tpm = &inventory.tpm;
    if tpm.present == Some(true) {
        let version = tpm.version.as_deref().map_or_else(
            || "present".to_owned(),
            |version| format!("version {}", safe(version)),
        );
        page.field("TPM", &version);
    }
    for (index, gpu) in inventory.gpus.iter().flatten().enumerate() {
        let mut text = gpu.vendor.as_deref().map_or_else(
            || {
                let id = gpu.vendor_id.as_deref().unwrap_or("?");
                format!("vendor {}", safe(id))
            },
            safe,
        );
        match (&gpu.model, &gpu.device_id) {
            (Some(model), _) => {
                let _ = write!(text, " {model}");
            }
            (None, Some(id)) => {
                let _ = write!(text, " device {}", safe(id));
            }
            (None, None) => {}
        }
        if let Some(memory) = gpu.memory_bytes {
            let _ = write!(text, ", {memory}");
        }
        let _ = write!(text, ", at {}", gpu.address);
        if let Some(driver) = &gpu.driver {
            let _ = write!(text, ", {driver}");
        }
        page.field(if index == 0 { "GPU" } else { "" }, &text);
    }
}

fn processor_details(page: &mut Page, cpu: &Cpu) {
    for kind in cpu.core_kinds.iter().flatten() {
        let name = Untrusted::from(kind.name.as_str());
        let mut text = format!("{name} cores: {}, {} threads", kind.cores, kind.threads);
        if let Some(mhz) = kind.max_mhz {
            let _ = write!(text, ", up to {mhz} MHz");
        }
        page.field("", &text);
    }
    let Some(list) = &cpu.vulnerabilities else {
        return;
    };
    let open: Vec<String> = list
        .iter()
        .filter(|weakness| weakness.vulnerable == Some(true))
        .map(|weakness| Untrusted::from(weakness.name.as_str()).to_string())
        .collect();
    let text = match open.as_slice() {
        [] => format!("none open of {} the kernel knows", list.len()),
        open => format!("open to {}: {}", open.len(), open.join(", ")),
    };
    page.field("Weaknesses", &text);
}
