//! Units on the *selling* side of the 2020 explorer: what a buyer's reservation is billed in.
//!
//! These are not the farmer's cloud units, and the explorer's own two conversions disagree about
//! CRU by a factor of four. Both are here because a compatible server must answer as it did.

/// Selling-side units, rounded to three decimals as the explorer rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SellingUnits {
    /// Compute units.
    pub cu: f64,
    /// Storage units.
    pub su: f64,
}

fn round3(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn storage_units(sru_gib: f64, hru_gib: f64) -> f64 {
    round3(hru_gib / 1200.0 + sru_gib / 300.0)
}

/// The explorer's capacity conversion (`pkg/capacity/conversion.go`): cu = min(mru / 4, cru / 2).
#[must_use]
pub fn capacity_units(cru: f64, mru_gib: f64, sru_gib: f64, hru_gib: f64) -> SellingUnits {
    SellingUnits {
        cu: round3((mru_gib / 4.0).min(cru / 2.0)),
        su: storage_units(sru_gib, hru_gib),
    }
}

/// The explorer's escrow conversion (`pkg/escrow/resource.go`): cu = min(mru / 4, cru * 2).
#[must_use]
pub fn escrow_units(cru: f64, mru_gib: f64, sru_gib: f64, hru_gib: f64) -> SellingUnits {
    SellingUnits {
        cu: round3((mru_gib / 4.0).min(cru * 2.0)),
        su: storage_units(sru_gib, hru_gib),
    }
}

#[cfg(test)]
#[expect(
    clippy::float_cmp,
    reason = "both sides are rounded to the same three decimals"
)]
mod tests {
    use super::*;

    #[test]
    fn capacity_vectors() {
        for (cru, mru, cu) in [
            (1.0, 1.0, 0.25),
            (2.0, 4.0, 1.0),
            (4.0, 8.0, 2.0),
            (4.0, 64.0, 2.0),
            (4.0, 32.0, 2.0),
        ] {
            assert_eq!(capacity_units(cru, mru, 0.0, 0.0).cu, cu);
        }
        for (sru, hru, su) in [
            (120.0, 1200.0, 1.4),
            (40.0, 1000.0, 0.967),
            (1200.0, 0.0, 4.0),
            (0.0, 12000.0, 10.0),
        ] {
            assert_eq!(capacity_units(0.0, 0.0, sru, hru).su, su);
        }
    }

    #[test]
    fn escrow_vectors() {
        for ((cru, mru, hru, sru), cu, su) in [
            ((2.0, 4.0, 0.0, 0.0), 1.0, 0.0),
            ((0.0, 0.0, 1200.0, 0.0), 0.0, 1.0),
            ((0.0, 0.0, 0.0, 300.0), 0.0, 1.0),
            ((2.0, 4.0, 1000.0, 100.0), 1.0, 1.167),
            ((1.0, 2.0, 600.0, 0.0), 0.5, 0.5),
            ((1.0, 8.0, 1024.0, 256.0), 2.0, 1.707),
        ] {
            assert_eq!(escrow_units(cru, mru, sru, hru), SellingUnits { cu, su });
        }
    }
}
