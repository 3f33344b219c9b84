//! What nodes report about themselves: `/nodes/{id}/...`, signed by the node.

use std::sync::Arc;

use axum::extract::State;
use sha2::{Digest as _, Sha256};

use super::error::ApiError;
use super::farms::check_text;
use super::incoming::{Answer, Caller, Change, Incoming, Path};
use super::nodes::{begin_about, blocked, parse_node_id};
use super::{App, ServerMode};
use crate::identity::NodeId;
use crate::store::Totals;
use crate::wire::{
    CapacityPost, Date, Iface, NodeState, PortsPost, Proof, ResourceAmount, UptimePost, UsagePost,
    legacy_hash,
};

/// Most interfaces of a node, and most addresses of one of them.
const MAX_INTERFACES: usize = 64;
/// Most WireGuard ports of a node.
const MAX_PORTS: usize = 4096;

/// A century: what is above is no uptime but an error.
pub(super) fn check_uptime(posted: UptimePost) -> Result<i64, ApiError> {
    i64::try_from(posted.uptime)
        .ok()
        .filter(|secs| *secs < 3_155_760_000)
        .ok_or_else(|| ApiError::bad_request("uptime is longer than a century"))
}

fn check_amount(amount: &ResourceAmount) -> Result<Totals, ApiError> {
    Totals::from_wire(amount)
        .ok_or_else(|| ApiError::bad_request("an amount is more than any machine has"))
}

/// Begins what a node reports about itself, once it is clear that it may.
async fn begin_report<'a>(
    app: &'a App,
    caller: &'a Caller,
    node_id: NodeId,
) -> Result<Result<(Change<'a>, u64), Answer>, ApiError> {
    let (mut change, record) = match begin_about(app, caller, node_id).await? {
        Ok(begun) => begun,
        Err(answer) => return Ok(Err(answer)),
    };
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
    let totals = check_amount(&posted.capacity)?;
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
    let uptime_secs = check_uptime(posted)?;
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

pub(super) async fn ports(
    State(app): State<Arc<App>>,
    Path(node_id): Path<String>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let node_id = parse_node_id(&node_id)?;
    let caller = request.signer(&app).await?;
    let PortsPost { ports } = request.json()?;
    if ports.len() > MAX_PORTS {
        return Err(ApiError::bad_request(format!(
            "more than {MAX_PORTS} ports"
        )));
    }
    let (mut change, node) = match begin_report(&app, &caller, node_id).await? {
        Ok(begun) => begun,
        Err(answer) => return Ok(answer),
    };
    change.tx.set_ports(node, &ports).await?;
    change.commit(Answer::null(200)).await
}

/// Despite its path this sets what is reserved, as in the original.
pub(super) async fn used_resources(
    State(app): State<Arc<App>>,
    Path(node_id): Path<String>,
    request: Incoming,
) -> Result<Answer, ApiError> {
    let node_id = parse_node_id(&node_id)?;
    let caller = request.signer(&app).await?;
    let UsagePost {
        resources,
        workloads,
    } = request.json()?;
    let reserved = check_amount(&resources)?;
    let (mut change, node) = match begin_report(&app, &caller, node_id).await? {
        Ok(begun) => begun,
        Err(answer) => return Ok(answer),
    };
    change.tx.set_usage(node, &reserved, &workloads).await?;
    change.commit(Answer::null(200)).await
}
