//! The whole answer for one machine: inventory, capacity, cloud units, rewards and advice.

mod advice;
mod disks;
mod estimate;
mod machine;
mod page;
mod table;

use serde::{Deserialize, Serialize};

pub use advice::{Advice, Severity};
pub use estimate::render_estimate;
pub use table::render_table;

use crate::capacity::CapacityViews;
use crate::cloud_units::CloudUnits;
use crate::inventory::Inventory;
use crate::planning::{Upgrade, upgrades};
use crate::reward::{
    Certification, DEFAULT_CONNECTION_PRICE_MUSD, Reward, RewardInputs, RewardPolicy, Scenario,
    V2Y2020, V3Calculator, V3Minting,
};

/// TFT minted when the v2 rule started, as its published simulation takes it.
const V2_MINTED_TFT: u64 = 800_000_000;
/// Price of one TFT that the v2 rule was published with, in thousandths of a US dollar.
const V2_PRICE_MUSD: u64 = 150;

/// The same node in the world the v2 rule was published for.
pub(crate) fn v2_inputs(inputs: &RewardInputs) -> RewardInputs {
    RewardInputs {
        connection_price_musd: V2_PRICE_MUSD,
        minted_tft: V2_MINTED_TFT,
        ..*inputs
    }
}

/// A clock that is off, as far as somebody with a better one can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockCheck {
    /// What the machine's clock shows, Unix seconds.
    pub machine_unix_seconds: i64,
    /// What time it really is.
    pub reference_unix_seconds: i64,
}

/// What a report assumes about the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportOptions {
    /// Certification of the node.
    pub certification: Certification,
    /// The node's price of one TFT under v3, in thousandths of a US dollar.
    pub connection_price_musd: u64,
    /// Uptime within the period in seconds; `None` for the whole period.
    pub uptime_seconds: Option<u64>,
    /// The machine's clock beside a better one; `None` says nothing about the clock.
    pub clock: Option<ClockCheck>,
}

impl Default for ReportOptions {
    fn default() -> Self {
        Self {
            certification: Certification::Diy,
            connection_price_musd: DEFAULT_CONNECTION_PRICE_MUSD,
            uptime_seconds: None,
            clock: None,
        }
    }
}

/// Inventory and everything that follows from it. In JSON the inventory's keys are at the top.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// What the machine is.
    #[serde(flatten)]
    pub inventory: Inventory,
    /// What the grid counts, with the installed and usable amounts beside it.
    pub capacity: CapacityViews,
    /// Cloud units of the grid's view (v3 rule).
    pub cloud_units: CloudUnits,
    /// Rewards: each policy for the machine as it is and, if it is virtual, as if it were not.
    pub rewards: Vec<Reward>,
    /// What one more part would bring under v3, best first; as if the machine were not virtual.
    pub upgrades: Vec<Upgrade>,
    /// What the farmer should know or do.
    pub advice: Vec<Advice>,
}

impl Report {
    /// Works everything out. Pure.
    #[must_use]
    pub fn of(inventory: &Inventory, options: &ReportOptions) -> Self {
        let capacity = CapacityViews::of(inventory);
        let virtualised = inventory.virtualisation.is_virtual == Some(true);
        let v3 = RewardInputs {
            certification: options.certification,
            connection_price_musd: options.connection_price_musd,
            uptime_seconds: options.uptime_seconds,
            ..RewardInputs::new(capacity.zero_os, virtualised)
        };
        let v2 = v2_inputs(&v3);
        let policies: [(&dyn RewardPolicy, RewardInputs); 3] = [
            (&V3Minting::default(), v3),
            (&V3Calculator, v3),
            (&V2Y2020, v2),
        ];
        let upgrades = upgrades(&v3);
        let mut rewards = Vec::new();
        for (policy, inputs) in policies {
            rewards.push(policy.reward(&inputs));
            if virtualised {
                rewards.push(
                    policy
                        .reward(&inputs.as_if_bare_metal())
                        .labelled(Scenario::AsIfBareMetal),
                );
            }
        }
        Self {
            inventory: inventory.clone(),
            capacity,
            cloud_units: CloudUnits::v3(&capacity.zero_os),
            rewards,
            advice: advice::advise(inventory, &capacity, &upgrades, options),
            upgrades,
        }
    }

    /// The reward of `policy` in `scenario`, if the report has it.
    #[must_use]
    pub fn reward(&self, policy: &str, scenario: Scenario) -> Option<&Reward> {
        self.rewards
            .iter()
            .find(|r| r.policy == policy && r.scenario == scenario)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Cpu, Disk, DiskKind, Exclusion, Memory, Virtualisation};
    use crate::text::Untrusted;
    use crate::units::{Bytes, GIB};

    pub(super) fn machine(is_virtual: bool) -> Inventory {
        let disk = |name: &str, kind, gib: u64| Disk {
            name: name.into(),
            path: format!("/dev/{name}").into(),
            model: Some("Samsung SSD 980 PRO with a name that is far too long for a table".into()),
            kind,
            size_bytes: Some(Bytes(gib * GIB)),
            counted: true,
            ..Disk::default()
        };
        let mut stick = disk("sdz", DiskKind::Unknown, 8);
        stick.counted = false;
        stick.reason = Some(Exclusion::Usb);
        Inventory {
            cpu: Cpu {
                logical: Some(8),
                cores: Some(4),
                sockets: Some(1),
                model: Some(Untrusted::from("\u{1b}[31mEvil\u{202e} CPU")),
                hardware_virtualisation: Some(true),
                ..Cpu::default()
            },
            memory: Memory {
                usable_bytes: Some(Bytes(32 * GIB)),
                ..Memory::default()
            },
            disks: vec![
                disk("nvme0n1", DiskKind::Ssd, 1000),
                disk("sda", DiskKind::Hdd, 8000),
                stick,
            ],
            virtualisation: Virtualisation {
                kind: Some(if is_virtual { "kvm" } else { "none" }.into()),
                is_virtual: Some(is_virtual),
                ..Virtualisation::default()
            },
            ..Inventory::default()
        }
    }

    #[test]
    fn virtual_machines_get_both_answers_labelled() {
        let report = Report::of(&machine(true), &ReportOptions::default());
        let real = report.reward("v3-minting", Scenario::AsMeasured).unwrap();
        let what_if = report
            .reward("v3-minting", Scenario::AsIfBareMetal)
            .unwrap();
        assert_eq!(real.musd, 0);
        assert_eq!(what_if.musd, 22600 + 6666);
        assert_eq!(report.rewards.len(), 6);
        let report = Report::of(&machine(false), &ReportOptions::default());
        assert_eq!(report.rewards.len(), 3);
        assert_eq!(
            report
                .reward("v3-minting", Scenario::AsMeasured)
                .unwrap()
                .musd,
            29266
        );
    }

    #[test]
    fn json_has_the_agreed_names_at_the_top() {
        let report = Report::of(&machine(true), &ReportOptions::default());
        let json = serde_json::to_value(&report).unwrap();
        for key in [
            "schema_version",
            "cpu",
            "memory",
            "disks",
            "nics",
            "virtualisation",
            "capacity",
            "cloud_units",
            "rewards",
            "advice",
            "warnings",
        ] {
            assert!(json.get(key).is_some(), "{key}");
        }
        assert_eq!(json["cpu"]["logical"], 8);
        assert_eq!(json["cpu"]["numa_nodes"], serde_json::Value::Null);
        assert_eq!(json["disks"][0]["kind"], "ssd");
        assert_eq!(json["disks"][2]["reason"], "usb");
        assert_eq!(json["disks"][2]["counted"], false);
        assert_eq!(json["capacity"]["sru_bytes"], 1000 * GIB);
        let back: Report = serde_json::from_value(json).unwrap();
        assert_eq!(back, report);
    }

    #[test]
    fn readers_survive_newer_and_older_writers() {
        let inventory: Inventory = serde_json::from_str(
            r#"{"schema_version":9,"cpu":{"logical":4,"quantum":true},"disks":[{"name":"x","kind":"crystal","reason":"mood","counted":false}]}"#,
        )
        .unwrap();
        assert_eq!(inventory.disks[0].kind, DiskKind::Unknown);
        assert_eq!(inventory.disks[0].reason, Some(Exclusion::Other));
        assert_eq!(inventory.cpu.logical, Some(4));
    }

    #[test]
    fn table_fits_its_width_and_is_harmless() {
        for width in [64, 80, 120] {
            for colour in [false, true] {
                let text = render_table(
                    &Report::of(&machine(true), &ReportOptions::default()),
                    width,
                    colour,
                );
                for line in text.lines() {
                    let bare = Untrusted::from(line).to_string();
                    assert!(bare.chars().count() <= width, "{width}: {line:?}");
                }
                assert!(!text.contains('\u{202e}'));
                assert_eq!(text.contains('\u{1b}'), colour);
                assert!(!text.contains("\u{1b}[31mEvil"));
            }
        }
    }

    #[test]
    fn table_says_what_matters() {
        let text = render_table(
            &Report::of(&machine(true), &ReportOptions::default()),
            80,
            false,
        );
        for needle in [
            "8 threads",
            "nvme0n1",
            "attached by USB",
            "7.75 CU",
            "virtual machines are not paid",
            "as if bare metal",
        ] {
            assert!(text.contains(needle), "{needle} missing in\n{text}");
        }
    }
}
