//! `GET /changes` (extension): farms and nodes that changed after a revision.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::error::ApiError;
use super::farms::redact;
use super::incoming::Incoming;
use super::nodes::Sight;
use crate::store::Cursor;
use crate::wire::Changes;

/// Changes per page when nothing is asked for.
const DEFAULT_LIMIT: i64 = 1000;
/// Changes per page at most.
const LARGEST_LIMIT: i64 = 5000;

pub(super) async fn follow(
    State(app): State<Arc<App>>,
    request: Incoming,
) -> Result<Response, ApiError> {
    let params = request.params()?;
    let since = params.positive("since")?.unwrap_or(0).unsigned_abs();
    let farm_id = params.positive("farm")?;
    let limit = params.positive("limit")?.unwrap_or(DEFAULT_LIMIT);
    let caller = request.caller(&app).await?;
    let found = app
        .store
        .changes(
            Cursor::from_number(since),
            farm_id,
            limit.min(LARGEST_LIMIT),
        )
        .await?;
    let found = found.ok_or_else(|| {
        ApiError::gone("what is gone since that revision is not known any more: start again at 0")
    })?;
    let is_empty = found.farms.is_empty() && found.nodes.is_empty() && found.gone.is_empty();
    // Where nothing happened the revision that is known is as good as the last.
    let revision = if is_empty && request.has_tag(&tag(since)) {
        since
    } else {
        found.cursor.to_number()
    };
    let tag = tag(revision);
    let etag = HeaderValue::from_str(&tag)
        .map(|tag| [(header::ETAG, tag)])
        .map_err(|_| ApiError::internal("internal error"))?;
    if request.has_tag(&tag) {
        return Ok((StatusCode::NOT_MODIFIED, etag).into_response());
    }
    let sight = Sight::of(&app, caller.as_ref()).await?;
    let farms = found.farms.into_iter();
    let changes = Changes {
        revision,
        more: found.more,
        farms: farms
            .map(|farm| redact(farm, caller.as_ref(), app.mode))
            .collect(),
        nodes: sight.reveal(&app, found.nodes, false, false).await?,
        gone: found.gone,
    };
    Ok((etag, Json(changes)).into_response())
}

fn tag(revision: u64) -> String {
    format!("\"{revision}\"")
}
