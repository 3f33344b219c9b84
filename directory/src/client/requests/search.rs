//! Finding capacity, and following what changes (extensions: our servers only).

use hw_probe::capacity::Capacity;
use hw_probe::units::Bytes;
use reqwest::header::IF_NONE_MATCH;

use super::{LARGEST_PAGE, NodeFilter, Query, push};
use crate::client::{Client, Error, Response};
use crate::clock::UnixTime;
use crate::sign::Signer;
use crate::wire::{
    CapacityPage, Changes, GIB, Node, NodeState, Offer, ResourceAmount, gib_to_bytes,
};

/// A node whose last report is older has missed two, and counts as offline.
const ONLINE_SECONDS: i64 = 20 * 60;

/// Which capacity is wanted. The amounts are minima of what is free.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CapacityFilter {
    /// Logical CPUs.
    pub cru: Option<u64>,
    /// Bytes of memory.
    pub mru_bytes: Option<u64>,
    /// Bytes of SSD.
    pub sru_bytes: Option<u64>,
    /// Bytes of HDD.
    pub hru_bytes: Option<u64>,
    /// In exactly this country.
    pub country: Option<String>,
    /// In exactly this city.
    pub city: Option<String>,
    /// Of this farm.
    pub farm_id: Option<u64>,
    /// Only nodes that may be used for FreeTFT.
    pub free_to_use: bool,
    /// Only nodes that report.
    pub online: bool,
}

impl Client {
    /// Approved nodes with at least this much free, best fit first. `after` is the `next` of the
    /// page before; `limit` is 1..=1000.
    pub async fn capacity(
        &self,
        filter: &CapacityFilter,
        limit: u32,
        after: Option<&str>,
    ) -> Result<Response<CapacityPage>, Error> {
        let mut query = Query::new();
        push(&mut query, "cru", filter.cru);
        push(&mut query, "mru", filter.mru_bytes);
        push(&mut query, "sru", filter.sru_bytes);
        push(&mut query, "hru", filter.hru_bytes);
        push(&mut query, "country", filter.country.as_ref());
        push(&mut query, "city", filter.city.as_ref());
        push(&mut query, "farm", filter.farm_id);
        push(
            &mut query,
            "free_to_use",
            filter.free_to_use.then_some("true"),
        );
        push(&mut query, "online", filter.online.then_some("true"));
        push(&mut query, "limit", Some(limit));
        push(&mut query, "after", after);
        let answer = self.get(&["capacity"], &query, None).await;
        answer.map_err(|error| not_there(error, "the search for capacity"))
    }

    /// Farms and nodes that changed after revision `since` (0: all of them), oldest change first;
    /// `None` if nothing did. Status 410 says that `since` is too old to be continued.
    pub async fn changes(
        &self,
        since: u64,
        farm_id: Option<u64>,
        limit: u32,
        signer: Option<&Signer>,
    ) -> Result<Option<Changes>, Error> {
        let mut query = Query::new();
        push(&mut query, "since", Some(since));
        push(&mut query, "farm", farm_id);
        push(&mut query, "limit", Some(limit));
        let known = (since > 0).then(|| format!("\"{since}\""));
        let headers: Vec<_> = known
            .iter()
            .map(|tag| (IF_NONE_MATCH, tag.as_str()))
            .collect();
        match self.get_with(&["changes"], &query, signer, &headers).await {
            Ok(Response { value, .. }) => Ok(Some(value)),
            Err(Error::Status { status: 304, .. }) => Ok(None),
            Err(error) => Err(not_there(error, "following what changes")),
        }
    }
}

/// Who searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Searched {
    /// The directory.
    There,
    /// This client, among the nodes that have enough in all.
    Here,
}

impl Client {
    /// As [`Client::capacity`], on directories without that search too: then their nodes are asked
    /// for, and searched here. `now` tells which of them report.
    ///
    /// # Errors
    /// As [`Error`] lists them.
    pub async fn find_capacity(
        &self,
        filter: &CapacityFilter,
        limit: u32,
        now: UnixTime,
    ) -> Result<(Vec<Offer>, Searched), Error> {
        let limit = limit.clamp(1, LARGEST_PAGE);
        let enough = usize::try_from(limit).unwrap_or(usize::MAX);
        match self.capacity(filter, limit, None).await {
            Ok(answer) => {
                let CapacityPage {
                    mut nodes,
                    mut next,
                } = answer.value;
                // A page may end before it is full.
                while let Some(after) = next.filter(|_| nodes.len() < enough) {
                    let page = self.capacity(filter, limit, Some(&after)).await?.value;
                    nodes.extend(page.nodes);
                    next = page.next;
                }
                nodes.truncate(enough);
                return Ok((nodes, Searched::There));
            }
            Err(Error::NotSupported { .. }) => {}
            Err(error) => return Err(error),
        }
        let gib = |bytes: Option<u64>| bytes.map(|bytes| bytes / GIB);
        let nodes = NodeFilter {
            farm_id: filter.farm_id,
            country: filter.country.clone(),
            city: filter.city.clone(),
            cru: filter.cru,
            mru_gib: gib(filter.mru_bytes),
            sru_gib: gib(filter.sru_bytes),
            hru_gib: gib(filter.hru_bytes),
            ..NodeFilter::default()
        };
        let nodes = self.all_nodes(&nodes, None).await?;
        let approved = nodes.iter().filter(|node| is_approved(node));
        let offers = approved.map(|node| offer(node, now));
        let mut offers: Vec<Offer> = offers.filter(|offer| filter.takes(offer)).collect();
        // Equal ones stay in order of registration.
        offers.sort_by_key(|offer| weight(&offer.free));
        offers.truncate(enough);
        Ok((offers, Searched::Here))
    }
}

impl CapacityFilter {
    fn wanted(&self) -> [u64; 4] {
        [self.cru, self.mru_bytes, self.sru_bytes, self.hru_bytes].map(|want| want.unwrap_or(0))
    }

    /// Whether an offer is what is wanted.
    #[must_use]
    pub fn takes(&self, offer: &Offer) -> bool {
        let free = amounts(&offer.free);
        let is_enough = self
            .wanted()
            .iter()
            .zip(free)
            .all(|(want, free)| free >= *want);
        let is_there = self
            .country
            .as_ref()
            .is_none_or(|country| offer.country == **country)
            && self.city.as_ref().is_none_or(|city| offer.city == **city)
            && self.farm_id.is_none_or(|farm| offer.farm_id == farm);
        is_enough
            && is_there
            && (!self.free_to_use || offer.free_to_use)
            && (!self.online || offer.online)
    }
}

/// What is free as one number, as our servers weigh it: a thread is worth 4 GiB of memory, 100 GiB of
/// SSD, 1000 GiB of HDD. What is wanted is the same for all offers, so the least is the best fit.
fn weight(free: &Capacity) -> u64 {
    const MIB: u64 = 1 << 20;
    free.cru
        .saturating_mul(4096)
        .saturating_add(free.mru_bytes.0 / MIB)
        .saturating_add(free.sru_bytes.0 / (25 * MIB))
        .saturating_add(free.hru_bytes.0 / (250 * MIB))
}

fn amounts(capacity: &Capacity) -> [u64; 4] {
    [
        capacity.cru,
        capacity.mru_bytes.0,
        capacity.sru_bytes.0,
        capacity.hru_bytes.0,
    ]
}

/// Other directories know only `approved`, and 2020 servers never set it: theirs are all taken.
fn is_approved(node: &Node) -> bool {
    node.state.is_none_or(|state| state == NodeState::Approved)
}

fn offer(node: &Node, now: UnixTime) -> Offer {
    let amount = |resources: &ResourceAmount| Capacity {
        cru: resources.cru,
        mru_bytes: Bytes(gib_to_bytes(resources.mru).unwrap_or(0)),
        sru_bytes: Bytes(gib_to_bytes(resources.sru).unwrap_or(0)),
        hru_bytes: Bytes(gib_to_bytes(resources.hru).unwrap_or(0)),
    };
    let (total, reserved) = (
        amount(&node.total_resources),
        amount(&node.reserved_resources),
    );
    let free = |total: Bytes, reserved: Bytes| Bytes(total.0.saturating_sub(reserved.0));
    let age = now.seconds_since(UnixTime::from(node.updated));
    Offer {
        node_id: node.node_id,
        farm_id: node.farm_id,
        country: node.location.country.clone(),
        city: node.location.city.clone(),
        updated: node.updated,
        uptime: node.uptime,
        online: node.uptime > 0 && age <= ONLINE_SECONDS,
        free_to_use: node.free_to_use,
        total,
        free: Capacity {
            cru: total.cru.saturating_sub(reserved.cru),
            mru_bytes: free(total.mru_bytes, reserved.mru_bytes),
            sru_bytes: free(total.sru_bytes, reserved.sru_bytes),
            hru_bytes: free(total.hru_bytes, reserved.hru_bytes),
        },
    }
}

/// Other servers have no such endpoint, and say so in several ways.
fn not_there(error: Error, what: &'static str) -> Error {
    match error {
        Error::Status {
            status: 404 | 405, ..
        } => Error::NotSupported { what },
        other => other,
    }
}
