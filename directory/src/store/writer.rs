//! Group commit: changes that come at the same time share one transaction of SQLite, and so one
//! `fsync`.
//!
//! A task owns the connection that writes and lends it to one change after the other, each in a
//! savepoint of its own. When nobody waits any more, or the group is large enough, it commits, and
//! only then are the changes of the group told that they are on disk. While it waits for the disk
//! the next group gathers.

use std::io;
use std::sync::Arc;

use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};
use tokio::time::timeout;

use super::ACQUIRE_TIMEOUT;

/// Changes of a group at most: the first waits for the last.
const GROUP: usize = 64;
/// Changes that may wait for their turn; more wait to wait.
const QUEUE: usize = 1024;

/// The way to the connection that writes.
#[derive(Debug, Clone)]
pub(crate) struct Writer(mpsc::Sender<Request>);

#[derive(Debug)]
enum Request {
    Begin(oneshot::Sender<Result<Lease, sqlx::Error>>),
    Close(oneshot::Sender<()>),
}

/// Tells a change what became of its group.
type Told = oneshot::Sender<Result<(), sqlx::Error>>;

/// The connection, inside a savepoint; undone unless committed.
#[derive(Debug)]
pub(super) struct Lease {
    conn: OwnedMutexGuard<SqliteConnection>,
    /// Gone without a word: undo.
    end: oneshot::Sender<Told>,
}

impl Lease {
    pub(super) fn conn(&mut self) -> &mut SqliteConnection {
        &mut self.conn
    }

    /// Waits until the change is on disk.
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        let Self { conn, end } = self;
        let (tell, told) = oneshot::channel();
        drop(conn);
        // A writer that is gone does not tell either.
        let _ = end.send(tell);
        told.await.map_err(|_| sqlx::Error::WorkerCrashed)?
    }
}

impl Writer {
    pub(super) fn start(conn: SqliteConnection) -> Self {
        let (requests, queue) = mpsc::channel(QUEUE);
        tokio::spawn(run(Arc::new(Mutex::new(conn)), queue));
        Self(requests)
    }

    pub(super) async fn begin(&self) -> Result<Lease, sqlx::Error> {
        let (give, take) = oneshot::channel();
        let turn = async {
            let request = Request::Begin(give);
            let queued = self.0.send(request).await;
            queued.map_err(|_| sqlx::Error::PoolClosed)?;
            take.await.map_err(|_| sqlx::Error::WorkerCrashed)?
        };
        timeout(ACQUIRE_TIMEOUT, turn)
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    /// Waits for the changes under way and closes the connection.
    pub(super) async fn close(&self) {
        let (tell, told) = oneshot::channel();
        if self.0.send(Request::Close(tell)).await.is_ok() {
            // A writer that is gone has closed it.
            let _ = told.await;
        }
    }
}

async fn run(conn: Arc<Mutex<SqliteConnection>>, mut queue: mpsc::Receiver<Request>) {
    let mut closing = None;
    while closing.is_none()
        && let Some(request) = queue.recv().await
    {
        let mut group = Vec::new();
        let done = match serve(&conn, request, &mut queue, &mut group).await {
            Ok(close) => {
                closing = close;
                execute(&conn, "COMMIT").await
            }
            Err(error) => Err(error),
        };
        if done.is_err() {
            // Often it is undone already, and this says so.
            let _ = execute(&conn, "ROLLBACK").await;
        }
        for told in group {
            let result = match &done {
                Ok(()) => Ok(()),
                Err(error) => Err(sqlx::Error::Io(io::Error::other(error.to_string()))),
            };
            // Nobody waits for the answer of a request that was given up; it is carried out.
            let _ = told.send(result);
        }
    }
    queue.close();
    if let Some(conn) = Arc::into_inner(conn)
        && let Err(error) = conn.into_inner().close().await
    {
        tracing::error!(%error, "the database did not close");
    }
    if let Some(closed) = closing {
        // Whoever asked may not wait any more.
        let _ = closed.send(());
    }
}

/// Lends the connection to one change after the other, and gathers those that want to last.
async fn serve(
    conn: &Arc<Mutex<SqliteConnection>>,
    first: Request,
    queue: &mut mpsc::Receiver<Request>,
    group: &mut Vec<Told>,
) -> Result<Option<oneshot::Sender<()>>, sqlx::Error> {
    // IMMEDIATE takes the write lock now: a later upgrade could fail after work was done.
    let mut begun = Some(execute(conn, "BEGIN IMMEDIATE").await);
    let mut next = Some(first);
    while let Some(request) = next {
        let give = match request {
            Request::Begin(give) => give,
            Request::Close(closed) => return Ok(Some(closed)),
        };
        if let Some(Err(error)) = begun.take() {
            // The first one hears it from the database itself.
            let _ = give.send(Err(error));
            return Err(sqlx::Error::BeginFailed);
        }
        execute(conn, "SAVEPOINT change").await?;
        let (end, ended) = oneshot::channel();
        let conn_now = conn.clone().lock_owned().await;
        let lease = Lease {
            conn: conn_now,
            end,
        };
        // A request that was given up meanwhile gives the lease back at once.
        drop(give.send(Ok(lease)));
        match ended.await {
            Ok(told) => group.push(told),
            Err(_) => execute(conn, "ROLLBACK TO change").await?,
        }
        execute(conn, "RELEASE change").await?;
        next = (group.len() < GROUP)
            .then(|| queue.try_recv().ok())
            .flatten();
    }
    Ok(None)
}

async fn execute(
    conn: &Arc<Mutex<SqliteConnection>>,
    sql: &'static str,
) -> Result<(), sqlx::Error> {
    let mut conn = conn.lock().await;
    sqlx::query(sql).execute(&mut *conn).await.map(drop)
}
