//! The embedded directory: TFExplorer's directory and phonebook endpoints over HTTP, on SQLite or
//! PostgreSQL.
//!
//! [`Server::bind`] opens the data and the socket, [`Server::run`] answers until it is told to
//! stop; [`serve`] is both in one, [`start`] runs it in a task of its own.

mod error;
mod farms;
mod health;
mod incoming;
mod listener;
mod nodes;
mod paging;
mod router;
mod tls;
mod users;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use tls::{Tls, TlsError};

use crate::Pin;
use crate::clock::{Clock, SystemClock};
use crate::store::Store;
pub use crate::store::{DatabaseUrl, DatabaseUrlError, OpenError};

/// Which signatures a listener accepts, and how much it gives away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServerMode {
    /// Ours: signatures cover the whole request and expire, farms and users prove who they are,
    /// interfaces, proofs and e-mail addresses are for the owner.
    #[default]
    Strict,
    /// What clients of 2020 and 2021 speak, with the weaknesses of that protocol: signatures cover
    /// no content and never expire, users are taken at their word, and farms may be created without
    /// a signature, but only from this machine. For trusted networks.
    Compat,
}

/// Bounds on what one client may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest request body in bytes.
    pub body_bytes: usize,
    /// Longest head of a request in bytes.
    pub head_bytes: usize,
    /// Most headers of a request.
    pub headers: usize,
    /// Connections open at the same time; more wait to be accepted.
    pub connections: usize,
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Time to send the head of a request; also how long a connection may be idle.
    pub head: Duration,
    /// Time to send the body and get the answer.
    pub request: Duration,
    /// Longest life of a connection.
    pub connection: Duration,
    /// Time running requests get to finish when the server stops.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            body_bytes: 1 << 20,
            head_bytes: 16 << 10,
            headers: 64,
            connections: 512,
            handshake: secs(10),
            head: secs(15),
            request: secs(30),
            connection: secs(600),
            shutdown: secs(10),
        }
    }
}

/// Where a server keeps its data.
#[derive(Debug, Clone)]
pub enum Data {
    /// In an SQLite file of its own in this directory, which is made (mode 0700) if it does not
    /// exist. One server at a time.
    Directory(PathBuf),
    /// In a PostgreSQL database, which any number of servers share.
    Postgres(DatabaseUrl),
}

/// Settings of a server.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Address and port; port 0 takes any free one, `[::]` means IPv4 too.
    pub listen: SocketAddr,
    /// Where the data lives.
    pub data: Data,
    /// Encryption.
    pub tls: Tls,
    /// Which signatures to accept.
    pub mode: ServerMode,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Bounds per client.
    pub limits: Limits,
    /// Name and version told by `GET /health`.
    pub server_name: String,
}

impl ServerConfig {
    /// A strict server without TLS on an SQLite file, with the usual limits.
    #[must_use]
    pub fn new(listen: SocketAddr, data_dir: impl Into<PathBuf>) -> Self {
        Self::with_data(listen, Data::Directory(data_dir.into()))
    }

    /// The same, wherever the data lives.
    #[must_use]
    pub fn with_data(listen: SocketAddr, data: Data) -> Self {
        Self {
            listen,
            data,
            tls: Tls::None,
            mode: ServerMode::Strict,
            clock: Arc::new(SystemClock),
            limits: Limits::default(),
            server_name: concat!("farmer-directory/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// A server that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}")]
    Listen {
        /// Address and port.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The task that served has died.
    #[error("the server stopped unexpectedly")]
    Died,
}

impl ServerError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Open(error) => error.hint(),
            Self::Tls(error) => error.hint(),
            Self::Listen { listen, source } => match source.kind() {
                io::ErrorKind::AddrInUse => Some(format!(
                    "another program uses port {}: stop it or take another",
                    listen.port()
                )),
                io::ErrorKind::PermissionDenied => {
                    Some("ports below 1024 need root or CAP_NET_BIND_SERVICE".to_owned())
                }
                io::ErrorKind::AddrNotAvailable => {
                    Some("this machine has no such address".to_owned())
                }
                _ => None,
            },
            Self::Died => None,
        }
    }
}

/// What every handler works with.
#[derive(Debug)]
struct App {
    store: Store,
    clock: Arc<dyn Clock>,
    mode: ServerMode,
    limits: Limits,
    server_name: String,
}

/// A server that listens but does not answer yet.
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    tls: Option<tls::Ready>,
    app: Arc<App>,
}

impl Server {
    /// Opens (and upgrades) the data and the socket.
    ///
    /// # Errors
    /// As [`ServerError`] lists them; nothing is left behind but the data directory.
    pub async fn bind(config: ServerConfig) -> Result<Self, ServerError> {
        let ServerConfig {
            listen,
            data,
            tls,
            mode,
            clock,
            limits,
            server_name,
        } = config;
        // First what fails most often, before anything is written.
        let listen_error = |source| ServerError::Listen { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(listen_error)?;
        let local_addr = listener.local_addr().map_err(listen_error)?;
        let store = match &data {
            Data::Directory(dir) => Store::open_sqlite(dir).await?,
            Data::Postgres(url) => Store::open_postgres(url).await?,
        };
        let tls = tls.load(local_addr)?;
        let app = Arc::new(App {
            store,
            clock,
            mode,
            limits,
            server_name,
        });
        Ok(Self {
            listener,
            local_addr,
            tls,
            app,
        })
    }

    /// The address it listens on, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The pin of its TLS key; `None` without TLS.
    #[must_use]
    pub fn pin(&self) -> Option<Pin> {
        self.tls.as_ref().map(|tls| tls.pin)
    }

    /// Answers until `shutdown` is done, then lets running requests finish and closes the data.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let router = router::router(self.app.clone());
        let tls = self.tls.map(|tls| tls.acceptor);
        let address = self.local_addr;
        tracing::info!(%address, mode = ?self.app.mode, tls = tls.is_some(), "directory is listening");
        listener::accept_loop(self.listener, tls, router, self.app.limits, shutdown).await;
        self.app.store.close().await;
        tracing::info!("directory has stopped");
    }
}

/// Listens and answers until `shutdown` is done.
///
/// # Errors
/// As [`Server::bind`].
pub async fn serve(
    config: ServerConfig,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServerError> {
    Server::bind(config).await?.run(shutdown).await;
    Ok(())
}

/// A server running in a task of its own. Dropping it stops the server without waiting.
pub struct RunningServer {
    local_addr: SocketAddr,
    pin: Option<Pin>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// Listens, and answers in a new task of the current runtime.
///
/// # Errors
/// As [`Server::bind`].
pub async fn start(config: ServerConfig) -> Result<RunningServer, ServerError> {
    let server = Server::bind(config).await?;
    let (local_addr, pin) = (server.local_addr(), server.pin());
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(server.run(async {
        // A dropped handle means the same as a call to `shutdown`.
        let _ = stopped.await;
    }));
    Ok(RunningServer {
        local_addr,
        pin,
        stop: Some(stop),
        task,
    })
}

impl RunningServer {
    /// The address it listens on, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The pin of its TLS key; `None` without TLS.
    #[must_use]
    pub fn pin(&self) -> Option<Pin> {
        self.pin
    }

    /// A URL that reaches it from this machine.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.pin.is_some() { "https" } else { "http" };
        let mut address = self.local_addr;
        if address.ip().is_unspecified() {
            let loopback = if address.is_ipv4() {
                [127, 0, 0, 1].into()
            } else {
                std::net::Ipv6Addr::LOCALHOST.into()
            };
            address.set_ip(loopback);
        }
        format!("{scheme}://{address}")
    }

    /// Stops it and waits until running requests are answered and the data is closed.
    ///
    /// # Errors
    /// [`ServerError::Died`] if it had stopped by itself.
    pub async fn shutdown(mut self) -> Result<(), ServerError> {
        if let Some(stop) = self.stop.take() {
            // It may be gone already; the task tells.
            let _ = stop.send(());
        }
        self.task.await.map_err(|_| ServerError::Died)
    }
}
