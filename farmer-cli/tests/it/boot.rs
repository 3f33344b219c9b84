//! The loop: build an image, boot it under real firmware, and find the node in a real directory
//! with exactly the hardware the machine was given.

use std::path::{Path, PathBuf};
use std::time::Duration;

use qemu_lab::{Bus, Disk, DiskKind, Firmware, Guest, Machine, Nic};
use serde_json::Value;

use crate::support::{Directory, Home, is_full};

/// Emulated firmware and kernels are slow, and slower beside each other; a healthy boot takes a
/// fifth of this.
pub const BOOT_PATIENCE: Duration = Duration::from_secs(300);
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A farm with its directory and an image for it.
pub struct Lab {
    pub home: Home,
    pub directory: Directory,
    pub farm_id: u64,
    pub image: PathBuf,
}

impl Lab {
    /// Directory, farm and image.
    pub fn new(farm: &str) -> Self {
        Self::with(farm, |_| Vec::new())
    }

    /// With more arguments of `image build`; they may name files in the home.
    pub fn with(farm: &str, arguments: impl FnOnce(&Home) -> Vec<String>) -> Self {
        let home = Home::new();
        let directory = Directory::start(&home);
        let farm_id = create_farm(&home, &directory, farm);
        let image = home.path().join("node.iso");
        build_image(
            &home,
            &guest_url(&directory),
            &directory.pin,
            farm_id,
            &image,
            &arguments(&home),
        );
        Self {
            home,
            directory,
            farm_id,
            image,
        }
    }

    /// The farm's nodes as the directory lists them.
    pub fn nodes(&self) -> Vec<Value> {
        let farm = self.farm_id.to_string();
        let nodes = self
            .home
            .json(&self.directory, &["node", "list", "--farm", &farm]);
        nodes.as_array().expect("a list of nodes").clone()
    }

    /// One node with what only the farm's owner may see.
    pub fn node(&self, node_id: &str) -> Value {
        self.home.json(&self.directory, &["node", "show", node_id])
    }
}

/// The emulated machine sees this one's loopback as 10.0.2.2.
fn guest_url(directory: &Directory) -> String {
    directory.url.replace("127.0.0.1", "10.0.2.2")
}

pub fn create_farm(home: &Home, directory: &Directory, name: &str) -> u64 {
    let farm = home.json(
        directory,
        &["farm", "create", name, "--country", "BE", "--city", "Gent"],
    );
    farm["id"].as_u64().expect("the new farm's id")
}

fn build_image(home: &Home, url: &str, pin: &str, farm_id: u64, out: &Path, more: &[String]) {
    let farm = farm_id.to_string();
    let node = crate::support::farm_node();
    let farmer = home
        .farmer(&[
            "image",
            "build",
            "--farm-id",
            &farm,
            "--directory",
            url,
            "--pin",
            pin,
        ])
        .arg("--node")
        .arg(node)
        .arg("--out")
        .arg(out)
        .args(&more.iter().map(String::as_str).collect::<Vec<_>>());
    // What `scripts/build-kernel` made, to be booted instead of Debian's kernel.
    match std::env::var_os("FARM_KERNEL").map(PathBuf::from) {
        Some(dir) => {
            let kernel = farmer.arg("--kernel").arg(dir.join("vmlinuz"));
            let kernel = kernel.arg("--modules").arg(dir);
            if more.iter().any(|argument| argument == "uki") {
                kernel.run();
            } else {
                kernel.arg("--no-secure-boot").run();
            }
        }
        None => drop(farmer.run()),
    }
}

/// Builds another image for the farm of `lab`.
pub fn build_image_of(lab: &Lab, arguments: &[&str], out: &Path) {
    let farm = lab.farm_id.to_string();
    lab.home
        .farmer(&["image", "build", "--farm-id", &farm, "--directory"])
        .arg(guest_url(&lab.directory))
        .args(&["--pin", &lab.directory.pin, "--node"])
        .arg(crate::support::farm_node())
        .args(arguments)
        .arg("--out")
        .arg(out)
        .run();
}

/// Waits until the guest has registered and reported; returns its node id.
pub fn registered(guest: &mut Guest) -> String {
    let line = guest
        .wait_for("farm-node: registered node ", BOOT_PATIENCE)
        .expect("registration");
    guest
        .wait_for("s reported", BOOT_PATIENCE)
        .expect("uptime report");
    let rest = line
        .split("registered node ")
        .nth(1)
        .expect("the words after the id");
    rest.split_whitespace()
        .next()
        .expect("a node id")
        .to_owned()
}

/// A number that differs from run to run, so that no result can be a constant.
fn varied(from: u64, to: u64) -> u64 {
    let mut bytes = [0; 8];
    std::io::Read::read_exact(
        &mut std::fs::File::open("/dev/urandom").expect("/dev/urandom"),
        &mut bytes,
    )
    .expect("random bytes");
    from + u64::from_le_bytes(bytes) % (to - from + 1)
}

/// Boots one cell of the matrix and compares what the directory knows with what QEMU was given.
fn cell(farm: &str, firmware: Firmware, bus: Bus) {
    let node = cell_of(&Lab::new(farm), farm, Machine::new(firmware), bus);
    assert_eq!(node["state"], "pending", "{node:#}");
}

/// The same for a lab's own image and machine; returns the node as its owner sees it.
pub fn cell_of(lab: &Lab, farm: &str, mut machine: Machine, bus: Bus) -> Value {
    let cpus = varied(1, 4);
    let memory_mib = 256 * varied(4, 9);
    let nvme_gib = varied(101, 400);
    let hdd_gib = varied(101, 4000);
    machine.cpus = u32::try_from(cpus).expect("few CPUs");
    machine.memory_mib = memory_mib;
    machine.medium = Some((lab.image.clone(), bus));
    machine.disks = vec![
        Disk::gib(DiskKind::Nvme, nvme_gib),
        Disk::gib(DiskKind::SataHdd, hdd_gib),
    ];
    machine.nics = vec![Nic::User];
    let mut guest = machine.boot(farm).expect("QEMU starts");
    let node_id = registered(&mut guest);

    let nodes = lab.nodes();
    assert_eq!(nodes.len(), 1, "{nodes:?}");
    let node = lab.node(&node_id);
    let given = format!("{cpus} CPUs, {memory_mib} MiB, {nvme_gib} and {hdd_gib} GiB: {node:#}");
    assert_eq!(node["farm_id"].as_u64(), Some(lab.farm_id), "{given}");
    assert!(
        node["os_version"]
            .as_str()
            .expect("os")
            .starts_with("farm-node/"),
        "{given}"
    );

    let total = &node["total_resources"];
    assert_eq!(total["cru"].as_u64(), Some(cpus), "{given}");
    assert_eq!(total["sru"].as_f64(), Some(nvme_gib as f64), "{given}");
    assert_eq!(total["hru"].as_f64(), Some(hdd_gib as f64), "{given}");

    let hardware = &node["hardware"];
    assert_eq!(hardware["cpu"]["logical"].as_u64(), Some(cpus), "{given}");
    let memory = &hardware["memory"];
    assert_eq!(
        memory["installed_bytes"].as_u64(),
        Some(memory_mib * MIB),
        "{given}"
    );
    let usable = memory["usable_bytes"].as_u64().expect("usable memory");
    assert!(
        usable <= memory_mib * MIB && usable * 10 >= memory_mib * MIB * 9,
        "{usable}: {given}"
    );
    assert_eq!(
        hardware["virtualisation"]["is_virtual"].as_bool(),
        Some(true),
        "{given}"
    );

    let counted: Vec<_> = hardware["disks"]
        .as_array()
        .expect("disks")
        .iter()
        .filter(|disk| disk["counted"].as_bool() == Some(true))
        .map(|disk| (disk["kind"].as_str(), disk["size_bytes"].as_u64()))
        .collect();
    assert_eq!(counted.len(), 2, "{given}");
    assert!(
        counted.contains(&(Some("ssd"), Some(nvme_gib * GIB))),
        "{given}"
    );
    assert!(
        counted.contains(&(Some("hdd"), Some(hdd_gib * GIB))),
        "{given}"
    );
    node
}

#[test]
fn bios_cd() {
    cell("bios-cd", Firmware::SeaBios, Bus::Cd);
}

#[test]
fn bios_usb() {
    cell("bios-usb", Firmware::SeaBios, Bus::Usb);
}

#[test]
fn uefi_cd() {
    cell("uefi-cd", Firmware::Ovmf, Bus::Cd);
}

/// The node shows its farm's token, and is approved without anybody doing anything.
#[test]
fn uefi_usb_with_an_enrolment_token() {
    let lab = Lab::new("uefi-usb");
    let farm = lab.farm_id.to_string();
    let token = lab
        .home
        .json(&lab.directory, &["farm", "token", "new", &farm]);
    let file = lab.home.path().join("token");
    std::fs::write(&file, token["token"].as_str().expect("a token")).expect("written");
    let file = file.to_str().expect("UTF-8");
    let image = ["--force", "--enrolment-token-file", file];
    build_image_of(&lab, &image, &lab.image);
    let machine = Machine::new(Firmware::Ovmf);
    let node = cell_of(&lab, "uefi-usb", machine, Bus::Usb);
    assert_eq!(node["state"], "approved", "{node:#}");
}

/// The same node after a reboot from a stick: its identity lies on FARMCFG. In another machine the
/// directory notices.
#[test]
fn a_stick_keeps_its_identity_and_a_cd_says_that_it_cannot() {
    let lab = Lab::new("identity");
    let board = |number: u8| {
        let uuid = format!("4c4c4544-0042-3510-8053-b7c04f50343{number}");
        vec!["-uuid".into(), uuid.into()]
    };
    let mut machine = Machine::new(Firmware::SeaBios);
    machine.extra = board(1);
    machine.medium = Some((lab.image.clone(), Bus::Usb));
    machine.nics = vec![Nic::User];
    let mut guest = machine.boot("identity").expect("QEMU starts");
    let first = registered(&mut guest);
    guest.reset().expect("reset");
    let second = registered(&mut guest);
    assert_eq!(first, second, "a new identity after a reboot");
    drop(guest);
    assert!(lab.node(&first)["two_boards"].is_null());

    machine.extra = board(2);
    let mut guest = machine.boot("identity-elsewhere").expect("QEMU starts");
    guest
        .wait_for("identity came from another machine", BOOT_PATIENCE)
        .expect("the console says whose it was");
    assert_eq!(registered(&mut guest), first);
    let node = lab.node(&first);
    assert!(node["two_boards"].is_i64(), "{node:#}");
    drop(guest);

    machine.medium = Some((lab.image.clone(), Bus::Cd));
    let mut guest = machine.boot("identity-cd").expect("QEMU starts");
    guest
        .wait_for("kept in memory only", BOOT_PATIENCE)
        .expect("the loss is announced");
    assert_ne!(registered(&mut guest), first);
}

/// Everything a node can be kept from registering by, put and taken away around one running node.
#[test]
fn a_node_says_what_is_missing_and_recovers() {
    let home = Home::new();
    let mut directory = Directory::start(&home);
    let farm_id = create_farm(&home, &directory, "first");
    // The second farm of this directory does not exist yet.
    let unknown = farm_id + 1;
    let image = home.path().join("node.iso");
    build_image(
        &home,
        &guest_url(&directory),
        &directory.pin,
        unknown,
        &image,
        &[],
    );
    directory.stop();

    let mut machine = Machine::new(Firmware::SeaBios);
    machine.medium = Some((image, Bus::Usb));
    machine.nics = vec![Nic::User];
    machine.link_up = false;
    let mut guest = machine.boot("recovery").expect("QEMU starts");
    guest
        .wait_for("no cable", BOOT_PATIENCE)
        .expect("the missing cable is named");
    guest.set_link(0, true).expect("cable in");
    guest
        .wait_for("directory unreachable", BOOT_PATIENCE)
        .expect("the dead directory is named");
    directory.start_again(&home);
    let line = format!("farm {unknown} does not exist");
    guest
        .wait_for(&line, BOOT_PATIENCE)
        .expect("the unknown farm is named");
    assert_eq!(create_farm(&home, &directory, "second"), unknown);
    registered(&mut guest);
}

#[test]
fn a_network_without_dhcp_is_named() {
    let lab = Lab::new("silent");
    let mut machine = Machine::new(Firmware::SeaBios);
    machine.medium = Some((lab.image.clone(), Bus::Cd));
    machine.nics = vec![Nic::Silent];
    let mut guest = machine.boot("silent").expect("QEMU starts");
    guest
        .wait_for("no DHCP answer", BOOT_PATIENCE)
        .expect("the missing answer is named");
}

/// `farm.toml` on the stick, edited as on a laptop, wins over the image.
#[test]
fn farm_toml_on_the_stick_wins() {
    let lab = Lab::new("edited");
    let other = create_farm(&lab.home, &lab.directory, "other");
    put_farm_toml(&lab.home, &lab.image, other);
    let mut machine = Machine::new(Firmware::Ovmf);
    machine.medium = Some((lab.image.clone(), Bus::Usb));
    machine.nics = vec![Nic::User];
    let mut guest = machine.boot("edited").expect("QEMU starts");
    let node_id = registered(&mut guest);
    assert_eq!(lab.node(&node_id)["farm_id"].as_u64(), Some(other));
}

/// Says in the stick's `farm.toml` which farm it is, as an editor on Windows writes it.
pub fn put_farm_toml(home: &Home, image: &Path, farm: u64) {
    let toml = home.path().join("farm.toml");
    std::fs::write(&toml, format!("\u{feff}farm_id = {farm}\r\n")).expect("farm.toml");
    let partition = farmcfg_offset(image);
    let status = std::process::Command::new("mcopy")
        .arg("-o")
        .arg("-i")
        .arg(format!("{}@@{partition}", image.display()))
        .arg(&toml)
        .arg("::farm.toml")
        .status()
        .expect("mcopy (Debian: apt-get install mtools)");
    assert!(status.success());
}

/// Byte offset of GPT entry 1, the farmer's own partition.
fn farmcfg_offset(image: &Path) -> u64 {
    let output = std::process::Command::new("sgdisk")
        .arg("-i1")
        .arg(image)
        .output()
        .expect("sgdisk (Debian: apt-get install gdisk)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = text
        .lines()
        .find(|line| line.starts_with("First sector:"))
        .expect("a first sector");
    let sector: u64 = first
        .split_whitespace()
        .nth(2)
        .and_then(|n| n.parse().ok())
        .expect("a number");
    sector * 512
}

/// One image for another farm without a new build, and back again: what a used stick goes through.
#[test]
fn a_customised_image_registers_with_its_new_farm_and_a_reset_one_with_its_old() {
    let lab = Lab::new("old-farm");
    let other = create_farm(&lab.home, &lab.directory, "new-farm");
    // The image knows which node it carries: from the note in the real binary.
    let shown = lab
        .home
        .farmer(&["-o", "json", "image", "show"])
        .arg(&lab.image)
        .run();
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["node"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(shown["node"]["config_schema"], 1);
    lab.home
        .farmer(&["image", "customize", "--in-place", "--farm-id"])
        .arg(other.to_string())
        .args(&["--karg-append", "loglevel=5"])
        .arg(&lab.image)
        .run();
    let farm_after = |firmware, name: &str| {
        let mut machine = Machine::new(firmware);
        machine.medium = Some((lab.image.clone(), Bus::Usb));
        machine.nics = vec![Nic::User];
        let mut guest = machine.boot(name).expect("QEMU starts");
        let node_id = registered(&mut guest);
        lab.node(&node_id)["farm_id"].as_u64()
    };
    assert_eq!(farm_after(Firmware::SeaBios, "customised"), Some(other));
    lab.home
        .farmer(&["image", "reset", "--in-place"])
        .arg(&lab.image)
        .run();
    assert_eq!(farm_after(Firmware::Ovmf, "reset"), Some(lab.farm_id));
    // Two boots have written to FARMCFG; nothing else has suffered.
    lab.home.farmer(&["image", "verify"]).arg(&lab.image).run();
}

/// Kernel arguments of a customised image count on every path: they overrule the settings.
/// `FARMER_TEST_FULL=1` only: four boots.
#[test]
fn kernel_arguments_of_a_customised_image_reach_the_node_on_every_path() {
    if !is_full() {
        return;
    }
    let lab = Lab::new("by-settings");
    let other = create_farm(&lab.home, &lab.directory, "by-argument");
    lab.home
        .farmer(&["image", "customize", "--in-place", "--karg-append"])
        .arg(format!("farmer_id={other}"))
        .arg(&lab.image)
        .run();
    for (name, firmware, bus) in [
        ("kargs-bios-cd", Firmware::SeaBios, Bus::Cd),
        ("kargs-bios-usb", Firmware::SeaBios, Bus::Usb),
        ("kargs-uefi-cd", Firmware::Ovmf, Bus::Cd),
        ("kargs-uefi-usb", Firmware::Ovmf, Bus::Usb),
    ] {
        let mut machine = Machine::new(firmware);
        machine.medium = Some((lab.image.clone(), bus));
        machine.nics = vec![Nic::User];
        let mut guest = machine.boot(name).expect("QEMU starts");
        let node_id = registered(&mut guest);
        let farm = lab.node(&node_id)["farm_id"].as_u64();
        assert_eq!(farm, Some(other), "{name}");
    }
}
