//! Grid v3 as the foundation's minting program computes it (`minting/src/{main,period,receipt}.rs`):
//! integers only, every division truncates.

use serde::{Deserialize, Serialize};

use super::{
    Certification, Reward, RewardInputs, RewardPolicy, Scenario, UNITS_PER_TFT, ZeroReason,
};
use crate::cloud_units::{CloudUnits, MICRO, narrow};

/// Length of a minting period: a twelfth of the mean of three common and two leap years.
pub const PERIOD_SECONDS: u64 = 2_630_880;

/// Start of period 0, Unix time.
const GENESIS_SECONDS: u64 = 1_522_501_000;

/// The connection price fixed for nodes that register today: 0.08 US dollars per TFT.
pub const DEFAULT_CONNECTION_PRICE_MUSD: u64 = 80;

/// Unix time at which period `number` starts.
#[must_use]
pub const fn period_start(number: u64) -> u64 {
    GENESIS_SECONDS.saturating_add(number.saturating_mul(PERIOD_SECONDS))
}

/// Unix time at which period `number` ends, which is the start of the next.
#[must_use]
pub const fn period_end(number: u64) -> u64 {
    period_start(number.saturating_add(1))
}

/// The period that a moment, in Unix time, belongs to; 0 for all before it.
#[must_use]
pub const fn period_at(unix_seconds: u64) -> u64 {
    unix_seconds.saturating_sub(GENESIS_SECONDS) / PERIOD_SECONDS
}

/// Prices of a farming policy, in thousandths of a US dollar per unit and period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tariff {
    /// Per compute unit.
    pub cu: u64,
    /// Per storage unit.
    pub su: u64,
    /// Per network unit.
    pub nu: u64,
    /// Per rented public IPv4 address and hour.
    pub ipv4: u64,
}

/// A farming policy of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FarmingPolicy {
    /// Its id on the chain.
    pub id: u32,
    /// Its prices.
    pub tariff: Tariff,
    /// Minimal uptime as the chain stores it. The program compares it with permille, so the 95 of
    /// the genesis policies means 9.5 % where it is used at all.
    pub minimal_uptime: u64,
    /// Whether it is a default policy.
    pub default: bool,
    /// Whether it is immutable.
    pub immutable: bool,
}

impl FarmingPolicy {
    /// Policy 1 of the chain's genesis, which nearly all nodes have.
    pub const DEFAULT: Self = Self {
        id: 1,
        tariff: Tariff {
            cu: 2400,
            su: 1000,
            nu: 30,
            ipv4: 5,
        },
        minimal_uptime: 95,
        default: true,
        immutable: true,
    };

    /// Policy 2 of the chain's genesis, with the certified bonus inside the prices.
    pub const GENESIS_CERTIFIED: Self = Self {
        id: 2,
        tariff: Tariff {
            cu: 3000,
            su: 1250,
            nu: 38,
            ipv4: 6,
        },
        minimal_uptime: 95,
        default: true,
        immutable: true,
    };

    /// Whether the program pays it in proportion to uptime above a fixed gate.
    fn is_proportional(&self) -> bool {
        matches!(self.id, 1 | 2)
            || (self.id == 3 && !self.default && !self.immutable && self.minimal_uptime == 95)
    }
}

/// The reward of grid v3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V3Minting {
    /// The farming policy of the node.
    pub policy: FarmingPolicy,
}

impl Default for V3Minting {
    fn default() -> Self {
        Self {
            policy: FarmingPolicy::DEFAULT,
        }
    }
}

/// Uptime in thousandths of the period, truncated, at most 1000.
fn permille(uptime_seconds: u64) -> u64 {
    narrow(u128::from(uptime_seconds) * 1000 / u128::from(PERIOD_SECONDS)).min(1000)
}

impl RewardPolicy for V3Minting {
    fn name(&self) -> &'static str {
        "v3-minting"
    }

    fn source(&self) -> &'static str {
        "threefoldtech/minting, minting/src/{main,period,receipt}.rs"
    }

    fn reward(&self, inputs: &RewardInputs) -> Reward {
        let units =
            CloudUnits::v3(&inputs.capacity).with_public_traffic(inputs.public_traffic_bytes);
        let tariff = self.policy.tariff;
        let price = |micro: u64, musd: u64| u128::from(micro) * u128::from(musd);
        let rented = u128::from(inputs.ipv4_seconds) * u128::from(tariff.ipv4) / 3600;
        let base = (price(units.cu_micro, tariff.cu)
            + price(units.su_micro, tariff.su)
            + price(units.nu_micro, tariff.nu))
            / u128::from(MICRO)
            + rented;
        // Policy 2 has the bonus in its prices already.
        let full = if inputs.certification == Certification::Certified && self.policy.id == 1 {
            base * 5 / 4
        } else {
            base
        };
        // A price of 0 would divide by zero upstream; nothing can be paid out then.
        let full_tft = (full * u128::from(UNITS_PER_TFT))
            .checked_div(u128::from(inputs.connection_price_musd))
            .unwrap_or(0);

        let uptime = permille(inputs.uptime_seconds.unwrap_or(PERIOD_SECONDS));
        let minimum = match (self.policy.is_proportional(), inputs.certification) {
            (true, certification) => certification.minimum_uptime_permille(),
            (false, _) => self.policy.minimal_uptime,
        };
        let zero_because = if inputs.virtualised {
            Some(ZeroReason::Virtualised)
        } else if inputs.violation {
            Some(ZeroReason::Violation)
        } else if uptime < minimum {
            Some(ZeroReason::Uptime)
        } else if full == 0 {
            Some(ZeroReason::NoUnits)
        } else {
            None
        };
        let scale = if self.policy.is_proportional() {
            uptime
        } else {
            1000
        };
        let pay = |amount: u128| match zero_because {
            Some(_) => 0,
            None => narrow(amount * u128::from(scale) / 1000),
        };

        Reward {
            policy: self.name().to_owned(),
            scenario: Scenario::AsMeasured,
            source: self.source().to_owned(),
            assumptions: self.assumptions(inputs),
            inputs: *inputs,
            cloud_units: units,
            base_musd: narrow(full),
            musd: pay(full),
            tft_units: pay(full_tft),
            period_seconds: PERIOD_SECONDS,
            zero_because,
        }
    }
}

impl V3Minting {
    fn assumptions(&self, inputs: &RewardInputs) -> Vec<String> {
        let mut list = vec![
            format!(
                "farming policy {}: CU {}, SU {}, NU {}, IPv4 {} thousandths of a dollar",
                self.policy.id,
                self.policy.tariff.cu,
                self.policy.tariff.su,
                self.policy.tariff.nu,
                self.policy.tariff.ipv4
            ),
            format!(
                "one TFT is worth {} dollars, fixed when the node registers (receipts print 0.080 \
                 whatever it is)",
                super::Usd(inputs.connection_price_musd)
            ),
            "CU is the least of 2 per thread, (memory - 1 GB) / 4 and SSD / 50; SU = HDD / 1200 + \
             SSD / 250 (older texts: SSD / 240, SSD / 300 x 0.8, no SSD limit)"
                .to_owned(),
            "1 GB is 2^30 bytes".to_owned(),
            "the hardware is the same for the whole period (after a change the program takes the \
             last, the manual the smallest)"
                .to_owned(),
            "a farmerbot missed no wake-up (the program forgives one in a period, the manual none)"
                .to_owned(),
            "a period is 2630880 seconds; the manual's table is a day early from the end of \
             September 2025"
                .to_owned(),
        ];
        if inputs.uptime_seconds.is_none() {
            list.push("the node is up for the whole period of 30.45 days".to_owned());
        }
        if self.policy.is_proportional() {
            list.push(
                "uptime below 95 % (certified: 98 %) of the whole period pays nothing, above it in \
                 proportion (older texts: 97, 99 or 99.5 %, all or nothing, or from the first day)"
                    .to_owned(),
            );
        }
        if self.policy.id == 1 && inputs.certification == Certification::Certified {
            list.push(
                "certified nodes get 5/4 (farming policy 2 instead has prices of its own, rounded \
                 up)"
                .to_owned(),
            );
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::Capacity;
    use crate::units::{Bytes, GIB};
    use proptest::prelude::*;

    fn gib(cru: u64, mru: u64, sru: u64, hru: u64) -> Capacity {
        Capacity {
            cru,
            mru_bytes: Bytes::from_gib(mru),
            sru_bytes: Bytes::from_gib(sru),
            hru_bytes: Bytes::from_gib(hru),
        }
    }

    fn pay(capacity: Capacity, certification: Certification) -> Reward {
        V3Minting::default().reward(&RewardInputs {
            certification,
            ..RewardInputs::new(capacity, false)
        })
    }

    #[test]
    fn published_vectors_at_full_uptime() {
        let bytes = Capacity {
            cru: 8,
            mru_bytes: Bytes(33_575_518_208),
            sru_bytes: Bytes(1_000_204_886_016),
            hru_bytes: Bytes(0),
        };
        for (capacity, cu6, su6, diy, certified) in [
            (
                gib(8, 32, 1000, 0),
                7_750_000,
                4_000_000,
                (22600, 2_825_000_000),
                (28250, 3_531_250_000),
            ),
            (
                gib(16, 64, 2000, 8000),
                15_750_000,
                14_666_666,
                (52466, 6_558_250_000),
                (65582, 8_197_750_000),
            ),
            (
                gib(4, 8, 100, 0),
                1_750_000,
                400_000,
                (4600, 575_000_000),
                (5750, 718_750_000),
            ),
            (
                gib(32, 256, 500, 0),
                10_000_000,
                2_000_000,
                (26000, 3_250_000_000),
                (32500, 4_062_500_000),
            ),
            (
                gib(24, 192, 2000, 20000),
                40_000_000,
                24_666_666,
                (120_666, 15_083_250_000),
                (150_832, 18_854_000_000),
            ),
            (
                gib(1, 2, 100, 0),
                250_000,
                400_000,
                (1000, 125_000_000),
                (1250, 156_250_000),
            ),
            (
                gib(2, 1, 100, 0),
                0,
                400_000,
                (400, 50_000_000),
                (500, 62_500_000),
            ),
            (
                bytes,
                7_567_409,
                3_726_053,
                (21887, 2_735_875_000),
                (27358, 3_419_750_000),
            ),
        ] {
            let reward = pay(capacity, Certification::Diy);
            assert_eq!(
                (reward.cloud_units.cu_micro, reward.cloud_units.su_micro),
                (cu6, su6)
            );
            assert_eq!((reward.musd, reward.tft_units), diy, "{capacity:?}");
            let reward = pay(capacity, Certification::Certified);
            assert_eq!((reward.musd, reward.tft_units), certified, "{capacity:?}");
            assert_eq!(reward.zero_because, None);
        }
    }

    #[test]
    fn uptime_gates() {
        for (certification, uptime, musd, units) in [
            (Certification::Diy, 2_499_336, 21470, 2_683_750_000),
            (Certification::Diy, 2_499_335, 0, 0),
            (Certification::Diy, 2_512_490, 21560, 2_695_050_000),
            (Certification::Certified, 2_578_263, 27685, 3_460_625_000),
            (Certification::Certified, 2_578_262, 0, 0),
            (Certification::Diy, u64::MAX, 22600, 2_825_000_000),
        ] {
            let reward = V3Minting::default().reward(&RewardInputs {
                certification,
                uptime_seconds: Some(uptime),
                ..RewardInputs::new(gib(8, 32, 1000, 0), false)
            });
            assert_eq!((reward.musd, reward.tft_units), (musd, units), "{uptime}");
            assert_eq!(reward.zero_because.is_some(), musd == 0);
        }
    }

    #[test]
    fn traffic_and_addresses_are_paid() {
        let reward = V3Minting::default().reward(&RewardInputs {
            public_traffic_bytes: 500 * GIB,
            ipv4_seconds: 730 * 3600,
            ..RewardInputs::new(gib(8, 32, 1000, 0), false)
        });
        let units = reward.cloud_units;
        assert_eq!(
            (units.cu_micro, units.su_micro, units.nu_micro),
            (7_750_000, 4_000_000, 500_000_000)
        );
        assert_eq!((reward.musd, reward.tft_units), (41250, 5_156_250_000));
    }

    #[test]
    fn virtual_nodes_and_violations_get_nothing_but_bare_metal_would() {
        let inputs = RewardInputs::new(gib(8, 32, 1000, 0), true);
        let reward = V3Minting::default().reward(&inputs);
        assert_eq!((reward.musd, reward.tft_units), (0, 0));
        assert_eq!(reward.zero_because, Some(ZeroReason::Virtualised));
        assert_eq!(
            V3Minting::default().reward(&inputs.as_if_bare_metal()).musd,
            22600
        );
        let broken = RewardInputs {
            violation: true,
            ..inputs.as_if_bare_metal()
        };
        assert_eq!(
            V3Minting::default().reward(&broken).zero_because,
            Some(ZeroReason::Violation)
        );
    }

    #[test]
    fn policies_differ_as_in_the_program() {
        let inputs = RewardInputs {
            certification: Certification::Certified,
            ..RewardInputs::new(gib(8, 32, 1000, 0), false)
        };
        // Policy 2 has the bonus in its prices: no second bonus.
        let second = V3Minting {
            policy: FarmingPolicy::GENESIS_CERTIFIED,
        };
        assert_eq!(
            second.reward(&inputs).musd,
            7_750_000 * 3000 / 1_000_000 + 4 * 1250
        );
        // Other policies pay all or nothing, and 95 is taken for 9.5 %.
        let third = FarmingPolicy {
            id: 3,
            ..FarmingPolicy::DEFAULT
        };
        let pay_at = |uptime| {
            V3Minting { policy: third }
                .reward(&RewardInputs {
                    uptime_seconds: Some(uptime),
                    ..inputs
                })
                .musd
        };
        assert_eq!(pay_at(PERIOD_SECONDS / 10), 22600);
        assert_eq!(pay_at(PERIOD_SECONDS / 20), 0);
        // A changeable, non-default policy 3 is proportional again.
        let custom = FarmingPolicy {
            default: false,
            immutable: false,
            ..third
        };
        assert_eq!(
            V3Minting { policy: custom }
                .reward(&RewardInputs {
                    uptime_seconds: Some(PERIOD_SECONDS / 10),
                    ..inputs
                })
                .musd,
            0
        );
    }

    #[test]
    fn a_connection_price_of_zero_is_survived() {
        let inputs = RewardInputs {
            connection_price_musd: 0,
            ..RewardInputs::new(gib(8, 32, 1000, 0), false)
        };
        assert_eq!(V3Minting::default().reward(&inputs).tft_units, 0);
    }

    #[test]
    fn periods() {
        assert_eq!(PERIOD_SECONDS, 86400 * (365 * 3 + 366 * 2) / 60);
        for (number, start) in [
            (0, 1_522_501_000),
            (27, 1_593_534_760),
            (28, 1_596_165_640),
            (54, 1_664_568_520),
            (80, 1_732_971_400),
            (81, 1_735_602_280),
            (82, 1_738_233_160),
            (93, 1_767_172_840),
            (97, 1_777_696_360),
        ] {
            assert_eq!(period_start(number), start);
        }
        assert_eq!(period_end(80), period_start(81));
        assert_eq!(period_at(period_start(81)), 81);
        assert_eq!(period_at(period_start(81) - 1), 80);
        assert_eq!(period_at(0), 0);
    }

    proptest! {
        #[test]
        fn never_panics_and_uptime_never_hurts(
            cru: u64, mru: u64, sru: u64, hru: u64, traffic: u64, ip: u64, price: u64,
            uptime in 0..PERIOD_SECONDS, more in 0..PERIOD_SECONDS,
        ) {
            let at = |uptime| V3Minting::default().reward(&RewardInputs {
                public_traffic_bytes: traffic,
                ipv4_seconds: ip,
                connection_price_musd: price,
                uptime_seconds: Some(uptime),
                ..RewardInputs::new(Capacity {
                    cru, mru_bytes: Bytes(mru), sru_bytes: Bytes(sru), hru_bytes: Bytes(hru),
                }, false)
            });
            let (less, more) = (at(uptime), at(uptime + more));
            prop_assert!(more.musd >= less.musd && more.tft_units >= less.tft_units);
        }
    }
}
