//! Opening the SQLite file.

use std::fs::{self, DirBuilder, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqlitePool};

use super::OpenError;
use super::writer::Writer;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Name of the database inside the data directory.
pub(super) const FILE_NAME: &str = "directory.sqlite";

/// Connections that read: as many statements at once.
const READERS: u32 = 4;

/// All writes go through one connection, so they never wait for each other inside SQLite and a
/// transaction sees everything before it; reads never block writes (WAL).
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(super) readers: SqlitePool,
    pub(super) writer: Writer,
    /// Held as long as the database is open.
    _lock: Arc<fs::File>,
}

/// The migrations this program knows.
pub(super) fn migrations() -> &'static Migrator {
    &MIGRATIONS
}

/// Who holds a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// A server; there may be others, such as one for clients of 2020.
    Server,
    /// Somebody who replaces the database.
    Restorer,
}

/// Makes the data directory (mode 0700) if it does not exist, and keeps those out of it who would
/// not get on with `holder`. The lock ends with the file, also when the process is killed.
pub(super) fn lock(data_dir: &Path, holder: Holder) -> Result<fs::File, OpenError> {
    let io = |source| OpenError::Io {
        path: data_dir.to_owned(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .map_err(io)?;
    let dir = fs::File::open(data_dir).map_err(io)?;
    if !dir.metadata().map_err(io)?.is_dir() {
        return Err(io(std::io::ErrorKind::NotADirectory.into()));
    }
    let locked = match holder {
        Holder::Server => dir.try_lock_shared(),
        Holder::Restorer => dir.try_lock(),
    };
    match locked {
        Ok(()) => Ok(dir),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            path: data_dir.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

impl File {
    /// Opens the database in `data_dir`, making both (mode 0700) if they do not exist.
    pub(super) async fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io {
            path: data_dir.to_owned(),
            source,
        };
        let lock = lock(data_dir, Holder::Server)?;
        let path = data_dir.join(FILE_NAME);
        // SQLite gives its log files the mode of the database: e-mail addresses are inside.
        fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        let name = path.display().to_string();
        let refused = |source| OpenError::Database {
            database: name.clone(),
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
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(super::ACQUIRE_TIMEOUT)
        };
        let single = pool(1).connect_with(options.clone()).await;
        let single = single.map_err(refused)?;
        let migrated = MIGRATIONS.run(&single).await;
        migrated.map_err(|error| OpenError::migrate(&name, &MIGRATIONS, error))?;
        let writer = single.acquire().await.map_err(refused)?.detach();
        let readers = pool(READERS)
            .connect_with(options.create_if_missing(false).read_only(true))
            .await
            .map_err(refused)?;
        let writer = Writer::start(writer);
        Ok(Self {
            readers,
            writer,
            _lock: Arc::new(lock),
        })
    }

    /// Waits for running statements and closes the file.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        // Last: the last connection to close folds the write-ahead log into the database.
        self.writer.close().await;
    }
}
