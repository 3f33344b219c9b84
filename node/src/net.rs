//! Network: all wired ports up, an address on each that gives one, the first gateway wins.

pub mod addressing;
mod async_socket;
pub mod dhcp;
pub mod link;
mod manager;
pub mod netlink;
mod packet_socket;
mod ports;
pub mod resolv;
pub mod state;

use node_config::{Addressing, NodeConfig, VlanId};

pub use manager::Manager;
pub use state::NetState;

/// What the settings say of the network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Where addresses come from.
    pub addressing: Addressing,
    /// The VLAN they are on.
    pub vlan: VlanId,
}

impl From<&NodeConfig> for Wanted {
    fn from(config: &NodeConfig) -> Self {
        Self {
            addressing: config.addressing.clone(),
            vlan: config.vlan,
        }
    }
}
