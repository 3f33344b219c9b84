//! `/farms/{id}/enrolment_tokens` (strict only): leave for nodes to join a farm unasked.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use zeroize::Zeroizing;

use super::App;
use super::error::ApiError;
use super::farms::{MAX_LIST, begin_as_owner, check_text, parse_farm_id};
use super::incoming::{Answer, Incoming, Path};
use crate::store::TokenRecord;
use crate::wire::{
    Date, EnrolmentToken, EnrolmentTokenCreated, EnrolmentTokenInfo, NewEnrolmentToken,
};

/// Most nodes one token enrols.
const MAX_USES: u32 = 10_000;
/// How long a token is good when nothing else is asked for, and at most, in seconds.
const DAY_SECS: u64 = 86_400;
const MAX_LIFETIME_SECS: u64 = 365 * DAY_SECS;

pub(super) async fn create(
    State(app): State<Arc<App>>,
    Path(farm_id): Path<String>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let farm_id = parse_farm_id(&farm_id)?;
    let caller = request.signer(&app).await?;
    let wanted: NewEnrolmentToken = request.json()?;
    let uses = wanted.uses.unwrap_or(1);
    if !(1..=MAX_USES).contains(&uses) {
        return Err(ApiError::bad_request(format!(
            "uses must be 1 to {MAX_USES}"
        )));
    }
    let lifetime = wanted.lifetime_secs.unwrap_or(DAY_SECS);
    if !(60..=MAX_LIFETIME_SECS).contains(&lifetime) {
        return Err(ApiError::bad_request(format!(
            "lifetime_secs must be 60 to {MAX_LIFETIME_SECS}"
        )));
    }
    let note = wanted.note.unwrap_or_default();
    check_text("note", &note)?;
    let (mut change, _) = match begin_as_owner(&app, &caller, farm_id).await? {
        Ok(begun) => begun,
        Err(answer) => return Ok(answer),
    };
    let now = change.now;
    let most = u64::try_from(MAX_LIST).unwrap_or(u64::MAX);
    if change.tx.count_enrolment_tokens(farm_id, now).await? >= most {
        return Err(ApiError::conflict(format!(
            "a farm has at most {MAX_LIST} tokens: revoke some"
        )));
    }
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(random.as_mut()).map_err(|error| {
        tracing::error!(%error, "the system gave no random numbers");
        ApiError::internal("internal error")
    })?;
    let token = EnrolmentToken::from_random(&random);
    let expires = now.saturating_add_unsigned(lifetime);
    let record = TokenRecord {
        farm_id,
        token: &token,
        node_id: wanted.node_id,
        uses,
        expires,
        note: note.raw(),
    };
    let id = change.tx.create_enrolment_token(&record, now).await?;
    let created = EnrolmentTokenCreated {
        id,
        token,
        expires: Date(expires),
    };
    // The answers kept for replays would keep the token as well.
    let told_once = Answer::error(
        409,
        "this request was carried out and its token is told once: make another, revoke this one",
    )?;
    change
        .commit_untold(Answer::json(201, &created)?, told_once)
        .await
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Path(farm_id): Path<String>,
    request: Incoming,
) -> Result<Json<Vec<EnrolmentTokenInfo>>, ApiError> {
    let farm_id = parse_farm_id(&farm_id)?;
    let caller = request.signer(&app).await?;
    let farm = app.store.farm(farm_id).await?;
    let farm = farm.ok_or_else(|| ApiError::no_farm(farm_id))?;
    if !caller.is_user(farm.threebot_id) {
        return Err(ApiError::forbidden("only the farm's owner may do this"));
    }
    Ok(Json(app.store.enrolment_tokens(farm_id).await?))
}

pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    Path((farm_id, token_id)): Path<(String, String)>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let farm_id = parse_farm_id(&farm_id)?;
    let token_id: u64 = token_id
        .parse()
        .map_err(|_| ApiError::bad_request("the token's id is not an integer"))?;
    let caller = request.signer(&app).await?;
    let (mut change, _) = match begin_as_owner(&app, &caller, farm_id).await? {
        Ok(begun) => begun,
        Err(answer) => return Ok(answer),
    };
    if !change.tx.revoke_enrolment_token(farm_id, token_id).await? {
        return Err(ApiError::not_found(format!(
            "farm {farm_id} has no token {token_id}"
        )));
    }
    change.commit(Answer::null(200)).await
}
