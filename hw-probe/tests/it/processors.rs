//! Processors beyond counting: kinds of cores, dies, NUMA nodes, weaknesses.

use hw_probe::inventory::{Cpu, NumaNode};
use hw_probe::units::{Bytes, KIB};

use super::machines::Machine;

const INTEL: &str = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 186\nmodel name\t: 13th Gen\nstepping\t: 2\nflags\t\t: fpu vmx\n";
const AMD: &str = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel\t\t: 36\nstepping\t: 0\nflags\t\t: fpu svm\n";
const ARM: &str = "processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\n";

/// A machine of cores: their threads, and their highest frequency in MHz (0: not told).
fn machine(cpuinfo: &str, cores: &[(&[u32], u32)]) -> Machine {
    let machine = Machine::new();
    machine.file("proc/cpuinfo", cpuinfo);
    let mut last = 0;
    for (threads, mhz) in cores {
        let siblings: Vec<String> = threads.iter().map(u32::to_string).collect();
        for n in *threads {
            machine.cpu(*n, &siblings.join(","), 0);
            let path = format!("sys/devices/system/cpu/cpu{n}/cpufreq/cpuinfo_max_freq");
            if *mhz > 0 {
                machine.file(&path, format!("{}\n", mhz * 1000));
            }
            last = last.max(*n);
        }
    }
    machine.file("sys/devices/system/cpu/online", format!("0-{last}\n"));
    machine
}

fn kinds(cpu: &Cpu) -> Vec<(&str, u32, u32, Option<u32>)> {
    cpu.core_kinds
        .iter()
        .flatten()
        .map(|kind| (kind.name.as_str(), kind.cores, kind.threads, kind.max_mhz))
        .collect()
}

#[test]
fn intels_hybrid_processors_by_their_monitoring_units() {
    // Equal frequencies: the units alone tell.
    let machine = machine(
        INTEL,
        &[
            (&[0, 1], 4000),
            (&[2, 3], 4000),
            (&[4], 4000),
            (&[5], 4000),
            (&[6], 2500),
        ],
    );
    machine
        .file("sys/devices/cpu_core/cpus", "0-3\n")
        .file("sys/devices/cpu_atom/cpus", "4-5\n")
        .file("sys/devices/cpu_lowpower/cpus", "6\n");
    let cpu = machine.probe().cpu;
    assert_eq!((cpu.hybrid, cpu.smt), (Some(true), Some(true)));
    assert_eq!(
        kinds(&cpu),
        [
            ("performance", 2, 4, Some(4000)),
            ("efficiency", 2, 2, Some(4000)),
            ("low-power", 1, 1, Some(2500)),
        ]
    );
    assert_eq!((cpu.threads_per_core, cpu.max_mhz), (Some(2), Some(4000)));
    assert_eq!(
        (cpu.family, cpu.model_number, cpu.stepping),
        (Some(6), Some(186), Some(2))
    );
    // A list that leaves a core out is not understood; the frequencies are.
    machine.file("sys/devices/cpu_lowpower/cpus", "7\n");
    assert_eq!(
        kinds(&machine.probe().cpu),
        [
            ("performance", 4, 6, Some(4000)),
            ("efficiency", 1, 1, Some(2500))
        ]
    );
}

#[test]
fn favoured_cores_do_not_make_a_server_hybrid() {
    let cores: [(&[u32], u32); 4] = [(&[0], 3700), (&[1], 3700), (&[2], 4000), (&[3], 3500)];
    let server = machine(INTEL, &cores);
    let cpu = server.probe().cpu;
    assert_eq!((cpu.hybrid, kinds(&cpu)), (Some(false), Vec::new()));
    assert_eq!((cpu.max_mhz, cpu.core_kinds), (Some(4000), Some(vec![])));

    // Far apart, but Intel's one monitoring unit says one kind.
    let apart: [(&[u32], u32); 2] = [(&[0], 4000), (&[1], 2000)];
    let server = machine(INTEL, &apart);
    assert_eq!(server.probe().cpu.hybrid, Some(true));
    server.file("sys/devices/cpu/type", "4\n");
    assert_eq!(server.probe().cpu.hybrid, Some(false));
}

#[test]
fn compact_cores_are_far_slower() {
    let cores: [(&[u32], u32); 4] = [
        (&[0, 4], 5157),
        (&[1, 5], 5100),
        (&[2, 6], 3300),
        (&[3, 7], 3305),
    ];
    let cpu = machine(AMD, &cores).probe().cpu;
    assert_eq!(
        kinds(&cpu),
        [
            ("performance", 2, 4, Some(5157)),
            ("efficiency", 2, 4, Some(3305))
        ]
    );
}

#[test]
fn without_evidence_nobody_knows() {
    let cpu = machine(INTEL, &[(&[0], 0), (&[1], 0)]).probe().cpu;
    assert_eq!(
        (cpu.hybrid, cpu.core_kinds, cpu.max_mhz),
        (None, None, None)
    );
    assert_eq!((cpu.threads_per_core, cpu.smt), (Some(1), Some(false)));
    assert_eq!(
        (cpu.numa, cpu.vulnerabilities, cpu.dies),
        (None, None, None)
    );
}

#[test]
fn arm_says_how_much_its_cores_get_done() {
    let machine = machine(
        ARM,
        &[(&[0], 2000), (&[1], 2000), (&[2], 2800), (&[3], 3200)],
    );
    for (n, capacity) in [(0, 280), (1, 280), (2, 855), (3, 1024)] {
        machine.file(
            &format!("sys/devices/system/cpu/cpu{n}/cpu_capacity"),
            format!("{capacity}\n"),
        );
    }
    assert_eq!(
        kinds(&machine.probe().cpu),
        [
            ("kind-0", 1, 1, Some(3200)),
            ("kind-1", 1, 1, Some(2800)),
            ("kind-2", 2, 2, Some(2000))
        ]
    );
    for n in 0..4 {
        machine.file(
            &format!("sys/devices/system/cpu/cpu{n}/cpu_capacity"),
            "1024\n",
        );
    }
    assert_eq!(machine.probe().cpu.hybrid, Some(false));
}

#[test]
fn dies_and_clusters_where_the_kernel_knows_them() {
    let machine = machine(INTEL, &[(&[0], 0), (&[1], 0), (&[2], 0), (&[3], 0)]);
    for n in 0..4 {
        let dir = format!("sys/devices/system/cpu/cpu{n}/topology");
        let (die, members) = if n < 2 { (0, "0-1") } else { (1, "2-3") };
        machine
            .file(&format!("{dir}/die_id"), format!("{die}\n"))
            .file(&format!("{dir}/die_cpus_list"), members)
            // An x86 kernel that does not know, and then gives every thread its own.
            .file(&format!("{dir}/cluster_id"), "65535\n")
            .file(&format!("{dir}/cluster_cpus_list"), format!("{n}\n"));
    }
    let cpu = machine.probe().cpu;
    assert_eq!((cpu.dies, cpu.clusters), (Some(2), None));
    for n in 0..4 {
        let dir = format!("sys/devices/system/cpu/cpu{n}/topology");
        machine
            .file(&format!("{dir}/die_id"), "-1\n")
            .file(&format!("{dir}/cluster_id"), "8\n")
            .file(&format!("{dir}/cluster_cpus_list"), "0-3\n");
    }
    let cpu = machine.probe().cpu;
    assert_eq!((cpu.dies, cpu.clusters), (None, Some(1)));
}

#[test]
fn numa_nodes_with_gaps_and_without_processors() {
    const NODES: &str = "sys/devices/system/node";
    let machine = machine(INTEL, &[(&[0, 2], 0), (&[1, 3], 0)]);
    machine
        .file(&format!("{NODES}/node0/cpulist"), "0,2\n")
        .file(&format!("{NODES}/node0/distance"), "10 21 17\n")
        .file(
            &format!("{NODES}/node0/meminfo"),
            "Node 0 MemTotal:       65536 kB\nNode 0 MemFree:        1 kB\n",
        )
        // A kernel too old for lists.
        .file(&format!("{NODES}/node2/cpumap"), "00000000,0000000a\n")
        .file(&format!("{NODES}/node2/distance"), "21 10 28\n")
        .file(&format!("{NODES}/node10/cpulist"), "\n")
        .file(&format!("{NODES}/node10/distance"), "17 28 10\n")
        .file(&format!("{NODES}/possible"), "0-10\n");
    let node = |id, cpus: &str, kib: Option<u64>, distances: &[u32]| NumaNode {
        id,
        cpus: cpus.to_owned(),
        memory_bytes: kib.map(|kib| Bytes(kib * KIB)),
        distances: distances.to_vec(),
    };
    let cpu = machine.probe().cpu;
    assert_eq!(cpu.numa_nodes, Some(3));
    assert_eq!(
        cpu.numa.unwrap(),
        [
            node(0, "0,2", Some(65536), &[10, 21, 17]),
            node(2, "1,3", None, &[21, 10, 28]),
            node(10, "", None, &[17, 28, 10]),
        ]
    );
    machine.file(&format!("{NODES}/node2/distance"), "21 10\n");
    let inventory = machine.probe();
    assert!(inventory.cpu.numa.unwrap()[1].distances.is_empty());
    assert!(inventory.warnings.iter().any(|w| w.section == "cpu"));
}

#[test]
fn weaknesses_in_the_kernels_words() {
    const DIR: &str = "sys/devices/system/cpu/vulnerabilities";
    let machine = machine(INTEL, &[(&[0], 0)]);
    machine
        .file(&format!("{DIR}/meltdown"), "Mitigation: PTI\n")
        .file(
            &format!("{DIR}/mds"),
            "Vulnerable: Clear CPU buffers attempted, no microcode\n",
        )
        .file(
            &format!("{DIR}/srbds"),
            "Unknown: Dependent on hypervisor status\n",
        );
    let list = machine.probe().cpu.vulnerabilities.unwrap();
    let told: Vec<_> = list
        .iter()
        .map(|weakness| (weakness.name.as_str(), weakness.vulnerable))
        .collect();
    assert_eq!(
        told,
        [
            ("mds", Some(true)),
            ("meltdown", Some(false)),
            ("srbds", None)
        ]
    );
    assert_eq!(list[1].status.raw(), "Mitigation: PTI");
}
