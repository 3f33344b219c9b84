//! Every way a medium can be attached, as a table: each cell must end with the node in a real
//! directory. The quick set boots a few; `FARMER_TEST_FULL=1` boots every cell.
//!
//! To add a flavour of image, a firmware or a bus, add it to its axis.

use std::path::{Path, PathBuf};
use std::process::Command;

use qemu_lab::{Bus, Firmware, Guest, Machine, Nic};
use serde_json::Value;

use crate::boot::{BOOT_PATIENCE, Lab, build_image_of, create_farm, registered};
use crate::support::is_full;
use crate::thin::Site;

/// A kind of image: what `image build` is told beyond farm and directory.
struct Flavour {
    name: &'static str,
    arguments: &'static [&'static str],
    firmwares: &'static [Firmware],
}

const FIRMWARES: &[Firmware] = &[Firmware::SeaBios, Firmware::Ovmf];
const STOCK: Flavour = Flavour {
    name: "stock",
    arguments: &[],
    firmwares: FIRMWARES,
};
const UKI: Flavour = Flavour {
    name: "uki",
    arguments: &["--flavour", "uki"],
    firmwares: FIRMWARES,
};
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
    fn boot(&self, name: &str, lab: &Lab, image: &Path, format: &'static str) -> Value {
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
        node
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
    // Firmware sees the same disk as from a QCOW2; the quick set boots that.
    if !is_full() {
        return;
    }
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

/// Boots `bundle` from the network.
fn netboot(bundle: &Path, firmware: Firmware, file: &'static str) -> Guest {
    let mut machine = Machine::new(firmware);
    machine.nics = vec![Nic::User];
    machine.netboot = Some((bundle.to_owned(), file));
    machine.boot(file).expect("QEMU starts")
}

/// The farm of the node that registers.
fn farm_of(lab: &Lab, mut guest: Guest) -> Option<u64> {
    let node_id = registered(&mut guest);
    lab.node(&node_id)["farm_id"].as_u64()
}

/// A script that hands these arguments to the bundle's, as a thin medium does.
fn caller(bundle: &Path, file: &'static str, farm: u64, system_sha256: &str) -> &'static str {
    let text = format!(
        "#!ipxe\nset farmer-args farmer_id={farm} farm.expect=sha256:{system_sha256}\n\
         chain boot.ipxe\n"
    );
    std::fs::write(bundle.join(file), text).expect("written");
    file
}

/// iPXE is given a script, fetches what it names and starts it.
#[test]
fn a_bundle_boots_over_the_network() {
    let lab = Lab::new("bundle");
    let bundle = build(&lab, &["--format", "pxe"], "boot");
    let manifest = std::fs::read(bundle.join("manifest.json")).expect("the manifest");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    let system = manifest["system_sha256"].as_str().expect("a digest");
    let other = create_farm(&lab.home, &lab.directory, "other");
    let script = caller(&bundle, "thin.ipxe", other, system);
    let mut guest = netboot(&bundle, Firmware::SeaBios, script);
    guest
        .wait_for("this is the system that the medium expects", BOOT_PATIENCE)
        .expect("compared");
    assert_eq!(farm_of(&lab, guest), Some(other));
    if is_full() {
        let script = caller(&bundle, "stale.ipxe", other, &"0".repeat(64));
        let mut guest = netboot(&bundle, Firmware::SeaBios, script);
        guest
            .wait_for("is not the one that the medium expects", BOOT_PATIENCE)
            .expect("refused");
        guest
            .wait_for("restarting the machine", BOOT_PATIENCE)
            .expect("fetched again");

        let guest = netboot(&bundle, Firmware::SeaBios, "boot.ipxe");
        assert_eq!(farm_of(&lab, guest), Some(lab.farm_id));
        let guest = netboot(&bundle, Firmware::OvmfSecureBoot, "shimx64.efi");
        assert_eq!(farm_of(&lab, guest), Some(lab.farm_id));
        let bundle = build(&lab, &["--format", "pxe", "--flavour", "uki"], "boot-uki");
        let guest = netboot(&bundle, Firmware::Ovmf, "node.efi");
        assert_eq!(farm_of(&lab, guest), Some(lab.farm_id));
    }
}

#[test]
fn the_one_initramfs_is_the_archives_of_the_bundle_in_order() {
    let lab = Lab::new("initramfs");
    let bundle = build(&lab, &["--format", "pxe"], "boot");
    let script = std::fs::read_to_string(bundle.join("boot.ipxe")).expect("the script");
    let names = script
        .lines()
        .filter_map(|line| line.strip_prefix("initrd "))
        .map(|line| line.trim_end_matches(" || goto failed"));
    let all: Vec<u8> = names
        .flat_map(|name| std::fs::read(bundle.join(name)).expect("an archive"))
        .collect();
    let one = build(&lab, &[], "node.initramfs");
    assert!(std::fs::read(&one).expect("the initramfs") == all);
}

/// What is done to an image before a boot.
const STAGES: [&str; 3] = ["as built", "customised", "reset"];

#[test]
fn every_stock_cell_boots() {
    every_cell_boots(&STOCK);
}

#[test]
fn every_uki_cell_boots() {
    every_cell_boots(&UKI);
}

fn every_cell_boots(flavour: &Flavour) {
    if !is_full() {
        return;
    }
    let lab = Lab::new(flavour.name);
    let image = build(&lab, flavour.arguments, &format!("{}.iso", flavour.name));
    every_cell_of(&lab, flavour.name, &image, flavour.firmwares);
}

/// A kernel with the node inside is one EFI file, as Zero-OS is, and is told its farm as Zero-OS is.
/// Compiles that kernel: half an hour on two processors, minutes when it was done before.
#[test]
fn every_cell_of_a_system_like_zero_os_boots() {
    if !is_full() {
        return;
    }
    let lab = Lab::new("like-zero-os");
    let own = build_kernel(&lab, "own-kernel", &[]);
    let own = |out: &str, flavour: &str| {
        let kernel = own.join("vmlinuz");
        let kernel = ["--kernel", kernel.to_str().expect("UTF-8")];
        let modules = ["--modules", own.to_str().expect("UTF-8")];
        let flavour = match flavour {
            "uki" => ["--flavour", "uki"].as_slice(),
            _ => &["--no-secure-boot"],
        };
        build(&lab, &[&kernel, &modules, flavour].concat(), out)
    };
    for (name, flavour, firmware, bus) in [
        ("own-stock", "stock", Firmware::SeaBios, Bus::Usb),
        ("own-uki", "uki", Firmware::Ovmf, Bus::Nvme),
    ] {
        let image = own(&format!("{name}.iso"), flavour);
        let cell = Cell {
            firmware,
            bus,
            machine: "q35",
            memory_mib: 1024,
        };
        cell.boot(name, &lab, &image, "raw");
    }

    // Inside are the settings of a farm that the media are not for.
    let initramfs = own("node.initramfs", "stock");
    let farm_id = create_farm(&lab.home, &lab.directory, "outside");
    let lab = Lab { farm_id, ..lab };
    let initramfs = initramfs.to_str().expect("UTF-8");
    let kernel = build_kernel(&lab, "node-inside", &["--embed-initramfs", initramfs]);
    let image = lab.home.path().join("zos.iso");
    lab.home
        .farmer(&["image", "build", "--serial", "ttyS0,115200", "--farm-id"])
        .arg(lab.farm_id.to_string())
        .arg("--zos")
        .arg(kernel.join("vmlinuz"))
        .arg("--out")
        .arg(&image)
        .run();
    every_cell_of(&lab, "like Zero-OS", &image, FIRMWARES);

    // The same file, fetched by a thin medium.
    let site = Site::new(&kernel);
    let image = lab.home.path().join("thin.iso");
    lab.home
        .farmer(&["image", "build", "--format", "thin-iso", "--insecure-http"])
        .args(&["--serial", "ttyS0,115200", "--farm-id"])
        .arg(lab.farm_id.to_string())
        .arg("--zos")
        .arg(format!("{}/vmlinuz", site.url))
        .arg("--out")
        .arg(&image)
        .run();
    let cell = Cell {
        firmware: Firmware::SeaBios,
        bus: Bus::Cd,
        machine: "q35",
        memory_mib: 1024,
    };
    let node = cell.boot("thin like Zero-OS", &lab, &image, "raw");
    assert_eq!(node["farm_id"].as_u64(), Some(lab.farm_id));
}

/// Builds a kernel with `scripts/build-kernel`; returns the directory that holds it.
fn build_kernel(lab: &Lab, out: &str, arguments: &[&str]) -> PathBuf {
    let out = lab.home.path().join(out);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/build-kernel");
    let status = Command::new(script)
        .arg("--out")
        .arg(&out)
        .args(arguments)
        .status()
        .expect("a shell");
    assert!(status.success(), "the kernel does not build");
    out
}

/// Boots an image for the lab's farm in every machine, customised for another farm, and reset.
#[expect(
    clippy::disallowed_macros,
    clippy::print_stderr,
    reason = "a test tells how far it is"
)]
fn every_cell_of(lab: &Lab, flavour: &str, image: &Path, firmwares: &[Firmware]) {
    let other = create_farm(&lab.home, &lab.directory, "other");
    for firmware in firmwares.iter().copied() {
        let kinds: Vec<_> = MACHINES
            .into_iter()
            .flat_map(|machine| memories_mib(firmware).map(|mib| (machine, mib)))
            .collect();
        for (index, bus) in BUSES.into_iter().enumerate() {
            for (stage, what) in STAGES.into_iter().enumerate() {
                // Every machine and memory comes around with every stage.
                let (machine, memory_mib) = kinds[(index + stage) % kinds.len()];
                match what {
                    "customised" => change(lab, image, &["--farm-id", &other.to_string()]),
                    "reset" => change(lab, image, &[]),
                    _ => {}
                }
                let farm = if what == "customised" {
                    other
                } else {
                    lab.farm_id
                };
                let name =
                    format!("{flavour} {firmware:?} {bus:?} {machine} {memory_mib} MiB {what}");
                eprintln!("{name}");
                let cell = Cell {
                    firmware,
                    bus,
                    machine,
                    memory_mib,
                };
                let node = cell.boot(&name, lab, image, "raw");
                assert_eq!(node["farm_id"].as_u64(), Some(farm), "{name}");
            }
        }
    }
}

/// Customises the image itself, or resets it when nothing is to be changed.
fn change(lab: &Lab, image: &Path, arguments: &[&str]) {
    let command = if arguments.is_empty() {
        "reset"
    } else {
        "customize"
    };
    let farmer = lab.home.farmer(&["image", command, "--in-place"]);
    farmer.args(arguments).arg(image).run();
}
