//! The embedded directory: TFExplorer's directory and phonebook endpoints over HTTP, on SQLite or
//! PostgreSQL.
//!
//! [`Server::bind`] opens the data and the socket, [`Server::run`] answers until it is told to
//! stop; [`serve`] is both in one, [`start`] runs it in a task of its own.

mod access;
mod capacity;
mod changes;
mod deals;
mod enrolment;
mod error;
mod farm_addresses;
mod farms;
mod gateways;
mod health;
mod incoming;
mod listener;
mod metrics;
mod nodes;
mod openapi;
mod orders;
mod paging;
mod rate;
mod reports;
mod router;
mod tls;
mod users;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

pub use rate::Rate;
pub use tls::{Tls, TlsError};

use crate::Pin;
use crate::clock::{Clock, SystemClock};
use crate::identity::PublicKey;
use crate::store::Store;
pub use crate::store::{
    CopyError, DatabaseUrl, DatabaseUrlError, Holdings, OpenError, backup, check, restore,
};
use crate::wire::Cidr;
use metrics::Metrics;
use rate::Limiter;

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

impl ServerMode {
    /// The word `GET /health` has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Compat => "compat",
        }
    }
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
    /// Connections of one address (IPv6: one /64) at the same time; more are closed.
    pub connections_per_address: usize,
    /// Requests of one address (IPv6: one /64).
    pub address_rate: Rate,
    /// Whether the two bounds above hold for this machine itself. They do not by default: a proxy
    /// on it stands for everybody.
    pub bound_loopback: bool,
    /// Requests signed with one key.
    pub key_rate: Rate,
    /// Farms of one address that are not signed by their owner (compat only).
    pub unsigned_farm_rate: Rate,
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

impl Limits {
    /// Whom the bounds by address count a client as; `None` for one they do not hold for.
    fn bounded(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        (self.bound_loopback || !peer.is_loopback()).then(|| rate::client_of(peer))
    }
}

impl Default for Limits {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            body_bytes: 1 << 20,
            head_bytes: 16 << 10,
            headers: 64,
            connections: 512,
            // A rack of 200 nodes behind one address may start at the same moment.
            connections_per_address: 256,
            address_rate: Rate::new(2000, Duration::from_millis(20)),
            bound_loopback: false,
            // A farmer may change something about every node of a large farm.
            key_rate: Rate::new(3000, Duration::from_millis(10)),
            unsigned_farm_rate: Rate::new(20, secs(60)),
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
    /// Where clients of 2020 and 2021 are answered from the same data, as [`ServerMode::Compat`]
    /// says; encrypted like the rest.
    pub compat_listen: Option<SocketAddr>,
    /// Where `GET /metrics` is answered, to anyone who can connect; `None`: where the directory
    /// listens, but only to this machine.
    pub metrics_listen: Option<SocketAddr>,
    /// Networks from which a compat server takes farms that are not signed by their owner, besides
    /// this machine.
    pub unsigned_farms_from: Vec<Cidr>,
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
            compat_listen: None,
            metrics_listen: None,
            unsigned_farms_from: Vec::new(),
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

/// What every handler works with; one for each mode, on the same data and counters.
#[derive(Debug, Clone)]
struct App {
    store: Store,
    clock: Arc<dyn Clock>,
    mode: ServerMode,
    limits: Limits,
    server_name: String,
    unsigned_farms_from: Vec<Cidr>,
    metrics: Arc<Metrics>,
    /// Whether the metrics have a listener of their own.
    metrics_elsewhere: bool,
    by_address: Arc<Limiter<IpAddr>>,
    by_key: Arc<Limiter<PublicKey>>,
    unsigned_farms: Arc<Limiter<IpAddr>>,
}

/// A socket and its address, with the real port.
type Bound = (TcpListener, SocketAddr);

async fn bind(listen: SocketAddr) -> Result<Bound, ServerError> {
    let error = |source| ServerError::Listen { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(error)?;
    let local_addr = listener.local_addr().map_err(error)?;
    Ok((listener, local_addr))
}

async fn bind_if(listen: Option<SocketAddr>) -> Result<Option<Bound>, ServerError> {
    match listen {
        Some(listen) => bind(listen).await.map(Some),
        None => Ok(None),
    }
}

/// A server that listens but does not answer yet.
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    compat: Option<Bound>,
    metrics: Option<Bound>,
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
            compat_listen,
            metrics_listen,
            unsigned_farms_from,
            server_name,
        } = config;
        // First what fails most often, before anything is written.
        let (listener, local_addr) = bind(listen).await?;
        let compat = bind_if(compat_listen).await?;
        let metrics = bind_if(metrics_listen).await?;
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
            unsigned_farms_from,
            metrics: Arc::default(),
            metrics_elsewhere: metrics.is_some(),
            by_address: Arc::new(Limiter::new(limits.address_rate)),
            by_key: Arc::new(Limiter::new(limits.key_rate)),
            unsigned_farms: Arc::new(Limiter::new(limits.unsigned_farm_rate)),
        });
        Ok(Self {
            listener,
            local_addr,
            compat,
            metrics,
            tls,
            app,
        })
    }

    /// The address it listens on, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The address clients of 2020 use, if there is one.
    #[must_use]
    pub fn compat_addr(&self) -> Option<SocketAddr> {
        self.compat.as_ref().map(|(_, addr)| *addr)
    }

    /// The address of the metrics, if they have one of their own.
    #[must_use]
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(_, addr)| *addr)
    }

    /// The pin of its TLS key; `None` without TLS.
    #[must_use]
    pub fn pin(&self) -> Option<Pin> {
        self.tls.as_ref().map(|tls| tls.pin)
    }

    /// Answers until `shutdown` is done, then lets running requests finish and closes the data.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self {
            listener,
            local_addr,
            compat,
            metrics,
            tls,
            app,
        } = self;
        let tls = tls.map(|tls| tls.acceptor);
        let (stop, stopped) = watch::channel(false);
        let accept = async |bound: Option<Bound>, tls, router, what: &str| {
            let Some((listener, address)) = bound else {
                return;
            };
            tracing::info!(%address, "{what} listens");
            let mut stopped = stopped.clone();
            let stopped = async {
                // An error means that there is nobody left to wait for.
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            listener::accept_loop(listener, tls, router, &app, stopped).await;
        };
        let of_2020 = Arc::new(App {
            mode: ServerMode::Compat,
            ..App::clone(&app)
        });
        tokio::join!(
            accept(
                Some((listener, local_addr)),
                tls.clone(),
                router::router(app.clone()),
                app.mode.as_str(),
            ),
            accept(compat, tls, router::router(of_2020), "compat"),
            accept(metrics, None, router::metrics(app.clone()), "metrics"),
            async {
                shutdown.await;
                let _ = stop.send(true);
            },
        );
        app.store.close().await;
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
    compat_addr: Option<SocketAddr>,
    metrics_addr: Option<SocketAddr>,
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
    let local_addr = server.local_addr();
    let (compat_addr, metrics_addr) = (server.compat_addr(), server.metrics_addr());
    let pin = server.pin();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(server.run(async {
        // A dropped handle means the same as a call to `shutdown`.
        let _ = stopped.await;
    }));
    Ok(RunningServer {
        local_addr,
        compat_addr,
        metrics_addr,
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

    /// The address clients of 2020 use, if there is one.
    #[must_use]
    pub fn compat_addr(&self) -> Option<SocketAddr> {
        self.compat_addr
    }

    /// The address of the metrics, if they have one of their own.
    #[must_use]
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
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
