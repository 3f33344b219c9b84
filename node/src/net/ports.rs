//! The interfaces that addresses go on: the wired ports themselves, or one interface for the tagged
//! frames of each (IEEE 802.1Q).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use node_config::VlanId;
use tokio::time::Instant;

use super::link::{self, Link};
use super::netlink::Netlink;

/// A driver may announce a port before it can be switched on: e100 of Linux 6.1 makes the memory it
/// receives into only afterwards, and the kernel stops at a port that is switched on in between.
const BEFORE_SWITCHING_ON: Duration = Duration::from_millis(200);

/// The wired ports and what was made of them.
#[derive(Default)]
pub struct Ports {
    ports: BTreeMap<String, Port>,
    vlan: VlanId,
    /// Interfaces that were made for the VLAN.
    made: Vec<u32>,
}

struct Port {
    index: u32,
    met: Instant,
    is_on: bool,
    trouble: Option<String>,
}

impl Ports {
    /// When the next port may be switched on, if one waits for that.
    pub fn next_to_switch_on(&self) -> Option<Instant> {
        let waiting = self.ports.values().filter(|port| !port.is_on);
        waiting.map(|port| port.met + BEFORE_SWITCHING_ON).min()
    }

    /// Switches on what may be, makes and removes VLAN interfaces; returns the interfaces to use,
    /// and what is wrong in words.
    pub fn look(&mut self, netlink: &mut Netlink, vlan: VlanId) -> (Vec<Link>, Option<String>) {
        if vlan != self.vlan {
            self.vlan = vlan;
            for index in self.made.drain(..) {
                let _ = netlink.remove_link(index);
            }
        }
        let links = link::wired_ports(Path::new("/"));
        self.ports.retain(|name, port| {
            links
                .iter()
                .any(|l| l.name == *name && l.index == port.index)
        });
        let mut usable = Vec::new();
        let mut troubles = Vec::new();
        for link in links {
            let port = self.ports.entry(link.name.clone()).or_insert_with(|| Port {
                index: link.index,
                met: Instant::now(),
                is_on: false,
                trouble: None,
            });
            if !port.is_on && port.met.elapsed() >= BEFORE_SWITCHING_ON {
                port.is_on = true;
                let result = netlink.set_up(port.index);
                port.trouble = result
                    .err()
                    .map(|error| format!("{} cannot be switched on: {error}", link.name));
            }
            troubles.extend(port.trouble.clone());
            if !port.is_on {
                continue;
            }
            match vlan.tag() {
                None => usable.push(link),
                Some(tag) => match self.tagged(netlink, &link, tag) {
                    Ok(link) => usable.push(link),
                    Err(why) => troubles.push(why),
                },
            }
        }
        (usable, (!troubles.is_empty()).then(|| troubles.join("; ")))
    }

    /// The interface for the frames of `port` with this tag; made if there is none yet.
    fn tagged(&mut self, netlink: &mut Netlink, port: &Link, tag: u16) -> Result<Link, String> {
        let name = link::vlan_name(&port.name, tag);
        let there = || link::interface(Path::new("/"), &name);
        if let Some(link) = there() {
            return Ok(link);
        }
        let failed = |error| format!("{} cannot take part in VLAN {tag}: {error}", port.name);
        netlink
            .add_vlan(port.index, &name, tag)
            .map_err(|error| failed(error.to_string()))?;
        let link = there().ok_or_else(|| failed("it is not there".to_owned()))?;
        if let Err(error) = netlink.set_up(link.index) {
            // Made anew the next time: one that is there counts as switched on.
            let _ = netlink.remove_link(link.index);
            return Err(failed(error.to_string()));
        }
        self.made.push(link.index);
        Ok(link)
    }
}
