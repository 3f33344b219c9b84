//! What only some machines have, and what lies deeper.

use serde_json::{Value, json};

use super::{Differences, named};

/// Compares all of it.
pub fn all(report: &Value, truth: &Value, found: &mut Differences) {
    processor(report, truth, found);
    numa(report, truth, found);
    vulnerabilities(report, truth, found);
    chassis(report, truth, found);
    controllers(report, truth, found);
    nics(report, truth, found);
    content_and_health(report, truth, found);
    let (probe, qemu) = (&report["boot"]["setup_mode"], &truth["qemu"]["setup_mode"]);
    found.check("boot.setup_mode", probe, "QEMU", qemu);
    let (probe, qemu) = (&report["cpu"]["dies"], &truth["qemu"]["dies"]);
    found.check("cpu.dies", probe, "QEMU", qemu);
}

fn processor(report: &Value, truth: &Value, found: &mut Differences) {
    let (cpu, lscpu) = (&report["cpu"], &truth["lscpu"]);
    for field in ["family", "model_number", "stepping"] {
        found.check(&format!("cpu.{field}"), &cpu[field], "lscpu", &lscpu[field]);
    }
    // lscpu divides; the probe counts the fullest core. They differ where threads are offline.
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let even = number(&lscpu["cores"]) * number(&lscpu["threads_per_core"]);
    if even == number(&lscpu["logical"]) {
        let (probe, other) = (&cpu["threads_per_core"], &lscpu["threads_per_core"]);
        found.check("cpu.threads_per_core", probe, "lscpu", other);
    }
}

fn numa(report: &Value, truth: &Value, found: &mut Differences) {
    let qemu = &truth["qemu"];
    let nodes = report["cpu"]["numa"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let distances: Vec<&Value> = nodes.iter().map(|node| &node["distances"]).collect();
    found.check(
        "cpu.numa[].distances",
        &json!(distances),
        "QEMU",
        &qemu["distances"],
    );
    for (node, mib) in nodes.iter().zip(qemu["node_mib"].as_array().unwrap()) {
        let id = &node["id"];
        let cpus = &truth["lscpu"]["node_cpus"][id.to_string()];
        // lscpu has an empty string, or nothing, for a node of memory only.
        let cpus = cpus.as_str().unwrap_or_default();
        found.check(
            &format!("cpu.numa[{id}].cpus"),
            &json!(members(node["cpus"].as_str().unwrap_or_default())),
            "lscpu",
            &json!(members(cpus)),
        );
        let given = mib.as_u64().unwrap() << 20;
        let memory = node["memory_bytes"].as_u64().unwrap_or(0);
        // The kernel's own part lies on one node and may be a good part of it.
        if memory > given || memory < given / 100 * 70 {
            found.say(format!("cpu.numa[{id}].memory_bytes: {memory} of {given}"));
        }
    }
}

/// The kernel's list format: two processors are `0-1` to it and `0,1` to lscpu.
fn members(list: &str) -> Vec<u32> {
    let parts = list.split(',').filter(|part| !part.is_empty());
    parts
        .flat_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap()
        })
        .collect()
}

fn vulnerabilities(report: &Value, truth: &Value, found: &mut Differences) {
    let probe: serde_json::Map<String, Value> = report["cpu"]["vulnerabilities"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| {
            (
                one["name"].as_str().unwrap().to_owned(),
                one["status"].clone(),
            )
        })
        .collect();
    // lscpu writes `Mitigation; X` where the kernel writes `Mitigation: X`, and leaves others out.
    let plain = |map: &Value| {
        let map = map.as_object().cloned().unwrap_or_default();
        let text = |status: &Value| status.as_str().unwrap_or_default().replace([';', ':'], "");
        map.into_iter()
            .map(|(name, status)| (name, json!(text(&status))))
            .collect::<serde_json::Map<_, _>>()
    };
    found.check(
        "cpu.vulnerabilities",
        &json!(plain(&probe.into())),
        "lscpu",
        &json!(plain(&truth["lscpu"]["vulnerabilities"])),
    );
}

fn chassis(report: &Value, truth: &Value, found: &mut Differences) {
    for (field, word) in [
        ("vendor", "chassis-manufacturer"),
        ("serial", "chassis-serial-number"),
    ] {
        let told = named(truth["dmidecode"][word].as_str());
        found.check(
            &format!("chassis.{field}"),
            &report["chassis"][field],
            word,
            &told,
        );
    }
}

fn controllers(report: &Value, truth: &Value, found: &mut Differences) {
    let (bmc, tpm) = (&report["bmc"], &report["tpm"]);
    let given = &truth["qemu"]["bmc"];
    if given.is_null() {
        // Nobody may be sure that there is none, but nobody may find one.
        if bmc["present"] == true {
            found.say(format!("bmc: hw-probe {bmc}, QEMU has none"));
        }
    } else {
        found.check("bmc.present", &bmc["present"], "QEMU", &json!(true));
        found.check("bmc.interface", &bmc["interface"], "QEMU", given);
    }
    if tpm["present"] == true {
        found.say(format!("tpm: hw-probe {tpm}, QEMU has none"));
    }
}

fn nics(report: &Value, truth: &Value, found: &mut Differences) {
    let mut probe: Vec<Value> = report["nics"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|nic| nic["kind"] != "loopback")
        .map(|nic| json!([nic["driver"], nic["permanent_mac"], nic["pci_address"]]))
        .collect();
    probe.sort_by_key(|nic| nic[2].to_string());
    let mut given = truth["qemu"]["nics"].as_array().unwrap().clone();
    given.sort_by_key(|nic| nic[2].to_string());
    found.check(
        "nics[] driver, permanent_mac, pci_address",
        &json!(probe),
        "QEMU",
        &json!(given),
    );
}

fn content_and_health(report: &Value, truth: &Value, found: &mut Differences) {
    for disk in report["disks"].as_array().unwrap() {
        let name = &disk["name"];
        // QEMU's NVMe disks are at 323 K and well; its SCSI and ATA disks are not worth asking.
        if disk["transport"] == "nvme" && disk["counted"] == true {
            found.check(
                &format!("disk {name}: health.status"),
                &disk["health"]["status"],
                "QEMU",
                &json!("ok"),
            );
            found.check(
                &format!("disk {name}: temperature"),
                &disk["temperature_celsius"],
                "QEMU",
                &json!(50),
            );
        }
        if disk["counted"] != true {
            continue;
        }
        let partitions: Value = match disk["partitions"].as_array() {
            Some(list) => list
                .iter()
                .map(|part| json!([part["name"], part["size_bytes"]]))
                .collect(),
            None => Value::Null,
        };
        let listed = truth["lsblk"].as_array().unwrap();
        if let Some(device) = listed.iter().find(|device| device["kname"] == *name) {
            let what = format!("disk {name}: partitions");
            found.check(&what, &partitions, "lsblk", &device["partitions"]);
        }
        let expected: Vec<&Value> = truth["qemu"]["signatures"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|signature| signature[0] == disk["size_bytes"])
            .map(|signature| &signature[1])
            .collect();
        let kinds: Value = match disk["signatures"].as_array() {
            Some(list) => list.iter().map(|one| one["kind"].clone()).collect(),
            None => Value::Null,
        };
        found.check(
            &format!("disk {name}: signatures"),
            &kinds,
            "the test",
            &json!(expected),
        );
    }
}
