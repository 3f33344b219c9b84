//! Which handler answers which request.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, get, on};

use super::access::around;
use super::error::ApiError;
use super::{
    App, ServerMode, capacity, changes, deals, enrolment, farm_addresses, farms, gateways, health,
    metrics, nodes, openapi, orders, reports, users,
};

/// The prefixes of 2020 and of 2021.
const PREFIXES: [&str; 2] = ["/explorer", "/api/v1"];

/// Which servers have an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Modes {
    /// All.
    Both,
    /// Those that are not of the 2020 form.
    Strict,
}

impl Modes {
    pub(super) fn include(self, mode: ServerMode) -> bool {
        self == Self::Both || mode == ServerMode::Strict
    }
}

macro_rules! endpoints {
    ($($modes:ident $method:ident $path:literal $handler:path;)*) => {
        /// Every endpoint below a prefix.
        #[cfg(test)]
        pub(super) const ENDPOINTS: &[(Modes, &str, &str)] =
            &[$((Modes::$modes, stringify!($method), $path)),*];

        fn api(mode: ServerMode) -> Router<Arc<App>> {
            let mut router = Router::new();
            $(if Modes::$modes.include(mode) {
                router = router.route($path, on(MethodFilter::$method, $handler));
            })*
            router
        }
    };
}

endpoints! {
    Both GET "/health" health::health;
    Both GET "/openapi.json" openapi::show;
    Both GET "/farms" farms::list;
    Both POST "/farms" farms::create;
    Both GET "/farms/{farm_id}" farms::show;
    Both PUT "/farms/{farm_id}" farms::update;
    Both POST "/farms/{farm_id}/ip" farm_addresses::add;
    Both DELETE "/farms/{farm_id}/ip" farm_addresses::remove;
    Both GET "/farms/{farm_id}/deals" deals::list;
    Both POST "/farms/{farm_id}/deals" deals::set;
    Both PUT "/farms/{farm_id}/deals" deals::set;
    Both GET "/farms/{farm_id}/deals/{threebot_id}" deals::show;
    Both DELETE "/farms/{farm_id}/deals/{threebot_id}" deals::delete;
    Strict GET "/farms/{farm_id}/enrolment_tokens" enrolment::list;
    Strict POST "/farms/{farm_id}/enrolment_tokens" enrolment::create;
    Strict DELETE "/farms/{farm_id}/enrolment_tokens/{token_id}" enrolment::revoke;
    Both DELETE "/farms/{farm_id}/{node_id}" nodes::delete;
    Both GET "/nodes" nodes::list;
    Both POST "/nodes" nodes::register;
    Both GET "/nodes/{node_id}" nodes::show;
    Both POST "/nodes/{node_id}/interfaces" reports::interfaces;
    Both POST "/nodes/{node_id}/ports" reports::ports;
    Both POST "/nodes/{node_id}/capacity" reports::capacity;
    Both POST "/nodes/{node_id}/uptime" reports::uptime;
    Both POST "/nodes/{node_id}/used_resources" reports::used_resources;
    Both POST "/nodes/{node_id}/configure_public" orders::configure_public;
    Both POST "/nodes/{node_id}/configure_free" orders::configure_free;
    Strict POST "/nodes/{node_id}/state" orders::set_state;
    Strict GET "/capacity" capacity::search;
    Strict GET "/changes" changes::follow;
    Both GET "/gateways" gateways::list;
    Both POST "/gateways" gateways::register;
    Both GET "/gateways/{node_id}" gateways::show;
    Both POST "/gateways/{node_id}/uptime" gateways::uptime;
    Both POST "/gateways/{node_id}/reserved_resources" gateways::reserved_resources;
    Both GET "/users" users::list;
    Both POST "/users" users::create;
    Both GET "/users/{user_id}" users::show;
    Both PUT "/users/{user_id}" users::update;
    Both POST "/users/{user_id}/validate" users::validate;
}

pub(super) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/health", get(health::health))
        .route("/openapi.json", get(openapi::show));
    if !app.metrics_elsewhere {
        router = router.route("/metrics", get(metrics::show_locally));
    }
    for prefix in PREFIXES {
        router = router.nest(prefix, api(app.mode));
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
