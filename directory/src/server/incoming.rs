//! A request with its whole body, and who signed it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, OriginalUri, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use super::access::peer_of;
use super::error::ApiError;
use super::paging::Params;
use super::{App, ServerMode};
use crate::identity::{NodeId, PublicKey};
use crate::sign::{
    Authorization, FRESHNESS_SECS, KeyId, RequestParts, VerifyError, verify_compat, verify_strict,
};
use crate::store::{Answered, WriteTx};
use crate::wire::ErrorBody;

/// A request, read to its end.
#[derive(Debug)]
pub(super) struct Incoming {
    method: Method,
    /// Path and query as the client sent them.
    target: String,
    query: Option<String>,
    headers: HeaderMap,
    body: axum::body::Bytes,
    peer: Option<IpAddr>,
}

impl FromRequest<Arc<App>> for Incoming {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let limit = app.limits.body_bytes;
        let (parts, body) = request.into_parts();
        let length = parts.headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > limit) {
            return Err(ApiError::too_large(limit));
        }
        let body = to_bytes(body, limit).await.map_err(|error| {
            let source = std::error::Error::source(&error);
            if source.is_some_and(|source| source.to_string().contains("length limit")) {
                ApiError::too_large(limit)
            } else {
                ApiError::bad_request("the body did not arrive whole")
            }
        })?;
        let original = parts
            .extensions
            .get::<OriginalUri>()
            .map_or(&parts.uri, |uri| &uri.0);
        let target = original
            .path_and_query()
            .map_or("/", |target| target.as_str())
            .to_owned();
        let peer = peer_of(&parts.extensions);
        Ok(Self {
            method: parts.method,
            query: original.query().map(str::to_owned),
            target,
            headers: parts.headers,
            body,
            peer,
        })
    }
}

/// The values of a path's placeholders; refused in our own form when they are no text.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<App>> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        axum::extract::Path::from_request_parts(parts, app)
            .await
            .map(|path| Self(path.0))
            .map_err(|_| ApiError::bad_request("the path is not UTF-8"))
    }
}

/// Who signed a request.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) key_id: KeyId,
    /// For strict writes: what makes a replay recognisable.
    once: Option<Once>,
}

#[derive(Debug)]
struct Once {
    key_id: String,
    nonce: String,
    signature: Vec<u8>,
    expires: i64,
}

impl Caller {
    pub(super) fn is_user(&self, id: u64) -> bool {
        self.key_id == KeyId::User(id)
    }

    pub(super) fn is_node(&self, id: NodeId) -> bool {
        self.key_id == KeyId::Node(id)
    }
}

impl Incoming {
    pub(super) fn params(&self) -> Result<Params, ApiError> {
        Params::parse(self.query.as_deref())
    }

    /// Whether `If-None-Match` names this entity tag (RFC 9110 section 13.1.2).
    pub(super) fn has_tag(&self, tag: &str) -> bool {
        self.headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|known| known.trim().trim_start_matches("W/") == tag)
    }

    /// The body as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| ApiError::bad_request(format!("the body is not valid: {error}")))
    }

    /// Who signed, for requests that need not be signed. A strict server refuses a signature that
    /// is there but wrong, so that a client learns about its clock or key.
    pub(super) async fn caller(&self, app: &App) -> Result<Option<Caller>, ApiError> {
        if !self.headers.contains_key(header::AUTHORIZATION) {
            return Ok(None);
        }
        match (self.signer(app).await, app.mode) {
            (Ok(caller), _) => Ok(Some(caller)),
            (Err(error), ServerMode::Strict) => Err(error),
            (Err(_), ServerMode::Compat) => Ok(None),
        }
    }

    /// The address the client has.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    /// Who signed; 401 if nobody did, 429 if the key signs too often.
    pub(super) async fn signer(&self, app: &App) -> Result<Caller, ApiError> {
        let verified = self.verified(app).await;
        let (caller, key) = verified.inspect_err(|error| {
            if error.is_about_the_signature() {
                app.metrics.signatures_refused.fetch_add(1, Relaxed);
            }
        })?;
        // Only now: before, anybody could use up what another is allowed.
        let now = app.clock.monotonic();
        app.by_key.take(key, now).map_err(|wait| {
            app.metrics.limited_by_key.fetch_add(1, Relaxed);
            ApiError::too_many("this key signs requests too often", wait)
        })?;
        Ok(caller)
    }

    async fn verified(&self, app: &App) -> Result<(Caller, PublicKey), ApiError> {
        let refuse = |error: VerifyError| ApiError::bad_signature(app.mode, &error);
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        // Of several headers the last well-formed one counts, as in the original.
        let mut authorization = Err(crate::sign::AuthorizationError::Missing);
        for value in self.headers.get_all(header::AUTHORIZATION) {
            let value = String::from_utf8_lossy(value.as_bytes());
            let parsed = Authorization::parse(&value);
            if parsed.is_ok() || authorization.is_err() {
                authorization = parsed;
            }
        }
        let authorization = authorization.map_err(|error| refuse(error.into()))?;
        let unknown = || ApiError::unauthorized(app.mode, "the signer is not known");
        let key_id = KeyId::parse(&authorization.key_id).ok_or_else(unknown)?;
        let key = match key_id {
            KeyId::Node(node_id) => node_id.public_key(),
            KeyId::Key(key) if app.mode == ServerMode::Strict => key,
            KeyId::Key(_) => return Err(unknown()),
            KeyId::User(id) => {
                let user = app.store.user(id).await?.ok_or_else(unknown)?;
                PublicKey::from_hex(user.pubkey.raw()).map_err(|_| unknown())?
            }
        };
        if app.mode == ServerMode::Compat {
            verify_compat(&authorization, &key, header).map_err(refuse)?;
            return Ok((Caller { key_id, once: None }, key));
        }
        let request = RequestParts {
            method: self.method.as_str(),
            target: &self.target,
            body: &self.body,
        };
        verify_strict(&authorization, &key, &request, header, app.clock.now()).map_err(refuse)?;
        let nonce = request.is_write().then(|| header("nonce")).flatten();
        let once = nonce.map(|nonce| Once {
            // By key, not by id: a key that signs under two ids is still one signer.
            key_id: key.to_hex(),
            nonce: nonce.to_ascii_lowercase(),
            signature: authorization.signature.clone(),
            expires: authorization.created.saturating_add(FRESHNESS_SECS),
        });
        Ok((Caller { key_id, once }, key))
    }
}

/// A change that is carried out at most once per signature.
pub(super) struct Change<'a> {
    pub(super) tx: WriteTx,
    app: &'a App,
    once: Option<&'a Once>,
    /// Unix seconds.
    pub(super) now: i64,
}

/// What a change may begin with.
pub(super) enum Begun<'a> {
    /// It was carried out before: this is what was answered.
    Replay(Answer),
    /// It is new.
    Change(Change<'a>),
}

/// A successful answer to a write: status and JSON.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    body: String,
    /// What became of an enrolment token; not part of what a replay is answered.
    enrolment: Option<String>,
}

impl Answer {
    pub(super) fn json(status: u16, body: &impl serde::Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_string(body).map_err(|_| ApiError::internal("internal error"))?;
        Ok(Self {
            status,
            body,
            enrolment: None,
        })
    }

    /// An answer that says why not.
    pub(super) fn error(status: u16, why: &str) -> Result<Self, ApiError> {
        Self::json(status, &ErrorBody::new(why))
    }

    pub(super) fn with_enrolment(self, words: String) -> Self {
        Self {
            enrolment: Some(words),
            ..self
        }
    }

    /// Success without an object: the original answers `null`.
    pub(super) fn null(status: u16) -> Self {
        Self {
            status,
            body: "null".to_owned(),
            enrolment: None,
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = axum::http::StatusCode::from_u16(self.status).unwrap_or_default();
        let json = [(header::CONTENT_TYPE, "application/json")];
        let mut response = (status, json, self.body + "\n").into_response();
        let enrolment = self.enrolment.map(|words| HeaderValue::from_str(&words));
        if let Some(Ok(words)) = enrolment {
            response.headers_mut().insert("x-enrolment", words);
        }
        response
    }
}

/// Begins a change, unless this very request was carried out already.
pub(super) async fn begin<'a>(
    app: &'a App,
    caller: Option<&'a Caller>,
) -> Result<Begun<'a>, ApiError> {
    let once = caller.and_then(|caller| caller.once.as_ref());
    let mut tx = app.store.begin().await?;
    if let Some(once) = once
        && let Some(answered) = tx.answered(&once.key_id, &once.nonce).await?
    {
        if answered.signature != once.signature {
            return Err(ApiError::unauthorized(
                app.mode,
                "the nonce was used for another request",
            ));
        }
        // What it answered may not be on disk yet.
        tx.commit().await?;
        return Ok(Begun::Replay(Answer {
            status: answered.status,
            body: answered.body,
            enrolment: None,
        }));
    }
    Ok(Begun::Change(Change {
        tx,
        app,
        once,
        now: app.clock.now().secs,
    }))
}

impl Change<'_> {
    /// Makes the change last, and gives the answer once it does.
    pub(super) async fn commit(self, answer: Answer) -> Result<Answer, ApiError> {
        self.commit_and_remember(&answer).await?;
        Ok(answer)
    }

    /// As [`Change::commit`], for an answer with a secret in it: a replay is answered `instead`.
    pub(super) async fn commit_untold(
        self,
        answer: Answer,
        instead: Answer,
    ) -> Result<Answer, ApiError> {
        self.commit_and_remember(&instead).await?;
        Ok(answer)
    }

    async fn commit_and_remember(mut self, answer: &Answer) -> Result<(), ApiError> {
        if let Some(once) = self.once {
            let answered = Answered {
                signature: once.signature.clone(),
                status: answer.status,
                body: answer.body.clone(),
            };
            // Kept a little longer than the signature is fresh, against clocks set back.
            let forget_before = self.app.clock.now().secs.saturating_sub(FRESHNESS_SECS);
            self.tx
                .remember(
                    &once.key_id,
                    &once.nonce,
                    &answered,
                    once.expires,
                    forget_before,
                )
                .await?;
        }
        self.tx.commit().await?;
        Ok(())
    }
}
