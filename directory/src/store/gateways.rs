//! Gateways.

use super::farms::location_from_row;
use super::sql::{Row, Sql};
use super::{Listed, Store, Window, WriteTx, from_json, from_sql, to_json, to_sql};
use crate::identity::NodeId;
use crate::wire::{Date, Gateway, Workloads};

fn from_row(row: &Row) -> Result<Gateway, sqlx::Error> {
    let text = |column: &str| row.get::<String, _>(column);
    Ok(Gateway {
        id: from_sql(row.get("id")?),
        node_id: text("node_id")?.into(),
        farm_id: from_sql(row.get("farm_id")?),
        os_version: text("os_version")?.into(),
        created: Date(row.get("created")?),
        updated: Date(row.get("updated")?),
        uptime: row.get("uptime_secs")?,
        address: text("address")?.into(),
        location: location_from_row(row)?,
        public_key_hex: text("public_key_hex")?.into(),
        workloads: from_json(&text("workloads")?)?,
        managed_domains: from_json(&text("managed_domains")?)?,
        tcp_router_port: row.get("tcp_router_port")?,
        dns_nameserver: from_json(&text("dns_nameserver")?)?,
        free_to_use: row.get("free_to_use")?,
    })
}

/// Which gateways.
#[derive(Debug, Default)]
pub(crate) struct GatewayQuery {
    pub(crate) farm_id: Option<i64>,
    pub(crate) country: Option<String>,
    pub(crate) city: Option<String>,
}

impl Store {
    pub(crate) async fn gateway(&self, id: NodeId) -> Result<Option<Gateway>, sqlx::Error> {
        let row = Sql::new("SELECT * FROM gateways WHERE node_id = $1")
            .bind(id.to_string())
            .fetch_optional(self.reader().await?.conn())
            .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// Gateways that match, in order of id.
    pub(crate) async fn gateways(
        &self,
        wanted: &GatewayQuery,
        window: Window,
    ) -> Result<Listed<Gateway>, sqlx::Error> {
        let mut filter = Sql::new(" FROM gateways WHERE TRUE");
        for (term, value) in [
            (" AND country = ", &wanted.country),
            (" AND city = ", &wanted.city),
        ] {
            if let Some(value) = value {
                filter.push(term).push_bind(value);
            }
        }
        if let Some(farm_id) = wanted.farm_id {
            filter.push(" AND farm_id = ").push_bind(farm_id);
        }
        self.list("SELECT *", &filter, window, from_row).await
    }
}

impl WriteTx {
    /// Inserts a gateway, or takes over what a registration may change.
    pub(crate) async fn register_gateway(
        &mut self,
        gateway: &Gateway,
        now: i64,
    ) -> Result<(), sqlx::Error> {
        let location = &gateway.location;
        let mut query = Sql::insert(
            "gateways",
            vec![
                ("node_id", gateway.node_id.raw().into()),
                ("farm_id", to_sql(gateway.farm_id).into()),
                ("os_version", gateway.os_version.raw().into()),
                ("address", gateway.address.raw().into()),
                ("public_key_hex", gateway.public_key_hex.raw().into()),
                ("created", now.into()),
                ("updated", now.into()),
                ("uptime_secs", gateway.uptime.into()),
                ("city", location.city.raw().into()),
                ("country", location.country.raw().into()),
                ("continent", location.continent.raw().into()),
                ("latitude", location.latitude.into()),
                ("longitude", location.longitude.into()),
                ("tcp_router_port", gateway.tcp_router_port.into()),
                ("free_to_use", gateway.free_to_use.into()),
                ("workloads", to_json(&Workloads::default())?.into()),
                ("managed_domains", to_json(&gateway.managed_domains)?.into()),
                ("dns_nameserver", to_json(&gateway.dns_nameserver)?.into()),
            ],
        );
        query.push(
            " ON CONFLICT (node_id) DO UPDATE SET farm_id = excluded.farm_id, \
             os_version = excluded.os_version, address = excluded.address, \
             updated = excluded.updated, uptime_secs = excluded.uptime_secs, \
             city = excluded.city, country = excluded.country, \
             continent = excluded.continent, latitude = excluded.latitude, \
             longitude = excluded.longitude, tcp_router_port = excluded.tcp_router_port, \
             free_to_use = excluded.free_to_use, managed_domains = excluded.managed_domains, \
             dns_nameserver = excluded.dns_nameserver",
        );
        query.execute(self.conn()).await.map(drop)
    }

    /// Whether there is such a gateway.
    pub(crate) async fn has_gateway(&mut self, id: NodeId) -> Result<bool, sqlx::Error> {
        let row = Sql::new("SELECT id FROM gateways WHERE node_id = $1")
            .bind(id.to_string())
            .fetch_optional(self.conn())
            .await?;
        Ok(row.is_some())
    }

    pub(crate) async fn set_gateway_uptime(
        &mut self,
        id: NodeId,
        uptime_secs: i64,
        now: i64,
    ) -> Result<(), sqlx::Error> {
        Sql::new("UPDATE gateways SET uptime_secs = $1, updated = $2 WHERE node_id = $3")
            .bind(uptime_secs)
            .bind(now)
            .bind(id.to_string())
            .execute(self.conn())
            .await
            .map(drop)
    }

    pub(crate) async fn set_gateway_workloads(
        &mut self,
        id: NodeId,
        workloads: &Workloads,
    ) -> Result<(), sqlx::Error> {
        Sql::new("UPDATE gateways SET workloads = $1 WHERE node_id = $2")
            .bind(to_json(workloads)?)
            .bind(id.to_string())
            .execute(self.conn())
            .await
            .map(drop)
    }
}
