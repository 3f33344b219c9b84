//! Finding capacity, and what changed since when (extensions).

use hw_probe::capacity::Capacity;
use hw_probe::text::Untrusted;
use serde::{Deserialize, Serialize};

use super::farm::Farm;
use super::node::Node;
use super::scalar::Date;
use crate::identity::NodeId;

/// The answer of `GET /capacity`: a page of offers, best fit first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CapacityPage {
    /// Nodes that have what was asked for.
    pub nodes: Vec<Offer>,
    /// Where the next page begins, opaque; `None` on the last.
    pub next: Option<String>,
}

/// An approved node with free capacity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The node.
    pub node_id: NodeId,
    /// Its farm.
    pub farm_id: u64,
    /// Country of the node, as it registered.
    pub country: Untrusted,
    /// City of the node, as it registered.
    pub city: Untrusted,
    /// Its last report.
    pub updated: Date,
    /// Seconds it was up then.
    pub uptime: i64,
    /// Whether it reports.
    pub online: bool,
    /// Whether it may be used for FreeTFT.
    pub free_to_use: bool,
    /// What the machine has.
    pub total: Capacity,
    /// What of it is not reserved.
    pub free: Capacity,
}

/// The answer of `GET /changes`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Changes {
    /// Ask for what changed after this one next.
    pub revision: u64,
    /// Whether there is more already.
    pub more: bool,
    /// Farms that are new or changed.
    pub farms: Vec<Farm>,
    /// Nodes that are new or changed.
    pub nodes: Vec<Node>,
    /// What is no longer there.
    pub gone: Vec<Gone>,
}

/// Something that was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// What it was.
    pub kind: GoneKind,
    /// Its serial number.
    pub id: u64,
    /// Of a node: its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<NodeId>,
}

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GoneKind {
    /// A farm.
    Farm,
    /// A node.
    Node,
}
