//! Farming rewards: what a grid would pay a farmer for a machine, under a named policy.
//!
//! A [`Reward`] says by itself which policy made it, where that policy is written down, what was
//! assumed and from which inputs, because the published sources disagree with each other.

mod v2_2020;
mod v3_calculator;
mod v3_minting;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use v2_2020::V2Y2020;
pub use v3_calculator::V3Calculator;
pub use v3_minting::{
    DEFAULT_CONNECTION_PRICE_MUSD, FarmingPolicy, PERIOD_SECONDS, Tariff, V3Minting, period_at,
    period_end, period_start,
};

use crate::capacity::Capacity;
use crate::cloud_units::CloudUnits;

/// Smallest units per TFT (7 decimals, as on Stellar).
pub const UNITS_PER_TFT: u64 = 10_000_000;

/// Who vouches for the hardware.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certification {
    /// Built by the farmer.
    #[default]
    Diy,
    /// Sold as a certified node.
    Certified,
}

impl Certification {
    /// Uptime below which grid v3 pays nothing for a period, in thousandths of the whole period.
    #[must_use]
    pub const fn minimum_uptime_permille(self) -> u64 {
        match self {
            Self::Diy => 950,
            Self::Certified => 980,
        }
    }
}

/// Everything about a node that a policy may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RewardInputs {
    /// The resources.
    pub capacity: Capacity,
    /// Certification of the node.
    pub certification: Certification,
    /// Whether it runs in a virtual machine. Such nodes are never paid.
    pub virtualised: bool,
    /// Measured uptime within the period in seconds; `None` for the whole period.
    pub uptime_seconds: Option<u64>,
    /// The node's own price of one TFT, in thousandths of a US dollar.
    pub connection_price_musd: u64,
    /// Public traffic in bytes during the period.
    pub public_traffic_bytes: u64,
    /// Seconds for which public IPv4 addresses were rented, summed over the addresses.
    pub ipv4_seconds: u64,
    /// A rule was broken in the period (clock skew, late wake-ups, ...).
    pub violation: bool,
    /// TFT minted so far, for policies whose difficulty grows with it.
    pub minted_tft: u64,
}

impl Default for RewardInputs {
    fn default() -> Self {
        Self {
            capacity: Capacity::default(),
            certification: Certification::Diy,
            virtualised: false,
            uptime_seconds: None,
            connection_price_musd: DEFAULT_CONNECTION_PRICE_MUSD,
            public_traffic_bytes: 0,
            ipv4_seconds: 0,
            violation: false,
            minted_tft: 0,
        }
    }
}

impl RewardInputs {
    /// A node that is up for the whole period, at the usual price.
    #[must_use]
    pub fn new(capacity: Capacity, virtualised: bool) -> Self {
        Self {
            capacity,
            virtualised,
            ..Self::default()
        }
    }

    /// The same hardware without a hypervisor.
    #[must_use]
    pub fn as_if_bare_metal(self) -> Self {
        Self {
            virtualised: false,
            ..self
        }
    }
}

/// Whether a reward is for the machine as it is, or a what-if.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// The machine as it was measured.
    #[default]
    AsMeasured,
    /// The same hardware, not virtualised.
    AsIfBareMetal,
}

/// Why a reward is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZeroReason {
    /// The node is virtual.
    Virtualised,
    /// A rule was broken.
    Violation,
    /// Uptime below the policy's minimum.
    Uptime,
    /// The resources give no units.
    NoUnits,
    /// All tokens of the policy are minted.
    NothingLeft,
    /// Written by a newer version of this library.
    #[serde(other)]
    Other,
}

impl ZeroReason {
    /// The reason in words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Virtualised => "virtual machines are not paid",
            Self::Violation => "a rule of the grid was broken",
            Self::Uptime => "uptime below the minimum",
            Self::NoUnits => "the resources give no cloud units",
            Self::NothingLeft => "all tokens are minted",
            Self::Other => "other reason",
        }
    }
}

/// What one policy pays for one period (v3) or month (v2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reward {
    /// Name of the policy, such as `v3-minting`.
    pub policy: String,
    /// Whether it is for the machine as it is.
    pub scenario: Scenario,
    /// Where the rule is written down.
    pub source: String,
    /// What was taken for granted.
    pub assumptions: Vec<String>,
    /// What went in.
    pub inputs: RewardInputs,
    /// The cloud units the policy counted.
    pub cloud_units: CloudUnits,
    /// The amount at full uptime, before any gate, in thousandths of a US dollar.
    pub base_musd: u64,
    /// The reward in thousandths of a US dollar.
    pub musd: u64,
    /// The reward in units of 10^-7 TFT.
    pub tft_units: u64,
    /// Length of the paid period in seconds.
    pub period_seconds: u64,
    /// Why nothing is paid.
    pub zero_because: Option<ZeroReason>,
}

impl Reward {
    /// The reward in US dollars, exact.
    #[must_use]
    pub fn usd(&self) -> Usd {
        Usd(self.musd)
    }

    /// The reward in TFT, exact.
    #[must_use]
    pub fn tft(&self) -> Tft {
        Tft(self.tft_units)
    }

    /// This reward, marked as a what-if.
    #[must_use]
    pub fn labelled(mut self, scenario: Scenario) -> Self {
        self.scenario = scenario;
        self
    }
}

/// Thousandths of a US dollar, shown with three decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(pub u64);

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:03}", self.0 / 1000, self.0 % 1000))
    }
}

/// Units of 10^-7 TFT, shown with up to seven decimals, at least two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tft(pub u64);

impl fmt::Display for Tft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:07}", self.0 / UNITS_PER_TFT, self.0 % UNITS_PER_TFT);
        // Two decimals stay, of the other five only those that say something.
        let (kept, rest) = text.split_at(text.len() - 5);
        let text = format!("{kept}{}", rest.trim_end_matches('0'));
        f.pad(&text)
    }
}

/// A rule that turns a node into a reward.
pub trait RewardPolicy {
    /// Name, stable, used in JSON and on the command line.
    fn name(&self) -> &'static str;

    /// Where the rule is written down.
    fn source(&self) -> &'static str;

    /// The reward. Pure: the same inputs give the same reward.
    fn reward(&self, inputs: &RewardInputs) -> Reward;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_show_exactly() {
        assert_eq!(Usd(52_466).to_string(), "52.466");
        assert_eq!(Tft(6_558_250_000).to_string(), "655.825");
        assert_eq!(Tft(6_550_000_000).to_string(), "655.00");
        assert_eq!(Tft(1).to_string(), "0.0000001");
        assert_eq!(Tft(0).to_string(), "0.00");
    }

    #[test]
    fn a_reward_survives_json() {
        let reward = V3Minting::default().reward(&RewardInputs::default());
        let json = serde_json::to_string(&reward).unwrap();
        assert_eq!(serde_json::from_str::<Reward>(&json).unwrap(), reward);
    }
}
