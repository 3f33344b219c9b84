//! What a server granted, with every doubtful value made safe.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::message::{ServerMessage, Settings};

/// Shorter leases would have the client do nothing but renew.
const SHORTEST_SECS: u32 = 60;
/// For servers that do not say.
const DEFAULT_SECS: u32 = 3600;
/// RFC 2131 section 3.3: for ever.
const INFINITE: u32 = u32::MAX;

/// An address with its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Length of the network part in bits.
    pub prefix_length: u8,
    /// Routes (network, prefix length, gateway; an unspecified gateway is the link itself).
    pub routes: Vec<(Ipv4Addr, u8, Ipv4Addr)>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
    /// NTP servers.
    pub ntp: Vec<Ipv4Addr>,
    /// Host name the network gives this machine.
    pub host_name: Option<String>,
    /// Domain to search.
    pub domain: Option<String>,
    /// The server, to renew with.
    pub server: Ipv4Addr,
    /// `None`: for ever.
    pub times: Option<Times>,
}

/// Times of a lease, counted from the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Ask the same server again (T1).
    pub renew: Duration,
    /// Ask any server (T2).
    pub rebind: Duration,
    /// The address must not be used any more.
    pub expire: Duration,
}

impl Lease {
    /// The lease an acknowledgement grants; `None` if it names no server.
    pub fn of(message: &ServerMessage) -> Option<Self> {
        let settings = &message.settings;
        let address = message.address;
        Some(Self {
            address,
            prefix_length: settings
                .prefix_length
                .unwrap_or_else(|| class_prefix(address)),
            routes: routes(settings),
            dns: settings.dns.clone(),
            ntp: settings.ntp.clone(),
            host_name: settings.host_name.clone(),
            domain: settings.domain.clone(),
            server: message.server?,
            times: times(settings),
        })
    }
}

fn routes(settings: &Settings) -> Vec<(Ipv4Addr, u8, Ipv4Addr)> {
    // RFC 3442: with classless routes the routers are ignored.
    match (&settings.routes, settings.routers.first()) {
        (Some(routes), _) => routes.clone(),
        (None, Some(router)) => vec![(Ipv4Addr::UNSPECIFIED, 0, *router)],
        (None, None) => Vec::new(),
    }
}

fn times(settings: &Settings) -> Option<Times> {
    let expire = settings.lease_secs.unwrap_or(DEFAULT_SECS);
    if expire == INFINITE {
        return None;
    }
    let expire = expire.max(SHORTEST_SECS);
    let rebind = settings
        .rebind_secs
        .filter(|rebind| *rebind < expire && *rebind >= SHORTEST_SECS / 2)
        .unwrap_or(expire - expire / 8);
    let renew = settings
        .renew_secs
        .filter(|renew| *renew < rebind && *renew >= SHORTEST_SECS / 4)
        .unwrap_or((expire / 2).min(rebind));
    let seconds = |secs: u32| Duration::from_secs(u64::from(secs));
    Some(Times {
        renew: seconds(renew),
        rebind: seconds(rebind),
        expire: seconds(expire),
    })
}

/// The network's size by its class, for servers that send no mask (RFC 791).
const fn class_prefix(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..=127 => 8,
        128..=191 => 16,
        _ => 24,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with_times(lease: Option<u32>, renew: Option<u32>, rebind: Option<u32>) -> Option<Times> {
        times(&Settings {
            lease_secs: lease,
            renew_secs: renew,
            rebind_secs: rebind,
            ..Settings::default()
        })
    }

    #[test]
    fn defaults_of_the_rfc() {
        let times = with_times(Some(8000), None, None).unwrap();
        assert_eq!(times.renew.as_secs(), 4000);
        assert_eq!(times.rebind.as_secs(), 7000);
        assert_eq!(with_times(Some(INFINITE), Some(1), None), None);
    }

    proptest! {
        #[test]
        fn times_are_in_order_and_never_a_busy_loop(lease: Option<u32>, renew: Option<u32>, rebind: Option<u32>) {
            if let Some(times) = with_times(lease, renew, rebind) {
                prop_assert!(times.renew.as_secs() >= 15);
                prop_assert!(times.renew <= times.rebind && times.rebind < times.expire);
            }
        }
    }

    #[test]
    fn classless_routes_replace_the_router() {
        let router = Ipv4Addr::new(10, 0, 0, 1);
        let mut settings = Settings {
            routers: vec![router],
            ..Settings::default()
        };
        assert_eq!(routes(&settings), [(Ipv4Addr::UNSPECIFIED, 0, router)]);
        let link = (Ipv4Addr::new(10, 9, 0, 0), 16, Ipv4Addr::UNSPECIFIED);
        settings.routes = Some(vec![link]);
        assert_eq!(routes(&settings), [link]);
    }
}
