//! What a directory said, kept on disk: shown at once, and when the directory is silent.
//!
//! One SQLite file for all directories. A [`Source`] is one directory, or one farm of it;
//! [`Source::refresh`] brings it up to date (following changes where the server tells them, else by
//! reading everything), [`Source::page`] and [`Source::totals`] answer in milliseconds also for
//! 100 000 nodes. Nothing in it is worth more than asking again: a file that is damaged or of another
//! version is set aside, and a new one begun.

mod history;
mod page;
mod refresh;
mod summaries;

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Row as _, SqlitePool};

pub use history::{NodeEvent, NodeEventKind, SAMPLE_SECONDS, Sample};
pub use page::{NodeQuery, Page, Sort, SortBy, Totals};
pub use refresh::{Progress, RefreshError, Refreshed};
pub use summaries::{NodeSummary, first_mac};

use crate::clock::UnixTime;
use crate::wire::Date;

/// Counts incompatible changes of the schema.
const SCHEMA_VERSION: i64 = 2;
/// Marks the file as ours: `fdc1`.
const APPLICATION_ID: i64 = 0x6664_6331;
/// The statements that write both.
const MARKS: &str = "PRAGMA application_id = 0x66646331; PRAGMA user_version = 2";
/// Most sources that are kept; those seen least recently make room.
const MAX_SOURCES: i64 = 64;
/// Name of the file inside the cache directory.
const FILE_NAME: &str = "directories.sqlite";

/// A cache that cannot be used. What it holds can always be asked for again.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The file system refuses.
    #[error("cannot use the cache {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// SQLite refuses.
    #[error("cannot use the cache {path}")]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
}

impl CacheError {
    /// Whether the file is damaged: [`Cache::set_aside`] and open a new one.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Database { source, .. } if is_damage(source))
    }
}

/// `SQLITE_CORRUPT`, `SQLITE_NOTADB`, a short read, a missing table or column, a text that is no
/// longer what was written.
fn is_damage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => {
            let code: Option<i32> = error.code().and_then(|code| code.parse().ok());
            code.is_some_and(|code| matches!(code & 0xff, 1 | 11 | 26) || code == 522)
        }
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => true,
        _ => false,
    }
}

/// The file.
#[derive(Debug, Clone)]
pub struct Cache {
    path: PathBuf,
    readers: SqlitePool,
    writer: SqlitePool,
}

/// A cache, and what had to be put out of its way.
#[derive(Debug)]
pub struct Opened {
    /// Ready to use.
    pub cache: Cache,
    /// Where the file is that could not be used.
    pub set_aside: Option<PathBuf>,
}

impl Cache {
    /// Opens the cache below `dir`, making both (for their owner only) if they do not exist.
    ///
    /// # Errors
    /// The file system refuses; never because of what a file holds.
    pub async fn open(dir: &Path) -> Result<Opened, CacheError> {
        let path = dir.join(FILE_NAME);
        let io_error = |source| CacheError::Io {
            path: path.clone(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(io_error)?;
        let mut set_aside = None;
        if fs::metadata(&path).is_ok_and(|file| file.len() > 0) {
            match Self::connect(&path).await {
                Ok(cache) => match cache.is_ours().await {
                    Ok(true) => {
                        return Ok(Opened {
                            cache,
                            set_aside: None,
                        });
                    }
                    Ok(false) => set_aside = Some(cache.set_aside().await?),
                    Err(error) if is_damage(&error) => set_aside = Some(cache.set_aside().await?),
                    Err(source) => return Err(CacheError::Database { path, source }),
                },
                Err(error) if is_damage(&error) => {
                    set_aside = Some(move_away(&path).map_err(io_error)?);
                }
                Err(source) => return Err(CacheError::Database { path, source }),
            }
        }
        // SQLite gives its log files the mode of the database: e-mail addresses are inside.
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(io_error)?;
        let database = |source| CacheError::Database {
            path: path.clone(),
            source,
        };
        let cache = Self::connect(&path).await.map_err(database)?;
        cache.create_schema().await.map_err(database)?;
        Ok(Opened { cache, set_aside })
    }

    async fn connect(path: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // What a power cut takes away is asked for again; the file stays whole.
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .pragma("cache_size", "-16000")
            .disable_statement_logging();
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await?;
        // Readers walk along an index once, and what their pages took is not given back.
        let options = options.read_only(true).pragma("cache_size", "-1000");
        let readers = SqlitePoolOptions::new()
            .max_connections(2)
            .connect_with(options)
            .await?;
        Ok(Self {
            path: path.to_owned(),
            readers,
            writer,
        })
    }

    /// Whether the file is of this program and version, and as long as it says.
    async fn is_ours(&self) -> Result<bool, sqlx::Error> {
        let pragma = async |name: &'static str| -> Result<i64, sqlx::Error> {
            sqlx::query(name).fetch_one(&self.writer).await?.try_get(0)
        };
        if pragma("PRAGMA application_id").await? != APPLICATION_ID
            || pragma("PRAGMA user_version").await? != SCHEMA_VERSION
        {
            return Ok(false);
        }
        // Folds the log into the file, so that its length can be compared.
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
            .execute(&self.writer)
            .await?;
        let says = pragma("PRAGMA page_count").await? * pragma("PRAGMA page_size").await?;
        let is = fs::metadata(&self.path).map_or(0, |file| file.len());
        Ok(i64::try_from(is).is_ok_and(|is| is >= says))
    }

    async fn create_schema(&self) -> Result<(), sqlx::Error> {
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        // Another process may have been faster.
        let version: i64 = sqlx::query("PRAGMA user_version")
            .fetch_one(&mut *tx)
            .await?
            .try_get(0)?;
        if version == 0 {
            sqlx::raw_sql(include_str!("schema.sql"))
                .execute(&mut *tx)
                .await?;
            sqlx::raw_sql(MARKS).execute(&mut *tx).await?;
        }
        tx.commit().await
    }

    /// One directory, by its address, or one farm of it.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn source(&self, address: &str, farm_id: Option<u64>) -> Result<Source, CacheError> {
        let farm_id = farm_id.map_or(0, to_sql);
        let source = async {
            let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            let made = sqlx::query(
                "INSERT INTO sources (address, farm_id) VALUES ($1, $2) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(address)
            .bind(farm_id)
            .execute(&mut *tx)
            .await?;
            if made.rows_affected() > 0 {
                // The newest stay too: other processes are about to fill them.
                sqlx::query(
                    "DELETE FROM sources \
                     WHERE id NOT IN (SELECT id FROM sources ORDER BY refreshed DESC LIMIT $1) \
                     AND id NOT IN (SELECT id FROM sources ORDER BY id DESC LIMIT $1)",
                )
                .bind(MAX_SOURCES)
                .execute(&mut *tx)
                .await?;
            }
            let row = sqlx::query("SELECT id FROM sources WHERE address = $1 AND farm_id = $2")
                .bind(address)
                .bind(farm_id)
                .fetch_one(&mut *tx)
                .await?;
            let id = row.try_get("id")?;
            tx.commit().await?;
            Ok(id)
        };
        Ok(Source {
            id: source.await.map_err(|error| self.failed(error))?,
            farm_id: u64::try_from(farm_id).ok().filter(|id| *id > 0),
            cache: self.clone(),
        })
    }

    /// Closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Closes the file and moves it out of the way, over the one that was moved before.
    ///
    /// # Errors
    /// The file system refuses.
    pub async fn set_aside(&self) -> Result<PathBuf, CacheError> {
        self.close().await;
        move_away(&self.path).map_err(|source| CacheError::Io {
            path: self.path.clone(),
            source,
        })
    }

    fn failed(&self, source: sqlx::Error) -> CacheError {
        CacheError::Database {
            path: self.path.clone(),
            source,
        }
    }
}

/// Moves a database away; its logs belong to no other file.
fn move_away(path: &Path) -> io::Result<PathBuf> {
    let aside = path.with_extension("set-aside");
    fs::rename(path, &aside)?;
    for suffix in ["-wal", "-shm"] {
        let mut log = path.as_os_str().to_owned();
        log.push(suffix);
        match fs::remove_file(log) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

/// One directory, or one farm of it, in the cache.
#[derive(Debug, Clone)]
pub struct Source {
    cache: Cache,
    id: i64,
    farm_id: Option<u64>,
}

impl Source {
    /// When the cache last was what the directory had; `None` if it never was.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn refreshed(&self) -> Result<Option<UnixTime>, CacheError> {
        let row = sqlx::query("SELECT refreshed FROM sources WHERE id = $1")
            .bind(self.id)
            .fetch_one(&self.cache.readers)
            .await;
        let refreshed: i64 = row
            .and_then(|row| row.try_get("refreshed"))
            .map_err(|error| self.cache.failed(error))?;
        Ok((refreshed > 0).then(|| UnixTime::from(Date(refreshed))))
    }

    /// Seconds since then; `None` if it never was.
    ///
    /// # Errors
    /// As [`CacheError`] lists them.
    pub async fn age(&self, now: UnixTime) -> Result<Option<i64>, CacheError> {
        let refreshed = self.refreshed().await?;
        Ok(refreshed.map(|then| now.seconds_since(then).max(0)))
    }
}

fn to_sql(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn from_sql(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
