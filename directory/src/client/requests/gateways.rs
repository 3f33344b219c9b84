//! Gateways.

use reqwest::Method;

use super::{PageRequest, Query, null_is_empty, push};
use crate::client::{Client, Error, Response};
use crate::identity::Seed;
use crate::sign::Signer;
use crate::wire::{Gateway, UptimePost, UsagePost};

/// Which gateways.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatewayFilter {
    /// Of this farm.
    pub farm_id: Option<u64>,
    /// In exactly this country.
    pub country: Option<String>,
    /// In exactly this city.
    pub city: Option<String>,
}

/// Gateways.
impl Client {
    /// One page of gateways.
    pub async fn gateways(
        &self,
        filter: &GatewayFilter,
        page: PageRequest,
    ) -> Result<Response<Vec<Gateway>>, Error> {
        let mut query = Query::new();
        push(&mut query, "farm_id", filter.farm_id);
        push(&mut query, "country", filter.country.as_ref());
        push(&mut query, "city", filter.city.as_ref());
        page.push_to(&mut query);
        self.get::<Option<_>>(&["gateways"], &query, None)
            .await
            .map(null_is_empty)
    }

    /// One gateway.
    pub async fn gateway(&self, id: &str) -> Result<Response<Gateway>, Error> {
        self.get(&["gateways", id], &[], None).await
    }

    /// Registers the gateway that owns `key`.
    pub async fn register_gateway(
        &self,
        gateway: &Gateway,
        key: &Seed,
    ) -> Result<Response<()>, Error> {
        let signer = Signer::Node(key.clone());
        self.write::<serde::de::IgnoredAny>(Method::POST, &["gateways"], gateway, Some(&signer))
            .await
            .map(|answer| answer.map(drop))
    }

    /// Posts that the gateway has been up for this many seconds.
    pub async fn post_gateway_uptime(
        &self,
        uptime_secs: u64,
        key: &Seed,
    ) -> Result<Response<()>, Error> {
        let uptime = uptime_secs;
        self.post_as_gateway("uptime", &UptimePost { uptime }, key)
            .await
    }

    /// Posts what workloads hold, and how many there are.
    pub async fn post_gateway_usage(
        &self,
        usage: &UsagePost,
        key: &Seed,
    ) -> Result<Response<()>, Error> {
        self.post_as_gateway("reserved_resources", usage, key).await
    }

    async fn post_as_gateway(
        &self,
        what: &str,
        body: &impl serde::Serialize,
        key: &Seed,
    ) -> Result<Response<()>, Error> {
        let id = key.node_id().to_string();
        let signer = Signer::Node(key.clone());
        self.write(Method::POST, &["gateways", &id, what], body, Some(&signer))
            .await
    }
}
