//! A medium inside a qcow2 is verified, taken apart and changed as it is alone; QEMU's own tools make the
//! containers and read them back.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use image_builder::container::qcow2;
use image_builder::customize::{self, CustomizeError, Request, in_place};
use image_builder::emit::{self, EmitOptions};
use image_builder::error::ShowError;
use image_builder::extract::{self, What};
use image_builder::rope::{Layout, SourceFile};
use image_builder::verify::verify;

use crate::customize::{built, farm, node_config};
use crate::support::{arg, run};

const QUICK: EmitOptions = EmitOptions {
    overwrite: true,
    digest: false,
    sync: false,
};

/// A medium of farm 1, alone and in containers.
struct Case {
    directory: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let case = Self {
            directory: tempfile::tempdir().expect("directory"),
        };
        let plan = built(&node_config(1));
        emit::to_file(&plan.layout, &case.at("raw"), QUICK, &mut |_| {}).expect("written");
        let container = qcow2::wrap(&plan.layout).expect("a QCOW2");
        emit::to_file(&container, &case.at("ours.qcow2"), QUICK, &mut |_| {}).expect("written");
        case
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The same medium in a container that qemu-img makes with these options.
    fn convert(&self, options: &str, name: &str) -> PathBuf {
        let (raw, out) = (self.at("raw"), self.at(name));
        let convert = ["convert", "-f", "raw", "-O", "qcow2", "-o", options];
        run(
            "qemu-img",
            &[&convert[..], &[arg(&raw), arg(&out)]].concat(),
        );
        out
    }

    /// What QEMU's guest would see.
    fn inside(&self, container: &Path) -> Vec<u8> {
        let back = self.at("back");
        let convert = ["convert", "-f", "qcow2", "-O", "raw"];
        run(
            "qemu-img",
            &[&convert[..], &[arg(container), arg(&back)]].concat(),
        );
        fs::read(back).expect("converted")
    }
}

fn request() -> Request {
    let mut request = farm(2);
    request.arguments.append = vec!["debug".to_owned()];
    request
}

/// Customises a file in place.
fn change(path: &Path) {
    let mut file = in_place::open(path).expect("opened");
    let edit = customize::plan(&mut file, &request()).expect("planned");
    assert_eq!(edit.writes.len(), 3, "settings and both command lines");
    in_place::apply(&file, &edit).expect("written");
}

fn written(layout: &Layout, path: &Path) -> Vec<u8> {
    emit::to_file(layout, path, QUICK, &mut |_| {}).expect("written");
    fs::read(path).expect("read")
}

/// Clusters of 64 KiB and of 512 bytes: with these every region is in pieces.
#[test]
fn a_medium_in_a_qcow2_is_changed_as_it_is_alone() {
    let case = Case::new();
    let original = fs::read(case.at("raw")).expect("read");
    let small = case.convert("cluster_size=512", "small.qcow2");
    change(&case.at("raw"));
    let changed = fs::read(case.at("raw")).expect("read");
    for container in [case.at("ours.qcow2"), small] {
        let source = SourceFile::open_medium(&container).expect("opened");
        let edit = customize::plan(&mut source.file(), &request()).expect("planned");
        let copy = written(&edit.layout(&source).expect("sound"), &case.at("copy"));

        change(&container);
        run("qemu-img", &["check", "-f", "qcow2", arg(&container)]);
        assert!(
            case.inside(&container) == changed,
            "{}",
            container.display()
        );
        assert!(
            fs::read(&container).expect("read") == copy,
            "a copy is another"
        );

        let mut file = in_place::open(&container).expect("opened");
        let back = customize::reset(&mut file, false).expect("planned");
        in_place::apply(&file, &back).expect("written");
        assert!(case.inside(&container) == original, "not what was built");
    }
}

#[test]
fn a_medium_in_a_qcow2_is_sound_and_gives_its_files() {
    let case = Case::new();
    let raw = SourceFile::open_medium(case.at("raw")).expect("opened");
    let files = extract::list(&mut raw.file(), What::All).expect("listed");
    assert!(files.len() > 5, "{files:?}");
    let small = case.convert("cluster_size=512", "small.qcow2");
    for container in [case.at("ours.qcow2"), small] {
        let mut file = File::open(&container).expect("opened");
        let report = verify(&mut file, &mut |_, _| {}).expect("a report");
        assert!(report.is_ours && report.findings.is_empty(), "{report:#?}");

        let source = SourceFile::open_medium(&container).expect("opened");
        let found = extract::list(&mut source.file(), What::All).expect("listed");
        let paths = |items: &[extract::Item]| -> Vec<String> {
            items.iter().map(|item| item.path.clone()).collect()
        };
        assert_eq!(paths(&found), paths(&files));
        for (there, here) in found.iter().zip(&files) {
            let there = written(&there.layout(&source).expect("sound"), &case.at("there"));
            let here_bytes = written(&here.layout(&raw).expect("sound"), &case.at("here"));
            assert!(there == here_bytes, "{}", here.path);
        }
    }
}

#[test]
fn a_damaged_medium_in_a_qcow2_is_damaged() {
    let case = Case::new();
    let kernel = built(&node_config(1)).files[0].span.offset;
    let container = case.at("ours.qcow2");
    let write = format!("write -P 0x5a {kernel} 512");
    run("qemu-io", &["-f", "qcow2", "-c", &write, arg(&container)]);
    let mut file = File::open(&container).expect("opened");
    let report = verify(&mut file, &mut |_, _| {}).expect("a report");
    assert!(report.is_damaged(), "{report:#?}");
}

/// Writing to a cluster that a snapshot shares would change the snapshot.
#[test]
fn what_a_snapshot_shares_is_not_written_to() {
    let case = Case::new();
    let container = case.at("ours.qcow2");
    run("qemu-img", &["snapshot", "-c", "before", arg(&container)]);
    let before = fs::read(&container).expect("read");
    let mut file = in_place::open(&container).expect("opened");
    let refused = customize::plan(&mut file, &request());
    assert!(
        matches!(&refused, Err(CustomizeError::NotWritable { name }) if name == "config"),
        "{refused:?}"
    );
    assert!(fs::read(&container).expect("read") == before);
    drop(file);
    // What the hint says helps.
    let plain = case.at("plain.qcow2");
    let convert = ["convert", "-S", "0", "-O", "qcow2", arg(&container)];
    run("qemu-img", &[&convert[..], &[arg(&plain)]].concat());
    change(&plain);
    // Reading it is another matter.
    let mut file = File::open(&container).expect("opened");
    let report = verify(&mut file, &mut |_, _| {}).expect("a report");
    assert!(!report.is_damaged(), "{report:#?}");
}

/// Where nothing lies yet, a container would have to grow.
#[test]
fn what_has_no_room_yet_is_not_written_to() {
    let case = Case::new();
    let container = case.convert("cluster_size=512", "small.qcow2");
    let mut request = farm(2);
    // More settings than the present ones take clusters for.
    let authority = "-----BEGIN CERTIFICATE-----\n".repeat(200);
    request.settings.set.directory.ca = Some(authority);
    let mut file = File::open(&container).expect("opened");
    let refused = customize::plan(&mut file, &request).expect_err("no room");
    assert!(
        matches!(refused, CustomizeError::NotWritable { .. }),
        "{refused}"
    );
    assert!(refused.hint().expect("a hint").contains("-S 0"));
}

#[test]
fn a_qcow2_of_version_2_is_one_too() {
    let case = Case::new();
    let container = case.convert("compat=0.10", "old.qcow2");
    change(&container);
    change_is_sound(&container);
}

fn change_is_sound(container: &Path) {
    run("qemu-img", &["check", "-f", "qcow2", arg(container)]);
    let mut file = File::open(container).expect("opened");
    let report = verify(&mut file, &mut |_, _| {}).expect("a report");
    assert!(report.is_ours && !report.is_damaged(), "{report:#?}");
}

#[test]
fn containers_that_are_not_read_are_named_with_a_way_out() {
    let case = Case::new();
    let convert = |format: &str, options: &[&str], name: &str| {
        let (raw, out) = (case.at("ours.qcow2"), case.at(name));
        let first = ["convert", "-f", "qcow2", "-O", format];
        let last = [arg(&raw), arg(&out)];
        run("qemu-img", &[&first[..], options, &last].concat());
        out
    };
    let overlay = case.at("overlay.qcow2");
    let base = case.at("ours.qcow2");
    let create = ["create", "-f", "qcow2", "-F", "qcow2", "-b", arg(&base)];
    run("qemu-img", &[&create[..], &[arg(&overlay)]].concat());
    for (path, what) in [
        (overlay, "a backing file"),
        (convert("vmdk", &[], "x.vmdk"), "VMDK"),
        (convert("vhdx", &[], "x.vhdx"), "VHDX"),
        (convert("vdi", &[], "x.vdi"), "VDI"),
        (convert("qcow2", &["-c"], "compressed.qcow2"), "compressed"),
    ] {
        let mut file = File::open(&path).expect("opened");
        let refused = verify(&mut file, &mut |_, _| {}).expect_err("not read");
        let text = match &refused {
            ShowError::Read { source, .. } => source.to_string(),
            other => other.to_string(),
        };
        assert!(text.contains(what), "{what}: {text}");
        assert!(
            refused.hint().expect("a hint").contains("qemu-img convert"),
            "{what}"
        );
        let described = image_builder::show::describe(&mut file).expect("described");
        assert!(described.container.is_some() && !described.problems.is_empty());
    }
}

/// Numbers that a damaged or hostile header may hold: no file can be sought to all of them.
#[test]
fn damaged_tables_are_no_reason_to_fail_or_to_make_things_up() {
    let case = Case::new();
    let container = case.at("ours.qcow2");
    let whole = fs::read(&container).expect("read");
    for (at, number) in [
        (40, u64::MAX),
        (40, 1 << 60),
        (24, 1 << 62),
        (36, u64::MAX),
        (3 << 16, 0x80FF_FFFF_FFFF_0000),
        (3 << 16, 0x8000_0000_0000_0200),
    ] {
        fs::write(&container, &whole).expect("written");
        let mut file = File::options()
            .read(true)
            .write(true)
            .open(&container)
            .expect("opened");
        file.write_all_at(&u64::to_be_bytes(number), at)
            .expect("written");
        let described = image_builder::show::describe(&mut file).expect("described");
        assert!(described.fingerprint.is_none(), "{at} {number:x}");
        let report = verify(&mut file, &mut |_, _| {});
        assert!(
            !report.is_ok_and(|report| report.is_ours && !report.is_damaged()),
            "{at}"
        );
        assert!(
            customize::plan(&mut file, &request()).is_err(),
            "{at} {number:x}"
        );
    }

    // A file that the container ends before is not filled up with zeros.
    let cut = case.at("cut");
    let raw = fs::read(case.at("raw")).expect("read");
    fs::write(&cut, &raw[..raw.len() / 2]).expect("cut");
    let convert = [
        "convert",
        "-f",
        "raw",
        "-O",
        "qcow2",
        arg(&cut),
        arg(&container),
    ];
    run("qemu-img", &convert);
    let mut file = File::open(&container).expect("opened");
    let listed = extract::list(&mut file, What::Initramfs);
    assert!(matches!(listed, Err(ShowError::Read { .. })), "{listed:?}");
}

/// A running machine has its disk open: nobody else may write to it.
#[test]
fn what_qemu_has_open_is_busy() {
    let case = Case::new();
    let container = case.at("ours.qcow2");
    let mut qemu = Command::new("qemu-io")
        .args(["-f", "qcow2", arg(&container)])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("qemu-io");
    let mut tries = 0..1000;
    let refused = loop {
        match in_place::open(&container) {
            Err(error) => break error,
            Ok(_) => std::thread::sleep(Duration::from_millis(20)),
        }
        assert!(tries.next().is_some(), "nobody minds");
    };
    assert!(matches!(refused, CustomizeError::Busy { .. }), "{refused}");
    drop(qemu.stdin.take());
    qemu.wait().expect("an end");
    in_place::open(&container).expect("free again");
}
