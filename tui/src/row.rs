//! A node as a line of a table: small, so that a hundred thousand fit, and harmless to show.

use std::collections::HashSet;
use std::sync::Arc;

use directory::cache::{NodeSummary, first_mac};
use directory::clock::UnixTime;
use directory::identity::NodeId;
use directory::wire::{MacAddr, Node, NodeState};
use hw_probe::capacity::Capacity;
use hw_probe::cloud_units::{CloudUnits, CuLimit};
use hw_probe::reward::{RewardInputs, RewardPolicy as _, Tft, V3Minting};
use hw_probe::text::Untrusted;
use serde::{Deserialize, Serialize};

use crate::node::{Liveness, UP_MAX_AGE_SECONDS, capacity, decision, inventory};

/// What the tables show of a node. Texts are as they are shown: nothing in them can move the cursor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeRow {
    /// Serial number in the directory.
    pub id: u64,
    /// Its identity.
    pub node_id: NodeId,
    /// Its farm.
    pub farm_id: u64,
    /// Host name it gave.
    pub host: Box<str>,
    /// Country.
    pub country: Arc<str>,
    /// City.
    pub city: Arc<str>,
    /// Operating system.
    pub os: Arc<str>,
    /// What the owner decided.
    pub decision: NodeState,
    /// First registration, Unix seconds.
    pub created: i64,
    /// Last uptime report, Unix seconds; 0 before the first.
    pub reported: i64,
    /// Seconds since boot, as of that report.
    pub uptime: i64,
    /// What it has.
    pub capacity: Capacity,
    /// What that earns a period at full uptime under grid v3's rule, units of 10^-7 TFT.
    pub reward: u64,
    /// Whether the farmer accepts FreeTFT.
    pub free_to_use: bool,
    /// Block devices; known to the owner only.
    pub disks: Option<u32>,
    /// Whether it is a virtual machine; known to the owner only.
    pub is_virtual: Option<bool>,
    /// Hardware address of its first network card, as a number; 0 if it is not known.
    #[serde(default)]
    pub mac: u64,
    /// A digest of its mainboard's serial number; 0 if it is not known. For the owner only.
    #[serde(default)]
    pub board: u64,
    /// Whether its identity was seen from two boards; known to the owner only.
    #[serde(default)]
    pub two_boards: bool,
}

impl From<NodeSummary> for NodeRow {
    fn from(node: NodeSummary) -> Self {
        let text = |text: &Untrusted| text.shown().into();
        Self {
            id: node.id,
            node_id: node.node_id,
            farm_id: node.farm_id,
            host: node.hostname.shown().into(),
            country: text(&node.country),
            city: text(&node.city),
            os: text(&node.os_version),
            decision: node.state,
            created: node.created.0,
            reported: node.reported.0,
            uptime: node.uptime_seconds,
            capacity: node.capacity,
            reward: reward(node.capacity, node.is_virtual),
            free_to_use: node.free_to_use,
            disks: node.disks.and_then(|count| u32::try_from(count).ok()),
            is_virtual: node.is_virtual,
            mac: mac_number(node.mac),
            board: node.board_serial.map_or(0, |serial| digest(serial.raw())),
            two_boards: node.two_boards,
        }
    }
}

impl From<&Node> for NodeRow {
    fn from(node: &Node) -> Self {
        let text = |text: &Untrusted| text.shown().into();
        let hardware = inventory(node);
        let is_virtual = hardware
            .as_ref()
            .and_then(|found| found.virtualisation.is_virtual);
        Self {
            id: node.id,
            node_id: node.node_id,
            farm_id: node.farm_id,
            host: node.hostname.shown().into(),
            country: text(&node.location.country),
            city: text(&node.location.city),
            os: text(&node.os_version),
            decision: decision(node),
            created: node.created.0,
            reported: if node.uptime > 0 { node.updated.0 } else { 0 },
            uptime: node.uptime,
            capacity: capacity(node),
            reward: reward(capacity(node), is_virtual),
            free_to_use: node.free_to_use,
            mac: mac_number(
                first_mac(node.node_id_v1.raw()).or_else(|| node.ifaces.first()?.macaddress),
            ),
            board: hardware
                .as_ref()
                .and_then(|found| found.board.serial.as_ref())
                .map_or(0, |serial| digest(serial.raw())),
            disks: hardware.and_then(|found| u32::try_from(found.disks.len()).ok()),
            is_virtual,
            two_boards: node.two_boards.is_some(),
        }
    }
}

fn mac_number(mac: Option<MacAddr>) -> u64 {
    mac.map_or(0, |MacAddr([a, b, c, d, e, f])| {
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    })
}

/// FNV-1a: only compared with others of the same session, and never 0.
fn digest(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step).max(1)
}

/// Texts that many nodes have, each kept once.
#[derive(Debug, Default)]
pub(crate) struct SharedTexts(HashSet<Arc<str>>);

impl SharedTexts {
    /// Lets a node have the texts that others have.
    pub fn share(&mut self, mut row: NodeRow) -> NodeRow {
        for text in [&mut row.country, &mut row.city, &mut row.os] {
            match self.0.get(text) {
                Some(known) => *text = Arc::clone(known),
                None => {
                    self.0.insert(Arc::clone(text));
                }
            }
        }
        row
    }
}

/// What nobody knows to be virtual is taken for bare metal.
fn reward(capacity: Capacity, is_virtual: Option<bool>) -> u64 {
    if capacity.cru == 0 {
        return 0;
    }
    let inputs = RewardInputs::new(capacity, is_virtual == Some(true));
    V3Minting::default().reward(&inputs).tft_units
}

impl NodeRow {
    /// Seconds since the last report; `None` before the first. A report from the future has just come.
    #[must_use]
    pub fn age_seconds(&self, now: UnixTime) -> Option<i64> {
        (self.reported > 0).then(|| now.secs.saturating_sub(self.reported).max(0))
    }

    /// Seconds it is up: while it reports on time, the time since its last report counts too.
    #[must_use]
    pub fn up_seconds(&self, now: UnixTime) -> Option<i64> {
        let age = self.age_seconds(now)?;
        let since = if age <= UP_MAX_AGE_SECONDS { age } else { 0 };
        Some(self.uptime.saturating_add(since))
    }

    /// Whether it is there.
    #[must_use]
    pub fn liveness(&self, now: UnixTime) -> Liveness {
        Liveness::by_age(self.age_seconds(now))
    }

    /// The word for its state: what the owner still has to decide comes before liveness.
    #[must_use]
    pub fn state_word(&self, now: UnixTime) -> &'static str {
        match self.decision {
            NodeState::Pending => "pending",
            NodeState::Blocked => "blocked",
            NodeState::Approved => self.liveness(now).word(),
        }
    }

    /// Whether it has told what it has.
    #[must_use]
    pub fn has_capacity(&self) -> bool {
        self.capacity.cru > 0
    }

    /// Compute and storage units, grid v3.
    #[must_use]
    pub fn units(&self) -> CloudUnits {
        CloudUnits::v3(&self.capacity)
    }

    /// What a period pays.
    #[must_use]
    pub fn tft(&self) -> Tft {
        Tft(self.reward)
    }

    /// What keeps it from earning more, in a word.
    #[must_use]
    pub fn limit_word(&self) -> &'static str {
        match () {
            () if !self.has_capacity() => "unknown",
            () if self.is_virtual == Some(true) => "virtual",
            () => match CloudUnits::v3_limit(&self.capacity) {
                CuLimit::Cpu => "CPU",
                CuLimit::Memory => "memory",
                CuLimit::Ssd => "SSD",
            },
        }
    }

    /// Country and city.
    #[must_use]
    pub fn place(&self) -> String {
        let gap = if self.country.is_empty() || self.city.is_empty() {
            ""
        } else {
            " "
        };
        format!("{}{gap}{}", self.country, self.city)
    }

    /// What people call it: its host name, else the beginning of its id.
    #[must_use]
    pub fn name(&self) -> String {
        if self.host.is_empty() {
            self.node_id.to_string().chars().take(8).collect()
        } else {
            self.host.to_string()
        }
    }
}
