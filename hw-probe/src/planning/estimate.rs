//! What a machine that one does not have yet would earn, cost, and when it has paid for itself.

use serde::{Deserialize, Serialize};

use super::{Upgrade, bandwidth_mbps, btu_per_hour, payback_months, upgrades};
use crate::chain::{AdmissionFailure, admission_failures};
use crate::cloud_units::{CloudUnits, CuLimit};
use crate::reward::{
    PERIOD_SECONDS, Reward, RewardInputs, RewardPolicy as _, V2Y2020, V3Calculator, V3Minting,
};

/// What is known about the machine and its place.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EstimateInputs {
    /// Resources, certification, price and uptime.
    pub reward: RewardInputs,
    /// Mean power drawn from the socket.
    pub power_watts: Option<f64>,
    /// Price of a kilowatt hour in US dollars.
    pub kwh_usd: Option<f64>,
    /// What the machine costs in US dollars.
    pub invest_usd: Option<f64>,
}

/// Electricity for one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Power {
    /// Mean power.
    pub watts: f64,
    /// Energy of one paid period of 730.8 hours.
    pub kwh: f64,
    /// Heat to take away, BTU per hour.
    pub heat_btu_per_hour: f64,
    /// Cost of one period; unknown without a price.
    pub cost_usd: Option<f64>,
}

/// The answer. Amounts are for one paid period (30.45 days); dollars are at the node's own price
/// of one TFT.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Estimate {
    /// What went in.
    pub inputs: RewardInputs,
    /// Cloud units of grid v3.
    pub cloud_units: CloudUnits,
    /// Which resource keeps CU from growing.
    pub cu_limit: Option<CuLimit>,
    /// Why the grid would refuse the node.
    pub refused_because: Vec<AdmissionFailure>,
    /// What grid v3 pays.
    pub reward: Reward,
    /// What other rules say.
    pub other_rewards: Vec<Reward>,
    /// Electricity, where it was given.
    pub power: Option<Power>,
    /// Reward minus electricity; unknown without its price.
    pub net_usd: Option<f64>,
    /// What the machine costs.
    pub invest_usd: Option<f64>,
    /// Periods until it has paid for itself; unknown without its price, and when it never does.
    pub payback_months: Option<f64>,
    /// It costs more than it earns.
    pub never_pays_back: bool,
    /// Bandwidth it should have, Mbit/s.
    pub bandwidth_mbps: f64,
    /// What one more part would bring, best first.
    pub upgrades: Vec<Upgrade>,
    /// What was taken for granted beyond each rule's own assumptions.
    pub assumptions: Vec<String>,
}

/// Works out what a machine earns and costs. Pure.
#[must_use]
pub fn estimate(inputs: &EstimateInputs) -> Estimate {
    let capacity = inputs.reward.capacity;
    let reward = V3Minting::default().reward(&inputs.reward);
    let v2 = crate::report::v2_inputs(&inputs.reward);
    let period_hours = real(PERIOD_SECONDS) / 3600.0;
    let power = inputs.power_watts.map(|watts| {
        let kwh = watts * period_hours / 1000.0;
        Power {
            watts,
            kwh,
            heat_btu_per_hour: btu_per_hour(watts / 1000.0),
            cost_usd: inputs.kwh_usd.map(|price| kwh * price),
        }
    });
    let income_usd = real(reward.musd) / 1000.0;
    let net_usd = power
        .and_then(|power| power.cost_usd)
        .map(|cost| income_usd - cost);
    // Without electricity the payback is that of the reward alone; an assumption says so.
    let gain_usd = net_usd.unwrap_or(income_usd);
    let payback = inputs
        .invest_usd
        .and_then(|invest| payback_months(invest, gain_usd, 1.0));
    let mut assumptions = vec![
        "a month is a paid period of 730.8 hours".to_owned(),
        "TFT are worth in dollars what the node's own price says; a market price may differ"
            .to_owned(),
        "no income from use of the node, no public traffic".to_owned(),
    ];
    if power.is_some() {
        assumptions.push("the power is drawn for the whole period".to_owned());
    }
    if inputs.invest_usd.is_some() {
        assumptions.push(if net_usd.is_some() {
            "hardware is paid back by reward minus electricity; nothing else costs money".to_owned()
        } else {
            "hardware is paid back by the whole reward: electricity was not given".to_owned()
        });
    }
    Estimate {
        inputs: inputs.reward,
        cloud_units: CloudUnits::v3(&capacity),
        cu_limit: Some(CloudUnits::v3_limit(&capacity)),
        refused_because: admission_failures(&capacity),
        reward,
        other_rewards: vec![V3Calculator.reward(&inputs.reward), V2Y2020.reward(&v2)],
        power,
        net_usd,
        invest_usd: inputs.invest_usd,
        payback_months: payback,
        never_pays_back: inputs.invest_usd.is_some() && payback.is_none(),
        bandwidth_mbps: bandwidth_mbps(&capacity),
        upgrades: upgrades(&inputs.reward),
        assumptions,
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn real(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::Capacity;
    use crate::units::Bytes;

    fn inputs() -> EstimateInputs {
        let capacity = Capacity {
            cru: 16,
            mru_bytes: Bytes::from_gib(64),
            sru_bytes: Bytes::from_gib(2000),
            hru_bytes: Bytes::from_gib(8000),
        };
        EstimateInputs {
            reward: RewardInputs::new(capacity, false),
            power_watts: Some(100.0),
            kwh_usd: Some(0.25),
            invest_usd: Some(1000.0),
        }
    }

    #[test]
    fn reward_minus_power_pays_the_machine() {
        let estimate = estimate(&inputs());
        assert_eq!(estimate.reward.musd, 52_466);
        let power = estimate.power.unwrap();
        assert!((power.kwh - 73.08).abs() < 1e-9);
        assert!((power.cost_usd.unwrap() - 18.27).abs() < 1e-9);
        assert!((estimate.net_usd.unwrap() - 34.196).abs() < 1e-9);
        assert!((estimate.payback_months.unwrap() - 1000.0 / 34.196).abs() < 1e-9);
        assert!(!estimate.never_pays_back && estimate.refused_because.is_empty());
        assert_eq!(estimate.other_rewards.len(), 2);
    }

    #[test]
    fn what_costs_more_than_it_earns_never_pays() {
        let costly = estimate(&EstimateInputs {
            kwh_usd: Some(2.0),
            ..inputs()
        });
        assert!(costly.net_usd.unwrap() < 0.0);
        assert!(costly.never_pays_back && costly.payback_months.is_none());
    }

    #[test]
    fn what_was_not_given_is_not_made_up() {
        let bare = estimate(&EstimateInputs {
            power_watts: None,
            kwh_usd: None,
            invest_usd: None,
            ..inputs()
        });
        assert!(bare.power.is_none() && bare.net_usd.is_none() && !bare.never_pays_back);
        let unpriced = estimate(&EstimateInputs {
            kwh_usd: None,
            ..inputs()
        });
        assert!(unpriced.power.unwrap().cost_usd.is_none());
        // 1000 / 52.466
        assert!((unpriced.payback_months.unwrap() - 19.059).abs() < 0.001);
    }

    #[test]
    fn a_node_the_grid_refuses_is_named() {
        let mut inputs = inputs();
        inputs.reward.capacity.sru_bytes = Bytes::from_gib(10);
        assert_eq!(estimate(&inputs).refused_because, [AdmissionFailure::Sru]);
    }
}
