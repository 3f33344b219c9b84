//! Grid v3 as the dashboard's farming calculator shows it: what farmers see before they buy.

use super::{
    Certification, Reward, RewardInputs, RewardPolicy, Scenario, UNITS_PER_TFT, Usd, ZeroReason,
};
use crate::cloud_units::{CloudUnits, MICRO, narrow};
use crate::units::GIB;

/// The calculator takes no lower price of one TFT, in thousandths of a US dollar.
const PRICE_FLOOR_MUSD: u64 = 80;

/// The calculator's month: a twelfth of 365 days.
const MONTH_SECONDS: u64 = 365 * 86_400 / 12;

/// The dashboard's calculator: CU 2.40 and SU 1.00 dollars per month, a quarter more for certified
/// nodes, in real arithmetic; rounded here once, at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct V3Calculator;

impl RewardPolicy for V3Calculator {
    fn name(&self) -> &'static str {
        "v3-calculator"
    }

    fn source(&self) -> &'static str {
        "threefoldtech/tfgrid-sdk-ts, farming calculator of the dashboard"
    }

    fn reward(&self, inputs: &RewardInputs) -> Reward {
        let gib = u128::from(GIB);
        let cru = u128::from(inputs.capacity.cru);
        let mru = u128::from(inputs.capacity.mru_bytes.0);
        let sru = u128::from(inputs.capacity.sru_bytes.0);
        let hru = u128::from(inputs.capacity.hru_bytes.0);
        // CU over 200 GiB, SU over 6000 GiB: no division before the last.
        let cu_200 = (cru * 400 * gib)
            .min(mru.saturating_sub(gib) * 50)
            .min(sru * 4);
        let su_6000 = hru * 5 + sru * 24;
        let mut musd_6000 = 2400 * 30 * cu_200 + 1000 * su_6000;
        let mut divisor = 6000 * gib;
        if inputs.certification == Certification::Certified {
            musd_6000 *= 5;
            divisor *= 4;
        }
        let musd = (musd_6000 + divisor / 2) / divisor;
        let price = inputs.connection_price_musd.max(PRICE_FLOOR_MUSD);
        let by_price = divisor * u128::from(price);
        let scale = u128::from(UNITS_PER_TFT);
        let tft_units = musd_6000.checked_mul(scale).map_or_else(
            || musd_6000 / by_price * scale,
            |n| (n + by_price / 2) / by_price,
        );
        let zero_because = if inputs.virtualised {
            Some(ZeroReason::Virtualised)
        } else if musd_6000 == 0 {
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
        let micro = u128::from(MICRO);
        let mut assumptions = vec![
            format!(
                "one TFT is worth {} dollars; the calculator takes no less than 0.080",
                Usd(price)
            ),
            "CU is the least of 2 per thread, (memory - 1 GB) / 4 and SSD / 50; SU = HDD / 1200 + \
             SSD x 0.8 / 200 (its version of 2021: SSD / 300 x 0.8, SU at 1.50 dollars, no SSD \
             limit)"
                .to_owned(),
            "1 GB is 2^30 bytes; the calculator itself does not say".to_owned(),
            "the node is never down: the calculator knows no uptime gate".to_owned(),
            "no public traffic and no rented addresses".to_owned(),
        ];
        if inputs.certification == Certification::Certified {
            assumptions.push(
                "certified nodes get a quarter more, once (the calculator applies it twice to its \
                 Titan)"
                    .to_owned(),
            );
        }
        if inputs.virtualised {
            assumptions.push(
                "the calculator does not ask whether the machine is virtual; the grid pays such \
                 nodes nothing"
                    .to_owned(),
            );
        }
        Reward {
            policy: self.name().to_owned(),
            scenario: Scenario::AsMeasured,
            source: self.source().to_owned(),
            assumptions,
            inputs: *inputs,
            cloud_units: CloudUnits {
                cu_micro: narrow(cu_200 * micro / (200 * gib)),
                su_micro: narrow(su_6000 * micro / (6000 * gib)),
                nu_micro: 0,
            },
            base_musd: narrow(musd),
            musd: pay(musd),
            tft_units: pay(tft_units),
            period_seconds: MONTH_SECONDS,
            zero_because,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::Capacity;
    use crate::units::Bytes;
    use proptest::prelude::*;

    fn pay(cru: u64, mru: u64, sru: u64, hru: u64, change: impl Fn(&mut RewardInputs)) -> Reward {
        let capacity = Capacity {
            cru,
            mru_bytes: Bytes::from_gib(mru),
            sru_bytes: Bytes::from_gib(sru),
            hru_bytes: Bytes::from_gib(hru),
        };
        let mut inputs = RewardInputs::new(capacity, false);
        change(&mut inputs);
        V3Calculator.reward(&inputs)
    }

    #[test]
    fn formula_by_hand() {
        // 7.75 x 2.4 + 1000 x 0.8 / 200 = 22.6 dollars, at 0.08.
        let reward = pay(8, 32, 1000, 0, |_| {});
        assert_eq!((reward.musd, reward.tft_units), (22_600, 2_825_000_000));
        assert_eq!(reward.cloud_units.cu_micro, 7_750_000);
        assert_eq!(reward.cloud_units.su_micro, 4_000_000);
        // 15.75 x 2.4 + 8 + 8000 / 1200 = 52.4666...: rounded, where the minting program truncates.
        let reward = pay(16, 64, 2000, 8000, |_| {});
        assert_eq!((reward.musd, reward.tft_units), (52_467, 6_558_333_333));
        let certified = pay(16, 64, 2000, 8000, |i| {
            i.certification = Certification::Certified;
        });
        assert_eq!(
            (certified.musd, certified.tft_units),
            (65_583, 8_197_916_667)
        );
        // The published examples of storage alone.
        assert_eq!(pay(0, 0, 0, 16_000, |_| {}).musd, 13_333);
        assert_eq!(pay(0, 0, 2000, 0, |_| {}).musd, 8_000);
    }

    #[test]
    fn the_price_has_a_floor() {
        let cheap = pay(8, 32, 1000, 0, |i| i.connection_price_musd = 20);
        assert_eq!(cheap.tft_units, 2_825_000_000);
        let dear = pay(8, 32, 1000, 0, |i| i.connection_price_musd = 160);
        assert_eq!(dear.tft_units, 1_412_500_000);
    }

    #[test]
    fn less_than_one_gib_of_memory_is_no_negative_reward() {
        assert_eq!(pay(8, 0, 1000, 0, |_| {}).cloud_units.cu_micro, 0);
        let nothing = pay(8, 64, 0, 0, |_| {});
        assert_eq!(nothing.zero_because, Some(ZeroReason::NoUnits));
        let virtual_machine = pay(8, 32, 1000, 0, |i| i.virtualised = true);
        assert_eq!(
            (virtual_machine.musd, virtual_machine.base_musd),
            (0, 22_600)
        );
    }

    proptest! {
        #[test]
        fn agrees_with_the_minting_program_to_a_few_thousandths(
            cru in 0..512_u64, mru in 0..1_u64 << 42, sru in 0..1_u64 << 47, hru in 0..1_u64 << 50,
        ) {
            let capacity = Capacity {
                cru, mru_bytes: Bytes(mru), sru_bytes: Bytes(sru), hru_bytes: Bytes(hru),
            };
            let inputs = RewardInputs::new(capacity, false);
            let shown = V3Calculator.reward(&inputs).musd;
            let paid = super::super::V3Minting::default().reward(&inputs).musd;
            prop_assert!(shown.abs_diff(paid) <= 2, "{shown} {paid}");
        }

        #[test]
        fn absurd_machines_do_not_overflow(cru: u64, mru: u64, sru: u64, hru: u64, price: u64) {
            let capacity = Capacity {
                cru, mru_bytes: Bytes(mru), sru_bytes: Bytes(sru), hru_bytes: Bytes(hru),
            };
            let _ = V3Calculator.reward(&RewardInputs {
                connection_price_musd: price,
                certification: Certification::Certified,
                ..RewardInputs::new(capacity, false)
            });
        }
    }
}
