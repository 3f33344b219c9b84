//! What every fuzz target does with its bytes. Shared by the fuzzer and by the replay on the stable
//! toolchain (`tests/it/hostile.rs`), so both mean the same by a failure: a panic.

use std::io::Cursor;

use image_builder::bootkit::control::Stanza;
use image_builder::bootkit::deb;
use image_builder::ipxe::{Capabilities, Kind, Settings, lint, trace};
use image_builder::medium::InitramfsFile;
use image_builder::medium::thin::ScriptFacts;
use image_builder::payload::elf::Elf;
use image_builder::payload::modules::modinfo::ModInfo;
use image_builder::payload::{cpio, kernel};
use image_builder::{
    content::Content, customize, extract, medium, provenance, regions, show, verify,
};
use node_config::medium::{LOCATOR_LEN, Locator};
use node_config::{Effective, Layer, NodeConfig, Origin, cmdline};

/// Largest medium made of pieces: the structures that count lie below the EFI partition.
const MEDIUM_BYTES: usize = 1 << 20;
/// A `.deb` of zeros can become much longer than itself.
const CONTENT_BYTES: u64 = 64 << 20;

/// A medium written down as pieces, see [`lay_out`]: described, verified, taken apart, customised, and its
/// regions found.
pub fn medium_show(data: &[u8]) {
    let mut image = Cursor::new(lay_out(data));
    if let Ok(description) = show::describe(&mut image) {
        let json = serde_json::to_string(&description).unwrap();
        assert!(json.len() < 64 << 20);
        if let Some(arguments) = &description.kernel_arguments {
            assert!(!arguments.chars().any(char::is_control), "{arguments:?}");
        }
    }
    let _ = verify::verify(&mut image, &mut |_, _| {});
    for item in extract::list(&mut image, extract::What::All).unwrap_or_default() {
        let mut parts = item.path.split('/');
        assert!(!parts.any(|part| matches!(part, "" | "." | "..")));
    }
    let mut request = customize::Request::default();
    request.settings.set.farm_id = node_config::FarmId::try_from(2_u64).ok();
    if let Ok(edit) = customize::plan(&mut image, &request) {
        for write in edit.writes {
            assert_eq!(write.before.len(), write.after.len());
        }
    }
    if let Ok(Some(table)) = regions::find_on(&mut image) {
        for span in table.mutable_spans() {
            let end = span.offset.checked_add(span.length).unwrap();
            assert!(end <= table.total_bytes, "a region leaves its medium");
            assert!(span.offset >= 32_768, "a region covers the locator");
        }
    }
}

/// An iPXE script: checked for an old and a new build, followed on both, read for what it fetches. And a
/// program that may be iPXE.
pub fn ipxe_script(data: &[u8]) {
    let script = String::from_utf8_lossy(data);
    let newer = "1.21.1+git20250501.dad20602+dfsg-1";
    for binary in [
        Capabilities::oldest(Kind::Lkrn),
        Capabilities::of_version(Kind::EfiX64, newer),
    ] {
        for finding in lint(&script, &binary) {
            assert!(
                finding.place.line <= script.lines().count() + 1,
                "{finding}"
            );
        }
        let followed = trace(&script, &Settings::new().on(&binary));
        assert!(followed.steps.len() <= 10_000);
    }
    assert!(ScriptFacts::of(&script).fetches.len() <= script.len());
    let _ = Capabilities::of(data);
}

/// A medium of pieces: offset (3 bytes, little endian), length (2 bytes), and the bytes. The rest is
/// zero. What does not fit is cut.
pub fn lay_out(mut data: &[u8]) -> Vec<u8> {
    let mut image = Vec::new();
    while let [a, b, c, low, high, rest @ ..] = data {
        let offset = u32::from_le_bytes([*a, *b, *c, 0]) as usize % MEDIUM_BYTES;
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let length = length.min(rest.len()).min(MEDIUM_BYTES - offset);
        let (piece, rest) = rest.split_at(length);
        if image.len() < offset + length {
            image.resize(offset + length, 0);
        }
        image[offset..offset + length].copy_from_slice(piece);
        data = rest;
    }
    image
}

/// A Debian package.
pub fn deb_read(data: &[u8]) {
    let dir = tempfile::Builder::new()
        .prefix("image-builder-fuzz-")
        .tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let path = dir.path().join("package.deb");
    std::fs::write(&path, data).unwrap();
    let info = deb::read_info(&path);
    let mut left = CONTENT_BYTES;
    let read = deb::read(
        &path,
        &mut |path| !path.starts_with('/') && path.len() < 100,
        &mut |_, entry| {
            assert!(!entry.path.starts_with('/') && !entry.path.starts_with("./"));
            let mut content = std::io::Read::take(entry.content, left);
            let length = std::io::copy(&mut content, &mut std::io::sink())?;
            left -= length;
            if left == 0 {
                return Err(std::io::Error::other("enough"));
            }
            assert_eq!(length, entry.size_bytes);
            Ok(())
        },
    );
    if let Ok((found, _)) = read {
        assert_eq!(Some(found), info.ok());
    }
}

/// Uncompressed cpio archives, and what the one-file initramfs makes of them.
pub fn cpio_read(data: &[u8]) {
    let Ok(entries) = cpio::read(data) else {
        return;
    };
    let total: usize = entries.iter().map(|entry| entry.content.len()).sum();
    assert!(total <= data.len(), "contents overlap");
    let archive = InitramfsFile {
        name: "A.IMG".to_owned(),
        content: Content::bytes(data),
    };
    let config = Content::bytes(data);
    let layout = medium::initramfs::concatenate(&[archive], &config).unwrap();
    let mut both = vec![0; layout.total() as usize];
    layout.read_at(0, &mut both).unwrap();
    // Archives one after the other, aligned: the kernel finds all of both.
    assert_eq!(cpio::read(&both).unwrap().len(), 2 * entries.len());
}

/// Settings: TOML, kernel arguments, the locator and the argument regions.
pub fn settings_read(data: &[u8]) {
    if let Ok(found) = regions::decode_kargs(data) {
        let again = regions::encode_kargs_bios(&found).unwrap_or_default();
        if let Ok(normal) = regions::decode_kargs(&again) {
            let words = |text: &str| {
                text.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            assert_eq!(words(&normal), words(&found));
        }
    }
    if let Some(bytes) = data.first_chunk::<LOCATOR_LEN>()
        && let Some(locator) = Locator::decode(bytes)
    {
        assert_eq!(Locator::decode(&locator.encode()), Some(locator));
    }
    let text = String::from_utf8_lossy(data);
    let _ = cmdline::parse(&text);
    if let Ok(layer) = Layer::from_toml(&text, "fuzz") {
        let toml = layer.to_toml();
        assert_eq!(Layer::from_toml(&toml, "again").unwrap(), layer, "{toml}");
        let _ = Effective::of(vec![(Origin::Image, layer)]);
    }
    if let Ok(config) = NodeConfig::from_toml(&text, "fuzz") {
        let toml = config.to_toml();
        assert_eq!(NodeConfig::from_toml(&toml, "again").unwrap(), config);
    }
}

/// What is looked at inside packages: kernel, programs, modules, control and copyright files.
pub fn parts_read(data: &[u8]) {
    let _ = kernel::inspect(data);
    if let Ok(elf) = Elf::parse(data) {
        let _ = elf.require_static_program();
        if let Ok(Some(section)) = elf.object_section(".modinfo") {
            let _ = ModInfo::parse(section);
        }
    }
    let _ = ModInfo::parse(data);
    let text = String::from_utf8_lossy(data);
    for stanza in Stanza::parse_all(&text) {
        let _ = stanza.depends_on("Depends");
    }
    let (expression, own) = provenance::of_debian_copyright(&text);
    assert!(!expression.is_empty());
    for licence in own {
        let id = licence.id.strip_prefix("LicenseRef-").unwrap();
        assert!(
            id.chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)),
            "{id}"
        );
        assert!(expression.contains(&licence.id));
    }
}
