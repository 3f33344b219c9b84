//! Every way a thin medium can be started, and what goes wrong with certificates: more boots than the
//! quick set has room for. `FARMER_TEST_FULL=1` boots all of it.
//!
//! Debian 12's iPXE comes from the host's apt, Debian 13's by `--suite trixie` from the same mirror.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use image_builder::formats::guid::Guid;
use image_builder::secureboot::Certificate;
use image_builder::secureboot::efivars::signature_list;
use qemu_lab::{Bus, EfiVariable, Firmware, Guest, Machine, Nic};
use serde_json::Value;

use crate::boot::{put_farm_toml, registered};
use crate::support::{Home, is_full};
use crate::thin::{PATIENCE, Site, ThinLab, machine};

const TRIXIE: [&str; 2] = ["--suite", "trixie"];
/// `gEfiTlsCaCertificateGuid`, in the byte order of the disk.
const TLS_CA_VENDOR: [u8; 16] = [
    0xd0, 0x40, 0x23, 0xfd, 0xab, 0x3d, 0x49, 0x43, 0xa6, 0xc7, 0x3b, 0x4f, 0x12, 0xb4, 0x8e, 0xae,
];

/// The files of a boot loader of the bootkit.
fn bootkit_file(home: &Home, name: &str) -> PathBuf {
    let shown = home.farmer(&["bootkit", "show", "-o", "json"]).run();
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    Path::new(shown["path"].as_str().expect("a path")).join(name)
}

fn run(program: &str, arguments: &[&str], directory: &Path) {
    let done = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"));
    assert!(done.status.success(), "{program} {arguments:?}: {done:?}");
}

fn boot(name: &str, machine: &Machine) -> Guest {
    machine.boot(name).expect("QEMU starts")
}

#[test]
fn disks_start_with_both_firmwares_and_both_builds() {
    if !is_full() {
        return;
    }
    let thin = ThinLab::new("thin-disks");
    let site = Site::new(&thin.bundle);
    let old = thin.build("old.iso", "thin-iso", &[&site.url], &[]);
    let new = thin.build("new.iso", "thin-iso", &[&site.url], &TRIXIE);
    let cells = [
        (&old, Firmware::SeaBios, Bus::Cd),
        (&new, Firmware::SeaBios, Bus::Cd),
        (&new, Firmware::SeaBios, Bus::Sata),
        (&new, Firmware::Ovmf, Bus::Cd),
        (&new, Firmware::Ovmf, Bus::Usb),
        (&new, Firmware::Ovmf, Bus::Nvme),
    ];
    for (image, firmware, bus) in cells {
        let name = format!("{} {firmware:?} {bus:?}", image.display());
        let machine = Machine {
            medium: Some((image.clone(), bus)),
            ..machine(firmware)
        };
        let mut guest = boot(&name, &machine);
        let medium = match bus {
            Bus::Cd => "started from the CD in sr0",
            _ => "FARMCFG is /dev/",
        };
        guest.wait_for(medium, PATIENCE).expect(&name);
        thin.node(&mut guest);
    }

    // Edited on a laptop, for the farm that the bundle was built for.
    put_farm_toml(&thin.lab.home, &old, thin.lab.farm_id);
    let machine = Machine {
        medium: Some((old, Bus::Usb)),
        ..machine(Firmware::SeaBios)
    };
    let mut guest = boot("farm.toml", &machine);
    let node = thin.lab.node(&registered(&mut guest));
    assert_eq!(node["farm_id"].as_u64(), Some(thin.lab.farm_id), "{node:#}");
}

#[test]
fn files_start_from_a_fat_stick_and_from_loaders_of_others() {
    if !is_full() {
        return;
    }
    let thin = ThinLab::new("thin-files");
    let home = &thin.lab.home;
    let site = Site::new(&thin.bundle);

    let efi = thin.build("efi", "thin-efi", &[&site.url], &TRIXIE);
    let mut drive = OsString::from("if=none,id=fat,format=raw,file=fat:rw:");
    drive.push(&efi);
    let stick = Machine {
        extra: vec![
            "-drive".into(),
            drive,
            "-device".into(),
            "qemu-xhci".into(),
            "-device".into(),
            "usb-storage,drive=fat,removable=on,bootindex=0".into(),
        ],
        ..machine(Firmware::Ovmf)
    };
    thin.node(&mut boot("a FAT stick", &stick));

    let krn = thin.build("krn", "thin-krn", &[&site.url], &[]);
    let ldlinux = bootkit_file(home, "bios/ldlinux.c32");
    let tree = home.path().join("tree");
    std::fs::create_dir_all(tree.join("isolinux")).expect("directory");
    let copies = [
        (krn.join("ipxe.lkrn"), "ipxe.lkrn"),
        (krn.join("farm.ipxe"), "farm.ipxe"),
        (krn.join("syslinux.cfg"), "isolinux.cfg"),
        (bootkit_file(home, "bios/isolinux.bin"), "isolinux.bin"),
        (ldlinux.clone(), "ldlinux.c32"),
    ];
    for (from, name) in copies {
        std::fs::copy(from, tree.join("isolinux").join(name)).expect("copied");
    }
    let arguments = "-as mkisofs -quiet -o krn.iso -c isolinux/boot.cat -b isolinux/isolinux.bin \
                     -no-emul-boot -boot-load-size 4 -boot-info-table tree";
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    run("xorriso", &arguments, home.path());
    let cd = Machine {
        medium: Some((home.path().join("krn.iso"), Bus::Cd)),
        ..machine(Firmware::SeaBios)
    };
    thin.node(&mut boot("ISOLINUX of others", &cd));

    // Debian: apt-get install pxelinux
    let tftp = home.path().join("tftp");
    std::fs::create_dir_all(tftp.join("pxelinux.cfg")).expect("directory");
    let copies = [
        (krn.join("ipxe.lkrn"), "ipxe.lkrn"),
        (krn.join("farm.ipxe"), "farm.ipxe"),
        (krn.join("syslinux.cfg"), "pxelinux.cfg/default"),
        ("/usr/lib/PXELINUX/pxelinux.0".into(), "pxelinux.0"),
        (ldlinux, "ldlinux.c32"),
    ];
    for (from, name) in copies {
        std::fs::copy(from, tftp.join(name)).expect("copied");
    }
    let network = Machine {
        netboot: Some((tftp, "pxelinux.0")),
        ..machine(Firmware::SeaBios)
    };
    thin.node(&mut boot("PXELINUX", &network));

    // The option ROM of the port is an iPXE too, and DHCP may name an address.
    thin.build("boot/farm.ipxe", "script", &[&site.url], &[]);
    let script = format!("{}/farm.ipxe", site.url);
    let rom = Machine {
        netboot: Some((thin.bundle.clone(), Box::leak(script.into_boxed_str()))),
        ..machine(Firmware::SeaBios)
    };
    thin.node(&mut boot("a script from DHCP", &rom));
}

/// A TLS server with an authority of its own; dies with the test.
struct TlsSite {
    child: Child,
    url: String,
}

impl TlsSite {
    /// Serves the files of `bundle`, with a certificate for `name` as guests see this host.
    fn new(home: &Home, bundle: &Path, name: &str) -> Self {
        let dir = home.path().join(format!("tls-{name}"));
        std::fs::create_dir(&dir).expect("directory");
        let extensions = format!(
            "subjectAltName=IP:{name}\nextendedKeyUsage=serverAuth\n\
             keyUsage=digitalSignature,keyEncipherment\n"
        );
        std::fs::write(dir.join("extensions"), extensions).expect("written");
        let subject = format!("/CN={name}");
        for line in [
            "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 3650 -subj /CN=Farm \
             -addext keyUsage=critical,keyCertSign,cRLSign",
            &format!("req -newkey rsa:2048 -nodes -keyout key -out request -subj {subject}"),
            "x509 -req -in request -CA ca.crt -CAkey ca.key -CAcreateserial -out certificate \
             -days 300 -extfile extensions",
            "x509 -in ca.crt -outform der -out ca.der",
        ] {
            let arguments: Vec<&str> = line.split_whitespace().collect();
            run("openssl", &arguments, &dir);
        }
        // `s_server -HTTP` sends files as they are: they are whole answers.
        let answers = dir.join("answers");
        std::fs::create_dir(&answers).expect("directory");
        for entry in std::fs::read_dir(bundle).expect("the bundle").flatten() {
            if entry.path().is_file() {
                let content = std::fs::read(entry.path()).expect("a file");
                let head = format!(
                    "HTTP/1.0 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    content.len()
                );
                let answer = [head.as_bytes(), &content].concat();
                std::fs::write(answers.join(entry.file_name()), answer).expect("written");
            }
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port")
            .port();
        let child = Command::new("openssl")
            .args(["s_server", "-HTTP", "-quiet", "-accept"])
            .arg(format!("127.0.0.1:{port}"))
            .args(["-cert", "../certificate", "-key", "../key"])
            .args(["-cert_chain", "../ca.crt"])
            .current_dir(&answers)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl starts");
        Self {
            child,
            url: format!("https://10.0.2.2:{port}"),
        }
    }
}

impl Drop for TlsSite {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The variable that firmware setups keep authorities for HTTPS boot in, and that iPXE reads.
fn tls_authority(certificate: &[u8]) -> EfiVariable {
    let certificate = Certificate::decode(certificate).expect("a certificate");
    EfiVariable {
        name: "TlsCaCertificate".to_owned(),
        vendor: TLS_CA_VENDOR,
        attributes: 0x3, // non-volatile, boot
        data: signature_list(Guid([0x11; 16]), &certificate),
    }
}

#[test]
fn https_needs_an_authority_that_the_firmware_knows_and_a_clock() {
    if !is_full() {
        return;
    }
    let thin = ThinLab::new("thin-https");
    let tls = TlsSite::new(&thin.lab.home, &thin.bundle, "10.0.2.2");
    let site = Site::new(&thin.bundle);
    let ca = std::fs::read(thin.lab.home.path().join("tls-10.0.2.2/ca.der")).expect("the CA");
    let image = thin.build("tls.iso", "thin-iso", &[&tls.url, &site.url], &TRIXIE);
    let with = |efi_variables, extra: &[&str]| Machine {
        medium: Some((image.clone(), Bus::Cd)),
        efi_variables,
        extra: extra.iter().map(OsString::from).collect(),
        ..machine(Firmware::Ovmf)
    };

    let mut guest = boot("private CA", &with(vec![tls_authority(&ca)], &[]));
    guest
        .wait_for(&format!("{}/boot.ipxe... ok", tls.url), PATIENCE)
        .expect("fetched");
    thin.node(&mut guest);

    // Unknown authority, then a battery that is dead: the reason, then the next mirror.
    for (name, variables, clock) in [
        ("unknown CA", vec![], &[][..]),
        (
            "dead clock",
            vec![tls_authority(&ca)],
            &["-rtc", "base=1999-01-01"],
        ),
    ] {
        let mut guest = boot(name, &with(variables, clock));
        let refused = guest
            .wait_for(&format!("{}/boot.ipxe... Permission", tls.url), PATIENCE)
            .expect(name);
        assert!(refused.contains("denied"), "{name}: {refused}");
        guest
            .wait_for(
                "does not know its authority, or the clock is wrong.",
                PATIENCE,
            )
            .expect(name);
        let says = guest.wait_for("The clock says ", PATIENCE).expect(name);
        let year_1999 = says.starts_with("The clock says 9151");
        assert_eq!(year_1999, name == "dead clock", "{says}");
        thin.node(&mut guest);
    }
}

/// A frame on the wire carries the VLAN's number; the network of the test answers none.
#[test]
fn a_vlan_is_on_the_wire() {
    if !is_full() {
        return;
    }
    let home = Home::new();
    let image = home.path().join("vlan.iso");
    home.farmer(&["image", "build", "--farm-id", "9", "--insecure-http"])
        .args(&["--mirror", "http://10.0.2.2:1", "--vlan", "12"])
        .args(&TRIXIE)
        .args(&["--format", "thin-iso", "--out"])
        .arg(&image)
        .run();
    let dump = home.path().join("frames");
    let mut filter = OsString::from("filter-dump,id=dump,netdev=net0,file=");
    filter.push(&dump);
    let machine = Machine {
        medium: Some((image, Bus::Cd)),
        extra: vec!["-object".into(), filter],
        ..machine(Firmware::Ovmf)
    };
    let mut guest = boot("vlan", &machine);
    guest
        .wait_for("Port 0 (52:54:00:12:34:56): no address.", PATIENCE)
        .expect("said");
    let frames = std::fs::read(&dump).expect("what was sent");
    // 802.1Q: type 0x8100, then the number.
    assert!(frames.windows(4).any(|bytes| bytes == [0x81, 0, 0, 12]));
}

#[test]
fn a_key_leads_to_the_local_disk() {
    if !is_full() {
        return;
    }
    let home = Home::new();
    let image = home.path().join("thin.iso");
    home.farmer(&["image", "build", "--farm-id", "9", "--insecure-http"])
        .args(&["--mirror", "http://10.0.2.2:1"])
        .args(&TRIXIE)
        .args(&["--format", "thin-iso", "--out"])
        .arg(&image)
        .run();
    // A boot sector that prints @@LOCAL through the BIOS, and stops.
    let disk = home.path().join("disk");
    let mut sector = Vec::new();
    for letter in *b"@@LOCAL\r\n" {
        sector.extend_from_slice(&[0xB4, 0x0E, 0xB0, letter, 0xCD, 0x10]); // int 10h, ah=0Eh
    }
    sector.extend_from_slice(&[0xF4, 0xEB, 0xFD]); // hlt, again
    sector.resize(510, 0);
    sector.extend_from_slice(&[0x55, 0xAA]);
    sector.resize(1 << 20, 0);
    std::fs::write(&disk, sector).expect("the disk");
    let mut drive = OsString::from("if=none,id=local,format=raw,file=");
    drive.push(&disk);
    for (firmware, said) in [
        (Firmware::SeaBios, "@@LOCAL"),
        (Firmware::Ovmf, "BdsDxe: failed to start Boot"),
    ] {
        let machine = Machine {
            medium: Some((image.clone(), Bus::Cd)),
            extra: vec![
                "-drive".into(),
                drive.clone(),
                "-device".into(),
                "ide-hd,drive=local,bus=ide.0".into(),
            ],
            nics: vec![Nic::Silent],
            ..machine(firmware)
        };
        let mut guest = boot("local", &machine);
        guest
            .wait_for("fetching the system over the network", PATIENCE)
            .expect("the script");
        guest.press("l").expect("pressed");
        guest
            .wait_for("Starting from the local disk.", PATIENCE)
            .expect("said");
        guest.wait_for(said, PATIENCE).expect("handed over");
    }
}
