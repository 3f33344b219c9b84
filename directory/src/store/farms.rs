//! Farms.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::{Listed, Store, Window, WriteTx, from_json, from_sql, to_json, to_sql};
use crate::wire::{Farm, Location};

/// All columns that hold the farm itself, in the order [`bind_values`] gives them.
const VALUES: [&str; 16] = [
    "threebot_id",
    "name",
    "iyo_organization",
    "email",
    "city",
    "country",
    "continent",
    "latitude",
    "longitude",
    "prefix_zero",
    "wallet_addresses",
    "resource_prices",
    "ipaddresses",
    "farm_cloudunits_price",
    "enable_custom_pricing",
    "is_grid3_compliant",
];

/// Pushes `value, value, ...`, or `column = value, ...`, in the order of [`VALUES`].
fn push_values(
    query: &mut QueryBuilder<Sqlite>,
    farm: &Farm,
    with_names: bool,
) -> Result<(), sqlx::Error> {
    let prefix_zero = farm
        .prefix_zero
        .map(|prefix| prefix.to_string())
        .unwrap_or_default();
    let mut columns = VALUES.iter();
    let mut first = true;
    let mut next = |query: &mut QueryBuilder<Sqlite>| {
        if !first {
            query.push(", ");
        }
        first = false;
        if let (Some(column), true) = (columns.next(), with_names) {
            query.push(column).push(" = ");
        }
    };
    macro_rules! push {
        ($($value:expr),* $(,)?) => {$( next(query); query.push_bind($value); )*};
    }
    push!(
        to_sql(farm.threebot_id),
        farm.name.raw().to_owned(),
        farm.iyo_organization.raw().to_owned(),
        farm.email.raw().to_owned(),
        farm.location.city.raw().to_owned(),
        farm.location.country.raw().to_owned(),
        farm.location.continent.raw().to_owned(),
        farm.location.latitude,
        farm.location.longitude,
        prefix_zero,
        to_json(&farm.wallet_addresses)?,
        to_json(&farm.resource_prices)?,
        to_json(&farm.ipaddresses)?,
        to_json(&farm.farm_cloudunits_price)?,
        farm.enable_custom_pricing,
        farm.is_grid3_compliant,
    );
    Ok(())
}

fn from_row(row: &SqliteRow) -> Result<Farm, sqlx::Error> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let prefix_zero = text("prefix_zero")?;
    Ok(Farm {
        id: from_sql(row.try_get("id")?),
        threebot_id: from_sql(row.try_get("threebot_id")?),
        iyo_organization: text("iyo_organization")?.into(),
        name: text("name")?.into(),
        wallet_addresses: from_json(&text("wallet_addresses")?)?,
        location: location_from_row(row)?,
        email: text("email")?.into(),
        resource_prices: from_json(&text("resource_prices")?)?,
        prefix_zero: prefix_zero.parse().ok(),
        ipaddresses: from_json(&text("ipaddresses")?)?,
        enable_custom_pricing: row.try_get("enable_custom_pricing")?,
        farm_cloudunits_price: from_json(&text("farm_cloudunits_price")?)?,
        is_grid3_compliant: row.try_get("is_grid3_compliant")?,
    })
}

/// The location columns, which farms and nodes share.
pub(super) fn location_from_row(row: &SqliteRow) -> Result<Location, sqlx::Error> {
    Ok(Location {
        city: row.try_get::<String, _>("city")?.into(),
        country: row.try_get::<String, _>("country")?.into(),
        continent: row.try_get::<String, _>("continent")?.into(),
        latitude: row.try_get("latitude")?,
        longitude: row.try_get("longitude")?,
    })
}

impl Store {
    pub(crate) async fn farm(&self, id: u64) -> Result<Option<Farm>, sqlx::Error> {
        let row = sqlx::query("SELECT * FROM farms WHERE id = ?")
            .bind(to_sql(id))
            .fetch_optional(&self.readers)
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
        let filter = |sql: &str| {
            let mut query = QueryBuilder::<Sqlite>::new(sql);
            query.push(" FROM farms WHERE TRUE");
            if let Some(name) = name {
                query.push(" AND name = ").push_bind(name.to_owned());
            }
            if let Some(owner) = owner {
                query.push(" AND threebot_id = ").push_bind(to_sql(owner));
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
        let items = rows.iter().map(from_row).collect::<Result<_, _>>()?;
        Ok(Listed {
            items,
            total: from_sql(total),
        })
    }

    /// The farms a user owns.
    pub(crate) async fn farm_ids_of(&self, owner: u64) -> Result<Vec<u64>, sqlx::Error> {
        let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM farms WHERE threebot_id = ?")
            .bind(to_sql(owner))
            .fetch_all(&self.readers)
            .await?;
        Ok(ids.into_iter().map(from_sql).collect())
    }
}

impl WriteTx {
    pub(crate) async fn farm(&mut self, id: u64) -> Result<Option<Farm>, sqlx::Error> {
        let row = sqlx::query("SELECT * FROM farms WHERE id = ?")
            .bind(to_sql(id))
            .fetch_optional(self.conn())
            .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// Inserts a farm and gives its id.
    pub(crate) async fn create_farm(&mut self, farm: &Farm, now: i64) -> Result<u64, sqlx::Error> {
        let columns = VALUES.join(", ");
        let mut query =
            QueryBuilder::<Sqlite>::new(format!("INSERT INTO farms ({columns}, created) VALUES ("));
        push_values(&mut query, farm, false)?;
        query.push(", ").push_bind(now).push(") RETURNING id");
        let id: i64 = query.build_query_scalar().fetch_one(self.conn()).await?;
        Ok(from_sql(id))
    }

    /// Replaces the farm with `farm.id`.
    pub(crate) async fn update_farm(&mut self, farm: &Farm) -> Result<(), sqlx::Error> {
        let mut query = QueryBuilder::<Sqlite>::new("UPDATE farms SET ");
        push_values(&mut query, farm, true)?;
        query.push(" WHERE id = ").push_bind(to_sql(farm.id));
        query.build().execute(self.conn()).await.map(drop)
    }
}
