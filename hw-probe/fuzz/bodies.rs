// What every fuzz target does with its bytes. Shared by the fuzzer (`src/lib.rs`) and by the replay
// on the stable toolchain (`tests/it/hostile.rs`), so both mean the same by a failure: a panic.

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use hw_probe::anonymise::{self, Key};
use hw_probe::inventory::Inventory;
use hw_probe::report::{Report, ReportOptions, render_table};
use hw_probe::root::Root;
use hw_probe::{ProbeOptions, health, probe, signature, smbios, snapshot};

/// The report is kept this narrow.
const WIDTH: usize = 80;
/// Most files and links of a tree: a fuzzer that makes thousands tests the file system.
const ENTRIES_MAX: usize = 400;

/// A firmware table in any form, and what it becomes in a report.
pub fn smbios_load(data: &[u8]) {
    if let Ok(table) = smbios::load(data) {
        let firmware = smbios::decode(&table);
        // Nothing of it is serialised by itself; the report below is.
        let _ = format!("{firmware:?}");
    }
    let options = ProbeOptions {
        smbios: Some(data.to_vec()),
        ..ProbeOptions::default()
    };
    check(&probe(&Root::empty(), &options));
}

/// A machine written down as text, see [`plant`].
pub fn sysroot_tree(data: &[u8]) {
    let dir = memory_dir();
    plant(dir.path(), data);
    // Answers that cannot be understood are an error, and that is fine.
    if let Ok(root) = Root::at(dir.path()) {
        check(&probe(&root, &ProbeOptions::default()));
    }
}

/// A snapshot's archive. What is not compressed is taken for the tar inside it: a fuzzer seldom
/// gets through zstd.
pub fn snapshot_archive(data: &[u8]) {
    const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let dir = memory_dir();
    let archive = dir.path().join("machine.tar.zst");
    let packed = if data.starts_with(&ZSTD_MAGIC) {
        data.to_vec()
    } else {
        zstd::encode_all(data, 1).unwrap()
    };
    std::fs::write(&archive, packed).unwrap();
    if let Ok(root) = snapshot::open(&archive) {
        check(&probe(&root, &ProbeOptions::default()));
    }
    let left = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 1, "the archive wrote outside its directory");
}

/// A disk: how large it is (the exponent of 2 in the first byte), how much of what follows is its
/// end (in 256ths, the second byte), and the rest is its start; zeros between.
pub fn signature_probe(data: &[u8]) {
    let [exponent, share, data @ ..] = data else {
        return;
    };
    let size = 1_u64 << (exponent % 50);
    let (head, tail) = data.split_at(data.len() - data.len() * usize::from(*share) / 256);
    let tail_at = size.saturating_sub(tail.len() as u64);
    let mut read = |offset: u64, length: usize| -> Option<Vec<u8>> {
        assert!(length <= 1 << 20, "{length} bytes at once");
        let length = length.min(usize::try_from(size.checked_sub(offset)?).unwrap());
        let byte = |at: u64| match at.checked_sub(tail_at) {
            Some(at) => tail.get(usize::try_from(at).unwrap()),
            None => head.get(usize::try_from(at).unwrap()),
        };
        let bytes = offset..offset + length as u64;
        Some(bytes.map(|at| byte(at).copied().unwrap_or(0)).collect())
    };
    let found = signature::scan(size, &mut read);
    assert_eq!(signature::decode(&signature::encode(&found)), found);
    for entry in signature::gpt_entries(size, &mut read) {
        assert!(entry.start_bytes + entry.size_bytes <= size);
    }
    // What a snapshot keeps may be anything too.
    let text = String::from_utf8_lossy(data);
    let _ = (signature::decode(&text), signature::decode_gpt(&text));
}

/// What disks answer to questions about their health, 512 bytes each.
pub fn disk_health(data: &[u8]) {
    let block = |n: usize| -> [u8; 512] {
        let mut block = [0; 512];
        let from = data.get(n * 512..).unwrap_or_default();
        let length = from.len().min(512);
        block[..length].copy_from_slice(&from[..length]);
        block
    };
    let (first, second, third) = (block(0), block(1), block(2));
    let _ = health::nvme::parse(&first);
    let _ = health::ata::parse(&health::ata::Answers {
        attributes: Some(&first),
        thresholds: Some(&second),
        says_it_fails: Some(data.len().is_multiple_of(2)),
        general: Some(&third),
        temperature: Some(&second),
        solid_state: Some(&first),
        sector_bytes: 4096,
    });
    let pages: Vec<Vec<u8>> = data.chunks(64).map(<[u8]>::to_vec).collect();
    let _ = health::scsi::parse(&pages);
}

/// Whatever was read, the report is whole and harmless.
pub fn check(inventory: &Inventory) {
    for warning in &inventory.warnings {
        let text = warning.message.to_string();
        assert!(
            !text.contains("internal error"),
            "{} panicked: {text}",
            warning.section
        );
    }
    let mut report = Report::of(inventory, &ReportOptions::default());
    // The same for every input, and most of the text: a fuzzer has better things to do.
    for reward in &mut report.rewards {
        reward.assumptions.clear();
    }
    let json = serde_json::to_string(&report).unwrap();
    let back: Report = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), json);
    let table = render_table(&report, WIDTH, false);
    for line in table.lines() {
        let width = unicode_width::UnicodeWidthStr::width(line);
        assert!(width <= WIDTH, "{width} columns: {line:?}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    let key = Key::from_bytes(b"0123456789abcdef").unwrap();
    let anonymous = anonymise::inventory(inventory, &key).unwrap();
    let _ = Report::of(&anonymous, &ReportOptions::default());
}

/// Plants a machine below `dir`:
///
/// ```text
/// =/proc/meminfo            a file; its contents are the lines up to the next head
/// MemTotal: 8 kB
/// #3                        a file, the path being that of a table
/// >/sys/block/sda ../devices/x/block/sda        a link and its target
/// ```
///
/// Heads begin with `=`, `#` or `>` at the start of a line. What cannot be made is left out.
pub fn plant(dir: &Path, text: &[u8]) {
    let mut file: Option<std::fs::File> = None;
    let mut entries = 0;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let Some((mark @ (b'=' | b'#' | b'>'), head)) = line.split_first() else {
            if let Some(file) = &mut file {
                let _ = file.write_all(line);
            }
            continue;
        };
        entries += 1;
        if entries > ENTRIES_MAX {
            return;
        }
        let head = String::from_utf8_lossy(head);
        let head = head.trim_end_matches('\n');
        file = None;
        match mark {
            b'=' => file = create(dir, head),
            b'#' => {
                let number: usize = head.trim().parse().unwrap_or(0);
                file = create(dir, PATHS[number % PATHS.len()]);
            }
            _ => {
                if let Some((path, target)) = head.split_once(' ')
                    && let Some(path) = inside(dir, path)
                {
                    let _ = path.parent().map(std::fs::create_dir_all);
                    let _ = symlink(target, path);
                }
            }
        }
    }
}

fn create(dir: &Path, path: &str) -> Option<std::fs::File> {
    let path = inside(dir, path)?;
    std::fs::create_dir_all(path.parent()?).ok()?;
    // New only: an existing link could lead out of the tree.
    std::fs::File::create_new(path).ok()
}

/// A path below `dir` on which no link lies: the tree is hostile, its planting is not.
fn inside(dir: &Path, path: &str) -> Option<PathBuf> {
    let mut out = dir.to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
        if out.is_symlink() {
            return None;
        }
    }
    (out != dir).then_some(out)
}

/// In memory where that can be had: a fuzzer makes thousands of trees a second.
fn memory_dir() -> tempfile::TempDir {
    let builder = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix("hw-probe-fuzz-");
        builder
    };
    builder()
        .tempdir_in("/dev/shm")
        .or_else(|_| builder().tempdir())
        .unwrap()
}

/// Paths the probe reads, to be named by number. The order is part of the seeds: append only.
const PATHS: [&str; 64] = [
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/self/mountinfo",
    "/proc/self/cgroup",
    "/proc/1/environ",
    "/proc/sysinfo",
    "/proc/xen/capabilities",
    "/proc/ppc64/lparcfg",
    "/proc/device-tree/compatible",
    "/run/udev/data/b8:0",
    "/run/systemd/container",
    "/run/.containerenv",
    "/hw-probe/ioctl.json",
    "/sys/hypervisor/type",
    "/sys/firmware/dmi/tables/DMI",
    "/sys/firmware/dmi/tables/smbios_entry_point",
    "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
    "/sys/firmware/devicetree/base/hypervisor/compatible",
    "/sys/class/dmi/id/sys_vendor",
    "/sys/class/dmi/id/product_name",
    "/sys/class/dmi/id/board_vendor",
    "/sys/class/dmi/id/bios_vendor",
    "/sys/class/dmi/id/product_uuid",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/present",
    "/sys/devices/system/cpu/smt/active",
    "/sys/devices/system/cpu/cpu0/topology/core_cpus_list",
    "/sys/devices/system/cpu/cpu0/topology/physical_package_id",
    "/sys/devices/system/cpu/cpu0/topology/thread_siblings_list",
    "/sys/devices/system/cpu/cpu0/topology/core_id",
    "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq",
    "/sys/devices/system/node/node0/meminfo",
    "/sys/devices/system/node/node0/cpulist",
    "/sys/block/sda/size",
    "/sys/block/sda/dev",
    "/sys/block/sda/ro",
    "/sys/block/sda/removable",
    "/sys/block/sda/queue/rotational",
    "/sys/block/sda/queue/logical_block_size",
    "/sys/block/sda/queue/discard_max_bytes",
    "/sys/block/sda/device/model",
    "/sys/block/sda/device/vendor",
    "/sys/block/sda/device/rev",
    "/sys/block/sda/device/wwid",
    "/sys/block/sda/device/vpd_pg80",
    "/sys/block/sda/device/vpd_pg83",
    "/sys/block/sda/device/vpd_pgb1",
    "/sys/block/sda/device/inquiry",
    "/sys/block/sda/sda1/size",
    "/sys/block/sda/sda1/partition",
    "/sys/block/sda/sda1/holders/dm-0",
    "/sys/block/nvme0n1/size",
    "/sys/block/nvme0n1/wwid",
    "/sys/block/nvme0n1/device/model",
    "/sys/block/nvme0n1/device/serial",
    "/sys/block/nvme0n1/device/transport",
    "/sys/block/md0/md/level",
    "/sys/block/dm-0/dm/uuid",
    "/sys/class/net/eth0/address",
    "/sys/class/net/eth0/speed",
    "/sys/class/net/eth0/carrier",
    "/sys/class/net/eth0/type",
    "/sys/class/net/eth0/device/sriov_totalvfs",
    "/sys/class/block/sda/partition",
];
