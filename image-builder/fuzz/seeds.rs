//! Seeds, made by the code that makes the real thing.

use std::io::Write as _;

use image_builder::ipxe::{Capabilities, Kind};
use image_builder::medium::thin::{Source as ScriptSource, ThinBoot};
use node_config::medium::{LOCATOR_LEN, LOCATOR_OFFSET, Locator};

use crate::support;

/// The targets, as their files are called.
pub const TARGETS: [&str; 6] = [
    "medium_show",
    "deb_read",
    "cpio_read",
    "settings_read",
    "parts_read",
    "ipxe_script",
];

/// The seeds of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "medium_show" => media(),
        "deb_read" => packages(),
        "cpio_read" => archives(),
        "settings_read" => settings(),
        "parts_read" => parts(),
        "ipxe_script" => scripts(),
        _ => Vec::new(),
    }
}

/// Our own script, the corpus that iPXE itself has run, and the beginnings of programs.
fn scripts() -> Vec<Vec<u8>> {
    let boot = ThinBoot {
        title: "Farm 7".to_owned(),
        source: ScriptSource::Bundle(vec!["https://boot.example/x".to_owned()]),
        fixed: None,
        vlan: Some(12),
        arguments: vec!["farmer_id=7".to_owned()],
        made: None,
    };
    let version = "1.21.1+git20250501.dad20602+dfsg-1";
    let binary = Capabilities::of_version(Kind::EfiX64, version);
    let mut seeds = vec![boot.script(&[&binary]).unwrap().into_bytes()];
    for corpus in [
        &include_bytes!("../ipxe-rs-bindings/tests/corpus/operators.txt")[..],
        include_bytes!("../ipxe-rs-bindings/tests/corpus/settings.txt"),
        include_bytes!("../ipxe-rs-bindings/tests/corpus/types.txt"),
    ] {
        let text = String::from_utf8_lossy(corpus);
        let scripts = text.split("=== ").filter_map(|case| case.split_once('\n'));
        seeds.extend(scripts.map(|(_, script)| script.as_bytes().to_vec()));
    }
    seeds.push(b"MZ".to_vec());
    let mut kernel = vec![0; 0x210];
    kernel[0x202..0x206].copy_from_slice(b"HdrS");
    kernel.extend_from_slice(b"1.0.0+git-20190125\0");
    seeds.push(kernel);
    seeds
}

/// Our own medium down to what describes it, and pieces of it.
fn media() -> Vec<Vec<u8>> {
    let plan = support::medium(42, 1000).plan().unwrap();
    let mut locator = [0; LOCATOR_LEN];
    plan.layout.read_at(LOCATOR_OFFSET, &mut locator).unwrap();
    let table_at = Locator::decode(&locator).unwrap().table_offset;
    let region = |name| plan.regions.get(name).unwrap().span;
    let spans = [
        (0, 512),
        (512, 512 + 2 * 128),
        (LOCATOR_OFFSET, 64),
        (16 * 2048, 256),
        (17 * 2048, 128),
        (18 * 2048, 16),
        (19 * 2048, 160),
        (table_at, 4096),
        (region("kargs-bios").offset, region("kargs-bios").length),
        (plan.regions.defaults.offset, 256),
    ];
    let pieces: Vec<Vec<u8>> = spans
        .into_iter()
        .map(|(offset, length)| {
            let mut bytes = vec![0; length as usize];
            plan.layout.read_at(offset, &mut bytes).unwrap();
            piece(offset, &bytes)
        })
        .collect();
    vec![
        pieces.concat(),
        pieces[..2].concat(),
        pieces[3..7].concat(),
        [&pieces[2][..], &pieces[7][..]].concat(),
        [&pieces[2][..], &small_table(0)[..]].concat(),
        small_qcow2(),
    ]
}

fn piece(offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut out = offset.to_le_bytes()[..3].to_vec();
    out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
    out.extend_from_slice(bytes);
    out
}

/// The small medium in a qcow2 whose clusters lie in their order.
fn small_qcow2() -> Vec<u8> {
    const CLUSTER: u64 = 512;
    const DATA_AT: u64 = 4096;
    const EXCLUSIVE: u64 = 1 << 63;
    let clusters = 100_000_u64.div_ceil(CLUSTER);
    let (l1_at, l2_at) = (CLUSTER, 2 * CLUSTER);
    let mut header = b"QFI\xfb\0\0\0\x03".to_vec();
    header.extend_from_slice(&[0; 12]);
    header.extend_from_slice(&9_u32.to_be_bytes());
    header.extend_from_slice(&100_352_u64.to_be_bytes());
    header.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 4]);
    header.extend_from_slice(&l1_at.to_be_bytes());
    header.resize(112, 0);
    let table = |numbers: &mut dyn Iterator<Item = u64>| -> Vec<u8> {
        numbers
            .flat_map(|number| (number | EXCLUSIVE).to_be_bytes())
            .collect()
    };
    [
        piece(0, &header),
        piece(l1_at, &table(&mut (0..4).map(|at| l2_at + at * CLUSTER))),
        piece(
            l2_at,
            &table(&mut (0..clusters).map(|at| DATA_AT + at * CLUSTER)),
        ),
        small_table(DATA_AT),
    ]
    .concat()
}

/// A medium with one region, small enough to be there as a whole; `at` this offset.
fn small_table(at: u64) -> Vec<u8> {
    let json = br#"{"version":1,"total_bytes":100000,"defaults":{"offset":50000,"length":9000},"guid_texts":[],"regions":[{"name":"config","offset":60000,"length":2048,"digest_offset":50000,"default_offset":50032}]}"#;
    let mut locator = Locator {
        disk_guid: [7; 16],
        table_offset: 40_000,
        table_length: json.len() as u32,
    }
    .encode()
    .to_vec();
    locator.truncate(64);
    [
        piece(at + LOCATOR_OFFSET, &locator),
        piece(at + 40_000, json),
        piece(at + 60_000, &support::config(7)[..2048]),
        piece(at + 99_999, b"\0"),
    ]
    .concat()
}

/// Packages whose archives are not compressed: a fuzzer seldom gets through a compressor.
fn packages() -> Vec<Vec<u8>> {
    let control = b"Package: linux-image-test\nVersion: 1.2-3\nArchitecture: amd64\n\
                    Source: linux (1.2-3)\nBuilt-Using: linux (= 1.2-3)\nDescription: x\n more\n";
    let files: [(&str, &[u8]); 3] = [
        ("./boot/vmlinuz-1", b"kernel"),
        ("./usr/share/doc/x/copyright", b"free"),
        ("./lib/modules/1/kernel/a.ko", b"module"),
    ];
    let control = tar(&[("./control", &control[..])]);
    let data = tar(&files);
    let version: (&str, &[u8]) = ("debian-binary", b"2.0\n");
    vec![
        ar(&[version, ("control.tar", &control), ("data.tar", &data)]),
        ar(&[version, ("control.tar", &control)]),
        ar(&[
            version,
            ("control.tar", &control),
            ("data.tar", &data[..700]),
        ]),
        ar(&[
            version,
            ("control.tar.xz", &control),
            ("data.tar.zst", &data),
        ]),
        b"!<arch>\n".to_vec(),
    ]
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_795_000_000);
        builder.append_data(&mut header, path, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, content) in members {
        writeln!(
            out,
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`",
            0,
            0,
            0,
            "100644",
            content.len()
        )
        .unwrap();
        out.extend_from_slice(content);
        if content.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

fn archives() -> Vec<Vec<u8>> {
    let config = support::config(3);
    let end = config.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    let short = config[..(end + 2).next_multiple_of(4).min(config.len())].to_vec();
    vec![
        [&short[..], &[0; 8], &short].concat(),
        short.clone(),
        short[..120].to_vec(),
    ]
}

fn settings() -> Vec<Vec<u8>> {
    vec![
        b"schema = 1\nfarm_id = 7\ndebug = true\n\n[directory]\nurl = \"https://d.example\"\n\
          pin = \"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n\n[network]\n\
          address = \"192.0.2.5/24\"\ngateway = \"192.0.2.1\"\ndns = [\"192.0.2.53\"]\n"
            .to_vec(),
        b"\xEF\xBB\xBFfarm_id = 4294967295\r\nschema = 2\r\n".to_vec(),
        b"BOOT_IMAGE=/boot/vmlinuz farmer_id=9 runmode=dev vlan=7 ip=192.0.2.5::192.0.2.1:24 debug\n"
            .to_vec(),
        b"farmer_id=9 vlan=7\n##########".to_vec(),
        b"'farmer_id=9'\n####".to_vec(),
        Locator {
            disk_guid: [1; 16],
            table_offset: 40_000,
            table_length: 700,
        }
        .encode()
        .to_vec(),
    ]
}

fn parts() -> Vec<Vec<u8>> {
    let mut elf = vec![0_u8; 120];
    elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
    elf[16..20].copy_from_slice(&[2, 0, 62, 0]);
    elf[24] = 1;
    elf[32] = 64;
    elf[54] = 56;
    elf[56] = 1;
    elf[64] = 1;
    // The boot protocol's header (Linux, Documentation/arch/x86/boot.rst).
    let mut kernel = vec![0_u8; 1024];
    kernel[0x1F1] = 1;
    kernel[0x1FE..0x200].copy_from_slice(b"\x55\xAA");
    kernel[0x202..0x206].copy_from_slice(b"HdrS");
    kernel[0x206..0x208].copy_from_slice(&[0x0F, 0x02]);
    kernel[0x20F] = 1; // 0x100, counted from 0x200
    kernel[0x236] = 1;
    kernel[0x300..0x30C].copy_from_slice(b"6.1.0 (me) x");
    vec![
        elf,
        kernel,
        b"license=GPL\0depends=a,b\0alias=pci:v00001000d*\0softdep=pre: x post: y\0firmware=f\0"
            .to_vec(),
        b"Package: a\nDepends: b (>= 1) | c, d\n continued\n\nPackage: e\n".to_vec(),
        b"Format: https://x\n\nFiles: *\nLicense: GPL-2+ or Expat\n\nFiles: a\nLicense: odd one\n"
            .to_vec(),
    ]
}
