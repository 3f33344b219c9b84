//! Thin media: iPXE and a script that fetches the system, from building them to a registered node.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use qemu_lab::{Bus, Firmware, Guest, Machine, Nic};
use serde_json::Value;

use crate::boot::{Lab, build_image_of, create_farm, registered};
use crate::support::Home;

pub const PATIENCE: Duration = Duration::from_secs(240);

/// `farmer image serve` on a free port; ends with the test.
pub struct Site {
    child: Child,
    /// Where guests find it.
    pub url: String,
}

impl Site {
    pub fn new(directory: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_farmer"))
            .args(["image", "serve", "--listen", "127.0.0.1:0", "-o", "json"])
            .arg(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("farmer starts");
        let mut told = String::new();
        let mut lines = BufReader::new(child.stdout.take().expect("its output"));
        lines.read_line(&mut told).expect("its first line");
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let url = told["url"].as_str().expect("its address");
        Self {
            child,
            url: url.replace("127.0.0.1", "10.0.2.2"),
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that hands out a bundle and hangs up in the middle of its first archive.
fn cut_short(bundle: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = BufReader::new(stream.try_clone().expect("the same"));
            let mut line = String::new();
            request.read_line(&mut line).expect("a request");
            let mut header = String::from("-");
            while !header.trim().is_empty() {
                header.clear();
                request.read_line(&mut header).expect("its headers");
            }
            let name = line.split(' ').nth(1).unwrap_or_default();
            let content = std::fs::read(bundle.join(name.trim_start_matches('/')));
            let content = content.unwrap_or_default();
            let sent = match name {
                "/base.img" => content.len() / 2,
                _ => content.len(),
            };
            let length = content.len();
            // A guest that has enough hangs up too.
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            )
            .and_then(|()| stream.write_all(&content[..sent]));
        }
    });
    format!("http://10.0.2.2:{port}")
}

/// A farm, its directory, and a bundle that somebody else's farm is built into.
pub struct ThinLab {
    pub lab: Lab,
    pub farm: u64,
    pub bundle: PathBuf,
    pub system_sha256: String,
}

impl ThinLab {
    pub fn new(name: &str) -> Self {
        let lab = Lab::new(name);
        let bundle = lab.home.path().join("boot");
        build_image_of(&lab, &["--format", "pxe"], &bundle);
        let manifest = std::fs::read(bundle.join("manifest.json")).expect("the manifest");
        let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
        Self {
            farm: create_farm(&lab.home, &lab.directory, "thin"),
            system_sha256: manifest["system_sha256"].as_str().expect("one").to_owned(),
            lab,
            bundle,
        }
    }

    /// Builds a thin image of the farm.
    pub fn build(&self, name: &str, format: &str, mirrors: &[&str], more: &[&str]) -> PathBuf {
        let out = self.lab.home.path().join(name);
        let farm = self.farm.to_string();
        let mut farmer = self.lab.home.farmer(&[
            "image",
            "build",
            "--insecure-http",
            "--farm-id",
            &farm,
            "--format",
            format,
        ]);
        for mirror in mirrors {
            farmer = farmer.args(&["--mirror", mirror]);
        }
        farmer.args(more).arg("--out").arg(&out).run();
        out
    }

    /// The farm's node, once it has registered.
    pub fn node(&self, guest: &mut Guest) -> Value {
        let node = self.lab.node(&registered(guest));
        assert_eq!(node["farm_id"].as_u64(), Some(self.farm), "{node:#}");
        node
    }
}

/// A machine whose firmware and iPXE are seen on the serial port.
pub fn machine(firmware: Firmware) -> Machine {
    Machine {
        machine_type: match firmware {
            Firmware::SeaBios => "q35,graphics=off",
            _ => "q35",
        },
        nics: vec![Nic::User],
        ..Machine::new(firmware)
    }
}

/// Everything that can fail on the way, on one stick.
#[test]
fn a_thin_stick_finds_its_way_to_the_node_of_its_farm() {
    let thin = ThinLab::new("thin-usb");
    let site = Site::new(&thin.bundle);
    let absent = format!("{}/absent", site.url);
    let mirrors = [
        "http://10.0.2.2:1",
        &absent,
        &cut_short(thin.bundle.clone()),
        &site.url,
    ];
    let more = [
        "--expect",
        &thin.system_sha256,
        "--kernel-arg",
        "loglevel=5",
    ];
    let image = thin.build("thin.img", "thin-usb", &mirrors, &more);
    let machine = Machine {
        medium: Some((image, Bus::Usb)),
        // Nobody answers on the first port.
        nics: vec![Nic::Silent, Nic::User],
        ..machine(Firmware::SeaBios)
    };
    let mut guest = machine.boot("thin-usb").expect("QEMU starts");
    for said in [
        "Port 0 (52:54:00:12:34:56): no address. Is the cable in",
        "Could not be fetched or started: http://10.0.2.2:1/boot.ipxe",
        "/absent/boot.ipxe... No such file or directory",
        "base.img... Input/output error",
        "Could not be fetched or started: ",
        "Port 1: fetching ",
        "this is the system that the medium expects",
        "made now and written to FARMCFG",
    ] {
        guest.wait_for(said, PATIENCE).expect("said");
    }
    thin.node(&mut guest);
}

/// `ipxe.lkrn` and the script, as any loader of Linux kernels starts them.
#[test]
fn without_a_server_it_says_so() {
    let home = Home::new();
    let out = home.path().join("krn");
    home.farmer(&["image", "build", "--farm-id", "9", "--insecure-http"])
        .args(&["--mirror", "http://10.0.2.2:1", "--format", "thin-krn"])
        .arg("--out")
        .arg(&out)
        .run();
    let machine = Machine {
        memory_mib: 256,
        extra: vec![
            "-kernel".into(),
            out.join("ipxe.lkrn").into(),
            "-initrd".into(),
            out.join("farm.ipxe").into(),
        ],
        ..machine(Firmware::SeaBios)
    };
    let mut guest = machine.boot("thin").expect("QEMU starts");
    for said in [
        "Round 3 of 3 failed.",
        "Not booted: nothing could be fetched from any port.",
    ] {
        guest.wait_for(said, PATIENCE).expect("said");
    }
}

#[test]
fn a_site_serves_whole_files_and_parts_and_nothing_beside_itself() {
    let home = Home::new();
    let root = home.path().join("root");
    std::fs::create_dir(&root).expect("directory");
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(root.join("vmlinuz"), &content).expect("written");
    std::fs::write(home.path().join("secret"), "x").expect("written");
    std::os::unix::fs::symlink("../secret", root.join("link")).expect("a link");
    let site = Site::new(&root);
    let url = site.url.replace("10.0.2.2", "127.0.0.1");
    let curl = |arguments: &[&str], path: &str| {
        let output = Command::new("curl")
            .args(["-sS", "--path-as-is", "-w", "%{stderr}%{http_code}"])
            .args(arguments)
            .arg(format!("{url}/{path}"))
            .output()
            .expect("curl (Debian: apt-get install curl)");
        (
            String::from_utf8_lossy(&output.stderr).into_owned(),
            output.stdout,
        )
    };
    assert_eq!(curl(&[], "vmlinuz"), ("200".to_owned(), content.clone()));
    let part = curl(&["-r", "1000-1999"], "vmlinuz");
    assert_eq!(part, ("206".to_owned(), content[1000..2000].to_vec()));
    assert_eq!(curl(&["-r", "9000000-"], "vmlinuz").0, "416");
    let (status, head) = curl(&["-I"], "vmlinuz");
    let head = String::from_utf8_lossy(&head).to_lowercase();
    assert_eq!(status, "200");
    assert!(head.contains("content-length: 1200000\r\n"), "{head}");
    for path in [
        "link",
        "../secret",
        "%2e%2e/secret",
        ".hidden",
        "",
        "absent",
    ] {
        assert_eq!(curl(&[], path).0, "404", "{path}");
    }
    assert_eq!(curl(&["-d", "x"], "vmlinuz").0, "405");
}

fn build(home: &Home, more: &[&str]) -> crate::support::Farmer {
    home.farmer(&["image", "build", "--farm-id", "9"])
        .args(more)
}

#[test]
fn what_the_binary_cannot_do_is_refused() {
    let home = Home::new();
    let script = |more: &[&str]| build(&home, &["--format", "script", "--out", "-"]).args(more);
    let said = script(&["--mirror", "https://192.0.2.1"]).fails_with(1);
    assert!(said.contains("cannot fetch over https"), "{said}");
    let said = script(&["--mirror", "http://192.0.2.1"]).fails_with(5);
    assert!(said.contains("--insecure-http"), "{said}");
    script(&[]).fails_with(2);
    let plain = ["--mirror", "http://192.0.2.1", "--insecure-http"];
    let written = script(&plain).run().stdout;
    assert!(written.starts_with(b"#!ipxe\n"));
    let said = script(&plain).args(&["--vlan", "7"]).fails_with(1);
    assert!(said.contains("vcreate is not in"), "{said}");
    // What would be lost without a word is refused.
    for lost in [["--location", "country=BE"], ["--add", "/etc/hosts:/h"]] {
        let said = script(&plain).args(&lost).fails_with(2);
        assert!(
            said.contains("belongs to the system that is fetched"),
            "{said}"
        );
    }
    script(&plain).args(&["--with", "sbom"]).fails_with(2);
    let whole = ["--out", "whole.iso", "--mirror", "http://192.0.2.1"];
    let said = build(&home, &whole).fails_with(2);
    assert!(said.contains("--mirror is of thin boot only"), "{said}");
}

#[test]
fn a_medium_says_which_firmware_it_is_for_and_what_it_fetches() {
    let home = Home::new();
    let plain = ["--mirror", "http://192.0.2.1", "--insecure-http"];
    let file = |name: &str| home.path().join(name).display().to_string();
    let image = file("thin.iso");
    let built = build(
        &home,
        &["--format", "thin-iso", "-o", "json", "--out", &image],
    )
    .args(&plain)
    .run();
    // Debian 12's, which this host's apt offers.
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(
        said.contains("this image starts with BIOS only: Debian 12's EFI"),
        "{said}"
    );
    let built: Value = serde_json::from_slice(&built.stdout).expect("JSON");
    assert_eq!(built["firmware"], serde_json::json!(["bios"]));
    assert_eq!(built["fetches"][0], "http://192.0.2.1/boot.ipxe");
    assert!(
        built["size_bytes"]
            .as_u64()
            .is_some_and(|size| size < 5 << 20)
    );
    let shown = home.farmer(&["image", "show", &image, "-o", "json"]).run();
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["flavour"], "thin");
    assert_eq!(shown["farm_id"], 9);
    assert_eq!(shown["fetches"], built["fetches"]);
    assert_eq!(shown["disk_guid"], built["disk_guid"]);
    home.farmer(&["image", "verify", &image]).run();
    let said = home
        .farmer(&["image", "customize", &image, "--farm-id", "3", "--dry-run"])
        .fails_with(5);
    assert!(said.contains("build it anew"), "{said}");
    let efi = build(&home, &["--format", "thin-efi", "--out", &file("efi")]).args(&plain);
    let said = efi.fails_with(6);
    assert!(said.contains("does not look for autoexec.ipxe"), "{said}");
    assert!(said.contains("--ipxe-package"), "{said}");
    // A name that means something else.
    build(&home, &["--format", "thin-iso", "--out", &file("x.qcow2")])
        .args(&plain)
        .fails_with(2);
}

/// What the script hands over is what the node reads.
#[test]
fn a_fixed_address_and_the_rest_reach_the_kernel_line_as_the_node_reads_it() {
    let home = Home::new();
    let out = home.path().join("farm.ipxe").display().to_string();
    let address = "192.0.2.9/25,gw=192.0.2.1,dns=192.0.2.2,dns=192.0.2.3,if=eth1";
    let built = build(&home, &["-o", "json", "--out", &out, "--static", address])
        .args(&["--mirror", "http://192.0.2.1", "--insecure-http", "--debug"])
        .args(&["--network", "test", "--kernel-arg", "pci=nomsi"])
        .args(&["--serial", "ttyS1,9600"])
        .run();
    let built: Value = serde_json::from_slice(&built.stdout).expect("JSON");
    let arguments = built["arguments"].as_str().expect("a line");
    assert!(
        arguments.ends_with("console=ttyS1,9600n8 debug pci=nomsi"),
        "{arguments}"
    );
    let line = node_config::cmdline::parse(arguments);
    assert_eq!(line.ignored, [""; 0]);
    let layer = line.layer;
    assert_eq!(layer.farm_id, None, "farm.toml may say another");
    assert_eq!(line.medium_layer.farm_id.map(|farm| farm.get()), Some(9));
    assert_eq!(layer.runmode, Some(node_config::RunMode::Test));
    assert_eq!(layer.debug, Some(true));
    let network = layer.network;
    assert_eq!(network.address, "192.0.2.9/25".parse().ok());
    assert_eq!(network.gateway, "192.0.2.1".parse().ok());
    let dns: [std::net::IpAddr; 2] =
        ["192.0.2.2", "192.0.2.3"].map(|address| address.parse().expect("an address"));
    assert_eq!(network.dns, dns);
    assert_eq!(network.interface.as_deref(), Some("eth1"));
    let script = std::fs::read_to_string(&out).expect("the script");
    assert!(
        script.contains(&format!("\nset farmer-args {arguments}\n")),
        "{script}"
    );
    assert!(
        script.contains("\nset ${port}/netmask 255.255.255.128\n"),
        "{script}"
    );
}

#[test]
fn several_farms_get_an_image_each() {
    let home = Home::new();
    let all = |out: &str| {
        home.farmer(&["image", "build", "--farm-id", "998..1000", "-o", "json"])
            .args(&["--mirror", "http://192.0.2.1", "--insecure-http"])
            .args(&["--format", "thin-usb", "--out"])
            .arg(home.path().join(out))
    };
    let said = all("farm.img").fails_with(2);
    assert!(said.contains("{farm}"), "{said}");
    let built: Value = serde_json::from_slice(&all("farm-{farm}.img").run().stdout).expect("JSON");
    let farms: Vec<_> = built["images"].as_array().expect("a list").iter().collect();
    assert_eq!(farms.len(), 3);
    for (farm, image) in (998_u64..).zip(farms) {
        let path = home.path().join(format!("farm-{farm}.img"));
        assert_eq!(image["farm_id"].as_u64(), Some(farm));
        assert_eq!(image["path"], path.display().to_string());
        let mut bytes = Vec::new();
        std::fs::File::open(&path)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .expect("the image");
        let needle = format!("set farmer-args farm.medium=${{medium}} farm.farmer_id={farm}\n");
        let found = bytes.windows(needle.len()).any(|w| w == needle.as_bytes());
        assert!(found, "{farm}");
        home.farmer(&["image", "verify"]).arg(&path).run();
    }
    // The same alone: nothing of the neighbours is in it.
    let alone = home.path().join("alone.img");
    home.farmer(&["image", "build", "--farm-id", "1000"])
        .args(&["--mirror", "http://192.0.2.1", "--insecure-http"])
        .args(&["--format", "thin-usb", "--out"])
        .arg(&alone)
        .run();
    let read = |path: &Path| std::fs::read(path).expect("the image");
    assert!(read(&alone) == read(&home.path().join("farm-1000.img")));
    let whole = home
        .farmer(&[
            "image",
            "build",
            "--farm-id",
            "1..2",
            "--out",
            "node-{farm}.iso",
        ])
        .fails_with(2);
    assert!(whole.contains("thin images only"), "{whole}");
}
