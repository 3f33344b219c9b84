//! A server with two sockets of 32 cores of two threads, 12 NVMe disks, 24 rotating ones and four
//! network ports, in the layout of the kernel: for measuring, so with files the probe does not read.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Sockets, which are NUMA nodes too.
pub const SOCKETS: u32 = 2;
/// Cores of one socket.
pub const CORES: u32 = 32;
/// All threads.
pub const THREADS: u32 = SOCKETS * CORES * 2;
/// NVMe disks.
pub const NVME: u32 = 12;
/// SATA disks.
pub const SATA: u32 = 24;
const PORTS: u32 = 4;
const MEMORY_KIB: u64 = 512 << 20;
const FLAGS: &str = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 \
    clflush dts acpi mmx fxsr sse sse2 ss ht tm pbe syscall nx pdpe1gb rdtscp lm constant_tsc \
    arch_perfmon pebs bts rep_good nopl xtopology nonstop_tsc cpuid aperfmperf pni pclmulqdq \
    dtes64 monitor ds_cpl vmx smx est tm2 ssse3 sdbg fma cx16 xtpr pdcm pcid dca sse4_1 sse4_2 \
    x2apic movbe popcnt tsc_deadline_timer aes xsave avx f16c rdrand lahf_lm abm 3dnowprefetch \
    avx2 bmi2 erms invpcid avx512f avx512dq rdseed adx smap clflushopt clwb avx512cd sha_ni";

/// Writes the tree below `root`.
pub fn write(root: &Path) -> io::Result<()> {
    let tree = Tree(root);
    processors(&tree)?;
    memory(&tree)?;
    disks(&tree)?;
    network(&tree)?;
    tree.file("sys/class/dmi/id/sys_vendor", "Maker\n")?;
    tree.file("sys/class/dmi/id/product_name", "Big Box\n")?;
    fs::create_dir_all(root.join("sys/firmware/acpi"))
}

struct Tree<'a>(&'a Path);

impl Tree<'_> {
    fn file(&self, path: &str, text: impl AsRef<[u8]>) -> io::Result<()> {
        let path = self.0.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)
    }

    fn files(&self, dir: &str, files: &[(&str, String)]) -> io::Result<()> {
        files
            .iter()
            .try_for_each(|(name, text)| self.file(&format!("{dir}/{name}"), format!("{text}\n")))
    }

    fn link(&self, path: &str, target: &str) -> io::Result<()> {
        let path = self.0.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        symlink(target, path)
    }
}

/// The kernel's two ways to write a set of processors.
fn set(members: &[u32]) -> (String, String) {
    let list: Vec<String> = members.iter().map(u32::to_string).collect();
    let words = (0..THREADS / 32).rev().map(|word| {
        let bits = members.iter().filter(|n| **n / 32 == word);
        format!("{:08x}", bits.fold(0_u32, |mask, n| mask | 1 << (n % 32)))
    });
    (list.join(","), words.collect::<Vec<_>>().join(","))
}

fn processors(tree: &Tree<'_>) -> io::Result<()> {
    let dir = "sys/devices/system/cpu";
    let all = format!("0-{}", THREADS - 1);
    let lists = ["online", "present", "possible"].map(|name| (name, all.clone()));
    tree.files(dir, &lists)?;
    tree.file(&format!("{dir}/smt/active"), "1\n")?;
    let mut cpuinfo = String::new();
    // First one thread of every core of every socket, then the other.
    for n in 0..THREADS {
        let core = n % (SOCKETS * CORES);
        let socket = core / CORES;
        let (siblings, siblings_mask) = set(&[core, core + SOCKETS * CORES]);
        let package: Vec<u32> = (0..THREADS)
            .filter(|n| n % (SOCKETS * CORES) / CORES == socket)
            .collect();
        let (package, package_mask) = set(&package);
        tree.files(
            &format!("{dir}/cpu{n}/topology"),
            &[
                ("physical_package_id", socket.to_string()),
                ("die_id", "0".to_owned()),
                ("core_id", (core % CORES).to_string()),
                ("core_cpus", siblings_mask.clone()),
                ("core_cpus_list", siblings.clone()),
                ("thread_siblings", siblings_mask.clone()),
                ("thread_siblings_list", siblings.clone()),
                ("core_siblings", package_mask.clone()),
                ("core_siblings_list", package.clone()),
                ("package_cpus", package_mask.clone()),
                ("package_cpus_list", package.clone()),
                ("die_cpus", package_mask.clone()),
                ("die_cpus_list", package.clone()),
            ],
        )?;
        for (index, (level, kind, size)) in [
            ("1", "Data", "48K"),
            ("1", "Instruction", "32K"),
            ("2", "Unified", "1280K"),
            ("3", "Unified", "49152K"),
        ]
        .into_iter()
        .enumerate()
        {
            let (list, mask) = if level == "3" {
                (&package, &package_mask)
            } else {
                (&siblings, &siblings_mask)
            };
            tree.files(
                &format!("{dir}/cpu{n}/cache/index{index}"),
                &[
                    ("level", level.to_owned()),
                    ("type", kind.to_owned()),
                    ("size", size.to_owned()),
                    ("shared_cpu_list", list.clone()),
                    ("shared_cpu_map", mask.clone()),
                    ("coherency_line_size", "64".to_owned()),
                ],
            )?;
        }
        let frequency = format!("{dir}/cpu{n}/cpufreq/cpuinfo_max_freq");
        tree.file(&frequency, "3400000\n")?;
        cpuinfo.push_str(&format!(
            "processor\t: {n}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 106\n\
             model name\t: Processor 9032 @ 2.60GHz\nphysical id\t: {socket}\nsiblings\t: {}\n\
             core id\t\t: {}\ncpu cores\t: {CORES}\nflags\t\t: {FLAGS}\n\n",
            CORES * 2,
            core % CORES,
        ));
    }
    tree.file("proc/cpuinfo", cpuinfo)
}

fn memory(tree: &Tree<'_>) -> io::Result<()> {
    let meminfo = format!("MemTotal:       {MEMORY_KIB} kB\nMemFree:        {MEMORY_KIB} kB\n");
    tree.file("proc/meminfo", meminfo)?;
    for node in 0..SOCKETS {
        let dir = format!("sys/devices/system/node/node{node}");
        let total = MEMORY_KIB / u64::from(SOCKETS);
        tree.files(
            &dir,
            &[
                ("meminfo", format!("Node {node} MemTotal:       {total} kB")),
                (
                    "cpulist",
                    format!(
                        "{}-{},{}-{}",
                        node * CORES,
                        node * CORES + CORES - 1,
                        (SOCKETS + node) * CORES,
                        (SOCKETS + node) * CORES + CORES - 1
                    ),
                ),
                ("distance", "10 21".to_owned()),
            ],
        )?;
    }
    Ok(())
}

fn queue(tree: &Tree<'_>, dir: &str, rotational: u32) -> io::Result<()> {
    tree.files(
        &format!("{dir}/queue"),
        &[
            ("rotational", rotational.to_string()),
            ("logical_block_size", "512".to_owned()),
            ("physical_block_size", "4096".to_owned()),
            ("discard_max_bytes", "0".to_owned()),
            ("scheduler", "[none] mq-deadline".to_owned()),
        ],
    )
}

fn disks(tree: &Tree<'_>) -> io::Result<()> {
    for n in 0..NVME {
        let controller = format!("sys/devices/pci0000:{n:02x}/0000:{n:02x}:00.0/nvme/nvme{n}");
        let name = format!("nvme{n}n1");
        let dir = format!("{controller}/{name}");
        tree.files(
            &controller,
            &[
                ("model", "Maker NVMe 3840".to_owned()),
                ("serial", format!("NV{n:06}")),
                ("firmware_rev", "1.0".to_owned()),
                ("transport", "pcie".to_owned()),
            ],
        )?;
        tree.files(
            &dir,
            &[
                ("size", "7501476528".to_owned()),
                ("dev", format!("259:{n}")),
                ("ro", "0".to_owned()),
                ("removable", "0".to_owned()),
                ("wwid", format!("eui.00253{n:011x}")),
            ],
        )?;
        queue(tree, &dir, 0)?;
        tree.link(&format!("{dir}/device"), &format!("../../nvme{n}"))?;
        for class in ["sys/block", "sys/class/block"] {
            link_up(tree, class, &name, &dir)?;
        }
    }
    for n in 0..SATA {
        let letter = char::from_u32('a' as u32 + n).unwrap_or('z');
        let name = format!("sd{letter}");
        let device = format!(
            "sys/devices/pci0000:80/0000:80:17.0/ata{}/host{n}/target{n}:0:0/{n}:0:0:0",
            n + 1
        );
        let dir = format!("{device}/block/{name}");
        tree.files(
            &device,
            &[
                ("model", "Maker HDD 16T".to_owned()),
                ("vendor", "ATA     ".to_owned()),
                ("rev", "SN02".to_owned()),
                ("wwid", format!("naa.5000c5{n:010x}")),
            ],
        )?;
        tree.files(
            &dir,
            &[
                ("size", "31251759104".to_owned()),
                ("dev", format!("8:{}", n * 16)),
                ("ro", "0".to_owned()),
                ("removable", "0".to_owned()),
            ],
        )?;
        queue(tree, &dir, 1)?;
        tree.link(&format!("{dir}/device"), &format!("../../../{n}:0:0:0"))?;
        let udev =
            format!("E:ID_BUS=ata\nE:ID_SERIAL_SHORT=HD{n:06}\nE:ID_ATA_ROTATION_RATE_RPM=7200\n");
        tree.file(&format!("run/udev/data/b8:{}", n * 16), udev)?;
        for class in ["sys/block", "sys/class/block"] {
            link_up(tree, class, &name, &dir)?;
        }
    }
    Ok(())
}

/// Links `class/name` to the device's directory.
fn link_up(tree: &Tree<'_>, class: &str, name: &str, dir: &str) -> io::Result<()> {
    let up = "../".repeat(class.split('/').count() - 1);
    let below_sys = dir.trim_start_matches("sys/");
    tree.link(&format!("{class}/{name}"), &format!("{up}{below_sys}"))
}

fn network(tree: &Tree<'_>) -> io::Result<()> {
    for n in 0..PORTS {
        let pci = format!("sys/devices/pci0000:40/0000:40:00.{n}");
        let name = format!("eth{n}");
        let dir = format!("{pci}/net/{name}");
        tree.files(
            &dir,
            &[
                ("address", format!("52:54:00:00:00:{n:02x}")),
                ("type", "1".to_owned()),
                ("carrier", "1".to_owned()),
                ("speed", "25000".to_owned()),
                ("operstate", "up".to_owned()),
            ],
        )?;
        tree.link(
            &format!("{dir}/device"),
            &format!("../../../0000:40:00.{n}"),
        )?;
        link_up(tree, "sys/class/net", &name, &dir)?;
    }
    Ok(())
}
