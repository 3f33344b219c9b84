//! What a farm's owner decides about the farm, its addresses, prices, nodes and tokens.

use reqwest::Method;

use super::null_is_empty;
use crate::client::{Client, Error, Response};
use crate::identity::NodeId;
use crate::sign::{SignatureMode, Signer};
use crate::wire::{
    Cidr, EnrolmentTokenCreated, EnrolmentTokenInfo, FarmPublicIp, FarmThreebotPrice, FreePost,
    NewEnrolmentToken, NodeState, PublicIface, StatePost,
};

/// Nodes of the farm.
impl Client {
    /// Approves or blocks a node (strict servers only). `reason` is told to a blocked node.
    pub async fn set_node_state(
        &self,
        node_id: NodeId,
        state: NodeState,
        reason: Option<&str>,
        owner: &Signer,
    ) -> Result<Response<()>, Error> {
        self.strict_only("approving and blocking nodes")?;
        let body = StatePost {
            state,
            reason: reason.map(Into::into),
        };
        let id = node_id.to_string();
        self.write(Method::POST, &["nodes", &id, "state"], &body, Some(owner))
            .await
    }

    /// Removes a node from its farm; if it is alive and not blocked, it will register again.
    pub async fn delete_node(
        &self,
        farm_id: u64,
        node_id: NodeId,
        owner: &Signer,
    ) -> Result<Response<()>, Error> {
        let path = ["farms", &farm_id.to_string(), &node_id.to_string()];
        self.send(Method::DELETE, &path, &[], None, Some(owner))
            .await
    }

    /// Gives a node its public network configuration. The server counts `version` itself.
    pub async fn configure_public(
        &self,
        node_id: NodeId,
        config: &PublicIface,
        owner: &Signer,
    ) -> Result<Response<()>, Error> {
        let path = ["nodes", &node_id.to_string(), "configure_public"];
        self.write(Method::POST, &path, config, Some(owner)).await
    }

    /// Says whether a node may be used for FreeTFT.
    pub async fn configure_free(
        &self,
        node_id: NodeId,
        free_to_use: bool,
        owner: &Signer,
    ) -> Result<Response<()>, Error> {
        let path = ["nodes", &node_id.to_string(), "configure_free"];
        self.write(Method::POST, &path, &FreePost { free_to_use }, Some(owner))
            .await
    }
}

/// Public addresses and prices of the farm (2021 servers and ours).
impl Client {
    /// Adds addresses to the farm's pool.
    pub async fn add_farm_ips(
        &self,
        farm_id: u64,
        addresses: &[FarmPublicIp],
        owner: &Signer,
    ) -> Result<Response<()>, Error> {
        let path = ["farms", &farm_id.to_string(), "ip"];
        self.write(Method::POST, &path, addresses, Some(owner))
            .await
    }

    /// Takes addresses out of the farm's pool; none of them may be reserved.
    pub async fn remove_farm_ips(
        &self,
        farm_id: u64,
        addresses: &[Cidr],
        owner: &Signer,
    ) -> Result<Response<()>, Error> {
        let path = ["farms", &farm_id.to_string(), "ip"];
        self.write(Method::DELETE, &path, addresses, Some(owner))
            .await
    }

    /// The prices the farm asks of particular users.
    pub async fn farm_deals(
        &self,
        farm_id: u64,
        signer: Option<&Signer>,
    ) -> Result<Response<Vec<FarmThreebotPrice>>, Error> {
        self.get::<Option<_>>(&["farms", &farm_id.to_string(), "deals"], &[], signer)
            .await
            .map(null_is_empty)
    }

    /// The price the farm asks of one user.
    pub async fn farm_deal(
        &self,
        farm_id: u64,
        threebot_id: u64,
        signer: Option<&Signer>,
    ) -> Result<Response<FarmThreebotPrice>, Error> {
        let (farm, user) = (farm_id.to_string(), threebot_id.to_string());
        self.get(&["farms", &farm, "deals", &user], &[], signer)
            .await
    }

    /// Sets the price the farm asks of one user.
    pub async fn set_farm_deal(
        &self,
        deal: &FarmThreebotPrice,
        owner: &Signer,
    ) -> Result<Response<()>, Error> {
        let path = ["farms", &deal.farm_id.to_string(), "deals"];
        self.write::<serde::de::IgnoredAny>(Method::PUT, &path, deal, Some(owner))
            .await
            .map(|answer| answer.map(drop))
    }

    /// Asks the farm's usual price of that user again.
    pub async fn delete_farm_deal(
        &self,
        farm_id: u64,
        threebot_id: u64,
        owner: &Signer,
    ) -> Result<Response<()>, Error> {
        let (farm, user) = (farm_id.to_string(), threebot_id.to_string());
        let path = ["farms", &farm, "deals", &user];
        self.send::<serde::de::IgnoredAny>(Method::DELETE, &path, &[], None, Some(owner))
            .await
            .map(|answer| answer.map(drop))
    }
}

/// Enrolment tokens (strict servers only).
impl Client {
    /// Makes a token that approves the nodes that show it. It is told this once.
    pub async fn create_enrolment_token(
        &self,
        farm_id: u64,
        token: &NewEnrolmentToken,
        owner: &Signer,
    ) -> Result<Response<EnrolmentTokenCreated>, Error> {
        self.strict_only("enrolment tokens")?;
        let path = ["farms", &farm_id.to_string(), "enrolment_tokens"];
        self.write(Method::POST, &path, token, Some(owner)).await
    }

    /// The farm's tokens, without their secrets.
    pub async fn enrolment_tokens(
        &self,
        farm_id: u64,
        owner: &Signer,
    ) -> Result<Response<Vec<EnrolmentTokenInfo>>, Error> {
        self.strict_only("enrolment tokens")?;
        let path = ["farms", &farm_id.to_string(), "enrolment_tokens"];
        self.get(&path, &[], Some(owner)).await
    }

    /// Makes a token worthless; nodes that have used it stay.
    pub async fn revoke_enrolment_token(
        &self,
        farm_id: u64,
        token_id: u64,
        owner: &Signer,
    ) -> Result<Response<()>, Error> {
        self.strict_only("enrolment tokens")?;
        let (farm, token) = (farm_id.to_string(), token_id.to_string());
        let path = ["farms", &farm, "enrolment_tokens", &token];
        self.send(Method::DELETE, &path, &[], None, Some(owner))
            .await
    }

    fn strict_only(&self, what: &'static str) -> Result<(), Error> {
        match self.mode {
            SignatureMode::Strict => Ok(()),
            SignatureMode::Compat => Err(Error::NotSupported { what }),
        }
    }
}
