//! What lies on disks, how they feel, which of them started the system, and the operator's word.

use std::collections::BTreeMap;

use hw_probe::ProbeOptions;
use hw_probe::inventory::{
    BootMediumSource, Confidence, DiskKind, Exclusion, HealthSource, HealthStatus, KindSource,
    Signature,
};
use hw_probe::overrides::{DiskOverride, DiskOverrides, VouchedKind};
use hw_probe::signature::{self, GptEntry};

use super::machines::{Machine, SATA, disk};

/// What devices answered when a snapshot was taken.
#[derive(Default)]
struct Answers(BTreeMap<String, BTreeMap<String, Option<String>>>);

impl Answers {
    fn put(&mut self, device: &str, question: &str, answer: &[u8]) {
        let hex = answer.iter().map(|byte| format!("{byte:02x}")).collect();
        let device = self.0.entry(device.to_owned()).or_default();
        device.insert(question.to_owned(), Some(hex));
    }

    fn add_to(&self, machine: &Machine) {
        let opened: BTreeMap<&String, i32> = self.0.keys().map(|device| (device, 0)).collect();
        let json = serde_json::json!({
            "schema_version": 1, "opened": opened, "answers": self.0, "errors": {},
        });
        machine.file("hw-probe/ioctl.json", json.to_string());
    }
}

fn found(kind: &str, uuid: &str) -> Signature {
    Signature {
        kind: kind.to_owned(),
        offset_bytes: Some(512),
        uuid: Some(uuid.into()),
        ..Signature::default()
    }
}

/// A disk with two partitions.
fn partitioned(machine: &Machine) {
    machine.disk("sda", SATA, 100, &[("dev", "8:0")]);
    let dir = format!("sys/devices/{SATA}/block/sda");
    for (n, start) in [(1, 2048_u64), (2, 1 << 21)] {
        machine
            .file(&format!("{dir}/sda{n}/partition"), n.to_string())
            .file(&format!("{dir}/sda{n}/dev"), format!("8:{n}"))
            .file(&format!("{dir}/sda{n}/start"), start.to_string())
            .file(&format!("{dir}/sda{n}/size"), (1 << 20).to_string());
    }
}

fn booted_from(machine: &Machine) -> Option<(String, BootMediumSource)> {
    let inventory = machine.probe();
    let medium = inventory.boot.medium?;
    let disk = disk(&inventory.disks, medium.disk.raw());
    assert_eq!(disk.reason, Some(Exclusion::BootMedium));
    Some((medium.disk.raw().to_owned(), medium.source))
}

#[test]
fn the_disk_of_the_mounted_system_does_not_count() {
    let machine = Machine::new();
    partitioned(&machine);
    machine.disk(
        "sdb",
        &SATA.replace("ata1", "ata2"),
        100,
        &[("dev", "8:16")],
    );
    assert_eq!(booted_from(&machine), None);
    machine.file(
        "proc/self/mountinfo",
        "36 35 8:2 / / rw - ext4 /dev/sda2 rw\n37 36 8:16 / /srv rw - xfs /dev/sdb rw\n",
    );
    let expected = Some(("sda".to_owned(), BootMediumSource::Mounted));
    assert_eq!(booted_from(&machine), expected);
    let disks = machine.probe().disks;
    assert!(
        disk(&disks, "sdb").counted,
        "data elsewhere is not the system"
    );
    let words: Vec<&str> = disk(&disks, "sdb")
        .used_by
        .as_ref()
        .unwrap()
        .iter()
        .map(|w| w.raw())
        .collect();
    assert_eq!(words, ["mounted at /srv"]);
}

#[test]
fn the_system_is_found_below_volumes_and_btrfs() {
    let volumes = Machine::new();
    partitioned(&volumes);
    volumes
        .disk(
            "dm-0",
            "virtual",
            10,
            &[("dev", "253:0"), ("slaves/md0", "")],
        )
        .disk("md0", "virtual", 10, &[("dev", "9:0"), ("slaves/sda2", "")])
        .file(
            "proc/self/mountinfo",
            "36 35 253:0 / / rw - ext4 /dev/mapper/vg-root rw\n",
        );
    let expected = Some(("sda".to_owned(), BootMediumSource::Mounted));
    assert_eq!(booted_from(&volumes), expected);

    // btrfs has device numbers of its own.
    let btrfs = Machine::new();
    partitioned(&btrfs);
    btrfs.file(
        "proc/self/mountinfo",
        "36 35 0:33 /@ / rw - btrfs /dev/sda2 rw\n",
    );
    assert_eq!(booted_from(&btrfs), expected);
}

#[test]
fn a_live_system_in_memory_has_no_boot_disk() {
    let machine = Machine::new();
    partitioned(&machine);
    machine.file(
        "proc/self/mountinfo",
        "36 35 0:25 / / rw - overlay overlay rw\n37 36 8:1 / /etc/hosts rw - ext4 /dev/sda1 rw\n",
    );
    assert_eq!(booted_from(&machine), None);
    assert!(disk(&machine.probe().disks, "sda").counted);
}

#[test]
fn command_line_and_loader_name_partitions() {
    let uuid = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
    let with_udev = || {
        let machine = Machine::new();
        partitioned(&machine);
        machine.file(
            "run/udev/data/b8:2",
            format!("I:1234567\nE:ID_PART_ENTRY_UUID={uuid}\nE:ID_FS_UUID=1234-ABCD\nE:ID_FS_TYPE=vfat\nE:ID_FS_LABEL=ROOT\n"),
        );
        machine
    };
    let named = Some(("sda".to_owned(), BootMediumSource::CommandLine));
    for root in [
        "PARTUUID=0fc63daf-8483-4772-8e79-3d69d8477de4",
        "PARTUUID=0fc63daf-8483-4772-8e79-3d69d8477de4/PARTNROFF=1",
        "UUID=1234-abcd",
        "LABEL=ROOT",
        "/dev/sda2",
    ] {
        let machine = with_udev();
        machine.file("proc/cmdline", format!("quiet root={root} rw\n"));
        assert_eq!(booted_from(&machine), named, "{root}");
    }
    let elsewhere = with_udev();
    elsewhere.file("proc/cmdline", "root=UUID=ffff-ffff\n");
    assert_eq!(booted_from(&elsewhere), None);

    let loader = with_udev();
    let mut variable = vec![6, 0, 0, 0];
    variable.extend(uuid.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
    loader.file(
        "sys/firmware/efi/efivars/LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
        variable,
    );
    assert_eq!(
        booted_from(&loader),
        Some(("sda".to_owned(), BootMediumSource::LoaderVariable))
    );
}

#[test]
fn our_own_media_never_count() {
    let machine = Machine::new();
    partitioned(&machine);
    let mut answers = Answers::default();
    let guid = "b1a2c3d4-0000-1111-2222-333344445555";
    let content = [found("gpt", guid), found(Signature::FARMER_MEDIUM, guid)];
    answers.put(
        "/dev/sda",
        "content",
        signature::encode(&content).as_bytes(),
    );
    answers.add_to(&machine);
    let by_label = Some(("sda".to_owned(), BootMediumSource::Label));
    assert_eq!(booted_from(&machine), by_label);
    machine.file("proc/cmdline", format!("farm.medium={guid} farmer_id=7\n"));
    let by_name = Some(("sda".to_owned(), BootMediumSource::CommandLine));
    assert_eq!(booted_from(&machine), by_name);

    // A second stick lies in the drawer of the same machine: excluded, but which one started it?
    let two = Machine::new();
    two.disk("sda", SATA, 4, &[]);
    two.disk("sdb", &SATA.replace("ata1", "ata2"), 4, &[]);
    let mut answers = Answers::default();
    for device in ["/dev/sda", "/dev/sdb"] {
        let content = [found(Signature::FARMER_MEDIUM, device)];
        answers.put(device, "content", signature::encode(&content).as_bytes());
    }
    answers.add_to(&two);
    let inventory = two.probe();
    assert_eq!(inventory.boot.medium, None);
    let reasons: Vec<_> = inventory.disks.iter().map(|disk| disk.reason).collect();
    assert_eq!(reasons, [Some(Exclusion::BootMedium); 2]);
}

#[test]
fn contents_of_disk_and_partitions_are_told() {
    let machine = Machine::new();
    partitioned(&machine);
    let dir = format!("sys/devices/{SATA}/block/sda");
    machine.file(&format!("{dir}/sda2/holders/dm-0"), "");
    let mut answers = Answers::default();
    let table = signature::encode(&[found("gpt", "abc")]);
    answers.put("/dev/sda", "content", table.as_bytes());
    let entry = GptEntry {
        start_bytes: 2048 * 512,
        size_bytes: 512 << 20,
        uuid: "11112222-3333-4444-5555-666677778888".to_owned(),
        name: "EFI system".to_owned(),
    };
    answers.put(
        "/dev/sda",
        "gpt",
        signature::encode_gpt(&[entry]).as_bytes(),
    );
    let vfat = Signature {
        label: Some("ESP".into()),
        ..found("vfat", "1234-abcd")
    };
    let question = format!("content@{}+{}", 2048 * 512, 512 << 20);
    answers.put("/dev/sda", &question, signature::encode(&[vfat]).as_bytes());
    answers.add_to(&machine);
    let inventory = machine.probe();
    let sda = disk(&inventory.disks, "sda");
    let words: Vec<&str> = sda
        .used_by
        .as_ref()
        .unwrap()
        .iter()
        .map(|w| w.raw())
        .collect();
    assert_eq!(
        words,
        ["gpt", "vfat on sda1", "partition sda2", "part of dm-0"]
    );
    assert_eq!(sda.in_use, Some(true));
    let partitions = sda.partitions.as_ref().unwrap();
    assert_eq!(partitions[0].label.as_ref().unwrap().raw(), "EFI system");
    assert_eq!(
        partitions[0].uuid.as_ref().unwrap().raw(),
        "11112222-3333-4444-5555-666677778888"
    );
    assert_eq!(partitions[0].size_bytes.unwrap().0, 512 << 20);
    assert!(
        sda.counted,
        "data is a reason to wipe, not a reason to leave out"
    );
}

#[test]
fn an_empty_disk_is_known_to_be_empty_only_when_somebody_looked() {
    let machine = Machine::new();
    machine.disk("sda", SATA, 100, &[]);
    assert_eq!(machine.probe().disks[0].in_use, None);
    let mut answers = Answers::default();
    answers.put("/dev/sda", "content", b"");
    answers.add_to(&machine);
    let inventory = machine.probe();
    assert_eq!(inventory.disks[0].in_use, Some(false));
    assert_eq!(inventory.disks[0].signatures.as_deref(), Some(&[][..]));
}

#[test]
fn health_of_nvme_and_sata_disks() {
    let machine = Machine::new();
    let nvme = "pci0000:00/0000:00:1d.0/0000:01:00.0/nvme/nvme0";
    machine
        .disk("nvme0n1", nvme, 100, &[])
        .file(&format!("sys/devices/{nvme}/transport"), "pcie")
        .disk(
            "sda",
            SATA,
            100,
            &[("device/vendor", "ATA"), ("device/type", "0")],
        );
    let mut log = [0_u8; 512];
    log[1..3].copy_from_slice(&318_u16.to_le_bytes());
    log[3] = 4;
    log[5] = 101;
    log[0] = 1;
    let mut identity = [0_u8; 512];
    let mut word = |n: usize, value: u16| {
        identity[n * 2..n * 2 + 2].copy_from_slice(&value.to_le_bytes());
    };
    word(217, 7200);
    word(82, 1);
    word(83, 0x4000);
    word(85, 1);
    let mut attributes = [0_u8; 512];
    attributes[2..14].copy_from_slice(&[5, 0x33, 0, 100, 100, 3, 0, 0, 0, 0, 0, 0]);
    attributes[14..26].copy_from_slice(&[194, 0x22, 0, 60, 50, 41, 0, 0, 0, 0, 0, 0]);
    let mut answers = Answers::default();
    answers.put("/dev/nvme0n1", "nvme-smart", &log);
    answers.put("/dev/sda", "ata-identify", &identity);
    answers.put("/dev/sda", "ata-smart-data", &attributes);
    answers.put("/dev/sda", "ata-smart-status", &[0]);
    answers.add_to(&machine);

    let inventory = machine.probe();
    let flash = disk(&inventory.disks, "nvme0n1");
    let health = flash.health.as_ref().unwrap();
    assert_eq!(
        (health.status, health.source),
        (HealthStatus::Failing, HealthSource::NvmeSmart)
    );
    assert_eq!(
        (health.percentage_used, flash.temperature_celsius),
        (Some(101), Some(45))
    );
    let rust = disk(&inventory.disks, "sda");
    let health = rust.health.as_ref().unwrap();
    assert_eq!(
        (health.status, health.source),
        (HealthStatus::Warning, HealthSource::AtaSmart)
    );
    assert_eq!(
        (health.reallocated_sectors, rust.temperature_celsius),
        (Some(3), Some(41))
    );
    assert_eq!(rust.kind, DiskKind::Hdd);
}

#[test]
fn volumes_that_name_each_other_end() {
    let machine = Machine::new();
    let names: Vec<String> = (0..24).map(|n| format!("dm-{n}")).collect();
    for name in &names {
        let slaves: Vec<String> = names
            .iter()
            .map(|slave| format!("slaves/{slave}"))
            .collect();
        let mut attributes: Vec<(&str, &str)> = slaves.iter().map(|s| (s.as_str(), "")).collect();
        attributes.push(("dev", "253:0"));
        machine.disk(name, "virtual", 1, &attributes);
    }
    machine.file("proc/cmdline", "root=/dev/dm-0\n");
    assert_eq!(booted_from(&machine), None);
}

#[test]
fn every_member_of_the_systems_file_system_is_left_out() {
    let member = |kind: &str, label: &str| Signature {
        label: Some(label.into()),
        ..found(kind, "11112222-3333-4444-5555-666677778888")
    };
    for (kind, mount) in [
        ("btrfs", "36 35 0:33 /@ / rw - btrfs /dev/sda rw\n"),
        (
            "zfs_member",
            "36 35 0:33 / / rw - zfs rpool/ROOT/pve-1 rw\n",
        ),
    ] {
        let machine = Machine::new();
        let mut answers = Answers::default();
        for (n, name) in ["sda", "sdb", "sdc"].into_iter().enumerate() {
            machine.disk(name, &SATA.replace("ata1", &format!("ata{n}")), 100, &[]);
            let content = if name == "sdc" {
                vec![Signature {
                    uuid: Some("other".into()),
                    ..member(kind, "data")
                }]
            } else {
                vec![member(kind, "rpool")]
            };
            let device = format!("/dev/{name}");
            answers.put(&device, "content", signature::encode(&content).as_bytes());
        }
        answers.add_to(&machine);
        machine.file("proc/self/mountinfo", mount);
        let counted: Vec<bool> = machine.probe().disks.iter().map(|d| d.counted).collect();
        assert_eq!(counted, [false, false, true], "{kind}");
    }
}

#[test]
fn an_mbrs_partition_is_named_by_its_number() {
    let machine = Machine::new();
    partitioned(&machine);
    let mut answers = Answers::default();
    let table = signature::encode(&[found("dos", "1234abcd")]);
    answers.put("/dev/sda", "content", table.as_bytes());
    answers.add_to(&machine);
    machine.file("proc/cmdline", "root=PARTUUID=1234ABCD-02\n");
    let named = Some(("sda".to_owned(), BootMediumSource::CommandLine));
    assert_eq!(booted_from(&machine), named);
    machine.file("proc/cmdline", "root=PARTUUID=1234ABCD-03\n");
    assert_eq!(booted_from(&machine), None);
}

#[test]
fn a_silent_disk_is_silent_in_its_snapshot_too() {
    let machine = Machine::new();
    machine.disk("sda", SATA, 100, &[]);
    let mut answers = Answers::default();
    answers.put("/dev/sda", "silent", b"");
    answers.add_to(&machine);
    let warnings = machine.probe().warnings;
    let mut texts = warnings.iter().map(|w| w.message.raw());
    assert!(texts.any(|text| text.contains("/dev/sda: the device does not answer in time")));
}

#[test]
fn sensors_of_the_kernel_need_no_rights() {
    let machine = Machine::new();
    machine.disk(
        "sda",
        SATA,
        100,
        &[("device/hwmon/hwmon3/temp1_input", "37000")],
    );
    assert_eq!(machine.probe().disks[0].temperature_celsius, Some(37));
    let broken = Machine::new();
    broken.disk(
        "sda",
        SATA,
        100,
        &[("device/hwmon/hwmon3/temp1_input", "999000")],
    );
    assert_eq!(broken.probe().disks[0].temperature_celsius, None);
}

#[test]
fn the_operators_word_goes_before_the_evidence() {
    let machine = Machine::new();
    machine
        .disk(
            "sda",
            SATA,
            100,
            &[("queue/rotational", "1"), ("wwid", "naa.5000c500a1b2c3d4")],
        )
        .disk(
            "vda",
            "pci0000:00/0000:00:04.0/virtio0",
            100,
            &[("serial", "V1")],
        )
        .disk("loop0", "virtual", 1, &[("serial", "L1")]);
    let word = |kind, ignore| DiskOverride { kind, ignore };
    let mut overrides = DiskOverrides::default();
    overrides.insert("0x5000C500A1B2C3D4", word(Some(VouchedKind::Ssd), false));
    overrides.insert("v1", word(None, true));
    overrides.insert("L1", word(Some(VouchedKind::Ssd), false));
    overrides.insert("gone", word(Some(VouchedKind::Hdd), false));
    let inventory = machine.probe_with(&ProbeOptions {
        overrides,
        ..ProbeOptions::default()
    });
    let sda = disk(&inventory.disks, "sda");
    assert_eq!(
        (sda.kind, sda.kind_source, sda.confidence),
        (DiskKind::Ssd, KindSource::Override, Confidence::Certain)
    );
    assert!(sda.counted);
    assert_eq!(
        disk(&inventory.disks, "vda").reason,
        Some(Exclusion::Operator)
    );
    let loop0 = disk(&inventory.disks, "loop0");
    assert_eq!((loop0.kind, loop0.counted), (DiskKind::Virtual, false));
    let mut warnings = inventory.warnings.iter();
    assert!(warnings.any(|w| w.message.raw().ends_with("serial number gone")));
}
