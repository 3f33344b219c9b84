//! The directory's data: one SQLite file, or a PostgreSQL database that several servers share.
//!
//! Both hold the same tables and answer the same statements ([`sql`]). A change is one transaction
//! and on disk (`synchronous=FULL`; PostgreSQL's default) before it is answered.
//!
//! SQLite has one writer ([`writer`]). On PostgreSQL changes run side by side: what a change reads of a row that
//! it may write is locked ([`sql::Dialect::for_update`]), and a request that comes twice at once is
//! carried out once ([`WriteTx::answered`]).

mod capacity;
mod changes;
mod copies;
mod deals;
mod enrolment;
mod farms;
mod gateways;
mod leads;
mod node_list;
mod node_settings;
mod nodes;
#[cfg(test)]
mod plans;
mod postgres;
mod sql;
mod sqlite;
mod users;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres, Sqlite, Transaction};

pub(crate) use capacity::{CapacityQuery, Place};
pub(crate) use changes::Cursor;
pub use copies::{CopyError, Holdings, backup, check, restore};
pub(crate) use enrolment::TokenRecord;
pub(crate) use gateways::GatewayQuery;
pub(crate) use node_list::NodeQuery;
pub(crate) use nodes::{NodeRecord, Totals};
pub use postgres::{DatabaseUrl, DatabaseUrlError};
use sql::{Conn, Dialect, Row, Sql};

/// How long a request waits for a connection before the directory is "busy".
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(20);

/// Data that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or file cannot be made or opened.
    #[error("cannot use data directory {path}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A server keeps its data there while it is to be replaced, or the other way round.
    #[error("data directory {path} is in use by a running server, or being restored")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The address of the database makes no sense.
    #[error(transparent)]
    Url(#[from] DatabaseUrlError),
    /// A newer program has written here.
    #[error(
        "database {database} has schema {found}, made by a newer program; this one knows up to \
         {known}"
    )]
    NewerSchema {
        /// The database file, or the address without the password.
        database: String,
        /// Its schema.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// The database refused.
    #[error("cannot open database {database}")]
    Database {
        /// The database file, or the address without the password.
        database: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("cannot upgrade database {database}")]
    Migrate {
        /// The database file, or the address without the password.
        database: String,
        /// Why.
        #[source]
        source: MigrateError,
    },
}

impl OpenError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NewerSchema { .. } => {
                Some("use the newer program, or another database".to_owned())
            }
            Self::Io { .. } => Some("check that the directory exists and is writable".to_owned()),
            Self::InUse { .. } => Some("stop that server first".to_owned()),
            Self::Url(_) => Some("write it as postgres://USER@HOST/DATABASE".to_owned()),
            Self::Database {
                source: sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut,
                ..
            } => Some("check that the database server runs and can be reached".to_owned()),
            _ => None,
        }
    }

    fn newer(database: &str, known: &Migrator, found: i64) -> Self {
        Self::NewerSchema {
            database: database.to_owned(),
            found,
            known: known.iter().map(|m| m.version).max().unwrap_or(0),
        }
    }

    fn migrate(database: &str, known: &Migrator, error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(found) => Self::newer(database, known, found),
            source => Self::Migrate {
                database: database.to_owned(),
                source,
            },
        }
    }
}

/// An open database.
#[derive(Debug, Clone)]
pub(crate) enum Store {
    /// One file, one process.
    Sqlite(sqlite::File),
    /// Shared with other processes.
    Postgres(PgPool),
}

/// A connection to read with.
enum Reader {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Reader {
    fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(conn) => Conn::Sqlite(conn),
            Self::Postgres(conn) => Conn::Postgres(conn),
        }
    }
}

impl Store {
    /// Opens the SQLite database in `data_dir`, making both (mode 0700) if they do not exist.
    pub(crate) async fn open_sqlite(data_dir: &Path) -> Result<Self, OpenError> {
        sqlite::File::open(data_dir).await.map(Self::Sqlite)
    }

    /// Connects to a PostgreSQL database.
    pub(crate) async fn open_postgres(url: &DatabaseUrl) -> Result<Self, OpenError> {
        postgres::open(url).await.map(Self::Postgres)
    }

    /// Waits for running statements and closes the database.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(file) => file.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }

    async fn reader(&self) -> Result<Reader, sqlx::Error> {
        match self {
            Self::Sqlite(file) => file.readers.acquire().await.map(Reader::Sqlite),
            Self::Postgres(pool) => pool.acquire().await.map(Reader::Postgres),
        }
    }

    /// Whether the database answers.
    pub(crate) async fn ping(&self) -> Result<(), sqlx::Error> {
        let mut reader = self.reader().await?;
        Sql::new("SELECT 1").execute(reader.conn()).await.map(drop)
    }

    /// A page of rows in order of id; `filter` is all from ` FROM table WHERE ` on.
    async fn list<T>(
        &self,
        select: &'static str,
        filter: &Sql,
        window: Window,
        from_row: fn(&Row) -> Result<T, sqlx::Error>,
    ) -> Result<Listed<T>, sqlx::Error> {
        let mut reader = self.reader().await?;
        let total = filter.after("SELECT count(*)");
        let total = total.fetch_int(reader.conn()).await?;
        let mut page = filter.after(select);
        page.push(" ORDER BY id LIMIT ")
            .push_bind(window.size)
            .push(" OFFSET ")
            .push_bind(window.offset);
        let rows = page.fetch_all(reader.conn()).await?;
        Ok(Listed {
            items: rows.iter().map(from_row).collect::<Result<_, _>>()?,
            total: from_sql(total),
        })
    }

    /// Begins a change.
    pub(crate) async fn begin(&self) -> Result<WriteTx, sqlx::Error> {
        let tx = match self {
            Self::Sqlite(file) => Tx::Sqlite(file.writer.begin().await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin_with(postgres::BEGIN).await?),
        };
        Ok(WriteTx(tx))
    }
}

/// A change in progress; undone unless committed.
pub(crate) struct WriteTx(Tx);

enum Tx {
    Sqlite(writer::Lease),
    Postgres(Transaction<'static, Postgres>),
}

impl WriteTx {
    fn conn(&mut self) -> Conn<'_> {
        match &mut self.0 {
            Tx::Sqlite(lease) => Conn::Sqlite(lease.conn()),
            Tx::Postgres(tx) => Conn::Postgres(tx),
        }
    }

    fn dialect(&mut self) -> Dialect {
        self.conn().dialect()
    }

    /// Waits until the change is on disk.
    ///
    /// A change also sees what others are about to commit: whoever answers by what was done before,
    /// without a change of its own, commits as well.
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self.0 {
            Tx::Sqlite(lease) => lease.commit().await,
            Tx::Postgres(tx) => tx.commit().await,
        }
    }

    /// The answer given to the request with this nonce, if it was carried out already.
    pub(crate) async fn answered(
        &mut self,
        key_id: &str,
        nonce: &str,
    ) -> Result<Option<Answered>, sqlx::Error> {
        if self.dialect() == Dialect::Postgres {
            // The same request may be under way, here or in another server: wait for its answer.
            // A statement of its own, or the next one would not see what was committed meanwhile.
            Sql::new("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
                .bind(format!("{key_id} {nonce}"))
                .execute(self.conn())
                .await?;
        }
        let row =
            Sql::new("SELECT signature, status, body FROM nonces WHERE key_id = $1 AND nonce = $2")
                .bind(key_id)
                .bind(nonce)
                .fetch_optional(self.conn())
                .await?;
        row.map(|row| {
            Ok(Answered {
                signature: row.get("signature")?,
                status: u16::try_from(row.get::<i64, _>("status")?).unwrap_or(500),
                body: row.get("body")?,
            })
        })
        .transpose()
    }

    /// Remembers an answer until `expires`, and forgets those that expired before `now`.
    pub(crate) async fn remember(
        &mut self,
        key_id: &str,
        nonce: &str,
        answer: &Answered,
        expires: i64,
        now: i64,
    ) -> Result<(), sqlx::Error> {
        Sql::new("DELETE FROM nonces WHERE expires < $1")
            .bind(now)
            .execute(self.conn())
            .await?;
        Sql::new(
            "INSERT INTO nonces (key_id, nonce, signature, expires, status, body) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(key_id)
        .bind(nonce)
        .bind(answer.signature.as_slice())
        .bind(expires)
        .bind(answer.status)
        .bind(&answer.body)
        .execute(self.conn())
        .await?;
        Ok(())
    }
}

/// A request that was carried out: its signature, and what it was answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) signature: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Whether a statement failed because a unique value is taken.
pub(crate) fn is_taken(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// Whether a statement failed because of others at work: the same request may succeed later.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    // PostgreSQL's appendix A: serialization_failure, deadlock_detected, lock_not_available,
    // too_many_connections.
    let codes = ["40001", "40P01", "55P03", "53300"];
    matches!(error, sqlx::Error::PoolTimedOut)
        || error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .is_some_and(|code| codes.contains(&code.as_ref()))
}

/// Ids and counts are `u64` outside and `INTEGER` inside.
fn to_sql(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn from_sql(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// JSON columns are written by this program only.
fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// Which rows of a list: `LIMIT size OFFSET offset`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) size: i64,
    pub(crate) offset: i64,
}

/// Rows of one page, and how many there are on all pages.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    pub(crate) total: u64,
}
