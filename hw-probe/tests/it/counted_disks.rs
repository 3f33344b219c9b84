//! Which disks count, as what, and why the others do not.

use hw_probe::ProbeOptions;
use hw_probe::inventory::{Confidence, DiskKind, Exclusion, KindSource, Transport};
use hw_probe::units::{Bytes, GIB};

use super::machines::{Machine, SATA, disk};

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
