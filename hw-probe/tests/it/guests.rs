//! `hw-probe` beside `lscpu`, `lsblk`, `lsmem` and `dmidecode` in emulated machines of many shapes.
//!
//! The quick set boots six machines; `FARMER_TEST_FULL=1` boots all, `FARMER_GUESTS=NAME,NAME` those.
//! `FARMER_FIXTURES=write` writes the snapshots and truths of the quick set to `tests/fixtures`, which is due when the probe reads more than it did.
//! `FARMER_KEEP_ANSWERS=DIR` keeps what the tools printed.

#![cfg(feature = "cli")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test has no settings module; the patience with a guest is measured in real time"
)]

mod compare;
mod shapes;
mod truth;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use qemu_lab::{Answers, Errand, Machine, Toolbox};
use serde_json::{Value, json};

use super::fixtures;
use shapes::{FURTHER, PARTITIONED, QUICK, Shape};

const PROBE: &str = env!("CARGO_BIN_EXE_hw-probe");
/// A boot takes ten seconds on an idle host; hosts are not always idle.
const PATIENCE: Duration = Duration::from_secs(300);

/// What runs in every guest once its drives are there.
const SCRIPT: &str = r#"
uname -r >kernel
hw-probe --mount-efivars -o json --out report.json 2>report.err
hw-probe --mount-efivars snapshot snapshot.tar.zst >snapshot.out 2>&1
lscpu -J >lscpu.json 2>lscpu.err
lscpu -p=CPU,CORE,SOCKET,NODE >lscpu.csv
lsblk -J -O -b -a >lsblk.json 2>lsblk.err
lsmem -J -b -a >lsmem.json 2>lsmem.err
dmidecode -t 17 >dmidecode-17
for word in @WORDS@; do
    printf '%s\t%s\n' "$word" "$(dmidecode -s $word)"
done >dmidecode-s
"#;

/// What one machine gave.
struct Findings {
    report: Value,
    replayed: Value,
    truth: Value,
}

fn is_set(name: &str, value: &str) -> bool {
    std::env::var_os(name).is_some_and(|set| set == value)
}

fn writes_fixtures() -> bool {
    is_set("FARMER_FIXTURES", "write")
}

/// Every machine is booted once and looked at by several tests.
static FINDINGS: LazyLock<Vec<(&str, Result<Findings>)>> = LazyLock::new(|| {
    let full = is_set("FARMER_TEST_FULL", "1");
    let only = std::env::var("FARMER_GUESTS").unwrap_or_default();
    let further = FURTHER.iter().filter(|_| full || !only.is_empty());
    let wanted: Vec<&Shape> = QUICK
        .iter()
        .chain(further)
        .filter(|shape| only.is_empty() || only.split(',').any(|name| name == shape.name))
        .collect();
    let count = only.split(',').filter(|name| !name.is_empty()).count();
    if !only.is_empty() && wanted.len() != count {
        let error = anyhow::anyhow!("a name in FARMER_GUESTS={only} is no machine's");
        return vec![("FARMER_GUESTS", Err(error))];
    }
    let programs = [PROBE, "dmidecode", "lscpu", "lsblk", "lsmem", "dmsetup"];
    let toolbox = match Toolbox::new(&programs.map(Path::new)) {
        Ok(toolbox) => toolbox,
        Err(error) => return vec![("the toolbox", Err(error))],
    };
    let todo = Mutex::new(wanted.into_iter());
    let done = Mutex::new(Vec::new());
    // As many guests at once as there are cores: more would only wait for each other.
    let workers = std::env::var("FARMER_TEST_THREADS")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let Some(shape) = todo.lock().unwrap().next() else {
                        break;
                    };
                    let result = boot(&toolbox, shape);
                    done.lock().unwrap().push((shape.name, result));
                }
            });
        }
    });
    done.into_inner().unwrap()
});

fn boot(toolbox: &Toolbox, shape: &'static Shape) -> Result<Findings> {
    let work = tempfile::tempdir()?;
    let mut machine = Machine::new(shape.firmware);
    machine.machine_type = shape.machine_type;
    machine.cpus = shape.logical;
    machine.memory_mib = shape.node_mib.iter().sum();
    let place = work.path().display().to_string();
    for argument in shape.arguments {
        let (option, value) = argument.split_once(' ').context("an option has a value")?;
        machine.extra.push(option.into());
        machine.extra.push(value.replace("{dir}", &place).into());
    }
    for (index, drive) in shape.drives.iter().enumerate() {
        let mut description = format!("if=none,id=d{index}");
        if !drive.image.is_empty() {
            let image = work.path().join(drive.image);
            std::fs::File::create(&image)?.set_len(drive.kib * 1024)?;
            if drive.image == PARTITIONED {
                partition(&image)?;
            }
            let image = image.display();
            description.push_str(&format!(",format=raw,file.locking=off,file={image}"));
        }
        if !drive.options.is_empty() {
            description.push_str(&format!(",{}", drive.options));
        }
        let device = format!("{},drive=d{index}", drive.device);
        for text in ["-drive", &description, "-device", &device] {
            machine.extra.push(text.into());
        }
    }
    // The floppy's driver is loaded by hand, and a second path to an NVMe disk is no disk.
    let waits = |drive: &&shapes::Drive| !drive.found.is_empty() && !drive.found.starts_with("fd");
    let hardware = shape.drives.iter().filter(waits).count();
    let script = format!(
        "disks {hardware}\n{}\n{}",
        shape.prepare,
        SCRIPT.replace("@WORDS@", &truth::DMI_WORDS.join(" "))
    );
    let errand = Errand {
        command_line: shape.command_line,
        script: &script,
        patience: PATIENCE,
    };
    let answers = toolbox.run(shape.name, &machine, &errand)?;
    if let Some(keep) = std::env::var_os("FARMER_KEEP_ANSWERS") {
        let keep = PathBuf::from(keep).join(shape.name);
        std::fs::create_dir_all(&keep)?;
        Command::new("cp")
            .arg("-rT")
            .arg(answers.path())
            .arg(&keep)
            .status()?;
    }
    let parse = |name: &str| -> Result<Value> {
        let text = answers.text(name)?;
        let said = answers.text("report.err").unwrap_or_default();
        serde_json::from_str(&text).with_context(|| format!("{name}: {text}{said}"))
    };
    let report = parse("report.json")?;
    let truth = truth::reduce(shape, &answers)?;
    let replayed = replay(&answers.path().join("snapshot.tar.zst"))?;
    if writes_fixtures() && QUICK.iter().any(|quick| quick.name == shape.name) {
        keep(shape, toolbox, &answers, &truth)?;
    }
    Ok(Findings {
        report,
        replayed,
        truth,
    })
}

/// An EFI partition of 8 MiB with its file system, and the rest for data.
fn partition(image: &Path) -> Result<()> {
    let run = |program: &str, arguments: &[&str]| -> Result<()> {
        let mut command = Command::new(program);
        let output = command.args(arguments).output();
        let output =
            output.with_context(|| format!("starting {program} (scripts/test installs it)"))?;
        if !output.status.success() {
            bail!("{program}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    };
    let image = image.to_str().context("a path of ours is text")?;
    let table = "--clear --new=1:2048:+8M --typecode=1:EF00 --change-name=1:EFI \
                 --new=2:0:0 --change-name=2:data";
    let mut words: Vec<&str> = table.split_ascii_whitespace().collect();
    words.push(image);
    run("sgdisk", &words)?;
    run("mkfs.vfat", &["--offset=2048", "-n", "ESP", image, "8192"])
}

/// The report of a snapshot.
fn replay(snapshot: &Path) -> Result<Value> {
    let output = Command::new(PROBE)
        .args(["-o", "json", "--sysroot"])
        .arg(snapshot)
        .output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Writes a machine's fixture.
fn keep(shape: &Shape, toolbox: &Toolbox, answers: &Answers, truth: &Value) -> Result<()> {
    let tree = tempfile::tempdir()?;
    let status = Command::new("tar")
        .args(["--zstd", "-xf"])
        .arg(answers.path().join("snapshot.tar.zst"))
        .arg("-C")
        .arg(tree.path())
        .status()
        .context("starting tar")?;
    if !status.success() {
        bail!("tar --zstd: {status} (Debian: apt-get install zstd)");
    }
    let version = Command::new("qemu-system-x86_64")
        .arg("--version")
        .output()?;
    let version = String::from_utf8_lossy(&version.stdout);
    let mut text = format!(
        "# {}: snapshot taken in a guest.\n# {}\n# Kernel: {}\n# -machine {} ({:?})\n",
        shape.name,
        version.lines().next().unwrap_or_default(),
        toolbox.kernel_package(),
        shape.machine_type,
        shape.firmware,
    );
    for argument in shape.arguments {
        text.push_str(&format!("# {argument}\n"));
    }
    for drive in shape.drives {
        text.push_str(&format!("# -device {} ({} KiB)\n", drive.device, drive.kib));
    }
    for line in shape.prepare.lines().chain([shape.command_line]) {
        text.push_str(&format!("# {line}\n"));
    }
    text.push_str(&fixtures::pack(tree.path()));
    let place = |extension: &str| fixtures::dir().join(format!("{}.{extension}", shape.name));
    std::fs::write(place("txt"), text)?;
    std::fs::write(place("json"), serde_json::to_string_pretty(truth)? + "\n")?;
    Ok(())
}

/// The report of a fixture, and its truth.
fn kept(shape: &Shape) -> Result<(Value, Value)> {
    let place = |extension: &str| fixtures::dir().join(format!("{}.{extension}", shape.name));
    let read = |path: PathBuf| {
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    };
    let tree = tempfile::tempdir()?;
    fixtures::unpack(&read(place("txt"))?, tree.path());
    let truth = serde_json::from_str(&read(place("json"))?)?;
    Ok((replay(tree.path())?, truth))
}

/// Runs a comparison over every booted machine, as it was seen live and as its snapshot replays,
/// and over every fixture.
fn everywhere(compare: impl Fn(&Value, &Value) -> Vec<String>) {
    let mut text = String::new();
    let mut section = |name: String, lines: Vec<String>| {
        if !lines.is_empty() {
            text.push_str(&format!("{name}:\n  {}\n", lines.join("\n  ")));
        }
    };
    for (name, result) in FINDINGS.iter() {
        match result {
            Ok(findings) => {
                let live = compare(&findings.report, &findings.truth);
                section(format!("{name}, live"), live);
                let replayed = compare(&findings.replayed, &findings.truth);
                section(format!("{name}, its snapshot"), replayed);
            }
            Err(error) => section((*name).to_owned(), vec![format!("{error:#}")]),
        }
    }
    for shape in QUICK {
        let lines = match kept(shape) {
            Ok((report, truth)) => compare(&report, &truth),
            Err(error) => vec![format!("{error:#} (FARMER_FIXTURES=write makes it)")],
        };
        section(format!("{}, fixture", shape.name), lines);
    }
    assert!(text.is_empty(), "\n{text}");
}

#[test]
fn machines_are_what_other_tools_say_they_are() {
    everywhere(compare::all);
}

/// What lsblk cannot tell without udev: names, and what lies on partitions.
#[test]
fn partitions_are_read_off_the_disk() {
    let (report, _) = kept(&QUICK[0]).unwrap();
    let mut disks = report["disks"].as_array().unwrap().iter();
    let disk = disks.find(|disk| disk["serial"] == "HDD-7200").unwrap();
    let partitions = disk["partitions"].as_array().unwrap();
    assert_eq!(partitions.len(), 2, "{disk:#}");
    let [first, second] = [&partitions[0], &partitions[1]];
    assert_eq!(
        (&first["label"], &second["label"]),
        (&json!("EFI"), &json!("data"))
    );
    assert_eq!(first["start_bytes"], 1 << 20);
    assert_eq!(first["size_bytes"], 8 << 20);
    assert_eq!(first["signatures"][0]["kind"], "vfat");
    assert_eq!(first["signatures"][0]["label"], "ESP");
    assert_eq!(second["signatures"], json!([]));
    assert_eq!(first["uuid"].as_str().unwrap().len(), 36);
    let name = disk["name"].as_str().unwrap();
    let words = json!([
        "gpt",
        format!("vfat on {name}1"),
        format!("partition {name}2")
    ]);
    assert_eq!(disk["used_by"], words);
}

/// A comparison that never finds anything would pass as well.
#[test]
fn a_wrong_report_is_noticed() {
    let (report, truth) = kept(&QUICK[0]).unwrap();
    assert_eq!(compare::all(&report, &truth), Vec::<String>::new());
    let list = report["disks"].as_array().unwrap();
    let index = list.iter().position(|disk| disk["serial"] == "HDD-7200");
    let first = format!("/disks/{}", index.unwrap());
    let name = list[index.unwrap()]["name"].as_str().unwrap();
    let not_listed = format!("lsblk lists {name}, hw-probe does not");
    for (place, wrong, named) in [
        ("/cpu/cores", json!(3), "cpu.cores: hw-probe 3, QEMU 2"),
        ("/cpu/numa_nodes", json!(null), "cpu.numa_nodes"),
        (
            "/memory/installed_bytes",
            json!(1 << 20),
            "memory.installed_bytes",
        ),
        (
            "/memory/usable_bytes",
            json!(1 << 31),
            "memory.usable_bytes",
        ),
        (
            "/memory/dimms/0/serial",
            json!("D-2"),
            "memory.dimms[0].serial",
        ),
        ("/memory/dimms", json!([]), "number of memory.dimms"),
        ("/board/serial", json!("Default string"), "board.serial"),
        ("/boot/secure_boot", json!(true), "boot.secure_boot"),
        ("/virtualisation/is_virtual", json!(false), "is_virtual"),
        (
            "{disk}/serial",
            json!("OTHER"),
            "missing  sd 67108864 ata hdd",
        ),
        (
            "{disk}/size_bytes",
            json!(1),
            "size_bytes: hw-probe 1, lsblk",
        ),
        (
            "{disk}/name",
            json!("sdz"),
            "hw-probe lists sdz, lsblk does not",
        ),
        ("{disk}/counted", json!(false), "not expected  sd"),
        ("/capacity/hru_bytes", json!(0), "capacity.hru_bytes"),
        ("/disks", json!([]), not_listed.as_str()),
    ] {
        let mut changed = report.clone();
        let place = place.replace("{disk}", &first);
        *changed.pointer_mut(&place).unwrap() = wrong;
        let lines = compare::all(&changed, &truth);
        assert!(
            lines.iter().any(|line| line.contains(named)),
            "{place}: {lines:?}"
        );
    }
}

#[test]
fn fixtures_are_small() {
    if writes_fixtures() {
        // They are there when the machines have been booted.
        LazyLock::force(&FINDINGS);
    }
    let mut total = 0;
    for shape in QUICK {
        let size = ["txt", "json"].map(|extension| {
            let path = fixtures::dir().join(format!("{}.{extension}", shape.name));
            std::fs::metadata(&path).unwrap_or_else(|error| {
                panic!(
                    "{}: {error} (FARMER_FIXTURES=write makes it)",
                    path.display()
                )
            })
        });
        assert!(size[0].len() < 200_000, "{} is too large", shape.name);
        total += size[0].len() + size[1].len();
    }
    assert!(total < 1_000_000, "{total} bytes of fixtures");
}
