//! What `farmer image build` makes beside the universal file, and the papers that go with it.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::build::static_program;
use crate::support::{Farmer, Home};

/// Fast compression: what is inside does not matter here.
const BUILD: [&str; 10] = [
    "-o",
    "json",
    "image",
    "build",
    "--farm-id",
    "7",
    "--directory",
    "https://dir.example",
    "--compression-level",
    "1",
];

fn build(home: &Home, arguments: &[&str], out: &Path) -> Farmer {
    home.farmer(&BUILD)
        .args(arguments)
        .arg("--node")
        .arg(static_program(home))
        .arg("--out")
        .arg(out)
}

fn told(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Runs a tool that must be there and succeed.
fn run(program: &str, arguments: &[&str], dir: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text}{errors}"
    );
    text
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}

#[test]
fn formats_follow_the_name_and_contradictions_are_refused() {
    let home = Home::new();
    let at = |name: &str| home.path().join(name);
    for (arguments, name, format) in [
        (&[][..], "node.iso", "iso"),
        (&["--format", "usb"], "node.img", "usb"),
        (&[], "node.qcow2", "qcow2"),
        (&[], "node.VHD", "vhd"),
        (&[], "node.initrd", "initramfs"),
        (&["--no-sync", "--no-digest"], "node", "iso"),
    ] {
        let built = told(&build(&home, arguments, &at(name)).run());
        assert_eq!(built["format"], format, "{name}");
        assert_eq!(built["sha256"].is_null(), name == "node", "{built}");
        let is_disk = !built["regions"].as_array().expect("regions").is_empty();
        assert_eq!(is_disk, format != "initramfs");
    }
    let iso = std::fs::read(at("node.iso")).expect("the image");
    assert!(iso == std::fs::read(at("node.img")).expect("the stick"));
    assert!(iso == std::fs::read(at("node")).expect("unnamed"));
    for (format, file) in [("qcow2", "node.qcow2"), ("vpc", "node.VHD")] {
        run(
            "qemu-img",
            &["convert", "-f", format, "-O", "raw", file, "raw"],
            home.path(),
        );
        assert!(
            iso == std::fs::read(at("raw")).expect("converted"),
            "{file}"
        );
    }
    for (format, name) in [("pxe", "a.iso"), ("iso", "a.tar.gz"), ("vhd", "a.qcow2")] {
        let said = build(&home, &["--format", format], &at(name)).fails_with(2);
        assert!(
            said.contains("contradict") && said.contains("leave --format away"),
            "{said}"
        );
        assert!(!at(name).exists());
    }
    let said = build(&home, &["--with", "manifest"], Path::new("-")).fails_with(2);
    assert!(said.contains("standard output"), "{said}");
}

#[test]
fn papers_agree_with_the_image_and_each_other() {
    let home = Home::new();
    let dir = home.path().join("out");
    std::fs::create_dir(&dir).expect("directory");
    let out = dir.join("node.iso");
    let key = home.path().join("release.seed");
    std::fs::write(&key, [7; 32]).expect("a key");
    let key = key.to_str().expect("UTF-8");
    let built = told(&build(&home, &["--with", "all", "--sign", key], &out).run());
    assert_eq!(std::fs::read_dir(&dir).expect("entries").count(), 5);
    let checked = run("sha256sum", &["-c", "node.iso.SHA256SUMS"], &dir);
    assert_eq!(checked.lines().count(), 3, "{checked}");
    let public = built["signing_key"].as_str().expect("a key");
    let verify = ["-V", "-P", public, "-m", "node.iso.SHA256SUMS"];
    run("minisign", &verify, &dir);
    let sums = dir.join("node.iso.SHA256SUMS");
    let original = std::fs::read(&sums).expect("digests");
    std::fs::write(&sums, [&original[..], b"x"].concat()).expect("written");
    let forged = Command::new("minisign")
        .args(verify)
        .current_dir(&dir)
        .output();
    assert!(!forged.expect("minisign").status.success());
    std::fs::write(&sums, original).expect("written");

    let manifest = json(&dir.join("node.iso.manifest.json"));
    assert_eq!(manifest["schema_version"], 1);
    assert_eq!(manifest["outputs"][0]["sha256"], built["sha256"]);
    assert_eq!(manifest["bootkit"], built["bootkit"]);
    let image = std::fs::read(&out).expect("the image");
    let regions = manifest["regions"].as_array().expect("regions");
    assert_eq!(regions.len(), 4);
    for region in regions {
        let offset = region["offset"].as_u64().expect("offset") as usize;
        let length = region["length"].as_u64().expect("length") as usize;
        let part = dir.join("part");
        std::fs::write(&part, &image[offset..offset + length]).expect("written");
        let sum = run("sha256sum", &["part"], &dir);
        assert!(
            sum.starts_with(region["sha256"].as_str().expect("digest")),
            "{region}"
        );
    }
    let inputs = manifest["inputs"].as_array().expect("inputs");
    let shim = inputs
        .iter()
        .find(|input| input["path"] == "efi/shimx64.efi");
    let sbat = shim.expect("shim")["sbat"].to_string();
    assert!(sbat.contains("shim,"), "{sbat}");
    check_spdx(&json(&dir.join("node.iso.sbom.spdx.json")));

    // Nothing is overwritten by accident, papers included.
    std::fs::remove_file(&out).expect("removed");
    let said = build(&home, &["--with", "sbom"], &out).fails_with(5);
    assert!(said.contains("sbom.spdx.json exists"), "{said}");
}

/// The rules of SPDX 2.3 for the fields that we write.
fn check_spdx(document: &Value) {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    assert_eq!(document["spdxVersion"], "SPDX-2.3");
    assert_eq!(document["dataLicense"], "CC0-1.0");
    assert_eq!(document["SPDXID"], "SPDXRef-DOCUMENT");
    let namespace = text(&document["documentNamespace"]);
    assert!(
        namespace.starts_with("https://") && !namespace.contains('#'),
        "{namespace}"
    );
    let created = text(&document["creationInfo"]["created"]);
    let shape: String = created
        .chars()
        .map(|c| if c.is_ascii_digit() { '9' } else { c })
        .collect();
    assert_eq!(shape, "9999-99-99T99:99:99Z");
    assert!(text(&document["creationInfo"]["creators"][0]).starts_with("Tool: farmer-"));
    let own: BTreeSet<String> = document["hasExtractedLicensingInfos"]
        .as_array()
        .expect("licences")
        .iter()
        .map(|licence| {
            assert!(!text(&licence["extractedText"]).is_empty());
            text(&licence["licenseId"])
        })
        .collect();
    let mut ids = BTreeSet::from(["SPDXRef-DOCUMENT".to_owned()]);
    let mut used = BTreeSet::new();
    let packages = document["packages"].as_array().expect("packages");
    for package in packages {
        let id = text(&package["SPDXID"]);
        let name = id.strip_prefix("SPDXRef-").expect("an id");
        assert!(
            name.chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)),
            "{id}"
        );
        assert!(ids.insert(id.clone()), "{id} occurs twice");
        assert_eq!(package["filesAnalyzed"], false);
        for field in [
            "name",
            "downloadLocation",
            "licenseConcluded",
            "copyrightText",
        ] {
            assert!(!text(&package[field]).is_empty(), "{field} of {id}");
        }
        for checksum in package["checksums"].as_array().expect("checksums") {
            assert_eq!(checksum["algorithm"], "SHA256");
            assert_eq!(text(&checksum["checksumValue"]).len(), 64);
        }
        let licence = text(&package["licenseDeclared"]);
        for word in licence
            .split([' ', '(', ')'])
            .filter(|word| !word.is_empty())
        {
            if word.starts_with("LicenseRef-") {
                assert!(own.contains(word), "{word} of {id} is not explained");
                used.insert(word.to_owned());
            }
        }
        if id.starts_with("SPDXRef-deb-") {
            assert!(text(&package["sourceInfo"]).contains("built of"), "{id}");
            let purl = text(&package["externalRefs"][0]["referenceLocator"]);
            assert!(purl.starts_with("pkg:deb/debian/"), "{purl}");
            assert!(!text(&package["versionInfo"]).is_empty());
        }
    }
    assert_eq!(own, used, "licences that nothing has");
    let kernel = packages.iter().find(|package| {
        let name = package["name"].as_str().unwrap_or_default();
        name.starts_with("linux-image-")
    });
    let licence = text(&kernel.expect("a kernel")["licenseDeclared"]);
    assert!(licence.contains("GPL-2.0-only"), "{licence}");
    for relation in document["relationships"].as_array().expect("relationships") {
        for end in ["spdxElementId", "relatedSpdxElement"] {
            assert!(ids.contains(&text(&relation[end])), "{relation}");
        }
    }
}

#[test]
fn a_bundle_is_whole_and_holds_no_secret() {
    let home = Home::new();
    let out = home.path().join("boot");
    let key = home.path().join("release.seed");
    std::fs::write(&key, [9; 32]).expect("a key");
    let sign = ["--format", "pxe", "--sign", key.to_str().expect("UTF-8")];
    let built = told(&build(&home, &sign, &out).run());
    run("sha256sum", &["-c", "SHA256SUMS"], &out);
    let public = built["signing_key"].as_str().expect("a key");
    run("minisign", &["-V", "-P", public, "-m", "SHA256SUMS"], &out);
    check_spdx(&json(&out.join("sbom.spdx.json")));
    let names = run("find", &[".", "-type", "f", "-printf", "%P\n"], &out);
    for secret in ["farm.toml", "identity", "seed", "token"] {
        assert!(!names.contains(secret), "{names}");
    }
    // The system is what the archives unpack to, without the farm's settings.
    let root = home.path().join("root");
    std::fs::create_dir(&root).expect("directory");
    let unpack = "for archive in $(sed -n 's/^initrd \\([^ ]*\\) .*/\\1/p' ../boot/boot.ipxe); do
            zstd -dcqf ../boot/$archive | cpio -idmu --quiet
        done
        rm etc/farmer/node.toml
        find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1";
    let system = run("sh", &["-euc", unpack], &root);
    assert_eq!(built["system_sha256"].as_str(), Some(system.trim()));
    assert_eq!(
        json(&out.join("manifest.json"))["system_sha256"],
        system.trim()
    );
    let archives = run("cpio", &["-it", "--quiet", "-F", "config.cpio"], &out);
    assert!(archives.contains("etc/farmer/"), "{archives}");
    for efi in ["shimx64.efi", "grubx64.efi", "mmx64.efi"] {
        let signatures = run("sbverify", &["--list", efi], &out);
        assert!(signatures.contains("signature 1"), "{efi}: {signatures}");
    }

    let said = build(&home, &["--format", "pxe"], &out).fails_with(5);
    assert!(said.contains("boot exists"), "{said}");
    build(&home, &["--format", "pxe", "--force"], &out).run();
    assert!(
        !out.join("SHA256SUMS.minisig").exists(),
        "of the bundle before"
    );
    let mine = home.path().join("mine");
    std::fs::create_dir(&mine).expect("directory");
    std::fs::write(mine.join("thesis"), "years").expect("written");
    let said = build(&home, &["--format", "pxe", "--force"], &mine).fails_with(5);
    assert!(said.contains("other things"), "{said}");
    assert!(mine.join("thesis").exists());

    // On standard output it is the archive.
    let output = build(&home, &["--format", "pxe"], Path::new("-")).run();
    let archive = home.path().join("boot.tar.gz");
    std::fs::write(&archive, &output.stdout).expect("written");
    let listed = run("tar", &["-tzf", "boot.tar.gz"], home.path());
    assert!(listed.lines().any(|name| name == "vmlinuz"), "{listed}");
    build(&home, &["--force"], &archive).run();
    assert!(std::fs::read(&archive).expect("the archive") == output.stdout);
}

#[test]
fn sources_are_those_of_the_image() {
    let home = Home::new();
    let all = home.farmer(&["-o", "json", "image", "sources"]).run();
    let all = told(&all);
    let bootkit = all["bootkit"].as_str().expect("id");
    let again = home
        .farmer(&[
            "-o",
            "json",
            "image",
            "sources",
            "--bootkit",
            &bootkit[..12],
        ])
        .run();
    assert_eq!(told(&again), all);
    let names: Vec<&str> = all["sources"]
        .as_array()
        .expect("sources")
        .iter()
        .filter_map(|source| source["source"].as_str())
        .collect();
    for needed in ["linux", "grub2", "shim", "syslinux"] {
        assert!(names.contains(&needed), "{needed} in {names:?}");
    }
    home.farmer(&["image", "sources", "--bootkit", "0123456789"])
        .fails_with(6);
}

/// `farmer` as another user, elsewhere, in another language, time zone and umask.
fn as_somebody_else(place: &Path, arguments: &[&str], out: &Path) {
    let is_root = std::fs::metadata("/proc/self").expect("/proc").uid() == 0;
    let other: &[&str] = if is_root {
        &[
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ]
    } else {
        &["unshare", "--map-root-user"]
    };
    let output = Command::new(other[0])
        .args(&other[1..])
        .args(["sh", "-c", "umask 077; exec \"$0\" \"$@\""])
        .arg(place.join("farmer"))
        .args(BUILD)
        .args(arguments)
        .arg("--node")
        .arg(place.join("farm-node"))
        .arg("--out")
        .arg(out)
        .current_dir(place)
        .env("XDG_CACHE_HOME", place.join("cache"))
        .env("XDG_CONFIG_HOME", place.join("config"))
        .env("HOME", place)
        .env("TZ", "Asia/Kathmandu")
        .env("LC_ALL", "tr_TR.UTF-8")
        .env_remove("SOURCE_DATE_EPOCH")
        .output()
        .expect("setpriv or unshare (util-linux)");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A place that another user can use, with the program, its cache of packages (but no layers) and
/// the node in it.
fn place_of_somebody_else(home: &Home) -> PathBuf {
    let place = home.path().join("somebody else");
    std::fs::create_dir_all(place.join("cache/farmer")).expect("directories");
    std::fs::copy(env!("CARGO_BIN_EXE_farmer"), place.join("farmer")).expect("farmer");
    std::fs::copy(static_program(home), place.join("farm-node")).expect("node");
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".cache"),
        PathBuf::from,
    );
    for part in ["bootkits", "apt"] {
        let from = cache.join("farmer").join(part);
        let from = from.to_str().expect("UTF-8").to_owned();
        run("cp", &["-r", &from, "cache/farmer/"], &place);
    }
    if std::fs::metadata(&place).expect("made").uid() == 0 {
        run("chown", &["-R", "65534:65534", "."], &place);
    }
    for dir in [home.path(), &place] {
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir, open).expect("permissions");
    }
    place
}

#[test]
fn everything_is_the_same_for_somebody_else() {
    let home = Home::new();
    let here = home.path().join("here");
    std::fs::create_dir(&here).expect("directory");
    build(&home, &["--with", "all"], &here.join("node.iso")).run();
    for name in ["node.qcow2", "node.vhd", "node.tar.gz", "node.initrd"] {
        build(&home, &[], &here.join(name)).run();
    }
    let place = place_of_somebody_else(&home);
    as_somebody_else(&place, &["--with", "all"], &place.join("node.iso"));
    for name in ["node.qcow2", "node.vhd", "node.tar.gz", "node.initrd"] {
        as_somebody_else(&place, &[], &place.join(name));
    }
    let mut compared = 0;
    for entry in std::fs::read_dir(&here).expect("entries") {
        let name = entry.expect("an entry").file_name();
        let ours = std::fs::read(here.join(&name)).expect("ours");
        let theirs = std::fs::read(place.join(&name)).expect("theirs");
        assert!(ours == theirs, "{} differs", name.display());
        compared += 1;
    }
    assert_eq!(compared, 8);
}
