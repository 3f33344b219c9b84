//! `/nodes`, and `/farms/{id}/{node}`.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use sha2::{Digest as _, Sha256};

use super::error::ApiError;
use super::farms::{check_location, check_text, parse_farm_id};
use super::incoming::{Answer, Begun, Caller, Change, Incoming, begin};
use super::{App, ServerMode};
use crate::identity::{NodeId, PublicKey};
use crate::sign::KeyId;
use crate::store::{NodeQuery, NodeRecord, Totals};
use crate::wire::{
    CapacityPost, Date, Iface, Node, NodeState, Proof, Registration, StatePost, UptimePost,
    legacy_hash,
};

/// Most interfaces of a node, and most addresses of one of them.
const MAX_INTERFACES: usize = 64;

/// An id that is none cannot be registered either.
fn parse_node_id(text: &str) -> Result<NodeId, ApiError> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(64).collect();
        ApiError::not_found(format!("node '{shown}' not found"))
    })
}

/// What a caller may see beyond the public part.
struct Sight {
    mode: ServerMode,
    own_farms: HashSet<u64>,
    node: Option<NodeId>,
}

impl Sight {
    async fn of(app: &App, caller: Option<&Caller>) -> Result<Self, ApiError> {
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
    async fn reveal(
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
                    mut node, state, ..
                } = record;
                let full = !strict || self.is_owner(&node);
                if full {
                    node.ifaces = ifaces;
                    let details = details.remove(&node.id).unwrap_or_default();
                    node.proofs = proofs.then_some(details.proofs);
                    node.hardware = details.hardware.filter(|_| strict);
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
    Ok(node_id)
}

fn blocked(node_id: NodeId, farm_id: u64, reason: &str) -> ApiError {
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
    let registration: Registration = request.json()?;
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
    change.commit(Answer::null(201)).await
}

/// Begins what a node reports about itself, once it is clear that it may.
async fn begin_report<'a>(
    app: &'a App,
    caller: &'a Caller,
    node_id: NodeId,
) -> Result<Result<(Change<'a>, u64), Answer>, ApiError> {
    let mut change = match begin(app, Some(caller)).await? {
        Begun::Replay(answer) => return Ok(Err(answer)),
        Begun::Change(change) => change,
    };
    let record = change
        .tx
        .node(node_id)
        .await?
        .ok_or_else(|| ApiError::no_node(node_id))?;
    if !caller.is_node(node_id) {
        return Err(ApiError::forbidden("only the node itself may report this"));
    }
    if record.state == NodeState::Blocked {
        let farm_id = record.node.farm_id;
        let reason = change
            .tx
            .block_reason(farm_id, node_id)
            .await?
            .unwrap_or_default();
        return Err(blocked(node_id, farm_id, &reason));
    }
    Ok(Ok((change, record.node.id)))
}

pub(super) async fn capacity(
    State(app): State<Arc<App>>,
    Path(node_id): Path<String>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let node_id = parse_node_id(&node_id)?;
    let caller = request.signer(&app).await?;
    let posted: CapacityPost = request.json()?;
    let totals = Totals::from_wire(&posted.capacity)
        .ok_or_else(|| ApiError::bad_request("capacity holds an amount no machine has"))?;
    let (mut change, node) = match begin_report(&app, &caller, node_id).await? {
        Ok(begun) => begun,
        Err(answer) => return Ok(answer),
    };
    let now = change.now;
    let CapacityPost {
        dmi,
        disks,
        hypervisor,
        hardware,
        ..
    } = posted;
    let (hardware_hash, disk_hash) = match app.mode {
        ServerMode::Compat => (legacy_hash(2), legacy_hash(4)),
        ServerMode::Strict => (json_hash(&dmi), json_hash(&disks)),
    };
    let proof = Proof {
        created: Date(now),
        hardware_hash: hardware_hash.into(),
        disk_hash: disk_hash.into(),
        hardware: dmi,
        disks,
        hypervisor,
    };
    let hardware = hardware.filter(|hardware| !hardware.is_null());
    change
        .tx
        .set_capacity(node, &totals, &proof, hardware.as_ref(), now)
        .await?;
    change.commit(Answer::null(200)).await
}

fn json_hash(value: &impl serde::Serialize) -> String {
    serde_json::to_vec(value)
        .map(|json| hex::encode(Sha256::digest(json)))
        .unwrap_or_default()
}

pub(super) async fn uptime(
    State(app): State<Arc<App>>,
    Path(node_id): Path<String>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let node_id = parse_node_id(&node_id)?;
    let caller = request.signer(&app).await?;
    let posted: UptimePost = request.json()?;
    // A century: what is above is no uptime but an error.
    let uptime_secs = i64::try_from(posted.uptime)
        .ok()
        .filter(|secs| *secs < 3_155_760_000);
    let uptime_secs =
        uptime_secs.ok_or_else(|| ApiError::bad_request("uptime is longer than a century"))?;
    let (mut change, node) = match begin_report(&app, &caller, node_id).await? {
        Ok(begun) => begun,
        Err(answer) => return Ok(answer),
    };
    let now = change.now;
    change.tx.set_uptime(node, uptime_secs, now).await?;
    change.commit(Answer::null(200)).await
}

pub(super) async fn interfaces(
    State(app): State<Arc<App>>,
    Path(node_id): Path<String>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let node_id = parse_node_id(&node_id)?;
    let caller = request.signer(&app).await?;
    let ifaces: Vec<Iface> = request.json::<Option<_>>()?.unwrap_or_default();
    let too_many = |count: usize| count > MAX_INTERFACES;
    if too_many(ifaces.len())
        || ifaces
            .iter()
            .any(|iface| too_many(iface.addrs.len()) || too_many(iface.gateway.len()))
    {
        let message = format!("more than {MAX_INTERFACES} interfaces, or addresses of one");
        return Err(ApiError::bad_request(message));
    }
    for iface in &ifaces {
        check_text("name", &iface.name)?;
    }
    let (mut change, node) = match begin_report(&app, &caller, node_id).await? {
        Ok(begun) => begun,
        Err(answer) => return Ok(answer),
    };
    change.tx.set_ifaces(node, &ifaces).await?;
    change.commit(Answer::null(201)).await
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
    change.commit(Answer::null(200)).await
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path((farm_id, node_id)): Path<(String, String)>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let farm_id = parse_farm_id(&farm_id)?;
    let node_id = parse_node_id(&node_id)?;
    let caller = request.signer(&app).await?;
    let mut change = match begin(&app, Some(&caller)).await? {
        Begun::Replay(answer) => return Ok(answer),
        Begun::Change(change) => change,
    };
    let farm = change
        .tx
        .farm(farm_id)
        .await?
        .ok_or_else(|| ApiError::no_farm(farm_id))?;
    if !caller.is_user(farm.threebot_id) {
        return Err(ApiError::forbidden(
            "only the farm's owner may remove its nodes",
        ));
    }
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
    change.tx.delete_node(record.node.id, now).await?;
    change.commit(Answer::null(200)).await
}
