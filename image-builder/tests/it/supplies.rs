//! Firmware, microcode and a farmer's own files in the initramfs, and modules as packages ship them.

use std::fs;
use std::path::Path;

use image_builder::bootkit::{Bootkit, fetch};
use image_builder::payload::modules::plan;
use image_builder::payload::{
    LayerKind, Payload, PayloadOptions, Selection, Supplies, build, cpio,
};

use crate::payload_fixtures::{
    deb, kernel, module, put, real_bootkit, run, static_program, synthetic_bootkit,
};

fn build_with(kit: &Bootkit, cache: &Path, supplies: &Supplies) -> Payload {
    let mut selection = Selection::default();
    selection.add(&["bnx2".to_owned()]).unwrap();
    let node = static_program(cache);
    let options = PayloadOptions {
        bootkit: kit,
        node: &node,
        selection: &selection,
        cache_dir: cache,
        level: 3,
        config_schema: 1,
        supplies,
    };
    build(&options, &mut |_| ()).unwrap()
}

/// Files of a layer: path, mode, content.
fn files(payload: &Payload, kind: LayerKind) -> Vec<(String, u32, Vec<u8>)> {
    let layer = payload
        .layers
        .iter()
        .find(|l| l.kind == kind)
        .expect("the layer");
    let bytes = fs::read(&layer.part.path).unwrap();
    let bytes = match kind {
        LayerKind::Microcode => bytes,
        _ => zstd::decode_all(&bytes[..]).unwrap(),
    };
    cpio::read(&bytes)
        .unwrap()
        .iter()
        .filter(|e| e.is_file())
        .map(|e| (e.path.clone(), e.mode & 0o7777, e.content.to_vec()))
        .collect()
}

#[test]
fn firmware_comes_from_directories_and_packages_of_any_kind() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let kit = synthetic_bootkit(dir.path(), &cache);
    let none = build_with(&kit, &cache, &Supplies::default());
    assert_eq!(none.manifest.missing_firmware["bnx2"], ["bnx2/a.fw"]);
    let firmware = b"the firmware".to_vec();
    put(dir.path(), "plain/bnx2/a.fw", &firmware);
    put(dir.path(), "packed/lib/firmware/bnx2/a.fw", &firmware);
    run("xz", &["packed/lib/firmware/bnx2/a.fw"], dir.path());
    put(dir.path(), "small/usr/lib/firmware/bnx2/a.fw", &firmware);
    run(
        "zstd",
        &["-q", "--rm", "small/usr/lib/firmware/bnx2/a.fw"],
        dir.path(),
    );
    let package = deb(
        dir.path(),
        "firmware-bnx2",
        "all",
        &[("lib/firmware/bnx2/a-1.fw", firmware.clone())],
        "xz",
    );
    // The same package again, with a link as WHENCE asks for.
    let root = dir.path().join("firmware-bnx2-root");
    std::os::unix::fs::symlink("a-1.fw", root.join("lib/firmware/bnx2/a.fw")).unwrap();
    let linked = dir.path().join("linked.deb");
    run(
        "dpkg-deb",
        &[
            "--root-owner-group",
            "--build",
            root.to_str().unwrap(),
            linked.to_str().unwrap(),
        ],
        dir.path(),
    );
    let mut layers = Vec::new();
    for source in ["plain", "packed", "small", "linked.deb"] {
        let supplies = Supplies {
            // The first has nothing wanted.
            firmware: vec![package.clone(), dir.path().join(source)],
            ..Supplies::default()
        };
        let payload = build_with(&kit, &cache, &supplies);
        assert_eq!(payload.manifest.firmware, ["bnx2/a.fw"], "{source}");
        assert!(payload.manifest.missing_firmware.is_empty() && payload.warnings.is_empty());
        let kinds: Vec<_> = payload.layers.iter().map(|l| l.kind).collect();
        assert_eq!(
            kinds,
            [LayerKind::Base, LayerKind::Firmware, LayerKind::Node]
        );
        let files = files(&payload, LayerKind::Firmware);
        let carried = ("lib/firmware/bnx2/a.fw".to_owned(), 0o644, firmware.clone());
        assert!(files.contains(&carried), "{source}");
        let json = &files
            .iter()
            .find(|f| f.0 == "etc/farmer/payload.json")
            .expect("facts")
            .2;
        assert!(
            !String::from_utf8_lossy(json).contains("bnx2"),
            "still called missing"
        );
        // From the cache it is the same.
        let again = build_with(&kit, &cache, &supplies);
        assert_eq!(again.manifest, payload.manifest);
        layers.push(fs::read(&payload.layers[1].part.path).unwrap());
    }
    assert!(
        layers.iter().all(|layer| *layer == layers[0]),
        "layers of one content differ"
    );
}

#[test]
fn microcode_is_the_first_layer_and_cpio_lists_it() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let kit = synthetic_bootkit(dir.path(), &cache);
    put(
        dir.path(),
        "u/amd-ucode/microcode_amd_fam17h.bin",
        b"DMA\0two",
    );
    put(dir.path(), "u/amd-ucode/microcode_amd.bin", b"DMA\0one");
    put(
        dir.path(),
        "u/amd-ucode/microcode_amd.bin.asc",
        b"signature",
    );
    put(dir.path(), "u/intel-ucode/06-55-04", b"\x01\0\0\0three");
    let supplies = |name: &str| Supplies {
        microcode: vec![dir.path().join(name)],
        ..Supplies::default()
    };
    let payload = build_with(&kit, &cache, &supplies("u"));
    let first = &payload.layers[0];
    assert_eq!(first.kind, LayerKind::Microcode);
    let path = first.part.path.to_str().unwrap();
    let script = format!("cpio -t --quiet < {path}");
    let listing = run("sh", &["-c", &script], dir.path());
    let listing = String::from_utf8(listing.stdout).unwrap();
    assert_eq!(
        listing,
        "kernel\nkernel/x86\nkernel/x86/microcode\nkernel/x86/microcode/AuthenticAMD.bin\n\
         kernel/x86/microcode/GenuineIntel.bin\n"
    );
    let files = files(&payload, LayerKind::Microcode);
    assert_eq!(files[0].2, b"DMA\0oneDMA\0two");
    let selection = Selection::default();
    put(dir.path(), "bad/amd-ucode/microcode_amd.bin", b"<html>");
    put(dir.path(), "none/readme", b"");
    for (name, words) in [
        ("bad", "holds no microcode"),
        ("none", "there is no microcode in"),
    ] {
        let options = PayloadOptions {
            bootkit: &kit,
            node: &static_program(&cache),
            selection: &selection,
            cache_dir: &cache,
            level: 3,
            config_schema: 1,
            supplies: &supplies(name),
        };
        let error = build(&options, &mut |_| ()).expect_err(name);
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn added_files_come_last_with_plain_modes() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let kit = synthetic_bootkit(dir.path(), &cache);
    put(dir.path(), "tree/run.sh", b"#!");
    put(dir.path(), "tree/deep/notes", b"text");
    run("chmod", &["4777", "tree/run.sh"], dir.path());
    let added = format!("{}:/opt/tree", dir.path().join("tree").display());
    let supplies = Supplies {
        added: vec![added.parse().unwrap()],
        ..Supplies::default()
    };
    let payload = build_with(&kit, &cache, &supplies);
    assert_eq!(
        payload.layers.last().map(|l| l.kind),
        Some(LayerKind::Added)
    );
    assert_eq!(
        files(&payload, LayerKind::Added),
        [
            ("opt/tree/deep/notes".to_owned(), 0o644, b"text".to_vec()),
            ("opt/tree/run.sh".to_owned(), 0o755, b"#!".to_vec()),
        ]
    );
}

#[test]
fn compressed_modules_are_stored_as_the_kernel_loads_them() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let loaders = synthetic_bootkit(dir.path(), &cache);
    let release = "6.12.0-test";
    let tree = dir.path().join("modules").join(release);
    let plain = module(&["depends=b", "alias=pci:v1*"]);
    let other = module(&["depends="]);
    put(&tree, "kernel/a.ko", &plain);
    put(&tree, "kernel/b.ko", &other);
    run("xz", &["--check=crc32", "kernel/a.ko"], &tree);
    run("zstd", &["-q", "--rm", "kernel/b.ko"], &tree);
    let image = dir.path().join("vmlinuz");
    fs::write(&image, kernel(release)).unwrap();
    let kit = fetch::from_kernel(&image, Some(&tree), &loaders, &cache, &mut |_| ()).unwrap();
    let store = kit.modules().unwrap();
    let read: Vec<_> = store
        .index()
        .modules
        .iter()
        .map(|m| (m.path.as_str(), store.read(m).unwrap()))
        .collect();
    assert_eq!(read, [("kernel/a.ko", plain), ("kernel/b.ko", other)]);
    let mut selection = Selection::default();
    selection.add(&["a".to_owned()]).unwrap();
    assert_eq!(plan(store.index(), &selection).modules.len(), 2);
}

/// A name in our own list that Debian's kernel does not have is a mistake in the list.
#[test]
fn our_own_list_names_only_modules_that_there_are() {
    let (kit, _) = real_bootkit();
    let store = kit.modules().unwrap();
    let plan = plan(store.index(), &Selection::default_set().unwrap());
    assert_eq!(plan.unknown, Vec::<String>::new());
    assert_eq!(plan.unresolved, Vec::<String>::new());
    let names: Vec<&str> = plan.modules.iter().map(|m| m.name.as_str()).collect();
    for module in ["vfat", "nls_cp437", "nls_ascii", "crc32c_generic"] {
        let is_there = names.contains(&module) || plan.builtin.iter().any(|b| b == module);
        assert!(
            is_there || store.index().builtin.contains_key(module),
            "{module}"
        );
    }
    // Every driver without firmware can be named to a person.
    for missing in image_builder::payload::devices::describe_missing(&plan.firmware) {
        assert!(
            missing.device.is_some(),
            "{} has no entry in firmware.toml",
            missing.driver
        );
    }
}
