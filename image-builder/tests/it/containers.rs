//! The image in other formats, checked by QEMU's own tools, and every layout against its file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use image_builder::container::{qcow2, vhd};
use image_builder::emit::{self, EmitOptions};
use image_builder::formats::guid::Guid;
use image_builder::formats::timestamp::Timestamp;
use image_builder::rope::{Layout, LayoutBuilder, Source, SourceFile};
use proptest::prelude::*;

use crate::support::{arg, medium, noise, run};

const QUICK: EmitOptions = EmitOptions {
    overwrite: true,
    digest: false,
    sync: false,
};

fn write(layout: &Layout, path: &Path) {
    emit::to_file(layout, path, QUICK, &mut |_| {}).expect("written");
}

fn as_vhd(layout: &Layout) -> Layout {
    let guid = Guid::derive("test", b"disk");
    vhd::wrap(layout, guid, Timestamp(1_795_000_000)).expect("a VHD")
}

/// Both containers of `image`, read back by qemu-img, are the image; the VHD rounded up to MiB.
fn qemu_agrees(image: &Layout) {
    let directory = tempfile::tempdir().expect("directory");
    let at = |name: &str| directory.path().join(name);
    let (raw, qcow2, fixed) = (at("raw"), at("image.qcow2"), at("image.vhd"));
    write(image, &raw);
    write(&qcow2::wrap(image).expect("a QCOW2"), &qcow2);
    write(&as_vhd(image), &fixed);
    let check = run("qemu-img", &["check", "-f", "qcow2", arg(&qcow2)]);
    assert!(check.contains("No errors"), "{check}");
    let info = run("qemu-img", &["info", "-f", "qcow2", arg(&qcow2)]);
    assert!(info.contains("compat: 1.1"), "{info}");
    for (format, file) in [("qcow2", &qcow2), ("vpc", &fixed)] {
        let back = at("back");
        let arguments = ["convert", "-f", format, "-O", "raw", arg(file), arg(&back)];
        run("qemu-img", &arguments);
        let size = std::fs::metadata(&back).expect("converted").len();
        match format {
            "vpc" => assert_eq!(size, image.total().next_multiple_of(1 << 20)),
            _ => assert_eq!(size, image.total()),
        }
        // What is longer must be zero; qemu-img compare says so unless it is strict.
        run(
            "qemu-img",
            &["compare", "-f", "raw", "-F", "raw", arg(&raw), arg(&back)],
        );
    }
}

#[test]
fn qemu_reads_the_medium_out_of_its_containers() {
    let plan = medium(7, 3_000_000).plan().expect("plan");
    qemu_agrees(&plan.layout);
    let container = qcow2::wrap(&plan.layout).expect("a QCOW2");
    assert!(
        container.total() < plan.layout.total(),
        "what is empty takes no room"
    );
}

/// Several L2 tables (512 MiB each) and refcount blocks, almost all of it empty.
#[test]
fn a_large_disk_has_more_tables() {
    let mut builder = LayoutBuilder::new();
    builder.place_bytes(0, noise(1, 100));
    builder.place_bytes((512 << 20) - 7, noise(2, 70_000));
    builder.place_bytes((5 << 30) - 512, noise(3, 512));
    qemu_agrees(&builder.finish(5 << 30).expect("sound"));
}

/// One piece: a gap, a length, and what is there.
type Piece = (u64, u64, u8);

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let length = prop_oneof![
        Just(1_u64),
        Just(4096),
        Just(65_535),
        Just(65_536),
        1_u64..200_000
    ];
    let gap = prop_oneof![3 => Just(0_u64), 1 => Just(65_536), 2 => 0_u64..300_000];
    prop::collection::vec((gap, length, 0_u8..3), 0..8)
}

/// A layout of these pieces, in whole sectors; files are made in `directory`.
fn layout(pieces: &[Piece], directory: &Path) -> Layout {
    let mut builder = LayoutBuilder::new();
    let mut at = 0;
    for (index, (gap, length, kind)) in pieces.iter().enumerate() {
        at += gap;
        let content = noise(index as u64 + 1, *length as usize + 5);
        let source = match kind {
            0 => Source::Zero,
            1 => Source::Bytes {
                bytes: content.into(),
                start: 5,
            },
            _ => {
                let path = directory.join(format!("source{index}"));
                std::fs::write(&path, content).expect("source");
                Source::File {
                    file: SourceFile::open(path).expect("source"),
                    offset: 5,
                }
            }
        };
        builder.place(at, *length, source);
        at += length;
    }
    builder
        .finish(at.next_multiple_of(512).max(512))
        .expect("sound")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_layout_survives_its_containers(pieces in pieces()) {
        let directory = tempfile::tempdir().expect("directory");
        qemu_agrees(&layout(&pieces, directory.path()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// An HTTP range, a device and a file are the same bytes.
    #[test]
    fn any_range_is_that_of_the_file(
        pieces in pieces(),
        container in 0_u8..3,
        ranges in prop::collection::vec((any::<u32>(), 0_usize..150_000), 1..12),
    ) {
        let directory = tempfile::tempdir().expect("directory");
        let inner = layout(&pieces, directory.path());
        let layout = match container {
            0 => inner,
            1 => qcow2::wrap(&inner).expect("a QCOW2"),
            _ => as_vhd(&inner),
        };
        let path = directory.path().join("out");
        let emitted = emit::to_file(
            &layout,
            &path,
            EmitOptions { digest: true, ..QUICK },
            &mut |_| {},
        ).expect("written");
        prop_assert_eq!(emitted.sha256.expect("digest"), emit::digest(&layout).expect("digest"));
        let file = std::fs::read(&path).expect("the file");
        prop_assert_eq!(file.len() as u64, layout.total());
        // Without the digest the kernel copies instead.
        write(&layout, &path);
        prop_assert!(std::fs::read(&path).expect("the file") == file);
        for (at, length) in ranges {
            let from = u64::from(at) % (layout.total() + 100);
            let mut buf = vec![0xAA; length];
            let read = layout.read_at(from, &mut buf).expect("readable");
            let start = (from as usize).min(file.len());
            let expected = &file[start..(start + length).min(file.len())];
            prop_assert!(&buf[..read] == expected, "{}+{}", from, length);
        }

        // A stick that held other things: only what nobody reads keeps them.
        let stick = directory.path().join("stick");
        std::fs::write(&stick, vec![0xEE; file.len()]).expect("a used stick");
        let device = File::options().write(true).read(true).open(&stick).expect("opened");
        emit::to_device(&layout, &device, &stick, QUICK, &mut |_| {}).expect("written");
        for extent in layout.extents() {
            let mut buf = vec![0; extent.length as usize];
            device.read_exact_at(&mut buf, extent.offset).expect("readable");
            match extent.source {
                Source::Unused => prop_assert!(buf.iter().all(|byte| *byte == 0xEE)),
                _ => prop_assert!(buf == file[extent.offset as usize..extent.end() as usize]),
            }
        }
    }
}
