//! Accepting connections. Not `axum::serve`: it sets no limit on heads, idle time or connections.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::{App, Limits};

/// Accepts and serves until `shutdown` is done, then waits for what is running.
pub(super) async fn accept_loop(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    app: &Arc<App>,
    shutdown: impl Future<Output = ()>,
) {
    let limits = app.limits;
    let addresses = Addresses::default();
    let (stop, stopping) = watch::channel(false);
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            // Finished tasks are collected, or the set would grow for ever.
            Some(_) = connections.join_next() => continue,
            accepted = async {
                let slot = slots.clone().acquire_owned().await;
                (slot, listener.accept().await)
            } => accepted,
        };
        let (stream, peer, slot) = match accepted {
            (Ok(slot), Ok((stream, peer))) => (stream, peer, slot),
            (_, Err(error)) => {
                after_accept_error(&error).await;
                continue;
            }
            (Err(_), Ok(_)) => break,
        };
        let Some(place) = addresses.admit(peer.ip(), &limits) else {
            app.metrics.connections_refused.fetch_add(1, Relaxed);
            continue;
        };
        let connection = Connection {
            tls: tls.clone(),
            router: router.clone(),
            limits,
            peer,
        };
        let stopping = stopping.clone();
        let app = app.clone();
        connections.spawn(async move {
            app.metrics.connections.fetch_add(1, Relaxed);
            connection.serve(stream, stopping).await;
            app.metrics.connections.fetch_sub(1, Relaxed);
            drop((slot, place));
        });
    }
    drop(listener);
    // Fails only if no connection is listening, and then there is nothing to stop.
    let _ = stop.send(true);
    let drain = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.shutdown, drain).await.is_err() {
        tracing::warn!(
            left = connections.len(),
            "connections were cut off at shutdown"
        );
        connections.shutdown().await;
    }
}

/// One client's fault, or a shortage that may pass (EMFILE, ENOBUFS): never a reason to stop.
async fn after_accept_error(error: &io::Error) {
    if matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    ) {
        return;
    }
    tracing::error!(%error, "cannot accept connections for now");
    sleep(Duration::from_millis(500)).await;
}

/// How many connections each address has open.
#[derive(Clone, Default)]
struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection's place among those of its address; given back when dropped.
struct Place {
    addresses: Addresses,
    /// `None` for one that is not counted.
    client: Option<IpAddr>,
}

impl Addresses {
    fn admit(&self, peer: IpAddr, limits: &Limits) -> Option<Place> {
        let client = limits.bounded(peer);
        if let Some(client) = client {
            let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let count = open.entry(client).or_default();
            if *count >= limits.connections_per_address {
                return None;
            }
            *count += 1;
        }
        Some(Place {
            addresses: self.clone(),
            client,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(client) = self.client else {
            return;
        };
        let mut open = self
            .addresses
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = open.entry(client) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

struct Connection {
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    peer: SocketAddr,
}

impl Connection {
    async fn serve(self, stream: TcpStream, stopping: watch::Receiver<bool>) {
        // Answers are small and written at once; waiting to fill packets only delays them.
        let _ = stream.set_nodelay(true);
        let peer = self.peer;
        match &self.tls {
            None => self.http(stream, stopping).await,
            Some(tls) => match timeout(self.limits.handshake, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.http(stream, stopping).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
            },
        }
    }

    async fn http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        mut stopping: watch::Receiver<bool>,
    ) {
        let peer = self.peer;
        let service = self.router.clone().layer(Extension(ConnectInfo(peer)));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_headers(self.limits.headers)
            .max_header_size(self.limits.head_bytes)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut connection = pin!(connection);
        let stop = async {
            // An error means the server is gone, which is a reason to stop as well.
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = stop => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = sleep(self.limits.connection) => {
                // Time for the request that runs, and no more: a client that never reads its
                // answer must not hold a slot for ever.
                connection.as_mut().graceful_shutdown();
                match timeout(self.limits.request, connection).await {
                    Ok(result) => result,
                    Err(_) => return,
                }
            }
        };
        if let Err(error) = result {
            tracing::debug!(%peer, %error, "connection ended");
        }
    }
}
