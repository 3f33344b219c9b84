//! Preparing a node's move to another farm. The node itself moves, when it registers with the new
//! farm id: its key signs that, and nobody else has it.

use super::{Client, Error};
use crate::sign::Signer;
use crate::wire::{Farm, NewEnrolmentToken, Node};

/// How long a token for a move is good unless somebody says otherwise: 7 days, in seconds.
pub const MOVE_LIFETIME_SECONDS: u64 = 7 * 86_400;

/// What is ready for a node's move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedMove {
    /// Token of the new farm, for this node only; `None` where the directory knows none, or the farm
    /// is another's.
    pub token: Option<String>,
    /// Whether the new farm is the signer's; else its owner has to approve the node.
    pub is_own: bool,
    /// What the `farm.toml` of the node's medium has to say, one setting a line.
    pub farm_toml: String,
}

impl Client {
    /// Prepares the move of `node` to the farm `to`: makes a token of that farm, good once and for
    /// this node only, so that it need not be approved when it arrives.
    ///
    /// # Errors
    /// The token is refused, or the directory does not answer.
    pub async fn prepare_move(
        &self,
        node: &Node,
        to: &Farm,
        lifetime_seconds: u64,
        owner: &Signer,
    ) -> Result<PreparedMove, Error> {
        let is_own = matches!(owner, Signer::User { id, .. } if *id == to.threebot_id);
        let mut token = None;
        if is_own {
            let wanted = NewEnrolmentToken {
                node_id: Some(node.node_id),
                uses: Some(1),
                lifetime_secs: Some(lifetime_seconds),
                note: Some(format!("move from farm {}", node.farm_id).into()),
            };
            token = match self.create_enrolment_token(to.id, &wanted, owner).await {
                Ok(made) => Some(made.value.token.expose().to_owned()),
                Err(Error::NotSupported { .. }) => None,
                Err(error) => return Err(error),
            };
        }
        let mut farm_toml = format!("farm_id = {}\n", to.id);
        if let Some(token) = &token {
            farm_toml.push_str(&format!("enrolment_token = \"{token}\"\n"));
        }
        Ok(PreparedMove {
            token,
            is_own,
            farm_toml,
        })
    }
}
