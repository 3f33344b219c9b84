//! What the farm's owner decides about a node: `/nodes/{id}/...`, signed by the owner.

use std::sync::Arc;

use axum::extract::State;

use super::App;
use super::error::ApiError;
use super::farms::check_text;
use super::incoming::{Answer, Begun, Caller, Change, Incoming, Path, begin};
use super::nodes::{begin_about, parse_node_id};
use crate::identity::NodeId;
use crate::sign::KeyId;
use crate::store::NodeRecord;
use crate::wire::{FreePost, NodeState, PublicIface, StatePost};

/// Begins a change of a node by the owner of its farm.
async fn begin_order<'a>(
    app: &'a App,
    caller: &'a Caller,
    node_id: NodeId,
) -> Result<Result<(Change<'a>, NodeRecord), Answer>, ApiError> {
    let (mut change, record) = match begin_about(app, caller, node_id).await? {
        Ok(begun) => begun,
        Err(answer) => return Ok(Err(answer)),
    };
    let farm = change.tx.farm(record.node.farm_id).await?;
    if !farm.is_some_and(|farm| caller.is_user(farm.threebot_id)) {
        return Err(ApiError::forbidden("only the farm's owner may do this"));
    }
    Ok(Ok((change, record)))
}

pub(super) async fn configure_public(
    State(app): State<Arc<App>>,
    Path(node_id): Path<String>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let node_id = parse_node_id(&node_id)?;
    let caller = request.signer(&app).await?;
    let mut config: PublicIface = request.json()?;
    config.check().map_err(ApiError::bad_request)?;
    let (mut change, record) = match begin_order(&app, &caller, node_id).await? {
        Ok(begun) => begun,
        Err(answer) => return Ok(answer),
    };
    let version = record.node.public_config.map_or(0, |config| config.version);
    config.version = version.saturating_add(1);
    change.tx.set_public_config(record.node.id, &config).await?;
    change.commit(Answer::null(201)).await
}

pub(super) async fn configure_free(
    State(app): State<Arc<App>>,
    Path(node_id): Path<String>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let node_id = parse_node_id(&node_id)?;
    let caller = request.signer(&app).await?;
    let FreePost { free_to_use } = request.json()?;
    let (mut change, record) = match begin_order(&app, &caller, node_id).await? {
        Ok(begun) => begun,
        Err(answer) => return Ok(answer),
    };
    change
        .tx
        .set_free_to_use(record.node.id, free_to_use)
        .await?;
    change.commit(Answer::null(200)).await
}

pub(super) async fn set_state(
    State(app): State<Arc<App>>,
    Path(node_id): Path<String>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let node_id = parse_node_id(&node_id)?;
    let caller = request.signer(&app).await?;
    let StatePost { state, reason } = request.json()?;
    let reason = reason.unwrap_or_default();
    check_text("reason", &reason)?;
    let KeyId::User(owner) = caller.key_id else {
        return Err(ApiError::forbidden("only the farm's owner may do this"));
    };
    let mut change = match begin(&app, Some(&caller)).await? {
        Begun::Replay(answer) => return Ok(answer),
        Begun::Change(change) => change,
    };
    let record = change.tx.node(node_id).await?;
    let farm = match &record {
        Some(record) => change.tx.farm(record.node.farm_id).await?,
        None => None,
    };
    let farm_id = match farm {
        Some(farm) if farm.threebot_id == owner => farm.id,
        // A blocked node that was deleted, or went elsewhere, can still be let back in.
        _ => {
            let blocking = match state {
                NodeState::Blocked => None,
                _ => change.tx.farm_that_blocks(owner, node_id).await?,
            };
            blocking.ok_or_else(|| match record {
                Some(_) => ApiError::forbidden("only the farm's owner may do this"),
                None => ApiError::no_node(node_id),
            })?
        }
    };
    let now = change.now;
    change
        .tx
        .set_state(farm_id, node_id, state, reason.raw(), now)
        .await?;
    if state == NodeState::Approved {
        change.tx.settle_boards(farm_id, node_id).await?;
    }
    change.commit(Answer::null(200)).await
}
