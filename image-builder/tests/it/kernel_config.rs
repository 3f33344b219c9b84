//! Kernel configurations: hostile files, and Debian's own one.

use std::path::{Path, PathBuf};
use std::process::Command;

use image_builder::kernel_config::{
    Config, Fragment, ModuleOptions, Strictness, Symbols, Tally, Value, compare,
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let _ = Config::from_bytes(&bytes);
        let mut gzip = vec![0x1f, 0x8b];
        gzip.extend(bytes);
        let _ = Config::from_bytes(&gzip);
    }

    #[test]
    fn nearly_valid_lines_are_read_or_refused(
        lines in prop::collection::vec("(# )?(CONFIG_)?[A-Z0-9_]{0,6}( is not set|=[ymn0-9\"x\u{e9}]{0,4})?\r?", 0..40)
    ) {
        let text = lines.join("\n");
        if let Ok(config) = Config::from_bytes(text.as_bytes()) {
            // What was read is written, and reads the same again.
            let again = Config::from_bytes(config.to_text().as_bytes()).expect("our own text");
            prop_assert_eq!(again.to_text(), config.to_text());
        }
        let _ = Fragment::parse("hostile", &text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_kconfig_and_makefile_is_read(
        lines in prop::collection::vec(
            "[ \t]{0,3}(config A|if |endif|menu \"m\"|endmenu|choice|endchoice|source \"x\"|\
             help|depends on |bool \"|tristate \"a\" if |obj-\\$\\(CONFIG_A\\) [+=]{0,2} |# )?\
             [A-Z()!&|= \"'\\\\\u{e9}.a-c-]{0,12}",
            0..40
        )
    ) {
        let text = lines.join("\n");
        let symbols = Symbols::read(&mut |path| (path == "Kconfig").then(|| text.clone()));
        let config = Config::from_bytes(b"CONFIG_B=y\n").expect("a configuration");
        for wanted in [Value::BuiltIn, Value::Module, Value::Off] {
            let _ = symbols.obstacle("A", &wanted, &config);
        }
        ModuleOptions::default().learn(&text);
    }
}

#[test]
fn other_files_are_refused_with_the_line() {
    let said = |bytes: &[u8]| Config::from_bytes(bytes).unwrap_err().to_string();
    assert!(said(b"CONFIG_A=y\n#!/bin/sh\necho\n").contains("line 3"));
    assert!(said(b"CONFIG_A=maybe\n").contains("line 1"));
    assert!(said(b"CONFIG_a b=y\n").contains("line 1"));
    assert!(said(b"\x7fELF\x02\x01\x01\n").contains("line 1"));
    assert!(said(b"").contains("not one"));
    assert!(said(b"# nothing but words\n").contains("not one"));
    assert!(said(&vec![b'\n'; 5 << 20]).contains("larger"));
    assert!(said(b"\x1f\x8b\x08").contains("gzip"));
}

#[test]
fn a_small_file_that_unpacks_without_end_is_refused() {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![b'\n'; 64 << 20]).expect("memory");
    let bytes = gzip.finish().expect("memory");
    assert!(bytes.len() < 128 << 10);
    let said = Config::from_bytes(&bytes).unwrap_err().to_string();
    assert!(said.contains("larger"), "{said}");
}

#[test]
fn the_last_of_two_lines_counts() {
    let config = Config::from_bytes(
        b"# Linux/x86 6.1.0 Kernel Configuration\nCONFIG_A=y\nCONFIG_A=m\n# CONFIG_B is not set\n",
    )
    .unwrap();
    assert_eq!(*config.get("A"), Value::Module);
    assert_eq!(*config.get("B"), Value::Off);
    assert_eq!(config.kernel.as_deref(), Some("Linux/x86 6.1.0"));
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("apt and dpkg");
    assert!(
        output.status.success(),
        "{command:?} (apt-get update fetches the lists of packages): {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The configuration in Debian's kernel package.
fn debian_config(dir: &Path) -> PathBuf {
    let depends = run(Command::new("apt-cache").args(["depends", "linux-image-amd64"]));
    let package = depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with("linux-image-"))
        .expect("a kernel package");
    run(Command::new("apt-get")
        .args(["-qq", "-o", "APT::Sandbox::User=root", "download", package])
        .current_dir(dir));
    let deb = std::fs::read_dir(dir)
        .expect("directory")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "deb"))
        .expect("a package");
    // Only the one file: unpacking all modules would take longer than everything else here.
    let tar = Command::new("sh")
        .arg("-c")
        .arg("dpkg-deb --fsys-tarfile \"$1\" | tar -x -C \"$2\" --wildcards './boot/config-*'")
        .arg("sh")
        .args([&deb, dir])
        .status()
        .expect("sh");
    assert!(tar.success());
    let boot = std::fs::read_dir(dir.join("boot")).expect("boot");
    boot.flatten().next().expect("a configuration").path()
}

/// Debian 12's kernel, whose options change with its minor versions only when Debian wants it.
#[test]
fn debians_kernel_lacks_what_is_known() {
    let dir = tempfile::tempdir().expect("directory");
    let bytes = std::fs::read(debian_config(dir.path())).expect("file");
    let config = Config::from_bytes(&bytes).expect("Debian's configuration");
    let kernel = config.kernel.clone().expect("its first lines name it");
    if !kernel.starts_with("Linux/x86 6.1.") {
        // Another Debian has another kernel; what must hold everywhere holds.
        assert!(config.len() > 5000 && *config.get("MODULES") == Value::BuiltIn);
        return;
    }
    let fragments = Fragment::built_in(false).expect("fragments");
    let findings = compare(&fragments, &config, Strictness::Finished);
    let mut told = String::new();
    for fragment in &fragments {
        let Tally {
            asked,
            met,
            as_module,
            missing,
            different,
        } = Tally::of(fragment, &findings);
        told.push_str(&format!(
            "{}: {asked} asked, {met} met, {as_module} as module, {missing} missing, {different} different\n",
            fragment.name
        ));
        for finding in findings.iter().filter(|f| f.fragment.name == fragment.name) {
            if !finding.verdict.is_met() {
                let (wish, found) = (finding.wish, &finding.found);
                told.push_str(&format!("    {}={} is {found}\n", wish.option, wish.value));
            }
        }
    }
    insta::assert_snapshot!(told);
}
