//! Writing images: complete or not at all.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use image_builder::content::{Content, sha256};
use image_builder::emit::{self, EmitOptions, Progress};
use image_builder::error::EmitError;
use image_builder::rope::{Layout, LayoutBuilder, Source, SourceFile};

use crate::support::{arg, bytes, medium, noise, run};

fn entries(directory: &Path) -> Vec<String> {
    fs::read_dir(directory)
        .expect("directory")
        .map(|entry| {
            entry
                .expect("entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

fn quiet(layout: &Layout, path: &Path, options: EmitOptions) -> Result<emit::Emitted, EmitError> {
    emit::to_file(layout, path, options, &mut |_| {})
}

/// 3 MiB from a file, 1 MiB of hole, some bytes, zeros.
fn mixed(directory: &Path) -> (Layout, Vec<u8>) {
    let source = directory.join("source");
    fs::write(&source, noise(1, 4 << 20)).expect("source");
    let file = SourceFile::open(&source).expect("opened");
    let mut builder = LayoutBuilder::new();
    builder.place(0, 3 << 20, Source::File { file, offset: 4096 });
    builder.place_bytes(4 << 20, noise(2, 700_001));
    builder.place((4 << 20) + 700_001, 99_999, Source::Zero);
    let total = 5 << 20;
    let mut expected = noise(1, 4 << 20)[4096..4096 + (3 << 20)].to_vec();
    expected.resize(4 << 20, 0);
    expected.extend_from_slice(&noise(2, 700_001));
    expected.resize(total, 0);
    (builder.finish(total as u64).expect("layout"), expected)
}

#[test]
fn every_way_of_writing_gives_the_same_bytes_and_digest() {
    let directory = tempfile::tempdir().expect("directory");
    let (layout, expected) = mixed(directory.path());
    let digest = sha256(&expected);
    assert_eq!(emit::digest(&layout).expect("digest"), digest);
    for digest_wanted in [false, true] {
        for sync in [false, true] {
            let path = directory.path().join(format!("out-{digest_wanted}-{sync}"));
            let options = EmitOptions {
                overwrite: false,
                digest: digest_wanted,
                sync,
            };
            let emitted = quiet(&layout, &path, options).expect("written");
            assert_eq!(emitted.bytes, expected.len() as u64);
            assert_eq!(emitted.sha256, digest_wanted.then_some(digest));
            assert!(fs::read(&path).expect("image") == expected);
            let blocks = fs::metadata(&path).expect("metadata").blocks() * 512;
            assert!(blocks < 4 << 20, "holes were written: {blocks} bytes");
        }
    }
    let mut streamed = Vec::new();
    let emitted = emit::to_writer(&layout, &mut streamed, true, &mut |_| {}).expect("streamed");
    assert!(streamed == expected);
    assert_eq!(emitted.sha256, Some(digest));
}

#[test]
fn progress_runs_from_start_to_end_without_going_back() {
    let plan = medium(1, 3_000_000).plan().expect("plan");
    for digest in [false, true] {
        let directory = tempfile::tempdir().expect("directory");
        let mut seen: Vec<Progress> = Vec::new();
        let options = EmitOptions {
            digest,
            ..EmitOptions::default()
        };
        emit::to_file(
            &plan.layout,
            &directory.path().join("x"),
            options,
            &mut |p| seen.push(p),
        )
        .expect("written");
        assert!(
            seen.windows(2)
                .all(|pair| pair[0].done_bytes < pair[1].done_bytes)
        );
        let last = seen.last().expect("progress");
        assert_eq!(
            (last.done_bytes, last.total_bytes),
            (plan.layout.total(), plan.layout.total())
        );
    }
}

#[test]
fn an_existing_output_is_kept_unless_told_otherwise() {
    let directory = tempfile::tempdir().expect("directory");
    let layout = medium(1, 1000).plan().expect("plan").layout;
    let path = directory.path().join("node.iso");
    fs::write(&path, "precious").expect("existing");
    let error = quiet(&layout, &path, EmitOptions::default()).expect_err("refused");
    assert!(matches!(error, EmitError::Exists { .. }), "{error}");
    assert!(error.hint().is_some());
    assert_eq!(fs::read(&path).expect("kept"), b"precious");
    let options = EmitOptions {
        overwrite: true,
        ..EmitOptions::default()
    };
    quiet(&layout, &path, options).expect("replaced");
    assert_eq!(fs::metadata(&path).expect("metadata").len(), layout.total());
    assert_eq!(entries(directory.path()), ["node.iso"]);

    // A dangling link is something too, and what it points at is not created.
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("nowhere", &link).expect("link");
    assert!(matches!(
        quiet(&layout, &link, EmitOptions::default()),
        Err(EmitError::Exists { .. })
    ));
}

#[test]
fn an_output_that_appears_meanwhile_is_kept() {
    let directory = tempfile::tempdir().expect("directory");
    let layout = medium(1, 1000).plan().expect("plan").layout;
    let path = directory.path().join("node.iso");
    let rival = path.clone();
    let error = emit::to_file(&layout, &path, EmitOptions::default(), &mut |_| {
        fs::write(&rival, "first").expect("rival");
    })
    .expect_err("refused");
    assert!(matches!(error, EmitError::Exists { .. }), "{error}");
    assert_eq!(fs::read(&path).expect("kept"), b"first");
    assert_eq!(entries(directory.path()), ["node.iso"]);
}

#[test]
fn places_that_take_no_file_are_refused() {
    let directory = tempfile::tempdir().expect("directory");
    let layout = medium(1, 1000).plan().expect("plan").layout;
    let options = EmitOptions {
        overwrite: true,
        ..EmitOptions::default()
    };
    assert!(matches!(
        quiet(&layout, directory.path(), options),
        Err(EmitError::NotRegular { .. })
    ));
    assert!(matches!(
        quiet(&layout, Path::new("/dev/null"), options),
        Err(EmitError::NotRegular { .. })
    ));
    assert!(matches!(
        quiet(&layout, Path::new("/"), options),
        Err(EmitError::NoFileName { .. })
    ));
    let missing = directory.path().join("missing/node.iso");
    let error = quiet(&layout, &missing, options).expect_err("refused");
    assert!(
        matches!(error, EmitError::Create { .. }) && error.hint().is_some(),
        "{error}"
    );
    assert!(entries(directory.path()).is_empty());
}

#[test]
fn a_payload_that_shrinks_after_planning_leaves_nothing() {
    for digest in [false, true] {
        let directory = tempfile::tempdir().expect("directory");
        let base = tempfile::NamedTempFile::new().expect("base");
        fs::write(base.path(), noise(1, 9_000_000)).expect("base");
        let mut medium = medium(1, 0);
        medium.initramfs[0].content = Content::hash_file(base.path()).expect("hashed");
        let plan = medium.plan().expect("plan");
        base.as_file().set_len(100_000).expect("shrunk");
        let options = EmitOptions {
            digest,
            ..EmitOptions::default()
        };
        let error = quiet(&plan.layout, &directory.path().join("x"), options).expect_err("refused");
        assert!(matches!(error, EmitError::Read(_)), "{error}");
        assert!(entries(directory.path()).is_empty());
    }
}

/// A tmpfs of 8 MiB, unmounted on drop. Mounting needs root, as does this test.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("directory");
        run(
            "mount",
            &[
                "-t",
                "tmpfs",
                "-o",
                "size=8m",
                "tmpfs",
                arg(directory.path()),
            ],
        );
        Self(directory)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &[arg(self.0.path())]);
    }
}

#[test]
fn a_full_disk_gives_an_error_and_keeps_nothing() {
    for digest in [false, true] {
        let disk = SmallDisk::new();
        let plan = medium(1, 20_000_000).plan().expect("plan");
        let path = disk.0.path().join("node.iso");
        let options = EmitOptions {
            digest,
            ..EmitOptions::default()
        };
        let error = quiet(&plan.layout, &path, options).expect_err("refused");
        assert!(matches!(error, EmitError::NoSpace { .. }), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("MiB")));
        assert!(entries(disk.0.path()).is_empty());
        // What was taken is given back.
        fs::write(disk.0.path().join("after"), noise(1, 7 << 20)).expect("room again");
    }
}

#[test]
fn a_closed_pipe_is_an_error_not_a_panic() {
    struct Closed;
    impl io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let layout = medium(1, 1000).plan().expect("plan").layout;
    let error = emit::to_writer(&layout, &mut Closed, false, &mut |_| {}).expect_err("refused");
    assert!(
        matches!(error, EmitError::Write { offset: 0, .. }),
        "{error}"
    );
}

#[test]
fn any_byte_range_reads_what_the_file_holds() {
    let plan = medium(1, 300_000).plan().expect("plan");
    let image = bytes(&plan);
    for (offset, length) in [
        (0, 1),
        (510, 3),
        (32_700, 70),
        (1_048_570, 9000),
        (7_000_001, 1 << 20),
    ] {
        let mut buf = vec![0xAA; length];
        let read = plan.layout.read_at(offset, &mut buf).expect("read");
        assert!(
            buf[..read] == image[offset as usize..][..read],
            "{offset}+{length}"
        );
        assert_eq!(read, length);
    }
    let mut buf = [0; 16];
    assert_eq!(
        plan.layout
            .read_at(plan.layout.total(), &mut buf)
            .expect("read"),
        0
    );
}
