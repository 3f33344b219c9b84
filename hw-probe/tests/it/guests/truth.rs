//! What the other tools say, reduced to the facts that are compared.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use qemu_lab::Answers;
use serde_json::{Map, Value, json};

use super::shapes::Shape;

/// Words of `dmidecode -s`.
pub const DMI_WORDS: [&str; 16] = [
    "bios-vendor",
    "bios-version",
    "bios-release-date",
    "system-manufacturer",
    "system-product-name",
    "system-version",
    "system-serial-number",
    "system-uuid",
    "system-sku-number",
    "system-family",
    "baseboard-manufacturer",
    "baseboard-product-name",
    "baseboard-serial-number",
    "chassis-manufacturer",
    "chassis-type",
    "chassis-serial-number",
];

/// The facts: from the tools' outputs and from what QEMU was told.
pub fn reduce(shape: &Shape, answers: &Answers) -> Result<Value> {
    Ok(json!({
        "qemu": {
            "logical": shape.logical,
            "cores": shape.cores,
            "sockets": shape.sockets,
            "dies": shape.dies,
            "distances": shape.distances,
            "node_mib": shape.node_mib_with_plugged(),
            "memory_bytes": shape.memory_bytes(),
            "plugged_bytes": shape.plugged_mib << 20,
            "firmware": if shape.is_uefi() { "uefi" } else { "bios" },
            "secure_boot": shape.secure_boot,
            "setup_mode": shape.setup_mode,
            "nics": shape.nics,
            "bmc": shape.bmc,
            "disks": shape.disks(),
            "signatures": shape.signatures(),
        },
        "lscpu": lscpu(&answers.text("lscpu.json")?, &answers.text("lscpu.csv")?)?,
        "lsmem": lsmem(&answers.text("lsmem.json")?)?,
        "lsblk": lsblk(&answers.text("lsblk.json")?)?,
        "dmidecode": dmidecode(&answers.text("dmidecode-s")?),
        "dimms": dimms(&answers.text("dmidecode-17")?),
    }))
}

fn lscpu(json: &str, csv: &str) -> Result<Value> {
    fn flatten(fields: &Value, into: &mut BTreeMap<String, String>) {
        for field in fields.as_array().into_iter().flatten() {
            if let (Some(name), Some(data)) = (field["field"].as_str(), field["data"].as_str()) {
                into.insert(name.trim_end_matches(':').to_owned(), data.to_owned());
            }
            flatten(&field["children"], into);
        }
    }
    let whole: Value = serde_json::from_str(json).context("lscpu -J")?;
    let mut fields = BTreeMap::new();
    flatten(&whole["lscpu"], &mut fields);
    let mut cores = BTreeSet::new();
    let mut sockets = BTreeSet::new();
    let mut rows = 0;
    for row in csv.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = row.split(',').collect();
        rows += 1;
        cores.insert(columns.get(1).map(|&text| text.to_owned()));
        sockets.insert(columns.get(2).map(|&text| text.to_owned()));
    }
    let number = |name: &str| fields.get(name).and_then(|text| text.parse::<u64>().ok());
    let mut flags: Vec<&str> = fields
        .get("Flags")
        .map(|text| text.split_whitespace().collect())
        .unwrap_or_default();
    flags.sort_unstable();
    let nodes: Map<String, Value> = fields
        .iter()
        .filter_map(|(name, cpus)| {
            let node = name.strip_prefix("NUMA node")?.strip_suffix(" CPU(s)")?;
            Some((node.to_owned(), json!(cpus)))
        })
        .collect();
    let vulnerabilities: BTreeMap<String, &String> = fields
        .iter()
        .filter_map(|(name, status)| {
            let name = name.strip_prefix("Vulnerability ")?;
            Some((name.to_ascii_lowercase().replace(' ', "_"), status))
        })
        .collect();
    Ok(json!({
        "logical": rows,
        "cores": cores.len(),
        "sockets": sockets.len(),
        "present": number("CPU(s)"),
        "threads_per_core": number("Thread(s) per core"),
        "numa_nodes": number("NUMA node(s)"),
        "node_cpus": nodes,
        "model": fields.get("Model name"),
        "vendor": fields.get("Vendor ID"),
        "family": number("CPU family"),
        "model_number": number("Model"),
        "stepping": number("Stepping"),
        "flags": flags,
        "vulnerabilities": vulnerabilities,
    }))
}

fn lsmem(json: &str) -> Result<Value> {
    let whole: Value = serde_json::from_str(json).context("lsmem -J")?;
    let ranges = whole["memory"].as_array().context("lsmem lists memory")?;
    let online: u64 = ranges
        .iter()
        .filter(|range| range["state"] == "online")
        .filter_map(|range| range["size"].as_u64())
        .sum();
    Ok(json!({ "online_bytes": online }))
}

fn lsblk(json: &str) -> Result<Value> {
    const COLUMNS: [&str; 12] = [
        "kname", "size", "ro", "rm", "log-sec", "phy-sec", "tran", "model", "serial", "vendor",
        "wwn", "rev",
    ];
    fn flatten(devices: &Value, into: &mut BTreeMap<String, Value>) {
        for device in devices.as_array().into_iter().flatten() {
            if device["type"] != "part" {
                let mut kept: Map<String, Value> = COLUMNS
                    .iter()
                    .map(|&column| (column.to_owned(), device[column].clone()))
                    .collect();
                let used = !device["children"].is_null();
                kept.insert("used".to_owned(), json!(used));
                let partitions: Vec<Value> = device["children"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(|child| child["type"] == "part")
                    .map(|part| json!([part["kname"], part["size"]]))
                    .collect();
                kept.insert("partitions".to_owned(), json!(partitions));
                into.insert(device["kname"].as_str().unwrap().to_owned(), kept.into());
            }
            flatten(&device["children"], into);
        }
    }
    let whole: Value = serde_json::from_str(json).context("lsblk -J")?;
    let mut devices = BTreeMap::new();
    flatten(&whole["blockdevices"], &mut devices);
    Ok(json!(devices.into_values().collect::<Vec<_>>()))
}

/// Lines of a word, a tab and what `dmidecode -s` printed for it.
fn dmidecode(text: &str) -> Value {
    text.lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(word, said)| (word.to_owned(), json!(said)))
        .collect::<Map<_, _>>()
        .into()
}

/// The memory devices of `dmidecode -t 17`, in its words.
fn dimms(text: &str) -> Value {
    const FIELDS: [&str; 12] = [
        "Size",
        "Form Factor",
        "Locator",
        "Bank Locator",
        "Type",
        "Speed",
        "Configured Memory Speed",
        "Manufacturer",
        "Serial Number",
        "Part Number",
        "Rank",
        "Total Width",
    ];
    let mut devices = Vec::new();
    for block in text.split("\n\n") {
        if !block.lines().any(|line| line == "Memory Device") {
            continue;
        }
        let device: Map<String, Value> = block
            .lines()
            .filter_map(|line| line.trim_start().split_once(':'))
            .filter(|(field, _)| FIELDS.contains(field))
            .map(|(field, said)| (field.to_owned(), json!(said.trim())))
            .collect();
        devices.push(Value::from(device));
    }
    devices.into()
}
