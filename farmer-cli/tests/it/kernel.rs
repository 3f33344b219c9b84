//! `farmer kernel check`: a finished configuration, and one that a kernel source makes.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::Home;

const FRAGMENTS: [&str; 7] = [
    "zero-os.needs",
    "base.config",
    "storage.config",
    "network.config",
    "nic.config",
    "virtualisation.config",
    "hardening.config",
];

/// The fragments one behind the other are the configuration that meets them all.
fn all_fragments() -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kernel-config");
    FRAGMENTS
        .map(|name| std::fs::read_to_string(dir.join(name)).expect("a fragment"))
        .concat()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON on standard output")
}

#[test]
fn a_configuration_that_has_everything_is_met_and_what_is_taken_out_is_named() {
    let home = Home::new();
    let file = home.path().join("config");
    std::fs::write(&file, all_fragments()).expect("file");
    let check = || home.farmer(&["kernel", "check", "-o", "json"]).arg(&file);
    let met = json(&check().run().stdout);
    assert_eq!(met["all_met"], true, "{met}");
    assert_eq!(met["options"], serde_json::json!([]));
    assert_eq!(met["fragments"].as_array().expect("fragments").len(), 7);

    let without = all_fragments()
        .replace("CONFIG_BTRFS_FS=m", "# CONFIG_BTRFS_FS is not set")
        .replace("CONFIG_NR_CPUS=8192", "CONFIG_NR_CPUS=64")
        .replace("CONFIG_KVM=m", "CONFIG_KVM=y");
    std::fs::write(&file, without).expect("file");
    let output = check().output();
    assert_eq!(output.status.code(), Some(7));
    let told = json(&output.stdout);
    assert_eq!(told["all_met"], false);
    let options: Vec<(&str, &str, &str)> = told["options"]
        .as_array()
        .expect("options")
        .iter()
        .map(|o| {
            let text = |name: &str| o[name].as_str().expect("text");
            (text("fragment"), text("option"), text("verdict"))
        })
        .collect();
    assert_eq!(
        options,
        [
            ("zero-os.needs", "NR_CPUS", "different"),
            ("zero-os.needs", "BTRFS_FS", "missing"),
            ("base.config", "NR_CPUS", "different"),
            ("storage.config", "BTRFS_FS", "missing"),
        ]
    );
    // Built in where a module was asked for is fine, and only listed on demand.
    let all = json(&check().args(&["--all"]).output().stdout);
    let listed = all["options"].as_array().expect("options").len();
    assert!(listed > 500, "{listed}");
    let yaml = home.farmer(&["kernel", "check", "-o", "yaml"]).arg(&file);
    assert!(String::from_utf8_lossy(&yaml.output().stdout).contains("all_met: false"));
    let table = home.farmer(&["kernel", "check"]).arg(&file).output();
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    let table = table.replace(&file.display().to_string(), "CONFIG");
    insta::assert_snapshot!("kernel_check_table", table);
}

#[test]
fn what_is_no_configuration_is_refused() {
    let home = Home::new();
    let said = home
        .farmer(&["kernel", "check", "/no/such/config"])
        .fails_with(6);
    assert!(said.contains("/no/such/config"), "{said}");
    let file = home.path().join("config");
    std::fs::write(&file, "CONFIG_A=y\n\u{1b}[2Jnonsense\n").expect("file");
    let said = home.farmer(&["kernel", "check"]).arg(&file).fails_with(1);
    assert!(
        said.contains("line 2") && said.contains("hint: ") && !said.contains("\u{1b}[2J"),
        "{said}"
    );
    let endless = home.farmer(&["kernel", "check", "/dev/zero"]).fails_with(1);
    assert!(endless.contains("larger than any"), "{endless}");
    let source = home.farmer(&["kernel", "check", "--kernel-source", "/no/such/source"]);
    assert!(source.fails_with(6).contains("/no/such/source"));
    let source = home.farmer(&["kernel", "check", "--kernel-source"]);
    let said = source.arg(home.path()).fails_with(1);
    assert!(said.contains("is no kernel source"), "{said}");
    let source = home.farmer(&["kernel", "check", "--kernel-source"]);
    // A file that tar cannot read.
    assert!(source.arg(&file).fails_with(1).contains("tar ended with"));
}

/// A kernel source in small: its `make` behaves as Kconfig does and drops what depends on something
/// that is not there.
fn small_source(home: &Home, olddefconfig: &str) -> PathBuf {
    let tree = home.path().join("source");
    let write = |name: &str, text: &str| {
        let path = tree.join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        std::fs::write(path, text).expect("file");
    };
    write("arch/x86/configs/x86_64_defconfig", "");
    write(
        "Makefile",
        &format!(
            "x86_64_defconfig:\n\
             \techo CONFIG_OLD=y >$(O)/.config\n\
             \techo CONFIG_LEGACY_VSYSCALL_XONLY=y >>$(O)/.config\n\
             olddefconfig:\n\t{olddefconfig}\n"
        ),
    );
    write(
        "Kconfig",
        "config OLD\n\tbool \"old\"\nsource \"fs/Kconfig\"\n",
    );
    write(
        "fs/Kconfig",
        "if BLOCK\nconfig BTRFS_FS\n\ttristate \"Btrfs\"\n\tdepends on OLD && NO_SUCH_THING\nendif\n",
    );
    write("fs/Makefile", "obj-$(CONFIG_VFAT_FS) += vfat.o\n");
    tree
}

#[test]
fn an_option_that_a_source_drops_is_named_with_what_it_depends_on() {
    let home = Home::new();
    let tree = small_source(
        &home,
        "sed -i 's/^CONFIG_BTRFS_FS=m/# CONFIG_BTRFS_FS is not set/; /^CONFIG_KVM=/d' $(O)/.config",
    );
    let check = home.farmer(&["kernel", "check", "-o", "json", "--kernel-source"]);
    let output = check.arg(&tree).output();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(said.contains("running make olddefconfig"), "{said}");
    let told = json(&output.stdout);
    assert_eq!(told["made_from_source"], true);
    let obstacle = |option: &str| {
        let options = told["options"].as_array().expect("options");
        let found = options.iter().find(|o| o["option"] == option);
        found.expect("the dropped option")["obstacle"].clone()
    };
    assert_eq!(
        obstacle("BTRFS_FS"),
        serde_json::json!({ "kind": "unmet", "conditions": ["NO_SUCH_THING"] })
    );
    assert_eq!(obstacle("KVM"), serde_json::json!({ "kind": "unknown" }));
    // The makefiles build one driver of the selection; all others would be missing.
    let missing = told["drivers_not_built"].as_object().expect("drivers");
    assert!(missing.contains_key("e1000e") && !missing.contains_key("vfat"));
    // Nothing is written into the source.
    assert!(!tree.join(".config").exists());
}

#[test]
fn a_source_whose_make_fails_is_quoted() {
    let home = Home::new();
    let tree = small_source(&home, "echo no compiler here >&2; exit 3");
    let check = home.farmer(&["kernel", "check", "--kernel-source"]);
    let said = check.arg(&tree).fails_with(1);
    assert!(
        said.contains("make ended with") && said.contains("no compiler here"),
        "{said}"
    );
}

/// Debian's own source: every option of the fragments survives, and every driver of the selection
/// would be built.
#[test]
fn debians_source_keeps_every_option() {
    let archive = std::fs::read_dir("/usr/src")
        .expect("/usr/src")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("linux-source-") && name.ends_with(".tar.xz")
        })
        .max()
        .expect("a kernel source (Debian: apt-get install linux-source flex bison)");
    let home = Home::new();
    let check = home.farmer(&[
        "kernel",
        "check",
        "--debug",
        "-o",
        "json",
        "--kernel-source",
    ]);
    let output = check.arg(&archive).output();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}\n{told}");
}
