//! Finished images: customised, reset, verified, taken apart, explained.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::build::static_program;
use crate::support::{Farmer, Home};

/// A home with an image of farm 1 in it.
pub struct Farm {
    pub home: Home,
    pub image: PathBuf,
    /// SHA-256 as the build told it.
    pub sha256: String,
}

impl Farm {
    pub fn new() -> Self {
        let home = Home::new();
        let image = home.path().join("node.iso");
        let output = home
            .farmer(&[
                "-o",
                "json",
                "image",
                "build",
                "--farm-id",
                "1",
                "--directory",
            ])
            .arg("https://dir.example")
            .arg("--node")
            .arg(static_program(&home))
            .arg("--out")
            .arg(&image)
            .run();
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let sha256 = told["sha256"].as_str().expect("digest").to_owned();
        Self {
            home,
            image,
            sha256,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn image(&self, command: &str, image: &Path, arguments: &[&str]) -> Farmer {
        self.home
            .farmer(&["-o", "json", "image", command])
            .arg(image)
            .args(arguments)
    }
}

pub fn json(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

pub fn sha256(path: &Path) -> String {
    let output = std::process::Command::new("sha256sum")
        .arg(path)
        .output()
        .expect("sha256sum");
    String::from_utf8_lossy(&output.stdout)[..64].to_owned()
}

#[test]
fn an_image_is_given_to_another_farm_and_back() {
    let farm = Farm::new();
    let change = ["--farm-id", "2", "--karg-append", "console=ttyS1,115200"];
    let shown = farm
        .image("customize", &farm.image, &change)
        .arg("--dry-run")
        .run();
    let shown = json(&shown);
    assert_eq!(shown["written"], Value::Null);
    let regions: Vec<&str> = shown["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .map(|change| change["region"].as_str().expect("name"))
        .collect();
    assert_eq!(regions, ["config", "kargs-bios", "kargs-uefi"]);
    assert_eq!(sha256(&farm.image), farm.sha256, "a dry run wrote");

    let copy = farm.path("copy.iso");
    farm.image("customize", &farm.image, &change)
        .arg("--out")
        .arg(&copy)
        .run();
    assert_eq!(
        sha256(&farm.image),
        farm.sha256,
        "the source was written to"
    );
    let stream = farm
        .image("customize", &farm.image, &change)
        .args(&["--out", "-"])
        .run();
    assert!(stream.stdout == std::fs::read(&copy).expect("copy"));
    farm.image("customize", &farm.image, &change)
        .arg("--in-place")
        .run();
    assert_eq!(sha256(&farm.image), sha256(&copy));

    let shown = json(&farm.image("show", &copy, &[]).run());
    assert_eq!(shown["farm_id"], 2);
    assert_eq!(shown["kernel_arguments"], "console=ttyS1,115200");
    farm.image("reset", &farm.image, &["--in-place"]).run();
    assert_eq!(sha256(&farm.image), farm.sha256);
}

#[test]
fn a_vlan_is_put_on_an_image_and_taken_off_again() {
    let farm = Farm::new();
    let change = |value: &str| {
        let change = ["--vlan", value, "--in-place"];
        farm.image("customize", &farm.image, &change)
    };
    change("4095").fails_with(2);
    change("12").run();
    let shown = json(&farm.image("show", &farm.image, &[]).run());
    let settings = shown["settings"].as_array().expect("settings");
    let vlan = settings.iter().find(|s| s["key"] == "network.vlan");
    assert_eq!(vlan.expect("a VLAN")["value"], "12");
    change("none").run();
    assert_eq!(sha256(&farm.image), farm.sha256);
}

#[test]
fn what_cannot_be_done_is_refused_with_a_code_and_a_hint() {
    let farm = Farm::new();
    let refuse = |arguments: &[&str], code: i32, words: &str| {
        let said = farm
            .home
            .farmer(&["image", "customize"])
            .arg(&farm.image)
            .args(arguments)
            .fails_with(code);
        assert!(said.contains(words), "{arguments:?}: {said}");
    };
    refuse(&["--farm-id", "2"], 2, "--in-place");
    refuse(&["--dry-run"], 2, "no change is named");
    refuse(&["--farm-id", "0", "--dry-run"], 2, "0");
    refuse(
        &["--karg-append", "rdinit=/x", "--in-place"],
        5,
        "another program",
    );
    refuse(
        &["--karg-append", "a='b'", "--in-place"],
        1,
        "hint: kernel arguments are",
    );
    refuse(
        &["--karg-delete", "nope", "--in-place"],
        2,
        "no kernel argument \"nope\"",
    );
    refuse(
        &["--directory", "http://d.example", "--in-place"],
        5,
        "--insecure-http",
    );
    let long = "x".repeat(1710);
    refuse(&["--karg-append", &long, "--in-place"], 2, "10 too many");
    let toml = farm.path("farm.toml");
    std::fs::write(&toml, "farm_id = 1\nfram = 2\n").expect("file");
    refuse(
        &["--farm-toml", toml.to_str().expect("path"), "--in-place"],
        1,
        "unknown field `fram`",
    );
    let taken = farm.path("taken.iso");
    std::fs::write(&taken, "precious").expect("file");
    refuse(
        &["--farm-id", "2", "--out", taken.to_str().expect("path")],
        5,
        "--force",
    );
    assert_eq!(std::fs::read(&taken).expect("file"), b"precious");
    assert_eq!(sha256(&farm.image), farm.sha256, "a refusal wrote");

    let foreign = farm.path("foreign.img");
    std::fs::write(&foreign, vec![0; 1 << 20]).expect("file");
    for command in ["customize", "reset"] {
        let arguments: &[&str] = if command == "reset" {
            &["--in-place"]
        } else {
            &["--farm-id", "2", "--in-place"]
        };
        let said = farm.image(command, &foreign, arguments).fails_with(1);
        assert!(said.contains("no disk image of ours"), "{said}");
        farm.image(command, Path::new("/no/such.iso"), arguments)
            .fails_with(6);
    }
}

#[test]
fn arguments_that_differ_between_bios_and_uefi_are_shown() {
    let farm = Farm::new();
    let shown = json(&farm.image("show", &farm.image, &[]).run());
    let regions = shown["regions"].as_array().expect("regions");
    let uefi = regions
        .iter()
        .find(|r| r["name"] == "kargs-uefi")
        .expect("region");
    let file = std::fs::File::options()
        .write(true)
        .open(&farm.image)
        .expect("image");
    let offset = uefi["span"]["offset"].as_u64().expect("offset");
    file.write_all_at(b"'vga=1'\n", offset).expect("written");
    let said = farm
        .home
        .farmer(&["image", "customize", "--farm-id", "2", "--in-place"])
        .arg(&farm.image)
        .fails_with(5);
    assert!(
        said.contains("UEFI: \"vga=1\"") && said.contains("--kargs"),
        "{said}"
    );
    farm.image("verify", &farm.image, &[]).fails_with(3);
    farm.image(
        "customize",
        &farm.image,
        &["--kargs", "vga=2", "--in-place"],
    )
    .run();
    let shown = json(&farm.image("show", &farm.image, &[]).run());
    assert_eq!(shown["kernel_arguments"], "vga=2");
    farm.image("verify", &farm.image, &[]).run();
}

#[test]
fn verify_names_the_damaged_file_and_ends_with_3() {
    let farm = Farm::new();
    let whole = json(&farm.image("verify", &farm.image, &[]).run());
    assert_eq!(whole["sound"], true, "{whole}");
    assert_eq!(
        whole["findings"].as_array().map(Vec::len),
        Some(0),
        "{whole}"
    );
    let shown = json(&farm.image("show", &farm.image, &[]).run());
    let kernel = &shown["kernels"][0];
    let middle = kernel["offset"].as_u64().expect("offset") + 3_000_000;
    let file = std::fs::File::options()
        .write(true)
        .open(&farm.image)
        .expect("image");
    file.write_all_at(b"damage", middle).expect("written");
    let output = farm.image("verify", &farm.image, &[]).output();
    assert_eq!(output.status.code(), Some(3));
    let report = json(&output);
    assert_eq!(report["sound"], false);
    assert_eq!(report["findings"][0]["place"], "BOOT/VMLINUZ", "{report}");
    assert_eq!(report["findings"][0]["severity"], "damage");
    farm.image("verify", Path::new("/no/such.iso"), &[])
        .fails_with(6);
    let text = farm
        .home
        .farmer(&["image", "verify"])
        .arg(&farm.image)
        .output();
    assert!(String::from_utf8_lossy(&text.stdout).contains("DAMAGED"));
}

#[test]
fn extract_puts_the_parts_into_a_directory_and_replaces_nothing() {
    let farm = Farm::new();
    let parts = farm.path("parts");
    let out = parts.to_str().expect("path");
    let told = json(&farm.image("extract", &farm.image, &["--out", out]).run());
    let files = told["files"].as_array().expect("files");
    assert!(
        files.iter().any(|file| file["path"] == "BOOT/VMLINUZ"),
        "{told}"
    );
    for file in files {
        let path = parts.join(file["path"].as_str().expect("path"));
        assert_eq!(sha256(&path), file["sha256"].as_str().expect("digest"));
    }
    let toml = std::fs::read_to_string(parts.join("node.toml")).expect("settings");
    assert!(toml.contains("https://dir.example"), "{toml}");
    farm.image("extract", &farm.image, &["--out", out])
        .fails_with(5);
    farm.image("extract", &farm.image, &["--out", out, "--force"])
        .run();
    let empty = farm.path("empty.img");
    std::fs::write(&empty, vec![0; 4096]).expect("file");
    farm.image("extract", &empty, &["--out", out]).fails_with(6);
}

/// The names scripts rely on, and what is explained of an image with real loaders.
#[test]
fn show_explains_what_starts_and_with_whose_keys() {
    let farm = Farm::new();
    let shown = json(&farm.image("show", &farm.image, &[]).run());
    let names: Vec<&str> = shown
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    for name in [
        "path",
        "kind",
        "container",
        "size_bytes",
        "disk_guid",
        "fingerprint",
        "partitions",
        "volume_id",
        "boot_entries",
        "loaders",
        "kernels",
        "boots",
        "node",
        "regions",
        "kernel_arguments",
        "config_toml",
        "farm_id",
        "settings",
        "problems",
    ] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    assert_eq!(shown["kind"], "farm-medium");
    assert_eq!(
        shown["problems"].as_array().map(Vec::len),
        Some(0),
        "{shown}"
    );
    let boots = shown["boots"].as_array().expect("boots");
    assert!(
        boots.iter().all(|boot| boot["starts"].is_string()),
        "{boots:?}"
    );
    let secure: Vec<&Value> = boots.iter().map(|boot| &boot["secure_boot"]).collect();
    assert_eq!(
        secure,
        [
            &Value::Null,
            &Value::Null,
            &Value::Bool(true),
            &Value::Bool(true)
        ]
    );
    let shim = &shown["loaders"][0];
    assert!(
        shim["sbat"][0]
            .as_str()
            .is_some_and(|entry| entry.starts_with("shim,")),
        "{shim}"
    );
    let signers = shim["signers"].as_array().expect("signers");
    assert!(
        signers
            .iter()
            .any(|s| s.as_str().is_some_and(|s| s.contains("Microsoft")))
    );
    let origin = shown["settings"]
        .as_array()
        .expect("settings")
        .iter()
        .find(|setting| setting["key"] == "farm_id");
    assert_eq!(origin.expect("farm")["origin"], "image");
}

/// A loop device over a file, as large as a stick; detached when dropped. Needs root.
struct Stick(String);

impl Stick {
    fn over(image: &Path) -> Self {
        let output = std::process::Command::new("losetup")
            .args(["--find", "--show"])
            .arg(image)
            .output()
            .expect("losetup (Debian: apt-get install mount)");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "a loop device is needed: {said}");
        Self(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl Drop for Stick {
    fn drop(&mut self) {
        let _ = std::process::Command::new("losetup")
            .arg("-d")
            .arg(&self.0)
            .status();
    }
}

#[test]
fn a_stick_is_changed_like_an_image() {
    let farm = Farm::new();
    let length = farm.image.metadata().expect("image").len();
    let file = std::fs::File::options()
        .write(true)
        .open(&farm.image)
        .expect("image");
    file.set_len(length + (16 << 20)).expect("grown");
    let stick = Stick::over(&farm.image);
    let device = Path::new(&stick.0);
    farm.image("customize", device, &["--farm-id", "2", "--in-place"])
        .run();
    let shown = json(&farm.image("show", device, &[]).run());
    assert_eq!(shown["farm_id"], 2);
    let report = json(&farm.image("verify", device, &[]).run());
    assert_eq!(report["sound"], true, "{report}");
    // A copy of a stick is the image, without what follows it.
    let copy = farm.path("copy.iso");
    farm.image("reset", device, &[])
        .arg("--out")
        .arg(&copy)
        .run();
    assert_eq!(sha256(&copy), farm.sha256);

    // A device that holds something mounted is left alone.
    let small = farm.path("mounted.img");
    let mount = farm.path("mount");
    std::fs::create_dir(&mount).expect("directory");
    std::fs::File::create(&small)
        .expect("file")
        .set_len(8 << 20)
        .expect("size");
    let mounted = Stick::over(&small);
    let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
        let status = std::process::Command::new(program).args(arguments).status();
        assert!(status.expect(program).success(), "{program} {arguments:?}");
    };
    run("mkfs.ext4", &["-q".as_ref(), mounted.0.as_ref()]);
    run("mount", &[mounted.0.as_ref(), mount.as_ref()]);
    let said = farm
        .home
        .farmer(&["image", "customize", "--farm-id", "2", "--in-place"])
        .arg(&mounted.0)
        .fails_with(5);
    run("umount", &[mount.as_ref()]);
    assert!(said.contains("in use by another program"), "{said}");
}

/// Whoever reads a log or a bug report must not be able to bring nodes into the farm.
#[test]
fn a_token_goes_into_an_image_and_is_shown_nowhere() {
    let farm = Farm::new();
    let token = format!("fet1_{}", "Ab-9_".repeat(9).get(..43).expect("long enough"));
    let file = farm.path("token");
    std::fs::write(&file, format!("{token}\n")).expect("a file");
    let image = farm.path("enrolled.iso");
    let said = |output: std::process::Output| {
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!text.contains(&token), "{text}");
        text
    };
    let change = farm.image("customize", &farm.image, &["--enrolment-token-file"]);
    let told = said(change.arg(&file).arg("--out").arg(&image).run());
    assert!(told.contains("fet1_(hidden)"), "{told}");
    let bytes = std::fs::read(&image).expect("the image");
    let is_inside = |bytes: &[u8]| {
        bytes
            .windows(token.len())
            .any(|part| part == token.as_bytes())
    };
    assert!(is_inside(&bytes));
    said(farm.image("show", &image, &[]).run());
    said(farm.image("reset", &image, &["--in-place"]).run());
    assert!(!is_inside(&std::fs::read(&image).expect("the image")));

    std::fs::write(&file, "fet1_secret").expect("a file");
    let change = farm.image("customize", &farm.image, &["--enrolment-token-file"]);
    let said = change.arg(&file).arg("--dry-run").fails_with(2);
    assert!(!said.contains("secret"), "{said}");
}
