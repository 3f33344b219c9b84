//! Users.

use super::sql::{Row, Sql};
use super::{Listed, Store, Window, WriteTx, from_json, from_sql, to_json, to_sql};
use crate::wire::{NewUser, User};

fn from_row(row: &Row) -> Result<User, sqlx::Error> {
    Ok(User {
        id: from_sql(row.get("id")?),
        name: row.get::<String, _>("name")?.into(),
        email: row.get::<String, _>("email")?.into(),
        pubkey: row.get::<String, _>("pubkey")?.into(),
        host: row.get::<String, _>("host")?.into(),
        description: row.get::<String, _>("description")?.into(),
        wallet_addresses: from_json(&row.get::<String, _>("wallet_addresses")?)?,
        signature: row.get::<String, _>("signature")?.into(),
        ..User::default()
    })
}

impl Store {
    pub(crate) async fn user(&self, id: u64) -> Result<Option<User>, sqlx::Error> {
        let row = Sql::new("SELECT * FROM users WHERE id = $1")
            .bind(to_sql(id))
            .fetch_optional(self.reader().await?.conn())
            .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// Users by exact name and e-mail address (both in lower case), in order of id.
    pub(crate) async fn users(
        &self,
        name: Option<&str>,
        email: Option<&str>,
        window: Window,
    ) -> Result<Listed<User>, sqlx::Error> {
        let mut filter = Sql::new(" FROM users WHERE TRUE");
        if let Some(name) = name {
            filter.push(" AND name = ").push_bind(name);
        }
        if let Some(email) = email {
            filter.push(" AND email = ").push_bind(email);
        }
        self.list("SELECT *", &filter, window, from_row).await
    }
}

impl WriteTx {
    /// Any user with this name or this key, the name's first.
    pub(crate) async fn user_like(
        &mut self,
        name: &str,
        pubkey: &str,
    ) -> Result<Option<User>, sqlx::Error> {
        let row = Sql::new(
            "SELECT * FROM users WHERE name = $1 OR pubkey = $2 ORDER BY name = $1 DESC, id LIMIT 1",
        )
        .bind(name)
        .bind(pubkey)
        .fetch_optional(self.conn())
        .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// The user as it is until this change ends: nobody else changes it meanwhile.
    pub(crate) async fn user(&mut self, id: u64) -> Result<Option<User>, sqlx::Error> {
        let mut query = Sql::new("SELECT * FROM users WHERE id = $1").bind(to_sql(id));
        query.push(self.dialect().for_update());
        let row = query.fetch_optional(self.conn()).await?;
        row.as_ref().map(from_row).transpose()
    }

    /// Replaces what a user may change.
    pub(crate) async fn update_user(&mut self, user: &User) -> Result<(), sqlx::Error> {
        let mut query = Sql::update(
            "users",
            vec![
                ("email", user.email.raw().into()),
                ("pubkey", user.pubkey.raw().into()),
                ("host", user.host.raw().into()),
                ("description", user.description.raw().into()),
                ("wallet_addresses", to_json(&user.wallet_addresses)?.into()),
            ],
        );
        query.push(" WHERE id = ").push_bind(to_sql(user.id));
        query.execute(self.conn()).await.map(drop)
    }

    pub(crate) async fn create_user(
        &mut self,
        user: &NewUser,
        now: i64,
    ) -> Result<User, sqlx::Error> {
        let mut query = Sql::insert(
            "users",
            vec![
                ("name", user.name.raw().into()),
                ("email", user.email.raw().into()),
                ("pubkey", user.pubkey.raw().into()),
                ("host", user.host.raw().into()),
                ("description", user.description.raw().into()),
                ("wallet_addresses", to_json(&user.wallet_addresses)?.into()),
                ("created", now.into()),
            ],
        );
        query.push(" RETURNING *");
        let row = query.fetch_one(self.conn()).await?;
        from_row(&row)
    }
}
