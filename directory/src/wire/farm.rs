//! Farms: named groups of nodes owned by one identity.

use std::net::IpAddr;

use hw_probe::text::Untrusted;
use serde::{Deserialize, Serialize};

use super::scalar::{Cidr, go_float, null_default, or_empty};

/// A farm, as `GET /farms/{id}` answers it and `POST`/`PUT` take it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Farm {
    /// Assigned by the server; ignored when creating.
    #[serde(deserialize_with = "null_default")]
    pub id: u64,
    /// The owner's user id; required, not 0.
    #[serde(deserialize_with = "null_default")]
    pub threebot_id: u64,
    /// Legacy itsyou.online organisation; free text.
    #[serde(deserialize_with = "null_default")]
    pub iyo_organization: Untrusted,
    /// Required, unique, see [`is_valid_farm_name`].
    #[serde(deserialize_with = "null_default")]
    pub name: Untrusted,
    /// Where rewards are paid; at least one.
    #[serde(deserialize_with = "null_default")]
    pub wallet_addresses: Vec<WalletAddress>,
    /// Where the farm stands; a node without a location of its own copies it.
    #[serde(deserialize_with = "null_default")]
    pub location: Location,
    /// Contact; shown only to the owner (strict) or to signed requests (compat).
    #[serde(deserialize_with = "null_default")]
    pub email: Untrusted,
    /// Prices the farmer asks per unit.
    #[serde(deserialize_with = "null_default")]
    pub resource_prices: Vec<ResourcePrice>,
    /// IPv6 prefix of the farm.
    #[serde(with = "or_empty")]
    pub prefix_zero: Option<Cidr>,
    /// Public IPv4 pool (2021 servers).
    #[serde(deserialize_with = "null_default")]
    pub ipaddresses: Vec<FarmPublicIp>,
    /// Whether the prices below replace the grid's (2021 servers).
    #[serde(deserialize_with = "null_default")]
    pub enable_custom_pricing: bool,
    /// Custom prices (2021 servers).
    #[serde(deserialize_with = "null_default")]
    pub farm_cloudunits_price: CloudUnitsPrice,
    /// Set by 2021 servers.
    #[serde(deserialize_with = "null_default")]
    pub is_grid3_compliant: bool,
    /// Extension: whether the owner's signature was ever on it. Farms that a compat listener took
    /// unsigned are somebody's word only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
}

/// Whether a farm name fits `^[a-zA-Z0-9-_]+$` and, as the later chain demands, 3 to 40 bytes.
///
/// The 2020 directory has no length limit; a name outside it could not move to a later grid.
#[must_use]
pub fn is_valid_farm_name(name: &str) -> bool {
    (3..=40).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The answer to `POST /farms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FarmCreated {
    /// The new farm's id.
    pub id: u64,
}

/// Where a farm or a node stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Location {
    /// City, in words.
    #[serde(deserialize_with = "null_default")]
    pub city: Untrusted,
    /// Country, in words or as ISO 3166 code: the original compares it as text.
    #[serde(deserialize_with = "null_default")]
    pub country: Untrusted,
    /// Continent, in words.
    #[serde(deserialize_with = "null_default")]
    pub continent: Untrusted,
    /// Degrees north, -90..=90.
    #[serde(serialize_with = "go_float", deserialize_with = "null_default")]
    pub latitude: f64,
    /// Degrees east, -180..=180.
    #[serde(serialize_with = "go_float", deserialize_with = "null_default")]
    pub longitude: f64,
}

impl Location {
    /// Whether nothing is set; the directory refuses nodes with such a location.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A wallet that receives an asset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WalletAddress {
    /// Asset code, `TFT` for one.
    #[serde(deserialize_with = "null_default")]
    pub asset: Untrusted,
    /// Account address on the asset's ledger.
    #[serde(deserialize_with = "null_default")]
    pub address: Untrusted,
}

/// Price per resource unit.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourcePrice {
    /// 0 EUR, 1 USD, 2 TFT, 3 AED, 4 GBP.
    #[serde(deserialize_with = "null_default")]
    pub currency: i64,
    /// Per logical CPU.
    #[serde(serialize_with = "go_float", deserialize_with = "null_default")]
    pub cru: f64,
    /// Per GiB of memory.
    #[serde(serialize_with = "go_float", deserialize_with = "null_default")]
    pub mru: f64,
    /// Per GiB of SSD.
    #[serde(serialize_with = "go_float", deserialize_with = "null_default")]
    pub sru: f64,
    /// Per GiB of HDD.
    #[serde(serialize_with = "go_float", deserialize_with = "null_default")]
    pub hru: f64,
    /// Per GiB of traffic.
    #[serde(serialize_with = "go_float", deserialize_with = "null_default")]
    pub nru: f64,
}

/// A public IPv4 address of a farm's pool (2021 servers).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FarmPublicIp {
    /// The address with its network.
    #[serde(with = "or_empty")]
    pub address: Option<Cidr>,
    /// The network's gateway.
    #[serde(with = "or_empty")]
    pub gateway: Option<IpAddr>,
    /// The reservation that holds it, 0 if free.
    #[serde(deserialize_with = "null_default")]
    pub reservation_id: i64,
}

impl FarmPublicIp {
    /// Whether address and gateway are two hosts of one network on the public internet.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(Cidr, IpAddr), &'static str> {
        let address = self.address.ok_or("address is required")?;
        let gateway = self.gateway.ok_or("gateway is required")?;
        for ip in [address.addr, gateway] {
            if ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() {
                return Err("an address is none of a host");
            }
        }
        if gateway == address.addr {
            return Err("gateway and address are the same");
        }
        if !address.contains(gateway) {
            return Err("gateway is not in the network of address");
        }
        Ok((address, gateway))
    }
}

/// Custom cloud unit prices (2021 servers).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CloudUnitsPrice {
    /// As in [`ResourcePrice::currency`].
    #[serde(deserialize_with = "null_default")]
    pub currency: i64,
    /// Per compute unit.
    #[serde(serialize_with = "go_float", deserialize_with = "null_default")]
    pub cu: f64,
    /// Per storage unit.
    #[serde(serialize_with = "go_float", deserialize_with = "null_default")]
    pub su: f64,
    /// Per network unit.
    #[serde(serialize_with = "go_float", deserialize_with = "null_default")]
    pub nu: f64,
    /// Per public IPv4 address.
    #[serde(serialize_with = "go_float", deserialize_with = "null_default")]
    pub ipv4u: f64,
}

impl CloudUnitsPrice {
    /// Whether every price is an amount.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        (0..=4).contains(&self.currency)
            && [self.cu, self.su, self.nu, self.ipv4u]
                .iter()
                .all(|price| price.is_finite() && *price >= 0.0)
    }
}

/// What a farm asks of one user instead of its usual prices (2021 servers).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FarmThreebotPrice {
    /// The user the price is for.
    #[serde(deserialize_with = "null_default")]
    pub threebot_id: u64,
    /// The farm.
    #[serde(deserialize_with = "null_default")]
    pub farm_id: u64,
    /// The prices.
    #[serde(deserialize_with = "null_default")]
    pub custom_cloudunits_price: CloudUnitsPrice,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_follow_the_reference_vectors() {
        let check = |address: &str, gateway: &str| {
            let ip = FarmPublicIp {
                address: address.parse().ok(),
                gateway: gateway.parse().ok(),
                reservation_id: 0,
            };
            ip.check().map(drop)
        };
        check("185.206.122.1/24", "185.206.122.2").unwrap();
        check("2a10:b600:1::0cc4:7a30:65b5/64", "2a10:b600:1::1").unwrap();
        for (address, gateway, why) in [
            ("185.206.122.1/24", "185.206.122.1", "the same"),
            ("185.206.122.1/24", "185.206.123.2", "not in the network"),
            ("185.206.122.1/24", "2a10:b600:1::1", "not in the network"),
            ("185.206.122.1", "185.206.122.2", "address is required"),
            ("185.206.122.1/24", "", "gateway is required"),
            ("127.0.0.2/8", "127.0.0.1", "none of a host"),
            ("0.0.0.0/0", "1.2.3.4", "none of a host"),
        ] {
            let error = check(address, gateway).unwrap_err();
            assert!(error.contains(why), "{address} {gateway}: {error}");
        }
    }
}
