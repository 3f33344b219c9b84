//! Network interfaces.

use serde::{Deserialize, Serialize};

use crate::text::Untrusted;

/// What a network interface is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NicKind {
    /// A wired port with hardware behind it.
    Ethernet,
    /// Wireless.
    Wifi,
    /// InfiniBand.
    Infiniband,
    /// Attached by USB.
    Usb,
    /// The loopback interface.
    Loopback,
    /// Bridge, bond, VLAN, tunnel, veth and other software interfaces.
    Virtual,
    /// Anything else.
    #[default]
    #[serde(other)]
    Other,
}

/// One network interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Nic {
    /// Interface name.
    pub name: Untrusted,
    /// Current hardware address, lower case with colons.
    pub mac: Option<Untrusted>,
    /// Negotiated speed in Mbit/s; unknown without link.
    pub speed_mbps: Option<u32>,
    /// Hardware address burnt in, lower case with colons; it stays when the current one is changed.
    pub permanent_mac: Option<Untrusted>,
    /// Kernel driver.
    pub driver: Option<Untrusted>,
    /// Firmware version as the driver reports it.
    pub firmware: Option<Untrusted>,
    /// Address of the PCI function behind it, such as `0000:01:00.0`.
    pub pci_address: Option<Untrusted>,
    /// SR-IOV virtual functions the card can have; unknown for cards without SR-IOV.
    pub sriov_total_vfs: Option<u32>,
    /// SR-IOV virtual functions switched on.
    pub sriov_vfs: Option<u32>,
    /// Whether it is itself a virtual function of another card.
    pub is_virtual_function: Option<bool>,
    /// Whether there is a carrier; unknown while the interface is down.
    pub link: Option<bool>,
    /// What it is.
    pub kind: NicKind,
}
