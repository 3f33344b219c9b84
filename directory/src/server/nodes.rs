//! `/nodes`: who they are; and `/farms/{id}/{node}`.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::error::ApiError;
use super::farms::{begin_as_owner, check_location, check_text, parse_farm_id};
use super::incoming::{Answer, Begun, Caller, Change, Incoming, Path, begin};
use super::{App, ServerMode};
use crate::identity::{NodeId, PublicKey};
use crate::sign::KeyId;
use crate::store::{NodeQuery, NodeRecord};
use crate::wire::{EnrolmentToken, Node, NodeState, Registration};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

/// An id that is none cannot be registered either.
pub(super) fn parse_node_id(text: &str) -> Result<NodeId, ApiError> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(64).collect();
        ApiError::not_found(format!("node '{shown}' not found"))
    })
}

/// Begins a change of a node that is there; or the answer, if it was carried out already.
pub(super) async fn begin_about<'a>(
    app: &'a App,
    caller: &'a Caller,
    node_id: NodeId,
) -> Result<Result<(Change<'a>, NodeRecord), Answer>, ApiError> {
    let mut change = match begin(app, Some(caller)).await? {
        Begun::Replay(answer) => return Ok(Err(answer)),
        Begun::Change(change) => change,
    };
    let record = change
        .tx
        .node(node_id)
        .await?
        .ok_or_else(|| ApiError::no_node(node_id))?;
    Ok(Ok((change, record)))
}

/// What a caller may see beyond the public part.
pub(super) struct Sight {
    mode: ServerMode,
    own_farms: HashSet<u64>,
    node: Option<NodeId>,
}

impl Sight {
    pub(super) async fn of(app: &App, caller: Option<&Caller>) -> Result<Self, ApiError> {
        let mut sight = Self {
            mode: app.mode,
            own_farms: HashSet::new(),
            node: None,
        };
        match caller.map(|caller| caller.key_id) {
            Some(KeyId::User(id)) => sight.own_farms.extend(app.store.farm_ids_of(id).await?),
            Some(KeyId::Node(id)) => sight.node = Some(id),
            Some(KeyId::Key(_)) | None => {}
        }
        Ok(sight)
    }

    fn is_owner(&self, node: &Node) -> bool {
        self.own_farms.contains(&node.farm_id) || self.node == Some(node.node_id)
    }

    /// Completes nodes with what this caller may see. Inventories are large: `inventory` asks for
    /// them without `proofs`.
    pub(super) async fn reveal(
        &self,
        app: &App,
        records: Vec<NodeRecord>,
        proofs: bool,
        inventory: bool,
    ) -> Result<Vec<Node>, ApiError> {
        let strict = self.mode == ServerMode::Strict;
        let wanted: Vec<u64> = records
            .iter()
            .filter(|record| (proofs || inventory) && (!strict || self.is_owner(&record.node)))
            .map(|record| record.node.id)
            .collect();
        let mut details = app.store.node_details(&wanted).await?;
        records
            .into_iter()
            .map(|record| {
                let ifaces = record.ifaces()?;
                let NodeRecord {
                    mut node,
                    state,
                    two_boards,
                    ..
                } = record;
                let full = !strict || self.is_owner(&node);
                if full {
                    node.ifaces = ifaces;
                    let details = details.remove(&node.id).unwrap_or_default();
                    node.proofs = proofs.then_some(details.proofs);
                    node.hardware = details.hardware.filter(|_| strict);
                    node.two_boards = two_boards.filter(|_| strict);
                }
                node.state = strict.then_some(state);
                Ok(node)
            })
            .collect()
    }
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    request: Incoming,
) -> Result<impl IntoResponse, ApiError> {
    let params = request.params()?;
    let text = |name| params.text(name).map(str::to_owned);
    let wanted = NodeQuery {
        farm_id: params.positive("farm")?,
        country: text("country"),
        city: text("city"),
        cru: params.positive("cru")?,
        mru_gib: params.positive("mru")?,
        sru_gib: params.positive("sru")?,
        hru_gib: params.positive("hru")?,
        deleted: params.flag("deleted"),
    };
    let caller = request.caller(&app).await?;
    let sight = Sight::of(&app, caller.as_ref()).await?;
    let page = params.page();
    let listed = app.store.nodes(&wanted, page.window()).await?;
    let nodes = sight
        .reveal(&app, listed.items, params.flag("proofs"), false)
        .await?;
    Ok((page.pages(listed.total), Json(nodes)))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(node_id): Path<String>,
    request: Incoming,
) -> Result<Json<Node>, ApiError> {
    let node_id = parse_node_id(&node_id)?;
    let proofs = request.params()?.flag("proofs");
    let caller = request.caller(&app).await?;
    let sight = Sight::of(&app, caller.as_ref()).await?;
    let record = app
        .store
        .node(node_id)
        .await?
        .ok_or_else(|| ApiError::no_node(node_id))?;
    let nodes = sight.reveal(&app, vec![record], proofs, true).await?;
    nodes
        .into_iter()
        .next()
        .map(Json)
        .ok_or_else(|| ApiError::no_node(node_id))
}

/// Validates in the original's order.
fn check_registration(registration: &Registration) -> Result<NodeId, ApiError> {
    let bad = |message: &str| Err(ApiError::bad_request(message));
    if registration.node_id.raw().is_empty() {
        return bad("node_id is required");
    }
    if registration.farm_id == 0 {
        return bad("farm_id is required");
    }
    if registration.os_version.raw().is_empty() {
        return bad("os_version is required");
    }
    if registration.public_key_hex.raw().is_empty() {
        return bad("public_key_hex is required");
    }
    let Ok(key) = PublicKey::from_hex(registration.public_key_hex.raw()) else {
        return bad("public_key_hex is not 64 hexadecimal digits");
    };
    let node_id = NodeId::from_public_key(key);
    if registration.node_id.raw() != node_id.to_string() {
        return bad("node_id does not match public_key_hex");
    }
    if registration.location.is_empty() {
        return bad("location is required");
    }
    check_location(&registration.location)?;
    check_text("os_version", &registration.os_version)?;
    check_text("hostname", &registration.hostname)?;
    check_text("node_id_v1", &registration.node_id_v1)?;
    check_text("address", &registration.address)?;
    if registration.uptime < 0 {
        return bad("uptime is negative");
    }
    let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some(board) = &registration.board_sha256
        && !is_hash(board.raw())
    {
        return bad("board_sha256 is not 64 hexadecimal digits");
    }
    Ok(node_id)
}

pub(super) fn blocked(node_id: NodeId, farm_id: u64, reason: &str) -> ApiError {
    let reason = if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    };
    ApiError::forbidden(format!(
        "node '{node_id}' is blocked by the owner of farm {farm_id}{reason}"
    ))
}

pub(super) async fn register(
    State(app): State<Arc<App>>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let caller = request.signer(&app).await?;
    let mut registration: Registration = request.json()?;
    if app.mode == ServerMode::Compat {
        // The original knows no boards.
        registration.board_sha256 = None;
    }
    let node_id = check_registration(&registration)?;
    if !caller.is_node(node_id) {
        return Err(ApiError::forbidden(
            "a node registers itself, signed with its own key",
        ));
    }
    let mut change = match begin(&app, Some(&caller)).await? {
        Begun::Replay(answer) => return Ok(answer),
        Begun::Change(change) => change,
    };
    let farm_id = registration.farm_id;
    if change.tx.farm(farm_id).await?.is_none() {
        return Err(ApiError::no_farm(farm_id));
    }
    if let Some(reason) = change.tx.block_reason(farm_id, node_id).await? {
        return Err(blocked(node_id, farm_id, &reason));
    }
    let now = change.now;
    change.tx.register_node(node_id, &registration, now).await?;
    let enrolment = match registration.enrolment_token {
        // The original knows no tokens.
        Some(token) if app.mode == ServerMode::Strict => {
            Some(enrol(&mut change, farm_id, node_id, &token).await?)
        }
        _ => None,
    };
    let answer = change.commit(Answer::null(201)).await?;
    let Some(result) = enrolment else {
        return Ok(answer);
    };
    let (counter, words) = match result {
        Ok(()) => (&app.metrics.enrolments_accepted, "accepted".to_owned()),
        Err(why) => (&app.metrics.enrolments_refused, format!("refused: {why}")),
    };
    counter.fetch_add(1, Relaxed);
    tracing::info!(node = %node_id, farm = farm_id, "enrolment token {words}");
    Ok(answer.with_enrolment(words))
}

/// Approves a node that shows a good token. One that is approved already keeps its token's uses.
async fn enrol(
    change: &mut Change<'_>,
    farm_id: u64,
    node_id: NodeId,
    token: &EnrolmentToken,
) -> Result<Result<(), &'static str>, ApiError> {
    let record = change.tx.node(node_id).await?;
    if record.is_some_and(|record| record.state == NodeState::Approved) {
        return Ok(Ok(()));
    }
    let now = change.now;
    let used = change
        .tx
        .use_enrolment_token(farm_id, node_id, token, now)
        .await?;
    if used.is_ok() {
        change
            .tx
            .set_state(farm_id, node_id, NodeState::Approved, "", now)
            .await?;
    }
    Ok(used)
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path((farm_id, node_id)): Path<(String, String)>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let farm_id = parse_farm_id(&farm_id)?;
    let node_id = parse_node_id(&node_id)?;
    let caller = request.signer(&app).await?;
    let (mut change, _) = match begin_as_owner(&app, &caller, farm_id).await? {
        Ok(begun) => begun,
        Err(answer) => return Ok(answer),
    };
    let record = change
        .tx
        .node(node_id)
        .await?
        .ok_or_else(|| ApiError::no_node(node_id))?;
    if record.node.farm_id != farm_id {
        return Err(ApiError::forbidden(format!(
            "the node is not in farm {farm_id}"
        )));
    }
    let now = change.now;
    change.tx.delete_node(record.node.id, node_id, now).await?;
    change.commit(Answer::null(200)).await
}
