//! `GET /health`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::App;
use super::error::ApiError;
use crate::wire::Health;

pub(super) async fn health(State(app): State<Arc<App>>) -> Result<Json<Health>, ApiError> {
    app.store.ping().await?;
    Ok(Json(Health {
        status: "ok".into(),
        server: app.server_name.as_str().into(),
        signatures: app.mode.as_str().into(),
    }))
}
