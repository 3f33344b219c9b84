//! `farmer image keys`, and images of the uki flavour at the command line.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::build::static_program;
use crate::support::{Farmer, Home};

fn new_keys(home: &Home) -> PathBuf {
    let keys = home.path().join("keys");
    home.farmer(&["image", "keys", "new", "--name", "My Farm", "--out"])
        .arg(&keys)
        .run();
    keys
}

fn build(home: &Home, out: &Path) -> Farmer {
    home.farmer(&["-o", "json", "image", "build", "--farm-id", "1"])
        .args(&["--directory", "https://dir.example", "--node"])
        .arg(static_program(home))
        .arg("--out")
        .arg(out)
}

fn told(farmer: Farmer) -> Value {
    serde_json::from_slice(&farmer.run().stdout).expect("JSON")
}

fn verified(program: &Path, certificate: &Path) -> bool {
    let output = Command::new("sbverify")
        .arg("--cert")
        .arg(certificate)
        .arg(program)
        .output()
        .expect("sbverify (Debian: apt-get install sbsigntool)");
    output.status.success()
}

#[test]
fn keys_are_made_once_and_shown() {
    let home = Home::new();
    let keys = new_keys(&home);
    let mode = |path: &Path| path.metadata().expect("file").permissions().mode() & 0o777;
    assert_eq!((mode(&keys), mode(&keys.join("PK.key"))), (0o700, 0o600));
    let said = home
        .farmer(&["image", "keys", "new", "--out"])
        .arg(&keys)
        .fails_with(5);
    assert!(
        said.contains("never overwritten") && said.contains("hint: "),
        "{said}"
    );

    let show = || {
        home.farmer(&["-o", "json", "image", "keys", "show"])
            .arg(&keys)
    };
    let shown = told(show());
    let rows = shown["keys"].as_array().expect("keys");
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2]["subject"], "CN=My Farm boot key");
    assert!(rows.iter().all(|row| row["private_key"] == true), "{shown}");
    std::fs::remove_file(keys.join("db.key")).expect("removed");
    assert_eq!(told(show())["keys"][2]["private_key"], false);

    home.farmer(&["image", "keys", "show", "/no/such/keys"])
        .fails_with(6);
    home.farmer(&["image", "keys", "new", "--name", "a=b", "--out"])
        .arg(home.path().join("other"))
        .fails_with(2);
    assert!(!home.path().join("other").exists());
}

/// Microsoft's certificates come from the host's ovmf package and stand beside the farm's own.
#[test]
fn microsofts_keys_are_added_when_asked_for() {
    let home = Home::new();
    let keys = home.path().join("keys");
    home.farmer(&["image", "keys", "new", "--with-microsoft", "--out"])
        .arg(&keys)
        .run();
    for variable in ["db", "KEK"] {
        let status = Command::new("sig-list-to-certs")
            .arg(keys.join(format!("{variable}.esl")))
            .arg(home.path().join(variable))
            .stdout(std::process::Stdio::null())
            .status()
            .expect("sig-list-to-certs (Debian: apt-get install efitools)");
        assert!(status.success());
        for (number, name) in [format!("{variable}.cer"), format!("{variable}-other-1.cer")]
            .iter()
            .enumerate()
        {
            let listed = home.path().join(format!("{variable}-{number}.der"));
            let ours = std::fs::read(keys.join(name)).expect("certificate");
            assert_eq!(std::fs::read(listed).expect("in the list"), ours, "{name}");
        }
        let output = Command::new("openssl")
            .args(["x509", "-inform", "DER", "-noout", "-subject", "-in"])
            .arg(keys.join(format!("{variable}-other-1.cer")))
            .output()
            .expect("openssl");
        let subject = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(subject.contains("Microsoft Corporation"), "{subject}");
    }
    assert!(!keys.join("PK-other-1.cer").exists());
}

#[test]
fn a_signed_image_repeats_and_its_program_is_accepted() {
    let home = Home::new();
    let keys = new_keys(&home);
    let certificate = keys.join("db.crt");
    let key = keys.display().to_string();
    let efi = home.path().join("node.efi");
    let alone = told(build(&home, &efi).args(&["--format", "uki", "--signing-key", &key]));
    assert_eq!(alone["flavour"], "uki-signed");
    assert!(alone["disk_guid"].is_null() && alone["regions"] == serde_json::json!([]));
    assert!(verified(&efi, &certificate));

    let mut digests = Vec::new();
    for name in ["one.iso", "two.iso"] {
        let out = home.path().join(name);
        let made = told(build(&home, &out).args(&["--flavour", "uki", "--signing-key", &key]));
        assert_eq!(
            made["pcr11_sha256"].as_str().map(str::len),
            Some(64),
            "{made}"
        );
        assert_eq!(made["signed_by_sha256"], alone["signed_by_sha256"]);
        digests.push(made["sha256"].clone());
    }
    assert_eq!(digests[0], digests[1]);

    let plain = home.path().join("plain.efi");
    let key_file = keys.join("db.key").display().to_string();
    build(&home, &plain).args(&["--format", "uki"]).run();
    assert!(!verified(&plain, &certificate));
    let by_files = home.path().join("by-files.efi");
    build(&home, &by_files)
        .args(&[
            "--format",
            "uki",
            "--signing-key",
            &key_file,
            "--signing-cert",
        ])
        .arg(&certificate)
        .run();
    assert_eq!(
        std::fs::read(&by_files).expect("program"),
        std::fs::read(&efi).expect("program")
    );
}

#[test]
fn what_does_not_go_together_is_refused_before_the_work() {
    let home = Home::new();
    let keys = new_keys(&home);
    let key = keys.display().to_string();
    let out = home.path().join("node.iso");
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let said = build(&home, &out).args(arguments).fails_with(code);
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert!(!out.exists());
    };
    refused(&["--signing-key", &key], 2, "--flavour uki");
    let program = home.path().join("node.efi");
    let both = ["--format", "uki", "--flavour", "stock"];
    let said = build(&home, &program).args(&both).fails_with(2);
    assert!(said.contains("exclude") && !program.exists(), "{said}");
    let key_file = format!("{key}/db.key");
    let uki = ["--flavour", "uki", "--signing-key", &key_file];
    refused(&uki, 2, "--signing-cert");
    let other = format!("{key}/PK.crt");
    refused(
        &[&uki[..], &["--signing-cert", &other]].concat(),
        3,
        "is not for this private key",
    );
    refused(
        &["--flavour", "uki", "--signing-key", "/no/such"],
        2,
        "--signing-cert",
    );
    let own = ["--kernel", "/no/such/vmlinuz", "--modules", "/no/such"];
    refused(&own, 5, "--no-secure-boot");
    // Allowed, so the missing file is what stops it.
    for more in [&["--no-secure-boot"][..], &["--flavour", "uki"]] {
        refused(&[&own[..], more].concat(), 1, "/no/such/vmlinuz");
    }
}

fn image(home: &Home, command: &[&str], image: &Path) -> Farmer {
    home.farmer(&["-o", "json", "image"])
        .args(command)
        .arg(image)
}

/// What loaders and stub are told is inside the program: where it is not signed it can be changed, and
/// the program stays one that tools read.
#[test]
fn an_unsigned_image_takes_other_arguments_and_gives_them_back() {
    let home = Home::new();
    let out = home.path().join("node.iso");
    build(&home, &out).args(&["--flavour", "uki"]).run();
    let original = std::fs::read(&out).expect("image");
    let change = ["customize", "--in-place", "--karg-append", "vlan=7"];
    image(&home, &change, &out).args(&["--farm-id", "9"]).run();
    let shown = told(image(&home, &["show"], &out));
    assert_eq!(shown["farm_id"], 9, "{shown:#}");
    image(&home, &["verify"], &out).run();
    let program = home.path().join("from-image.efi");
    let fat = format!("{}@@1048576", out.display());
    let copied = Command::new("mcopy")
        .args(["-i", &fat, "::/EFI/BOOT/BOOTX64.EFI"])
        .arg(&program)
        .status()
        .expect("mcopy (Debian: apt-get install mtools)");
    assert!(copied.success());
    let dumped = Command::new("objcopy")
        .args(["-O", "binary", "--only-section=.cmdline"])
        .arg(&program)
        .arg(home.path().join("cmdline"))
        .status()
        .expect("objcopy (Debian: apt-get install binutils)");
    assert!(dumped.success());
    let line = std::fs::read(home.path().join("cmdline")).expect("a command line");
    let line = String::from_utf8_lossy(&line).into_owned();
    assert!(line.contains(" vlan=7"), "{line}");
    image(&home, &["reset", "--in-place"], &out).run();
    assert!(std::fs::read(&out).expect("image") == original);
}

#[test]
fn a_signed_image_takes_settings_and_refuses_arguments() {
    let home = Home::new();
    let keys = new_keys(&home).display().to_string();
    let out = home.path().join("node.iso");
    build(&home, &out)
        .args(&["--flavour", "uki", "--signing-key", &keys])
        .run();
    let original = std::fs::read(&out).expect("image");
    let said = image(&home, &["customize", "--in-place"], &out)
        .args(&["--karg-append", "vlan=7"])
        .fails_with(5);
    assert!(said.contains("signed"), "{said}");
    assert!(std::fs::read(&out).expect("image") == original);
    image(&home, &["customize", "--in-place", "--farm-id", "9"], &out).run();
    assert_eq!(told(image(&home, &["show"], &out))["farm_id"], 9);
    image(&home, &["verify"], &out).run();
    image(&home, &["reset", "--in-place"], &out).run();
    assert!(std::fs::read(&out).expect("image") == original);
}
