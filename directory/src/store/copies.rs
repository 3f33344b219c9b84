//! Copies of the SQLite database: taken while a server writes, checked, and put back.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use super::OpenError;
use super::sqlite::{FILE_NAME, Holder, lock, migrations};

/// What a database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Holdings {
    /// Users.
    pub users: u64,
    /// Farms.
    pub farms: u64,
    /// Nodes that are not deleted.
    pub nodes: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
}

/// A copy that cannot be taken, checked or put back.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Nothing there to copy or check.
    #[error("there is no database {path}")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Something is there that would be lost.
    #[error("{path} exists already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The database is broken, or none of ours.
    #[error("database {path} is damaged: {}", .faults.join("; "))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, in SQLite's or our words; at most a few.
        faults: Vec<String>,
    },
    /// A server uses it, or it cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file cannot be read or written.
    #[error("cannot copy to {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// SQLite refused.
    #[error("cannot read database {path}")]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
}

impl CopyError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. } => {
                Some("name the directory that the server was given with --data".to_owned())
            }
            Self::Exists { .. } => Some("name another place".to_owned()),
            Self::Damaged { .. } => Some("put back the last good copy".to_owned()),
            Self::Open(error) => error.hint(),
            Self::Io { .. } | Self::Database { .. } => None,
        }
    }
}

/// The database of a data directory, or the file itself.
fn file_of(place: &Path) -> Result<PathBuf, CopyError> {
    let path = if place.is_dir() {
        place.join(FILE_NAME)
    } else {
        place.to_owned()
    };
    if path.is_file() {
        Ok(path)
    } else {
        Err(CopyError::Missing { path })
    }
}

/// Opens a database that exists, to look at it.
async fn open(path: &Path) -> Result<SqliteConnection, CopyError> {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(|source| CopyError::Database {
            path: path.to_owned(),
            source,
        })
}

/// Copies the database of a data directory into a file of its own (mode 0600), as it is at this
/// moment; a server may be writing meanwhile. The copy is on disk when this returns.
///
/// # Errors
/// As [`CopyError`] lists them; the file is not there then.
pub async fn backup(data_dir: &Path, file: &Path) -> Result<Holdings, CopyError> {
    let from = file_of(data_dir)?;
    if file.exists() {
        return Err(CopyError::Exists {
            path: file.to_owned(),
        });
    }
    let part = part_of(file);
    let copied = copy(&from, &part).await;
    let done = match copied {
        Ok(()) => settle(&part, file),
        Err(error) => Err(error),
    };
    if done.is_err() {
        // What is half written helps nobody.
        let _ = fs::remove_file(&part);
    }
    done?;
    check(file).await
}

fn part_of(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    file.with_file_name(name)
}

/// SQLite writes a copy into a file that is empty.
async fn copy(from: &Path, part: &Path) -> Result<(), CopyError> {
    let made = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(part);
    made.map_err(|source| CopyError::Io {
        path: part.to_owned(),
        source,
    })?;
    let failed = |source| CopyError::Database {
        path: from.to_owned(),
        source,
    };
    let mut conn = open(from).await?;
    let target = part.display().to_string();
    sqlx::query("VACUUM INTO ?")
        .bind(target)
        .execute(&mut conn)
        .await
        .map_err(failed)?;
    conn.close().await.map_err(failed)
}

/// Gives a finished file its name, so that it is there after a power cut.
fn settle(part: &Path, file: &Path) -> Result<(), CopyError> {
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::File::open(part)
        .and_then(|part| part.sync_all())
        .and_then(|()| fs::rename(part, file))
        .and_then(|()| fs::File::open(parent))
        .and_then(|parent| parent.sync_all())
        .map_err(|source| CopyError::Io {
            path: file.to_owned(),
            source,
        })
}

/// Checks a data directory, also under a running server, or a copy: every page, every index, what
/// belongs together, and the schema. Tells what it holds.
///
/// # Errors
/// [`CopyError::Damaged`] if anything is wrong.
pub async fn check(place: &Path) -> Result<Holdings, CopyError> {
    let path = file_of(place)?;
    let failed = |source: sqlx::Error| match source {
        // Not even the first page is one of SQLite's.
        sqlx::Error::Database(error) => CopyError::Damaged {
            path: path.clone(),
            faults: vec![error.message().to_owned()],
        },
        source => CopyError::Database {
            path: path.clone(),
            source,
        },
    };
    let mut conn = open(&path).await.map_err(|error| match error {
        CopyError::Database { source, .. } => failed(source),
        error => error,
    })?;
    let mut faults: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(10)")
        .fetch_all(&mut conn)
        .await
        .map_err(failed)?;
    faults.retain(|line| line != "ok");
    let strays = sqlx::query("PRAGMA foreign_key_check")
        .fetch_all(&mut conn)
        .await
        .map_err(failed)?;
    for row in strays.iter().take(10) {
        let table: String = row.try_get(0).map_err(failed)?;
        faults.push(format!("a row of {table} belongs to nothing"));
    }
    let schema: Vec<i64> =
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations ORDER BY version")
            .fetch_all(&mut conn)
            .await
            .map_err(failed)?;
    let known: Vec<i64> = migrations().iter().map(|m| m.version).collect();
    if let Some(found) = schema.iter().copied().find(|found| !known.contains(found)) {
        return Err(OpenError::newer(&path.display().to_string(), migrations(), found).into());
    }
    let mut holdings = Holdings {
        bytes: fs::metadata(&path).map_or(0, |file| file.len()),
        ..Holdings::default()
    };
    for (count, from) in [
        (&mut holdings.users, "users"),
        (&mut holdings.farms, "farms"),
        (&mut holdings.nodes, "nodes WHERE NOT deleted"),
    ] {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {from}"));
        let rows: i64 = sqlx::query_scalar(sql)
            .fetch_one(&mut conn)
            .await
            .map_err(failed)?;
        *count = super::from_sql(rows);
    }
    let counted: i64 = sqlx::query_scalar("SELECT coalesce(sum(nodes), 0) FROM node_blocks")
        .fetch_one(&mut conn)
        .await
        .map_err(failed)?;
    if super::from_sql(counted) != holdings.nodes {
        faults.push(format!(
            "{counted} nodes are counted, {} are there",
            holdings.nodes
        ));
    }
    // What it read does not depend on this.
    let _ = conn.close().await;
    if faults.is_empty() {
        Ok(holdings)
    } else {
        Err(CopyError::Damaged { path, faults })
    }
}

/// Puts a copy into a data directory, which is made if it does not exist; `overwrite` says that the
/// database there may go. No server may be running on it. Whoever follows the changes of this
/// directory starts again.
///
/// # Errors
/// As [`CopyError`] lists them; the directory is as it was then.
pub async fn restore(
    copy_file: &Path,
    data_dir: &Path,
    overwrite: bool,
) -> Result<Holdings, CopyError> {
    check(copy_file).await?;
    let _lock = lock(data_dir, Holder::Restorer)?;
    let file = data_dir.join(FILE_NAME);
    if file.exists() && !overwrite {
        return Err(CopyError::Exists { path: file });
    }
    let part = part_of(&file);
    let copied = async {
        copy(copy_file, &part).await?;
        start_followers_again(&part).await
    };
    if let Err(error) = copied.await {
        // What is half written helps nobody.
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    // Root restores for the server's user, who owns the directory.
    let given = fs::metadata(data_dir).and_then(|owner| {
        let is = fs::metadata(&part)?;
        let (user, group) = (owner.uid(), owner.gid());
        if (user, group) == (is.uid(), is.gid()) {
            return Ok(());
        }
        std::os::unix::fs::chown(&part, Some(user), Some(group))
    });
    if let Err(source) = given {
        let _ = fs::remove_file(&part);
        return Err(CopyError::Io { path: file, source });
    }
    // A log left behind would be played into the new database.
    for log in ["-wal", "-shm"] {
        let log = data_dir.join(format!("{FILE_NAME}{log}"));
        match fs::remove_file(&log) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(CopyError::Io { path: log, source });
            }
            _ => {}
        }
    }
    settle(&part, &file)?;
    check(&file).await
}

/// Revisions given out after the copy was taken must not come again for something else: the next
/// ones lie far above, and what is known of those below is refused.
async fn start_followers_again(part: &Path) -> Result<(), CopyError> {
    let failed = |source| CopyError::Database {
        path: part.to_owned(),
        source,
    };
    let mut conn = SqliteConnectOptions::new()
        .filename(part)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(failed)?;
    for sql in [
        "UPDATE revisions SET last = last + 4294967296",
        "UPDATE change_floor SET floor = (SELECT last FROM revisions)",
    ] {
        sqlx::query(sql).execute(&mut conn).await.map_err(failed)?;
    }
    conn.close().await.map_err(failed)
}
