//! Runs the probe over captures of real machines and compares it with their truth tables.
//!
//! `FARMER_CORPUS=DIR cargo test -p hw-probe --features corpus-tests --test corpus`

#![allow(
    clippy::print_stdout,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test program of its own: it reports to a person and stops at the first surprise"
)]

mod smart;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hw_probe::anonymise::{self, Key};
use hw_probe::inventory::{Inventory, Memory};
use hw_probe::report::{Report, ReportOptions, render_table};
use hw_probe::root::Root;
use hw_probe::{ProbeOptions, probe};

#[path = "../it/secrets.rs"]
mod secrets;

type Row = BTreeMap<String, String>;

fn main() -> ExitCode {
    let Some(corpus) = std::env::var_os("FARMER_CORPUS").map(PathBuf::from) else {
        println!("no corpus given: set FARMER_CORPUS to the unpacked captures");
        return ExitCode::FAILURE;
    };
    let mut board = Board::default();
    machines(&corpus, &mut board);
    anonymity(&corpus, &mut board);
    disks(&corpus, &mut board);
    forms(&corpus, &mut board);
    virtualisation(&corpus, &mut board);
    malformed(&corpus, &mut board);
    smart::check(&corpus, &mut board);
    board.print();
    if board.failed() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

#[derive(Default)]
struct Board {
    sections: BTreeMap<&'static str, (u32, u32)>,
    failures: Vec<String>,
}

impl Board {
    fn score(&mut self, section: &'static str, what: &str, problems: &[String]) {
        let entry = self.sections.entry(section).or_default();
        entry.1 += 1;
        if problems.is_empty() {
            entry.0 += 1;
        } else {
            self.failures
                .push(format!("{section}: {what}: {}", problems.join("; ")));
        }
    }

    fn print(&self) {
        for failure in &self.failures {
            println!("FAIL {failure}");
        }
        for (section, (good, all)) in &self.sections {
            println!("{section}: {good} of {all}");
        }
    }

    fn failed(&self) -> bool {
        !self.failures.is_empty() || self.sections.is_empty()
    }
}

fn expect(problems: &mut Vec<String>, row: &Row, column: &str, actual: Option<u64>) {
    let expected = row[column].as_str();
    if !expected.is_empty() && expected.parse::<u64>().ok() != actual {
        problems.push(format!("{column} is {actual:?}, expected {expected}"));
    }
}

fn sysroot(dir: &Path) -> Inventory {
    let inventory = probe(&Root::at(dir).unwrap(), &ProbeOptions::default());
    let report = Report::of(&inventory, &ReportOptions::default());
    serde_json::to_string(&report).unwrap();
    let _ = render_table(&report, 80, false);
    inventory
}

/// Anonymised reports hold none of the names that stand in the captures.
fn anonymity(corpus: &Path, board: &mut Board) {
    let key = Key::from_bytes(b"0123456789abcdef").unwrap();
    for row in csv(&corpus.join("truth.csv")) {
        let dir = corpus.join(&row["sysroot"]);
        let plain = sysroot(&dir);
        let names = secrets::of(&dir, &serde_json::to_value(&plain).unwrap());
        let inventory = anonymise::inventory(&plain, &key).unwrap();
        let report = Report::of(&inventory, &ReportOptions::default());
        let text = serde_json::to_string(&report).unwrap() + &render_table(&report, 400, false);
        let text = text.to_ascii_lowercase();
        let told: Vec<String> = names
            .into_iter()
            .filter(|name| text.contains(name))
            .collect();
        board.score("anonymised reports", &row["machine"], &told);
    }
}

fn machines(corpus: &Path, board: &mut Board) {
    for row in csv(&corpus.join("truth.csv")) {
        let inventory = sysroot(&corpus.join(&row["sysroot"]));
        let cpu = &inventory.cpu;
        let mut problems = Vec::new();
        expect(
            &mut problems,
            &row,
            "logical_cpus",
            cpu.logical.map(u64::from),
        );
        expect(&mut problems, &row, "cores", cpu.cores.map(u64::from));
        expect(&mut problems, &row, "sockets", cpu.sockets.map(u64::from));
        expect(
            &mut problems,
            &row,
            "numa_nodes",
            cpu.numa_nodes.map(u64::from),
        );
        consistent(&inventory, &mut problems);
        let memory = &inventory.memory;
        let bytes = if row["memory_kind"].starts_with("installed") {
            memory.installed_bytes
        } else {
            memory.usable_bytes
        };
        expect(&mut problems, &row, "memory_bytes", bytes.map(|b| b.0));
        // "dimms 2/24; ecc Multi-bit ECC": populated, slots, correction.
        if let Some((_, rest)) = row["note"].split_once("dimms ") {
            let (populated, slots) = rest
                .split(';')
                .next()
                .unwrap()
                .trim()
                .split_once('/')
                .unwrap();
            let (have_populated, have_slots) = dimms(memory);
            if (populated.parse(), slots.parse()) != (Ok(have_populated), Ok(have_slots)) {
                problems.push(format!(
                    "dimms {have_populated}/{have_slots}, not {populated}/{slots}"
                ));
            }
        }
        if let Some((_, rest)) = row["note"].split_once("ecc ") {
            let expected = match rest.split(';').next().unwrap().trim() {
                "Multi-bit ECC" => Some("multi-bit"),
                "Single-bit ECC" => Some("single-bit"),
                "None" => Some("none"),
                _ => None,
            };
            if expected.is_some() && memory.ecc.as_deref() != expected {
                problems.push(format!("ecc {:?}, not {expected:?}", memory.ecc));
            }
        }
        let section = if row["strict"] == "yes" {
            "machines, strict rows"
        } else {
            "machines, other rows"
        };
        if row["strict"] == "yes" {
            board.score(section, &row["machine"], &problems);
        } else {
            println!(
                "note {section}: {}: {}",
                row["machine"],
                problems.join("; ")
            );
        }
    }
}

/// What must hold of every machine, whatever its truth table knows.
fn consistent(inventory: &Inventory, problems: &mut Vec<String>) {
    let cpu = &inventory.cpu;
    let nodes = cpu.numa.as_deref().unwrap_or_default();
    if cpu.numa_nodes.unwrap_or(0) as usize != nodes.len() {
        problems.push(format!(
            "{:?} nodes, {} listed",
            cpu.numa_nodes,
            nodes.len()
        ));
    }
    for node in nodes {
        let count = node.distances.len();
        if count != 0 && count != nodes.len() {
            problems.push(format!("node {} has {count} distances", node.id));
        }
    }
    if let Some(kinds) = cpu.core_kinds.as_deref().filter(|kinds| !kinds.is_empty()) {
        let threads: u32 = kinds.iter().map(|kind| kind.threads).sum();
        let cores: u32 = kinds.iter().map(|kind| kind.cores).sum();
        if Some(threads) != cpu.logical || Some(cores) != cpu.cores || kinds.len() < 2 {
            problems.push(format!("kinds of cores do not add up: {kinds:?}"));
        }
    }
    if cpu.hybrid.is_some() != cpu.core_kinds.is_some() {
        problems.push(format!(
            "hybrid is {:?}, kinds {:?}",
            cpu.hybrid, cpu.core_kinds
        ));
    }
    if cpu
        .threads_per_core
        .zip(cpu.cores)
        .zip(cpu.logical)
        .is_some_and(|((threads, cores), logical)| threads * cores < logical)
    {
        problems.push(format!(
            "{:?} threads per core are too few",
            cpu.threads_per_core
        ));
    }
    for (name, groups, least) in [
        ("dies", cpu.dies, cpu.sockets),
        ("clusters", cpu.clusters, cpu.dies),
    ] {
        if groups
            .zip(least)
            .is_some_and(|(groups, least)| groups < least)
            || groups
                .zip(cpu.cores)
                .is_some_and(|(groups, cores)| groups > cores)
        {
            problems.push(format!("{name} {groups:?}, cores {:?}", cpu.cores));
        }
    }
    let pci = inventory.pci.as_deref().unwrap_or_default();
    if let Some(device) = pci
        .iter()
        .find(|device| device.vendor_id.is_none() || device.class.is_none())
    {
        problems.push(format!(
            "PCI function {:?} has no class or vendor",
            device.address
        ));
    }
    for gpu in inventory.gpus.iter().flatten() {
        if !pci.iter().any(|device| device.address == gpu.address) {
            problems.push(format!("accelerator {:?} is on no bus", gpu.address));
        }
    }
}

fn dimms(memory: &Memory) -> (u32, u32) {
    let populated = memory
        .dimms
        .iter()
        .filter(|dimm| dimm.is_system_memory && dimm.size_bytes.is_none_or(|size| size.0 > 0))
        .count();
    (u32::try_from(populated).unwrap(), memory.slots.unwrap_or(0))
}

fn disks(corpus: &Path, board: &mut Board) {
    let mut inventories: BTreeMap<String, Inventory> = BTreeMap::new();
    for row in csv(&corpus.join("truth_disks.csv")) {
        let set = if row["source"].starts_with("ghw") {
            "ghw"
        } else {
            "subiquity"
        };
        let machine = format!("{set}/{}", row["machine"]);
        let inventory = inventories
            .entry(machine.clone())
            .or_insert_with(|| sysroot(&corpus.join(&machine)));
        let mut problems = Vec::new();
        match inventory
            .disks
            .iter()
            .find(|disk| disk.name == row["disk"].as_str())
        {
            None => problems.push("not found".to_owned()),
            Some(disk) => {
                expect(
                    &mut problems,
                    &row,
                    "size_bytes",
                    disk.size_bytes.map(|b| b.0),
                );
                let json = serde_json::to_value(disk).unwrap();
                if json["kind"] != row["expected_kind"].as_str() {
                    problems.push(format!(
                        "kind {}, not {}",
                        json["kind"], row["expected_kind"]
                    ));
                }
                if disk.counted != (row["expected_counted"] == "yes") {
                    problems.push(format!("counted {}", disk.counted));
                }
                let reason = json["reason"].as_str().unwrap_or("");
                let expected = match row["reason"].as_str() {
                    "virtual/stacked device" => "virtual",
                    "optical/floppy" => "optical",
                    "remote transport" => "remote",
                    other => other,
                };
                if reason != expected {
                    problems.push(format!("reason {reason:?}, not {expected:?}"));
                }
            }
        }
        board.score("disks", &format!("{machine} {}", row["disk"]), &problems);
    }
}

/// Every form of one table must give the same answer as the machine's own tree.
fn forms(corpus: &Path, board: &mut Board) {
    for dir in directories(&corpus.join("smbios")) {
        let truth = sysroot(&dir);
        for file in std::fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if !(name.starts_with("raw.") || name == "dump.bin") {
                continue;
            }
            let options = ProbeOptions {
                smbios: Some(std::fs::read(&file).unwrap()),
                ..ProbeOptions::default()
            };
            let inventory = probe(&Root::empty(), &options);
            let mut problems = Vec::new();
            if inventory.memory != truth.memory {
                problems.push("memory differs".to_owned());
            }
            if inventory.chassis != truth.chassis
                || inventory.bmc.evidence != truth.bmc.evidence
                || inventory.tpm != truth.tpm
            {
                problems.push("chassis, BMC or TPM differs".to_owned());
            }
            if inventory.cpu != truth.cpu || inventory.system != truth.system {
                problems.push(format!(
                    "cpu or system differs: {:?} {:?}",
                    inventory.system, truth.system
                ));
            }
            board.score("SMBIOS forms", &file.display().to_string(), &problems);
        }
    }
}

fn virtualisation(corpus: &Path, board: &mut Board) {
    for row in csv(&corpus.join("virt/expected.csv")) {
        let root = Root::at(corpus.join("virt").join(&row["case"])).unwrap();
        let signature = row["cpuid_leaf"].trim_matches(['\'', ' ', '@']);
        let options = ProbeOptions {
            hypervisor_signature: (!signature.is_empty()).then(|| signature.to_owned()),
            ..ProbeOptions::default()
        };
        let inventory = probe(&root, &options);
        let found = &inventory.virtualisation;
        let tokens: Vec<&str> = row["expected"]
            .split(' ')
            .filter(|t| !t.is_empty())
            .collect();
        let mut problems = Vec::new();
        if found.is_virtual != Some(!tokens.is_empty()) {
            problems.push(format!(
                "is_virtual {:?}, facts {:?}",
                found.is_virtual, found.facts
            ));
        }
        if let Some(kind) = &found.kind
            && !tokens.is_empty()
            && !tokens.contains(&kind.as_str())
        {
            problems.push(format!("kind {kind} is not among {tokens:?}"));
        }
        board.score("virtualisation", &row["case"], &problems);
    }
}

fn malformed(corpus: &Path, board: &mut Board) {
    let mut slowest = Duration::ZERO;
    for dir in directories(&corpus.join("smbios-malformed")) {
        let start = Instant::now();
        let inventory = sysroot(&dir);
        let mut problems: Vec<String> = inventory
            .warnings
            .iter()
            .filter(|warning| warning.message.raw().contains("internal error"))
            .map(|warning| warning.message.to_string())
            .collect();
        let took = start.elapsed();
        slowest = slowest.max(took);
        if took > Duration::from_secs(1) {
            problems.push(format!("took {took:?}"));
        }
        board.score("malformed tables", &dir.display().to_string(), &problems);
    }
    println!("slowest malformed table: {slowest:?}");
}

fn directories(dir: &Path) -> Vec<PathBuf> {
    let mut list: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    list.sort();
    list
}

/// RFC 4180, as far as the truth tables use it.
fn csv(path: &Path) -> Vec<Row> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut records = vec![vec![String::new()]];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let record = records.last_mut().unwrap();
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                record.last_mut().unwrap().push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(String::new()),
            '\r' if !quoted => {}
            '\n' if !quoted => records.push(vec![String::new()]),
            c => record.last_mut().unwrap().push(c),
        }
    }
    let header = records.remove(0);
    records
        .into_iter()
        .filter(|record| record.len() == header.len())
        .map(|record| header.iter().cloned().zip(record).collect())
        .collect()
}
