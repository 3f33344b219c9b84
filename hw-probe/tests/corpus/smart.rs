//! Health of real disks: what `smartctl` printed of them is turned back into the blocks of data that
//! they answered with, put into the memory of a snapshot, and probed.

use std::path::Path;

use hw_probe::inventory::{Disk, HealthStatus};
use hw_probe::root::Root;
use hw_probe::{ProbeOptions, probe};
use serde_json::{Value, json};

use crate::{Board, Row, csv};

pub fn check(corpus: &Path, board: &mut Board) {
    let dir = corpus.join("smart");
    for row in csv(&dir.join("truth.csv")) {
        let text = std::fs::read_to_string(dir.join(&row["file"])).unwrap();
        let smart: Value = serde_json::from_str(&text).unwrap();
        let disk = replay(&smart, &row);
        board.score(
            "disks' health",
            &row["file"],
            &problems(&smart, &row, &disk),
        );
    }
}

/// The disk as the probe sees it when it gives these answers.
fn replay(smart: &Value, row: &Row) -> Disk {
    let tree = tempfile::tempdir().unwrap();
    let write = |path: &str, data: &str| {
        let path = tree.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, data).unwrap();
    };
    let bytes: u64 = row["bytes"].parse().unwrap_or(1 << 40);
    let (name, device) = match row["protocol"].as_str() {
        "NVMe" => ("nvme0n1", "pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1"),
        _ => (
            "sda",
            "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda",
        ),
    };
    write(
        &format!("sys/devices/{device}/size"),
        &(bytes / 512).to_string(),
    );
    std::fs::create_dir_all(tree.path().join("sys/block")).unwrap();
    let link = tree.path().join("sys/block").join(name);
    std::os::unix::fs::symlink(format!("../devices/{device}"), link).unwrap();
    let mut answers = serde_json::Map::new();
    let mut put = |question: &str, data: &[u8]| {
        let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
        answers.insert(question.to_owned(), hex.into());
    };
    match row["protocol"].as_str() {
        "NVMe" => put(
            "nvme-smart",
            &nvme_log(&smart["nvme_smart_health_information_log"]),
        ),
        "ATA" => {
            put("ata-identify", &identify(smart));
            put(
                "ata-smart-data",
                &attributes(smart, |a| (&a["flags"]["value"], &a["value"])),
            );
            put(
                "ata-smart-thresholds",
                &attributes(smart, |a| (&a["thresh"], &Value::Null)),
            );
            if let Some(passed) = smart["smart_status"]["passed"].as_bool() {
                put("ata-smart-status", &[u8::from(!passed)]);
            }
        }
        _ => {
            write(&format!("sys/devices/{device}/device/type"), "0");
            let celsius = u8::try_from(smart["temperature"]["current"].as_u64().unwrap()).unwrap();
            put("scsi-log-0d", &[0x0d, 0, 0, 6, 0, 0, 0, 2, 0, celsius]);
            let rate = u16::try_from(smart["rotation_rate"].as_u64().unwrap()).unwrap();
            let [high, low] = rate.to_be_bytes();
            let form = smart["form_factor"]["scsi_value"]
                .as_u64()
                .unwrap_or_default();
            let mut page = [0_u8; 64];
            page[..8].copy_from_slice(&[0, 0xb1, 0, 60, high, low, 0, u8::try_from(form).unwrap()]);
            put("scsi-vpd-b1", &page);
            if let Some(minutes) = smart["power_on_time"]["hours"].as_u64().map(|h| h * 60) {
                let minutes = u32::try_from(minutes).unwrap().to_be_bytes();
                put(
                    "scsi-log-15",
                    &[&[0x15, 0, 0, 8, 0, 0, 0, 4][..], &minutes].concat(),
                );
            }
        }
    }
    let path = format!("/dev/{name}");
    let memory = json!({
        "schema_version": 1, "opened": { &path: 0 }, "answers": { &path: answers }, "errors": {},
    });
    write("hw-probe/ioctl.json", &memory.to_string());
    let mut inventory = probe(&Root::at(tree.path()).unwrap(), &ProbeOptions::default());
    inventory.disks.remove(0)
}

fn problems(smart: &Value, row: &Row, disk: &Disk) -> Vec<String> {
    let mut problems = Vec::new();
    let json = serde_json::to_value(disk).unwrap();
    let class = row["class_expected"].trim_start_matches("nvme-");
    let is_kind = if class == "unknown" {
        !matches!(json["kind"].as_str(), Some("ssd"))
    } else {
        json["kind"] == class
    };
    if !is_kind {
        problems.push(format!("kind {}, not {class}", json["kind"]));
    }
    let Some(health) = &disk.health else {
        return vec!["no health".to_owned()];
    };
    let fails_now = |attribute: &Value| attribute["when_failed"] == "now";
    let attributes = smart["ata_smart_attributes"]["table"].as_array();
    let should_fail = row["smart_passed"] == "False"
        || attributes.is_some_and(|list| {
            list.iter()
                .any(|a| fails_now(a) && a["flags"]["prefailure"] == true)
        });
    if (health.status == HealthStatus::Failing) != should_fail {
        problems.push(format!(
            "{:?} {:?}, should fail: {should_fail}",
            health.status, health.reasons
        ));
    }
    // One published capture was edited by hand: its summary is not that of its own attributes.
    let printed = |id: u64| {
        let attribute = attributes?.iter().find(|attribute| attribute["id"] == id)?;
        let text = attribute["raw"]["string"].as_str()?;
        text.split(|c: char| !c.is_ascii_digit())
            .next()
            .map(str::to_owned)
    };
    let (hours, celsius) = (printed(9), printed(194));
    let is_edited = |column: &str| match column {
        "power_on_hours" => hours.as_ref().is_some_and(|n| row[column] != *n),
        "temperature_c" => celsius.as_ref().is_some_and(|n| row[column] != *n),
        _ => false,
    };
    let mut compare = |column: &str, actual: Option<i64>| {
        let expected = row[column].as_str();
        if is_edited(column) {
            println!(
                "note disks' health: {}: {column} contradicts its attribute",
                row["file"]
            );
            return;
        }
        if !expected.is_empty() && actual.map(|n| n.to_string()).as_deref() != Some(expected) {
            problems.push(format!("{column} {actual:?}, not {expected}"));
        }
    };
    compare(
        "power_on_hours",
        health.power_on_hours.map(u64::cast_signed),
    );
    compare("temperature_c", disk.temperature_celsius.map(i64::from));
    compare(
        "nvme_percentage_used",
        health
            .percentage_used
            .map(i64::from)
            .filter(|_| class == "ssd"),
    );
    let form = row["form_factor"].trim_end_matches("es");
    if !form.is_empty() && disk.form_factor.as_deref() != Some(form) {
        problems.push(format!("form factor {:?}, not {form}", disk.form_factor));
    }
    problems
}

fn nvme_log(log: &Value) -> [u8; 512] {
    let mut out = [0; 512];
    let mut put = |at: usize, length: usize, value: u64| {
        out[at..at + length].copy_from_slice(&value.to_le_bytes()[..length]);
    };
    let number = |key: &str| log[key].as_u64().unwrap_or_default();
    put(0, 1, number("critical_warning"));
    put(1, 2, number("temperature") + 273);
    put(3, 1, number("available_spare"));
    put(4, 1, number("available_spare_threshold"));
    put(5, 1, number("percentage_used"));
    put(32, 8, number("data_units_read"));
    put(48, 8, number("data_units_written"));
    put(112, 8, number("power_cycles"));
    put(128, 8, number("power_on_hours"));
    put(144, 8, number("unsafe_shutdowns"));
    put(160, 8, number("media_errors"));
    out
}

/// IDENTIFY DEVICE with SMART on, and what is known of the medium.
fn identify(smart: &Value) -> [u8; 512] {
    let mut out = [0; 512];
    let mut word = |n: usize, value: u64| {
        out[n * 2..n * 2 + 2].copy_from_slice(&u16::try_from(value).unwrap().to_le_bytes());
    };
    // smartctl prints 0 for "does not rotate", which the drive itself calls 1.
    let rate = smart["rotation_rate"].as_u64();
    word(217, rate.map_or(0, |rate| rate.max(1)));
    word(
        168,
        smart["form_factor"]["ata_value"]
            .as_u64()
            .unwrap_or_default(),
    );
    word(82, 1);
    word(83, 0x4000);
    word(85, 1);
    out
}

/// The table of attributes with the two fields given, and the raw values behind them.
fn attributes(smart: &Value, fields: impl Fn(&Value) -> (&Value, &Value)) -> [u8; 512] {
    let mut out = [0; 512];
    let table = smart["ata_smart_attributes"]["table"].as_array().unwrap();
    for (slot, attribute) in table.iter().enumerate() {
        let (first, second) = fields(attribute);
        let at = 2 + slot * 12;
        let byte = |value: &Value| u8::try_from(value.as_u64().unwrap_or_default() & 0xff).unwrap();
        out[at] = byte(&attribute["id"]);
        out[at + 1] = byte(first);
        out[at + 3] = byte(second);
        let raw = attribute["raw"]["value"]
            .as_u64()
            .unwrap_or_default()
            .to_le_bytes();
        out[at + 5..at + 11].copy_from_slice(&raw[..6]);
    }
    out
}
