//! What is around the processors: buses, accelerators, management, trust, firmware's variables.

use hw_probe::inventory::{Inventory, Nic};
use hw_probe::report::{Report, ReportOptions, render_table};
use hw_probe::root::Root;
use hw_probe::units::{Bytes, GIB};
use hw_probe::{ProbeOptions, probe};

use super::machines::Machine;
use super::smbios_tables::structure;

/// A PCI function with the kernel's `uevent`.
fn function(machine: &Machine, address: &str, class: &str, id: &str, rest: &str) {
    machine.file(
        &format!("sys/bus/pci/devices/{address}/uevent"),
        format!("PCI_CLASS={class}\nPCI_ID={id}\nPCI_SLOT_NAME={address}\n{rest}"),
    );
}

#[test]
fn pci_functions_in_the_order_of_their_addresses() {
    let machine = Machine::new();
    function(
        &machine,
        "10000:01:00.0",
        "10802",
        "144D:A80A",
        "DRIVER=nvme\n",
    );
    function(
        &machine,
        "0000:3b:00.1",
        "20000",
        "15B3:101D",
        "DRIVER=mlx5_core\nPCI_SUBSYS_ID=15B3:0016\n",
    );
    function(
        &machine,
        "0000:00:00.0",
        "60000",
        "8086:2020",
        "PCI_SUBSYS_ID=0000:0000\n",
    );
    // Snapshots of other programs have single attributes.
    let old = "sys/bus/pci/devices/0000:02:00.0";
    machine
        .file(&format!("{old}/class"), "0x010400\n")
        .file(&format!("{old}/vendor"), "0x1000\n")
        .file(&format!("{old}/device"), "0x0060\n")
        .file(&format!("{old}/subsystem_vendor"), "0x1028\n")
        .file(&format!("{old}/subsystem_device"), "0x1f0c\n")
        .link(&format!("{old}/driver"), "../../drivers/megaraid_sas");
    let pci = machine.probe().pci.unwrap();
    let addresses: Vec<&str> = pci.iter().map(|device| device.address.raw()).collect();
    assert_eq!(
        addresses,
        [
            "0000:00:00.0",
            "0000:02:00.0",
            "0000:3b:00.1",
            "10000:01:00.0"
        ]
    );
    let [bridge, raid, nic, disk] = pci.as_slice() else {
        panic!("{pci:?}");
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    assert_eq!(
        [
            text(&nic.class),
            text(&nic.class_name),
            text(&nic.vendor_id),
            text(&nic.device_id),
            text(&nic.subsystem_vendor_id),
            text(&nic.subsystem_device_id),
            text(&nic.vendor),
        ],
        [
            "020000",
            "Ethernet controller",
            "15b3",
            "101d",
            "15b3",
            "0016",
            "Mellanox"
        ]
    );
    assert_eq!(nic.driver.as_ref().unwrap().raw(), "mlx5_core");
    assert_eq!(
        (bridge.subsystem_vendor_id.as_ref(), &bridge.driver),
        (None, &None)
    );
    assert_eq!(
        [text(&raid.class_name), text(&raid.subsystem_device_id)],
        ["RAID bus controller", "1f0c"]
    );
    assert_eq!(raid.driver.as_ref().unwrap().raw(), "megaraid_sas");
    assert_eq!(text(&disk.class_name), "Non-volatile memory controller");
    assert_eq!(Machine::new().probe().pci, None);
}

#[test]
fn accelerators_but_no_remote_consoles() {
    let machine = Machine::new();
    function(&machine, "0000:01:00.0", "30000", "102B:0534", "");
    function(
        &machine,
        "0000:02:00.0",
        "30000",
        "1A03:2000",
        "DRIVER=ast\n",
    );
    function(&machine, "0000:03:00.0", "20000", "8086:1521", "");
    function(
        &machine,
        "0000:41:00.0",
        "38000",
        "1002:740F",
        "DRIVER=amdgpu\n",
    );
    function(
        &machine,
        "0000:81:00.0",
        "30200",
        "10DE:20B0",
        "DRIVER=nvidia\n",
    );
    function(&machine, "0000:a1:00.0", "120000", "1DA3:1020", "");
    machine
        .file(
            "sys/bus/pci/devices/0000:41:00.0/mem_info_vram_total",
            format!("{}\n", 64 * GIB),
        )
        .file(
            "proc/driver/nvidia/gpus/0000:81:00.0/information",
            "Model: \t\t NVIDIA A100-SXM4-40GB\nIRQ:   \t\t 302\nGPU UUID: \t GPU-1\n",
        );
    let inventory = machine.probe();
    assert_eq!(inventory.pci.as_ref().unwrap().len(), 6);
    let gpus = inventory.gpus.unwrap();
    let [amd, nvidia, habana] = gpus.as_slice() else {
        panic!("{gpus:?}");
    };
    assert_eq!(amd.memory_bytes, Some(Bytes(64 * GIB)));
    assert_eq!(amd.vendor.as_deref(), Some("AMD/ATI"));
    assert_eq!(
        nvidia.model.as_ref().unwrap().raw(),
        "NVIDIA A100-SXM4-40GB"
    );
    assert_eq!((nvidia.memory_bytes, &amd.model), (None, &None));
    assert_eq!(habana.address.raw(), "0000:a1:00.0");
}

/// A network port behind the PCI function at `address`.
fn port(machine: &Machine, name: &str, address: &str, mac: &str) -> String {
    let function = format!("sys/devices/pci0000:00/{address}");
    let dir = format!("{function}/net/{name}");
    machine
        .file(&format!("{dir}/address"), mac)
        .file(&format!("{dir}/type"), "1\n")
        .link(&format!("{dir}/device"), &format!("../../../{address}"))
        .link(
            &format!("sys/class/net/{name}"),
            &format!("../../devices/pci0000:00/{address}/net/{name}"),
        );
    function
}

fn nic<'a>(inventory: &'a Inventory, name: &str) -> &'a Nic {
    inventory.nics.iter().find(|nic| nic.name == name).unwrap()
}

#[test]
fn network_cards_and_their_virtual_functions() {
    let machine = Machine::new();
    let card = port(&machine, "eno1", "0000:05:00.0", "00:1b:21:aa:bb:cc");
    let part = port(&machine, "eno1v0", "0000:05:10.0", "02:00:00:00:00:07");
    port(&machine, "eno2", "0000:06:00.0", "00:1b:21:aa:bb:cd");
    machine
        .file(&format!("{card}/sriov_totalvfs"), "8\n")
        .file(&format!("{card}/sriov_numvfs"), "1\n")
        .link(&format!("{part}/physfn"), "../0000:05:00.0")
        .file("sys/devices/virtual/net/br0/address", "02:00:00:00:00:01")
        .link("sys/class/net/br0", "../../devices/virtual/net/br0");
    let inventory = machine.probe();
    let eno1 = nic(&inventory, "eno1");
    assert_eq!(
        (
            eno1.sriov_total_vfs,
            eno1.sriov_vfs,
            eno1.is_virtual_function
        ),
        (Some(8), Some(1), Some(false))
    );
    assert_eq!(eno1.pci_address.as_ref().unwrap().raw(), "0000:05:00.0");
    let part = nic(&inventory, "eno1v0");
    assert_eq!(
        (part.is_virtual_function, part.sriov_total_vfs),
        (Some(true), None)
    );
    assert_eq!(nic(&inventory, "eno2").sriov_total_vfs, None);
    let bridge = nic(&inventory, "br0");
    assert_eq!(
        (&bridge.pci_address, bridge.is_virtual_function),
        (&None, None)
    );
    // A copied tree has no drivers to ask.
    assert_eq!((&eno1.permanent_mac, &eno1.firmware), (&None, &None));
}

#[cfg(feature = "snapshot")]
#[test]
fn what_network_drivers_said_is_kept() {
    let machine = Machine::new();
    port(&machine, "eno1", "0000:05:00.0", "02:00:00:00:00:07");
    port(&machine, "eno2", "0000:06:00.0", "00:1b:21:aa:bb:cd");
    let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    let answers = serde_json::json!({"schema_version": 1, "answers": {
        "eno1": {"permanent-mac": "001B21AABBCC", "nic-firmware": hex("14.32.1010 (MT_0000000359)")},
        "eno2": {"permanent-mac": null, "nic-firmware": hex("N/A")},
    }});
    machine.file("hw-probe/ioctl.json", answers.to_string());
    let inventory = machine.probe();
    let eno1 = nic(&inventory, "eno1");
    assert_eq!(
        eno1.permanent_mac.as_ref().unwrap().raw(),
        "00:1b:21:aa:bb:cc"
    );
    assert_eq!(
        eno1.firmware.as_ref().unwrap().raw(),
        "14.32.1010 (MT_0000000359)"
    );
    let eno2 = nic(&inventory, "eno2");
    assert_eq!((&eno2.permanent_mac, &eno2.firmware), (&None, &None));
}

fn with_table(parts: &[Vec<u8>]) -> ProbeOptions {
    let mut table = parts.concat();
    table.extend(structure(127, 99, &[], &[]));
    ProbeOptions {
        smbios: Some(table),
        ..ProbeOptions::default()
    }
}

#[test]
fn chassis_controller_and_tpm_in_the_firmwares_table() {
    let mut tpm = vec![0_u8; 0x1f - 4];
    tpm[..4].copy_from_slice(b"AMD\0");
    tpm[4..6].copy_from_slice(&[2, 0]);
    let options = with_table(&[
        structure(
            3,
            1,
            &[1, 0x97, 2, 3, 0, 3, 3, 3, 3],
            &["Supermicro", "V2", "C1130LC49MH0061"],
        ),
        structure(
            38,
            2,
            &[1, 0x15, 0x20, 0xff, 0xa2, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0],
            &[],
        ),
        structure(42, 3, &[0x40, 4, 2, 0, 0, 0, 0], &[]),
        structure(43, 4, &tpm, &[]),
    ]);
    let inventory = probe(&Root::empty(), &options);
    let chassis = &inventory.chassis;
    assert_eq!(chassis.vendor.as_ref().unwrap().raw(), "Supermicro");
    // With the lock's bit.
    assert_eq!(chassis.kind.as_deref(), Some("rack-mount"));
    assert_eq!(chassis.serial.as_ref().unwrap().raw(), "C1130LC49MH0061");
    let bmc = &inventory.bmc;
    assert_eq!((bmc.present, bmc.host_network), (Some(true), Some(true)));
    assert_eq!(bmc.interface.as_deref(), Some("kcs"));
    assert_eq!(bmc.evidence, ["smbios-38", "smbios-42"]);
    assert_eq!(
        (inventory.tpm.version.as_deref(), inventory.tpm.present),
        (Some("2.0"), Some(true))
    );
    let report = Report::of(&inventory, &ReportOptions::default());
    let table = render_table(&report, 80, false);
    for text in ["rack-mount", "BMC ", "kcs", "TPM ", "version 2.0"] {
        assert!(table.contains(text), "{text} in {table}");
    }
}

#[test]
fn the_ipmi_version_is_two_digits() {
    for (bcd, version) in [
        (0x20, Some("2.0")),
        (0x15, Some("1.5")),
        (0, None),
        (0xff, None),
    ] {
        let device = structure(38, 2, &[4, bcd, 0x20, 0xff, 0, 0, 0, 0, 0, 0, 0, 0], &[]);
        let bmc = probe(&Root::empty(), &with_table(&[device])).bmc;
        assert_eq!(bmc.ipmi_version.as_deref(), version, "{bcd:x}");
        assert_eq!(bmc.interface.as_deref(), Some("ssif"));
    }
}

#[test]
fn a_controller_is_absent_only_where_everything_could_say_so() {
    // A table without one, but nobody knows what ACPI says.
    let options = with_table(&[structure(1, 1, &[0, 0, 0, 0], &[])]);
    let machine = Machine::new();
    let bmc = machine.probe_with(&options).bmc;
    assert_eq!((bmc.present, bmc.host_network), (None, Some(false)));
    machine.file("sys/firmware/acpi/tables/FACP", "");
    let inventory = machine.probe_with(&options);
    assert_eq!(inventory.bmc.present, Some(false));
    assert_eq!(inventory.tpm.present, Some(false));
    // ACPI is there, but the table is for root only.
    let denied = Machine::new();
    denied
        .file("sys/firmware/acpi/tables/FACP", "")
        .file("sys/firmware/dmi/tables/DMI", "junk");
    assert_eq!(denied.probe().bmc.present, None);
    // ACPI knows more than SMBIOS.
    machine.file("sys/firmware/acpi/tables/SPMI", "");
    assert_eq!(machine.probe_with(&options).bmc.evidence, ["acpi-spmi"]);
}

#[test]
fn the_drivers_of_controller_and_tpm_say_most() {
    let machine = Machine::new();
    machine
        .file("sys/class/ipmi/ipmi0/device/type", "kcs\n")
        .file("sys/class/ipmi/ipmi0/device/bmc/ipmi_version", "2.0\n")
        .file(
            "sys/class/ipmi/ipmi0/device/bmc/firmware_revision",
            "4.10\n",
        )
        .file("sys/bus/acpi/devices/IPI0001:00/hid", "IPI0001\n")
        .file("sys/class/tpm/tpm0/tpm_version_major", "2\n")
        .file("sys/firmware/acpi/tables/TPM2", "");
    let inventory = machine.probe();
    let bmc = &inventory.bmc;
    assert_eq!(bmc.evidence, ["driver", "acpi-device"]);
    assert_eq!(
        (bmc.interface.as_deref(), bmc.ipmi_version.as_deref()),
        (Some("kcs"), Some("2.0"))
    );
    assert_eq!(bmc.firmware.as_ref().unwrap().raw(), "4.10");
    assert_eq!(inventory.tpm.version.as_deref(), Some("2.0"));
    assert_eq!(inventory.tpm.evidence, ["driver", "acpi"]);

    let old = Machine::new();
    old.file("sys/class/tpm/tpm0/device/description", "TPM 1.2 Device\n");
    assert_eq!(old.probe().tpm.version.as_deref(), Some("1.2"));
    let asleep = Machine::new();
    asleep.file("sys/firmware/acpi/tables/TCPA", "");
    let tpm = asleep.probe().tpm;
    assert_eq!(
        (tpm.present, tpm.version.as_deref()),
        (Some(true), Some("1.2"))
    );
}

#[test]
fn the_kernels_copies_of_the_chassis() {
    let machine = Machine::new();
    machine
        .file("sys/class/dmi/id/chassis_vendor", "Dell Inc.\n")
        .file("sys/class/dmi/id/chassis_type", "23\n")
        .file("sys/class/dmi/id/chassis_version", "Not Specified\n");
    let chassis = machine.probe().chassis;
    assert_eq!(chassis.vendor.unwrap().raw(), "Dell Inc.");
    assert_eq!(
        (chassis.kind.as_deref(), chassis.version),
        (Some("rack-mount"), None)
    );
}

/// What systemd's `dmi_memory_id` writes of a board with four slots.
const UDEV: &str = "I:1\nE:MEMORY_ARRAY_LOCATION=System Board Or Motherboard\nE:MEMORY_ARRAY_EC_TYPE=Multi-bit ECC\nE:MEMORY_ARRAY_NUM_DEVICES=4\nE:MEMORY_DEVICE_0_TOTAL_WIDTH=72\nE:MEMORY_DEVICE_0_DATA_WIDTH=64\nE:MEMORY_DEVICE_0_SIZE=34359738368\nE:MEMORY_DEVICE_0_FORM_FACTOR=DIMM\nE:MEMORY_DEVICE_0_LOCATOR=DIMM_A1\nE:MEMORY_DEVICE_0_BANK_LOCATOR=BANK 0\nE:MEMORY_DEVICE_0_TYPE=DDR4\nE:MEMORY_DEVICE_0_SPEED_MTS=3200\nE:MEMORY_DEVICE_0_MANUFACTURER=Samsung\nE:MEMORY_DEVICE_0_SERIAL_NUMBER=1234ABCD\nE:MEMORY_DEVICE_0_PART_NUMBER=M393A4K40DB3-CWE\nE:MEMORY_DEVICE_0_RANK=2\nE:MEMORY_DEVICE_0_CONFIGURED_SPEED_MTS=2933\nE:MEMORY_DEVICE_1_PRESENT=0\nE:MEMORY_DEVICE_1_FORM_FACTOR=DIMM\nE:MEMORY_DEVICE_1_LOCATOR=DIMM_A2\nE:MEMORY_DEVICE_1_TYPE=Unknown\nE:MEMORY_DEVICE_1_MANUFACTURER=NO DIMM\nE:MEMORY_DEVICE_2_SIZE=34359738368\nE:MEMORY_DEVICE_2_TYPE=DDR4\nE:MEMORY_DEVICE_2_LOCATOR=DIMM_B1\nE:MEMORY_DEVICE_3_SIZE=16777216\nE:MEMORY_DEVICE_3_TYPE=Flash\n";

#[test]
fn udev_remembers_the_modules_that_only_root_may_read() {
    let machine = Machine::new();
    machine
        .file("run/udev/data/+dmi:id", UDEV)
        // Not a table: as good as one that may not be read.
        .file("sys/firmware/dmi/tables/DMI", "junk");
    let inventory = machine.probe();
    let memory = &inventory.memory;
    assert_eq!(memory.installed_bytes, Some(Bytes(64 * GIB)));
    assert!(!memory.installed_is_lower_bound);
    assert_eq!(
        (memory.slots, memory.ecc.as_deref()),
        (Some(3), Some("multi-bit"))
    );
    assert_eq!(memory.dimms.len(), 4);
    let first = &memory.dimms[0];
    assert_eq!(
        (first.speed_mts, first.max_speed_mts, first.ranks, first.ecc),
        (Some(2933), Some(3200), Some(2), Some(true))
    );
    assert_eq!(
        (first.kind.as_deref(), first.form_factor.as_deref()),
        (Some("DDR4"), Some("DIMM"))
    );
    assert_eq!(
        first.part_number.as_ref().unwrap().raw(),
        "M393A4K40DB3-CWE"
    );
    let empty = &memory.dimms[1];
    assert_eq!(
        (empty.size_bytes, &empty.kind, &empty.manufacturer),
        (Some(Bytes(0)), &None, &None)
    );
    assert!(!memory.dimms[3].is_system_memory);
    let said = |section: &str, text: &str| {
        inventory
            .warnings
            .iter()
            .any(|w| w.section == section && w.message.raw().contains(text))
    };
    assert!(said("memory", "udev") && said("firmware", ""));
    // A table that can be read goes first.
    let options = with_table(&[structure(1, 1, &[0, 0, 0, 0], &[])]);
    assert!(machine.probe_with(&options).memory.dimms.is_empty());
}

#[test]
fn setup_mode() {
    const EFIVARS: &str = "sys/firmware/efi/efivars";
    const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let machine = Machine::new();
    machine.file("sys/firmware/efi/fw_platform_size", "64");
    // Only the running machine is mounted on.
    let options = ProbeOptions {
        mount_efivars: true,
        ..ProbeOptions::default()
    };
    let inventory = machine.probe_with(&options);
    assert_eq!(
        (inventory.boot.setup_mode, inventory.boot.secure_boot),
        (None, None)
    );
    assert!(inventory.warnings.iter().all(|w| w.section != "boot"));
    machine.file(&format!("{EFIVARS}/SetupMode-{GLOBAL}"), [6, 0, 0, 0, 1]);
    let boot = machine.probe().boot;
    assert_eq!(
        (boot.setup_mode, boot.secure_boot),
        (Some(true), Some(false))
    );
    machine.file(&format!("{EFIVARS}/SetupMode-{GLOBAL}"), [6, 0, 0, 0, 0]);
    assert_eq!(machine.probe().boot.setup_mode, Some(false));
}

#[test]
fn the_table_has_room_for_everything() {
    let machine = Machine::new();
    let card = port(&machine, "enp5s0f0np0", "0000:05:00.0", "00:1b:21:aa:bb:cc");
    machine
        .file(&format!("{card}/sriov_totalvfs"), "127\n")
        .file(&format!("{card}/sriov_numvfs"), "0\n")
        .file(
            "sys/class/dmi/id/chassis_vendor",
            "A maker with a very long name that goes on Inc.",
        )
        .file("sys/class/dmi/id/chassis_type", "17")
        .file("sys/class/ipmi/ipmi0/device/bmc/firmware_revision", "4.10")
        .file(
            "proc/driver/nvidia/gpus/0000:81:00.0/information",
            "Model: NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
        );
    function(
        &machine,
        "0000:81:00.0",
        "30000",
        "10DE:2BB4",
        "DRIVER=nvidia\n",
    );
    for name in [
        "gather_data_sampling",
        "indirect_target_selection",
        "spec_rstack_overflow",
        "mmio_stale_data",
    ] {
        machine.file(
            &format!("sys/devices/system/cpu/vulnerabilities/{name}"),
            "Vulnerable\n",
        );
    }
    let report = Report::of(&machine.probe(), &ReportOptions::default());
    let table = render_table(&report, 80, false);
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );
    for text in [
        "Chassis ",
        "main-server",
        "firmware 4.10",
        "GPU ",
        "NVIDIA RTX PRO 6000",
        "open to 4: ",
        "SR-IOV 0 of 127",
    ] {
        assert!(table.contains(text), "{text} in {table}");
    }
}
