//! Keys, signatures and enrolment files against sbsigntool, efitools, OpenSSL and pefile.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use image_builder::secureboot::efivars::{KeyVariable, parse_signature_lists};
use image_builder::secureboot::keyring::{KeyDirectory, Keyring};
use image_builder::secureboot::varstore::microsoft_certificates;
use image_builder::secureboot::{RsaSigner, SecureBootError, Signer as _};
use tempfile::TempDir;

use crate::support::{arg, output, run, text};

/// 2026-11-25 12:34:56 UTC
pub const MADE: u64 = 1_795_610_096;

/// One set of keys for all tests: making them takes a while.
pub fn keys() -> &'static Path {
    static KEYS: OnceLock<TempDir> = OnceLock::new();
    let parent = KEYS.get_or_init(|| {
        let parent = tempfile::tempdir().expect("temporary directory");
        let ring = Keyring::generate("Test Farm", 2048, MADE).expect("keys");
        ring.write(&parent.path().join("keys")).expect("written");
        parent
    });
    Box::leak(parent.path().join("keys").into_boxed_path())
}

#[test]
fn keys_are_private_never_overwritten_and_read_back() {
    let keys = keys();
    let mode = |path: &Path| fs::metadata(path).expect("file").permissions().mode() & 0o777;
    assert_eq!(mode(keys), 0o700);
    for variable in KeyVariable::ALL {
        let key = keys.join(format!("{}.key", variable.name()));
        assert_eq!(mode(&key), 0o600, "{}", key.display());
        run("openssl", &["pkey", "-in", arg(&key), "-check", "-noout"]);
    }
    let before = fs::read(keys.join("db.key")).expect("key");
    let ring = Keyring::generate("Other", 2048, MADE).expect("keys");
    let error = ring.write(keys).expect_err("refused");
    assert!(matches!(error, SecureBootError::Exists { .. }), "{error}");
    assert_eq!(fs::read(keys.join("db.key")).expect("key"), before);

    let directory = KeyDirectory::open(keys).expect("opened");
    let owner = fs::read_to_string(keys.join("owner.guid")).expect("owner");
    assert_eq!(owner.trim(), directory.owner.to_string());
    let subject = directory.keys[0].1.subject().to_owned();
    assert_eq!(subject, "CN=Test Farm platform key");
    directory.signer().expect("signer");
    assert_eq!(directory.enrolment_files().expect("files").len(), 6);
    let mixed = RsaSigner::read(&keys.join("db.key"), &keys.join("PK.crt"));
    assert!(matches!(mixed, Err(SecureBootError::Pair { .. })));
    for bad in ["", " Farm", "a,CN=b", "ä", &"x".repeat(41)] {
        let made = Keyring::generate(bad, 2048, MADE);
        assert!(matches!(made, Err(SecureBootError::Name { .. })), "{bad:?}");
    }
    let small = Keyring::generate("Farm", 1024, MADE);
    assert!(matches!(small, Err(SecureBootError::Bits { bits: 1024 })));
}

#[test]
fn openssl_reads_and_verifies_the_certificates() {
    let keys = keys();
    for variable in KeyVariable::ALL {
        let pem = keys.join(format!("{}.crt", variable.name()));
        run("openssl", &["verify", "-CAfile", arg(&pem), arg(&pem)]);
        let der = keys.join(format!("{}.cer", variable.name()));
        let about = run(
            "openssl",
            &[
                "x509",
                "-inform",
                "DER",
                "-in",
                arg(&der),
                "-noout",
                "-text",
            ],
        );
        for expected in [
            "Signature Algorithm: sha256WithRSAEncryption",
            "Public-Key: (2048 bit)",
            "CA:TRUE",
            "Not Before: Nov 24",
        ] {
            assert!(about.contains(expected), "{expected} not in {about}");
        }
    }
}

/// efitools writes the same bytes: its lists and its signed updates.
#[test]
fn enrolment_files_are_those_of_efitools() {
    let keys = keys();
    let made = tempfile::tempdir().expect("temporary directory");
    let owner = fs::read_to_string(keys.join("owner.guid")).expect("owner");
    for (variable, by) in [("PK", "PK"), ("KEK", "PK"), ("db", "KEK")] {
        let file = |name: &str, suffix: &str| keys.join(format!("{name}.{suffix}"));
        let list = made.path().join("list");
        run(
            "cert-to-efi-sig-list",
            &["-g", owner.trim(), arg(&file(variable, "crt")), arg(&list)],
        );
        let ours = fs::read(file(variable, "esl")).expect("list");
        assert!(fs::read(&list).expect("list") == ours, "{variable}.esl");
        let update = made.path().join("update");
        let status = Command::new("sign-efi-sig-list")
            .env("TZ", "UTC")
            .args(["-t", "2026-11-25 12:34:56", "-k"])
            .arg(file(by, "key"))
            .arg("-c")
            .arg(file(by, "crt"))
            .arg(variable)
            .arg(&list)
            .arg(&update)
            .output()
            .expect("sign-efi-sig-list (Debian: apt-get install efitools)");
        assert!(status.status.success(), "{}", text(&status));
        let ours = fs::read(file(variable, "auth")).expect("update");
        assert!(
            fs::read(&update).expect("update") == ours,
            "{variable}.auth differs from that of sign-efi-sig-list"
        );
    }
}

/// Keys of OpenSSL's making, in every form it writes.
#[test]
fn a_key_made_elsewhere_signs_too() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = |name: &str| dir.path().join(name);
    let (pkcs1, pkcs8, cert) = (path("rsa.pem"), path("pkcs8.pem"), path("cert.pem"));
    run(
        "openssl",
        &["genrsa", "-traditional", "-out", arg(&pkcs1), "2048"],
    );
    run(
        "openssl",
        &[
            "pkcs8",
            "-topk8",
            "-nocrypt",
            "-in",
            arg(&pkcs1),
            "-out",
            arg(&pkcs8),
        ],
    );
    run(
        "openssl",
        &[
            "req",
            "-new",
            "-x509",
            "-key",
            arg(&pkcs1),
            "-subj",
            "/O=Corp, Inc./CN=boot",
            "-days",
            "30",
            "-out",
            arg(&cert),
        ],
    );
    let one = RsaSigner::read(&pkcs1, &cert).expect("PKCS#1");
    let other = RsaSigner::read(&pkcs8, &cert).expect("PKCS#8");
    assert_eq!(
        one.sign(b"x").expect("signed"),
        other.sign(b"x").expect("signed")
    );
    let encrypted = path("encrypted.pem");
    run(
        "openssl",
        &[
            "pkcs8",
            "-topk8",
            "-in",
            arg(&pkcs1),
            "-out",
            arg(&encrypted),
            "-passout",
            "pass:x",
        ],
    );
    let refused = RsaSigner::read(&encrypted, &cert).expect_err("passphrase");
    assert!(refused.to_string().contains("passphrase"), "{refused}");
    assert!(matches!(
        RsaSigner::read(&pkcs8, &pkcs8),
        Err(SecureBootError::Certificate { .. })
    ));
    let verdict = output("openssl", &["verify", "-CAfile", arg(&cert), arg(&cert)]);
    assert!(verdict.status.success());
}

/// Debian's `ovmf` has Microsoft's certificates; a file cut anywhere has fewer and harms nobody.
#[test]
fn microsofts_certificates_are_found_in_ovmf() {
    let path = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd";
    let image = fs::read(path).expect("variables (Debian: apt-get install ovmf)");
    let found = microsoft_certificates(&image);
    for variable in [KeyVariable::Kek, KeyVariable::Db] {
        assert!(found.iter().any(|(of, ..)| *of == variable), "{variable:?}");
    }
    for (_, certificate, list) in &found {
        assert!(certificate.subject().contains("Microsoft"));
        let parsed = parse_signature_lists(list);
        assert_eq!(parsed.len(), 1);
        assert_eq!(parsed[0].1, certificate.der());
    }
    for cut in (0..16_000).step_by(37) {
        assert!(microsoft_certificates(&image[..cut]).len() <= found.len());
        let mut damaged = image[..16_000].to_vec();
        damaged[cut..cut + 4].fill(0xFF);
        let _ = microsoft_certificates(&damaged);
        let list = &found[0].2;
        let mut damaged = list.clone();
        damaged[cut % list.len()] ^= 0xFF;
        let _ = parse_signature_lists(&damaged);
    }
    assert!(microsoft_certificates(&vec![0xAA; 4096]).is_empty());
}
