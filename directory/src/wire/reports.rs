//! Bodies of the smaller posts about a node: what it reports itself, and what its farmer sets.

use serde::{Deserialize, Serialize};

use super::node::{ResourceAmount, Workloads};
use super::scalar::null_default;

/// The body of `POST /nodes/{id}/uptime` and of a gateway's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UptimePost {
    /// Seconds since the machine booted.
    pub uptime: u64,
}

/// The body of `POST /nodes/{id}/ports`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PortsPost {
    /// UDP ports WireGuard uses; becomes the node's `wg_ports`.
    #[serde(deserialize_with = "null_default")]
    pub ports: Vec<u16>,
}

/// The body of `POST /nodes/{id}/used_resources` and of a gateway's `reserved_resources`: amounts
/// and counters side by side in one object. Despite the path the amounts become the node's
/// `reserved_resources`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct UsagePost {
    /// What workloads hold.
    #[serde(flatten)]
    pub resources: ResourceAmount,
    /// How many workloads of each kind run.
    #[serde(flatten)]
    pub workloads: Workloads,
}

/// The body of `POST /nodes/{id}/configure_free`, signed by the farm's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FreePost {
    /// Whether the node accepts FreeTFT.
    #[serde(deserialize_with = "null_default")]
    pub free_to_use: bool,
}
