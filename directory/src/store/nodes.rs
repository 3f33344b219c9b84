//! Nodes, their proofs and inventories, and which of them a farm refuses.

use std::collections::HashMap;

use super::farms::location_from_row;
use super::sql::{Row, Sql};
use super::{Store, WriteTx, from_json, from_sql, to_json, to_sql};
use crate::identity::NodeId;
use crate::wire::{Date, Iface, Location, Node, NodeState, Proof, Registration, ResourceAmount};

/// Proofs kept per node: a node posts one at every boot.
const PROOFS_PER_NODE: i64 = 32;

/// An identity that comes from another board so soon after the last report is in use on both.
const TWO_BOARDS_SECS: i64 = 3600;

/// The node with an id, whole: what reports change is in a table of its own.
const A_NODE: &str = "SELECT * FROM nodes JOIN node_pulse ON node = id \
    WHERE node_id = $1 AND NOT deleted";

/// A node without what only its owner sees.
#[derive(Debug)]
pub(crate) struct NodeRecord {
    /// As on the wire; interfaces, proofs and inventory are empty.
    pub(crate) node: Node,
    pub(crate) state: NodeState,
    /// For the owner only.
    pub(crate) two_boards: Option<Date>,
    ifaces: String,
}

/// What only the owner sees.
#[derive(Debug, Default)]
pub(crate) struct NodeDetails {
    pub(crate) proofs: Vec<Proof>,
    pub(crate) hardware: Option<serde_json::Value>,
}

impl NodeRecord {
    pub(crate) fn ifaces(&self) -> Result<Vec<Iface>, sqlx::Error> {
        from_json(&self.ifaces)
    }

    pub(super) fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        let text = |column: &str| row.get::<String, _>(column);
        let count = |column: &str| row.get::<i64, _>(column).map(from_sql);
        let node_id: NodeId = text("node_id")?
            .parse()
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let state = match text("state")?.as_str() {
            "approved" => NodeState::Approved,
            "blocked" => NodeState::Blocked,
            _ => NodeState::Pending,
        };
        let node = Node {
            id: count("id")?,
            node_id,
            hostname: text("hostname")?.into(),
            node_id_v1: text("node_id_v1")?.into(),
            farm_id: count("farm_id")?,
            os_version: text("os_version")?.into(),
            created: Date(row.get("created")?),
            updated: Date(row.get("updated")?),
            uptime: row.get("uptime_secs")?,
            address: text("address")?.into(),
            location: location_from_row(row)?,
            total_resources: ResourceAmount::from_bytes(
                count("total_cru")?,
                count("total_mru_bytes")?,
                count("total_sru_bytes")?,
                count("total_hru_bytes")?,
            ),
            used_resources: ResourceAmount::default(),
            reserved_resources: ResourceAmount::from_bytes(
                count("reserved_cru")?,
                count("reserved_mru_bytes")?,
                count("reserved_sru_bytes")?,
                count("reserved_hru_bytes")?,
            ),
            workloads: from_json(&text("workloads")?)?,
            proofs: None,
            ifaces: Vec::new(),
            public_config: match text("public_config")?.as_str() {
                "" => None,
                config => from_json(config)?,
            },
            free_to_use: row.get("free_to_use")?,
            approved: state == NodeState::Approved,
            public_key_hex: text("public_key_hex")?.into(),
            wg_ports: from_json(&text("wg_ports")?)?,
            deleted: row.get("deleted")?,
            reserved: row.get("reserved")?,
            state: None,
            hardware: None,
            two_boards: None,
        };
        let two_boards = Date(row.get("two_boards_at")?);
        Ok(Self {
            node,
            state,
            two_boards: (!two_boards.is_unset()).then_some(two_boards),
            ifaces: text("ifaces")?,
        })
    }
}

impl Store {
    /// A node that is not deleted.
    pub(crate) async fn node(&self, node_id: NodeId) -> Result<Option<NodeRecord>, sqlx::Error> {
        let row = Sql::new(A_NODE)
            .bind(node_id.to_string())
            .fetch_optional(self.reader().await?.conn())
            .await?;
        row.as_ref().map(NodeRecord::from_row).transpose()
    }

    /// Proofs and inventories of some nodes, by row id.
    pub(crate) async fn node_details(
        &self,
        ids: &[u64],
    ) -> Result<HashMap<u64, NodeDetails>, sqlx::Error> {
        let mut details: HashMap<u64, NodeDetails> = HashMap::new();
        if ids.is_empty() {
            return Ok(details);
        }
        let mut reader = self.reader().await?;
        // Below the databases' limits of bound values, whatever the page size.
        for ids in ids.chunks(500) {
            let mut list = Sql::new("");
            for (index, id) in ids.iter().enumerate() {
                list.push(if index == 0 { " (" } else { ", " })
                    .push_bind(to_sql(*id));
            }
            list.push(") ORDER BY node");
            let mut proofs = list.after("SELECT node, body FROM proofs WHERE node IN");
            proofs.push(", id");
            for row in proofs.fetch_all(reader.conn()).await? {
                let entry = details.entry(from_sql(row.get("node")?)).or_default();
                entry
                    .proofs
                    .push(from_json(&row.get::<String, _>("body")?)?);
            }
            let hardware = list.after("SELECT node, body FROM node_hardware WHERE node IN");
            for row in hardware.fetch_all(reader.conn()).await? {
                let entry = details.entry(from_sql(row.get("node")?)).or_default();
                entry.hardware = Some(from_json(&row.get::<String, _>("body")?)?);
            }
        }
        Ok(details)
    }
}

impl WriteTx {
    /// The node, unless it is deleted, as it is until this change ends: nobody else changes it
    /// meanwhile.
    pub(crate) async fn node(
        &mut self,
        node_id: NodeId,
    ) -> Result<Option<NodeRecord>, sqlx::Error> {
        let mut query = Sql::new(A_NODE).bind(node_id.to_string());
        query.push(self.dialect().for_update());
        let row = query.fetch_optional(self.conn()).await?;
        row.as_ref().map(NodeRecord::from_row).transpose()
    }

    /// Inserts a node as pending, or takes over what a registration may change. A node that moves
    /// to another farm is pending there, and so is one that was deleted.
    pub(crate) async fn register_node(
        &mut self,
        node_id: NodeId,
        registration: &Registration,
        now: i64,
    ) -> Result<(), sqlx::Error> {
        let (node_id, key) = (node_id.to_string(), node_id.public_key().to_hex());
        let farm_id = to_sql(registration.farm_id);
        // Who follows the farm it leaves hears of it.
        let leaves =
            Sql::new("SELECT 1 FROM nodes WHERE node_id = $1 AND farm_id <> $2 AND NOT deleted")
                .bind(&node_id)
                .bind(farm_id)
                .fetch_optional(self.conn())
                .await?;
        if leaves.is_some() {
            self.bury(&node_id, now).await?;
        }
        let Location {
            city,
            country,
            continent,
            latitude,
            longitude,
        } = &registration.location;
        let mut query = Sql::insert(
            "nodes",
            vec![
                ("node_id", node_id.into()),
                ("node_id_v1", registration.node_id_v1.raw().into()),
                ("farm_id", farm_id.into()),
                ("hostname", registration.hostname.raw().into()),
                ("os_version", registration.os_version.raw().into()),
                ("address", registration.address.raw().into()),
                ("public_key_hex", key.into()),
                ("created", now.into()),
                ("city", city.raw().into()),
                ("country", country.raw().into()),
                ("continent", continent.raw().into()),
                ("latitude", (*latitude).into()),
                ("longitude", (*longitude).into()),
                ("state", NodeState::Pending.as_str().into()),
            ],
        );
        query.push(
            " ON CONFLICT (node_id) DO UPDATE SET \
                 node_id_v1 = excluded.node_id_v1, \
                 hostname = excluded.hostname, os_version = excluded.os_version, \
                 address = excluded.address, city = excluded.city, \
                 country = excluded.country, continent = excluded.continent, \
                 latitude = excluded.latitude, longitude = excluded.longitude, \
                 state = CASE WHEN nodes.farm_id = excluded.farm_id THEN nodes.state \
                     ELSE 'pending' END, \
                 farm_id = excluded.farm_id, deleted = FALSE \
             RETURNING id",
        );
        let node = from_sql(query.fetch_int(self.conn()).await?);
        // Before this counts as the last report.
        if let Some(board) = &registration.board_sha256 {
            self.set_board(node, board.raw(), now).await?;
        }
        self.set_uptime(node, registration.uptime, now).await
    }

    /// Sets the board a node runs on, and notes whether it was on another one just before. The row
    /// is this change's already, so that of two machines at once the second sees the first.
    async fn set_board(
        &mut self,
        node: u64,
        board_sha256: &str,
        now: i64,
    ) -> Result<(), sqlx::Error> {
        Sql::new(
            "UPDATE nodes SET board_sha256 = $1, two_boards_at = CASE \
                 WHEN board_sha256 <> '' AND EXISTS (\
                     SELECT 1 FROM node_pulse WHERE node = $2 AND updated > $3) \
                 THEN $4 ELSE two_boards_at END \
             WHERE id = $2 AND board_sha256 <> $1",
        )
        .bind(board_sha256.to_ascii_lowercase())
        .bind(to_sql(node))
        .bind(now.saturating_sub(TWO_BOARDS_SECS))
        .bind(now)
        .execute(self.conn())
        .await
        .map(drop)
    }

    /// Forgets that a node of this farm was seen from two boards: its owner knows.
    pub(crate) async fn settle_boards(
        &mut self,
        farm_id: u64,
        node_id: NodeId,
    ) -> Result<(), sqlx::Error> {
        Sql::new(
            "UPDATE nodes SET two_boards_at = 0 \
             WHERE node_id = $1 AND farm_id = $2 AND two_boards_at <> 0",
        )
        .bind(node_id.to_string())
        .bind(to_sql(farm_id))
        .execute(self.conn())
        .await
        .map(drop)
    }

    /// Sets the totals (sizes in bytes), appends a proof and replaces the inventory, if there is
    /// one.
    pub(crate) async fn set_capacity(
        &mut self,
        node: u64,
        totals: &Totals,
        proof: &Proof,
        hardware: Option<&serde_json::Value>,
        now: i64,
    ) -> Result<(), sqlx::Error> {
        let node = to_sql(node);
        Sql::new(
            "UPDATE nodes SET total_cru = $1, total_mru_bytes = $2, total_sru_bytes = $3, \
             total_hru_bytes = $4 WHERE id = $5",
        )
        .bind(totals.cru)
        .bind(totals.mru_bytes)
        .bind(totals.sru_bytes)
        .bind(totals.hru_bytes)
        .bind(node)
        .execute(self.conn())
        .await?;
        Sql::new("INSERT INTO proofs (node, created, body) VALUES ($1, $2, $3)")
            .bind(node)
            .bind(now)
            .bind(to_json(proof)?)
            .execute(self.conn())
            .await?;
        Sql::new(
            "DELETE FROM proofs WHERE node = $1 AND id <= \
             (SELECT id FROM proofs WHERE node = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
        )
        .bind(node)
        .bind(PROOFS_PER_NODE)
        .execute(self.conn())
        .await?;
        if let Some(hardware) = hardware {
            Sql::new(
                "INSERT INTO node_hardware (node, created, body) VALUES ($1, $2, $3) \
                 ON CONFLICT (node) DO UPDATE SET created = excluded.created, body = excluded.body",
            )
            .bind(node)
            .bind(now)
            .bind(to_json(hardware)?)
            .execute(self.conn())
            .await?;
        }
        Ok(())
    }

    pub(crate) async fn set_uptime(
        &mut self,
        node: u64,
        uptime_secs: i64,
        now: i64,
    ) -> Result<(), sqlx::Error> {
        Sql::new("UPDATE node_pulse SET uptime_secs = $1, updated = $2 WHERE node = $3")
            .bind(uptime_secs)
            .bind(now)
            .bind(to_sql(node))
            .execute(self.conn())
            .await
            .map(drop)
    }

    pub(crate) async fn set_ifaces(
        &mut self,
        node: u64,
        ifaces: &[Iface],
    ) -> Result<(), sqlx::Error> {
        Sql::new("UPDATE nodes SET ifaces = $1 WHERE id = $2")
            .bind(to_json(ifaces)?)
            .bind(to_sql(node))
            .execute(self.conn())
            .await
            .map(drop)
    }

    /// Sets a node's state and, with it, the farm's block list.
    pub(crate) async fn set_state(
        &mut self,
        farm_id: u64,
        node_id: NodeId,
        state: NodeState,
        reason: &str,
        now: i64,
    ) -> Result<(), sqlx::Error> {
        let (farm_id, node_id) = (to_sql(farm_id), node_id.to_string());
        Sql::new("UPDATE nodes SET state = $1 WHERE node_id = $2 AND farm_id = $3 AND NOT deleted")
            .bind(state.as_str())
            .bind(&node_id)
            .bind(farm_id)
            .execute(self.conn())
            .await?;
        let block_list = if state == NodeState::Blocked {
            Sql::new(
                "INSERT INTO blocked_nodes (farm_id, node_id, reason, created) \
                 VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (farm_id, node_id) DO UPDATE SET reason = excluded.reason",
            )
            .bind(farm_id)
            .bind(node_id)
            .bind(reason)
            .bind(now)
        } else {
            Sql::new("DELETE FROM blocked_nodes WHERE farm_id = $1 AND node_id = $2")
                .bind(farm_id)
                .bind(node_id)
        };
        block_list.execute(self.conn()).await.map(drop)
    }

    /// Why a farm refuses a node; `None` if it does not.
    pub(crate) async fn block_reason(
        &mut self,
        farm_id: u64,
        node_id: NodeId,
    ) -> Result<Option<String>, sqlx::Error> {
        Sql::new("SELECT reason FROM blocked_nodes WHERE farm_id = $1 AND node_id = $2")
            .bind(to_sql(farm_id))
            .bind(node_id.to_string())
            .fetch_optional(self.conn())
            .await?
            .map(|row| row.get(0))
            .transpose()
    }

    /// A farm of this owner that refuses this node.
    pub(crate) async fn farm_that_blocks(
        &mut self,
        owner: u64,
        node_id: NodeId,
    ) -> Result<Option<u64>, sqlx::Error> {
        Sql::new(
            "SELECT farms.id FROM blocked_nodes JOIN farms ON farms.id = blocked_nodes.farm_id \
             WHERE blocked_nodes.node_id = $1 AND farms.threebot_id = $2 \
             ORDER BY farms.id LIMIT 1",
        )
        .bind(node_id.to_string())
        .bind(to_sql(owner))
        .fetch_optional(self.conn())
        .await?
        .map(|row| row.get(0).map(from_sql))
        .transpose()
    }

    /// Takes a node out of its farm and forgets what it told; its row keeps its number and says
    /// that it is deleted, until it registers again.
    pub(crate) async fn delete_node(
        &mut self,
        node: u64,
        node_id: NodeId,
        now: i64,
    ) -> Result<(), sqlx::Error> {
        for sql in [
            "DELETE FROM proofs WHERE node = $1",
            "DELETE FROM node_hardware WHERE node = $1",
            "UPDATE nodes SET deleted = TRUE, state = 'pending', ifaces = '[]', wg_ports = '[]', \
             public_config = '', free_to_use = FALSE, reserved = FALSE, board_sha256 = '', \
             two_boards_at = 0 WHERE id = $1",
        ] {
            Sql::new(sql)
                .bind(to_sql(node))
                .execute(self.conn())
                .await?;
        }
        self.bury(&node_id.to_string(), now).await
    }
}

/// What a machine has; sizes in bytes, all within SQLite's integers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Totals {
    pub(crate) cru: i64,
    pub(crate) mru_bytes: i64,
    pub(crate) sru_bytes: i64,
    pub(crate) hru_bytes: i64,
}

impl Totals {
    /// `None` if an amount is negative, not finite or absurdly large.
    pub(crate) fn from_wire(amount: &ResourceAmount) -> Option<Self> {
        let bytes = |gib| i64::try_from(crate::wire::gib_to_bytes(gib)?).ok();
        Some(Self {
            cru: i64::from(u32::try_from(amount.cru).ok()?),
            mru_bytes: bytes(amount.mru)?,
            sru_bytes: bytes(amount.sru)?,
            hru_bytes: bytes(amount.hru)?,
        })
    }
}
