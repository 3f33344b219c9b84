//! The report beside the truth. Every function looks at one area and returns what differs, in
//! words.

use std::collections::BTreeMap;

use serde_json::{Value, json};

mod details;

/// Fillers that mean "nothing was entered".
const FILLERS: [&str; 13] = [
    "",
    "Not Specified",
    "Not Available",
    "To Be Filled By O.E.M.",
    "Default string",
    "Unknown",
    "Undefined",
    "None",
    "Not Present",
    "Not Settable",
    "00000000",
    "123456789",
    "0",
];

/// What differs.
#[derive(Default)]
pub struct Differences(Vec<String>);

impl Differences {
    fn check(&mut self, what: &str, probe: &Value, other: &str, truth: &Value) {
        if probe != truth {
            self.say(format!("{what}: hw-probe {probe}, {other} {truth}"));
        }
    }

    fn say(&mut self, text: String) {
        self.0.push(text);
    }

    pub fn into_lines(self) -> Vec<String> {
        self.0
    }
}

/// Everything.
pub fn all(report: &Value, truth: &Value) -> Vec<String> {
    let mut found = Differences::default();
    processors(report, truth, &mut found);
    memory(report, truth, &mut found);
    modules(report, truth, &mut found);
    names(report, truth, &mut found);
    start(report, truth, &mut found);
    disks(report, truth, &mut found);
    verdicts(report, truth, &mut found);
    capacity(report, truth, &mut found);
    details::all(report, truth, &mut found);
    found.into_lines()
}

fn processors(report: &Value, truth: &Value, found: &mut Differences) {
    let (cpu, qemu, lscpu) = (&report["cpu"], &truth["qemu"], &truth["lscpu"]);
    for field in ["logical", "cores", "sockets"] {
        found.check(&format!("cpu.{field}"), &cpu[field], "QEMU", &qemu[field]);
    }
    let nodes = json!(qemu["distances"].as_array().unwrap().len());
    found.check("cpu.numa_nodes", &cpu["numa_nodes"], "QEMU", &nodes);
    for field in [
        "logical",
        "cores",
        "sockets",
        "numa_nodes",
        "present",
        "model",
        "vendor",
        "flags",
    ] {
        found.check(&format!("cpu.{field}"), &cpu[field], "lscpu", &lscpu[field]);
    }
}

fn memory(report: &Value, truth: &Value, found: &mut Differences) {
    let memory = &report["memory"];
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let listed: u64 = truth["dimms"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|dimm| size_bytes(dimm["Size"].as_str()?))
        .sum();
    let plugged = number(&truth["qemu"]["plugged_bytes"]);
    let given = number(&truth["qemu"]["memory_bytes"]) + plugged;
    let online = &truth["lsmem"]["online_bytes"];
    found.check(
        "online memory (the test itself)",
        online,
        "QEMU",
        &json!(given),
    );
    let (installed, usable) = (&memory["installed_bytes"], &memory["usable_bytes"]);
    if plugged == 0 {
        found.check("memory.installed_bytes", installed, "QEMU", &json!(given));
        found.check(
            "memory.installed_bytes",
            installed,
            "dmidecode",
            &json!(listed),
        );
    } else {
        // More is there than the firmware lists: at least what the kernel uses is installed.
        found.check(
            "memory.installed_bytes",
            installed,
            "memory.usable_bytes",
            usable,
        );
    }
    let lower_bound = &memory["installed_is_lower_bound"];
    let expected = json!(plugged > 0);
    found.check(
        "memory.installed_is_lower_bound",
        lower_bound,
        "QEMU",
        &expected,
    );
    // The kernel keeps some for itself, more under UEFI.
    if number(usable) > given || number(usable) < given / 100 * 85 {
        found.say(format!("memory.usable_bytes: {usable} of {given}"));
    }
}

fn modules(report: &Value, truth: &Value, found: &mut Differences) {
    let probe = report["memory"]["dimms"].as_array().unwrap();
    let told = truth["dimms"].as_array().unwrap();
    found.check(
        "number of memory.dimms",
        &json!(probe.len()),
        "dmidecode",
        &json!(told.len()),
    );
    found.check(
        "memory.slots",
        &report["memory"]["slots"],
        "dmidecode",
        &json!(told.len()),
    );
    for (index, (dimm, told)) in probe.iter().zip(told).enumerate() {
        let mut check = |field: &str, label: &str, truth: Value| {
            let what = format!("memory.dimms[{index}].{field}");
            found.check(&what, &dimm[field], &format!("dmidecode's {label}"), &truth);
        };
        let text = |label: &str| named(told[label].as_str());
        let speed = |label: &str| {
            let number = told[label].as_str()?.strip_suffix(" MT/s")?;
            number.parse::<u32>().ok()
        };
        check("slot", "Locator", text("Locator"));
        check("bank", "Bank Locator", text("Bank Locator"));
        check("manufacturer", "Manufacturer", text("Manufacturer"));
        check("serial", "Serial Number", text("Serial Number"));
        check("part_number", "Part Number", text("Part Number"));
        check(
            "size_bytes",
            "Size",
            json!(told["Size"].as_str().and_then(size_bytes)),
        );
        check("max_speed_mts", "Speed", json!(speed("Speed")));
        let configured = speed("Configured Memory Speed").or(speed("Speed"));
        check("speed_mts", "Configured Memory Speed", json!(configured));
        check("form_factor", "Form Factor", text("Form Factor"));
        // QEMU's modules are plain "RAM".
        check("kind", "Type", text("Type"));
        let rank = told["Rank"]
            .as_str()
            .and_then(|rank| rank.parse::<u32>().ok());
        check("ranks", "Rank", json!(rank));
    }
}

fn names(report: &Value, truth: &Value, found: &mut Differences) {
    for (section, field, word) in [
        ("bios", "vendor", "bios-vendor"),
        ("bios", "version", "bios-version"),
        ("bios", "date", "bios-release-date"),
        ("system", "vendor", "system-manufacturer"),
        ("system", "product", "system-product-name"),
        ("system", "version", "system-version"),
        ("system", "serial", "system-serial-number"),
        ("system", "uuid", "system-uuid"),
        ("system", "sku", "system-sku-number"),
        ("system", "family", "system-family"),
        ("board", "vendor", "baseboard-manufacturer"),
        ("board", "product", "baseboard-product-name"),
        ("board", "serial", "baseboard-serial-number"),
    ] {
        let told = named(truth["dmidecode"][word].as_str());
        found.check(
            &format!("{section}.{field}"),
            &report[section][field],
            &format!("dmidecode -s {word}"),
            &told,
        );
    }
}

fn start(report: &Value, truth: &Value, found: &mut Differences) {
    let (boot, qemu) = (&report["boot"], &truth["qemu"]);
    for field in ["firmware", "secure_boot"] {
        found.check(&format!("boot.{field}"), &boot[field], "QEMU", &qemu[field]);
    }
    let machine = &report["virtualisation"];
    found.check(
        "virtualisation.is_virtual",
        &machine["is_virtual"],
        "QEMU",
        &json!(true),
    );
    found.check(
        "virtualisation.kind",
        &machine["kind"],
        "QEMU",
        &json!("qemu"),
    );
}

fn disks(report: &Value, truth: &Value, found: &mut Differences) {
    let probe: BTreeMap<&str, &Value> = report["disks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|disk| (disk["name"].as_str().unwrap(), disk))
        .collect();
    let told = truth["lsblk"].as_array().unwrap();
    for name in probe.keys() {
        // The kernel hides the paths below a device with several of them, and so does lsblk.
        let path = name.starts_with("nvme") && name.matches('c').count() == 1;
        if !path && !told.iter().any(|device| device["kname"] == *name) {
            found.say(format!("disks: hw-probe lists {name}, lsblk does not"));
        }
    }
    for device in told {
        let name = device["kname"].as_str().unwrap();
        let Some(disk) = probe.get(name) else {
            found.say(format!("disks: lsblk lists {name}, hw-probe does not"));
            continue;
        };
        for (field, column) in [
            ("size_bytes", "size"),
            ("read_only", "ro"),
            ("removable", "rm"),
            ("logical_sector_bytes", "log-sec"),
            ("physical_sector_bytes", "phy-sec"),
        ] {
            let what = format!("disk {name}: {field}");
            found.check(&what, &disk[field], "lsblk", &device[column]);
        }
        // What lies on a disk that lsblk does not see makes it used as well.
        if device["used"] == true {
            found.check(
                &format!("disk {name}: in_use"),
                &disk["in_use"],
                "lsblk",
                &json!(true),
            );
        }
        // Without udev lsblk knows few of these; what it knows must agree.
        let known = |column: &str| {
            let text = device[column].as_str().map(str::trim)?;
            (!text.is_empty()).then_some(text)
        };
        if let Some(serial) = known("serial") {
            found.check(
                &format!("disk {name}: serial"),
                &disk["serial"],
                "lsblk",
                &json!(serial),
            );
        }
        if let Some(revision) = known("rev") {
            let what = format!("disk {name}: firmware");
            found.check(&what, &disk["firmware"], "lsblk", &json!(revision));
        }
        if let Some(transport) = known("tran") {
            let same = match disk["transport"].as_str() {
                Some("ata") => ["sata", "ata"].contains(&transport),
                Some("scsi") => transport == "spi",
                other => other == Some(transport),
            };
            if !same {
                found.check(
                    &format!("disk {name}: transport"),
                    &disk["transport"],
                    "lsblk",
                    &json!(transport),
                );
            }
        }
        if let Some(model) = known("model") {
            // The kernel cuts ATA models at 16 characters; the probe asks the disk.
            if !disk["model"]
                .as_str()
                .is_some_and(|whole| whole.contains(model))
            {
                found.check(
                    &format!("disk {name}: model"),
                    &disk["model"],
                    "lsblk",
                    &json!(model),
                );
            }
        }
    }
}

/// Kind, verdict and identity of all disks against the shape's table.
fn verdicts(report: &Value, truth: &Value, found: &mut Differences) {
    let mut probe: Vec<String> = report["disks"]
        .as_array()
        .unwrap()
        .iter()
        .map(line)
        .collect();
    probe.sort();
    let mut expected: Vec<String> = truth["qemu"]["disks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap().to_owned())
        .collect();
    expected.retain(|line| match probe.iter().position(|other| other == line) {
        Some(index) => {
            probe.remove(index);
            false
        }
        None => true,
    });
    for line in expected {
        found.say(format!("disks: missing  {line}"));
    }
    for line in probe {
        found.say(format!("disks: not expected  {line}"));
    }
}

/// What the grid counts, from the shape's table and lscpu.
fn capacity(report: &Value, truth: &Value, found: &mut Differences) {
    let (capacity, lscpu) = (&report["capacity"], &truth["lscpu"]);
    let sum = |kinds: &[&str]| -> Value {
        let lines = truth["qemu"]["disks"].as_array().unwrap().iter();
        let bytes = lines.filter_map(|line| {
            let mut words = line.as_str()?.split(' ').skip(1);
            let (bytes, kind, verdict) = (words.next()?, words.nth(1)?, words.next()?);
            let counts = kinds.contains(&kind) && verdict == "counted";
            counts.then(|| bytes.parse::<u64>().unwrap())
        });
        json!(bytes.sum::<u64>())
    };
    let usable = &report["memory"]["usable_bytes"];
    let present = &capacity["installed"]["cru"];
    found.check("capacity.cru", &capacity["cru"], "lscpu", &lscpu["logical"]);
    found.check(
        "capacity.installed.cru",
        present,
        "lscpu",
        &lscpu["present"],
    );
    found.check(
        "capacity.mru_bytes",
        &capacity["mru_bytes"],
        "usable",
        usable,
    );
    // As Zero-OS does, a hypervisor's disk of unknown medium counts as SSD.
    for (field, kinds) in [
        ("sru_bytes", &["ssd", "unknown-vm"][..]),
        ("hru_bytes", &["hdd"]),
    ] {
        let what = format!("capacity.{field}");
        found.check(&what, &capacity[field], "QEMU", &sum(kinds));
    }
}

/// A disk in the form of `Shape::disks`.
fn line(disk: &Value) -> String {
    let name = disk["name"].as_str().unwrap();
    // sda, sr0, nvme0n1, nvme0c1n1, dm-0, mmcblk0
    let base = match name {
        name if name.starts_with("sd") || name.starts_with("vd") => &name[..2],
        name if name.starts_with("nvme") && name.contains('c') => "nvme-path",
        name => name.split(|c: char| c.is_ascii_digit()).next().unwrap(),
    };
    let verdict = match disk["reason"].as_str() {
        None if disk["counted"] == true => "counted",
        None => "nothing",
        Some(reason) => reason,
    };
    let mut text = format!(
        "{base} {} {} {} {verdict}",
        disk["size_bytes"],
        disk["transport"].as_str().unwrap_or("-"),
        disk["kind"].as_str().unwrap_or("-"),
    );
    for (label, field) in [("serial", "serial"), ("wwn", "wwn")] {
        if let Some(value) = disk[field].as_str() {
            let value = value.split_whitespace().collect::<Vec<_>>().join("~");
            text.push_str(&format!(" {label}={value}"));
        }
    }
    if let Some(rpm) = disk["rotation_rpm"].as_u64() {
        text.push_str(&format!(" rpm={rpm}"));
    }
    text
}

/// A text of dmidecode's, `null` where it is a filler.
fn named(text: Option<&str>) -> Value {
    match text.map(str::trim) {
        Some(text) if !FILLERS.contains(&text) => json!(text),
        _ => Value::Null,
    }
}

/// Sizes as dmidecode writes them.
fn size_bytes(text: &str) -> Option<u64> {
    if text == "No Module Installed" {
        return Some(0);
    }
    let (number, unit) = text.split_once(' ')?;
    let shift = match unit {
        "kB" => 10,
        "MB" => 20,
        "GB" => 30,
        "TB" => 40,
        _ => return None,
    };
    Some(number.parse::<u64>().ok()? << shift)
}
