//! Slips with images: the wrong file, the wrong name, half a download. Nothing is lost or called good.

use crate::build::build;
use crate::images::{Farm, json, sha256};
use crate::support::Home;

#[test]
fn an_answer_is_never_written_over_an_image() {
    let farm = Farm::new();
    for command in ["show", "verify"] {
        let answer = farm.image(command, &farm.image, &["--out"]);
        let said = answer.arg(&farm.image).fails_with(2);
        assert!(said.contains("the image itself"), "{said}");
    }
    assert_eq!(sha256(&farm.image), farm.sha256);
}

#[test]
fn the_name_of_an_output_is_not_that_of_something_else() {
    let farm = Farm::new();
    let out = |name: &str| farm.path(name);
    let change = ["--farm-id", "2", "--out"];
    for name in ["node.qcow2", "node.vhd", "node.efi"] {
        let said = farm
            .image("customize", &farm.image, &change)
            .arg(out(name))
            .fails_with(2);
        assert!(said.contains("qemu-img convert"), "{said}");
    }
    let said = build(&farm.home, &out("node.vmdk")).fails_with(2);
    assert!(said.contains("no format goes by the name"), "{said}");
    let copy = out("node.qcow2");
    build(&farm.home, &copy).run();
    farm.image("customize", &copy, &change)
        .arg(out("copy.iso"))
        .fails_with(2);
    farm.image("customize", &copy, &change)
        .arg(out("copy.qcow2"))
        .run();
    let shown = json(&farm.image("show", &out("copy.qcow2"), &[]).run());
    assert_eq!(
        (&shown["farm_id"], &shown["container"]),
        (&2.into(), &"qcow2".into())
    );
}

#[test]
fn a_truncated_image_is_not_customised() {
    let farm = Farm::new();
    let bytes = std::fs::read(&farm.image).expect("image");
    std::fs::write(&farm.image, &bytes[..20_000_000]).expect("cut");
    for change in [&["customize", "--farm-id", "2"][..], &["reset"]] {
        let farmer = farm.home.farmer(&["image"]).args(change);
        let said = farmer.arg("--in-place").arg(&farm.image).fails_with(3);
        assert!(said.contains("bytes are missing"), "{said}");
    }
}

/// What goes into an image can be read by whoever holds the stick.
#[test]
fn a_private_key_never_gets_into_an_image() {
    let farm = Farm::new();
    let openssl = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-subj",
        "/CN=authority",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
    ];
    let status = std::process::Command::new("openssl")
        .args(openssl)
        .current_dir(farm.home.path())
        .output();
    assert!(status.expect("openssl").status.success());
    let read = |name: &str| std::fs::read_to_string(farm.path(name)).expect("text");
    std::fs::write(farm.path("both.pem"), read("ca.pem") + &read("ca.key")).expect("written");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(farm.path("broken.pem"), broken).expect("written");
    std::fs::write(farm.path("none.pem"), "hello\n").expect("written");
    let with = |name: &str| {
        let change = farm.image("customize", &farm.image, &["--in-place", "--ca"]);
        change.arg(farm.path(name))
    };
    for (name, words) in [
        ("ca.key", "a private key"),
        ("both.pem", "a private key"),
        ("broken.pem", "no certificate that can be used"),
        ("none.pem", "no certificate that can be used"),
    ] {
        let said = with(name).fails_with(1);
        assert!(
            said.contains(words) && !said.contains("BEGIN PRIVATE"),
            "{name}: {said}"
        );
    }
    let said = with("/dev/zero").fails_with(2);
    assert!(said.contains("too long"), "{said}");
    assert_eq!(sha256(&farm.image), farm.sha256);
    with("ca.pem").run();
}

/// A page that says "404" is not a sound image, and neither is nothing.
#[test]
fn what_cannot_be_verified_is_not_called_sound() {
    let home = Home::new();
    // Every kernel ends its first sector like a boot sector.
    let mut sector = [0; 512];
    sector[510..].copy_from_slice(&[0x55, 0xAA]);
    for content in [&b"<html>404 Not Found</html>"[..], b"", &sector] {
        let file = home.path().join("node.iso");
        std::fs::write(&file, content).expect("written");
        let verify = |format: &str| {
            let farmer = home.farmer(&["image", "verify", "-o", format]);
            farmer.arg(&file).output()
        };
        let told = json(&verify("json"));
        assert_eq!(
            (&told["sound"], &told["unknown"]),
            (&false.into(), &true.into())
        );
        let output = verify("table");
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            said.contains("UNKNOWN") && !said.contains("sound"),
            "{said}"
        );
    }
    for command in [&["show"][..], &["verify"], &["extract", "--out", "parts"]] {
        let farmer = home.farmer(&["image"]).args(command).arg(home.path());
        let said = farmer.fails_with(2);
        assert!(said.contains("is a directory, not an image"), "{said}");
    }
}
