//! `/users`: the phonebook.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

use super::error::ApiError;
use super::farms::{check_text, check_wallets};
use super::incoming::{Answer, Begun, Caller, Incoming, Path, begin};
use super::{App, ServerMode};
use crate::identity::PublicKey;
use crate::sign::KeyId;
use crate::wire::{NewUser, Untrusted, User, UserUpdate, ValidatePost, Validity, is_valid_email};

/// Shows the e-mail address only to the user (strict), or to everybody as the original does.
fn redact(mut user: User, caller: Option<&Caller>, mode: ServerMode) -> User {
    if mode == ServerMode::Strict && !caller.is_some_and(|caller| caller.is_user(user.id)) {
        user.email = Untrusted::default();
    }
    user
}

pub(super) fn parse_user_id(text: &str) -> Result<u64, ApiError> {
    text.parse()
        .map_err(|_| ApiError::bad_request("the user id is not an integer"))
}

fn no_user(id: u64) -> ApiError {
    ApiError::not_found(format!("user {id} not found"))
}

fn parse_key(text: &Untrusted) -> Result<PublicKey, ApiError> {
    PublicKey::from_hex(text.raw())
        .map_err(|_| ApiError::bad_request("pubkey is not 64 hexadecimal digits"))
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
    let key = parse_key(&user.pubkey)?;
    let user = NewUser {
        name: name.into(),
        email: email.into(),
        pubkey: key.to_hex().into(),
        host: user.host.clone(),
        description: user.description.clone(),
        wallet_addresses: user.wallet_addresses.clone(),
    };
    check_text("name", &user.name)?;
    check_text("host", &user.host)?;
    check_text("description", &user.description)?;
    check_wallets(&user.wallet_addresses)?;
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

/// Changes a user. In the original the signature inside the body is all there is; a strict server
/// wants the request signed, and the inner signature good if there is one.
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Path(user_id): Path<String>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let user_id = parse_user_id(&user_id)?;
    let strict = app.mode == ServerMode::Strict;
    let caller = if strict {
        Some(request.signer(&app).await?)
    } else {
        None
    };
    let update: UserUpdate = request.json()?;
    let inner = check_update(&update, strict)?;
    let mut change = match begin(&app, caller.as_ref()).await? {
        Begun::Replay(answer) => return Ok(answer),
        Begun::Change(change) => change,
    };
    let stored = change.tx.user(user_id).await?;
    let mut user = stored.ok_or_else(|| no_user(user_id))?;
    if caller
        .as_ref()
        .is_some_and(|caller| !caller.is_user(user_id))
    {
        return Err(ApiError::forbidden("users change only themselves"));
    }
    if let Some(signature) = inner {
        let signed_by = PublicKey::from_hex(user.pubkey.raw());
        let text = update.signed_text(user_id);
        if !signed_by.is_ok_and(|key| key.verify(text.as_bytes(), &signature)) {
            return Err(match app.mode {
                ServerMode::Strict => ApiError::forbidden("sender_signature_hex does not match"),
                // What a client of 2020 gets.
                ServerMode::Compat => ApiError::internal("payload verification failed"),
            });
        }
    }
    let name = update.name.raw().to_lowercase();
    if !name.is_empty() && name != user.name.raw() {
        return Err(ApiError::bad_request("a user's name cannot be changed"));
    }
    if !update.pubkey.raw().is_empty() {
        let key = parse_key(&update.pubkey)?;
        if strict
            && let Some(other) = change.tx.user_like("", &key.to_hex()).await?
            && other.id != user_id
        {
            return Err(ApiError::conflict(format!(
                "this key is user {}'s",
                other.id
            )));
        }
        user.pubkey = key.to_hex().into();
    }
    if !update.email.raw().is_empty() {
        user.email = update.email.raw().to_lowercase().into();
    }
    for (field, new) in [
        (&mut user.host, update.host),
        (&mut user.description, update.description),
    ] {
        if !new.raw().is_empty() {
            *field = new;
        }
    }
    if !update.wallet_addresses.is_empty() {
        user.wallet_addresses = update.wallet_addresses;
    }
    change.tx.update_user(&user).await?;
    change.commit(Answer::null(200)).await
}

/// Checks what can be checked without the user; gives the inner signature.
fn check_update(update: &UserUpdate, strict: bool) -> Result<Option<Vec<u8>>, ApiError> {
    let inner = update.sender_signature_hex.raw();
    let inner = match inner {
        "" if strict => None,
        "" => return Err(ApiError::bad_request("signature is required")),
        inner => {
            Some(hex::decode(inner).map_err(|_| ApiError::bad_request("invalid signature hex"))?)
        }
    };
    if !is_valid_email(&update.email.raw().to_lowercase()) {
        return Err(ApiError::bad_request("email is not an e-mail address"));
    }
    check_text("host", &update.host)?;
    check_text("description", &update.description)?;
    check_wallets(&update.wallet_addresses)?;
    Ok(inner)
}

/// Whether a user signed some bytes.
pub(super) async fn validate(
    State(app): State<Arc<App>>,
    Path(user_id): Path<String>,
    request: Incoming,
) -> Result<Json<Validity>, ApiError> {
    let user_id = parse_user_id(&user_id)?;
    let ValidatePost { payload, signature } = request.json()?;
    let bytes = |name: &str, text: &Untrusted| {
        hex::decode(text.raw())
            .map_err(|_| ApiError::bad_request(format!("{name} is not hexadecimal")))
    };
    let payload = bytes("payload", &payload)?;
    let signature = bytes("signature", &signature)?;
    let user = app.store.user(user_id).await?;
    let user = user.ok_or_else(|| no_user(user_id))?;
    let key = PublicKey::from_hex(user.pubkey.raw());
    Ok(Json(Validity {
        is_valid: key.is_ok_and(|key| key.verify(&payload, &signature)),
    }))
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
    let user_id = parse_user_id(&user_id)?;
    let caller = request.caller(&app).await?;
    let user = app.store.user(user_id).await?;
    let user = user.ok_or_else(|| no_user(user_id))?;
    Ok(Json(redact(user, caller.as_ref(), app.mode)))
}
