//! Thin media: a script for iPXE that fetches the system, and the server to try it with.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use qemu_lab::{Firmware, Guest, Machine, Nic};

use crate::support::Home;

/// `farmer image serve` on a free port; ends with the test.
struct Site {
    child: Child,
    port: u16,
}

impl Site {
    fn new(directory: &std::path::Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_farmer"))
            .args(["image", "serve", "--listen", "127.0.0.1:0", "-o", "json"])
            .arg(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("farmer starts");
        let mut told = String::new();
        let mut lines = BufReader::new(child.stdout.take().expect("its output"));
        let port = loop {
            assert!(
                lines.read_line(&mut told).is_ok_and(|length| length > 0),
                "{told}"
            );
            let port = told
                .split("\"url\"")
                .nth(1)
                .and_then(|rest| rest.split('"').nth(1));
            if let Some(url) = port {
                break url.rsplit(':').next().and_then(|port| port.parse().ok());
            }
        };
        Self {
            child,
            port: port.expect("a port"),
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn script(home: &Home, mirrors: &[String]) -> std::path::PathBuf {
    let file = home.path().join("thin.ipxe");
    let mut farmer = home.farmer(&["image", "build", "--farm-id", "9", "--insecure-http"]);
    for mirror in mirrors {
        farmer = farmer.args(&["--mirror", mirror]);
    }
    farmer
        .args(&["--ipxe", "/boot/ipxe.lkrn", "--out"])
        .arg(&file)
        .run();
    file
}

/// `ipxe.lkrn` and the script, as any loader of Linux kernels starts them.
fn boot(script: &std::path::Path, nics: &[Nic]) -> Guest {
    let machine = Machine {
        // Without a screen SeaBIOS shows everything on the serial port.
        machine_type: "q35,graphics=off",
        memory_mib: 256,
        nics: nics.to_vec(),
        extra: vec![
            "-kernel".into(),
            "/boot/ipxe.lkrn".into(),
            "-initrd".into(),
            script.into(),
        ],
        ..Machine::new(Firmware::SeaBios)
    };
    machine.boot("thin").expect("QEMU starts")
}

const PATIENCE: Duration = Duration::from_secs(240);

#[test]
fn the_script_goes_to_the_next_port_and_the_next_mirror() {
    let home = Home::new();
    let root = home.path().join("root");
    std::fs::create_dir(&root).expect("directory");
    std::fs::write(root.join("boot.ipxe"), "#!ipxe\necho @@ here\nsleep 100\n").expect("file");
    let site = Site::new(&root);
    let there = format!("http://10.0.2.2:{}", site.port);
    let script = script(&home, &[format!("{there}/absent"), there]);
    // Nobody answers on the first port.
    let mut guest = boot(&script, &[Nic::Silent, Nic::User]);
    guest
        .wait_for("Port 0 (52:54:00:12:34:56): no address.", PATIENCE)
        .expect("said");
    guest
        .wait_for("Could not be fetched: http://10.0.2.2:", PATIENCE)
        .expect("said");
    guest.wait_for("@@ here", PATIENCE).expect("booted");
}

#[test]
fn without_a_server_it_says_so() {
    let home = Home::new();
    let script = script(&home, &["http://10.0.2.2:1".to_owned()]);
    let mut guest = boot(&script, &[Nic::User]);
    guest
        .wait_for("Round 3 of 3 failed.", PATIENCE)
        .expect("said");
    guest
        .wait_for(
            "Not booted: nothing could be fetched from any port.",
            PATIENCE,
        )
        .expect("said");
}

#[test]
fn what_the_binary_cannot_do_is_refused() {
    let home = Home::new();
    let build = |more: &[&str]| {
        home.farmer(&[
            "image",
            "build",
            "--farm-id",
            "9",
            "--format",
            "script",
            "--out",
            "-",
        ])
        .args(more)
    };
    let said = build(&["--mirror", "https://192.0.2.1"]).fails_with(1);
    assert!(said.contains("cannot fetch over https"), "{said}");
    let said = build(&["--mirror", "http://192.0.2.1"]).fails_with(5);
    assert!(said.contains("--insecure-http"), "{said}");
    build(&[]).fails_with(2);
    let script = build(&["--mirror", "http://192.0.2.1", "--insecure-http"])
        .run()
        .stdout;
    assert!(script.starts_with(b"#!ipxe\n"));
}
