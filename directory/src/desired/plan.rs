//! From a file of wishes and what the directory has, the steps between them.

use super::document::{DesiredFarm, DesiredFarms, Invalid};
use super::steps::Step;
use crate::client::{Client, Error, FarmFilter, NodeFilter};
use crate::identity::NodeId;
use crate::sign::Signer;
use crate::wire::Farm;

/// What has to be done, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// One request each.
    pub steps: Vec<Step>,
}

/// Wishes that cannot be planned; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Not even a directory is needed to see it.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The directory cannot be asked.
    #[error(transparent)]
    Client(#[from] Error),
    /// It belongs to somebody else.
    #[error("{farm} belongs to user {owner}, you are user {you}")]
    NotYours {
        /// As the file names it.
        farm: String,
        /// Its owner.
        owner: u64,
        /// Who asks.
        you: u64,
    },
    /// The node is not where the file has it.
    #[error("{farm}: node {node} is registered in farm {actual}")]
    NodeElsewhere {
        /// As the file names it.
        farm: String,
        /// The node.
        node: NodeId,
        /// Where it is.
        actual: u64,
    },
    /// The node never registered.
    #[error("{farm}: node {node} has not registered")]
    NodeMissing {
        /// As the file names it.
        farm: String,
        /// The node.
        node: NodeId,
    },
    /// The signer is no registered user.
    #[error("only a registered user can own farms")]
    NoUser,
}

/// Asks the directory and compares.
///
/// # Errors
/// As [`PlanError`] lists them.
pub async fn plan(
    desired: &DesiredFarms,
    client: &Client,
    owner: &Signer,
) -> Result<Plan, PlanError> {
    desired.check()?;
    let Signer::User { id: you, .. } = owner else {
        return Err(PlanError::NoUser);
    };
    let mut plan = Plan::default();
    for wished in &desired.farms {
        let Some(farm) = find(wished, client, owner).await? else {
            if let Some(node) = wished.nodes.first() {
                return Err(PlanError::NodeMissing {
                    farm: wished.label(),
                    node: node.node_id,
                });
            }
            plan.steps.push(Step::create(wished, *you));
            continue;
        };
        if farm.threebot_id != *you {
            return Err(PlanError::NotYours {
                farm: wished.label(),
                owner: farm.threebot_id,
                you: *you,
            });
        }
        plan.steps.extend(Step::of_farm(&farm, wished));
        if !wished.nodes.is_empty() {
            let nodes = node_steps(wished, &farm, client, owner).await?;
            plan.steps.extend(nodes);
        }
    }
    Ok(plan)
}

/// The farm that is meant; `None` if it has to be created.
async fn find(
    wished: &DesiredFarm,
    client: &Client,
    owner: &Signer,
) -> Result<Option<Farm>, PlanError> {
    if let Some(id) = wished.id {
        return Ok(Some(client.farm(id, Some(owner)).await?.value));
    }
    let filter = FarmFilter {
        name: wished.name.clone(),
        owner: None,
    };
    let found = client.all_farms(&filter, Some(owner)).await?;
    // A server that ignores the filter must not make us change another farm.
    Ok(found
        .into_iter()
        .find(|farm| Some(farm.name.raw()) == wished.name.as_deref()))
}

async fn node_steps(
    wished: &DesiredFarm,
    farm: &Farm,
    client: &Client,
    owner: &Signer,
) -> Result<Vec<Step>, PlanError> {
    let nodes = client
        .all_nodes(&NodeFilter::of_farm(farm.id), Some(owner))
        .await?;
    let mut steps = Vec::new();
    for node in &wished.nodes {
        let Some(current) = nodes.iter().find(|other| other.node_id == node.node_id) else {
            return Err(match client.node(node.node_id, false, Some(owner)).await {
                Ok(elsewhere) => PlanError::NodeElsewhere {
                    farm: wished.label(),
                    node: node.node_id,
                    actual: elsewhere.value.farm_id,
                },
                Err(Error::NodeNotFound { .. }) => PlanError::NodeMissing {
                    farm: wished.label(),
                    node: node.node_id,
                },
                Err(error) => error.into(),
            });
        };
        steps.extend(Step::of_node(current, node));
    }
    Ok(steps)
}
