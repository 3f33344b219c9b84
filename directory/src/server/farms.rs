//! `/farms`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

use super::error::ApiError;
use super::incoming::{Answer, Begun, Caller, Change, Incoming, Path, begin};
use super::rate::client_of;
use super::{App, ServerMode};
use crate::sign::KeyId;
use crate::store::is_taken;
use crate::wire::{
    Farm, FarmCreated, Location, Untrusted, WalletAddress, is_valid_email, is_valid_farm_name,
};

/// Longest text in a field, in bytes; the original has no limit.
const MAX_TEXT_BYTES: usize = 256;
/// Most wallets, prices, addresses or deals of a farm.
pub(super) const MAX_LIST: usize = 512;

pub(super) fn parse_farm_id(text: &str) -> Result<u64, ApiError> {
    text.parse()
        .map_err(|_| ApiError::bad_request("the farm id is not an integer"))
}

pub(super) fn check_text(name: &str, text: &Untrusted) -> Result<(), ApiError> {
    if text.raw().len() > MAX_TEXT_BYTES {
        let message = format!("{name} is longer than {MAX_TEXT_BYTES} bytes");
        return Err(ApiError::bad_request(message));
    }
    // PostgreSQL cannot keep it.
    if text.raw().contains('\0') {
        let message = format!("{name} holds a NUL character");
        return Err(ApiError::bad_request(message));
    }
    Ok(())
}

pub(super) fn check_location(location: &Location) -> Result<(), ApiError> {
    check_text("location.city", &location.city)?;
    check_text("location.country", &location.country)?;
    check_text("location.continent", &location.continent)?;
    if !(-90.0..=90.0).contains(&location.latitude) {
        return Err(ApiError::bad_request(
            "location.latitude is not within -90 and 90",
        ));
    }
    if !(-180.0..=180.0).contains(&location.longitude) {
        return Err(ApiError::bad_request(
            "location.longitude is not within -180 and 180",
        ));
    }
    Ok(())
}

pub(super) fn check_wallets(wallets: &[WalletAddress]) -> Result<(), ApiError> {
    if wallets.len() > MAX_LIST {
        return Err(ApiError::bad_request("wallet_addresses is too long"));
    }
    for wallet in wallets {
        if wallet.asset.raw().is_empty() || wallet.address.raw().is_empty() {
            return Err(ApiError::bad_request(
                "a wallet address needs asset and address",
            ));
        }
        check_text("wallet_addresses.asset", &wallet.asset)?;
        check_text("wallet_addresses.address", &wallet.address)?;
    }
    Ok(())
}

/// The original's rules, and ours on lengths.
fn check(farm: &Farm, mode: ServerMode) -> Result<(), ApiError> {
    let bad = |message: &str| Err(ApiError::bad_request(message));
    let name = farm.name.raw();
    let name_ok = match mode {
        ServerMode::Strict => is_valid_farm_name(name),
        // The original has no bounds on the length.
        ServerMode::Compat => {
            !name.is_empty()
                && name.len() <= MAX_TEXT_BYTES
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        }
    };
    if !name_ok {
        return bad("name must be 3 to 40 letters, digits, '-' or '_'");
    }
    if farm.threebot_id == 0 {
        return bad("threebot_id is required");
    }
    if farm.wallet_addresses.is_empty() {
        return bad("at least one wallet address is required");
    }
    check_wallets(&farm.wallet_addresses)?;
    if farm.resource_prices.len() > MAX_LIST {
        return bad("resource_prices is too long");
    }
    if !is_valid_email(farm.email.raw()) {
        return bad("email is not an e-mail address");
    }
    if !farm.farm_cloudunits_price.is_valid() {
        return bad("farm_cloudunits_price holds an amount that is no price");
    }
    check_text("iyo_organization", &farm.iyo_organization)?;
    check_location(&farm.location)
}

/// Shows the e-mail address only to whom it concerns.
pub(super) fn redact(mut farm: Farm, caller: Option<&Caller>, mode: ServerMode) -> Farm {
    if mode == ServerMode::Compat {
        // Not among the original's fields.
        farm.verified = None;
    }
    let visible = match (mode, caller) {
        (_, None) => false,
        (ServerMode::Strict, Some(caller)) => caller.is_user(farm.threebot_id),
        (ServerMode::Compat, Some(caller)) => matches!(caller.key_id, KeyId::User(_)),
    };
    if !visible {
        farm.email = Untrusted::default();
    }
    farm
}

fn name_taken(name: &str, mode: ServerMode) -> ApiError {
    match mode {
        ServerMode::Strict => ApiError::conflict(format!("farm name {name:?} is taken")),
        // What MongoDB says, which is all a client of 2020 gets.
        ServerMode::Compat => ApiError::internal(format!(
            "E11000 duplicate key error collection: explorer.farm index: name_1 dup key: \
             {{ name: \"{name}\" }}"
        )),
    }
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    request: Incoming,
) -> Result<impl IntoResponse, ApiError> {
    let params = request.params()?;
    let owner = match params.text("owner") {
        Some(owner) => Some(
            owner
                .parse()
                .map_err(|_| ApiError::bad_request("parameter \"owner\" is not an integer"))?,
        ),
        None => None,
    };
    let caller = request.caller(&app).await?;
    let page = params.page();
    let listed = app
        .store
        .farms(params.text("name"), owner, page.window())
        .await?;
    let farms: Vec<Farm> = listed
        .items
        .into_iter()
        .map(|farm| redact(farm, caller.as_ref(), app.mode))
        .collect();
    Ok((page.pages(listed.total), Json(farms)))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(farm_id): Path<String>,
    request: Incoming,
) -> Result<Json<Farm>, ApiError> {
    let farm_id = parse_farm_id(&farm_id)?;
    let caller = request.caller(&app).await?;
    let farm = app
        .store
        .farm(farm_id)
        .await?
        .ok_or_else(|| ApiError::no_farm(farm_id))?;
    Ok(Json(redact(farm, caller.as_ref(), app.mode)))
}

pub(super) async fn create(
    State(app): State<Arc<App>>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let caller = match app.mode {
        ServerMode::Strict => Some(request.signer(&app).await?),
        ServerMode::Compat => request.caller(&app).await?,
    };
    let mut farm: Farm = request.json()?;
    check(&farm, app.mode)?;
    let is_owner = caller
        .as_ref()
        .is_some_and(|caller| caller.is_user(farm.threebot_id));
    match app.mode {
        ServerMode::Strict if !is_owner => {
            return Err(ApiError::forbidden(format!(
                "a farm of user {} must be signed by that user",
                farm.threebot_id
            )));
        }
        ServerMode::Compat if !is_owner => may_create_unsigned(&app, &request)?,
        _ => {}
    }
    farm.is_grid3_compliant = true;
    farm.verified = Some(is_owner);
    // Addresses have an endpoint of their own, which checks them.
    farm.ipaddresses.clear();
    let mut change = match begin(&app, caller.as_ref()).await? {
        Begun::Replay(answer) => return Ok(answer),
        Begun::Change(change) => change,
    };
    let now = change.now;
    let id = change.tx.create_farm(&farm, now).await.map_err(|error| {
        if is_taken(&error) {
            name_taken(farm.name.raw(), app.mode)
        } else {
            error.into()
        }
    })?;
    change.commit(Answer::json(201, &FarmCreated { id })?).await
}

/// A compat server takes farms that their owner did not sign, but not from everywhere, and not
/// without end: names are unique.
pub(super) fn may_create_unsigned(app: &App, request: &Incoming) -> Result<(), ApiError> {
    let allowed = |peer: &IpAddr| {
        peer.is_loopback()
            || app
                .unsigned_farms_from
                .iter()
                .any(|net| net.contains(*peer))
    };
    let peer = request.peer().filter(allowed).ok_or_else(|| {
        ApiError::forbidden("what its owner did not sign is not taken from this address")
    })?;
    let now = app.clock.monotonic();
    app.unsigned_farms
        .take(client_of(peer), now)
        .map_err(|wait| {
            ApiError::too_many("this address creates too much that is not signed", wait)
        })
}

/// Begins a change of a farm, or of something that is the farm's, by its owner.
pub(super) async fn begin_as_owner<'a>(
    app: &'a App,
    caller: &'a Caller,
    farm_id: u64,
) -> Result<Result<(Change<'a>, Farm), Answer>, ApiError> {
    let mut change = match begin(app, Some(caller)).await? {
        Begun::Replay(answer) => return Ok(Err(answer)),
        Begun::Change(change) => change,
    };
    let farm = change
        .tx
        .farm(farm_id)
        .await?
        .ok_or_else(|| ApiError::no_farm(farm_id))?;
    if !caller.is_user(farm.threebot_id) {
        return Err(ApiError::forbidden("only the farm's owner may do this"));
    }
    Ok(Ok((change, farm)))
}

pub(super) async fn update(
    State(app): State<Arc<App>>,
    Path(farm_id): Path<String>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let farm_id = parse_farm_id(&farm_id)?;
    let caller = request.signer(&app).await?;
    let mut farm: Farm = request.json()?;
    check(&farm, app.mode)?;
    let (mut change, stored) = match begin_as_owner(&app, &caller, farm_id).await? {
        Ok(begun) => begun,
        Err(answer) => return Ok(answer),
    };
    if farm.threebot_id != stored.threebot_id {
        return Err(ApiError::forbidden("a farm's owner cannot be changed"));
    }
    farm.id = farm_id;
    farm.verified = Some(true);
    // Addresses have an endpoint of their own, which checks that none is in use.
    farm.ipaddresses = stored.ipaddresses;
    farm.is_grid3_compliant = stored.is_grid3_compliant;
    change.tx.update_farm(&farm).await.map_err(|error| {
        if is_taken(&error) {
            name_taken(farm.name.raw(), app.mode)
        } else {
            error.into()
        }
    })?;
    change.commit(Answer::null(200)).await
}
