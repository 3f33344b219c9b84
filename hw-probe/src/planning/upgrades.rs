//! What one more part would bring.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::capacity::Capacity;
use crate::cloud_units::{CloudUnits, CuLimit, MICRO};
use crate::reward::{RewardInputs, RewardPolicy as _, Tft, UNITS_PER_TFT, Usd, V3Minting};
use crate::units::{Bytes, GB, TB};

/// What kind of part an upgrade is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// A solid-state disk.
    Ssd,
    /// Memory modules.
    Memory,
    /// A rotating disk.
    Hdd,
}

/// Sizes as they are sold: disks in decimal units, memory in binary ones.
const STEPS: [(Part, Bytes); 10] = [
    (Part::Ssd, Bytes(500 * GB)),
    (Part::Ssd, Bytes(TB)),
    (Part::Ssd, Bytes(2 * TB)),
    (Part::Ssd, Bytes(4 * TB)),
    (Part::Memory, Bytes::from_gib(16)),
    (Part::Memory, Bytes::from_gib(32)),
    (Part::Memory, Bytes::from_gib(64)),
    (Part::Hdd, Bytes(4 * TB)),
    (Part::Hdd, Bytes(8 * TB)),
    (Part::Hdd, Bytes(16 * TB)),
];

/// One part more, and what it brings per period under [`V3Minting`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrade {
    /// What is added.
    pub part: Part,
    /// How much of it.
    pub added_bytes: Bytes,
    /// More compute units, millionths.
    pub cu_micro: u64,
    /// More storage units, millionths.
    pub su_micro: u64,
    /// More reward per period, thousandths of a US dollar.
    pub musd: u64,
    /// More reward per period, units of 10^-7 TFT.
    pub tft_units: u64,
    /// Which resource limits CU afterwards.
    pub cu_limit_after: CuLimit,
}

impl fmt::Display for Upgrade {
    /// `+500 GB SSD: +1.25 CU, +1.86 SU, +4.863 USD (+607.875 TFT)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, unit, suffix) = match self.part {
            Part::Ssd if self.added_bytes.0 < TB => ("SSD", GB, "GB"),
            Part::Ssd => ("SSD", TB, "TB"),
            Part::Hdd => ("HDD", TB, "TB"),
            Part::Memory => ("memory", crate::units::GIB, "GiB"),
        };
        let hundredths = |micro: u64| (micro / MICRO, micro % MICRO / (MICRO / 100));
        let (cu, su) = (hundredths(self.cu_micro), hundredths(self.su_micro));
        write!(
            f,
            "+{} {suffix} {name}: +{}.{:02} CU, +{}.{:02} SU, +{} USD (+{} TFT)",
            self.added_bytes.0 / unit,
            cu.0,
            cu.1,
            su.0,
            su.1,
            Usd(self.musd),
            // A hundredth of a TFT is fine enough for a purchase.
            Tft(self.tft_units / (UNITS_PER_TFT / 100) * (UNITS_PER_TFT / 100)),
        )
    }
}

/// Every usual upgrade, the one that earns most first; of equals the smaller one first. What
/// brings nothing is there too: that is worth knowing before buying it.
#[must_use]
pub fn upgrades(inputs: &RewardInputs) -> Vec<Upgrade> {
    let policy = V3Minting::default();
    let inputs = inputs.as_if_bare_metal();
    let before = policy.reward(&inputs);
    let mut list: Vec<Upgrade> = STEPS
        .into_iter()
        .map(|(part, added)| {
            let mut capacity: Capacity = inputs.capacity;
            match part {
                Part::Ssd => capacity.sru_bytes += added,
                Part::Memory => capacity.mru_bytes += added,
                Part::Hdd => capacity.hru_bytes += added,
            }
            let after = policy.reward(&RewardInputs { capacity, ..inputs });
            let more = |of: fn(&CloudUnits) -> u64| {
                of(&after.cloud_units).saturating_sub(of(&before.cloud_units))
            };
            Upgrade {
                part,
                added_bytes: added,
                cu_micro: more(|units| units.cu_micro),
                su_micro: more(|units| units.su_micro),
                musd: after.musd.saturating_sub(before.musd),
                tft_units: after.tft_units.saturating_sub(before.tft_units),
                cu_limit_after: CloudUnits::v3_limit(&capacity),
            }
        })
        .collect();
    list.sort_by_key(|step| (std::cmp::Reverse(step.musd), step.added_bytes));
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cru: u64, mru: u64, sru: u64) -> Vec<Upgrade> {
        let capacity = Capacity {
            cru,
            mru_bytes: Bytes::from_gib(mru),
            sru_bytes: Bytes::from_gib(sru),
            hru_bytes: Bytes(0),
        };
        upgrades(&RewardInputs::new(capacity, false))
    }

    #[test]
    fn an_ssd_frees_a_machine_without_space() {
        // 500 GB are 465.66 GiB: 9.31 CU and 1.86 SU more.
        let list = of(32, 256, 500);
        let small = list
            .iter()
            .find(|step| step.part == Part::Ssd && step.added_bytes.0 == 500 * GB)
            .unwrap();
        assert_eq!((small.cu_micro, small.su_micro), (9_313_225, 1_862_645));
        assert_eq!(small.musd, 9_313_225 * 2400 / 1_000_000 + 1862 + 1);
        assert_eq!(small.cu_limit_after, CuLimit::Ssd);
        assert_eq!(
            small.to_string(),
            "+500 GB SSD: +9.31 CU, +1.86 SU, +24.214 USD (+302.67 TFT)"
        );
        // Memory brings nothing here.
        let memory = list.iter().find(|step| step.part == Part::Memory).unwrap();
        assert_eq!(memory.musd, 0);
    }

    #[test]
    fn memory_frees_a_machine_without_memory() {
        let list = of(32, 32, 8000);
        assert_eq!(
            (list[0].part, list[0].added_bytes),
            (Part::Memory, Bytes::from_gib(64))
        );
        assert_eq!(list[0].cu_micro, 16_000_000);
        assert!(
            list.windows(2).all(|pair| pair[0].musd >= pair[1].musd),
            "best first"
        );
    }

    #[test]
    fn a_virtual_machine_is_judged_as_if_it_were_real() {
        let inputs = RewardInputs::new(Capacity::default(), true);
        assert!(upgrades(&inputs)[0].musd > 0);
    }
}
