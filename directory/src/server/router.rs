//! Which handler answers which request.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use tokio::time::timeout;

use super::error::ApiError;
use super::{App, ServerMode, farms, health, nodes, users};

/// The prefixes of 2020 and of 2021.
const PREFIXES: [&str; 2] = ["/explorer", "/api/v1"];

pub(super) fn router(app: Arc<App>) -> Router {
    let mut api = Router::new()
        .route("/health", get(health::health))
        .route("/farms", get(farms::list).post(farms::create))
        .route(
            "/farms/{farm_id}",
            get(farms::show).merge(put(farms::update)),
        )
        .route(
            "/farms/{farm_id}/{node_id}",
            axum::routing::delete(nodes::delete),
        )
        .route("/nodes", get(nodes::list).post(nodes::register))
        .route("/nodes/{node_id}", get(nodes::show))
        .route("/nodes/{node_id}/capacity", post(nodes::capacity))
        .route("/nodes/{node_id}/uptime", post(nodes::uptime))
        .route("/nodes/{node_id}/interfaces", post(nodes::interfaces))
        .route("/users", get(users::list).post(users::create))
        .route("/users/{user_id}", get(users::show));
    if app.mode == ServerMode::Strict {
        api = api.route("/nodes/{node_id}/state", post(nodes::set_state));
    }
    let mut router = Router::new().route("/health", get(health::health));
    for prefix in PREFIXES {
        router = router.nest(prefix, api.clone());
    }
    router
        .fallback(no_such_endpoint)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(app.clone(), around))
        .with_state(app)
}

/// Bounds the time of a request, logs it, and dates the answer by our clock: a node sets its own
/// clock by this header.
async fn around(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let began = app.clock.monotonic();
    let mut response = match timeout(app.limits.request, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::timeout().into_response(),
    };
    let now = app.clock.now();
    if let Ok(date) = HeaderValue::from_str(&now.to_http_date()) {
        response.headers_mut().insert(header::DATE, date);
    }
    let micros = app.clock.monotonic().saturating_sub(began).as_micros();
    tracing::debug!(%method, path, status = response.status().as_u16(), micros, "request");
    response
}

async fn no_such_endpoint(request: Request) -> ApiError {
    ApiError::not_found(format!("there is no endpoint {}", request.uri().path()))
}

async fn wrong_method(request: Request) -> ApiError {
    ApiError::method_not_allowed(format!("{} is not possible here", request.method()))
}
