//! Which handler answers which request.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post, put};

use super::access::around;
use super::error::ApiError;
use super::{App, ServerMode, farms, health, metrics, nodes, users};

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
    if !app.metrics_elsewhere {
        router = router.route("/metrics", get(metrics::show_locally));
    }
    for prefix in PREFIXES {
        router = router.nest(prefix, api.clone());
    }
    router
        .fallback(no_such_endpoint)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(app.clone(), around))
        .with_state(app)
}

/// What the metrics' own listener answers.
pub(super) fn metrics(app: Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(metrics::show))
        .fallback(no_such_endpoint)
        .with_state(app)
}

async fn no_such_endpoint(request: Request) -> ApiError {
    ApiError::no_endpoint(request.uri().path())
}

async fn wrong_method(request: Request) -> ApiError {
    ApiError::method_not_allowed(format!("{} is not possible here", request.method()))
}
