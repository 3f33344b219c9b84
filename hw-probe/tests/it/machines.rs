//! Whole machines: trees of `/proc` and `/sys` written by the tests, in the kernel's layout.

use std::os::unix::fs::symlink;

use hw_probe::inventory::{
    Confidence, Disk, DiskKind, Exclusion, Firmware, Inventory, KindSource, NicKind, Transport,
};
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
fn sata_disks_by_the_kernels_flag() {
    let machine = Machine::new();
    machine.disk(
        "sda",
        SATA,
        100,
        &[("queue/rotational", "1"), ("removable", "0"), ("ro", "0")],
    );
    machine.link(&format!("sys/devices/{SATA}/block/sda/device"), "../..");
    machine.file(&format!("sys/devices/{SATA}/vendor"), "ATA     ");
    machine.file(&format!("sys/devices/{SATA}/model"), "WDC WD40EFRX-68W");
    machine.file(&format!("sys/devices/{SATA}/type"), "0");
    machine.file(
        &format!("sys/devices/{SATA}/vpd_pg80"),
        b"\x00\x80\x00\x08WD-SER1 ",
    );
    let inventory = machine.probe();
    let sda = disk(&inventory.disks, "sda");
    assert_eq!(
        (sda.kind, sda.kind_source),
        (DiskKind::Hdd, KindSource::Rotational)
    );
    assert_eq!(
        (sda.transport, sda.confidence),
        (Some(Transport::Ata), Confidence::Medium)
    );
    assert_eq!(
        (sda.counted, sda.reason, sda.size_bytes),
        (true, None, Some(Bytes(100 * GIB)))
    );
    assert_eq!(sda.model.as_ref().unwrap().raw(), "WDC WD40EFRX-68W");
    assert_eq!(sda.serial.as_ref().unwrap().raw(), "WD-SER1");
    // The SCSI rate page, where the kernel keeps it, is stronger than the flag.
    machine.file(
        &format!("sys/devices/{SATA}/vpd_pgb1"),
        [0, 0xb1, 0, 60, 0, 1, 0, 0],
    );
    assert_eq!(disk(&machine.probe().disks, "sda").kind, DiskKind::Ssd);
}

#[test]
fn udev_knows_rotation_where_nothing_else_does() {
    let machine = Machine::new();
    machine.disk("sda", SATA, 100, &[("dev", "8:0")]).file(
        "run/udev/data/b8:0",
        "E:ID_MODEL=TOSHIBA_X\nE:ID_MODEL_ENC=TOSHIBA\\x20X\\x20\\x20\nE:ID_SERIAL_SHORT=Y6\nE:ID_WWN=0x5000039\nE:ID_ATA_ROTATION_RATE_RPM=7200\nE:DEVTYPE=disk\n",
    );
    let inventory = machine.probe();
    let sda = disk(&inventory.disks, "sda");
    assert_eq!(
        (sda.kind, sda.kind_source, sda.rotation_rpm),
        (DiskKind::Hdd, KindSource::UdevDb, Some(7200))
    );
    assert_eq!(sda.model.as_ref().unwrap().raw(), "TOSHIBA X");
    assert_eq!(sda.in_use, Some(false));
}

#[test]
fn partitions_holders_and_mounts_mean_in_use() {
    let machine = Machine::new();
    let device = |n: u32| format!("pci0000:00/0000:00:17.0/ata{n}/host{n}/target{n}:0:0/{n}:0:0:0");
    machine
        .disk("sda", &device(1), 10, &[("sda1/partition", "1")])
        .disk("sdb", &device(2), 10, &[("holders/md0/x", "")])
        .disk("sdc", &device(3), 10, &[("dev", "8:32")])
        .disk("sdd", &device(4), 10, &[("dev", "8:48")])
        .file(
            "proc/self/mountinfo",
            "26 1 8:32 / / rw - ext4 /dev/sdc rw\n",
        );
    let inventory = machine.probe();
    let in_use: Vec<_> = inventory.disks.iter().map(|disk| disk.in_use).collect();
    assert_eq!(in_use, [Some(true), Some(true), Some(true), None]);
}

#[test]
fn each_exclusion_has_its_reason() {
    let machine = Machine::new();
    let usb = "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0";
    let fc = "pci0000:00/0000:05:00.0/host1/rport-1:0-0/target1:0:0/1:0:0:0";
    let iscsi = "platform/host3/session1/target3:0:0/3:0:0:1";
    let sas = |n: u32| {
        format!("pci0000:00/0000:03:00.0/host5/port-5:{n}/end_device-5:{n}/target5:0:{n}/5:0:{n}:0")
    };
    let tape_type = format!("sys/devices/{}/type", sas(3));
    machine
        .disk("loop0", "virtual", 1, &[])
        .disk("dm-0", "virtual", 1, &[])
        .disk("md127", "virtual", 1, &[])
        .disk("zram0", "virtual", 1, &[])
        .disk(
            "sr0",
            "pci0000:00/0000:00:1f.2/ata2/host2/target2:0:0/2:0:0:0",
            1,
            &[("removable", "1")],
        )
        .disk("mmcblk0", "platform/mmc_host/mmc0/mmc0:0001", 16, &[])
        .disk("pmem0", "LNXSYSTM:00/ndbus0/region0/namespace0.0", 16, &[])
        .disk("sda", usb, 8, &[("removable", "0")])
        .disk("sdb", &usb.replace("6:0", "7:0"), 8, &[("removable", "1")])
        .disk("sdc", &usb.replace("6:0", "8:0"), 0, &[("removable", "1")])
        .disk("sdd", fc, 100, &[("queue/rotational", "0")])
        .disk("sde", iscsi, 100, &[])
        .disk("sdf", "pseudo_0/adapter0/host9/target9:0:0/9:0:0:0", 1, &[])
        .disk("sdg", &sas(0), 100, &[("ro", "1")])
        .disk(
            "sdh",
            &sas(1),
            100,
            &[("device/wwid", "naa.5000c500aabbccdd")],
        )
        .disk(
            "sdi",
            &sas(2),
            100,
            &[("device/wwid", "naa.5000c500aabbccdd")],
        )
        .disk("sdj", &sas(3), 100, &[])
        .link(&format!("sys/devices/{}/block/sdj/device", sas(3)), "../..")
        .file(&tape_type, "13")
        .disk("sdk", &sas(4), 100, &[]);
    let options = ProbeOptions {
        boot_medium_disk: Some("sdk".into()),
        ..ProbeOptions::default()
    };
    let inventory = machine.probe_with(&options);
    for (name, reason) in [
        ("loop0", Exclusion::Virtual),
        ("dm-0", Exclusion::Virtual),
        ("md127", Exclusion::Virtual),
        ("zram0", Exclusion::Virtual),
        ("sr0", Exclusion::Optical),
        ("mmcblk0", Exclusion::Mmc),
        ("pmem0", Exclusion::Pmem),
        ("sda", Exclusion::Usb),
        ("sdb", Exclusion::Removable),
        ("sdc", Exclusion::Empty),
        ("sdd", Exclusion::Remote),
        ("sde", Exclusion::Remote),
        ("sdf", Exclusion::TestDevice),
        ("sdg", Exclusion::ReadOnly),
        ("sdi", Exclusion::DuplicatePath),
        ("sdj", Exclusion::NotADisk),
        ("sdk", Exclusion::BootMedium),
    ] {
        let disk = disk(&inventory.disks, name);
        assert_eq!((disk.counted, disk.reason), (false, Some(reason)), "{name}");
    }
    let first = disk(&inventory.disks, "sdh");
    assert!(first.counted && first.transport == Some(Transport::Sas));
    assert_eq!(inventory.counted_disks().count(), 1);
}

#[test]
fn nvme_local_remote_and_hidden_paths() {
    let machine = Machine::new();
    let local = "pci0000:00/0000:00:1d.0/0000:01:00.0/nvme/nvme0";
    machine
        .disk("nvme0n1", local, 100, &[("wwid", "eui.0025385b21401234")])
        .file(&format!("sys/devices/{local}/transport"), "pcie")
        .disk("nvme1n1", "virtual/nvme-fabrics/ctl/nvme1", 100, &[])
        .file(
            "sys/devices/virtual/nvme-fabrics/ctl/nvme1/transport",
            "tcp",
        )
        .disk(
            "nvme2c0n1",
            "pci0000:00/0000:02:00.0/nvme/nvme2",
            100,
            &[("hidden", "1")],
        )
        .disk("nvme2n1", "virtual/nvme-subsystem/nvme-subsys2", 100, &[])
        .file(
            "sys/devices/virtual/nvme-subsystem/nvme-subsys2/nvme2/transport",
            "pcie",
        );
    let inventory = machine.probe();
    let of = |name: &str| {
        let disk = disk(&inventory.disks, name);
        (disk.kind, disk.counted, disk.reason)
    };
    assert_eq!(of("nvme0n1"), (DiskKind::Ssd, true, None));
    assert_eq!(
        of("nvme1n1"),
        (DiskKind::Ssd, false, Some(Exclusion::Remote))
    );
    assert_eq!(of("nvme2c0n1").2, Some(Exclusion::DuplicatePath));
    assert_eq!(of("nvme2n1"), (DiskKind::Ssd, true, None));
}

#[test]
fn hypervisors_disks_are_unknown_whatever_their_flags_say() {
    let machine = Machine::new();
    machine.disk(
        "vda",
        "pci0000:00/0000:00:04.0/virtio0",
        100,
        &[
            ("queue/rotational", "1"),
            ("queue/discard_max_bytes", "2147483136"),
            ("serial", "V1"),
        ],
    );
    let inventory = machine.probe();
    let vda = disk(&inventory.disks, "vda");
    assert_eq!(
        (vda.kind, vda.kind_source),
        (DiskKind::UnknownVm, KindSource::Hypervisor)
    );
    assert!(vda.counted);
    assert_eq!(vda.serial.as_ref().unwrap().raw(), "V1");
}

#[test]
fn a_counted_disk_of_unknown_kind_is_a_warning() {
    let machine = Machine::new();
    machine.disk("sda", SATA, 100, &[]);
    let inventory = machine.probe();
    assert_eq!(disk(&inventory.disks, "sda").kind, DiskKind::Unknown);
    assert!(
        inventory
            .warnings
            .iter()
            .any(|w| w.message.raw().starts_with("sda:"))
    );
}

#[test]
fn disks_are_listed_as_people_count() {
    let machine = Machine::new();
    for name in ["sdaa", "sdb", "sda", "nvme10n1", "nvme2n1"] {
        machine.disk(name, &format!("pci0000:00/{name}/ata1/host0"), 1, &[]);
    }
    let names: Vec<String> = machine
        .probe()
        .disks
        .iter()
        .map(|disk| disk.name.to_string())
        .collect();
    assert_eq!(names, ["sda", "sdb", "sdaa", "nvme2n1", "nvme10n1"]);
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
