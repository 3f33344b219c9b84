//! Cloud units: the grid's price-bearing sums of resources. CU compute, SU storage, NU network.
//!
//! Kept in millionths, as the grid's minting program keeps them, so that every later amount is
//! exact.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::capacity::Capacity;
use crate::units::GIB;

/// Millionths per unit.
pub const MICRO: u64 = 1_000_000;

/// Cloud units in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct CloudUnits {
    /// Compute units, millionths.
    pub cu_micro: u64,
    /// Storage units, millionths.
    pub su_micro: u64,
    /// Network units (GiB of public traffic), millionths.
    pub nu_micro: u64,
}

impl CloudUnits {
    /// Grid v3, as its minting program computes it, in truncating integer arithmetic:
    /// CU = min(2 x CRU, (MRU - 1 GiB) / 4 GiB, SRU / 50 GiB), SU = HRU / 1200 GiB + SRU / 250 GiB.
    ///
    /// The program underflows below 1 GiB of memory; here CU is then 0.
    #[must_use]
    pub fn v3(capacity: &Capacity) -> Self {
        let micro = u128::from(MICRO);
        let gib = u128::from(GIB);
        let cru = u128::from(capacity.cru);
        let mru = u128::from(capacity.mru_bytes.0);
        let sru = u128::from(capacity.sru_bytes.0);
        let hru = u128::from(capacity.hru_bytes.0);
        let by_cpu = cru * 2 * gib * micro;
        let by_memory = mru.saturating_sub(gib) * micro / 4;
        let by_ssd = sru * micro / 50;
        Self {
            cu_micro: narrow(by_cpu.min(by_memory).min(by_ssd) / gib),
            su_micro: narrow((hru * micro / 1200 + sru * micro / 250) / gib),
            nu_micro: 0,
        }
    }

    /// The same with network units for `public_bytes` of public traffic.
    #[must_use]
    pub fn with_public_traffic(mut self, public_bytes: u64) -> Self {
        self.nu_micro = narrow(u128::from(public_bytes) * u128::from(MICRO) / u128::from(GIB));
        self
    }

    /// Grid v2, "farming reward 2.0" of 2020, on the whole gigabytes a v2 node reports (memory
    /// rounded, storage rounded down): CU = min((MRU - 1) / 4, 2 x CRU),
    /// SU = HRU / 1200 + SRU / 240.
    #[must_use]
    pub fn v2_2020(capacity: &Capacity) -> Self {
        let micro = u128::from(MICRO);
        let mru = u128::from(capacity.mru_bytes.gib_round());
        let by_memory = mru.saturating_sub(1) * micro / 4;
        let by_cpu = u128::from(capacity.cru) * 2 * micro;
        let hru = u128::from(capacity.hru_bytes.gib_floor());
        let sru = u128::from(capacity.sru_bytes.gib_floor());
        Self {
            cu_micro: narrow(by_memory.min(by_cpu)),
            su_micro: narrow((hru + 5 * sru) * micro / 1200),
            nu_micro: 0,
        }
    }

    /// Which resource limits CU under [`CloudUnits::v3`].
    #[must_use]
    pub fn v3_limit(capacity: &Capacity) -> CuLimit {
        let gib = u128::from(GIB);
        let by_cpu = u128::from(capacity.cru) * 2 * gib * 100;
        let by_memory = u128::from(capacity.mru_bytes.0).saturating_sub(gib) * 25;
        let by_ssd = u128::from(capacity.sru_bytes.0) * 2;
        if by_ssd <= by_memory && by_ssd <= by_cpu {
            CuLimit::Ssd
        } else if by_memory <= by_cpu {
            CuLimit::Memory
        } else {
            CuLimit::Cpu
        }
    }

    /// Compute units as a decimal text, such as `7.75`.
    #[must_use]
    pub fn cu(&self) -> Micro {
        Micro(self.cu_micro)
    }

    /// Storage units as a decimal text.
    #[must_use]
    pub fn su(&self) -> Micro {
        Micro(self.su_micro)
    }
}

/// The resource that keeps CU from growing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CuLimit {
    /// Hardware threads.
    Cpu,
    /// Memory.
    Memory,
    /// Solid-state storage.
    Ssd,
}

/// A number in millionths that shows itself with at most two decimals, truncated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Micro(pub u64);

impl fmt::Display for Micro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!(
            "{}.{:02}",
            self.0 / MICRO,
            self.0 % MICRO / 10_000
        ))
    }
}

/// `u128` to `u64`, stopping at the top: only absurd inputs get there.
pub(crate) fn narrow(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;
    use proptest::prelude::*;

    pub(crate) fn gib(cru: u64, mru: u64, sru: u64, hru: u64) -> Capacity {
        Capacity {
            cru,
            mru_bytes: Bytes::from_gib(mru),
            sru_bytes: Bytes::from_gib(sru),
            hru_bytes: Bytes::from_gib(hru),
        }
    }

    #[test]
    fn limits_are_named() {
        assert_eq!(CloudUnits::v3_limit(&gib(8, 32, 1000, 0)), CuLimit::Memory);
        assert_eq!(CloudUnits::v3_limit(&gib(32, 256, 500, 0)), CuLimit::Ssd);
        assert_eq!(CloudUnits::v3_limit(&gib(1, 256, 5000, 0)), CuLimit::Cpu);
    }

    #[test]
    fn shows_two_decimals() {
        assert_eq!(Micro(7_750_000).to_string(), "7.75");
        assert_eq!(Micro(14_666_666).to_string(), "14.66");
        assert_eq!(Micro(9_999).to_string(), "0.00");
    }

    proptest! {
        #[test]
        fn units_are_monotone_and_never_overflow(
            cru: u64, mru: u64, sru: u64, hru: u64, which in 0..4, more: u64,
        ) {
            let small = Capacity {
                cru, mru_bytes: Bytes(mru), sru_bytes: Bytes(sru), hru_bytes: Bytes(hru),
            };
            let mut big = small;
            match which {
                0 => big.cru = cru.saturating_add(more),
                1 => big.mru_bytes = Bytes(mru.saturating_add(more)),
                2 => big.sru_bytes = Bytes(sru.saturating_add(more)),
                _ => big.hru_bytes = Bytes(hru.saturating_add(more)),
            }
            for of in [CloudUnits::v3, CloudUnits::v2_2020] {
                let (a, b) = (of(&small), of(&big));
                prop_assert!(b.cu_micro >= a.cu_micro && b.su_micro >= a.su_micro);
            }
        }
    }
}
