//! `GET /metrics`: what the server did, in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::App;
use super::access::peer_of;
use super::error::ApiError;

/// Upper bounds of the classes answer times are counted in, in milliseconds.
const BOUNDS_MS: [u64; 10] = [1, 2, 5, 10, 20, 50, 100, 250, 1000, 5000];

/// Which requests are counted together: method, path with placeholders.
type Route = (&'static str, String);

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    routes: Mutex<BTreeMap<Route, Series>>,
    pub(super) in_flight: AtomicI64,
    pub(super) connections: AtomicI64,
    pub(super) connections_refused: AtomicU64,
    pub(super) limited_by_address: AtomicU64,
    pub(super) limited_by_key: AtomicU64,
    pub(super) signatures_refused: AtomicU64,
    pub(super) enrolments_accepted: AtomicU64,
    pub(super) enrolments_refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Series {
    by_status: BTreeMap<u16, u64>,
    /// Answers per class, slower ones than the last bound not counted.
    classes: [u64; BOUNDS_MS.len()],
    total: Duration,
}

impl Metrics {
    pub(super) fn count(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let series = routes.entry((method, route.to_owned())).or_default();
        *series.by_status.entry(status).or_default() += 1;
        series.total += took;
        let class = BOUNDS_MS
            .iter()
            .position(|bound| took <= Duration::from_millis(*bound));
        if let Some(count) = class.and_then(|class| series.classes.get_mut(class)) {
            *count += 1;
        }
    }

    /// The text Prometheus reads.
    fn text(&self, server: &str, mode: &str) -> String {
        let mut out = String::new();
        let mut one = |name: &str, kind: &str, help: &str, samples: &[(&str, String)]| {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "# HELP farmer_directory_{name} {help}");
            let _ = writeln!(out, "# TYPE farmer_directory_{name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(out, "farmer_directory_{name}{labels} {value}");
            }
        };
        let number = |value: &AtomicU64| value.load(Relaxed).to_string();
        let info = format!("{{server=\"{}\",signatures=\"{mode}\"}}", escaped(server));
        one(
            "info",
            "gauge",
            "Name and version of the server, and the signatures it accepts.",
            &[(&info, "1".to_owned())],
        );
        one(
            "requests_in_flight",
            "gauge",
            "Requests being answered now.",
            &[("", self.in_flight.load(Relaxed).to_string())],
        );
        one(
            "connections",
            "gauge",
            "Connections open now.",
            &[("", self.connections.load(Relaxed).to_string())],
        );
        one(
            "connections_refused_total",
            "counter",
            "Connections closed because the address had too many.",
            &[("", number(&self.connections_refused))],
        );
        one(
            "rate_limited_total",
            "counter",
            "Requests refused because their client asks too often.",
            &[
                ("{by=\"address\"}", number(&self.limited_by_address)),
                ("{by=\"key\"}", number(&self.limited_by_key)),
            ],
        );
        one(
            "signatures_refused_total",
            "counter",
            "Requests with a signature that is missing or not good.",
            &[("", number(&self.signatures_refused))],
        );
        one(
            "enrolments_total",
            "counter",
            "Enrolment tokens that nodes have shown.",
            &[
                ("{result=\"accepted\"}", number(&self.enrolments_accepted)),
                ("{result=\"refused\"}", number(&self.enrolments_refused)),
            ],
        );
        self.write_routes(&mut out);
        out
    }

    fn write_routes(&self, out: &mut String) {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        out.push_str(
            "# HELP farmer_directory_requests_total Requests answered.\n\
             # TYPE farmer_directory_requests_total counter\n",
        );
        for ((method, route), series) in routes.iter() {
            for (status, count) in &series.by_status {
                let _ = writeln!(
                    out,
                    "farmer_directory_requests_total{{method=\"{method}\",route=\"{route}\",\
                     status=\"{status}\"}} {count}"
                );
            }
        }
        out.push_str(
            "# HELP farmer_directory_request_duration_seconds Time until the answer began.\n\
             # TYPE farmer_directory_request_duration_seconds histogram\n",
        );
        const NAME: &str = "farmer_directory_request_duration_seconds";
        for ((method, route), series) in routes.iter() {
            let labels = format!("method=\"{method}\",route=\"{route}\"");
            let mut so_far = 0;
            for (bound, count) in BOUNDS_MS.iter().zip(series.classes) {
                so_far += count;
                let bound = Duration::from_millis(*bound).as_secs_f64();
                let _ = writeln!(out, "{NAME}_bucket{{{labels},le=\"{bound}\"}} {so_far}");
            }
            let count: u64 = series.by_status.values().sum();
            let _ = writeln!(out, "{NAME}_bucket{{{labels},le=\"+Inf\"}} {count}");
            let total = series.total.as_secs_f64();
            let _ = writeln!(out, "{NAME}_sum{{{labels}}} {total}");
            let _ = writeln!(out, "{NAME}_count{{{labels}}} {count}");
        }
    }
}

/// A label's value: backslash, quote and line feed have a meaning there.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Answers on the metrics' own listener.
pub(super) async fn show(State(app): State<Arc<App>>) -> Response {
    let text = app.metrics.text(&app.server_name, app.mode.as_str());
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (kind, text).into_response()
}

/// Answers on the directory's listener: only to this machine, and not through a proxy on it. For
/// others the endpoint does not exist.
pub(super) async fn show_locally(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, ApiError> {
    let local = peer_of(request.extensions()).is_some_and(|peer| peer.is_loopback());
    let proxied = ["forwarded", "x-forwarded-for", "x-real-ip", "via"]
        .iter()
        .any(|name| request.headers().contains_key(*name));
    if local && !proxied {
        Ok(show(State(app)).await)
    } else {
        Err(ApiError::no_endpoint(request.uri().path()))
    }
}
