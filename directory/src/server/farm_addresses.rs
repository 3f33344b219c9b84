//! `/farms/{id}/ip`: the farm's pool of public addresses.

use std::sync::Arc;

use axum::extract::State;

use super::error::ApiError;
use super::farms::{MAX_LIST, begin_as_owner, parse_farm_id};
use super::incoming::{Answer, Incoming, Path};
use super::{App, ServerMode};
use crate::wire::{Cidr, FarmPublicIp};

pub(super) async fn add(
    State(app): State<Arc<App>>,
    Path(farm_id): Path<String>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let farm_id = parse_farm_id(&farm_id)?;
    let caller = request.signer(&app).await?;
    let posted: Vec<FarmPublicIp> = request.json()?;
    let (mut change, mut farm) = match begin_as_owner(&app, &caller, farm_id).await? {
        Ok(begun) => begun,
        Err(answer) => return Ok(answer),
    };
    if farm.ipaddresses.len() + posted.len() > MAX_LIST {
        let message = format!("a farm has at most {MAX_LIST} addresses");
        return Err(ApiError::bad_request(message));
    }
    for ip in posted {
        let (address, gateway) = ip.check().map_err(ApiError::bad_request)?;
        let has = |known: &FarmPublicIp| known.address.is_some_and(|a| a.addr == address.addr);
        if farm.ipaddresses.iter().any(has) {
            let message = format!("the farm has address {address} already");
            return Err(ApiError::bad_request(message));
        }
        farm.ipaddresses.push(FarmPublicIp {
            address: Some(address),
            gateway: Some(gateway),
            reservation_id: 0,
        });
    }
    change.tx.update_farm(&farm).await?;
    change.commit(Answer::null(200)).await
}

pub(super) async fn remove(
    State(app): State<Arc<App>>,
    Path(farm_id): Path<String>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let farm_id = parse_farm_id(&farm_id)?;
    let caller = request.signer(&app).await?;
    let addresses: Vec<Cidr> = request.json()?;
    let (mut change, mut farm) = match begin_as_owner(&app, &caller, farm_id).await? {
        Ok(begun) => begun,
        Err(answer) => return Ok(answer),
    };
    for address in addresses {
        let at = farm
            .ipaddresses
            .iter()
            .position(|ip| ip.address == Some(address));
        let Some(at) = at else {
            if app.mode == ServerMode::Compat {
                // The original pulls what is not there without a word.
                continue;
            }
            let message = format!("farm {farm_id} has no address {address}");
            return Err(ApiError::not_found(message));
        };
        let ip = farm.ipaddresses.remove(at);
        if ip.reservation_id != 0 {
            let holder = ip.reservation_id;
            let message = format!("address {address} is in use by reservation {holder}");
            return Err(ApiError::conflict(message));
        }
    }
    change.tx.update_farm(&farm).await?;
    change.commit(Answer::null(200)).await
}
