//! What `farmer image build` refuses, and that nothing is left behind when it does.

use std::path::{Path, PathBuf};

use crate::support::{Farmer, Home};

pub fn build(home: &Home, out: &Path) -> Farmer {
    home.farmer(&[
        "image",
        "build",
        "--farm-id",
        "1",
        "--directory",
        "https://dir.example",
    ])
    .arg("--node")
    .arg(static_program(home))
    .arg("--out")
    .arg(out)
}

/// The smallest thing that passes for a static program: an ELF header and one program header.
pub fn static_program(home: &Home) -> PathBuf {
    let path = home.path().join("farm-node");
    let mut elf = vec![0_u8; 120];
    elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
    elf[16..20].copy_from_slice(&[2, 0, 62, 0]); // ET_EXEC, EM_X86_64
    elf[24] = 1; // entry point
    elf[32] = 64; // program headers behind the header,
    elf[54] = 56; // of this size,
    elf[56] = 1; // and one of them
    elf[64] = 1; // PT_LOAD
    std::fs::write(&path, elf).expect("file");
    path
}

#[test]
fn an_output_that_exists_or_has_no_place_is_refused_at_once() {
    let home = Home::new();
    let out = home.path().join("node.iso");
    std::fs::write(&out, "precious").expect("file");
    let said = build(&home, &out).fails_with(5);
    assert!(
        said.contains("node.iso exists") && said.contains("--force"),
        "{said}"
    );
    assert_eq!(std::fs::read(&out).expect("file"), b"precious");

    let said = build(&home, &home.path().join("no/such/node.iso")).fails_with(6);
    assert!(
        said.contains("no/such") && said.contains("hint: create the directory"),
        "{said}"
    );
}

#[test]
fn a_missing_or_wrong_node_is_named() {
    let home = Home::new();
    let out = home.path().join("node.iso");
    let said = home
        .farmer(&[
            "image",
            "build",
            "--farm-id",
            "1",
            "--directory",
            "https://dir.example",
        ])
        .args(&["--node", "/no/such/farm-node", "--out"])
        .arg(&out)
        .fails_with(6);
    assert!(said.contains("/no/such/farm-node"), "{said}");
    assert!(!out.exists());
}

#[test]
fn a_truncated_package_is_named_and_nothing_is_written() {
    let home = Home::new();
    let out = home.path().join("node.iso");
    let deb = home.path().join("linux-image.deb");
    let mut bytes = b"!<arch>\n".to_vec();
    bytes.extend_from_slice(b"debian-binary   0           0     0     100644  4         `\n2.0\n");
    bytes.extend_from_slice(b"control.tar.xz  0           0     0     100644  5000      `\nshort");
    std::fs::write(&deb, bytes).expect("file");
    let said = build(&home, &out)
        .env("XDG_CACHE_HOME", home.path().join("cache"))
        .arg("--deb")
        .arg(&deb)
        .fails_with(1);
    assert!(
        said.contains("linux-image.deb") && said.contains("truncated"),
        "{said}"
    );
    assert!(!out.exists());

    let said = build(&home, &out)
        .env("XDG_CACHE_HOME", home.path().join("cache"))
        .args(&["--deb", "/no/such.deb"])
        .fails_with(1);
    assert!(said.contains("/no/such.deb"), "{said}");
}

#[test]
fn images_of_others_are_shown_without_regions_and_a_missing_one_is_not_found() {
    let home = Home::new();
    home.farmer(&["image", "show", "/no/such.iso"])
        .fails_with(6);
    let other = home.path().join("other.img");
    std::fs::write(&other, vec![0; 1 << 20]).expect("file");
    let output = home
        .farmer(&["image", "show", "-o", "json"])
        .arg(&other)
        .run();
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(shown["regions"].is_null(), "{shown}");
}

/// Bytes of an image, and what its build told about it.
fn built(home: &Home, name: &str, arguments: &[&str], zone: &str) -> (Vec<u8>, serde_json::Value) {
    let dir = home.path().join(name);
    std::fs::create_dir(&dir).expect("directory");
    let out = dir.join(format!("{name}.iso"));
    let output = home
        .farmer(&[
            "-o",
            "json",
            "image",
            "build",
            "--directory",
            "https://dir.example",
        ])
        .args(arguments)
        .arg("--node")
        .arg(static_program(home))
        .arg("--out")
        .arg(&out)
        .env("TZ", zone)
        .run();
    let told = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        std::fs::read_dir(&dir).expect("directory").count(),
        1,
        "nothing but the image"
    );
    (std::fs::read(&out).expect("the image"), told)
}

#[test]
fn builds_repeat_and_farms_differ_only_where_it_is_said() {
    let home = Home::new();
    let (first, told) = built(&home, "first", &["--farm-id", "1"], "UTC");
    let (again, told_again) = built(&home, "again", &["--farm-id", "1"], "Asia/Kathmandu");
    assert!(first == again, "two builds of one farm differ");
    assert_eq!(told["sha256"], told_again["sha256"]);
    let place = "country=BE,city=Gent";
    let arguments = [
        "--farm-id",
        "4294967295",
        "--location",
        place,
        "--static",
        "192.0.2.5/24",
    ];
    let (other, _) = built(&home, "other", &arguments, "UTC");
    assert_eq!(first.len(), other.len());
    let regions: Vec<(usize, usize)> = told["regions"]
        .as_array()
        .expect("regions")
        .iter()
        .map(|r| {
            (
                r["offset"].as_u64().unwrap() as usize,
                r["length"].as_u64().unwrap() as usize,
            )
        })
        .collect();
    let differing: Vec<usize> = (0..first.len())
        .filter(|at| first[*at] != other[*at])
        .collect();
    assert!(!differing.is_empty());
    for at in differing {
        let listed = regions
            .iter()
            .any(|(offset, length)| (*offset..offset + length).contains(&at));
        assert!(
            listed,
            "byte {at} differs and lies in no region of {regions:?}"
        );
    }
    let image = home.path().join("other/other.iso");
    let shown = home
        .farmer(&["image", "show", "-o", "json"])
        .arg(&image)
        .run();
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["farm_id"], 4_294_967_295_u64);
    assert!(
        shown["config_toml"]
            .as_str()
            .expect("settings")
            .contains("192.0.2.5/24")
    );
}

#[test]
fn source_date_epoch_is_honoured() {
    let home = Home::new();
    let out = home.path().join("node.iso");
    build(&home, &out)
        .env("SOURCE_DATE_EPOCH", "1000000000")
        .run();
    let image = std::fs::read(&out).expect("the image");
    // Creation date in the primary volume descriptor (ECMA-119 8.4.26).
    assert_eq!(&image[16 * 2048 + 813..][..14], b"20010909014640");
    let said = build(&home, &out)
        .env("SOURCE_DATE_EPOCH", "today")
        .arg("--force")
        .fails_with(2);
    assert!(said.contains("SOURCE_DATE_EPOCH"), "{said}");
}

#[test]
fn a_full_disk_leaves_no_image() {
    let home = Home::new();
    let script = "mount -t tmpfs -o size=1m none \"$1\" && \
                  \"$2\" image build --farm-id 1 --directory https://dir.example --node \"$3\" \
                  --out \"$1/node.iso\"; code=$?; ls -A \"$1\"; exit $code";
    // In the test's own user name space apt could not give up its rights: it fetches before.
    home.farmer(&["bootkit", "show"]).run();
    let mount = home.path().join("small");
    std::fs::create_dir(&mount).expect("directory");
    let output = std::process::Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(&mount)
        .arg(env!("CARGO_BIN_EXE_farmer"))
        .arg(static_program(&home))
        .env("XDG_CONFIG_HOME", home.path())
        .output()
        .expect("unshare");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("no space left") && said.contains("hint: free"),
        "{said}"
    );
    assert!(
        output.stdout.is_empty(),
        "left: {}",
        String::from_utf8_lossy(&output.stdout)
    );
}
