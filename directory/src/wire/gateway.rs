//! Gateways: machines that route names and connections of the grid's users to nodes.

use hw_probe::text::Untrusted;
use serde::{Deserialize, Serialize};

use super::farm::Location;
use super::node::Workloads;
use super::scalar::{Date, null_default};

/// A gateway, as `GET /gateways/{id}` answers it and `POST /gateways` takes it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Gateway {
    /// Serial number in this directory; assigned by the server.
    #[serde(deserialize_with = "null_default")]
    pub id: u64,
    /// The gateway's identity: its public key in base58.
    #[serde(deserialize_with = "null_default")]
    pub node_id: Untrusted,
    /// The farm it belongs to; 0 for none.
    #[serde(deserialize_with = "null_default")]
    pub farm_id: u64,
    /// Operating system; required.
    #[serde(deserialize_with = "null_default")]
    pub os_version: Untrusted,
    /// First registration; set by the server.
    pub created: Date,
    /// Last sign of life; set by the server.
    pub updated: Date,
    /// Seconds since the gateway booted, as of `updated`.
    #[serde(deserialize_with = "null_default")]
    pub uptime: i64,
    /// Free text.
    #[serde(deserialize_with = "null_default")]
    pub address: Untrusted,
    /// Where the gateway stands; required.
    #[serde(deserialize_with = "null_default")]
    pub location: Location,
    /// 64 hexadecimal digits that match `node_id`; required.
    #[serde(deserialize_with = "null_default")]
    pub public_key_hex: Untrusted,
    /// How many workloads of each kind it serves.
    #[serde(deserialize_with = "null_default")]
    pub workloads: Workloads,
    /// Domains it hands out names of.
    #[serde(deserialize_with = "null_default")]
    pub managed_domains: Vec<Untrusted>,
    /// TCP port that clients of its router connect to.
    #[serde(deserialize_with = "null_default")]
    pub tcp_router_port: i64,
    /// Names of its DNS servers.
    #[serde(deserialize_with = "null_default")]
    pub dns_nameserver: Vec<Untrusted>,
    /// Whether it may be used for nothing.
    #[serde(deserialize_with = "null_default")]
    pub free_to_use: bool,
}
