//! Nodes and what they report about themselves.

use std::net::IpAddr;

use hw_probe::text::Untrusted;
use serde::{Deserialize, Serialize};

use super::capacity::Proof;
use super::enrolment::EnrolmentToken;
use super::farm::Location;
use super::scalar::{Cidr, Date, MacAddr, bytes_to_gib, go_float, list, null_default, or_empty};
use crate::identity::{NodeId, Seed};

/// A node, as `GET /nodes/{id}` answers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Serial number in this directory.
    #[serde(default, deserialize_with = "null_default")]
    pub id: u64,
    /// The node's identity: its public key in base58.
    pub node_id: NodeId,
    /// Host name the node gave.
    #[serde(default, deserialize_with = "null_default")]
    pub hostname: Untrusted,
    /// Grid v1 id: the MAC address of the first network card, without colons.
    #[serde(default, deserialize_with = "null_default")]
    pub node_id_v1: Untrusted,
    /// The farm it belongs to.
    #[serde(default, deserialize_with = "null_default")]
    pub farm_id: u64,
    /// Operating system; `farm-node/...` hosts no workloads.
    #[serde(default, deserialize_with = "null_default")]
    pub os_version: Untrusted,
    /// First registration; set by the server.
    #[serde(default)]
    pub created: Date,
    /// Last sign of life; set by the server.
    #[serde(default)]
    pub updated: Date,
    /// Seconds since the node booted, as of `updated`.
    #[serde(default, deserialize_with = "null_default")]
    pub uptime: i64,
    /// Free text, unused today.
    #[serde(default, deserialize_with = "null_default")]
    pub address: Untrusted,
    /// Where the node stands.
    #[serde(default, deserialize_with = "null_default")]
    pub location: Location,
    /// What the machine has.
    #[serde(default, deserialize_with = "null_default")]
    pub total_resources: ResourceAmount,
    /// Always zero: the original writes usage into `reserved_resources`.
    #[serde(default, deserialize_with = "null_default")]
    pub used_resources: ResourceAmount,
    /// What workloads hold.
    #[serde(default, deserialize_with = "null_default")]
    pub reserved_resources: ResourceAmount,
    /// How many workloads of each kind run.
    #[serde(default, deserialize_with = "null_default")]
    pub workloads: Workloads,
    /// Hardware proofs, one a boot; only where asked for (and, in strict mode, for the owner).
    #[serde(default)]
    pub proofs: Option<Vec<Proof>>,
    /// Network interfaces; in strict mode only for the owner.
    #[serde(default, deserialize_with = "null_default")]
    pub ifaces: Vec<Iface>,
    /// Public network configuration the farmer gave.
    #[serde(default)]
    pub public_config: Option<PublicIface>,
    /// Whether the farmer accepts FreeTFT.
    #[serde(default, deserialize_with = "null_default")]
    pub free_to_use: bool,
    /// Whether the farmer has approved the node.
    #[serde(default, deserialize_with = "null_default")]
    pub approved: bool,
    /// The node's ed25519 public key, 64 hexadecimal digits.
    #[serde(default, deserialize_with = "null_default")]
    pub public_key_hex: Untrusted,
    /// UDP ports WireGuard uses.
    #[serde(default, deserialize_with = "null_default")]
    pub wg_ports: Vec<i64>,
    /// Whether the node was deleted (2021 servers).
    #[serde(default, deserialize_with = "null_default")]
    pub deleted: bool,
    /// Whether the node is reserved (2021 servers).
    #[serde(default, deserialize_with = "null_default")]
    pub reserved: bool,
    /// Extension: what the farm's owner decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<NodeState>,
    /// Extension: the full inventory last posted; only for the owner or the node itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<serde_json::Value>,
    /// Extension: when this identity was last seen from two boards within an hour, until the owner
    /// approves the node again; only for the owner or the node itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub two_boards: Option<Date>,
}

/// What a farm's owner decided about a node (extension).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// Nobody has looked at it yet.
    Pending,
    /// The owner says it is theirs.
    Approved,
    /// The owner refuses it: it can neither register with the farm nor report.
    Blocked,
}

impl NodeState {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Blocked => "blocked",
        }
    }
}

impl std::fmt::Display for NodeState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The body of `POST /nodes/{id}/state` (extension), signed by the farm's owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatePost {
    /// The new state.
    pub state: NodeState,
    /// Why; told to a blocked node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Untrusted>,
}

/// Amounts of the four resources: logical CPUs, and GiB of memory, SSD and HDD.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceAmount {
    /// Logical CPUs.
    #[serde(deserialize_with = "null_default")]
    pub cru: u64,
    /// Memory in GiB.
    #[serde(serialize_with = "go_float", deserialize_with = "null_default")]
    pub mru: f64,
    /// HDD in GiB.
    #[serde(serialize_with = "go_float", deserialize_with = "null_default")]
    pub hru: f64,
    /// SSD in GiB.
    #[serde(serialize_with = "go_float", deserialize_with = "null_default")]
    pub sru: f64,
}

impl ResourceAmount {
    /// From bytes, to the byte (fractions of a GiB are kept; the field is a float).
    #[must_use]
    pub fn from_bytes(cru: u64, mru_bytes: u64, sru_bytes: u64, hru_bytes: u64) -> Self {
        Self {
            cru,
            mru: bytes_to_gib(mru_bytes),
            hru: bytes_to_gib(hru_bytes),
            sru: bytes_to_gib(sru_bytes),
        }
    }

    /// From bytes, in whole GiB as a 2020 node rounds them: memory half up, disks down.
    #[must_use]
    pub fn from_bytes_rounded(cru: u64, mru_bytes: u64, sru_bytes: u64, hru_bytes: u64) -> Self {
        let exact = Self::from_bytes(cru, mru_bytes, sru_bytes, hru_bytes);
        Self {
            cru,
            mru: exact.mru.round(),
            hru: exact.hru.floor(),
            sru: exact.sru.floor(),
        }
    }
}

/// Counters of workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    missing_docs,
    reason = "each is the number of workloads of the kind it is named after"
)]
pub struct Workloads {
    #[serde(deserialize_with = "null_default")]
    pub network: u16,
    #[serde(deserialize_with = "null_default")]
    pub network_resource: u16,
    #[serde(deserialize_with = "null_default")]
    pub volume: u16,
    #[serde(deserialize_with = "null_default")]
    pub zdb_namespace: u16,
    #[serde(deserialize_with = "null_default")]
    pub container: u16,
    #[serde(deserialize_with = "null_default")]
    pub k8s_vm: u16,
    #[serde(deserialize_with = "null_default")]
    pub generic_vm: u16,
    #[serde(deserialize_with = "null_default")]
    pub proxy: u16,
    #[serde(deserialize_with = "null_default")]
    pub reverse_proxy: u16,
    #[serde(deserialize_with = "null_default")]
    pub subdomain: u16,
    #[serde(deserialize_with = "null_default")]
    pub delegate_domain: u16,
}

/// A network interface of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Iface {
    /// Kernel name, `eth0`.
    #[serde(deserialize_with = "null_default")]
    pub name: Untrusted,
    /// Addresses with their prefix lengths.
    #[serde(with = "list")]
    pub addrs: Vec<Cidr>,
    /// Default gateways.
    #[serde(with = "list")]
    pub gateway: Vec<IpAddr>,
    /// Hardware address.
    #[serde(with = "or_empty")]
    pub macaddress: Option<MacAddr>,
}

/// Public network configuration of a node, set by the farmer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PublicIface {
    /// Interface it sits on; 1 to 16 characters.
    #[serde(deserialize_with = "null_default")]
    pub master: Untrusted,
    /// 0 macvlan, 1 vlan; servers accept only 0.
    #[serde(rename = "type", deserialize_with = "null_default")]
    pub kind: u8,
    /// IPv4 address with network.
    #[serde(with = "or_empty")]
    pub ipv4: Option<Cidr>,
    /// IPv6 address with network.
    #[serde(with = "or_empty")]
    pub ipv6: Option<Cidr>,
    /// IPv4 gateway.
    #[serde(with = "or_empty")]
    pub gw4: Option<IpAddr>,
    /// IPv6 gateway.
    #[serde(with = "or_empty")]
    pub gw6: Option<IpAddr>,
    /// Counts changes from 1.
    #[serde(deserialize_with = "null_default")]
    pub version: i64,
}

impl PublicIface {
    /// Whether a server takes it: all of it is there, and each address of the right family.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), &'static str> {
        if !(1..=16).contains(&self.master.raw().chars().count()) {
            return Err("master must be the name of an interface, 1 to 16 characters");
        }
        if self.kind != 0 {
            return Err("type must be 0 (macvlan)");
        }
        let network = |cidr: Option<Cidr>, v4: bool| cidr.filter(|c| c.addr.is_ipv4() == v4);
        let address = |ip: Option<IpAddr>, v4: bool| ip.filter(|ip| ip.is_ipv4() == v4);
        network(self.ipv4, true).ok_or("ipv4 must be an IPv4 address with its network")?;
        network(self.ipv6, false).ok_or("ipv6 must be an IPv6 address with its network")?;
        address(self.gw4, true).ok_or("gw4 must be an IPv4 address")?;
        address(self.gw6, false).ok_or("gw6 must be an IPv6 address")?;
        Ok(())
    }
}

/// The body of `POST /nodes`: the part of a node that registration takes.
///
/// The original sends a whole node and the server ignores the rest; so does ours.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Registration {
    /// Base58 of the public key.
    #[serde(deserialize_with = "null_default")]
    pub node_id: Untrusted,
    /// See [`Node::node_id_v1`].
    #[serde(deserialize_with = "null_default")]
    pub node_id_v1: Untrusted,
    /// The farm to join; required, not 0.
    #[serde(deserialize_with = "null_default")]
    pub farm_id: u64,
    /// Required.
    #[serde(deserialize_with = "null_default")]
    pub os_version: Untrusted,
    /// Host name.
    #[serde(deserialize_with = "null_default")]
    pub hostname: Untrusted,
    /// Seconds since boot.
    #[serde(deserialize_with = "null_default")]
    pub uptime: i64,
    /// Free text.
    #[serde(deserialize_with = "null_default")]
    pub address: Untrusted,
    /// Required, not empty.
    #[serde(deserialize_with = "null_default")]
    pub location: Location,
    /// 64 hexadecimal digits that match `node_id`.
    #[serde(deserialize_with = "null_default")]
    pub public_key_hex: Untrusted,
    /// Extension: the farm's leave to be approved at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrolment_token: Option<EnrolmentToken>,
    /// Extension: SHA-256 of the UUID of the board the node runs on, 64 hexadecimal digits; absent
    /// where the board has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub board_sha256: Option<Untrusted>,
}

impl Registration {
    /// A registration of the node that owns `seed`; host name, uptime and v1 id are left empty.
    #[must_use]
    pub fn new(seed: &Seed, farm_id: u64, os_version: &str, location: Location) -> Self {
        let node_id = seed.node_id();
        Self {
            node_id: node_id.to_string().into(),
            farm_id,
            os_version: os_version.into(),
            location,
            public_key_hex: node_id.public_key().to_hex().into(),
            ..Self::default()
        }
    }
}
