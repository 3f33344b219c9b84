//! Rules of thumb for planning a farm: payback, electricity, heat and bandwidth, as the grid's
//! manuals give them. Estimates in real numbers; nothing here decides a payment.

mod estimate;
mod upgrades;

pub use estimate::{Estimate, EstimateInputs, Power, estimate};
pub use upgrades::{Part, Upgrade, upgrades};

use crate::capacity::Capacity;
use crate::units::{GIB, TIB};

/// Months until the reward has paid for `investment_usd`, for `reward_per_month` TFT at
/// `tft_price_usd`. `None` when nothing is earned.
#[must_use]
pub fn payback_months(
    investment_usd: f64,
    reward_per_month: f64,
    tft_price_usd: f64,
) -> Option<f64> {
    let income = reward_per_month * tft_price_usd;
    (income > 0.0).then(|| investment_usd / income)
}

/// Kilowatt hours per 30-day month of a constant load.
#[must_use]
pub fn kwh_per_month(watts: f64) -> f64 {
    watts * 24.0 * 30.0 / 1000.0
}

/// Heat of a constant load in BTU per hour (3413 per kilowatt, as the manuals round).
#[must_use]
pub fn btu_per_hour(kilowatts: f64) -> f64 {
    kilowatts * 3413.0
}

/// Bandwidth in Mbit/s a node should have: 10 per TB of SSD, 8 threads or 64 GB of memory,
/// whichever asks for most, plus 10 per 2 TB of rotating disk.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub fn bandwidth_mbps(capacity: &Capacity) -> f64 {
    let ssd_tb = capacity.sru_bytes.0 as f64 / TIB as f64;
    let hdd_tb = capacity.hru_bytes.0 as f64 / TIB as f64;
    let memory_gb = capacity.mru_bytes.0 as f64 / GIB as f64;
    10.0 * ssd_tb.max(capacity.cru as f64 / 8.0).max(memory_gb / 64.0) + 10.0 * hdd_tb / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9 * b.abs().max(1.0)
    }

    #[test]
    fn examples_of_the_manuals() {
        assert!(close(payback_months(1500.0, 3000.0, 0.08).unwrap(), 6.25));
        assert!(close(
            payback_months(7850.0, 956.0, 1.0).unwrap().ceil(),
            9.0
        ));
        assert_eq!(payback_months(100.0, 0.0, 0.08), None);
        assert!(close(kwh_per_month(5.0 * 400.0 + 1000.0), 2160.0));
        assert!(close(kwh_per_month(3000.0) * 0.10, 216.0));
        assert!(close(btu_per_hour(0.1), 341.3));
        assert!(close(btu_per_hour(0.1) * 5.0, 1706.5));
        assert!(close(btu_per_hour(0.4) * 5.0, 6826.0));
        assert!(close(btu_per_hour(0.12) * 7.0, 2866.92));
        assert!(close(btu_per_hour(0.48) * 7.0, 11467.68));
    }

    #[test]
    fn bandwidth() {
        let node = |tb: u64, cru: u64, mru: u64| Capacity {
            cru,
            mru_bytes: Bytes::from_gib(mru),
            sru_bytes: Bytes(tb * TIB),
            hru_bytes: Bytes(0),
        };
        assert!(close(bandwidth_mbps(&node(1, 8, 64)), 10.0));
        assert!(close(bandwidth_mbps(&node(5, 48, 384)), 60.0));
        assert!(close(
            (1000.0 / bandwidth_mbps(&node(5, 48, 384))).floor(),
            16.0
        ));
        let hdd = Capacity {
            hru_bytes: Bytes(4 * TIB),
            ..node(1, 8, 64)
        };
        assert!(close(bandwidth_mbps(&hdd), 30.0));
    }
}
