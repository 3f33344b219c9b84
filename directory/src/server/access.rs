//! What happens around every request: bounds on rate and time, counting, logging.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{Extensions, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::App;
use super::error::ApiError;

/// The address a request came from.
pub(super) fn peer_of(extensions: &Extensions) -> Option<IpAddr> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map(|peer| peer.0.ip().to_canonical())
}

/// Bounds a request, counts and logs it, and dates the answer by our clock: a node sets its own
/// clock by this header.
pub(super) async fn around(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let began = app.clock.monotonic();
    let peer = peer_of(request.extensions());
    let method = method_name(request.method());
    let path = request.uri().path().to_owned();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    let under_way = UnderWay::count(&app.metrics.in_flight);
    let mut response = match may_ask(&app, peer) {
        Ok(()) => match timeout(app.limits.request, next.run(request)).await {
            Ok(response) => response,
            Err(_) => ApiError::timeout().into_response(),
        },
        Err(error) => error.into_response(),
    };
    drop(under_way);
    let headers = response.headers_mut();
    if let Ok(date) = HeaderValue::from_str(&app.clock.now().to_http_date()) {
        headers.insert(header::DATE, date);
    }
    // The grid's web pages read directories from elsewhere; nothing here depends on who the
    // browser's user is.
    let (anyone, pages) = (
        HeaderValue::from_static("*"),
        HeaderValue::from_static("Pages"),
    );
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, anyone);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, pages);
    let took = app.clock.monotonic().saturating_sub(began);
    let status = response.status().as_u16();
    app.metrics.count(method, &route, status, took);
    let peer = peer.map(tracing::field::display);
    // The path is the client's: `?` writes what could be mistaken for a line of ours as an escape.
    tracing::info!(
        target: "directory::access",
        peer,
        method,
        mode = app.mode.as_str(),
        route,
        ?path,
        status,
        micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    );
    response
}

/// Counts a request for as long as it lives: one whose client goes away ends without an answer.
struct UnderWay<'a>(&'a AtomicI64);

impl<'a> UnderWay<'a> {
    fn count(counter: &'a AtomicI64) -> Self {
        counter.fetch_add(1, Relaxed);
        Self(counter)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Methods anybody can make up; what is counted and logged is one of ours.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn may_ask(app: &App, peer: Option<IpAddr>) -> Result<(), ApiError> {
    let Some(client) = peer.and_then(|peer| app.limits.bounded(peer)) else {
        return Ok(());
    };
    let now = app.clock.monotonic();
    app.by_address.take(client, now).map_err(|wait| {
        app.metrics.limited_by_address.fetch_add(1, Relaxed);
        ApiError::too_many("this address asks too often", wait)
    })
}
