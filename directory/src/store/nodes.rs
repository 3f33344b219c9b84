//! Nodes, their proofs and inventories, and which of them a farm refuses.

use std::collections::HashMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::farms::location_from_row;
use super::{Listed, Store, Window, WriteTx, from_json, from_sql, to_json, to_sql};
use crate::identity::NodeId;
use crate::wire::{
    Date, GIB, Iface, Location, Node, NodeState, Proof, Registration, ResourceAmount, Workloads,
};

/// Proofs kept per node: a node posts one at every boot.
const PROOFS_PER_NODE: i64 = 32;

/// Which nodes; resources are minima of the totals, in bytes (cru: a count).
#[derive(Debug, Default)]
pub(crate) struct NodeQuery {
    pub(crate) farm_id: Option<i64>,
    pub(crate) country: Option<String>,
    pub(crate) city: Option<String>,
    pub(crate) cru: Option<i64>,
    pub(crate) mru_gib: Option<i64>,
    pub(crate) sru_gib: Option<i64>,
    pub(crate) hru_gib: Option<i64>,
}

/// A node without what only its owner sees.
#[derive(Debug)]
pub(crate) struct NodeRecord {
    /// As on the wire; interfaces, proofs and inventory are empty.
    pub(crate) node: Node,
    pub(crate) state: NodeState,
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

    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let text = |column: &str| row.try_get::<String, _>(column);
        let count = |column: &str| row.try_get::<i64, _>(column).map(from_sql);
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
            created: Date(row.try_get("created")?),
            updated: Date(row.try_get("updated")?),
            uptime: row.try_get("uptime_secs")?,
            address: text("address")?.into(),
            location: location_from_row(row)?,
            total_resources: ResourceAmount::from_bytes(
                count("total_cru")?,
                count("total_mru_bytes")?,
                count("total_sru_bytes")?,
                count("total_hru_bytes")?,
            ),
            used_resources: ResourceAmount::default(),
            reserved_resources: ResourceAmount::default(),
            workloads: Workloads::default(),
            proofs: None,
            ifaces: Vec::new(),
            public_config: None,
            free_to_use: false,
            approved: state == NodeState::Approved,
            public_key_hex: text("public_key_hex")?.into(),
            wg_ports: Vec::new(),
            deleted: false,
            reserved: false,
            state: None,
            hardware: None,
        };
        Ok(Self {
            node,
            state,
            ifaces: text("ifaces")?,
        })
    }
}

impl Store {
    pub(crate) async fn node(&self, node_id: NodeId) -> Result<Option<NodeRecord>, sqlx::Error> {
        let row = sqlx::query("SELECT * FROM nodes WHERE node_id = ?")
            .bind(node_id.to_string())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(NodeRecord::from_row).transpose()
    }

    /// Nodes that match, in order of id.
    pub(crate) async fn nodes(
        &self,
        wanted: &NodeQuery,
        window: Window,
    ) -> Result<Listed<NodeRecord>, sqlx::Error> {
        let gib = i64::try_from(GIB).unwrap_or(i64::MAX);
        let filter = |sql: &str| {
            let mut query = QueryBuilder::<Sqlite>::new(sql);
            query.push(" FROM nodes WHERE TRUE");
            for (column, value) in [("country", &wanted.country), ("city", &wanted.city)] {
                if let Some(value) = value {
                    query
                        .push(format_args!(" AND {column} = "))
                        .push_bind(value.clone());
                }
            }
            if let Some(farm_id) = wanted.farm_id {
                query.push(" AND farm_id = ").push_bind(farm_id);
            }
            for (column, least) in [
                ("total_cru", wanted.cru),
                (
                    "total_mru_bytes",
                    wanted.mru_gib.map(|least| least.saturating_mul(gib)),
                ),
                (
                    "total_sru_bytes",
                    wanted.sru_gib.map(|least| least.saturating_mul(gib)),
                ),
                (
                    "total_hru_bytes",
                    wanted.hru_gib.map(|least| least.saturating_mul(gib)),
                ),
            ] {
                if let Some(least) = least {
                    query
                        .push(format_args!(" AND {column} >= "))
                        .push_bind(least);
                }
            }
            query
        };
        let mut tx = self.readers.begin().await?;
        let total: i64 = filter("SELECT count(*)")
            .build_query_scalar()
            .fetch_one(&mut *tx)
            .await?;
        let rows = filter("SELECT *")
            .push(" ORDER BY id LIMIT ")
            .push_bind(window.size)
            .push(" OFFSET ")
            .push_bind(window.offset)
            .build()
            .fetch_all(&mut *tx)
            .await?;
        let items = rows
            .iter()
            .map(NodeRecord::from_row)
            .collect::<Result<_, _>>()?;
        Ok(Listed {
            items,
            total: from_sql(total),
        })
    }

    /// Proofs and inventories of some nodes, by row id.
    pub(crate) async fn node_details(
        &self,
        ids: &[u64],
    ) -> Result<HashMap<u64, NodeDetails>, sqlx::Error> {
        let mut details: HashMap<u64, NodeDetails> = HashMap::new();
        // Below SQLite's limit of bound values, whatever the page size.
        for ids in ids.chunks(500) {
            for table in ["proofs", "node_hardware"] {
                let order = if table == "proofs" {
                    " ORDER BY id"
                } else {
                    ""
                };
                let mut query = QueryBuilder::<Sqlite>::new(format!(
                    "SELECT node, body FROM {table} WHERE node IN ("
                ));
                let mut list = query.separated(", ");
                for id in ids {
                    list.push_bind(to_sql(*id));
                }
                query.push(")").push(order);
                for row in query.build().fetch_all(&self.readers).await? {
                    let entry = details.entry(from_sql(row.try_get("node")?)).or_default();
                    let body: String = row.try_get("body")?;
                    if table == "proofs" {
                        entry.proofs.push(from_json(&body)?);
                    } else {
                        entry.hardware = Some(from_json(&body)?);
                    }
                }
            }
        }
        Ok(details)
    }
}

impl WriteTx {
    pub(crate) async fn node(
        &mut self,
        node_id: NodeId,
    ) -> Result<Option<NodeRecord>, sqlx::Error> {
        let row = sqlx::query("SELECT * FROM nodes WHERE node_id = ?")
            .bind(node_id.to_string())
            .fetch_optional(self.conn())
            .await?;
        row.as_ref().map(NodeRecord::from_row).transpose()
    }

    /// Inserts a node as pending, or takes over what a registration may change. A node that moves
    /// to another farm is pending there.
    pub(crate) async fn register_node(
        &mut self,
        node_id: NodeId,
        registration: &Registration,
        now: i64,
    ) -> Result<(), sqlx::Error> {
        let Location {
            city,
            country,
            continent,
            latitude,
            longitude,
        } = &registration.location;
        sqlx::query(
            "INSERT INTO nodes (node_id, node_id_v1, farm_id, hostname, os_version, address, \
                 public_key_hex, created, updated, uptime_secs, city, country, continent, \
                 latitude, longitude, state) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?10, ?11, ?12, ?13, ?14, 'pending') \
             ON CONFLICT (node_id) DO UPDATE SET \
                 node_id_v1 = excluded.node_id_v1, \
                 hostname = excluded.hostname, os_version = excluded.os_version, \
                 address = excluded.address, updated = excluded.updated, \
                 uptime_secs = excluded.uptime_secs, city = excluded.city, \
                 country = excluded.country, continent = excluded.continent, \
                 latitude = excluded.latitude, longitude = excluded.longitude, \
                 state = iif(farm_id = excluded.farm_id, state, 'pending'), \
                 farm_id = excluded.farm_id",
        )
        .bind(node_id.to_string())
        .bind(registration.node_id_v1.raw())
        .bind(to_sql(registration.farm_id))
        .bind(registration.hostname.raw())
        .bind(registration.os_version.raw())
        .bind(registration.address.raw())
        .bind(node_id.public_key().to_hex())
        .bind(now)
        .bind(registration.uptime)
        .bind(city.raw())
        .bind(country.raw())
        .bind(continent.raw())
        .bind(latitude)
        .bind(longitude)
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
        sqlx::query(
            "UPDATE nodes SET total_cru = ?, total_mru_bytes = ?, total_sru_bytes = ?, \
             total_hru_bytes = ? WHERE id = ?",
        )
        .bind(totals.cru)
        .bind(totals.mru_bytes)
        .bind(totals.sru_bytes)
        .bind(totals.hru_bytes)
        .bind(to_sql(node))
        .execute(self.conn())
        .await?;
        sqlx::query("INSERT INTO proofs (node, created, body) VALUES (?, ?, ?)")
            .bind(to_sql(node))
            .bind(now)
            .bind(to_json(proof)?)
            .execute(self.conn())
            .await?;
        sqlx::query(
            "DELETE FROM proofs WHERE node = ?1 AND id <= \
             (SELECT id FROM proofs WHERE node = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        )
        .bind(to_sql(node))
        .bind(PROOFS_PER_NODE)
        .execute(self.conn())
        .await?;
        if let Some(hardware) = hardware {
            sqlx::query(
                "INSERT INTO node_hardware (node, created, body) VALUES (?, ?, ?) \
                 ON CONFLICT (node) DO UPDATE SET created = excluded.created, body = excluded.body",
            )
            .bind(to_sql(node))
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
        sqlx::query("UPDATE nodes SET uptime_secs = ?, updated = ? WHERE id = ?")
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
        sqlx::query("UPDATE nodes SET ifaces = ? WHERE id = ?")
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
        sqlx::query("UPDATE nodes SET state = ? WHERE node_id = ? AND farm_id = ?")
            .bind(state.as_str())
            .bind(&node_id)
            .bind(farm_id)
            .execute(self.conn())
            .await?;
        let block_list = if state == NodeState::Blocked {
            sqlx::query(
                "INSERT INTO blocked_nodes (farm_id, node_id, reason, created) VALUES (?, ?, ?, ?) \
                 ON CONFLICT (farm_id, node_id) DO UPDATE SET reason = excluded.reason",
            )
            .bind(farm_id)
            .bind(node_id)
            .bind(reason)
            .bind(now)
        } else {
            sqlx::query("DELETE FROM blocked_nodes WHERE farm_id = ? AND node_id = ?")
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
        sqlx::query_scalar("SELECT reason FROM blocked_nodes WHERE farm_id = ? AND node_id = ?")
            .bind(to_sql(farm_id))
            .bind(node_id.to_string())
            .fetch_optional(self.conn())
            .await
    }

    /// A farm of this owner that refuses this node.
    pub(crate) async fn farm_that_blocks(
        &mut self,
        owner: u64,
        node_id: NodeId,
    ) -> Result<Option<u64>, sqlx::Error> {
        let id: Option<i64> = sqlx::query_scalar(
            "SELECT farms.id FROM blocked_nodes JOIN farms ON farms.id = blocked_nodes.farm_id \
             WHERE blocked_nodes.node_id = ? AND farms.threebot_id = ? ORDER BY farms.id LIMIT 1",
        )
        .bind(node_id.to_string())
        .bind(to_sql(owner))
        .fetch_optional(self.conn())
        .await?;
        Ok(id.map(from_sql))
    }

    pub(crate) async fn delete_node(&mut self, node: u64) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM nodes WHERE id = ?")
            .bind(to_sql(node))
            .execute(self.conn())
            .await
            .map(drop)
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
