//! Measuring the machine, once at the start and again when disks come or go.

use std::collections::BTreeMap;
use std::time::Duration;

use hw_probe::capacity::Capacity;
use hw_probe::inventory::{DiskKind as Kind, Inventory};
use hw_probe::overrides::{DiskOverride, DiskOverrides, VouchedKind};
use hw_probe::root::Root;
use hw_probe::units::Bytes;
use hw_probe::{ProbeOptions, probe};
use node_config::{DiskKind, DiskWord};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::console::Console;
use crate::hotplug::Devices;
use crate::stages::Stage;

/// Disks come in bursts (a shelf is switched on).
const BURST: Duration = Duration::from_secs(3);
const GIB: f64 = 1_073_741_824.0;

/// What was measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// What the machine is.
    pub inventory: Inventory,
    /// What the grid counts of it.
    pub capacity: Capacity,
}

/// What is known of the disks before they are looked at.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The disk the node was started from: it is not capacity.
    pub boot_disk: Option<String>,
    /// The farmer's word on disks.
    pub disks: DiskOverrides,
}

/// The words of the settings as the probe takes them.
#[must_use]
pub fn overrides(words: &BTreeMap<String, DiskWord>) -> DiskOverrides {
    let mut overrides = DiskOverrides::default();
    for (name, word) in words {
        let kind = word.kind.map(|kind| match kind {
            DiskKind::Ssd => VouchedKind::Ssd,
            DiskKind::Hdd => VouchedKind::Hdd,
        });
        let ignore = word.ignore;
        overrides.insert(name, DiskOverride { kind, ignore });
    }
    overrides
}

/// Runs for ever: publishes a new measurement whenever the capacity has changed.
pub async fn run(
    console: Console,
    mut devices: watch::Receiver<Devices>,
    told: Told,
    results: watch::Sender<Option<Measured>>,
) {
    if devices.wait_for(|devices| devices.settled).await.is_err() {
        return;
    }
    loop {
        let seen = devices.borrow_and_update().block_events;
        let told = told.clone();
        match tokio::task::spawn_blocking(move || measure(told)).await {
            Ok(Ok(measured)) => {
                let is_new = results
                    .borrow()
                    .as_ref()
                    .is_none_or(|known| known.capacity != measured.capacity);
                if is_new {
                    console.say(Stage::Probe, words(&measured));
                    results.send_replace(Some(measured));
                }
            }
            Ok(Err(error)) => console.warn(Stage::Probe, error),
            Err(error) => console.warn(Stage::Probe, format_args!("internal error: {error}")),
        }
        let news = devices.wait_for(|devices| devices.block_events != seen);
        if news.await.is_err() {
            return;
        }
        while let Ok(Ok(())) = timeout(BURST, devices.changed()).await {}
    }
}

fn measure(told: Told) -> Result<Measured, String> {
    let root = Root::live().map_err(|error| crate::words::chain(&error))?;
    let options = ProbeOptions {
        boot_medium_disk: told.boot_disk,
        overrides: told.disks,
        ..ProbeOptions::default()
    };
    let inventory = probe(&root, &options);
    let capacity = Capacity::as_zero_os(&inventory);
    Ok(Measured {
        inventory,
        capacity,
    })
}

/// One line for each disk.
pub fn show_disks(console: &Console, measured: &Measured) {
    for disk in &measured.inventory.disks {
        let model = disk
            .model
            .as_ref()
            .map_or_else(String::new, |model| format!(" {model}"));
        let size = disk.size_bytes.unwrap_or(Bytes(0));
        let kind = match disk.kind {
            Kind::Ssd => "SSD",
            Kind::Hdd => "HDD",
            Kind::Optical => "optical drive",
            _ => "other",
        };
        let counted = if disk.counted { "" } else { ", not counted" };
        let text = format!(
            "disk {}:{model}, {} GiB, {kind}{counted}",
            disk.name,
            gib(size)
        );
        console.say(Stage::Probe, text);
    }
}

fn words(measured: &Measured) -> String {
    let Measured {
        inventory,
        capacity,
    } = measured;
    let counted = inventory.disks.iter().filter(|disk| disk.counted).count();
    let plural = if counted == 1 { "" } else { "s" };
    let machine = match inventory.virtualisation.is_virtual {
        Some(true) => "virtual machine",
        Some(false) => "bare metal",
        None => "machine",
    };
    format!(
        "{machine}: {} CPU threads, {} GiB memory, {counted} disk{plural} ({} GiB SSD, {} GiB HDD)",
        capacity.cru,
        gib(capacity.mru_bytes),
        gib(capacity.sru_bytes),
        gib(capacity.hru_bytes),
    )
}

#[expect(clippy::cast_precision_loss, reason = "one decimal of a GiB is shown")]
fn gib(bytes: Bytes) -> String {
    format!("{:.1}", bytes.0 as f64 / GIB)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hw_probe::inventory::{Disk, Virtualisation};

    #[test]
    fn the_machine_in_one_line() {
        let inventory = Inventory {
            disks: vec![Disk {
                counted: true,
                ..Disk::default()
            }],
            virtualisation: Virtualisation {
                is_virtual: Some(true),
                ..Virtualisation::default()
            },
            ..Inventory::default()
        };
        let capacity = Capacity {
            cru: 4,
            mru_bytes: Bytes(2 << 30),
            sru_bytes: Bytes(120 << 30),
            hru_bytes: Bytes(0),
        };
        let text = words(&Measured {
            inventory,
            capacity,
        });
        assert_eq!(
            text,
            "virtual machine: 4 CPU threads, 2.0 GiB memory, 1 disk (120.0 GiB SSD, 0.0 GiB HDD)"
        );
    }
}
