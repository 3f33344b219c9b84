//! A medium with made-up loaders and payload, and calls of outside tools.

use std::path::Path;
use std::process::{Command, Output};

use image_builder::content::Content;
use image_builder::emit::{self, EmitOptions};
use image_builder::formats::el_torito::UefiSectorCount;
use image_builder::formats::timestamp::Timestamp;
use image_builder::medium::{
    BiosLoaders, InitramfsFile, IsolinuxMenu, Loaders, Plan, UefiBoot, UniversalMedium,
};
use image_builder::payload::{ConfigFile, config_cpio};
use image_builder::regions::{PayloadFacts, PayloadKind};

/// Bytes that differ everywhere and never repeat on a block boundary.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(length);
    out
}

pub fn loaders() -> Loaders {
    let mut isolinux = noise(1, 38_912);
    isolinux[64..68].copy_from_slice(&[0xFB, 0xC0, 0x78, 0x70]);
    // What libisofs recognises hybrid boot code by.
    let mut isohdpfx = noise(2, 432);
    isohdpfx[300..332].copy_from_slice(b"isolinux.bin missing or corrupt.");
    Loaders {
        bios: BiosLoaders {
            isohdpfx: isohdpfx.into(),
            isolinux: isolinux.into(),
            ldlinux: Content::bytes(noise(3, 119_524)),
            menu: Some(IsolinuxMenu {
                menu: Content::bytes(noise(10, 26_596)),
                libcom32: Content::bytes(noise(11, 181_956)),
                libutil: Content::bytes(noise(12, 23_696)),
            }),
        },
        shim: Content::bytes(noise(4, 1_048_504)),
        grub: Content::bytes(noise(5, 4_183_488)),
        mok_manager: Some(Content::bytes(noise(6, 877_992))),
        grub_directory: "EFI/DEBIAN".to_owned(),
    }
}

/// The cpio of a farm's settings.
pub fn config(farm_id: u32) -> Vec<u8> {
    let toml = format!("schema = 1\nfarm_id = {farm_id}\n");
    let file = ConfigFile {
        path: "etc/farmer/node.toml",
        content: toml.as_bytes(),
        mode: 0o600,
    };
    config_cpio(&[file], 64 * 1024).expect("config archive")
}

/// A medium whose base layer has `base_bytes`: the EFI partition is FAT16 for small ones.
pub fn medium(farm_id: u32, base_bytes: usize) -> UniversalMedium {
    UniversalMedium {
        title: "Farm node 0.1.0".to_owned(),
        serial: None,
        loaders: loaders(),
        uefi: UefiBoot::Stock,
        kernel: Content::bytes(noise(7, 1_234_567)),
        initramfs: vec![
            InitramfsFile {
                name: "BASE.IMG".to_owned(),
                content: Content::bytes(noise(8, base_bytes)),
            },
            InitramfsFile {
                name: "NODE.IMG".to_owned(),
                content: Content::bytes(noise(9, 4097)),
            },
        ],
        payload: PayloadFacts {
            kind: PayloadKind::FarmNode,
            kernel_version: "6.1.0-test".to_owned(),
            node_version: "0.1.0".to_owned(),
            config_schema: 1,
            config_keys: node_config::schema::KEYS
                .split(' ')
                .map(str::to_owned)
                .collect(),
        },
        kernel_arguments: format!("farmer_id={farm_id} runmode=dev"),
        config: config(farm_id),
        farm_toml: format!("# farm_id = {farm_id}\n"),
        timestamp: Timestamp(1_795_000_000),
        uefi_sector_count: UefiSectorCount::Zero,
    }
}

pub fn write(plan: &Plan, path: &Path) {
    emit::to_file(&plan.layout, path, EmitOptions::default(), &mut |_| {}).expect("image written");
}

/// The whole image in memory.
pub fn bytes(plan: &Plan) -> Vec<u8> {
    let mut out = Vec::new();
    emit::to_writer(&plan.layout, &mut out, false, &mut |_| {}).expect("image streamed");
    out
}

/// Runs an outside tool, which must be installed and succeed; returns its combined output.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = output(program, arguments);
    let text = text(&output);
    assert!(
        output.status.success(),
        "{program} {arguments:?} failed:\n{text}"
    );
    text
}

pub fn output(program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .env("MTOOLS_SKIP_CHECK", "0")
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"))
}

pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A path as the string the tools take.
pub fn arg(path: &Path) -> &str {
    path.to_str().expect("path is UTF-8")
}
