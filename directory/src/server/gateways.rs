//! `/gateways`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

use super::error::ApiError;
use super::farms::{MAX_LIST, check_location, check_text, may_create_unsigned};
use super::incoming::{Answer, Begun, Caller, Change, Incoming, Path, begin};
use super::nodes::blocked;
use super::reports::check_uptime;
use super::{App, ServerMode};
use crate::identity::{NodeId, PublicKey};
use crate::store::GatewayQuery;
use crate::wire::{Gateway, UsagePost};

fn no_gateway(id: &str) -> ApiError {
    let shown: String = id.chars().take(64).collect();
    ApiError::not_found(format!("gateway '{shown}' not found"))
}

fn parse_id(text: &str) -> Result<NodeId, ApiError> {
    text.parse().map_err(|_| no_gateway(text))
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    request: Incoming,
) -> Result<impl IntoResponse, ApiError> {
    let params = request.params()?;
    let text = |name| params.text(name).map(str::to_owned);
    let wanted = GatewayQuery {
        farm_id: params.positive("farm_id")?,
        country: text("country"),
        city: text("city"),
    };
    let page = params.page();
    let listed = app.store.gateways(&wanted, page.window()).await?;
    Ok((page.pages(listed.total), Json(listed.items)))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Gateway>, ApiError> {
    let gateway = app.store.gateway(parse_id(&id)?).await?;
    gateway.map(Json).ok_or_else(|| no_gateway(&id))
}

/// Validates in the order nodes are validated in.
fn check(gateway: &Gateway) -> Result<NodeId, ApiError> {
    let bad = |message: &str| Err(ApiError::bad_request(message));
    if gateway.node_id.raw().is_empty() {
        return bad("node_id is required");
    }
    if gateway.os_version.raw().is_empty() {
        return bad("os_version is required");
    }
    if gateway.public_key_hex.raw().is_empty() {
        return bad("public_key_hex is required");
    }
    let Ok(key) = PublicKey::from_hex(gateway.public_key_hex.raw()) else {
        return bad("public_key_hex is not 64 hexadecimal digits");
    };
    let id = NodeId::from_public_key(key);
    if gateway.node_id.raw() != id.to_string() {
        return bad("node_id does not match public_key_hex");
    }
    if gateway.location.is_empty() {
        return bad("location is required");
    }
    check_location(&gateway.location)?;
    check_text("os_version", &gateway.os_version)?;
    check_text("address", &gateway.address)?;
    if !(0..=65_535).contains(&gateway.tcp_router_port) {
        return bad("tcp_router_port is no port");
    }
    if gateway.uptime < 0 || i64::try_from(gateway.farm_id).is_err() {
        return bad("uptime or farm_id is out of range");
    }
    for (name, list) in [
        ("managed_domains", &gateway.managed_domains),
        ("dns_nameserver", &gateway.dns_nameserver),
    ] {
        if list.len() > MAX_LIST {
            return bad("a list of the gateway is too long");
        }
        for text in list {
            check_text(name, text)?;
        }
    }
    Ok(id)
}

pub(super) async fn register(
    State(app): State<Arc<App>>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let caller = match app.mode {
        ServerMode::Strict => Some(request.signer(&app).await?),
        ServerMode::Compat => request.caller(&app).await?,
    };
    let mut gateway: Gateway = request.json()?;
    let id = check(&gateway)?;
    gateway.public_key_hex = id.public_key().to_hex().into();
    match (&caller, app.mode) {
        (Some(caller), _) if caller.is_node(id) => {}
        // Gateways of 2020 do not sign.
        (None, ServerMode::Compat) => may_create_unsigned(&app, &request)?,
        _ => {
            return Err(ApiError::forbidden(
                "a gateway registers itself, signed with its own key",
            ));
        }
    }
    let mut change = match begin(&app, caller.as_ref()).await? {
        Begun::Replay(answer) => return Ok(answer),
        Begun::Change(change) => change,
    };
    let farm_id = gateway.farm_id;
    if farm_id != 0 {
        if change.tx.farm(farm_id).await?.is_none() {
            return Err(ApiError::no_farm(farm_id));
        }
        if let Some(reason) = change.tx.block_reason(farm_id, id).await? {
            return Err(blocked(id, farm_id, &reason));
        }
    }
    let now = change.now;
    change.tx.register_gateway(&gateway, now).await?;
    change.commit(Answer::null(201)).await
}

/// Begins what a gateway reports about itself, once it is clear that it may.
async fn begin_report<'a>(
    app: &'a App,
    caller: &'a Caller,
    id: NodeId,
) -> Result<Result<Change<'a>, Answer>, ApiError> {
    let mut change = match begin(app, Some(caller)).await? {
        Begun::Replay(answer) => return Ok(Err(answer)),
        Begun::Change(change) => change,
    };
    if !change.tx.has_gateway(id).await? {
        return Err(no_gateway(&id.to_string()));
    }
    if !caller.is_node(id) {
        return Err(ApiError::forbidden(
            "only the gateway itself may report this",
        ));
    }
    Ok(Ok(change))
}

pub(super) async fn uptime(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let id = parse_id(&id)?;
    let caller = request.signer(&app).await?;
    let uptime_secs = check_uptime(request.json()?)?;
    let mut change = match begin_report(&app, &caller, id).await? {
        Ok(change) => change,
        Err(answer) => return Ok(answer),
    };
    let now = change.now;
    change.tx.set_gateway_uptime(id, uptime_secs, now).await?;
    change.commit(Answer::null(200)).await
}

/// The amounts are read and dropped: a gateway has no resources, only counters of workloads.
pub(super) async fn reserved_resources(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let id = parse_id(&id)?;
    let caller = request.signer(&app).await?;
    let UsagePost { workloads, .. } = request.json()?;
    let mut change = match begin_report(&app, &caller, id).await? {
        Ok(change) => change,
        Err(answer) => return Ok(answer),
    };
    change.tx.set_gateway_workloads(id, &workloads).await?;
    change.commit(Answer::null(200)).await
}
