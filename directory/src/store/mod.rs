//! The directory's data: one SQLite file.
//!
//! All writes go through one connection, so they never wait for each other inside SQLite and a
//! transaction sees everything before it; reads use a pool and never block writes (WAL). A commit
//! is on disk (`synchronous=FULL`) before it is answered.

mod farms;
mod nodes;
mod users;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Row as _, Sqlite, SqliteConnection, SqlitePool, Transaction};

pub(crate) use nodes::{NodeQuery, NodeRecord, Totals};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// Name of the database inside the data directory.
const FILE_NAME: &str = "directory.sqlite";

/// A data directory that cannot be used.
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
    /// A newer program has written here.
    #[error(
        "database {path} has schema {found}, made by a newer program; this one knows up to {known}"
    )]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// SQLite refused.
    #[error("cannot open database {path}")]
    Database {
        /// The database file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("cannot upgrade database {path}")]
    Migrate {
        /// The database file.
        path: PathBuf,
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
                Some("use the newer program, or another data directory".to_owned())
            }
            Self::Io { .. } => Some("check that the directory exists and is writable".to_owned()),
            _ => None,
        }
    }
}

/// An open database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    readers: SqlitePool,
    writer: SqlitePool,
}

impl Store {
    /// Opens the database in `data_dir`, making both (mode 0700) if they do not exist.
    pub(crate) async fn open(data_dir: &Path) -> Result<Self, OpenError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data_dir)
            .and_then(|()| fs::metadata(data_dir).map(drop))
            .map_err(|source| OpenError::Io {
                path: data_dir.to_owned(),
                source,
            })?;
        let path = data_dir.join(FILE_NAME);
        // SQLite gives its log files the mode of the database: e-mail addresses are inside.
        fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| OpenError::Io {
                path: data_dir.to_owned(),
                source,
            })?;
        let database = |source| OpenError::Database {
            path: path.clone(),
            source,
        };
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .disable_statement_logging();
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(20))
            .connect_with(options.clone())
            .await
            .map_err(database)?;
        MIGRATIONS
            .run(&writer)
            .await
            .map_err(|source| match source {
                MigrateError::VersionMissing(found) => {
                    let known = MIGRATIONS.iter().map(|migration| migration.version).max();
                    OpenError::NewerSchema {
                        path: path.clone(),
                        found,
                        known: known.unwrap_or(0),
                    }
                }
                source => OpenError::Migrate {
                    path: path.clone(),
                    source,
                },
            })?;
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(20))
            .connect_with(options.create_if_missing(false).read_only(true))
            .await
            .map_err(database)?;
        Ok(Self { readers, writer })
    }

    /// Waits for running statements and closes the file.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        // Last: the last connection to close folds the write-ahead log into the database.
        self.writer.close().await;
    }

    /// Whether the database answers.
    pub(crate) async fn ping(&self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1")
            .execute(&self.readers)
            .await
            .map(drop)
    }

    /// Begins a change.
    pub(crate) async fn begin(&self) -> Result<WriteTx, sqlx::Error> {
        // IMMEDIATE takes the write lock now: a later upgrade could fail after work was done.
        self.writer.begin_with("BEGIN IMMEDIATE").await.map(WriteTx)
    }
}

/// A change in progress; undone unless committed.
pub(crate) struct WriteTx(Transaction<'static, Sqlite>);

impl WriteTx {
    fn conn(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }

    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        self.0.commit().await
    }

    /// The answer given to the request with this nonce, if it was carried out already.
    pub(crate) async fn answered(
        &mut self,
        key_id: &str,
        nonce: &str,
    ) -> Result<Option<Answered>, sqlx::Error> {
        let row = sqlx::query(
            "SELECT signature, status, body FROM nonces WHERE key_id = ? AND nonce = ?",
        )
        .bind(key_id)
        .bind(nonce)
        .fetch_optional(self.conn())
        .await?;
        row.map(|row| {
            Ok(Answered {
                signature: row.try_get("signature")?,
                status: row.try_get("status")?,
                body: row.try_get("body")?,
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
        sqlx::query("DELETE FROM nonces WHERE expires < ?")
            .bind(now)
            .execute(self.conn())
            .await?;
        sqlx::query(
            "INSERT INTO nonces (key_id, nonce, signature, expires, status, body) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(key_id)
        .bind(nonce)
        .bind(&answer.signature)
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
