//! Payloads: the layers a node boots, checked with the tools everybody else uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image_builder::bootkit::Bootkit;
use image_builder::payload::modules::{index, plan};
use image_builder::payload::{
    ConfigFile, Event, LayerKind, Payload, PayloadError, PayloadOptions, Selection, Supplies,
    Warning, build, config_cpio, cpio,
};
use proptest::prelude::*;

use crate::payload_fixtures::{
    lasting_cache, module, real_bootkit, run, static_program, synthetic_bootkit,
};

fn selection(names: &[&str]) -> Selection {
    let mut selection = Selection::default();
    let names: Vec<_> = names.iter().map(|&n| n.to_owned()).collect();
    selection.add(&names).unwrap();
    selection
}

fn build_with(kit: &Bootkit, cache: &Path, names: &[&str]) -> (Payload, Vec<Event>) {
    let selection = selection(names);
    let node = static_program(cache);
    let options = PayloadOptions {
        bootkit: kit,
        node: &node,
        selection: &selection,
        cache_dir: cache,
        level: 3,
        config_schema: 1,
        supplies: &Supplies::default(),
    };
    let mut events = Vec::new();
    let payload = build(&options, &mut |e| events.push(e)).unwrap();
    (payload, events)
}

fn unpack(path: &Path) -> Vec<u8> {
    zstd::decode_all(fs::File::open(path).unwrap()).unwrap()
}

/// Feeds an archive to a tool and returns what it prints.
fn pipe(program: &str, args: &[&str], input: &[u8], dir: &Path) -> String {
    let mut child = Command::new(program)
        .args(args)
        .current_dir(dir)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{program} is needed by this test: {e}"));
    let mut stdin = child.stdin.take().unwrap();
    let bytes = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn layers_hold_what_the_node_needs_and_cpio_and_bsdtar_agree() {
    let dir = tempfile::tempdir().unwrap();
    let kit = synthetic_bootkit(dir.path(), &dir.path().join("cache"));
    let (payload, _) = build_with(
        &kit,
        &dir.path().join("cache"),
        &["sd_mod", "bnx2", "core", "nope"],
    );
    assert_eq!(payload.layers[0].kind, LayerKind::Base);
    assert_eq!(payload.layers[1].kind, LayerKind::Node);

    let base = unpack(&payload.layers[0].part.path);
    assert_eq!(base.len() as u64, payload.layers[0].unpacked_bytes);
    let entries = cpio::read(&base).unwrap();
    let find = |path: &str| entries.iter().find(|e| e.path == path).unwrap();
    let top = "lib/modules/6.0.1-test";
    assert_eq!(
        find(&format!("{top}/kernel/drivers/scsi/sd_mod.ko")).content,
        module(&["depends=scsi-core,t10", "alias=scsi:t-0x00*"])
    );
    assert!(!entries.iter().any(|e| e.path.contains("unused")));
    let text = |name: &str| std::str::from_utf8(find(&format!("{top}/{name}")).content).unwrap();
    assert!(text("modules.dep").contains(
        "kernel/drivers/scsi/sd_mod.ko: kernel/lib/t10.ko kernel/drivers/scsi/scsi-core.ko\n"
    ));
    assert!(text("modules.alias").contains("alias crypto-crct10dif crc_fast\n"));
    assert!(text("modules.softdep").contains("softdep t10 pre: crct10dif\n"));
    let facts: serde_json::Value =
        serde_json::from_slice(find("etc/farmer/payload.json").content).unwrap();
    assert_eq!(facts["newest_mtime"], 1_700_000_000);
    assert_eq!(facts["kernel_version"], "6.0.1-test");
    assert_eq!(facts["missing_firmware"]["bnx2"][0], "bnx2/a.fw");
    assert!(entries.iter().all(|e| e.mtime_unix_s == 1_700_000_000));

    let node = unpack(&payload.layers[1].part.path);
    let entries = cpio::read(&node).unwrap();
    let init = entries.iter().find(|e| e.path == "init").unwrap();
    assert_eq!(
        (init.mode, init.content),
        (
            0o100_755,
            &fs::read(static_program(dir.path())).unwrap()[..]
        )
    );

    let list = pipe("cpio", &["-itv", "--quiet"], &base, dir.path());
    assert!(
        list.contains("crw-------   1 root     root       5,   1 Nov 14  2023 dev/console"),
        "{list}"
    );
    assert!(list.lines().all(|l| l.contains("root     root")), "{list}");
    let list = pipe("cpio", &["-itv", "--quiet"], &node, dir.path());
    assert!(list.contains("sbin/modprobe -> /init"), "{list}");
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    pipe(
        "bsdtar",
        &["-xf", "-", "--exclude", "dev/console"],
        &base,
        &out,
    );
    for entry in cpio::read(&base).unwrap().iter().filter(|e| e.is_file()) {
        assert_eq!(
            fs::read(out.join(&entry.path)).unwrap(),
            entry.content,
            "{}",
            entry.path
        );
    }
    assert_eq!(
        fs::metadata(out.join("tmp")).unwrap().permissions().mode() & 0o7777,
        0o1777
    );

    assert!(
        payload
            .warnings
            .contains(&Warning::UnknownModules(vec!["requested/nope".into()]))
    );
    assert!(
        payload
            .warnings
            .iter()
            .any(|w| matches!(w, Warning::MissingFirmware(m) if m.len() == 1))
    );
    assert_eq!(
        payload.manifest.modules,
        ["crc_fast", "bnx2", "scsi_core", "sd_mod", "t10"]
    );
    // The manifest survives its own serialisation.
    let json = serde_json::to_string(&payload.manifest).unwrap();
    let back: image_builder::payload::Manifest = serde_json::from_str(&json).unwrap();
    assert_eq!(back, payload.manifest);
}

#[test]
fn layers_are_reproducible_and_cached_by_content() {
    let dir = tempfile::tempdir().unwrap();
    let one = dir.path().join("one");
    let kit = synthetic_bootkit(dir.path(), &one);
    let (first, events) = build_with(&kit, &one, &["sd_mod"]);
    assert!(events.iter().any(|e| matches!(e, Event::LayerBuilt { .. })));
    let (second, events) = build_with(&kit, &one, &["sd_mod"]);
    assert!(
        events
            .iter()
            .all(|e| matches!(e, Event::LayerCached { .. })),
        "{events:?}"
    );
    assert_eq!(first.layers, second.layers);
    assert_eq!(first.manifest, second.manifest);

    // Another directory, a bootkit unpacked there anew.
    let two = dir.path().join("two/deeper");
    let other = synthetic_bootkit(dir.path(), &two);
    let (third, _) = build_with(&other, &two, &["sd_mod"]);
    for (a, b) in first.layers.iter().zip(&third.layers) {
        assert_ne!(a.part.path, b.part.path);
        assert_eq!(
            fs::read(&a.part.path).unwrap(),
            fs::read(&b.part.path).unwrap()
        );
    }
    assert_eq!(first.manifest, third.manifest);

    // Another selection is another layer; a damaged cache is rebuilt, not used.
    let (more, _) = build_with(&kit, &one, &["sd_mod", "bnx2"]);
    assert_ne!(more.layers[0].part.sha256, first.layers[0].part.sha256);
    assert_eq!(more.layers[1], first.layers[1]);
    fs::write(&first.layers[0].part.path, b"garbage").unwrap();
    let (healed, events) = build_with(&kit, &one, &["sd_mod"]);
    assert!(events.contains(&Event::LayerBuilt {
        kind: LayerKind::Base,
        size_bytes: first.layers[0].part.size_bytes
    }));
    assert_eq!(healed.layers, first.layers);
}

#[test]
fn a_node_that_cannot_run_as_init_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let kit = synthetic_bootkit(dir.path(), &cache);
    let script = dir.path().join("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    let attempt = |node: &str, level| {
        let options = PayloadOptions {
            bootkit: &kit,
            node: Path::new(node),
            selection: &selection(&["sd_mod"]),
            cache_dir: &cache,
            level,
            config_schema: 1,
            supplies: &Supplies::default(),
        };
        build(&options, &mut |_| ()).unwrap_err()
    };
    let error = attempt("/bin/sh", 3);
    assert!(error.to_string().contains("dynamically linked"), "{error}");
    assert!(error.hint().unwrap().contains("farm-node"));
    assert!(
        attempt(script.to_str().unwrap(), 3)
            .to_string()
            .contains("not an ELF file")
    );
    assert!(matches!(
        attempt("/nonexistent/farm-node", 3),
        PayloadError::Io { .. }
    ));
    assert!(matches!(attempt("/bin/sh", 99), PayloadError::Level(99)));
    fs::write(&script, vec![0u8; 300]).unwrap();
    assert!(matches!(
        attempt(script.to_str().unwrap(), 3),
        PayloadError::Node { .. }
    ));
}

#[test]
fn settings_region_is_an_archive_cpio_reads() {
    let dir = tempfile::tempdir().unwrap();
    let files = [ConfigFile {
        path: "etc/farmer/farm.toml",
        content: b"schema = 1\n",
        mode: 0o600,
    }];
    let region = config_cpio(&files, image_builder::payload::CONFIG_REGION_BYTES).unwrap();
    assert_eq!(region.len(), 65_536);
    let list = pipe("cpio", &["-itv", "--quiet"], &region, dir.path());
    assert!(
        list.contains(
            "-rw-------   1 root     root           11 Jan  1  1970 etc/farmer/farm.toml"
        )
    );
}

fn lines(text: &str, first: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|l| l.starts_with(first))
        .map(str::to_owned)
        .collect()
}

/// The default selection against Debian's real kernel, with depmod as the second opinion.
#[test]
fn default_modules_of_the_real_kernel_agree_with_depmod() {
    let (kit, _) = real_bootkit();
    let store = kit.modules().unwrap();
    let selection = Selection::default_set().unwrap();
    let plan = plan(store.index(), &selection);
    assert_eq!(plan.unresolved, [""; 0]);
    assert_eq!(
        plan.unknown, [""; 0],
        "names that this kernel does not have"
    );
    let has = |name: &str| {
        plan.modules.iter().any(|m| m.name == name) || store.index().builtin.contains_key(name)
    };
    for needed in [
        "ahci",
        "nvme",
        "sd_mod",
        "sr_mod",
        "usb_storage",
        "uas",
        "xhci_pci",
        "usbhid",
        "hid_generic",
        "e1000e",
        "igb",
        "ixgbe",
        "i40e",
        "tg3",
        "bnx2",
        "r8169",
        "mlx5_core",
        "virtio_net",
        "virtio_blk",
        "virtio_scsi",
        "vfat",
        "nls_cp437",
        "nls_ascii",
        "isofs",
        "efivarfs",
        "8021q",
        "bonding",
        "kvm_intel",
        "i8042",
        "atkbd",
    ] {
        assert!(has(needed), "{needed} must be there");
    }
    // Soft dependency by alias: sd_mod's checksum is a service of several modules.
    assert!(has("crct10dif_generic") && has("crct10dif_pclmul"));
    assert!(plan.firmware["bnx2"].iter().any(|f| f.starts_with("bnx2/")));

    // depmod looks at a tree of exactly these modules.
    let dir = tempfile::tempdir().unwrap();
    let release = kit.kernel_version();
    let tree = dir.path().join("lib/modules").join(release);
    for module in &plan.modules {
        crate::payload_fixtures::put(&tree, &module.path, &store.read(module).unwrap());
    }
    for name in [
        "modules.order",
        "modules.builtin",
        "modules.builtin.modinfo",
    ] {
        fs::write(tree.join(name), "").unwrap();
    }
    run(
        "/usr/sbin/depmod",
        &["-b", dir.path().to_str().unwrap(), release],
        dir.path(),
    );
    let theirs = |name: &str| fs::read_to_string(tree.join(name)).unwrap();
    assert_eq!(
        lines(&index::modules_alias(&plan), "alias "),
        lines(&theirs("modules.alias"), "alias ")
    );
    assert_eq!(
        lines(&index::modules_softdep(&plan), "softdep "),
        lines(&theirs("modules.softdep"), "softdep ")
    );
    let parse = |text: &str| -> BTreeMap<String, Vec<String>> {
        text.lines()
            .map(|line| {
                let (module, rest) = line.split_once(':').unwrap();
                (
                    module.to_owned(),
                    rest.split_whitespace().map(str::to_owned).collect(),
                )
            })
            .collect()
    };
    let (ours, theirs) = (
        parse(&index::modules_dep(&plan)),
        parse(&theirs("modules.dep")),
    );
    assert_eq!(
        ours.keys().collect::<Vec<_>>(),
        theirs.keys().collect::<Vec<_>>()
    );
    for (module, dependencies) in &ours {
        // The same set; the order may differ where both are right, so it is checked for itself.
        let set = |d: &[String]| d.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(set(dependencies), set(&theirs[module]), "{module}");
        for (at, dependency) in dependencies.iter().enumerate() {
            for needed in &ours[dependency] {
                let place = dependencies.iter().position(|d| d == needed).unwrap();
                assert!(
                    place > at,
                    "{module}: {needed} must be loaded before {dependency}"
                );
            }
        }
    }
}

#[test]
fn default_base_layer_is_small_enough() {
    let (kit, _) = real_bootkit();
    let selection = Selection::default_set().unwrap();
    let options = PayloadOptions {
        bootkit: kit,
        node: &static_program(&lasting_cache()),
        selection: &selection,
        cache_dir: &lasting_cache(),
        level: image_builder::payload::LEVEL_DEVELOPMENT,
        config_schema: 1,
        supplies: &Supplies::default(),
    };
    let payload = build(&options, &mut |_| ()).unwrap();
    let base = &payload.layers[0];
    // 64 MB for the whole image: 8 to 12 MB of kernel, 7 of loaders, 3 of layout, 3 of farm-node.
    assert!(
        base.part.size_bytes < 24_000_000,
        "{}",
        base.part.size_bytes
    );
    // One frame: what the kernel's decompressor expects of one archive.
    let bytes = fs::read(&base.part.path).unwrap();
    assert_eq!(
        zstd::zstd_safe::find_frame_compressed_size(&bytes).unwrap(),
        bytes.len()
    );
    let archive = unpack(&base.part.path);
    let modules = cpio::read(&archive).unwrap();
    let modules: Vec<_> = modules.iter().filter(|e| e.path.ends_with(".ko")).collect();
    assert_eq!(modules.len(), payload.manifest.modules.len());
    // Debian signs its modules; a stripped or altered one fails under Secure Boot only.
    for entry in modules {
        assert!(
            entry.content.ends_with(b"~Module signature appended~\n"),
            "{}",
            entry.path
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_tree_reads_back(files in prop::collection::btree_map("[a-z]{1,6}(/[a-z]{1,6}){0,3}", prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
        let mut tree = cpio::Tree::new();
        let mut kept = BTreeMap::new();
        for (path, content) in &files {
            // A file that is another one's directory is refused.
            if tree.file(path, 0o644, content.as_slice()).is_ok() {
                kept.insert(path.clone(), content.clone());
            }
        }
        let mut bytes = Vec::new();
        tree.write(&mut bytes, 1).unwrap();
        prop_assert_eq!(bytes.len() as u64, tree.len_bytes());
        let entries = cpio::read(&bytes).unwrap();
        let read: BTreeMap<_, _> = entries.iter().filter(|e| e.is_file())
            .map(|e| (e.path.clone(), e.content.to_vec())).collect();
        prop_assert_eq!(read, kept);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..600), magic in any::<bool>()) {
        if magic && bytes.len() > 6 {
            bytes[..6].copy_from_slice(b"070701");
            bytes.iter_mut().skip(6).take(104).for_each(|b| *b = b"0123456789abcdef"[usize::from(*b % 16)]);
        }
        let _ = cpio::read(&bytes);
    }
}

/// Paths are remembered in no layer.
#[test]
fn nothing_of_this_machine_is_in_a_layer() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache-with-a-telling-name");
    let kit = synthetic_bootkit(dir.path(), &cache);
    let (payload, _) = build_with(&kit, &cache, &["sd_mod"]);
    let base = unpack(&payload.layers[0].part.path);
    let needle = b"telling-name";
    assert!(!base.windows(needle.len()).any(|w| w == needle));
    let manifest = serde_json::to_string(&payload.manifest).unwrap();
    assert!(!manifest.contains("telling-name"));
    let _: PathBuf = payload.kernel.path;
}
