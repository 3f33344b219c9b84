//! What the network has come to, and the words for it.

use std::net::IpAddr;
use std::time::Duration;

use super::link::mac_text;

/// How long a port may take to notice its cable before it is said to have none: gigabit ports
/// negotiate for seconds.
const CABLE_PATIENCE: Duration = Duration::from_secs(5);
/// How many unanswered questions are normal (a switch that just woke up).
const USUAL_SILENCE: u32 = 1;

/// One address with the length of its network part.
pub type Network = (IpAddr, u8);

/// A port as the rest of the node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortState {
    /// Kernel name.
    pub name: String,
    /// Hardware address.
    pub mac: [u8; 6],
    /// Whether a cable with life on it is plugged in.
    pub carrier: bool,
    /// Since when `carrier` is false, or the port is known.
    pub without_carrier: Duration,
    /// Its addresses.
    pub addresses: Vec<Network>,
    /// Gateway of its default route.
    pub gateway: Option<IpAddr>,
    /// Name servers that came with the address.
    pub dns: Vec<IpAddr>,
    /// Where the address comes from, in words (`DHCP from 10.0.2.2`).
    pub source: String,
    /// DHCP questions without an answer since the last address.
    pub unanswered: u32,
    /// What else is wrong with it.
    pub trouble: Option<String>,
    /// Whether an address is expected on this port.
    pub expects_address: bool,
}

/// The whole network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetState {
    /// All wired ports.
    pub ports: Vec<PortState>,
    /// What this machine is called.
    pub host_name: String,
}

impl NetState {
    /// Whether there is any address to send from.
    pub fn is_online(&self) -> bool {
        self.ports
            .iter()
            .any(|port| port.carrier && !port.addresses.is_empty())
    }
}

impl PortState {
    /// The port's state in words; `None` while there is nothing to say yet.
    pub fn words(&self) -> Option<String> {
        let who = format!("{} ({})", self.name, mac_text(self.mac));
        if !self.carrier {
            let is_sure = self.without_carrier >= CABLE_PATIENCE;
            return is_sure.then(|| format!("no cable on {who}"));
        }
        if let Some(trouble) = &self.trouble {
            return Some(format!("{who}: {trouble}"));
        }
        if !self.addresses.is_empty() {
            return Some(format!("{who} has {}", self.address_words()));
        }
        let is_silent = self.expects_address && self.unanswered > USUAL_SILENCE;
        is_silent.then(|| {
            let tries = self.unanswered;
            format!("no DHCP answer on {who} yet (try {tries})")
        })
    }

    fn address_words(&self) -> String {
        let list = |items: Vec<String>| items.join(", ");
        let addresses = self
            .addresses
            .iter()
            .map(|(ip, length)| format!("{ip}/{length}"));
        let mut words = list(addresses.collect());
        match self.gateway {
            Some(gateway) => words.push_str(&format!(", gateway {gateway}")),
            None => words.push_str(", no gateway"),
        }
        if self.dns.is_empty() {
            words.push_str(", no DNS server");
        } else {
            let servers = self.dns.iter().map(ToString::to_string);
            words.push_str(&format!(", DNS {}", list(servers.collect())));
        }
        if !self.source.is_empty() {
            words.push_str(&format!(" ({})", self.source));
        }
        words
    }
}

/// What to say when a machine has no port at all.
pub const NO_PORT: &str = "no network port found: either the card is not supported by this image, \
                           or its firmware is missing";

#[cfg(test)]
mod tests {
    use super::*;

    fn port() -> PortState {
        PortState {
            name: "eth0".to_owned(),
            mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
            expects_address: true,
            ..PortState::default()
        }
    }

    #[test]
    fn a_missing_cable_is_said_after_a_while() {
        let mut port = port();
        assert_eq!(port.words(), None);
        port.without_carrier = Duration::from_secs(6);
        assert_eq!(
            port.words().unwrap(),
            "no cable on eth0 (52:54:00:12:34:56)"
        );
    }

    #[test]
    fn silence_is_counted() {
        let mut port = port();
        port.carrier = true;
        port.unanswered = 1;
        assert_eq!(port.words(), None);
        port.unanswered = 3;
        assert_eq!(
            port.words().unwrap(),
            "no DHCP answer on eth0 (52:54:00:12:34:56) yet (try 3)"
        );
    }

    #[test]
    fn an_address_is_shown_with_what_came_along() {
        let mut port = port();
        port.carrier = true;
        port.addresses = vec![([10, 0, 2, 15].into(), 24)];
        assert!(
            port.words()
                .unwrap()
                .ends_with("has 10.0.2.15/24, no gateway, no DNS server")
        );
        port.gateway = Some([10, 0, 2, 2].into());
        port.dns = vec![[10, 0, 2, 3].into()];
        port.source = "DHCP from 10.0.2.2".to_owned();
        assert!(
            port.words()
                .unwrap()
                .ends_with("has 10.0.2.15/24, gateway 10.0.2.2, DNS 10.0.2.3 (DHCP from 10.0.2.2)")
        );
    }

    #[test]
    fn online_needs_an_address_and_a_cable() {
        let mut port = port();
        port.addresses = vec![([10, 0, 2, 15].into(), 24)];
        let mut state = NetState {
            ports: vec![port],
            ..NetState::default()
        };
        assert!(!state.is_online());
        state.ports[0].carrier = true;
        assert!(state.is_online());
    }
}
