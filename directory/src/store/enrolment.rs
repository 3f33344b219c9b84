//! Enrolment tokens; of the token itself only the SHA-256 is kept.

use super::sql::{Row, Sql};
use super::{Store, WriteTx, from_sql, to_sql};
use crate::identity::NodeId;
use crate::wire::{Date, EnrolmentToken, EnrolmentTokenInfo};

/// Tokens that ended are listed for so long, in seconds.
const KEPT_SECS: i64 = 30 * 86_400;

fn from_row(row: &Row) -> Result<EnrolmentTokenInfo, sqlx::Error> {
    Ok(EnrolmentTokenInfo {
        id: from_sql(row.get("id")?),
        // Written by this program, '' where any node may use it.
        node_id: row.get::<String, _>("node_id")?.parse().ok(),
        uses_left: u32::try_from(row.get::<i64, _>("uses_left")?).unwrap_or(0),
        created: Date(row.get("created")?),
        expires: Date(row.get("expires")?),
        note: row.get::<String, _>("note")?.into(),
    })
}

impl Store {
    /// The tokens of a farm, in order of id.
    pub(crate) async fn enrolment_tokens(
        &self,
        farm_id: u64,
    ) -> Result<Vec<EnrolmentTokenInfo>, sqlx::Error> {
        let rows = Sql::new("SELECT * FROM enrolment_tokens WHERE farm_id = $1 ORDER BY id")
            .bind(to_sql(farm_id))
            .fetch_all(self.reader().await?.conn())
            .await?;
        rows.iter().map(from_row).collect()
    }
}

/// A token to be kept.
#[derive(Debug)]
pub(crate) struct TokenRecord<'a> {
    pub(crate) farm_id: u64,
    pub(crate) token: &'a EnrolmentToken,
    pub(crate) node_id: Option<NodeId>,
    pub(crate) uses: u32,
    pub(crate) expires: i64,
    pub(crate) note: &'a str,
}

impl WriteTx {
    /// Forgets what ended long ago, and says how many tokens a farm has.
    pub(crate) async fn count_enrolment_tokens(
        &mut self,
        farm_id: u64,
        now: i64,
    ) -> Result<u64, sqlx::Error> {
        Sql::new("DELETE FROM enrolment_tokens WHERE farm_id = $1 AND expires < $2")
            .bind(to_sql(farm_id))
            .bind(now - KEPT_SECS)
            .execute(self.conn())
            .await?;
        Sql::new("SELECT count(*) FROM enrolment_tokens WHERE farm_id = $1")
            .bind(to_sql(farm_id))
            .fetch_int(self.conn())
            .await
            .map(from_sql)
    }

    /// Keeps a token and gives its id.
    pub(crate) async fn create_enrolment_token(
        &mut self,
        token: &TokenRecord<'_>,
        now: i64,
    ) -> Result<u64, sqlx::Error> {
        let node_id = token.node_id.map(|id| id.to_string()).unwrap_or_default();
        let mut query = Sql::insert(
            "enrolment_tokens",
            vec![
                ("farm_id", to_sql(token.farm_id).into()),
                ("token_sha256", hex::encode(token.token.sha256()).into()),
                ("node_id", node_id.into()),
                ("uses_left", i64::from(token.uses).into()),
                ("expires", token.expires.into()),
                ("created", now.into()),
                ("note", token.note.into()),
            ],
        );
        query.push(" RETURNING id");
        query.fetch_int(self.conn()).await.map(from_sql)
    }

    /// Ends a token of a farm; false if there is none.
    pub(crate) async fn revoke_enrolment_token(
        &mut self,
        farm_id: u64,
        id: u64,
    ) -> Result<bool, sqlx::Error> {
        let gone = Sql::new("DELETE FROM enrolment_tokens WHERE id = $1 AND farm_id = $2")
            .bind(to_sql(id))
            .bind(to_sql(farm_id))
            .execute(self.conn())
            .await?;
        Ok(gone > 0)
    }

    /// Uses a token up by one; `Err` says why it is not good for this node and farm.
    pub(crate) async fn use_enrolment_token(
        &mut self,
        farm_id: u64,
        node_id: NodeId,
        token: &EnrolmentToken,
        now: i64,
    ) -> Result<Result<(), &'static str>, sqlx::Error> {
        let sha256 = hex::encode(token.sha256());
        let used = Sql::new(
            "UPDATE enrolment_tokens SET uses_left = uses_left - 1 \
             WHERE token_sha256 = $1 AND farm_id = $2 AND uses_left > 0 AND expires > $3 \
             AND node_id IN ('', $4)",
        )
        .bind(&sha256)
        .bind(to_sql(farm_id))
        .bind(now)
        .bind(node_id.to_string())
        .execute(self.conn())
        .await?;
        if used > 0 {
            return Ok(Ok(()));
        }
        let row =
            Sql::new("SELECT * FROM enrolment_tokens WHERE token_sha256 = $1 AND farm_id = $2")
                .bind(&sha256)
                .bind(to_sql(farm_id))
                .fetch_optional(self.conn())
                .await?;
        let Some(row) = row else {
            return Ok(Err("this farm has no such token"));
        };
        let token = from_row(&row)?;
        Ok(Err(if token.node_id.is_some_and(|only| only != node_id) {
            "the token is for another node"
        } else if token.expires.0 <= now {
            "the token has expired"
        } else {
            "the token is used up"
        }))
    }
}
