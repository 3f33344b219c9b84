//! Small stand-ins for kernels, modules and packages, and the real ones from the host's apt.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use image_builder::bootkit::{Bootkit, Event, Loader, fetch};

/// Runs a tool and returns its output; a tool that is missing or fails is a failed test.
pub fn run(program: &str, args: &[&str], dir: &Path) -> Output {
    let output = Command::new(program)
        .args(args)
        .current_dir(dir)
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|e| panic!("{program} is needed by this test: {e}"));
    assert!(
        output.status.success(),
        "{program} {args:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Writes a file and the directories above it.
pub fn put(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A relocatable x86-64 ELF object with a `.modinfo` section, followed by a stand-in for the
/// signature that real modules carry behind the ELF.
pub fn module(modinfo: &[&str]) -> Vec<u8> {
    let info: Vec<u8> = modinfo.iter().flat_map(|f| f.bytes().chain([0])).collect();
    let names = b"\0.modinfo\0.shstrtab\0";
    let mut elf = vec![0u8; 64];
    elf[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    elf[16] = 1; // ET_REL
    elf[18] = 62; // EM_X86_64
    let info_at = elf.len();
    elf.extend_from_slice(&info);
    let names_at = elf.len();
    elf.extend_from_slice(names);
    let table = elf.len();
    let sections = [
        (0, 0, 0, 0),
        (1, 1, info_at, info.len()),
        (10, 3, names_at, names.len()),
    ];
    for (name, kind, offset, size) in sections {
        let mut header = [0u8; 64];
        header[..4].copy_from_slice(&(name as u32).to_le_bytes());
        header[4..8].copy_from_slice(&(kind as u32).to_le_bytes());
        header[24..32].copy_from_slice(&(offset as u64).to_le_bytes());
        header[32..40].copy_from_slice(&(size as u64).to_le_bytes());
        elf.extend_from_slice(&header);
    }
    elf[40..48].copy_from_slice(&(table as u64).to_le_bytes());
    elf[58] = 64;
    elf[60] = 3;
    elf[62] = 2;
    elf.extend_from_slice(b"~Module signature appended~\n");
    elf
}

/// Enough of a bzImage for its header to be read.
pub fn kernel(release: &str) -> Vec<u8> {
    let mut image = vec![0u8; 4096];
    image[..2].copy_from_slice(b"MZ");
    image[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&0x020fu16.to_le_bytes());
    image[0x20e..0x210].copy_from_slice(&0x400u16.to_le_bytes());
    image[0x236] = 1;
    let banner = format!("{release} (builder@host) #1 SMP\0");
    image[0x600..0x600 + banner.len()].copy_from_slice(banner.as_bytes());
    image
}

/// Modules of the synthetic kernel: path below `lib/modules/RELEASE` and `.modinfo` fields.
pub const MODULES: [(&str, &[&str]); 6] = [
    (
        "kernel/drivers/scsi/sd_mod.ko",
        &["depends=scsi-core,t10", "alias=scsi:t-0x00*"],
    ),
    ("kernel/drivers/scsi/scsi-core.ko", &["depends="]),
    ("kernel/lib/t10.ko", &["softdep=pre: crct10dif"]),
    (
        "kernel/crypto/crc-fast.ko",
        &["alias=crct10dif", "alias=crypto-crct10dif"],
    ),
    (
        "kernel/drivers/net/bnx2.ko",
        &["depends=core", "firmware=bnx2/a.fw", "alias=pci:v000014E4*"],
    ),
    ("kernel/sound/unused.ko", &["firmware=sound.fw"]),
];

/// Builds a package of a file tree with `dpkg-deb`.
pub fn deb(
    dir: &Path,
    name: &str,
    architecture: &str,
    files: &[(&str, Vec<u8>)],
    codec: &str,
) -> PathBuf {
    let root = dir.join(format!("{name}-root"));
    let control = format!(
        "Package: {name}\nVersion: 1:2.0-3\nArchitecture: {architecture}\nMaintainer: T <t@example.org>\n\
         Source: {name}-src\nBuilt-Using: linux (= 6.0-1)\nDescription: test\n more\n"
    );
    put(&root, "DEBIAN/control", control.as_bytes());
    put(&root, &format!("usr/share/doc/{name}/copyright"), b"free\n");
    for (path, bytes) in files {
        put(&root, path, bytes);
    }
    let out = dir.join(format!("{name}-{codec}.deb"));
    let out_text = out.to_str().unwrap();
    // SOURCE_DATE_EPOCH clamps the times in the archive.
    let status = Command::new("dpkg-deb")
        .args(["--root-owner-group", &format!("-Z{codec}"), "--build"])
        .args([root.to_str().unwrap(), out_text])
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .output()
        .expect("dpkg-deb is needed by this test");
    assert!(
        status.status.success(),
        "{}",
        String::from_utf8_lossy(&status.stderr)
    );
    out
}

/// The kernel package of the synthetic kernel.
pub fn kernel_deb(dir: &Path, release: &str) -> PathBuf {
    let lib = format!("lib/modules/{release}");
    let mut files = vec![
        (format!("boot/vmlinuz-{release}"), kernel(release)),
        (format!("boot/config-{release}"), b"CONFIG_X=y\n".to_vec()),
        (
            format!("{lib}/modules.builtin"),
            b"kernel/core/core.ko\n".to_vec(),
        ),
        (
            format!("{lib}/modules.builtin.modinfo"),
            b"core.license=GPL\0".to_vec(),
        ),
    ];
    for (path, info) in MODULES {
        files.push((format!("{lib}/{path}"), module(info)));
    }
    let files: Vec<_> = files.iter().map(|(p, b)| (p.as_str(), b.clone())).collect();
    deb(
        dir,
        &format!("linux-image-{release}"),
        "amd64",
        &files,
        "gzip",
    )
}

/// Packages of all loaders; `without` leaves one package out.
pub fn loader_debs(dir: &Path, without: Option<&str>) -> Vec<PathBuf> {
    let files: [(&str, &[&str]); 5] = [
        ("shim-signed", &["usr/lib/shim/shimx64.efi.signed"]),
        (
            "shim-helpers-amd64-signed",
            &[
                "usr/lib/shim/mmx64.efi.signed",
                "usr/lib/shim/fbx64.efi.signed",
            ],
        ),
        (
            "grub-efi-amd64-signed",
            &[
                "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed",
                "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
            ],
        ),
        (
            "isolinux",
            &[
                "usr/lib/ISOLINUX/isolinux.bin",
                "usr/lib/ISOLINUX/isohdpfx.bin",
            ],
        ),
        (
            "syslinux-common",
            &[
                "usr/lib/syslinux/modules/bios/ldlinux.c32",
                "usr/lib/syslinux/modules/bios/libcom32.c32",
                "usr/lib/syslinux/modules/bios/libutil.c32",
                "usr/lib/syslinux/modules/bios/menu.c32",
            ],
        ),
    ];
    assert_eq!(
        files.iter().map(|f| f.1.len()).sum::<usize>(),
        Loader::ALL.len() + 1
    );
    files
        .iter()
        .filter(|(name, _)| Some(*name) != without)
        .map(|(name, paths)| {
            let files: Vec<_> = paths.iter().map(|&p| (p, p.as_bytes().to_vec())).collect();
            deb(dir, name, "all", &files, "gzip")
        })
        .collect()
}

/// A complete bootkit of synthetic packages.
pub fn synthetic_bootkit(dir: &Path, cache: &Path) -> Bootkit {
    let mut debs = loader_debs(dir, None);
    debs.push(kernel_deb(dir, "6.0.1-test"));
    fetch::from_debs(&debs, cache, &mut |_| ()).unwrap()
}

/// Cache that outlives the test, so that the kernel is downloaded once.
pub fn lasting_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("bootkit-cache")
}

/// The real bootkit from the host's apt.
pub fn real_bootkit() -> &'static (Bootkit, Vec<Event>) {
    static KIT: OnceLock<(Bootkit, Vec<Event>)> = OnceLock::new();
    KIT.get_or_init(|| {
        let cache = lasting_cache();
        let mut events = Vec::new();
        let options = fetch::AptOptions {
            cache_dir: &cache,
            refresh: false,
            suite: None,
        };
        let kit = fetch::from_apt(&options, &mut |e| events.push(e))
            .unwrap_or_else(|e| panic!("this test needs apt and a mirror: {e} {:?}", e.hint()));
        (kit, events)
    })
}

/// A static program, as `farm-node` is one: the headers of one, written where the test can find it.
pub fn static_program(dir: &Path) -> PathBuf {
    let mut elf = vec![0u8; 8192];
    elf[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    elf[16] = 3; // ET_DYN: static-pie
    elf[18] = 62; // EM_X86_64
    elf[25] = 0x10; // entry point 0x1000
    elf[32] = 64; // one program header, PT_LOAD
    elf[54] = 56;
    elf[56] = 1;
    elf[64] = 1;
    let path = dir.join("farm-node");
    fs::write(&path, elf).unwrap();
    path
}
