//! What goes into the media, under real firmware: a Zero-OS kernel with its command line, the rescue
//! entry of the menu, firmware and microcode. The quick set boots two machines; `FARMER_TEST_FULL=1`
//! adds the other loader for each.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use qemu_lab::{Bus, Disk, DiskKind, Firmware, Guest, Machine, Nic};

use crate::support::{Home, is_full};

const PATIENCE: Duration = Duration::from_secs(300);

/// Debian's kernel as it lies in the bootkit: a bzImage with EFI stub, like Zero-OS.
fn kernel(home: &Home) -> PathBuf {
    let output = home.farmer(&["bootkit", "show", "-o", "json"]).run();
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    Path::new(shown["path"].as_str().expect("a path")).join("kernel/vmlinuz")
}

/// Without an initramfs inside the kernel ends in a panic, but before it says what it was told.
fn zero_os_boots(firmware: Firmware, bus: Bus) {
    let home = Home::new();
    let image = home.path().join("zos.iso");
    home.farmer(&["image", "build", "--farm-id", "7", "--network", "test"])
        .args(&["--serial", "ttyS0,57600", "--kernel-arg", "missing-ssd"])
        .arg("--zos")
        .arg(kernel(&home))
        .arg("--out")
        .arg(&image)
        .run();
    let mut machine = Machine::new(firmware);
    machine.medium = Some((image, bus));
    let mut guest = machine.boot("zero-os").expect("QEMU starts");
    let line = guest
        .wait_for("Command line:", PATIENCE)
        .expect("its first words");
    let expected = "console=tty0 console=ttyS0,57600n8 \
                    nomodeset version=v3 runmode=test panic=7200 farmer_id=7 missing-ssd";
    assert!(line.trim_end().ends_with(expected), "{line}");
}

#[test]
fn zero_os_gets_its_command_line() {
    zero_os_boots(Firmware::SeaBios, Bus::Cd);
    if is_full() {
        zero_os_boots(Firmware::OvmfSecureBoot, Bus::Usb);
    }
}

/// Waits for the boot menu and presses keys.
fn choose(guest: &mut Guest, keys: &[&str]) {
    let begun = Instant::now();
    while !guest.console().contains("escue: look, do not register") {
        assert!(begun.elapsed() < PATIENCE, "no menu: {}", guest.console());
        std::thread::sleep(Duration::from_millis(50));
    }
    for key in keys {
        guest.press(key).expect("a key");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn rescue_boots(firmware: Firmware, bus: Bus, keys: &[&str]) {
    let home = Home::new();
    let image = home.path().join("node.iso");
    let put = |path: &str, bytes: &[u8]| {
        let path = home.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("directory");
        std::fs::write(path, bytes).expect("file");
    };
    put("ucode/AuthenticAMD.bin", b"DMA\0 no processor takes this");
    put("firmware/e100/d101m_ucode.bin", b"one of three");
    put("motd", b"hello\n");
    home.farmer(&["image", "build", "--farm-id", "1", "--directory"])
        .args(&["https://dir.example", "--node"])
        .arg(crate::support::farm_node())
        .arg("--microcode")
        .arg(home.path().join("ucode"))
        .arg("--firmware")
        .arg(home.path().join("firmware"))
        .arg("--add")
        .arg(format!("{}:/etc/", home.path().join("motd").display()))
        .arg("--out")
        .arg(&image)
        .run();
    let mut machine = Machine::new(firmware);
    machine.medium = Some((image.clone(), bus));
    machine.nics = vec![Nic::User];
    machine.disks = vec![Disk::gib(DiskKind::Nvme, 101)];
    // A card whose driver declares three firmware files. Linux 6.1's e100 announces its port before it has
    // all its memory, so a second processor that opens it at once can find none.
    machine.cpus = 1;
    for argument in [
        "-netdev",
        "hubport,id=old,hubid=9",
        "-device",
        "i82559er,netdev=old,romfile=",
    ] {
        machine.extra.push(argument.into());
    }
    let before = std::fs::read(&image).expect("image");
    let mut guest = machine.boot("rescue").expect("QEMU starts");
    choose(&mut guest, keys);
    guest
        .wait_for("nothing is registered", PATIENCE)
        .expect("the mode is announced");
    let mut waited = String::new();
    for text in [
        "Intel PRO/100 (e100) found, firmware ",
        "CPU threads",
        "nic",
        "disk nvme0n1: ",
    ] {
        // In any order: the stages run side by side.
        let begun = Instant::now();
        let line = loop {
            let console = guest.console();
            let found = match text {
                "nic" => console
                    .lines()
                    .find(|line| line.contains(" has 10.0.2.15/24")),
                text => console.lines().find(|line| line.contains(text)),
            };
            if let Some(line) = found {
                break line.to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "no {text:?} in {console}");
            std::thread::sleep(Duration::from_millis(200));
        };
        waited.push_str(&line);
        waited.push('\n');
    }
    assert!(
        waited.contains("e100/d101s_ucode.bin, e100/d102e_ucode.bin missing")
            && !waited.contains("d101m_ucode.bin"),
        "what is in the image is not missing: {waited}"
    );
    let console = guest.console();
    assert!(
        !console.contains("identity") && !console.contains("register:"),
        "{console}"
    );
    drop(guest);
    assert!(
        std::fs::read(&image).expect("image") == before,
        "rescue wrote to the stick"
    );
}

#[test]
fn rescue_shows_the_machine_and_writes_nothing() {
    rescue_boots(Firmware::Ovmf, Bus::Usb, &["r"]);
    if is_full() {
        rescue_boots(Firmware::SeaBios, Bus::Usb, &["r", "ret"]);
    }
}
