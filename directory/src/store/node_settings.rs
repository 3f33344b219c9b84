//! What reports and orders set of a node besides its capacity.

use super::nodes::Totals;
use super::sql::Sql;
use super::{WriteTx, to_json, to_sql};
use crate::wire::{PublicIface, Workloads};

impl WriteTx {
    /// Sets the WireGuard ports of a node, by row id; so for all of these.
    pub(crate) async fn set_ports(&mut self, node: u64, ports: &[u16]) -> Result<(), sqlx::Error> {
        Sql::new("UPDATE nodes SET wg_ports = $1 WHERE id = $2")
            .bind(to_json(ports)?)
            .bind(to_sql(node))
            .execute(self.conn())
            .await
            .map(drop)
    }

    /// Sets what workloads hold, and how many there are.
    pub(crate) async fn set_usage(
        &mut self,
        node: u64,
        reserved: &Totals,
        workloads: &Workloads,
    ) -> Result<(), sqlx::Error> {
        Sql::new(
            "UPDATE nodes SET reserved_cru = $1, reserved_mru_bytes = $2, \
             reserved_sru_bytes = $3, reserved_hru_bytes = $4, workloads = $5 WHERE id = $6",
        )
        .bind(reserved.cru)
        .bind(reserved.mru_bytes)
        .bind(reserved.sru_bytes)
        .bind(reserved.hru_bytes)
        .bind(to_json(workloads)?)
        .bind(to_sql(node))
        .execute(self.conn())
        .await
        .map(drop)
    }

    pub(crate) async fn set_public_config(
        &mut self,
        node: u64,
        config: &PublicIface,
    ) -> Result<(), sqlx::Error> {
        Sql::new("UPDATE nodes SET public_config = $1 WHERE id = $2")
            .bind(to_json(config)?)
            .bind(to_sql(node))
            .execute(self.conn())
            .await
            .map(drop)
    }

    pub(crate) async fn set_free_to_use(
        &mut self,
        node: u64,
        free_to_use: bool,
    ) -> Result<(), sqlx::Error> {
        Sql::new("UPDATE nodes SET free_to_use = $1 WHERE id = $2")
            .bind(free_to_use)
            .bind(to_sql(node))
            .execute(self.conn())
            .await
            .map(drop)
    }
}
