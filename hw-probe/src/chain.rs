//! Rules of the v3 chain that look at a node's resources: admission, policy limits, and when a
//! change of hardware costs the certification.

use serde::{Deserialize, Serialize};

use crate::capacity::Capacity;
use crate::cloud_units::narrow;
use crate::units::{Bytes, GIB};

/// Least SRU the chain accepts.
pub const MIN_SRU_BYTES: Bytes = Bytes(100 * GIB);
/// Least MRU the chain accepts.
pub const MIN_MRU_BYTES: Bytes = Bytes(2 * GIB);
/// Least CRU the chain accepts.
pub const MIN_CRU: u64 = 1;

/// A reason for which the chain refuses to register a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdmissionFailure {
    /// SRU below [`MIN_SRU_BYTES`] (`InvalidSRUInput`).
    Sru,
    /// CRU below [`MIN_CRU`] (`InvalidCRUInput`).
    Cru,
    /// MRU below [`MIN_MRU_BYTES`] (`InvalidMRUInput`).
    Mru,
}

/// Which of the chain's minimums `capacity` misses.
#[must_use]
pub fn admission_failures(capacity: &Capacity) -> Vec<AdmissionFailure> {
    let mut failures = Vec::new();
    if capacity.sru_bytes < MIN_SRU_BYTES {
        failures.push(AdmissionFailure::Sru);
    }
    if capacity.cru < MIN_CRU {
        failures.push(AdmissionFailure::Cru);
    }
    if capacity.mru_bytes < MIN_MRU_BYTES {
        failures.push(AdmissionFailure::Mru);
    }
    failures
}

/// Compute units as the chain counts them for farming-policy limits, with the chain's two bugs: the
/// memory term is 2^30 times too large, so memory practically never limits, and two equal terms
/// give 0.
#[must_use]
pub fn policy_limit_cu(capacity: &Capacity) -> u64 {
    let gib = u128::from(GIB);
    // All three scaled by 200 GiB, the smallest common denominator.
    let by_cpu = u128::from(capacity.cru).saturating_mul(400 * gib);
    let by_memory = u128::from(capacity.mru_bytes.0)
        .saturating_sub(1)
        .saturating_mul(50 * gib);
    let by_ssd = u128::from(capacity.sru_bytes.0) * 4;
    let least = by_cpu.min(by_memory).min(by_ssd);
    let ties = [by_cpu, by_memory, by_ssd]
        .into_iter()
        .filter(|&term| term == least)
        .count();
    if ties > 1 {
        0
    } else {
        narrow(2 * (least / (200 * gib)))
    }
}

/// Storage units as the chain counts them for farming-policy limits: whole units only.
#[must_use]
pub fn policy_limit_su(capacity: &Capacity) -> u64 {
    let hru = u128::from(capacity.hru_bytes.0);
    let sru = u128::from(capacity.sru_bytes.0);
    narrow((hru * 5 + sru * 24) / (6000 * u128::from(GIB)))
}

/// Whether any resource changed by more than `percent`, which resets a certified node to DIY.
#[must_use]
pub fn has_changed(before: &Capacity, after: &Capacity, percent: u8) -> bool {
    let moved = |old: u64, new: u64| {
        u128::from(old.abs_diff(new)) * 100 > u128::from(old) * u128::from(percent)
    };
    moved(before.cru, after.cru)
        || moved(before.mru_bytes.0, after.mru_bytes.0)
        || moved(before.sru_bytes.0, after.sru_bytes.0)
        || moved(before.hru_bytes.0, after.hru_bytes.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gib(hru: u64, sru: u64, cru: u64, mru: u64) -> Capacity {
        Capacity {
            cru,
            mru_bytes: Bytes::from_gib(mru),
            sru_bytes: Bytes::from_gib(sru),
            hru_bytes: Bytes::from_gib(hru),
        }
    }

    #[test]
    fn the_chains_own_vectors() {
        assert_eq!(policy_limit_cu(&gib(4096, 12288, 64, 65536)), 256);
        let tiny = Capacity {
            cru: 4,
            mru_bytes: Bytes(8),
            ..gib(0, 12288, 4, 0)
        };
        assert_eq!(policy_limit_cu(&tiny), 2);
        assert_eq!(policy_limit_cu(&Capacity::default()), 0);
        assert_eq!(policy_limit_su(&gib(4096, 12288, 0, 0)), 52);
        assert_eq!(policy_limit_su(&gib(0, 12288, 0, 0)), 49);
        assert_eq!(policy_limit_su(&gib(4096, 0, 0, 0)), 3);
        assert_eq!(policy_limit_su(&Capacity::default()), 0);
        let node = gib(1024, 512, 8, 16);
        assert_eq!((policy_limit_cu(&node), policy_limit_su(&node)), (20, 2));
    }

    #[test]
    fn change_of_hardware() {
        let node = gib(1000, 1000, 8, 64);
        assert!(!has_changed(&node, &node, 1));
        assert!(has_changed(&node, &gib(1000, 1000, 8, 40), 1));
        assert!(has_changed(&node, &gib(1000, 989, 8, 64), 1));
        assert!(!has_changed(&node, &gib(1000, 990, 8, 64), 1));
        assert!(has_changed(&gib(0, 100, 8, 64), &gib(1, 100, 8, 64), 1));
    }

    #[test]
    fn minimums() {
        assert_eq!(admission_failures(&gib(0, 100, 1, 2)), []);
        assert_eq!(
            admission_failures(&Capacity::default()),
            [
                AdmissionFailure::Sru,
                AdmissionFailure::Cru,
                AdmissionFailure::Mru
            ]
        );
    }
}
