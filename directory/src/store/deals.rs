//! Prices that a farm agreed with one user.

use super::sql::{Row, Sql};
use super::{Store, WriteTx, from_json, from_sql, to_json, to_sql};
use crate::wire::FarmThreebotPrice;

fn from_row(row: &Row) -> Result<FarmThreebotPrice, sqlx::Error> {
    Ok(FarmThreebotPrice {
        threebot_id: from_sql(row.get("threebot_id")?),
        farm_id: from_sql(row.get("farm_id")?),
        custom_cloudunits_price: from_json(&row.get::<String, _>("price")?)?,
    })
}

impl Store {
    /// All deals of a farm, in order of the users' ids.
    pub(crate) async fn deals(&self, farm_id: u64) -> Result<Vec<FarmThreebotPrice>, sqlx::Error> {
        let rows = Sql::new("SELECT * FROM farm_deals WHERE farm_id = $1 ORDER BY threebot_id")
            .bind(to_sql(farm_id))
            .fetch_all(self.reader().await?.conn())
            .await?;
        rows.iter().map(from_row).collect()
    }

    pub(crate) async fn deal(
        &self,
        farm_id: u64,
        threebot_id: u64,
    ) -> Result<Option<FarmThreebotPrice>, sqlx::Error> {
        let row = Sql::new("SELECT * FROM farm_deals WHERE farm_id = $1 AND threebot_id = $2")
            .bind(to_sql(farm_id))
            .bind(to_sql(threebot_id))
            .fetch_optional(self.reader().await?.conn())
            .await?;
        row.as_ref().map(from_row).transpose()
    }
}

impl WriteTx {
    /// How many deals a farm has with other users than the one of `deal`.
    pub(crate) async fn count_other_deals(
        &mut self,
        deal: &FarmThreebotPrice,
    ) -> Result<u64, sqlx::Error> {
        Sql::new("SELECT count(*) FROM farm_deals WHERE farm_id = $1 AND threebot_id <> $2")
            .bind(to_sql(deal.farm_id))
            .bind(to_sql(deal.threebot_id))
            .fetch_int(self.conn())
            .await
            .map(from_sql)
    }

    /// Makes or changes a deal.
    pub(crate) async fn set_deal(&mut self, deal: &FarmThreebotPrice) -> Result<(), sqlx::Error> {
        Sql::new(
            "INSERT INTO farm_deals (farm_id, threebot_id, price) VALUES ($1, $2, $3) \
             ON CONFLICT (farm_id, threebot_id) DO UPDATE SET price = excluded.price",
        )
        .bind(to_sql(deal.farm_id))
        .bind(to_sql(deal.threebot_id))
        .bind(to_json(&deal.custom_cloudunits_price)?)
        .execute(self.conn())
        .await
        .map(drop)
    }

    pub(crate) async fn delete_deal(
        &mut self,
        farm_id: u64,
        threebot_id: u64,
    ) -> Result<(), sqlx::Error> {
        Sql::new("DELETE FROM farm_deals WHERE farm_id = $1 AND threebot_id = $2")
            .bind(to_sql(farm_id))
            .bind(to_sql(threebot_id))
            .execute(self.conn())
            .await
            .map(drop)
    }
}
