//! The file of wishes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::identity::NodeId;
use crate::wire::{Cidr, NodeState, is_valid_email, is_valid_farm_name};

/// Address of a farm without a wallet: directories demand one. No ledger has such an account.
pub const NO_WALLET: &str = "none";

/// A file of wishes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredFarms {
    /// One or several farms of one owner.
    pub farms: Vec<DesiredFarm>,
}

/// A farm as its owner wants it. What is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DesiredFarm {
    /// Its number. Without it the name says which farm is meant, and a missing one is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Its name; with a number beside it, what it shall be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<DesiredLocation>,
    /// Contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Legacy itsyou.online organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iyo_organization: Option<String>,
    /// Where rewards are paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wallets: Option<Vec<Wallet>>,
    /// Prices asked per resource unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<Vec<Prices>>,
    /// Whether the custom prices replace the grid's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_pricing: Option<bool>,
    /// Custom prices per cloud unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_prices: Option<CustomPrices>,
    /// Pool of public IPv4 addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_addresses: Option<Vec<PublicAddress>>,
    /// Nodes of the farm; those not named stay as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<DesiredNode>,
}

/// Where a farm stands. What is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DesiredLocation {
    /// As the directory compares it: a two-letter code by our own commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// City, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Continent, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continent: Option<String>,
    /// Degrees north.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Degrees east.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
}

/// A node as its farmer wants it. What is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredNode {
    /// Which.
    pub node_id: NodeId,
    /// Whether it is ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<NodeState>,
    /// Whether it may be used for FreeTFT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_to_use: Option<bool>,
    /// Public network configuration; once given it can be changed, not taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_config: Option<PublicConfig>,
}

impl DesiredNode {
    /// A node about which nothing is wished yet.
    #[must_use]
    pub const fn new(node_id: NodeId) -> Self {
        Self {
            node_id,
            state: None,
            free_to_use: None,
            public_config: None,
        }
    }
}

/// Public network configuration of a node: one IPv4 and one IPv6 address on one interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicConfig {
    /// Interface it sits on, 1 to 16 characters.
    pub interface: String,
    /// IPv4 address with network.
    pub ipv4: Cidr,
    /// IPv4 gateway.
    pub gw4: Ipv4Addr,
    /// IPv6 address with network.
    pub ipv6: Cidr,
    /// IPv6 gateway.
    pub gw6: Ipv6Addr,
}

/// A public address of a farm's pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicAddress {
    /// The address with its network.
    pub address: Cidr,
    /// The network's gateway.
    pub gateway: Ipv4Addr,
}

/// Prices per resource unit; GiB where the unit is an amount of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// What they are in.
    pub currency: Currency,
    /// Per logical CPU.
    #[serde(default)]
    pub cru: f64,
    /// Per GiB of memory.
    #[serde(default)]
    pub mru: f64,
    /// Per GiB of SSD.
    #[serde(default)]
    pub sru: f64,
    /// Per GiB of HDD.
    #[serde(default)]
    pub hru: f64,
    /// Per GiB of traffic.
    #[serde(default)]
    pub nru: f64,
}

/// Prices per cloud unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomPrices {
    /// What they are in.
    pub currency: Currency,
    /// Per compute unit.
    #[serde(default)]
    pub cu: f64,
    /// Per storage unit.
    #[serde(default)]
    pub su: f64,
    /// Per network unit.
    #[serde(default)]
    pub nu: f64,
    /// Per public IPv4 address.
    #[serde(default)]
    pub ipv4u: f64,
}

/// Currencies the directory has numbers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is what it is named after")]
pub enum Currency {
    EUR,
    USD,
    TFT,
    AED,
    GBP,
}

impl Currency {
    const ALL: [Self; 5] = [Self::EUR, Self::USD, Self::TFT, Self::AED, Self::GBP];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// Reads the number on the wire.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl FromStr for Currency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|currency| currency.to_string().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("{text:?} is none of EUR, USD, TFT, AED and GBP"))
    }
}

/// `ASSET:ADDRESS`, a wallet farming rewards go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wallet {
    /// Asset code, such as `TFT`.
    pub asset: String,
    /// Stellar address.
    pub address: String,
}

impl FromStr for Wallet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
        match text.split_once(':') {
            Some((asset, address)) if good(asset) && good(address) => Ok(Self {
                asset: asset.to_owned(),
                address: address.to_owned(),
            }),
            _ => Err(format!(
                "{text:?} is no wallet: it is ASSET:ADDRESS, such as TFT:GA47…"
            )),
        }
    }
}

impl fmt::Display for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.asset, self.address)
    }
}

impl Serialize for Wallet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Wallet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// A wish that no directory can fulfil.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{farm}: {reason}")]
pub struct Invalid {
    /// Which farm, as the file names it.
    pub farm: String,
    /// What is wrong.
    pub reason: String,
}

impl DesiredFarms {
    /// Checks what can be checked without a directory.
    ///
    /// # Errors
    /// The first wish that cannot be.
    pub fn check(&self) -> Result<(), Invalid> {
        for (index, farm) in self.farms.iter().enumerate() {
            farm.check().map_err(|reason| Invalid {
                farm: farm.label(),
                reason,
            })?;
            let is_same = |other: &DesiredFarm| {
                (farm.id.is_some() && farm.id == other.id)
                    || (farm.name.is_some() && farm.name == other.name)
            };
            if self.farms[..index].iter().any(is_same) {
                return Err(Invalid {
                    farm: farm.label(),
                    reason: "it is there twice".to_owned(),
                });
            }
        }
        Ok(())
    }
}

impl DesiredFarm {
    /// How the file names it.
    #[must_use]
    pub fn label(&self) -> String {
        match (self.id, &self.name) {
            (Some(id), _) => format!("farm {id}"),
            (None, Some(name)) => format!("farm {name:?}"),
            (None, None) => "a farm".to_owned(),
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.id.is_none() && self.name.is_none() {
            return Err("it has neither id nor name".to_owned());
        }
        if self.id == Some(0) {
            return Err("0 is no farm id".to_owned());
        }
        if let Some(name) = self
            .name
            .as_deref()
            .filter(|name| !is_valid_farm_name(name))
        {
            return Err(format!(
                "{name:?} cannot be its name; 3 to 40 letters, digits, `-` and `_` can"
            ));
        }
        if let Some(email) = self.email.as_deref().filter(|email| !is_valid_email(email)) {
            return Err(format!("{email:?} is no e-mail address"));
        }
        if let Some(location) = &self.location {
            location.check()?;
        }
        let amounts = self.prices.iter().flatten().flat_map(Prices::amounts);
        let custom = self.custom_prices.iter().flat_map(CustomPrices::amounts);
        if amounts
            .chain(custom)
            .any(|price| !(price >= 0.0 && price.is_finite()))
        {
            return Err("a price is a number from 0".to_owned());
        }
        if self.custom_pricing == Some(true) && self.custom_prices.is_none() {
            return Err("custom_pricing needs custom_prices beside it".to_owned());
        }
        for (index, ip) in self.ip_addresses.iter().flatten().enumerate() {
            ip.check()?;
            let before = self.ip_addresses.iter().flatten().take(index);
            if before.into_iter().any(|other| other.address == ip.address) {
                return Err(format!("the address {} is there twice", ip.address));
            }
        }
        for (index, node) in self.nodes.iter().enumerate() {
            node.check()?;
            if self.nodes[..index]
                .iter()
                .any(|other| other.node_id == node.node_id)
            {
                return Err(format!("node {} is there twice", node.node_id));
            }
        }
        Ok(())
    }
}

impl DesiredLocation {
    fn check(&self) -> Result<(), String> {
        let within = |value: Option<f64>, limit: f64| {
            value.is_none_or(|degrees| (-limit..=limit).contains(&degrees))
        };
        if !within(self.latitude, 90.0) {
            return Err("location.latitude is not within -90 and 90".to_owned());
        }
        if !within(self.longitude, 180.0) {
            return Err("location.longitude is not within -180 and 180".to_owned());
        }
        Ok(())
    }
}

impl DesiredNode {
    /// Checks what can be checked without a directory.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        let Some(config) = &self.public_config else {
            return Ok(());
        };
        let bad = |reason: String| Err(format!("node {}: public_config: {reason}", self.node_id));
        if !(1..=16).contains(&config.interface.len()) {
            return bad("an interface's name has 1 to 16 characters".to_owned());
        }
        if !config.ipv4.addr.is_ipv4() {
            return bad(format!("ipv4: {} is no IPv4 address", config.ipv4));
        }
        if !config.ipv6.addr.is_ipv6() {
            return bad(format!("ipv6: {} is no IPv6 address", config.ipv6));
        }
        Ok(())
    }
}

impl PublicAddress {
    /// Checks that it can be one.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        match self.address.addr {
            IpAddr::V4(address) if address == self.gateway => {
                Err(format!("{} is its own gateway", self.address))
            }
            IpAddr::V4(_) => Ok(()),
            IpAddr::V6(_) => Err(format!(
                "{} is no IPv4 address; the pool holds no others",
                self.address
            )),
        }
    }
}

impl Prices {
    fn amounts(&self) -> [f64; 5] {
        [self.cru, self.mru, self.sru, self.hru, self.nru]
    }
}

impl CustomPrices {
    fn amounts(&self) -> [f64; 4] {
        [self.cu, self.su, self.nu, self.ipv4u]
    }
}
