//! Grid v2, "farming reward 2.0" of 2020.

use super::{
    Certification, Reward, RewardInputs, RewardPolicy, Scenario, UNITS_PER_TFT, ZeroReason,
};
use crate::cloud_units::{CloudUnits, narrow};

/// Tokens that will ever exist.
const MAX_SUPPLY_TFT: u64 = 4_000_000_000;

/// Dollars invested per unit of cloud production that the rule pays back in six months.
const INVESTMENT_USD_PER_CPR: u128 = 40;

/// Seconds of the 30-day month the published examples use.
const MONTH_SECONDS: u64 = 30 * 86_400;

/// The reward of 2020: TFT per month = CPR x 40 USD / 6 / price x (1 - minted / 4 000 000 000),
/// with CPR = 1.5 x CU + SU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct V2Y2020;

impl RewardPolicy for V2Y2020 {
    fn name(&self) -> &'static str {
        "v2-2020"
    }

    fn source(&self) -> &'static str {
        "threefoldfoundation/info_grid, farming_reward2.md (2020), with jsx_sim's formulas"
    }

    fn reward(&self, inputs: &RewardInputs) -> Reward {
        let capacity = &inputs.capacity;
        let units = CloudUnits::v2_2020(capacity);
        let mru = u128::from(capacity.mru_bytes.gib_round());
        let hru = u128::from(capacity.hru_bytes.gib_floor());
        let sru = u128::from(capacity.sru_bytes.gib_floor());
        // Exact: CU over 4, SU over 1200, so CPR = 1.5 CU + SU over 2400.
        let cu_4 = mru.saturating_sub(1).min(u128::from(capacity.cru) * 8);
        let cpr_2400 = 900 * cu_4 + 2 * (hru + 5 * sru);
        let full_musd = cpr_2400 * INVESTMENT_USD_PER_CPR * 1000 / (2400 * 6);

        let supply = u128::from(MAX_SUPPLY_TFT);
        let minted = u128::from(inputs.minted_tft).min(supply);
        let exhausted = minted * 1000 > supply * 999;
        let left = if exhausted { 0 } else { supply - minted };
        let musd = full_musd * left / supply;
        let tft_units = (cpr_2400 * INVESTMENT_USD_PER_CPR * 1000 * u128::from(UNITS_PER_TFT))
            .checked_div(2400 * 6 * u128::from(inputs.connection_price_musd))
            .map_or(0, |full| scale(full, left, supply));

        let uptime_minimum = match inputs.certification {
            Certification::Diy => 990,
            Certification::Certified => 998,
        };
        let uptime_too_low = inputs.uptime_seconds.is_some_and(|seconds| {
            u128::from(seconds) * 1000 < u128::from(MONTH_SECONDS) * uptime_minimum
        });
        let zero_because = if inputs.virtualised {
            Some(ZeroReason::Virtualised)
        } else if inputs.violation {
            Some(ZeroReason::Violation)
        } else if uptime_too_low {
            Some(ZeroReason::Uptime)
        } else if exhausted {
            Some(ZeroReason::NothingLeft)
        } else if cpr_2400 == 0 {
            Some(ZeroReason::NoUnits)
        } else {
            None
        };
        let pay = |amount: u128| {
            if zero_because.is_some() {
                0
            } else {
                narrow(amount)
            }
        };

        Reward {
            policy: self.name().to_owned(),
            scenario: Scenario::AsMeasured,
            source: self.source().to_owned(),
            assumptions: vec![
                format!(
                    "one TFT is worth {} dollars",
                    super::Usd(inputs.connection_price_musd)
                ),
                format!("{} TFT are minted already", inputs.minted_tft),
                "resources in whole gigabytes of 2^30 bytes, as a v2 node reports them".to_owned(),
                "CU is the lesser of 2 per thread and (memory - 1) / 4, without an SSD limit; SU = \
                 HDD / 1200 + SSD / 240 (from September 2021: SSD / 300 x 0.8)"
                    .to_owned(),
                "40 dollars of investment per production unit, paid back in six months".to_owned(),
                "uptime below 99 % (certified: 99.8 %) pays nothing; utilisation and bandwidth, \
                 planned but never switched on, count as full"
                    .to_owned(),
                "certified nodes get no bonus, only a stricter uptime".to_owned(),
                "the rule ended in 2021: history, not a promise".to_owned(),
            ],
            inputs: *inputs,
            cloud_units: units,
            base_musd: narrow(full_musd),
            musd: pay(musd),
            tft_units: pay(tft_units),
            period_seconds: MONTH_SECONDS,
            zero_because,
        }
    }
}

/// `amount * part / whole` without overflowing where `amount` is absurdly large.
fn scale(amount: u128, part: u128, whole: u128) -> u128 {
    amount
        .checked_mul(part)
        .map_or_else(|| amount / whole * part, |product| product / whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::Capacity;
    use crate::units::Bytes;

    fn node(cru: u64, mru: u64, hru: u64, sru: u64) -> Capacity {
        Capacity {
            cru,
            mru_bytes: Bytes::from_gib(mru),
            sru_bytes: Bytes::from_gib(sru),
            hru_bytes: Bytes::from_gib(hru),
        }
    }

    /// Millionths of a TFT, rounded as the published table rounds to thousandths.
    fn thousandths(tft_units: u64) -> u64 {
        (tft_units + 5_000) / 10_000
    }

    #[test]
    fn published_vectors() {
        for (capacity, cu6, su6, at) in [
            (
                node(12, 32, 8000, 500),
                7_750_000,
                8_750_000,
                [905_556, 724_444, 452_778],
            ),
            (
                node(16, 128, 48000, 1000),
                31_750_000,
                44_166_666,
                [4_079_630, 3_263_704, 2_039_815],
            ),
            (
                node(8, 32, 0, 1000),
                7_750_000,
                4_166_666,
                [701_852, 561_481, 350_926],
            ),
        ] {
            for (minted_tft, expected) in [0, 800_000_000, 2_000_000_000].into_iter().zip(at) {
                let reward = V2Y2020.reward(&RewardInputs {
                    connection_price_musd: 150,
                    minted_tft,
                    ..RewardInputs::new(capacity, false)
                });
                assert_eq!(reward.cloud_units.cu_micro, cu6);
                assert_eq!(reward.cloud_units.su_micro, su6);
                assert_eq!(thousandths(reward.tft_units), expected);
            }
        }
    }

    #[test]
    fn the_documents_own_venus_units() {
        let units = CloudUnits::v2_2020(&node(24, 128, 14000, 2000));
        assert_eq!((units.cu_micro, units.su_micro), (31_750_000, 20_000_000));
    }

    #[test]
    fn nothing_is_left_when_nearly_all_is_minted() {
        let at = |minted_tft| {
            V2Y2020.reward(&RewardInputs {
                minted_tft,
                ..RewardInputs::new(node(8, 32, 0, 1000), false)
            })
        };
        assert!(at(3_996_000_000).tft_units > 0);
        assert_eq!(
            at(3_996_000_001).zero_because,
            Some(ZeroReason::NothingLeft)
        );
    }

    #[test]
    fn uptime_gate_and_absurd_inputs() {
        let at = |uptime| {
            V2Y2020
                .reward(&RewardInputs {
                    uptime_seconds: Some(uptime),
                    ..RewardInputs::new(node(8, 32, 0, 1000), false)
                })
                .zero_because
        };
        assert_eq!(at(MONTH_SECONDS * 99 / 100), None);
        assert_eq!(at(MONTH_SECONDS * 99 / 100 - 1), Some(ZeroReason::Uptime));
        let huge = Capacity {
            cru: u64::MAX,
            mru_bytes: Bytes(u64::MAX),
            sru_bytes: Bytes(u64::MAX),
            hru_bytes: Bytes(u64::MAX),
        };
        let _ = V2Y2020.reward(&RewardInputs {
            minted_tft: u64::MAX,
            ..RewardInputs::new(huge, false)
        });
        let _ = V2Y2020.reward(&RewardInputs::new(huge, false));
    }
}
