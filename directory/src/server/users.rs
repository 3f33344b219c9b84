//! `/users`: the phonebook.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;

use super::error::ApiError;
use super::farms::check_text;
use super::incoming::{Answer, Begun, Caller, Incoming, begin};
use super::{App, ServerMode};
use crate::identity::PublicKey;
use crate::sign::KeyId;
use crate::wire::{NewUser, Untrusted, User, is_valid_email};

/// Shows the e-mail address only to the user (strict), or to everybody as the original does.
fn redact(mut user: User, caller: Option<&Caller>, mode: ServerMode) -> User {
    if mode == ServerMode::Strict && !caller.is_some_and(|caller| caller.is_user(user.id)) {
        user.email = Untrusted::default();
    }
    user
}

/// Checks a new user and puts name, e-mail address and key in the form they are stored in.
fn normalise(user: &NewUser, mode: ServerMode) -> Result<(NewUser, PublicKey), ApiError> {
    let bad = |message: &str| ApiError::bad_request(message);
    let name = user.name.raw().to_lowercase();
    if name.chars().count() < 3 {
        return Err(bad("name must have at least 3 characters"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if mode == ServerMode::Strict && (name.len() > 64 || !name.chars().all(plain)) {
        return Err(bad("name must be 3 to 64 letters, digits, '.', '-' or '_'"));
    }
    let email = user.email.raw().to_lowercase();
    if !is_valid_email(&email) {
        return Err(bad("email is not an e-mail address"));
    }
    let key = PublicKey::from_hex(user.pubkey.raw())
        .map_err(|_| bad("pubkey is not 64 hexadecimal digits"))?;
    let user = NewUser {
        name: name.into(),
        email: email.into(),
        pubkey: key.to_hex().into(),
        host: user.host.clone(),
        description: user.description.clone(),
    };
    check_text("name", &user.name)?;
    check_text("host", &user.host)?;
    check_text("description", &user.description)?;
    Ok((user, key))
}

pub(super) async fn create(
    State(app): State<Arc<App>>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let strict = app.mode == ServerMode::Strict;
    let caller = if strict {
        Some(request.signer(&app).await?)
    } else {
        None
    };
    let (user, key) = normalise(&request.json()?, app.mode)?;
    if let Some(caller) = &caller
        && caller.key_id != KeyId::Key(key)
    {
        return Err(ApiError::forbidden(
            "a new user proves the key: keyId must be pubkey, and the request signed with it",
        ));
    }
    let mut change = match begin(&app, caller.as_ref()).await? {
        Begun::Replay(answer) => return Ok(answer),
        Begun::Change(change) => change,
    };
    // In compat mode keys are not proven, so one that is registered must not lock others out.
    let key_text = if strict { user.pubkey.raw() } else { "" };
    if let Some(found) = change.tx.user_like(user.name.raw(), key_text).await? {
        let same_name = found.name == user.name;
        return match (same_name, found.pubkey == user.pubkey) {
            // The answer to the first attempt got lost: the key proves that it is the same user.
            (true, true) if strict => change.commit(Answer::json(200, &found)?).await,
            (true, _) => Err(ApiError::conflict(format!(
                "user name {:?} is taken",
                user.name.raw()
            ))),
            (false, _) => Err(ApiError::conflict(format!(
                "this key is user {}'s",
                found.id
            ))),
        };
    }
    let now = change.now;
    let user = change.tx.create_user(&user, now).await?;
    change.commit(Answer::json(201, &user)?).await
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    request: Incoming,
) -> Result<impl IntoResponse, ApiError> {
    let params = request.params()?;
    if app.mode == ServerMode::Strict && params.text("email").is_some() {
        return Err(ApiError::forbidden(
            "users cannot be searched by e-mail address",
        ));
    }
    let caller = request.caller(&app).await?;
    let lower = |name| params.text(name).map(str::to_lowercase);
    let page = params.page();
    let (name, email) = (lower("name"), lower("email"));
    let listed = app
        .store
        .users(name.as_deref(), email.as_deref(), page.window())
        .await?;
    let users: Vec<User> = listed
        .items
        .into_iter()
        .map(|user| redact(user, caller.as_ref(), app.mode))
        .collect();
    Ok((page.pages(listed.total), Json(users)))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(user_id): Path<String>,
    request: Incoming,
) -> Result<Json<User>, ApiError> {
    let user_id = user_id
        .parse()
        .map_err(|_| ApiError::bad_request("the user id is not an integer"))?;
    let caller = request.caller(&app).await?;
    let user = app.store.user(user_id).await?;
    let user = user.ok_or_else(|| ApiError::not_found(format!("user {user_id} not found")))?;
    Ok(Json(redact(user, caller.as_ref(), app.mode)))
}
