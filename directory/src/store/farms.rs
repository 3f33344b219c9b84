//! Farms.

use super::sql::{Row, Sql, Value};
use super::{Listed, Store, Window, WriteTx, from_json, from_sql, to_json, to_sql};
use crate::wire::{Farm, Location};

/// The farm itself as columns, all but its id.
fn columns(farm: &Farm) -> Result<Vec<(&'static str, Value)>, sqlx::Error> {
    let prefix_zero = farm.prefix_zero.map(|prefix| prefix.to_string());
    let Location {
        city,
        country,
        continent,
        latitude,
        longitude,
    } = &farm.location;
    Ok(vec![
        ("threebot_id", to_sql(farm.threebot_id).into()),
        ("name", farm.name.raw().into()),
        ("iyo_organization", farm.iyo_organization.raw().into()),
        ("email", farm.email.raw().into()),
        ("city", city.raw().into()),
        ("country", country.raw().into()),
        ("continent", continent.raw().into()),
        ("latitude", (*latitude).into()),
        ("longitude", (*longitude).into()),
        ("prefix_zero", prefix_zero.unwrap_or_default().into()),
        ("wallet_addresses", to_json(&farm.wallet_addresses)?.into()),
        ("resource_prices", to_json(&farm.resource_prices)?.into()),
        ("ipaddresses", to_json(&farm.ipaddresses)?.into()),
        (
            "farm_cloudunits_price",
            to_json(&farm.farm_cloudunits_price)?.into(),
        ),
        ("enable_custom_pricing", farm.enable_custom_pricing.into()),
        ("is_grid3_compliant", farm.is_grid3_compliant.into()),
        ("verified", farm.verified.unwrap_or(false).into()),
    ])
}

pub(super) fn from_row(row: &Row) -> Result<Farm, sqlx::Error> {
    let text = |column: &str| row.get::<String, _>(column);
    let prefix_zero = text("prefix_zero")?;
    Ok(Farm {
        id: from_sql(row.get("id")?),
        threebot_id: from_sql(row.get("threebot_id")?),
        iyo_organization: text("iyo_organization")?.into(),
        name: text("name")?.into(),
        wallet_addresses: from_json(&text("wallet_addresses")?)?,
        location: location_from_row(row)?,
        email: text("email")?.into(),
        resource_prices: from_json(&text("resource_prices")?)?,
        prefix_zero: prefix_zero.parse().ok(),
        ipaddresses: from_json(&text("ipaddresses")?)?,
        enable_custom_pricing: row.get("enable_custom_pricing")?,
        farm_cloudunits_price: from_json(&text("farm_cloudunits_price")?)?,
        is_grid3_compliant: row.get("is_grid3_compliant")?,
        verified: Some(row.get("verified")?),
    })
}

/// The location columns, which farms and nodes share.
pub(super) fn location_from_row(row: &Row) -> Result<Location, sqlx::Error> {
    Ok(Location {
        city: row.get::<String, _>("city")?.into(),
        country: row.get::<String, _>("country")?.into(),
        continent: row.get::<String, _>("continent")?.into(),
        latitude: row.get("latitude")?,
        longitude: row.get("longitude")?,
    })
}

impl Store {
    pub(crate) async fn farm(&self, id: u64) -> Result<Option<Farm>, sqlx::Error> {
        let row = Sql::new("SELECT * FROM farms WHERE id = $1")
            .bind(to_sql(id))
            .fetch_optional(self.reader().await?.conn())
            .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// Farms by exact name and owner, in order of id.
    pub(crate) async fn farms(
        &self,
        name: Option<&str>,
        owner: Option<u64>,
        window: Window,
    ) -> Result<Listed<Farm>, sqlx::Error> {
        let mut filter = Sql::new(" FROM farms WHERE TRUE");
        if let Some(name) = name {
            filter.push(" AND name = ").push_bind(name);
        }
        if let Some(owner) = owner {
            filter.push(" AND threebot_id = ").push_bind(to_sql(owner));
        }
        self.list("SELECT *", &filter, window, from_row).await
    }

    /// The farms a user owns.
    pub(crate) async fn farm_ids_of(&self, owner: u64) -> Result<Vec<u64>, sqlx::Error> {
        let rows = Sql::new("SELECT id FROM farms WHERE threebot_id = $1")
            .bind(to_sql(owner))
            .fetch_all(self.reader().await?.conn())
            .await?;
        rows.iter().map(|row| row.get(0).map(from_sql)).collect()
    }
}

impl WriteTx {
    /// The farm as it is until this change ends: nobody else changes it meanwhile.
    pub(crate) async fn farm(&mut self, id: u64) -> Result<Option<Farm>, sqlx::Error> {
        let mut query = Sql::new("SELECT * FROM farms WHERE id = $1").bind(to_sql(id));
        query.push(self.dialect().for_update());
        let row = query.fetch_optional(self.conn()).await?;
        row.as_ref().map(from_row).transpose()
    }

    /// Inserts a farm and gives its id.
    pub(crate) async fn create_farm(&mut self, farm: &Farm, now: i64) -> Result<u64, sqlx::Error> {
        let mut columns = columns(farm)?;
        columns.push(("created", now.into()));
        let mut query = Sql::insert("farms", columns);
        query.push(" RETURNING id");
        query.fetch_int(self.conn()).await.map(from_sql)
    }

    /// Replaces the farm with `farm.id`.
    pub(crate) async fn update_farm(&mut self, farm: &Farm) -> Result<(), sqlx::Error> {
        let mut query = Sql::update("farms", columns(farm)?);
        query.push(" WHERE id = ").push_bind(to_sql(farm.id));
        query.execute(self.conn()).await.map(drop)
    }
}
