//! `GET /health`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::error::ApiError;
use super::{App, ServerMode};
use crate::wire::Health;

pub(super) async fn health(State(app): State<Arc<App>>) -> Result<Json<Health>, ApiError> {
    app.store.ping().await?;
    let signatures = match app.mode {
        ServerMode::Strict => "strict",
        ServerMode::Compat => "compat",
    };
    Ok(Json(Health {
        status: "ok".into(),
        server: app.server_name.as_str().into(),
        signatures: signatures.into(),
    }))
}
