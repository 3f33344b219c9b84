//! Error answers: a status code and `{"error":"<text>"}`.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::ServerMode;
use crate::identity::NodeId;
use crate::sign::{COMPAT_HEADERS, STRICT_WRITE_HEADERS, VerifyError};
use crate::wire::ErrorBody;

/// A request that is not carried out.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    message: String,
    clock_difference_seconds: Option<i64>,
    challenge: Option<&'static str>,
    retry_after: Option<Duration>,
}

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            clock_difference_seconds: None,
            challenge: None,
            retry_after: None,
        }
    }

    /// 400: the request makes no sense.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 401: the signature is missing or not good.
    pub(super) fn unauthorized(mode: ServerMode, why: impl std::fmt::Display) -> Self {
        let challenge = match mode {
            ServerMode::Strict => STRICT_WRITE_HEADERS,
            ServerMode::Compat => COMPAT_HEADERS,
        };
        Self {
            challenge: Some(challenge),
            ..Self::new(
                StatusCode::UNAUTHORIZED,
                format!("unauthorized access: {why}"),
            )
        }
    }

    /// 401 for a signature that does not verify; tells by how much the clocks differ if they do.
    pub(super) fn bad_signature(mode: ServerMode, error: &VerifyError) -> Self {
        let mut answer = Self::unauthorized(mode, error);
        if let VerifyError::Stale(seconds) = error {
            answer.clock_difference_seconds = Some(*seconds);
        }
        answer
    }

    /// Whether this is a 401.
    pub(super) fn is_about_the_signature(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    /// 403: signed, but by somebody who may not do this.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 404 for a path that leads nowhere.
    pub(super) fn no_endpoint(path: &str) -> Self {
        Self::not_found(format!("there is no endpoint {path}"))
    }

    /// 404 in the original's words.
    pub(super) fn no_farm(farm_id: u64) -> Self {
        Self::not_found(format!("farm with id:{farm_id} does not exists"))
    }

    /// 404 in the original's words.
    pub(super) fn no_node(node_id: NodeId) -> Self {
        Self::not_found(format!("node '{node_id}' not found"))
    }

    /// 405.
    pub(super) fn method_not_allowed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, message)
    }

    /// 408: the client was too slow, or we were.
    pub(super) fn timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "the request took too long")
    }

    /// 409: the name or key is somebody else's.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 410: it was there once.
    pub(super) fn gone(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, message)
    }

    /// 413.
    pub(super) fn too_large(limit_bytes: usize) -> Self {
        let message = format!("the body is longer than {limit_bytes} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// 429, with the time after which it is worth trying again.
    pub(super) fn too_many(message: impl Into<String>, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, message)
        }
    }

    /// 500 with a text that clients of 2020 know.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        if crate::store::is_busy(&error) {
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, "the directory is busy");
        }
        // The text may name tables and values: it is for the log, not for the client.
        tracing::error!(%error, "database error");
        Self::internal("internal error")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: self.message.into(),
            clock_difference_seconds: self.clock_difference_seconds,
        };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(headers) = self.challenge
            && let Ok(value) = HeaderValue::from_str(&format!("Signature headers=\"{headers}\""))
        {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, value);
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
