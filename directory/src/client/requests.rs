//! The requests a directory answers, one method each: here farms, and nodes about themselves.

mod gateways;
mod owner;
mod search;
mod users;

use reqwest::Method;

use super::{Client, Error, Response};
use crate::identity::{NodeId, Seed};
use crate::sign::Signer;
use crate::wire::{
    CapacityPost, Farm, FarmCreated, Iface, Node, PortsPost, Registration, UptimePost, UsagePost,
};

pub use gateways::GatewayFilter;
pub use search::{CapacityFilter, Searched};
pub use users::UserFilter;

/// Which page of a list. Servers give at most 1000 entries a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// Counts from 1.
    pub page: u32,
    /// Entries per page, 1..=1000.
    pub size: u32,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { page: 1, size: 100 }
    }
}

/// As many entries as a page can have.
const LARGEST_PAGE: u32 = 1000;

type Query = Vec<(&'static str, String)>;

fn push(query: &mut Query, name: &'static str, value: Option<impl ToString>) {
    query.extend(value.map(|value| (name, value.to_string())));
}

impl PageRequest {
    fn push_to(self, query: &mut Query) {
        push(query, "page", Some(self.page.max(1)));
        push(query, "size", Some(self.size.clamp(1, LARGEST_PAGE)));
    }
}

/// Which farms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FarmFilter {
    /// With exactly this name.
    pub name: Option<String>,
    /// Owned by this user.
    pub owner: Option<u64>,
}

/// Which nodes. The resources are minima of what the machine has in all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeFilter {
    /// Of this farm.
    pub farm_id: Option<u64>,
    /// In exactly this country.
    pub country: Option<String>,
    /// In exactly this city.
    pub city: Option<String>,
    /// Logical CPUs.
    pub cru: Option<u64>,
    /// GiB of memory.
    pub mru_gib: Option<u64>,
    /// GiB of SSD.
    pub sru_gib: Option<u64>,
    /// GiB of HDD.
    pub hru_gib: Option<u64>,
    /// Deleted nodes too (2021 servers and ours).
    pub deleted: bool,
    /// Ask for hardware proofs (and, of a strict server, inventories) too.
    pub proofs: bool,
}

impl FarmFilter {
    fn query(&self) -> Query {
        let mut query = Query::new();
        push(&mut query, "name", self.name.as_ref());
        push(&mut query, "owner", self.owner);
        query
    }
}

impl NodeFilter {
    /// The nodes of one farm.
    #[must_use]
    pub fn of_farm(farm_id: u64) -> Self {
        Self {
            farm_id: Some(farm_id),
            ..Self::default()
        }
    }

    fn query(&self) -> Query {
        let mut query = Query::new();
        push(&mut query, "farm", self.farm_id);
        push(&mut query, "country", self.country.as_ref());
        push(&mut query, "city", self.city.as_ref());
        push(&mut query, "cru", self.cru);
        push(&mut query, "mru", self.mru_gib);
        push(&mut query, "sru", self.sru_gib);
        push(&mut query, "hru", self.hru_gib);
        push(&mut query, "deleted", self.deleted.then_some("true"));
        push(&mut query, "proofs", self.proofs.then_some("true"));
        query
    }
}

/// Farms.
impl Client {
    /// One page of farms. A signed request sees the e-mail addresses of the signer's own farms.
    ///
    /// # Errors
    /// As [`Error`] lists them; so for every method.
    pub async fn farms(
        &self,
        filter: &FarmFilter,
        page: PageRequest,
        signer: Option<&Signer>,
    ) -> Result<Response<Vec<Farm>>, Error> {
        let mut query = filter.query();
        page.push_to(&mut query);
        self.get::<Option<_>>(&["farms"], &query, signer)
            .await
            .map(null_is_empty)
    }

    /// All farms that match, page by page.
    pub async fn all_farms(
        &self,
        filter: &FarmFilter,
        signer: Option<&Signer>,
    ) -> Result<Vec<Farm>, Error> {
        let mut all = Vec::new();
        for page in 1.. {
            let page = PageRequest {
                page,
                size: LARGEST_PAGE,
            };
            let answer = self.farms(filter, page, signer).await?;
            let last = is_last_page(&answer, page.page);
            all.extend(answer.value);
            if last {
                break;
            }
        }
        Ok(all)
    }

    /// One farm; [`Error::FarmNotFound`] if there is none.
    pub async fn farm(
        &self,
        farm_id: u64,
        signer: Option<&Signer>,
    ) -> Result<Response<Farm>, Error> {
        let answer = self
            .get(&["farms", &farm_id.to_string()], &[], signer)
            .await;
        // The 2020 server has another text for this than for a node's unknown farm.
        answer.map_err(|error| match error {
            Error::Status {
                server,
                status: 404,
                ..
            } => Error::FarmNotFound { server, farm_id },
            other => other,
        })
    }

    /// Creates a farm owned by the signer and answers its id.
    pub async fn create_farm(&self, farm: &Farm, owner: &Signer) -> Result<Response<u64>, Error> {
        let answer = self
            .write::<FarmCreated>(Method::POST, &["farms"], farm, Some(owner))
            .await?;
        Ok(answer.map(|created| created.id))
    }

    /// Replaces a farm (all of it; read it first).
    pub async fn update_farm(&self, farm: &Farm, owner: &Signer) -> Result<Response<()>, Error> {
        let id = farm.id.to_string();
        self.write(Method::PUT, &["farms", &id], farm, Some(owner))
            .await
    }
}

/// Nodes.
impl Client {
    /// One page of nodes. Requests signed by a farm's owner see interfaces (and proofs, if asked
    /// for) of the farm's nodes.
    pub async fn nodes(
        &self,
        filter: &NodeFilter,
        page: PageRequest,
        signer: Option<&Signer>,
    ) -> Result<Response<Vec<Node>>, Error> {
        let mut query = filter.query();
        page.push_to(&mut query);
        self.get::<Option<_>>(&["nodes"], &query, signer)
            .await
            .map(null_is_empty)
    }

    /// All nodes that match, page by page.
    pub async fn all_nodes(
        &self,
        filter: &NodeFilter,
        signer: Option<&Signer>,
    ) -> Result<Vec<Node>, Error> {
        let mut all = Vec::new();
        for page in 1.. {
            let page = PageRequest {
                page,
                size: LARGEST_PAGE,
            };
            let answer = self.nodes(filter, page, signer).await?;
            let last = is_last_page(&answer, page.page);
            all.extend(answer.value);
            if last {
                break;
            }
        }
        Ok(all)
    }

    /// One node; [`Error::NodeNotFound`] if there is none. Signed by the farm's owner or the node,
    /// the answer has interfaces and inventory, and proofs if asked for.
    pub async fn node(
        &self,
        node_id: NodeId,
        proofs: bool,
        signer: Option<&Signer>,
    ) -> Result<Response<Node>, Error> {
        let mut query = Query::new();
        push(&mut query, "proofs", proofs.then_some("true"));
        self.get(&["nodes", &node_id.to_string()], &query, signer)
            .await
    }

    /// Registers the node that owns `node`, or changes its registration.
    pub async fn register(
        &self,
        registration: &Registration,
        node: &Seed,
    ) -> Result<Response<()>, Error> {
        let signer = Signer::Node(node.clone());
        self.write(Method::POST, &["nodes"], registration, Some(&signer))
            .await
    }

    /// Posts what the machine has; once per boot.
    pub async fn post_capacity(
        &self,
        capacity: &CapacityPost,
        node: &Seed,
    ) -> Result<Response<()>, Error> {
        self.post_as_node("capacity", capacity, node).await
    }

    /// Posts that the machine has been up for this many seconds.
    pub async fn post_uptime(&self, uptime_secs: u64, node: &Seed) -> Result<Response<()>, Error> {
        self.post_as_node(
            "uptime",
            &UptimePost {
                uptime: uptime_secs,
            },
            node,
        )
        .await
    }

    /// Replaces the node's list of network interfaces.
    pub async fn post_interfaces(
        &self,
        interfaces: &[Iface],
        node: &Seed,
    ) -> Result<Response<()>, Error> {
        self.post_as_node("interfaces", interfaces, node).await
    }

    /// Replaces the list of UDP ports that WireGuard uses.
    pub async fn post_ports(&self, ports: &[u16], node: &Seed) -> Result<Response<()>, Error> {
        let ports = ports.to_vec();
        self.post_as_node("ports", &PortsPost { ports }, node).await
    }

    /// Posts what workloads hold, and how many there are.
    pub async fn post_usage(&self, usage: &UsagePost, node: &Seed) -> Result<Response<()>, Error> {
        self.post_as_node("used_resources", usage, node).await
    }

    async fn post_as_node(
        &self,
        what: &str,
        body: &(impl serde::Serialize + ?Sized),
        node: &Seed,
    ) -> Result<Response<()>, Error> {
        let id = node.node_id().to_string();
        let signer = Signer::Node(node.clone());
        self.write(Method::POST, &["nodes", &id, what], body, Some(&signer))
            .await
    }
}

/// Go writes an empty list as `null`.
fn null_is_empty<T>(answer: Response<Option<Vec<T>>>) -> Response<Vec<T>> {
    answer.map(Option::unwrap_or_default)
}

/// A server that says nothing about pages, or says too much, must not keep us asking for ever.
fn is_last_page<T>(answer: &Response<Vec<T>>, page: u32) -> bool {
    answer.value.is_empty() || u64::from(page) >= answer.pages.unwrap_or(1)
}
