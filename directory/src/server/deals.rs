//! `/farms/{id}/deals`: what a farm asks of one user instead of its usual prices.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::App;
use super::error::ApiError;
use super::farms::{MAX_LIST, begin_as_owner, parse_farm_id};
use super::incoming::{Answer, Incoming, Path};
use super::users::parse_user_id;
use crate::wire::FarmThreebotPrice;

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Path(farm_id): Path<String>,
) -> Result<Json<Vec<FarmThreebotPrice>>, ApiError> {
    let farm_id = parse_farm_id(&farm_id)?;
    if app.store.farm(farm_id).await?.is_none() {
        return Err(ApiError::no_farm(farm_id));
    }
    Ok(Json(app.store.deals(farm_id).await?))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path((farm_id, threebot_id)): Path<(String, String)>,
) -> Result<Json<FarmThreebotPrice>, ApiError> {
    let farm_id = parse_farm_id(&farm_id)?;
    let threebot_id = parse_user_id(&threebot_id)?;
    let farm = app.store.farm(farm_id).await?;
    let farm = farm.ok_or_else(|| ApiError::no_farm(farm_id))?;
    if let Some(deal) = app.store.deal(farm_id, threebot_id).await? {
        return Ok(Json(deal));
    }
    if farm.enable_custom_pricing {
        return Ok(Json(FarmThreebotPrice {
            threebot_id,
            farm_id,
            custom_cloudunits_price: farm.farm_cloudunits_price,
        }));
    }
    Err(ApiError::not_found(format!(
        "farm {farm_id} has no price of its own for user {threebot_id}: the grid's usual price counts"
    )))
}

pub(super) async fn set(
    State(app): State<Arc<App>>,
    Path(farm_id): Path<String>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let farm_id = parse_farm_id(&farm_id)?;
    let caller = request.signer(&app).await?;
    let mut deal: FarmThreebotPrice = request.json()?;
    if deal.farm_id != 0 && deal.farm_id != farm_id {
        return Err(ApiError::bad_request(
            "farm_id is another farm's than the path's",
        ));
    }
    deal.farm_id = farm_id;
    // Kept as a signed number.
    if deal.threebot_id == 0 || i64::try_from(deal.threebot_id).is_err() {
        return Err(ApiError::bad_request("threebot_id is no user's"));
    }
    if !deal.custom_cloudunits_price.is_valid() {
        return Err(ApiError::bad_request(
            "custom_cloudunits_price holds an amount that is no price",
        ));
    }
    let (mut change, _) = match begin_as_owner(&app, &caller, farm_id).await? {
        Ok(begun) => begun,
        Err(answer) => return Ok(answer),
    };
    let most = u64::try_from(MAX_LIST).unwrap_or(u64::MAX);
    if change.tx.count_other_deals(&deal).await? >= most {
        return Err(ApiError::bad_request(format!(
            "a farm has at most {MAX_LIST} deals"
        )));
    }
    change.tx.set_deal(&deal).await?;
    change.commit(Answer::null(200)).await
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path((farm_id, threebot_id)): Path<(String, String)>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let farm_id = parse_farm_id(&farm_id)?;
    let threebot_id = parse_user_id(&threebot_id)?;
    let caller = request.signer(&app).await?;
    let (mut change, _) = match begin_as_owner(&app, &caller, farm_id).await? {
        Ok(begun) => begun,
        Err(answer) => return Ok(answer),
    };
    change.tx.delete_deal(farm_id, threebot_id).await?;
    change.commit(Answer::null(200)).await
}
