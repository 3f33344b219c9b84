//! Every way a medium can be attached, as a table: each cell must end with the node in a real
//! directory. The quick set boots a few; `FARMER_TEST_FULL=1` boots every cell.
//!
//! To add a flavour of image, a firmware or a bus, add it to its axis.

use std::path::{Path, PathBuf};

use qemu_lab::{Bus, Firmware, Machine, Nic};

use crate::boot::{Lab, build_image_of, registered};

/// A kind of image: what `image build` is told beyond farm and directory.
struct Flavour {
    name: &'static str,
    arguments: &'static [&'static str],
    firmwares: &'static [Firmware],
}

const FLAVOURS: [Flavour; 1] = [Flavour {
    name: "stock",
    arguments: &[],
    firmwares: &[Firmware::SeaBios, Firmware::Ovmf],
}];
const BUSES: [Bus; 5] = [Bus::Cd, Bus::Usb, Bus::Sata, Bus::Nvme, Bus::Virtio];
const MACHINES: [&str; 2] = ["pc", "q35"];
/// As little as the firmware leaves enough of, and more than 32 bits reach.
const fn memories_mib(firmware: Firmware) -> [u64; 2] {
    match firmware {
        Firmware::SeaBios => [512, 8192],
        _ => [768, 8192],
    }
}

/// One cell.
struct Cell {
    firmware: Firmware,
    bus: Bus,
    machine: &'static str,
    memory_mib: u64,
}

impl Cell {
    /// Boots `image`, which is in QEMU's format `format`, until its node has registered.
    fn boot(&self, name: &str, lab: &Lab, image: &Path, format: &'static str) {
        let mut machine = Machine::new(self.firmware);
        machine.machine_type = self.machine;
        machine.memory_mib = self.memory_mib;
        machine.medium = Some((image.to_owned(), self.bus));
        machine.medium_format = format;
        machine.nics = vec![Nic::User];
        let mut guest = machine.boot(name).expect("QEMU starts");
        let node_id = registered(&mut guest);
        let node = lab.node(&node_id);
        let installed = node["hardware"]["memory"]["installed_bytes"].as_u64();
        assert_eq!(installed, Some(self.memory_mib << 20), "{name}: {node:#}");
    }
}

fn build(lab: &Lab, arguments: &[&str], out: &str) -> PathBuf {
    let path = lab.home.path().join(out);
    build_image_of(lab, arguments, &path);
    path
}

#[test]
fn a_qcow2_boots_as_a_virtio_disk_under_uefi() {
    let lab = Lab::new("qcow2");
    let image = build(&lab, &[], "node.qcow2");
    let cell = Cell {
        firmware: Firmware::Ovmf,
        bus: Bus::Virtio,
        machine: "pc",
        memory_mib: 768,
    };
    cell.boot("qcow2", &lab, &image, "qcow2");
}

#[test]
fn a_vhd_boots_as_an_nvme_disk_under_bios() {
    let lab = Lab::new("vhd");
    let image = build(&lab, &[], "node.vhd");
    let cell = Cell {
        firmware: Firmware::SeaBios,
        bus: Bus::Nvme,
        machine: "q35",
        memory_mib: 512,
    };
    cell.boot("vhd", &lab, &image, "vpc");
}

/// Kernel, archives and arguments as the bundle's own iPXE script names them.
#[test]
fn a_bundle_boots_without_a_medium() {
    let lab = Lab::new("bundle");
    let bundle = build(&lab, &["--format", "pxe"], "boot");
    let script = std::fs::read_to_string(bundle.join("boot.ipxe")).expect("the script");
    let line = |start: &str| {
        let lines = script.lines().filter_map(|line| line.strip_prefix(start));
        let lines = lines.map(|line| line.trim_end_matches(" || goto failed").to_owned());
        lines.collect::<Vec<_>>()
    };
    let kernel = line("kernel ").remove(0);
    let mut words = kernel.split(' ');
    let kernel = bundle.join(words.next().expect("a kernel"));
    let (named, arguments): (Vec<_>, Vec<_>) = words.partition(|w| w.starts_with("initrd="));
    let archives = line("initrd ");
    assert_eq!(
        named,
        archives
            .iter()
            .map(|name| format!("initrd={name}"))
            .collect::<Vec<_>>()
    );
    let mut all = Vec::new();
    for name in &archives {
        all.extend(std::fs::read(bundle.join(name)).expect("an archive"));
    }
    let one = build(&lab, &[], "node.initramfs");
    assert!(
        std::fs::read(&one).expect("the initramfs") == all,
        "the one file is the archives in order"
    );

    let mut machine = Machine::new(Firmware::SeaBios);
    machine.memory_mib = 512;
    machine.nics = vec![Nic::User];
    machine.extra = vec!["-kernel".into(), kernel.into()];
    machine.extra.extend(["-initrd".into(), one.into()]);
    machine
        .extra
        .extend(["-append".into(), arguments.join(" ").into()]);
    let mut guest = machine.boot("bundle").expect("QEMU starts");
    let node_id = registered(&mut guest);
    assert_eq!(lab.node(&node_id)["farm_id"].as_u64(), Some(lab.farm_id));
}

#[test]
#[expect(clippy::disallowed_macros, reason = "a test tells how far it is")]
fn every_cell_boots() {
    if std::env::var_os("FARMER_TEST_FULL").is_none() {
        eprintln!("the quick set; every cell with FARMER_TEST_FULL=1 (scripts/test --full)");
        return;
    }
    let lab = Lab::new("matrix");
    for flavour in FLAVOURS {
        let image = build(&lab, flavour.arguments, &format!("{}.iso", flavour.name));
        for firmware in flavour.firmwares.iter().copied() {
            for (bus, machine) in BUSES.into_iter().flat_map(|bus| MACHINES.map(|m| (bus, m))) {
                for memory_mib in memories_mib(firmware) {
                    let cell = Cell {
                        firmware,
                        bus,
                        machine,
                        memory_mib,
                    };
                    let name = format!(
                        "{} {firmware:?} {bus:?} {machine} {memory_mib} MiB",
                        flavour.name
                    );
                    eprintln!("{name}");
                    cell.boot(&name, &lab, &image, "raw");
                }
            }
        }
    }
}
