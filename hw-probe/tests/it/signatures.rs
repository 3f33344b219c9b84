//! Signatures of real file systems, made by their own tools in files, against `blkid -p`.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use hw_probe::inventory::Signature;
use hw_probe::signature;

const MIB: u64 = 1 << 20;

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error} (scripts/test installs it)"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs a line of words; `FILE` stands for the file.
fn make(line: &str, file: &Path) {
    let file = file.to_str().unwrap();
    let words: Vec<String> = line
        .split(' ')
        .map(|word| word.replace("FILE", file))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    run(words[0], &words[1..]);
}

fn blank(dir: &Path, name: &str, mib: u64) -> std::path::PathBuf {
    let path = dir.join(name);
    File::create(&path).unwrap().set_len(mib * MIB).unwrap();
    path
}

fn scan(path: &Path) -> Vec<Signature> {
    let file = File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    signature::scan(size, &mut |offset, length| {
        let mut data = vec![0; length];
        let got = file.read_at(&mut data, offset).ok()?;
        data.truncate(got);
        Some(data)
    })
}

/// What `blkid` says about the whole file.
fn blkid(path: &Path) -> BTreeMap<String, String> {
    let output = Command::new("blkid")
        .args(["-p", "-o", "export"])
        .arg(path)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.replace('\\', "")))
        .collect()
}

fn agree(path: &Path, what: &str) {
    let truth = blkid(path);
    let found = scan(path);
    let (kind, uuid) = match truth.get("TYPE") {
        Some(kind) => (kind, truth.get("UUID")),
        None => (
            truth
                .get("PTTYPE")
                .unwrap_or_else(|| panic!("{what}: blkid sees nothing in {path:?}")),
            truth.get("PTUUID"),
        ),
    };
    let [ours] = found.as_slice() else {
        panic!("{what}: blkid says {truth:?}, we {found:?}");
    };
    let lower = |text: Option<&String>| text.map(|t| t.to_ascii_lowercase());
    let raw = |text: &Option<hw_probe::text::Untrusted>| text.as_ref().map(|t| t.raw().to_owned());
    assert_eq!(&ours.kind, kind, "{what}");
    let our_id = raw(&ours.uuid).map(|id| id.to_ascii_lowercase());
    let pool_name_or_label = raw(&ours.label);
    assert_eq!(our_id, lower(uuid), "{what}: {truth:?}");
    assert_eq!(
        pool_name_or_label.as_ref(),
        truth.get("LABEL"),
        "{what}: {truth:?}"
    );
}

#[test]
fn file_systems_are_named_as_blkid_names_them() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("hello"), "world").unwrap();
    let tree = tree.to_str().unwrap();
    let luks = "cryptsetup -q luksFormat --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
                --key-file /proc/version --type";
    for (name, mib, line) in [
        ("ext2", 16, "mkfs.ext2 -q -F -L rootfs FILE"),
        ("ext3", 16, "mkfs.ext3 -q -F FILE"),
        ("ext4", 16, "mkfs.ext4 -q -F -L data FILE"),
        ("jbd", 16, "mke2fs -q -F -O journal_dev -b 4096 FILE"),
        ("xfs", 320, "mkfs.xfs -q -L farm FILE"),
        ("btrfs", 128, "mkfs.btrfs -q -L pool FILE"),
        ("swap", 16, "mkswap -q -L swap1 FILE"),
        ("fat12", 2, "mkfs.vfat -F 12 -n SMALL FILE"),
        ("fat16", 16, "mkfs.vfat -F 16 FILE"),
        ("fat32", 64, "mkfs.vfat -F 32 -n EFI FILE"),
        ("exfat", 64, "mkfs.exfat -n camera FILE"),
        ("ntfs", 16, "mkntfs -q -F -f -s 512 -p 0 -H 0 -S 0 FILE"),
        ("f2fs", 128, "mkfs.f2fs -q -l phone FILE"),
        ("reiserfs", 64, "mkreiserfs -q -ff FILE"),
        ("jfs", 32, "mkfs.jfs -q FILE"),
        ("bcache", 32, "make-bcache -B FILE"),
        ("gpt", 16, "sgdisk --clear --new=1:2048:0 FILE"),
        ("luks1", 32, &format!("{luks} luks1 FILE")),
        ("luks2", 32, &format!("{luks} luks2 --label secret FILE")),
        (
            "squashfs",
            1,
            &format!("mksquashfs {tree} FILE -noappend -quiet"),
        ),
        ("erofs", 1, &format!("mkfs.erofs FILE {tree}")),
        (
            "iso9660",
            1,
            &format!("xorriso -as mkisofs -quiet -V FARM -o FILE {tree}"),
        ),
    ] {
        let file = blank(dir.path(), name, mib);
        make(line, &file);
        agree(&file, name);
    }
}

#[test]
fn partition_tables_of_other_shapes() {
    let dir = tempfile::tempdir().unwrap();
    let mbr = blank(dir.path(), "mbr", 16);
    run(
        "sh",
        &[
            "-c",
            &format!("echo 2048,4096,83 | sfdisk -q {}", mbr.display()),
        ],
    );
    agree(&mbr, "mbr");

    // The first copy was overwritten: the disk is still somebody's.
    let lost = blank(dir.path(), "lost", 16);
    make("sgdisk --clear --new=1:2048:0 FILE", &lost);
    File::options()
        .write(true)
        .open(&lost)
        .unwrap()
        .write_at(&[0; 1024], 0)
        .unwrap();
    let found = scan(&lost);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].kind.as_str(), found[0].offset_bytes),
        ("gpt", Some(16 * MIB - 512))
    );

    let file = File::open(&mbr).unwrap();
    let mut read = |offset, length: usize| {
        let mut data = vec![0; length];
        file.read_at(&mut data, offset).ok().map(|_| data)
    };
    assert!(signature::gpt_entries(16 * MIB, &mut read).is_empty());
}

#[test]
fn partitions_of_a_gpt_are_those_of_sgdisk() {
    let dir = tempfile::tempdir().unwrap();
    let file = blank(dir.path(), "disk", 64);
    make(
        "sgdisk --clear --new=1:2048:+8M --change-name=1:FARMCFG --new=3:0:0 FILE",
        &file,
    );
    let disk = File::open(&file).unwrap();
    let entries = signature::gpt_entries(64 * MIB, &mut |offset, length| {
        let mut data = vec![0; length];
        let got = disk.read_at(&mut data, offset).ok()?;
        data.truncate(got);
        Some(data)
    });
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!(
        (
            entries[0].start_bytes,
            entries[0].size_bytes,
            entries[0].name.as_str()
        ),
        (MIB, 8 * MIB, "FARMCFG")
    );
    for (entry, number) in entries.iter().zip([1, 3]) {
        let output = Command::new("sgdisk")
            .arg(format!("-i{number}"))
            .arg(&file)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).to_ascii_lowercase();
        assert!(
            text.contains(&format!("partition unique guid: {}", entry.uuid)),
            "{text}"
        );
    }
}

/// Members that no tool makes without a kernel's help: built here, with the checksums that make
/// `blkid` believe them.
#[test]
fn members_of_arrays_groups_and_pools() {
    let dir = tempfile::tempdir().unwrap();
    for (name, build) in [
        (
            "md 1.0",
            (|d: &mut [u8]| linux_raid(d, 16 * MIB - 8192)) as fn(&mut [u8]),
        ),
        ("md 1.1", |d| linux_raid(d, 0)),
        ("md 1.2", |d| linux_raid(d, 4096)),
        ("md 0.90", linux_raid_090),
        ("lvm2", lvm2),
        ("zfs", zfs),
        ("isw", |d| {
            let at = d.len() - 1024;
            d[at..at + 32].copy_from_slice(b"Intel Raid ISM Cfg Sig. 1.1.00\0\0");
        }),
    ] {
        // blkid looks for ZFS from 64 MiB on.
        let mib = if name == "zfs" { 64 } else { 16 };
        let file = dir.path().join(name);
        let mut data = vec![0; mib << 20];
        build(&mut data);
        std::fs::write(&file, data).unwrap();
        agree(&file, name);
    }
}

fn put(data: &mut [u8], at: u64, bytes: &[u8]) {
    let at = usize::try_from(at).unwrap();
    data[at..at + bytes.len()].copy_from_slice(bytes);
}

fn linux_raid(data: &mut [u8], at: u64) {
    let mut block = [0_u8; 256];
    put(&mut block, 0, &0xa92b_4efc_u32.to_le_bytes());
    put(&mut block, 4, &1_u32.to_le_bytes());
    put(
        &mut block,
        16,
        b"\x12\x34\x56\x78\x9a\xbc\xde\xf0\x11\x22\x33\x44\x55\x66\x77\x88",
    );
    put(&mut block, 32, b"farm:0");
    put(&mut block, 144, &(at / 512).to_le_bytes());
    let words = block.as_chunks::<4>().0.iter();
    let sum: u64 = words.map(|word| u64::from(u32::from_le_bytes(*word))).sum();
    let folded = (sum & 0xffff_ffff) + (sum >> 32);
    put(
        &mut block,
        216,
        &u32::try_from(folded).unwrap().to_le_bytes(),
    );
    put(data, at, &block);
}

fn linux_raid_090(data: &mut [u8]) {
    let at = (data.len() as u64 & !0xffff) - 0x1_0000;
    let mut block = [0_u8; 4096];
    put(&mut block, 0, &0xa92b_4efc_u32.to_le_bytes());
    put(&mut block, 8, &90_u32.to_le_bytes());
    for (word, value) in [
        (5, 0x1122_3344_u32),
        (13, 0x5566_7788),
        (14, 0x99aa_bbcc),
        (15, 0xddee_ff00),
    ] {
        put(&mut block, word * 4, &value.to_le_bytes());
    }
    let words = block.as_chunks::<4>().0.iter();
    let sum: u64 = words.map(|word| u64::from(u32::from_le_bytes(*word))).sum();
    let folded = (sum & 0xffff_ffff) + (sum >> 32);
    put(
        &mut block,
        38 * 4,
        &u32::try_from(folded).unwrap().to_le_bytes(),
    );
    put(data, at, &block);
}

fn lvm2(data: &mut [u8]) {
    let mut label = [0_u8; 512];
    put(&mut label, 0, b"LABELONE");
    put(&mut label, 8, &1_u64.to_le_bytes());
    put(&mut label, 20, &32_u32.to_le_bytes());
    put(&mut label, 24, b"LVM2 001");
    put(&mut label, 32, b"abcdefGHIJKLmnopQRSTuvwxYZ012345");
    let mut crc = 0xf597_a6cf_u32;
    for byte in &label[20..] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    put(&mut label, 16, &crc.to_le_bytes());
    put(data, 512, &label);
}

fn zfs(data: &mut [u8]) {
    let xdr = |text: &str| {
        let mut out = u32::try_from(text.len()).unwrap().to_be_bytes().to_vec();
        out.extend_from_slice(text.as_bytes());
        out.resize(out.len().next_multiple_of(4), 0);
        out
    };
    let pair = |name: &str, kind: u32, value: &[u8]| {
        let mut body = xdr(name);
        body.extend_from_slice(&kind.to_be_bytes());
        body.extend_from_slice(&1_u32.to_be_bytes());
        body.extend_from_slice(value);
        let size = u32::try_from(body.len() + 8).unwrap();
        [&size.to_be_bytes()[..], &size.to_be_bytes(), &body].concat()
    };
    let list = [
        &[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..],
        &pair("version", 8, &5000_u64.to_be_bytes()),
        &pair("name", 9, &xdr("tank")),
        &pair(
            "pool_guid",
            8,
            &12_345_678_901_234_567_890_u64.to_be_bytes(),
        ),
        &pair("guid", 8, &42_u64.to_be_bytes()),
        &[0; 8],
    ]
    .concat();
    let end = (data.len() as u64 & !0x3_ffff) - 0x4_0000;
    for label in [0, 0x4_0000, end - 0x4_0000, end] {
        put(data, label + 0x4000, &list);
        for slot in 0..128 {
            put(
                data,
                label + 0x2_0000 + slot * 1024,
                &0x00ba_b10c_u64.to_le_bytes(),
            );
        }
    }
}

#[test]
fn a_wiped_disk_has_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert!(scan(&blank(dir.path(), "zeros", 64)).is_empty());
    let tiny = dir.path().join("tiny");
    std::fs::write(&tiny, [0x55; 100]).unwrap();
    assert!(scan(&tiny).is_empty());
    let noise = dir.path().join("text");
    std::fs::write(&noise, "FAT16   NTFS XFSC LUKS SWAPSPACE2 ".repeat(10_000)).unwrap();
    assert!(scan(&noise).is_empty());
}
