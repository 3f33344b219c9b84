//! Values with a grammar of their own on the command line.

use std::net::IpAddr;
use std::str::FromStr;

use node_config::values::Cidr;
use node_config::{Addressing, FarmId, LocationConfig};

/// `90s`, `30m`, `24h`, `7d`, in seconds.
pub fn seconds(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is no time such as 90s, 30m, 24h or 7d");
    let unit = text.chars().last().ok_or_else(bad)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(bad()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| bad())?;
    number
        .checked_mul(factor)
        .filter(|seconds| *seconds > 0)
        .ok_or_else(bad)
}

/// A farm's number, or those from `FIRST..LAST`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FarmIds {
    first: FarmId,
    last: FarmId,
}

/// Most farms that one command makes something for.
const MOST_FARMS: u32 = 100_000;

impl FarmIds {
    /// The one farm, if it is one.
    pub fn one(self) -> Option<FarmId> {
        (self.first == self.last).then_some(self.first)
    }

    /// All of them.
    pub fn all(self) -> Vec<FarmId> {
        let numbers = self.first.get()..=self.last.get();
        numbers
            .filter_map(|number| FarmId::try_from(u64::from(number)).ok())
            .collect()
    }
}

impl FromStr for FarmIds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = |text: &str| text.parse::<FarmId>().map_err(|error| error.to_string());
        let (first, last) = match text.split_once("..") {
            Some((first, last)) => (id(first)?, id(last)?),
            None => (id(text)?, id(text)?),
        };
        if last < first {
            return Err(format!("{text:?} ends before it begins"));
        }
        if last.get() - first.get() >= MOST_FARMS {
            return Err(format!("{text:?} are more than {MOST_FARMS} farms"));
        }
        Ok(Self { first, last })
    }
}

/// `country=BE,city=Ghent,lat=51.05,lon=3.72`
#[derive(Debug, Clone, PartialEq)]
pub struct LocationValue(pub LocationConfig);

impl FromStr for LocationValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut location = LocationConfig::default();
        for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("{pair:?} is not key=value"))?;
            let (key, value) = (key.trim(), value.trim());
            let degrees = || {
                value
                    .parse::<f64>()
                    .map_err(|_| format!("{value:?} is not a number of degrees"))
            };
            match key {
                "continent" => location.continent = value.to_owned(),
                "country" => location.country = value.to_owned(),
                "city" => location.city = value.to_owned(),
                "lat" | "latitude" => location.latitude = degrees()?,
                "lon" | "longitude" => location.longitude = degrees()?,
                other => {
                    return Err(format!(
                        "{other:?} is none of country, city, continent, lat and lon"
                    ));
                }
            }
        }
        if location.country.is_empty() {
            return Err("a location has at least country=…".to_owned());
        }
        Ok(Self(location))
    }
}

/// `ADDRESS/PREFIX[,gw=ADDRESS][,dns=ADDRESS]...[,if=NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticAddress(pub Addressing);

impl FromStr for StaticAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(',');
        let address: Cidr = parts
            .next()
            .unwrap_or_default()
            .parse()
            .map_err(|error| format!("{error}"))?;
        let (mut gateway, mut dns, mut interface) = (None, Vec::new(), None);
        for part in parts {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?} is not key=value"))?;
            let ip = || {
                value
                    .parse::<IpAddr>()
                    .map_err(|_| format!("{value:?} is not an address"))
            };
            match key {
                "gw" | "gateway" => gateway = Some(ip()?),
                "dns" => dns.push(ip()?),
                "if" | "interface" => interface = Some(value.to_owned()),
                other => return Err(format!("{other:?} is none of gw, dns and if")),
            }
        }
        usable(&address, gateway)?;
        Ok(Self(Addressing::Static {
            interface,
            address,
            gateway,
            dns,
        }))
    }
}

/// Refuses what no machine can have or reach: a slip of the finger would show in a rack far away.
fn usable(own: &Cidr, gateway: Option<IpAddr>) -> Result<(), String> {
    let address = own.address;
    if address.is_loopback() || address.is_multicast() || address.is_unspecified() {
        return Err(format!("{address} is not an address of a machine"));
    }
    if gateway == Some(address) {
        return Err(format!("the gateway {address} is the machine itself"));
    }
    // On links of two, and of one, every address is a machine's and a gateway may lie outside.
    let (IpAddr::V4(v4), 0..=30) = (address, own.prefix_length) else {
        return Ok(());
    };
    let host_bits = u32::MAX.checked_shr(own.prefix_length.into()).unwrap_or(0);
    let host = v4.to_bits() & host_bits;
    if host == 0 || host == host_bits {
        return Err(format!(
            "{own} is the network's own address, not a machine's"
        ));
    }
    if let Some(IpAddr::V4(gateway)) = gateway
        && gateway.to_bits() & !host_bits != v4.to_bits() & !host_bits
    {
        return Err(format!(
            "the gateway {gateway} is not in the network of {own}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_no_machine_can_have_are_refused() {
        for good in [
            "192.0.2.5/24,gw=192.0.2.1",
            "192.0.2.4/31,gw=192.0.2.5",
            "192.0.2.4/32,gw=198.51.100.1",
            "10.0.0.255/8",
            "2001:db8::5/64,gw=fe80::1",
        ] {
            assert!(good.parse::<StaticAddress>().is_ok(), "{good}");
        }
        for bad in [
            "192.0.2.0/24",
            "192.0.2.255/24",
            "127.0.0.1/8",
            "224.0.0.1/24",
            "0.0.0.0/0",
            "::1/64",
            "192.0.2.5/24,gw=10.0.0.1",
            "192.0.2.5/24,gw=192.0.2.5",
        ] {
            assert!(bad.parse::<StaticAddress>().is_err(), "{bad}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(seconds("7d"), Ok(604_800));
        for bad in ["", "7", "d", "0h", "-1h", "1w", "99999999999999999d", "1é"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn locations() {
        let LocationValue(location) = "country=BE, city=Ghent,lat=51.05".parse().unwrap();
        assert_eq!(
            (location.country.as_str(), location.city.as_str()),
            ("BE", "Ghent")
        );
        assert!((location.latitude - 51.05).abs() < 1e-9);
        for bad in [
            "",
            "city=Ghent",
            "country",
            "planet=Mars",
            "country=BE,lat=x",
        ] {
            assert!(bad.parse::<LocationValue>().is_err(), "{bad}");
        }
    }

    #[test]
    fn static_addresses() {
        let StaticAddress(addressing) =
            "2001:db8::5/64,gw=2001:db8::1,dns=2001:db8::53,dns=192.0.2.1,if=eth1"
                .parse()
                .unwrap();
        let Addressing::Static {
            interface,
            address,
            gateway,
            dns,
        } = addressing
        else {
            panic!()
        };
        assert_eq!(interface.as_deref(), Some("eth1"));
        assert_eq!(address.prefix_length, 64);
        assert_eq!(gateway, Some("2001:db8::1".parse().unwrap()));
        assert_eq!(dns.len(), 2);
        for bad in [
            "",
            "192.0.2.5",
            "192.0.2.5/24,gw=x",
            "192.0.2.5/24,mtu=9000",
        ] {
            assert!(bad.parse::<StaticAddress>().is_err(), "{bad}");
        }
    }
}
