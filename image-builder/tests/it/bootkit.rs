//! Bootkits: from packages of any compression, from apt, from a kernel; and how damage is met.

use std::fs;
use std::path::{Path, PathBuf};

use image_builder::bootkit::deb::{self, DebErrorKind};
use image_builder::bootkit::{Bootkit, BootkitError, Event, Loader, fetch, stored};

use crate::payload_fixtures::{
    MODULES, deb as build_deb, kernel, kernel_deb, lasting_cache, loader_debs, module, put,
    real_bootkit, run, synthetic_bootkit,
};

fn sample_deb(dir: &Path, codec: &str) -> PathBuf {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let noise: Vec<u8> = (0..40_000)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect();
    build_deb(
        dir,
        "sample",
        "all",
        &[("usr/lib/x/noise.bin", noise), ("etc/small", b"s".to_vec())],
        codec,
    )
}

fn contents(path: &Path) -> Result<Vec<(String, Vec<u8>)>, deb::DebError> {
    let mut files = Vec::new();
    deb::read(path, &mut |_| true, &mut |info, entry| {
        assert_eq!(info.package, "sample");
        let mut bytes = Vec::new();
        entry.content.read_to_end(&mut bytes)?;
        assert_eq!(bytes.len() as u64, entry.size_bytes);
        files.push((entry.path.to_owned(), bytes));
        Ok(())
    })?;
    Ok(files)
}

#[test]
fn packages_of_every_compression_read_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for codec in ["xz", "zstd", "gzip", "none"] {
        let path = sample_deb(dir.path(), codec);
        let info = deb::read_info(&path).unwrap();
        assert_eq!(
            (info.version.as_str(), info.architecture.as_str()),
            ("1:2.0-3", "all")
        );
        assert_eq!(info.source, "sample-src (1:2.0-3)");
        assert_eq!(info.built_using.as_deref(), Some("linux (= 6.0-1)"));
        let (_, newest) = deb::read(&path, &mut |_| false, &mut |_, _| Ok(())).unwrap();
        assert_eq!(newest, 1_700_000_000);
        all.push(contents(&path).unwrap());
    }
    assert_eq!(all[0].len(), 3);
    assert!(all.iter().all(|files| *files == all[0]));
}

#[test]
fn a_package_cut_anywhere_is_an_error_that_says_so() {
    let dir = tempfile::tempdir().unwrap();
    for codec in ["xz", "zstd", "gzip", "none"] {
        let whole = fs::read(sample_deb(dir.path(), codec)).unwrap();
        let cut = dir.path().join("cut.deb");
        let near_end = (whole.len() - 70)..whole.len();
        for len in (0..400)
            .chain((400..whole.len()).step_by(611))
            .chain(near_end)
        {
            fs::write(&cut, &whole[..len]).unwrap();
            let error = contents(&cut).expect_err(&format!("{codec} cut at {len}"));
            assert!(error.to_string().contains("cut.deb"), "{error}");
            assert!(
                matches!(
                    error.kind,
                    DebErrorKind::Truncated { .. } | DebErrorKind::MissingMember(_)
                ),
                "{codec} cut at {len}: {error}"
            );
            assert!(error.hint().is_some());
        }
    }
}

#[test]
fn damaged_packages_never_panic_and_checksums_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    for codec in ["xz", "zstd", "gzip"] {
        let whole = fs::read(sample_deb(dir.path(), codec)).unwrap();
        let bad = dir.path().join("bad.deb");
        for at in (0..whole.len()).step_by(97) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x41;
            fs::write(&bad, &bytes).unwrap();
            let _ = contents(&bad);
        }
        // In the middle of the data member: content no decoder may let through.
        let mut bytes = whole.clone();
        let middle = whole.len() - 20_000;
        bytes[middle] ^= 0xff;
        fs::write(&bad, &bytes).unwrap();
        match contents(&bad) {
            Err(e) => assert!(
                matches!(e.kind, DebErrorKind::Damaged { .. }),
                "{codec}: {e}"
            ),
            // dpkg-deb writes zstd without a checksum: then only the digest tells.
            Ok(_) => assert_eq!(codec, "zstd"),
        }
    }
    let path = dir.path().join("text.deb");
    fs::write(&path, "#!/bin/sh\necho no package\n").unwrap();
    assert!(matches!(
        deb::read_info(&path).unwrap_err().kind,
        DebErrorKind::NotADeb(_)
    ));
    assert!(matches!(
        deb::read_info(dir.path()).unwrap_err().kind,
        DebErrorKind::NotADeb(_)
    ));
    let missing = deb::read_info(&dir.path().join("no.deb")).unwrap_err();
    assert!(matches!(missing.kind, DebErrorKind::Io(_)));
}

#[test]
fn a_bootkit_of_package_files_records_everything_and_is_reused() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let mut debs = loader_debs(dir.path(), None);
    debs.push(kernel_deb(dir.path(), "6.0.1-test"));
    let kit = fetch::from_debs(&debs, &cache, &mut |_| ()).unwrap();

    assert_eq!(kit.kernel_version(), "6.0.1-test");
    assert_eq!(fs::read(kit.kernel()).unwrap(), kernel("6.0.1-test"));
    for loader in Loader::ALL {
        let entry = kit.loader_entry(loader).unwrap();
        assert_eq!(entry.package.as_deref(), Some(loader.package()));
        assert!(kit.loader(loader).is_file());
    }
    let lock = kit.lock();
    assert_eq!(lock.newest_mtime_unix_s, 1_700_000_000);
    assert_eq!(
        (lock.packages.len(), lock.kernel.modules),
        (6, MODULES.len() as u32)
    );
    assert!(
        lock.packages
            .iter()
            .all(|p| !p.archive_verified && p.suites.is_empty())
    );
    assert!(
        !lock.files.iter().any(|f| f.path.contains("fbx64")),
        "fallback loader must not ship"
    );
    assert!(kit.dir().join("copyright/isolinux").is_file());
    kit.verify_all().unwrap();

    let modules = kit.modules().unwrap();
    for (path, info) in MODULES {
        let entry = modules
            .index()
            .modules
            .iter()
            .find(|m| m.path == path)
            .unwrap();
        assert_eq!(modules.read(entry).unwrap(), module(info), "{path}");
    }

    // The same packages in another order: nothing is unpacked again.
    debs.reverse();
    let mut events = Vec::new();
    let again = fetch::from_debs(&debs, &cache, &mut |e| events.push(e)).unwrap();
    assert_eq!(events, [Event::Reused { id: kit.id() }]);
    assert_eq!(again.lock(), kit.lock());
    assert_eq!(stored(&cache).len(), 1);

    // Another directory, the same bytes.
    let other = fetch::from_debs(&debs, &dir.path().join("other"), &mut |_| ()).unwrap();
    let read = |k: &Bootkit, f: &str| fs::read(k.dir().join(f)).unwrap();
    for file in ["bootkit.lock", "modules.pack", "kernel/modules.json"] {
        assert_eq!(read(&other, file), read(&kit, file), "{file}");
    }
}

#[test]
fn altered_files_are_found_at_use_and_replaced_by_a_fetch() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let kit = synthetic_bootkit(dir.path(), &cache);
    let altered = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(path, bytes).unwrap();
    };

    // A module is not read until it is needed; then its digest counts.
    altered(&kit.dir().join("modules.pack"));
    let opened = Bootkit::open(kit.dir()).unwrap();
    let modules = opened.modules().unwrap();
    let results: Vec<_> = modules
        .index()
        .modules
        .iter()
        .map(|m| modules.read(m))
        .collect();
    assert_eq!(results.iter().filter(|r| r.is_err()).count(), 1);
    assert!(matches!(
        opened.verify_all(),
        Err(BootkitError::Changed { .. })
    ));

    altered(&kit.loader(Loader::Shim));
    let error = Bootkit::open(kit.dir()).unwrap_err();
    assert!(
        matches!(&error, BootkitError::Changed { path, .. } if path.ends_with("efi/shimx64.efi"))
    );
    assert!(error.hint().is_some());

    let mut debs = loader_debs(dir.path(), None);
    debs.push(kernel_deb(dir.path(), "6.0.1-test"));
    let mut events = Vec::new();
    let healed = fetch::from_debs(&debs, &cache, &mut |e| events.push(e)).unwrap();
    assert!(matches!(events[0], Event::Damaged { .. }));
    healed.verify_all().unwrap();

    // A link in place of a file is not followed.
    let grub = healed.loader(Loader::Grub);
    let away = dir.path().join("away");
    fs::rename(&grub, &away).unwrap();
    std::os::unix::fs::symlink(&away, &grub).unwrap();
    assert!(matches!(
        Bootkit::open(healed.dir()),
        Err(BootkitError::Io { .. })
    ));
}

#[test]
fn locks_from_elsewhere_are_not_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let kit = synthetic_bootkit(dir.path(), &dir.path().join("cache"));
    let lock = kit.dir().join("bootkit.lock");
    let text = fs::read_to_string(&lock).unwrap();
    let open_with = |text: String| {
        fs::write(&lock, text).unwrap();
        Bootkit::open(kit.dir()).unwrap_err()
    };
    let error = open_with(text.replace("bios/menu.c32", "../../../../etc/passwd"));
    assert!(matches!(error, BootkitError::Malformed { .. }), "{error}");
    let error = open_with(text.replacen("format = 1", "format = 99\nnew_key = 1", 1));
    assert!(
        matches!(error, BootkitError::Format { found: 99, .. }),
        "{error}"
    );
    assert!(matches!(
        open_with("\u{0}".into()),
        BootkitError::Malformed { .. }
    ));
    assert!(matches!(
        open_with(String::new()),
        BootkitError::Format { found: 0, .. }
    ));
}

#[test]
fn incomplete_or_mixed_packages_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let make = |debs: &[PathBuf]| fetch::from_debs(debs, &cache, &mut |_| ()).unwrap_err();

    let mut debs = loader_debs(dir.path(), Some("isolinux"));
    debs.push(kernel_deb(dir.path(), "6.0.1-test"));
    let error = make(&debs);
    assert!(
        matches!(
            error,
            BootkitError::MissingPart {
                package: "isolinux",
                ..
            }
        ),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("isolinux"));

    let error = make(&loader_debs(dir.path(), None));
    assert!(matches!(
        error,
        BootkitError::MissingPart {
            package: "linux-image-amd64",
            ..
        }
    ));

    let mut debs = loader_debs(dir.path(), None);
    debs.push(kernel_deb(dir.path(), "6.0.1-test"));
    debs.push(kernel_deb(dir.path(), "6.0.2-test"));
    assert!(matches!(make(&debs), BootkitError::Duplicate { .. }));

    let arm = build_deb(dir.path(), "shim-arm", "arm64", &[], "gzip");
    let error = make(&[arm]);
    assert!(
        matches!(&error, BootkitError::Architecture { architecture, .. } if architecture == "arm64")
    );

    let broken = "lib/modules/6.0.3/kernel/broken.ko";
    let files = [(broken, b"not an ELF file at all".to_vec())];
    debs.truncate(5);
    debs.push(build_deb(
        dir.path(),
        "linux-image-broken",
        "amd64",
        &files,
        "gzip",
    ));
    let error = make(&debs);
    assert!(matches!(&error, BootkitError::Module { module, .. } if module == "kernel/broken.ko"));

    let left: Vec<_> = fs::read_dir(cache.join("bootkits"))
        .unwrap()
        .flatten()
        .collect();
    assert!(
        left.is_empty(),
        "failed attempts leave nothing behind: {left:?}"
    );
}

#[test]
fn a_kernel_by_path_brings_compressed_modules_too() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let base = synthetic_bootkit(dir.path(), &cache);
    let release = "7.1.0-own";
    let tree = dir.path().join("root/lib/modules").join(release);
    for (path, info) in MODULES {
        put(&tree, path, &module(info));
    }
    let image = dir.path().join("bzImage");
    fs::write(&image, kernel(release)).unwrap();
    put(&tree, "modules.builtin", b"kernel/core/core.ko\n");
    std::os::unix::fs::symlink("/nonexistent", tree.join("build")).unwrap();

    let make =
        |modules: &Path| fetch::from_kernel(&image, Some(modules), &base, &cache, &mut |_| ());
    let plain = make(&tree).unwrap();
    assert_eq!(plain.kernel_version(), release);
    assert!(!plain.lock().kernel.from_package);
    assert_eq!(
        plain.lock().newest_mtime_unix_s,
        base.lock().newest_mtime_unix_s
    );
    assert!(plain.lock().package("isolinux").is_some());
    assert!(
        plain
            .lock()
            .packages
            .iter()
            .all(|p| !p.name.starts_with("linux-image"))
    );

    // Compressed as Debian 13, Arch and Fedora ship them: the same modules, the same digests.
    run(
        "xz",
        &["--check=crc32", "kernel/drivers/scsi/sd_mod.ko"],
        &tree,
    );
    run("zstd", &["-q", "--rm", "kernel/lib/t10.ko"], &tree);
    run("gzip", &["kernel/drivers/net/bnx2.ko"], &tree);
    let packed = make(&dir.path().join("root")).unwrap();
    assert_eq!(packed.modules_digest(), plain.modules_digest());
    let mut events = Vec::new();
    fetch::from_kernel(
        &image,
        Some(&dir.path().join("root")),
        &base,
        &cache,
        &mut |e| events.push(e),
    )
    .unwrap();
    assert!(matches!(events[..], [Event::Reused { .. }]));

    let other = dir.path().join("lib/6.9.9");
    fs::rename(&tree, dir.path().join("moved")).unwrap();
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::rename(dir.path().join("moved"), &other).unwrap();
    assert!(matches!(
        make(&other),
        Err(BootkitError::ReleaseMismatch { .. })
    ));
    fs::write(&image, "not a kernel").unwrap();
    assert!(matches!(make(&other), Err(BootkitError::Kernel { .. })));
}

#[test]
fn apt_gives_a_real_bootkit_and_a_warm_one_needs_no_network() {
    let (kit, _) = real_bootkit();
    kit.verify_all().unwrap();
    let lock = kit.lock();
    // The optional stub and iPXE are in every Debian.
    assert_eq!(lock.packages.len(), 8);
    for part in Loader::OPTIONAL {
        assert!(kit.loader_entry(part).is_some(), "{part:?}");
    }
    let stub = kit.loader_entry(Loader::SystemdStub).unwrap();
    assert!(stub.sbat.iter().any(|s| s.starts_with("systemd,")));
    for package in &lock.packages {
        assert!(package.archive_verified, "{}", package.name);
        assert!(!package.suites.is_empty(), "{}", package.name);
        assert!(!package.suites.iter().any(|s| s.contains("://")));
    }
    assert!(lock.kernel.from_package && lock.kernel.modules > 3000);
    let text = fs::read_to_string(kit.dir().join("bootkit.lock")).unwrap();
    assert!(!text.contains("http"), "no mirror may be recorded");
    let sbat = |loader| kit.loader_entry(loader).unwrap().sbat.clone();
    assert!(sbat(Loader::Shim).iter().any(|s| s.starts_with("shim,")));
    assert!(sbat(Loader::Grub).iter().any(|s| s.starts_with("grub,")));

    let mut events = Vec::new();
    let cache = lasting_cache();
    let options = fetch::AptOptions {
        cache_dir: &cache,
        refresh: false,
        suite: None,
    };
    let warm = fetch::from_apt(&options, &mut |e| events.push(e)).unwrap();
    // Not even a question to apt-cache.
    assert_eq!(events, [Event::Reused { id: kit.id() }]);
    assert_eq!(warm.lock(), lock);
}

#[test]
fn lists_of_our_own_serve_when_a_refresh_is_asked_for() {
    // A cache of its own: fresh lists may name a newer kernel than the other tests use.
    let (kit, _) = real_bootkit();
    let mut events = Vec::new();
    let cache = lasting_cache().with_file_name("refreshed-cache");
    let options = fetch::AptOptions {
        cache_dir: &cache,
        refresh: true,
        suite: None,
    };
    let fresh = fetch::from_apt(&options, &mut |e| events.push(e)).unwrap();
    assert!(
        events
            .iter()
            .any(|e| matches!(e, Event::UpdatingLists { .. }))
    );
    assert!(cache.join("apt/state/lists").read_dir().unwrap().count() > 2);
    fresh.verify_all().unwrap();
    assert!(fresh.lock().newest_mtime_unix_s >= kit.lock().newest_mtime_unix_s);
}
