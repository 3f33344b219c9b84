//! Users.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::{Listed, Store, Window, WriteTx, from_sql, to_sql};
use crate::wire::{NewUser, User};

const COLUMNS: &str = "id, name, email, pubkey, host, description";

fn from_row(row: &SqliteRow) -> Result<User, sqlx::Error> {
    Ok(User {
        id: from_sql(row.try_get("id")?),
        name: row.try_get::<String, _>("name")?.into(),
        email: row.try_get::<String, _>("email")?.into(),
        pubkey: row.try_get::<String, _>("pubkey")?.into(),
        host: row.try_get::<String, _>("host")?.into(),
        description: row.try_get::<String, _>("description")?.into(),
        ..User::default()
    })
}

impl Store {
    pub(crate) async fn user(&self, id: u64) -> Result<Option<User>, sqlx::Error> {
        let row = QueryBuilder::<Sqlite>::new(format!("SELECT {COLUMNS} FROM users WHERE id = "))
            .push_bind(to_sql(id))
            .build()
            .fetch_optional(&self.readers)
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
        let filter = |sql: &str| {
            let mut query = QueryBuilder::<Sqlite>::new(sql);
            query.push(" FROM users WHERE TRUE");
            if let Some(name) = name {
                query.push(" AND name = ").push_bind(name.to_owned());
            }
            if let Some(email) = email {
                query.push(" AND email = ").push_bind(email.to_owned());
            }
            query
        };
        let mut tx = self.readers.begin().await?;
        let total: i64 = filter("SELECT count(*)")
            .build_query_scalar()
            .fetch_one(&mut *tx)
            .await?;
        let rows = filter(&format!("SELECT {COLUMNS}"))
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
}

impl WriteTx {
    /// Any user with this name or this key, the name's first.
    pub(crate) async fn user_like(
        &mut self,
        name: &str,
        pubkey: &str,
    ) -> Result<Option<User>, sqlx::Error> {
        let row = QueryBuilder::<Sqlite>::new(format!("SELECT {COLUMNS} FROM users WHERE name = "))
            .push_bind(name.to_owned())
            .push(" OR pubkey = ")
            .push_bind(pubkey.to_owned())
            .push(" ORDER BY name = ")
            .push_bind(name.to_owned())
            .push(" DESC, id LIMIT 1")
            .build()
            .fetch_optional(self.conn())
            .await?;
        row.as_ref().map(from_row).transpose()
    }

    pub(crate) async fn create_user(
        &mut self,
        user: &NewUser,
        now: i64,
    ) -> Result<User, sqlx::Error> {
        let row = sqlx::query(
            "INSERT INTO users (name, email, pubkey, host, description, created) \
             VALUES (?, ?, ?, ?, ?, ?) RETURNING id, name, email, pubkey, host, description",
        )
        .bind(user.name.raw())
        .bind(user.email.raw())
        .bind(user.pubkey.raw())
        .bind(user.host.raw())
        .bind(user.description.raw())
        .bind(now)
        .fetch_one(self.conn())
        .await?;
        from_row(&row)
    }
}
