//! What a port is to be given: from a lease or from the settings, in one form.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use node_config::Addressing;

use super::dhcp::Lease;
use super::link::{Link, mac_text, parse_mac};
use super::netlink::{Address, Route};

/// Metric of the port that has the default route; the others come behind it.
const FIRST_METRIC: u32 = 100;
const OTHER_METRICS: u32 = 1000;

/// Address, routes and servers of one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Address with the length of its network part.
    pub address: (IpAddr, u8),
    /// Network, prefix length and next hop (`None`: the link itself).
    pub routes: Vec<(IpAddr, u8, Option<IpAddr>)>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// Domain to search.
    pub domain: Option<String>,
    /// Host name the network gives.
    pub host_name: Option<String>,
    /// In words, for the console.
    pub source: String,
    /// Whether DHCP brought it.
    pub from_dhcp: bool,
}

impl Grant {
    /// What a lease grants.
    pub fn of_lease(lease: &Lease) -> Self {
        let route = |(network, length, gateway): &(Ipv4Addr, u8, Ipv4Addr)| {
            let gateway = Some(IpAddr::V4(*gateway)).filter(|gateway| !gateway.is_unspecified());
            (IpAddr::V4(*network), *length, gateway)
        };
        let validity = lease.times.map_or_else(
            || "for ever".to_owned(),
            |times| format!("lease {} s", times.expire.as_secs()),
        );
        Self {
            address: (lease.address.into(), lease.prefix_length),
            routes: lease.routes.iter().map(route).collect(),
            dns: lease.dns.iter().copied().map(IpAddr::V4).collect(),
            domain: lease.domain.clone(),
            host_name: lease.host_name.clone(),
            source: format!("DHCP from {}, {validity}", lease.server),
            from_dhcp: true,
        }
    }

    /// What the settings grant; `None` if they say DHCP.
    pub fn of_settings(addressing: &Addressing) -> Option<Self> {
        let Addressing::Static {
            address,
            gateway,
            dns,
            ..
        } = addressing
        else {
            return None;
        };
        let everywhere: IpAddr = match address.address {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Some(Self {
            address: (address.address, address.prefix_length),
            routes: gateway
                .iter()
                .map(|gateway| (everywhere, 0, Some(*gateway)))
                .collect(),
            dns: dns.clone(),
            domain: None,
            host_name: None,
            source: "fixed address".to_owned(),
            from_dhcp: false,
        })
    }

    /// Gateway of the default route.
    pub fn gateway(&self) -> Option<IpAddr> {
        let default = self.routes.iter().find(|(_, length, _)| *length == 0);
        default.and_then(|(_, _, gateway)| *gateway)
    }

    /// The kernel's form of the address and the routes. `first`: this port has the default route.
    pub fn for_kernel(&self, port: u32, first: bool) -> (Address, Vec<Route>) {
        let metric = if first {
            FIRST_METRIC
        } else {
            OTHER_METRICS + port
        };
        let route = |(destination, prefix_length, gateway): &(IpAddr, u8, Option<IpAddr>)| Route {
            destination: *destination,
            prefix_length: *prefix_length,
            gateway: *gateway,
            metric,
            from_dhcp: self.from_dhcp,
        };
        let mut routes: Vec<Route> = self.routes.iter().map(route).collect();
        // Routes on the link first: a gateway may be behind one of them.
        routes.sort_by_key(|route| route.gateway.is_some());
        let address = Address {
            address: self.address.0,
            prefix_length: self.address.1,
            metric,
        };
        (address, routes)
    }
}

/// The port that gets the fixed address: the one named by name or MAC address, else the first with
/// a cable.
pub fn chosen<'a>(interface: Option<&str>, links: &'a [Link]) -> Result<&'a Link, String> {
    let Some(wanted) = interface else {
        let with_cable = links.iter().find(|link| link.carrier);
        return with_cable.ok_or_else(|| "no port has a cable".to_owned());
    };
    let mac = parse_mac(wanted);
    let found = links
        .iter()
        .find(|link| is_called(&link.name, wanted) || Some(link.mac) == mac);
    found.ok_or_else(|| {
        let there: Vec<String> = links
            .iter()
            .map(|link| format!("{} ({})", link.name, mac_text(link.mac)))
            .collect();
        format!(
            "the port {wanted} of the settings is not in this machine; it has: {}",
            if there.is_empty() {
                "none".to_owned()
            } else {
                there.join(", ")
            }
        )
    })
}

/// Whether an interface is the one of that name, or its VLAN's.
fn is_called(interface: &str, name: &str) -> bool {
    let rest = interface.strip_prefix(name);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> Vec<Link> {
        let link = |name: &str, index, carrier| Link {
            name: name.to_owned(),
            index,
            mac: [2, 0, 0, 0, 0, u8::try_from(index).unwrap()],
            carrier,
        };
        vec![link("eth0", 2, false), link("eth1", 3, true)]
    }

    #[test]
    fn the_port_of_a_fixed_address() {
        let links = links();
        let name = |interface| chosen(interface, &links).map(|link| link.name.clone());
        assert_eq!(name(None), Ok("eth1".to_owned()));
        assert_eq!(name(Some("eth0")), Ok("eth0".to_owned()));
        assert_eq!(name(Some("02:00:00:00:00:02")), Ok("eth0".to_owned()));
        let error = name(Some("eth7")).unwrap_err();
        assert!(
            error.contains("eth7") && error.contains("eth1 (02:00:00:00:00:03)"),
            "{error}"
        );
        assert!(chosen(None, &links[..1]).is_err());
    }

    #[test]
    fn the_first_port_wins_the_default_route() {
        let addressing = Addressing::Static {
            interface: None,
            address: "192.0.2.5/24".parse().unwrap(),
            gateway: Some([192, 0, 2, 1].into()),
            dns: vec![],
        };
        let grant = Grant::of_settings(&addressing).unwrap();
        let (first, routes) = grant.for_kernel(7, true);
        let (other, _) = grant.for_kernel(7, false);
        assert!(first.metric < other.metric);
        assert_eq!(routes.len(), 1);
        assert_eq!(routes[0].gateway, grant.gateway());
        assert_eq!(Grant::of_settings(&Addressing::Dhcp), None);
    }
}
