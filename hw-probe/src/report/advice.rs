//! What a farmer should know or do about a machine.

mod disks;

use serde::{Deserialize, Serialize};

use super::{ClockCheck, ReportOptions};
use crate::capacity::CapacityViews;
use crate::chain::{AdmissionFailure, MIN_MRU_BYTES, MIN_SRU_BYTES, admission_failures};
use crate::cloud_units::{CloudUnits, CuLimit, Micro};
use crate::inventory::{DiskKind, Inventory, NicKind, Transport};
use crate::planning::{Part, Upgrade};
use crate::text::Untrusted;

/// How much an advice matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The grid refuses the node or pays nothing.
    Problem,
    /// Capacity is lost.
    Warning,
    /// Good to know.
    #[default]
    #[serde(other)]
    Info,
}

/// One advice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Advice {
    /// Stable name for programs, such as `sru-below-minimum`.
    pub code: String,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence for people; may quote device names.
    pub message: Untrusted,
}

/// The chain refuses uptime reports whose time is further off.
const CLOCK_TOLERANCE_SECONDS: u64 = 60;
/// From this speed farmers report trouble with drivers.
const FAST_NIC_MBPS: u32 = 10_000;

pub(super) struct Adviser(Vec<Advice>);

impl Adviser {
    fn say(&mut self, severity: Severity, code: &str, message: impl Into<String>) {
        self.0.push(Advice {
            code: code.to_owned(),
            severity,
            message: Untrusted::new(message),
        });
    }
}

pub(super) fn advise(
    inventory: &Inventory,
    capacity: &CapacityViews,
    upgrades: &[Upgrade],
    options: &ReportOptions,
) -> Vec<Advice> {
    let mut adviser = Adviser(Vec::new());
    admission(&mut adviser, inventory, capacity);
    disks::advise(&mut adviser, inventory);
    firmware(&mut adviser, inventory);
    network(&mut adviser, inventory);
    if let Some(clock) = options.clock {
        clock_off(&mut adviser, clock);
    }
    limits(&mut adviser, capacity, upgrades);
    adviser.0
}

/// What makes the grid refuse the node or pay it nothing.
fn admission(adviser: &mut Adviser, inventory: &Inventory, capacity: &CapacityViews) {
    for failure in admission_failures(&capacity.zero_os) {
        match failure {
            AdmissionFailure::Sru => adviser.say(
                Severity::Problem,
                "sru-below-minimum",
                format!(
                    "the grid wants at least {MIN_SRU_BYTES} of SSD, this machine has {}",
                    capacity.zero_os.sru_bytes
                ),
            ),
            AdmissionFailure::Mru => adviser.say(
                Severity::Problem,
                "mru-below-minimum",
                format!(
                    "the grid wants at least {MIN_MRU_BYTES} of memory, this machine has {}",
                    capacity.zero_os.mru_bytes
                ),
            ),
            AdmissionFailure::Cru => {
                adviser.say(Severity::Problem, "cru-unknown", "no processor was found");
            }
        }
    }
    if capacity.zero_os.sru_bytes.0 == 0 {
        let text = if capacity.zero_os.hru_bytes.0 == 0 {
            "no disk counts: Zero-OS fails to register with \"no disks\""
        } else {
            "no SSD counts: Zero-OS has no place for its cache and fails with \"no disks\" unless \
             it is started with the kernel argument missing-ssd"
        };
        adviser.say(Severity::Problem, "no-disks", text);
    }
    if inventory.cpu.hardware_virtualisation == Some(false) {
        adviser.say(
            Severity::Problem,
            "no-hardware-virtualisation",
            "the processor offers no hardware virtualisation: switch on VT-x or SVM in the \
             firmware setup",
        );
    }
    if inventory.virtualisation.is_virtual == Some(true) {
        adviser.say(
            Severity::Problem,
            "virtual-machine",
            "this is a virtual machine or container: the grid pays it nothing",
        );
    }
}

/// What the firmware's setup should be changed to.
fn firmware(adviser: &mut Adviser, inventory: &Inventory) {
    let has_class = |prefix: &str| {
        inventory.pci.iter().flatten().any(|device| {
            device
                .class
                .as_deref()
                .is_some_and(|c| c.starts_with(prefix))
        })
    };
    let disks_found = inventory
        .disks
        .iter()
        .any(|disk| disk.kind != DiskKind::Virtual && disk.transport != Some(Transport::Usb));
    // PCI class 01h mass storage: 04h RAID.
    if has_class("0104") {
        adviser.say(
            if disks_found {
                Severity::Info
            } else {
                Severity::Problem
            },
            "raid-mode",
            "a storage controller is in RAID mode: if disks are missing here, set it to AHCI (or \
             HBA) in the firmware setup",
        );
    } else if has_class("01") && !disks_found {
        adviser.say(
            Severity::Problem,
            "disks-not-seen",
            "there is a storage controller but no disk: check its cables, and that it is in AHCI \
             mode",
        );
    }
    let cpu = &inventory.cpu;
    let offline = cpu.present.zip(cpu.logical);
    if let Some((present, logical)) = offline.filter(|(present, logical)| present > logical) {
        adviser.say(
            Severity::Warning,
            "threads-offline",
            format!(
                "{} of {present} hardware threads are offline and do not count",
                present - logical
            ),
        );
    }
    if cpu.smt == Some(false) && inventory.virtualisation.is_virtual != Some(true) {
        adviser.say(
            Severity::Info,
            "smt-off",
            "hyper-threading is not in use: if the processor has it, switched on in the firmware \
             setup it doubles the threads the grid counts",
        );
    }
    if inventory.boot.secure_boot == Some(true) {
        adviser.say(
            Severity::Info,
            "secure-boot",
            "Secure Boot is on: Zero-OS kernels other than its release kernel start only with it \
             off; media of farm-node start with it on",
        );
    }
}

fn network(adviser: &mut Adviser, inventory: &Inventory) {
    if inventory.nics.is_empty() {
        return;
    }
    let wired: Vec<_> = inventory
        .nics
        .iter()
        .filter(|nic| nic.kind == NicKind::Ethernet)
        .collect();
    if wired.is_empty() {
        let wifi = inventory.nics.iter().any(|nic| nic.kind == NicKind::Wifi);
        let text = if wifi {
            "no wired network port was found: the grid's nodes use wired Ethernet only, not Wi-Fi"
        } else {
            "no wired network port was found: the card may need a driver or firmware"
        };
        adviser.say(Severity::Warning, "no-wired-network", text);
    } else if wired.iter().all(|nic| nic.link == Some(false)) {
        adviser.say(
            Severity::Warning,
            "no-link",
            "no network cable is plugged in, or the other end is off",
        );
    }
    let mut linked = wired.iter().filter(|nic| nic.link == Some(true)).peekable();
    if linked.peek().is_some()
        && linked.all(|nic| nic.speed_mbps.is_some_and(|speed| speed >= FAST_NIC_MBPS))
    {
        adviser.say(
            Severity::Info,
            "fast-network-only",
            "only a 10 GbE port is connected: farmers report trouble with some such cards under \
             Zero-OS; if it gets no address there, use a 1 GbE port",
        );
    }
}

fn clock_off(adviser: &mut Adviser, clock: ClockCheck) {
    let (machine, reference) = (clock.machine_unix_seconds, clock.reference_unix_seconds);
    let off = machine.abs_diff(reference);
    if off <= CLOCK_TOLERANCE_SECONDS {
        return;
    }
    let amount = match off {
        172_800.. => format!("{} days", off / 86_400),
        7_200.. => format!("{} hours", off / 3_600),
        120.. => format!("{} minutes", off / 60),
        _ => format!("{off} seconds"),
    };
    let direction = if machine < reference {
        "behind"
    } else {
        "ahead"
    };
    adviser.say(
        Severity::Problem,
        "clock-off",
        format!(
            "the clock is {amount} {direction}: certificates fail and the chain refuses uptime \
             reports more than {CLOCK_TOLERANCE_SECONDS} seconds off; set the date in the firmware \
             setup, and replace the board's battery if it comes back"
        ),
    );
}

/// What limits the units, and what to buy.
fn limits(adviser: &mut Adviser, capacity: &CapacityViews, upgrades: &[Upgrade]) {
    let units = CloudUnits::v3(&capacity.zero_os);
    let (limit, more) = match CloudUnits::v3_limit(&capacity.zero_os) {
        CuLimit::Cpu => ("processor threads", "each further thread allows 2 CU"),
        CuLimit::Memory => ("memory", "each further 4 GiB allow 1 CU"),
        CuLimit::Ssd => ("SSD space", "each further 50 GiB allow 1 CU"),
    };
    adviser.say(
        Severity::Info,
        "cu-limit",
        format!("{} CU, limited by {limit}: {more}", Micro(units.cu_micro)),
    );
    adviser.say(
        Severity::Info,
        "su-limit",
        format!(
            "{} SU, limited by disk space alone: each further 250 GiB of SSD or 1200 GiB of HDD \
             are 1 SU",
            Micro(units.su_micro)
        ),
    );
    for part in [Part::Ssd, Part::Memory, Part::Hdd] {
        // Per byte the sizes of one part bring much the same; the largest that still brings more
        // than the next smaller one is the best of its kind.
        let best = upgrades.iter().find(|step| step.part == part);
        let Some(best) = best.filter(|step| step.musd > 0) else {
            continue;
        };
        let is_first = upgrades.first() == Some(best);
        let after = match best.cu_limit_after {
            CuLimit::Cpu => "threads",
            CuLimit::Memory => "memory",
            CuLimit::Ssd => "SSD space",
        };
        let (code, lead) = if is_first {
            ("best-upgrade", "best next step per month: ")
        } else {
            ("upgrade", "or per month: ")
        };
        adviser.say(
            Severity::Info,
            code,
            format!("{lead}{best}; then {after} limits CU"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::machine;
    use super::*;
    use crate::units::Bytes;

    fn of(inventory: &Inventory, options: &ReportOptions) -> Vec<Advice> {
        crate::report::Report::of(inventory, options).advice
    }

    /// Codes of what is to be done; limits and upgrades are always there.
    fn codes(inventory: &Inventory) -> Vec<String> {
        of(inventory, &ReportOptions::default())
            .into_iter()
            .map(|a| a.code)
            .filter(|code| !code.ends_with("limit") && !code.ends_with("upgrade"))
            .collect()
    }

    #[test]
    fn a_good_machine_has_only_information() {
        assert!(codes(&machine(false)).is_empty());
        let list = of(&machine(false), &ReportOptions::default());
        assert!(list.iter().all(|a| a.severity == Severity::Info));
        let text: Vec<String> = list.iter().map(|a| a.message.to_string()).collect();
        assert!(text[0].contains("7.75 CU, limited by memory"), "{text:?}");
        assert!(text[1].contains("10.66 SU"), "{text:?}");
        assert!(
            text.iter().any(|t| t
                .starts_with("best next step per month: +64 GiB memory: +8.25 CU")
                && t.ends_with("then threads limits CU")),
            "{text:?}"
        );
    }

    #[test]
    fn each_defect_is_named() {
        let mut bad = machine(true);
        bad.cpu.hardware_virtualisation = Some(false);
        bad.cpu.logical = None;
        bad.memory.usable_bytes = Some(Bytes::from_gib(1));
        bad.disks[0].kind = DiskKind::Unknown;
        bad.disks[1].in_use = Some(true);
        bad.disks[1].health = Some(crate::inventory::DiskHealth {
            status: crate::inventory::HealthStatus::Failing,
            ..Default::default()
        });
        assert_eq!(
            codes(&bad),
            [
                "sru-below-minimum",
                "cru-unknown",
                "mru-below-minimum",
                "no-disks",
                "no-hardware-virtualisation",
                "virtual-machine",
                "disk-kind-unknown",
                "disks-in-use",
                "disk-failing",
            ]
        );
    }

    #[test]
    fn the_system_disk_is_named_unless_it_is_a_medium_of_ours() {
        let mut installed = machine(false);
        installed.disks[0].counted = false;
        installed.disks[0].reason = Some(crate::inventory::Exclusion::BootMedium);
        let list = of(&installed, &ReportOptions::default());
        let advice = list.iter().find(|a| a.code == "system-disk").unwrap();
        assert_eq!(advice.severity, Severity::Info);
        assert!(advice.message.raw().contains("nvme0n1 ("), "{advice:?}");
        installed.disks[0].signatures = Some(vec![crate::inventory::Signature {
            kind: crate::inventory::Signature::FARMER_MEDIUM.to_owned(),
            ..Default::default()
        }]);
        assert!(!codes(&installed).contains(&"system-disk".to_owned()));
    }

    #[test]
    fn firmware_settings_and_controllers() {
        let mut bad = machine(false);
        bad.disks.truncate(1);
        bad.disks[0].model = Some("HP LOGICAL VOLUME".into());
        bad.disks[0].transport = Some(Transport::Scsi);
        bad.disks[0].signatures = Some(vec![crate::inventory::Signature {
            kind: "gpt".to_owned(),
            ..Default::default()
        }]);
        bad.pci
            .get_or_insert_default()
            .push(crate::inventory::PciDevice {
                class: Some("010400".to_owned()),
                ..Default::default()
            });
        bad.cpu.present = Some(16);
        bad.cpu.smt = Some(false);
        bad.boot.secure_boot = Some(true);
        assert_eq!(
            codes(&bad),
            [
                "disks-in-use",
                "raid-volume",
                "raid-mode",
                "threads-offline",
                "smt-off",
                "secure-boot"
            ]
        );
        let list = of(&bad, &ReportOptions::default());
        assert!(list[0].message.raw().ends_with("nvme0n1 (gpt)"));
        bad.disks.clear();
        let list = of(&bad, &ReportOptions::default());
        let raid = list.iter().find(|a| a.code == "raid-mode").unwrap();
        assert_eq!(raid.severity, Severity::Problem);
    }

    #[test]
    fn ports() {
        let nic = |kind, link, speed_mbps| crate::inventory::Nic {
            kind,
            link,
            speed_mbps,
            ..Default::default()
        };
        let mut machine = machine(false);
        for (nics, expected) in [
            (
                vec![nic(NicKind::Wifi, Some(true), None)],
                "no-wired-network",
            ),
            (vec![nic(NicKind::Ethernet, Some(false), None)], "no-link"),
            (
                vec![nic(NicKind::Ethernet, Some(true), Some(25_000))],
                "fast-network-only",
            ),
        ] {
            machine.nics = nics;
            assert_eq!(codes(&machine), [expected]);
        }
        machine.nics = vec![
            nic(NicKind::Ethernet, Some(true), Some(25_000)),
            nic(NicKind::Ethernet, Some(true), Some(1000)),
        ];
        assert!(codes(&machine).is_empty());
    }

    #[test]
    fn a_wrong_clock_is_named_with_its_distance() {
        let at = |machine_unix_seconds| {
            let options = ReportOptions {
                clock: Some(ClockCheck {
                    machine_unix_seconds,
                    reference_unix_seconds: 1_700_000_000,
                }),
                ..ReportOptions::default()
            };
            of(&machine(false), &options)
                .into_iter()
                .find(|a| a.code == "clock-off")
                .map(|a| a.message.to_string())
        };
        assert_eq!(at(1_700_000_060), None);
        assert!(at(1_700_000_061).unwrap().contains("61 seconds ahead"));
        assert!(at(1_699_996_400).unwrap().contains("60 minutes behind"));
        assert!(at(946_684_800).unwrap().contains("8718 days behind"));
    }
}
