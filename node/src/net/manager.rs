//! Keeps the ports' real state and the wanted one together.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use node_config::Addressing;
use rustix::io::Errno;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, sleep_until};

use super::Wanted;
use super::addressing::{Grant, chosen};
use super::dhcp::{self, Event};
use super::link::{self, Link, mac_text};
use super::netlink::{LinkNews, Netlink};
use super::ports::Ports;
use super::resolv;
use super::state::{NO_PORT, NetState, PortState};
use crate::console::Console;
use crate::hotplug::Devices;
use crate::stages::Stage;

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// The loopback interface is always the first.
const LOOPBACK: u32 = 1;
/// News come by netlink; looking anyway catches what was lost, and counts the seconds without cable.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Without any port for so long after the drivers are loaded, there is none.
const PORT_PATIENCE: Duration = Duration::from_secs(3);

/// The network of the machine.
pub struct Manager {
    console: Console,
    wanted: watch::Receiver<Wanted>,
    devices: watch::Receiver<Devices>,
    state: watch::Sender<NetState>,
    netlink: Netlink,
    events: mpsc::Sender<(String, Event)>,
    wired: Ports,
    ports: BTreeMap<String, Port>,
    /// The port with the default route.
    first: Option<String>,
    host_name: String,
    resolv_conf: String,
    settled_at: Option<Instant>,
    said: BTreeMap<String, String>,
}

struct Port {
    link: Link,
    carrier: watch::Sender<bool>,
    carrier_lost: Instant,
    dhcp: Option<JoinHandle<()>>,
    grant: Option<Grant>,
    /// What was given to the kernel.
    installed: Option<(Grant, bool)>,
    unanswered: u32,
    trouble: Option<String>,
}

impl Drop for Port {
    fn drop(&mut self) {
        if let Some(task) = self.dhcp.take() {
            task.abort();
        }
    }
}

impl Manager {
    /// Prepares the network; [`Self::run`] does the work. What is wanted may change at any time; the
    /// state is published through `state`.
    pub fn new(
        console: Console,
        wanted: watch::Receiver<Wanted>,
        devices: watch::Receiver<Devices>,
        state: watch::Sender<NetState>,
    ) -> Result<(Self, mpsc::Receiver<(String, Event)>), Errno> {
        let mut netlink = Netlink::open()?;
        let _ = netlink.set_up(LOOPBACK);
        let (events, told) = mpsc::channel(64);
        let manager = Self {
            console,
            wanted,
            devices,
            state,
            netlink,
            events,
            wired: Ports::default(),
            ports: BTreeMap::new(),
            first: None,
            host_name: String::new(),
            resolv_conf: String::new(),
            settled_at: None,
            said: BTreeMap::new(),
        };
        Ok((manager, told))
    }

    /// Runs for ever.
    pub async fn run(mut self, mut told: mpsc::Receiver<(String, Event)>) -> std::io::Error {
        let news = match LinkNews::open() {
            Ok(news) => news,
            Err(error) => return error,
        };
        let mut tick = tokio::time::interval(LOOK_AGAIN);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut wanted = self.wanted.clone();
        let mut devices = self.devices.clone();
        loop {
            let next = self.wired.next_to_switch_on();
            tokio::select! {
                _ = tick.tick() => {}
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
                result = news.wait() => if let Err(error) = result {
                    return error;
                },
                Ok(()) = wanted.changed() => self.forget_all(),
                Ok(()) = devices.changed() => {}
                Some((port, event)) = told.recv() => self.hear(&port, event),
            }
            self.look();
        }
    }

    /// New settings: everything is given back and begins again.
    fn forget_all(&mut self) {
        let names: Vec<String> = self.ports.keys().cloned().collect();
        for name in names {
            if let Some(port) = self.ports.get_mut(&name) {
                port.grant = None;
                if let Some(task) = port.dhcp.take() {
                    task.abort();
                }
            }
        }
        // Now: on another VLAN the interfaces are others.
        self.install();
    }

    fn is_dhcp(&self) -> bool {
        matches!(self.wanted.borrow().addressing, Addressing::Dhcp)
    }

    fn hear(&mut self, name: &str, event: Event) {
        let is_dhcp = self.is_dhcp();
        let Some(port) = self.ports.get_mut(name).filter(|_| is_dhcp) else {
            return;
        };
        match event {
            Event::Waiting(unanswered) => port.unanswered = unanswered,
            Event::Trouble(why) => port.trouble = Some(why),
            Event::Bound(lease) => {
                port.grant = Some(Grant::of_lease(&lease));
                port.unanswered = 0;
                port.trouble = None;
            }
            Event::Lost => {
                port.grant = None;
                port.unanswered = 0;
            }
        }
    }

    /// Brings everything in line with what is plugged in and what is wanted.
    fn look(&mut self) {
        let wanted = self.wanted.borrow().clone();
        let (links, mut complaint) = self.wired.look(&mut self.netlink, wanted.vlan);
        self.ports.retain(|name, port| {
            links
                .iter()
                .any(|l| l.name == *name && l.index == port.link.index)
        });
        for link in &links {
            self.meet(link);
        }
        match &wanted.addressing {
            Addressing::Dhcp => self.start_dhcp(),
            Addressing::Static { interface, .. } => {
                let holder = chosen(interface.as_deref(), &links);
                let holder = holder.map(|link| link.name.clone());
                complaint = complaint.or(holder.as_ref().err().cloned());
                self.give_fixed(&wanted.addressing, holder.ok().as_deref());
            }
        }
        self.choose_first();
        self.install();
        self.name_machine();
        self.write_resolv_conf();
        self.publish(complaint);
    }

    fn meet(&mut self, link: &Link) {
        let now = Instant::now();
        match self.ports.get_mut(&link.name) {
            Some(port) => {
                if port.link.carrier && !link.carrier {
                    port.carrier_lost = now;
                }
                port.link = link.clone();
                port.carrier.send_if_modified(|carrier| {
                    std::mem::replace(carrier, link.carrier) != link.carrier
                });
            }
            None => {
                self.ports.insert(
                    link.name.clone(),
                    Port {
                        link: link.clone(),
                        carrier: watch::Sender::new(link.carrier),
                        carrier_lost: now,
                        dhcp: None,
                        grant: None,
                        installed: None,
                        unanswered: 0,
                        trouble: None,
                    },
                );
            }
        }
    }

    fn start_dhcp(&mut self) {
        for port in self.ports.values_mut() {
            let is_running = port.dhcp.as_ref().is_some_and(|task| !task.is_finished());
            if is_running {
                continue;
            }
            let client = dhcp::Port {
                index: port.link.index,
                name: port.link.name.clone(),
                mac: port.link.mac,
            };
            let host_name = default_host_name(port.link.mac);
            let link = port.carrier.subscribe();
            let task = dhcp::run(client, host_name, link, self.events.clone());
            port.dhcp = Some(tokio::spawn(task));
        }
    }

    fn give_fixed(&mut self, wanted: &Addressing, holder: Option<&str>) {
        // Once given, the address stays where it is while the cable does.
        let keeps = self
            .ports
            .values()
            .any(|port| port.grant.is_some() && port.link.carrier);
        let is_named = matches!(
            wanted,
            Addressing::Static {
                interface: Some(_),
                ..
            }
        );
        if keeps && !is_named {
            return;
        }
        for (name, port) in &mut self.ports {
            let is_holder = Some(name.as_str()) == holder && port.link.carrier;
            port.grant = is_holder.then(|| Grant::of_settings(wanted)).flatten();
        }
    }

    /// The first port with an address and a gateway wins the default route and keeps it.
    fn choose_first(&mut self) {
        let has_gateway = |port: &Port| {
            port.grant
                .as_ref()
                .is_some_and(|grant| grant.gateway().is_some())
        };
        let keeps = self
            .first
            .as_ref()
            .and_then(|name| self.ports.get(name))
            .is_some_and(has_gateway);
        if !keeps {
            let mut candidates: Vec<&Port> =
                self.ports.values().filter(|p| has_gateway(p)).collect();
            candidates.sort_by_key(|port| port.link.index);
            self.first = candidates.first().map(|port| port.link.name.clone());
        }
    }

    fn install(&mut self) {
        for (name, port) in &mut self.ports {
            let is_first = self.first.as_deref() == Some(name);
            let wanted = port.grant.clone().map(|grant| (grant, is_first));
            if wanted == port.installed {
                continue;
            }
            let index = port.link.index;
            if let Some((grant, was_first)) = port.installed.take() {
                let (address, routes) = grant.for_kernel(index, was_first);
                let stays = wanted
                    .as_ref()
                    .is_some_and(|(new, _)| new.address == grant.address);
                for route in &routes {
                    let _ = self.netlink.remove_route(index, route);
                }
                if !stays {
                    let _ = self.netlink.remove_address(index, &address);
                }
            }
            if let Some((grant, is_first)) = wanted {
                let (address, routes) = grant.for_kernel(index, is_first);
                let mut result = self.netlink.add_address(index, &address);
                for route in &routes {
                    result = result.and(self.netlink.add_route(index, route));
                }
                port.trouble = result
                    .err()
                    .map(|error| format!("the kernel refused the address: {error}"));
                // Also after a refusal: what was taken must be given back later.
                port.installed = Some((grant, is_first));
            }
        }
    }

    fn name_machine(&mut self) {
        let from_network = self
            .ports
            .values()
            .filter_map(|port| port.grant.as_ref()?.host_name.clone())
            .next();
        let first_mac = self.ports.values().min_by_key(|port| port.link.index);
        let name = from_network
            .or_else(|| first_mac.map(|port| default_host_name(port.link.mac)))
            .unwrap_or_else(|| "node".to_owned());
        if name != self.host_name && rustix::system::sethostname(name.as_bytes()).is_ok() {
            self.host_name = name;
        }
    }

    fn write_resolv_conf(&mut self) {
        let mut ports: Vec<&Port> = self.ports.values().collect();
        ports.sort_by_key(|port| {
            (
                self.first.as_ref() != Some(&port.link.name),
                port.link.index,
            )
        });
        let grants: Vec<&Grant> = ports
            .iter()
            .filter_map(|port| port.grant.as_ref())
            .collect();
        let servers: Vec<IpAddr> = grants.iter().flat_map(|grant| grant.dns.clone()).collect();
        let domain = grants.iter().find_map(|grant| grant.domain.as_deref());
        let text = resolv::text(&servers, domain);
        if text == self.resolv_conf {
            return;
        }
        match resolv::write(Path::new(RESOLV_CONF), &text) {
            Ok(()) => self.resolv_conf = text,
            Err(error) => {
                let text = format!("{RESOLV_CONF} cannot be written: {error}");
                self.console.warn(Stage::Network, text);
            }
        }
    }

    fn publish(&mut self, complaint: Option<String>) {
        let ipv6 = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
        let is_dhcp = self.is_dhcp();
        let mut states = Vec::new();
        for port in self.ports.values() {
            states.push(port.state(&ipv6, is_dhcp));
        }
        states.sort_by_key(|state| self.ports.get(&state.name).map(|port| port.link.index));
        self.say(&states, complaint);
        for state in &mut states {
            // The seconds are for the words only: without them equal states are equal.
            state.without_carrier = Duration::ZERO;
        }
        let new = NetState {
            ports: states,
            host_name: self.host_name.clone(),
        };
        self.state.send_if_modified(|state| {
            let changed = *state != new;
            *state = new;
            changed
        });
    }

    fn say(&mut self, states: &[PortState], complaint: Option<String>) {
        if self.settled_at.is_none() && self.devices.borrow().settled {
            self.settled_at = Some(Instant::now());
        }
        let is_settled = self
            .settled_at
            .is_some_and(|at| at.elapsed() >= PORT_PATIENCE);
        let mut words: BTreeMap<String, String> = states
            .iter()
            .filter_map(|state| Some((state.name.clone(), state.words()?)))
            .collect();
        if states.is_empty() && is_settled {
            words.insert(String::new(), NO_PORT.to_owned());
        } else if let Some(complaint) = complaint.filter(|_| is_settled) {
            words.insert(String::new(), complaint);
        }
        for (port, text) in &words {
            if self.said.get(port) == Some(text) {
                continue;
            }
            if text.contains(" has ") {
                self.console.say(Stage::Network, text);
            } else {
                self.console.warn(Stage::Network, text);
            }
        }
        self.said = words;
    }
}

impl Port {
    fn state(&self, ipv6: &str, is_dhcp: bool) -> PortState {
        let grant = self.installed.as_ref().map(|(grant, _)| grant);
        let mut addresses: Vec<(IpAddr, u8)> = grant.iter().map(|grant| grant.address).collect();
        for (address, length) in link::global_ipv6(ipv6, self.link.index) {
            if !addresses.iter().any(|(known, _)| *known == address) {
                addresses.push((address.into(), length));
            }
        }
        PortState {
            name: self.link.name.clone(),
            mac: self.link.mac,
            carrier: self.link.carrier,
            without_carrier: self.carrier_lost.elapsed(),
            addresses,
            gateway: grant.and_then(Grant::gateway),
            dns: grant.map(|grant| grant.dns.clone()).unwrap_or_default(),
            source: grant.map(|grant| grant.source.clone()).unwrap_or_default(),
            unanswered: self.unanswered,
            trouble: self.trouble.clone(),
            expects_address: is_dhcp,
        }
    }
}

/// A name that tells machines apart and does not change: `node-` and the end of the MAC address.
fn default_host_name(mac: [u8; 6]) -> String {
    let hex = mac_text(mac).replace(':', "");
    format!("node-{}", &hex[6..])
}

#[cfg(test)]
mod tests {
    use super::default_host_name;

    #[test]
    fn machines_get_a_name_of_their_own() {
        assert_eq!(
            default_host_name([0x52, 0x54, 0, 0x12, 0x34, 0x56]),
            "node-123456"
        );
    }
}
