//! Whole machines: trees of `/proc` and `/sys` written by the tests, in the kernel's layout.

use std::os::unix::fs::symlink;

use hw_probe::inventory::{Disk, DiskKind, Firmware, Inventory, NicKind};
use hw_probe::root::Root;
use hw_probe::units::{Bytes, GIB};
use hw_probe::{ProbeOptions, probe};

/// A machine under construction.
pub struct Machine(tempfile::TempDir);

impl Machine {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn file(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.0.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub fn link(&self, path: &str, target: &str) -> &Self {
        let path = self.0.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
        self
    }

    pub fn cpu(&self, n: u32, siblings: &str, package: i32) -> &Self {
        let dir = format!("sys/devices/system/cpu/cpu{n}/topology");
        self.file(&format!("{dir}/core_cpus_list"), format!("{siblings}\n"))
            .file(
                &format!("{dir}/physical_package_id"),
                format!("{package}\n"),
            )
    }

    /// A disk at `device` (below `/sys/devices`), linked from `/sys/block`.
    pub fn disk(&self, name: &str, device: &str, gib: u64, attributes: &[(&str, &str)]) -> &Self {
        let dir = format!("sys/devices/{device}/block/{name}");
        let dir = if name.starts_with("nvme") {
            format!("sys/devices/{device}/{name}")
        } else {
            dir
        };
        self.file(&format!("{dir}/size"), (gib * GIB / 512).to_string());
        for (attribute, value) in attributes {
            self.file(&format!("{dir}/{attribute}"), value);
        }
        self.link(
            &format!("sys/block/{name}"),
            &format!("../../{dir}").replace("../../sys/", "../"),
        )
    }

    pub fn probe(&self) -> Inventory {
        self.probe_with(&ProbeOptions::default())
    }

    pub fn probe_with(&self, options: &ProbeOptions) -> Inventory {
        probe(&Root::at(self.0.path()).unwrap(), options)
    }
}

pub fn disk<'a>(disks: &'a [Disk], name: &str) -> &'a Disk {
    disks.iter().find(|disk| disk.name == name).unwrap()
}

pub const SATA: &str = "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0";

#[test]
fn cores_are_sibling_sets_of_online_threads() {
    let machine = Machine::new();
    machine
        .file("sys/devices/system/cpu/online", "0-5\n")
        .file("sys/devices/system/cpu/present", "0-7\n")
        .file("proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel name\t: Big \x1b[31mChip\nflags\t\t: fpu vmx sse2\n");
    for (n, siblings, package) in [
        (0, "0-1", 0),
        (1, "0-1", 0),
        (2, "2-3", 0),
        (3, "2-3", 0),
        (4, "4", 1),
        (5, "5", 1),
        (6, "6", 2),
    ] {
        machine.cpu(n, siblings, package);
    }
    machine
        .file("sys/devices/system/node/node0/x", "")
        .file("sys/devices/system/node/node2/x", "");
    let inventory = machine.probe();
    let cpu = &inventory.cpu;
    assert_eq!(
        (cpu.logical, cpu.present, cpu.cores),
        (Some(6), Some(8), Some(4))
    );
    assert_eq!((cpu.sockets, cpu.numa_nodes), (Some(2), Some(2)));
    assert_eq!(cpu.flags, ["fpu", "sse2", "vmx"]);
    assert_eq!(cpu.hardware_virtualisation, Some(true));
    assert_eq!(cpu.model.as_ref().unwrap().to_string(), "Big Chip");
    assert_eq!(inventory.virtualisation.is_virtual, Some(false));
    assert_eq!(inventory.virtualisation.kind.as_deref(), Some("none"));
}

#[test]
fn old_kernels_say_online_per_processor_and_siblings_as_masks() {
    let machine = Machine::new();
    machine.file(
        "proc/cpuinfo",
        "vendor_id : GenuineIntel\ncpu family : 15\nflags : fpu\n",
    );
    for (n, mask) in [
        (0, "00000003"),
        (1, "00000003"),
        (2, "0000000c"),
        (3, "0000000c"),
    ] {
        let dir = format!("sys/devices/system/cpu/cpu{n}");
        machine
            .file(&format!("{dir}/topology/thread_siblings"), mask)
            .file(&format!("{dir}/topology/physical_package_id"), "0");
        if n > 0 {
            machine.file(&format!("{dir}/online"), if n == 3 { "0" } else { "1" });
        }
    }
    let cpu = machine.probe().cpu;
    assert_eq!(
        (cpu.logical, cpu.cores, cpu.present),
        (Some(3), Some(2), Some(4))
    );
    assert_eq!(cpu.hardware_virtualisation, Some(false));
}

#[test]
fn package_numbers_of_device_tree_machines_are_not_sockets() {
    let machine = Machine::new();
    machine
        .file("sys/devices/system/cpu/online", "0-1")
        .file(
            "proc/cpuinfo",
            "processor : 0\nCPU implementer : 0x41\nCPU architecture: 8\n",
        )
        .cpu(0, "0", 0)
        .cpu(1, "1", 1);
    let cpu = machine.probe().cpu;
    assert_eq!(
        (cpu.cores, cpu.sockets, cpu.hardware_virtualisation),
        (Some(2), None, None)
    );
    machine.file("sys/class/dmi/id/sys_vendor", "Server Maker");
    assert_eq!(machine.probe().cpu.sockets, Some(2));
}

#[test]
fn memory_falls_back_to_nodes_and_rejects_the_impossible() {
    let machine = Machine::new();
    machine
        .file(
            "sys/devices/system/node/node0/meminfo",
            "Node 0 MemTotal:  1048576 kB\nNode 0 MemFree: 1 kB\n",
        )
        .file(
            "sys/devices/system/node/node1/meminfo",
            "Node 1 MemTotal:  1048576 kB\n",
        );
    assert_eq!(machine.probe().memory.usable_bytes, Some(Bytes(2 * GIB)));
    machine.file("proc/meminfo", "MemTotal:       399431958528 kB\n");
    let inventory = machine.probe();
    assert_eq!(inventory.memory.usable_bytes, None);
    assert!(
        inventory
            .warnings
            .iter()
            .any(|warning| warning.section == "memory")
    );
}

#[test]
fn network_interfaces() {
    let machine = Machine::new();
    let port = "sys/devices/pci0000:00/0000:00:1f.6/net/eno1";
    machine
        .file(&format!("{port}/address"), "AA:bb:cc:00:11:22\n")
        .file(&format!("{port}/type"), "1")
        .file(&format!("{port}/speed"), "1000")
        .file(&format!("{port}/carrier"), "1")
        .link(&format!("{port}/device"), "../../../0000:00:1f.6")
        .link(
            "sys/devices/pci0000:00/0000:00:1f.6/driver",
            "../../../bus/pci/drivers/e1000e",
        )
        .link(
            "sys/class/net/eno1",
            "../../devices/pci0000:00/0000:00:1f.6/net/eno1",
        )
        .file("sys/devices/virtual/net/lo/address", "00:00:00:00:00:00")
        .file("sys/devices/virtual/net/lo/type", "772")
        .link("sys/class/net/lo", "../../devices/virtual/net/lo")
        .file("sys/devices/virtual/net/br0/address", "02:00:00:00:00:01")
        .file("sys/devices/virtual/net/br0/type", "1")
        .file("sys/devices/virtual/net/br0/speed", "-1")
        .file("sys/devices/virtual/net/br0/carrier", "0")
        .link("sys/class/net/br0", "../../devices/virtual/net/br0")
        .file("sys/class/net/bonding_masters", "");
    let nics = machine.probe().nics;
    assert_eq!(nics.len(), 3);
    let nic = |name: &str| nics.iter().find(|nic| nic.name == name).unwrap();
    let eno1 = nic("eno1");
    assert_eq!(eno1.mac.as_ref().unwrap().raw(), "aa:bb:cc:00:11:22");
    assert_eq!(
        (eno1.speed_mbps, eno1.link, eno1.kind),
        (Some(1000), Some(true), NicKind::Ethernet)
    );
    assert_eq!(eno1.driver.as_ref().unwrap().raw(), "e1000e");
    assert_eq!((nic("lo").kind, &nic("lo").mac), (NicKind::Loopback, &None));
    let br0 = nic("br0");
    assert_eq!(
        (br0.kind, br0.speed_mbps, br0.link),
        (NicKind::Virtual, None, Some(false))
    );
}

#[test]
fn virtual_machines_are_recognised() {
    let cpuinfo = "vendor_id : GenuineIntel\ncpu family : 6\nflags : fpu hypervisor\n";
    for (files, kind) in [
        (vec![("sys/class/dmi/id/sys_vendor", "QEMU")], Some("qemu")),
        (
            vec![("sys/class/dmi/id/product_name", "VMware Virtual Platform")],
            Some("vmware"),
        ),
        (
            vec![("sys/class/dmi/id/product_name", "VirtualBox")],
            Some("virtualbox"),
        ),
        (
            vec![
                ("sys/class/dmi/id/sys_vendor", "Microsoft Corporation"),
                ("sys/class/dmi/id/product_name", "Virtual Machine"),
            ],
            Some("hyperv"),
        ),
        (vec![("sys/hypervisor/type", "xen")], Some("xen")),
        (
            vec![("sys/class/dmi/id/sys_vendor", "Amazon EC2")],
            Some("aws"),
        ),
        (
            vec![("proc/1/environ", "A=b\0container=lxc\0")],
            Some("lxc"),
        ),
        (vec![], None),
    ] {
        let machine = Machine::new();
        machine.file("proc/cpuinfo", cpuinfo);
        for (path, text) in &files {
            machine.file(path, text);
        }
        let found = machine.probe().virtualisation;
        assert_eq!(found.is_virtual, Some(true), "{files:?}");
        assert_eq!(found.kind.as_deref(), kind, "{files:?}");
    }
}

#[test]
fn rented_bare_metal_is_bare_metal() {
    let machine = Machine::new();
    machine
        .file(
            "proc/cpuinfo",
            "vendor_id : GenuineIntel\ncpu family : 6\nflags : fpu vmx\n",
        )
        .file("sys/class/dmi/id/sys_vendor", "Amazon EC2")
        .file("sys/class/dmi/id/product_name", "i3.metal");
    assert_eq!(machine.probe().virtualisation.is_virtual, Some(false));
}

#[test]
fn the_processors_answer_names_the_accelerator() {
    let machine = Machine::new();
    machine.file("sys/class/dmi/id/sys_vendor", "QEMU");
    let options = ProbeOptions {
        hypervisor_signature: Some("KVMKVMKVM".into()),
        ..ProbeOptions::default()
    };
    let found = machine.probe_with(&options).virtualisation;
    assert_eq!(
        (found.kind.as_deref(), found.source.as_deref()),
        (Some("kvm"), Some("cpuid"))
    );
}

#[test]
fn firmware_and_secure_boot() {
    const VARIABLE: &str =
        "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let machine = Machine::new();
    machine
        .file(
            "proc/cpuinfo",
            "vendor_id : GenuineIntel\ncpu family : 6\nflags : fpu\n",
        )
        .file("sys/firmware/memmap/0/type", "System RAM");
    assert_eq!(machine.probe().boot.firmware, Some(Firmware::Bios));
    machine.file("sys/firmware/efi/fw_platform_size", "64");
    let boot = machine.probe().boot;
    assert_eq!(
        (boot.firmware, boot.secure_boot),
        (Some(Firmware::Uefi), None)
    );
    machine.file(VARIABLE, [6, 0, 0, 0, 1]);
    assert_eq!(machine.probe().boot.secure_boot, Some(true));
    machine.file(VARIABLE, [6, 0, 0, 0, 0]);
    assert_eq!(machine.probe().boot.secure_boot, Some(false));
    machine.file(VARIABLE, [1]);
    let inventory = machine.probe();
    assert_eq!(inventory.boot.secure_boot, None);
    assert!(
        inventory
            .warnings
            .iter()
            .any(|warning| warning.section == "boot")
    );
}

#[test]
fn fillers_in_the_firmware_are_unknown() {
    let machine = Machine::new();
    machine
        .file("sys/class/dmi/id/sys_vendor", " \n")
        .file("sys/class/dmi/id/product_name", "To Be Filled By O.E.M.")
        .file("sys/class/dmi/id/product_serial", "0000000000")
        .file("sys/class/dmi/id/board_vendor", "ASRock");
    let inventory = machine.probe();
    assert_eq!(
        (inventory.system.vendor, inventory.system.product),
        (None, None)
    );
    assert_eq!(inventory.system.serial, None);
    assert_eq!(inventory.board.vendor.unwrap().raw(), "ASRock");
}

#[test]
fn a_qemu_guest_captured_whole() {
    let inventory = Machine(super::fixtures::open("qemu-q35")).probe();
    let cpu = &inventory.cpu;
    assert_eq!(
        (cpu.logical, cpu.cores, cpu.sockets, cpu.numa_nodes),
        (Some(3), Some(3), Some(1), Some(1))
    );
    assert_eq!(inventory.memory.usable_bytes, Some(Bytes(1_006_780_416)));
    assert_eq!(inventory.system.vendor.as_ref().unwrap().raw(), "QEMU");
    assert_eq!(inventory.virtualisation.is_virtual, Some(true));
    assert_eq!(inventory.boot.firmware, Some(Firmware::Bios));
    let kinds: Vec<(String, DiskKind, bool)> = inventory
        .disks
        .iter()
        .map(|disk| (disk.name.to_string(), disk.kind, disk.counted))
        .collect();
    let expected = [
        ("sda", DiskKind::UnknownVm, true),
        ("sde", DiskKind::UnknownVm, false),
        ("vda", DiskKind::UnknownVm, true),
        ("nvme0n1", DiskKind::Ssd, true),
    ];
    for (name, kind, counted) in expected {
        assert!(
            kinds.contains(&(name.to_owned(), kind, counted)),
            "{name} in {kinds:?}"
        );
    }
}
