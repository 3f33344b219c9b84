//! Drivers for what is plugged in, from power-on to the end: one thread walks the devices that are
//! there, then listens for those that come.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use crate::console::{Console, uptime};
use crate::modules::Loader;
use crate::payload::PayloadFacts;
use crate::stages::Stage;
use crate::uevent::{Heard, UeventSocket};

/// No announcement for so long: what is plugged in has been found. Slow buses are heard later.
const QUIET: Duration = Duration::from_millis(700);
/// A device that announces itself for ever must not keep the node from measuring itself.
const LONGEST_SETTLE: Duration = Duration::from_secs(15);

/// What others want to know about devices. Counters only grow; a change is the news.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Devices {
    /// Disks and partitions that came or went.
    pub block_events: u64,
    /// Network ports that came or went.
    pub net_events: u64,
    /// Everything that was plugged in at power-on has its driver.
    pub settled: bool,
}

/// Starts the thread. The receiver lives as long as the node.
pub fn start(console: Console, facts: PayloadFacts) -> watch::Receiver<Devices> {
    let (sender, devices) = watch::channel(Devices::default());
    let thread = {
        let console = console.clone();
        let watch = move || loop {
            let hotplug = Hotplug::new(console.clone(), facts.clone(), sender.clone());
            // The panic hook has said what happened; without this thread no disk is ever noticed.
            let _ = catch_unwind(AssertUnwindSafe(|| hotplug.run()));
            std::thread::sleep(QUIET);
        };
        std::thread::Builder::new()
            .name("hotplug".to_owned())
            .spawn(watch)
    };
    if let Err(error) = thread {
        console.warn(Stage::Modules, format_args!("no thread: {error}"));
    }
    devices
}

struct Hotplug {
    console: Console,
    facts: PayloadFacts,
    loader: Loader,
    devices: watch::Sender<Devices>,
    said_firmware: BTreeSet<String>,
}

impl Hotplug {
    fn new(console: Console, facts: PayloadFacts, devices: watch::Sender<Devices>) -> Self {
        Self {
            console,
            facts,
            loader: Loader::of_running_kernel(),
            devices,
            said_firmware: BTreeSet::new(),
        }
    }

    fn run(mut self) {
        // Listening starts before the walk, so that nothing falls between the two.
        let mut socket = match UeventSocket::open(QUIET) {
            Ok(socket) => Some(socket),
            Err(error) => {
                let text = format!("devices plugged in later will not be noticed: {error}");
                self.console.warn(Stage::Modules, text);
                None
            }
        };
        self.walk();
        let walked = uptime();
        loop {
            match socket.as_mut().map(UeventSocket::next) {
                Some(Heard::Event(event)) => {
                    if let ("add", Some(modalias)) = (event.action.as_str(), &event.modalias) {
                        self.load(modalias, None);
                    }
                    let came_or_went = matches!(event.action.as_str(), "add" | "remove");
                    match event.subsystem.as_str() {
                        // `change` is a medium put into a reader.
                        "block" if came_or_went || event.action == "change" => {
                            self.devices.send_modify(|d| d.block_events += 1);
                        }
                        "net" if came_or_went => {
                            self.devices.send_modify(|d| d.net_events += 1);
                        }
                        _ => {}
                    }
                }
                Some(Heard::Overrun) => self.walk(),
                Some(Heard::Silence) => self.settle(),
                None => {
                    std::thread::sleep(Duration::from_secs(2));
                    self.walk();
                    self.settle();
                }
            }
            if uptime().saturating_sub(walked) > LONGEST_SETTLE {
                self.settle();
            }
        }
    }

    fn settle(&mut self) {
        if self.devices.borrow().settled {
            return;
        }
        let text = format!(
            "{} of {} modules loaded",
            self.loader.loaded(),
            self.loader.index().len()
        );
        self.console.say(Stage::Modules, text);
        self.loader.prune();
        self.devices.send_modify(|devices| devices.settled = true);
    }

    /// Loads drivers for all devices; again when drivers brought new devices with them.
    fn walk(&mut self) {
        let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
        loop {
            let before = seen.len();
            let found = modaliases(Path::new("/sys/devices"));
            for (modalias, device) in found {
                if seen.contains_key(&modalias) {
                    continue;
                }
                self.load(&modalias, Some(&device));
                seen.insert(modalias, device);
            }
            if seen.len() == before {
                return;
            }
        }
    }

    fn load(&mut self, modalias: &str, device: Option<&Path>) {
        for error in self.loader.load(modalias) {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let text = format!("{error}: {}", cause.unwrap_or_default());
            self.console.say(Stage::Modules, text);
        }
        self.say_missing_firmware(modalias, device);
    }

    /// A card whose firmware is not in the image shows up as no card at all: name it.
    fn say_missing_firmware(&mut self, modalias: &str, device: Option<&Path>) {
        let Some(card) = crate::payload::network_card(modalias) else {
            return;
        };
        let modules = self.loader.index().resolve(modalias);
        for (module, files) in &self.facts.missing_firmware {
            let module_is_loaded = modules.contains(&module.as_str()) && self.loader.has(module);
            if !module_is_loaded || !self.said_firmware.insert(format!("{module} {card}")) {
                continue;
            }
            let place = device
                .and_then(Path::file_name)
                .map(|slot| format!(" at {}", slot.to_string_lossy()))
                .unwrap_or_default();
            let name = self.facts.device_names.get(module);
            let name = name.map_or_else(|| module.clone(), |name| format!("{name} ({module})"));
            let text = format!(
                "{name} found, firmware {} missing: if the port does not come up, rebuild the image \
                 with --firmware. It is the {card}{place}",
                files.join(", ")
            );
            self.console.warn(Stage::Modules, text);
        }
    }
}

/// All device aliases below a directory of sysfs, each with its device.
fn modaliases(root: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() {
                // Links are not followed: sysfs has circles of them.
                directories.push(entry.path());
            } else if entry.file_name() == "modalias" {
                let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
                let text = text.trim();
                if !text.is_empty() {
                    found.push((text.to_owned(), directory.clone()));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_found_at_any_depth() {
        let root = tempfile::tempdir().unwrap();
        let device = root.path().join("pci0000:00/0000:00:03.0/virtio0");
        std::fs::create_dir_all(&device).unwrap();
        std::fs::write(device.join("modalias"), "virtio:d1v2\n").unwrap();
        std::fs::write(root.path().join("pci0000:00/modalias"), "\n").unwrap();
        std::os::unix::fs::symlink(root.path(), device.join("subsystem")).unwrap();
        assert_eq!(
            modaliases(root.path()),
            [("virtio:d1v2".to_owned(), device)]
        );
    }
}
