//! `farmer node approve`, `block` and `delete`

use directory::client::{Client, Error};
use directory::identity::NodeId;
use directory::sign::Signer;
use directory::wire::NodeState;
use serde::Serialize;

use super::node_id;
use crate::args::NodeDecideArgs;
use crate::commands::change::confirm;
use crate::commands::{Context, connect};
use crate::exit::ExitStatus;
use crate::failure::Outcome;
use crate::page::Page;
use crate::printer::Show;

/// What a farmer says about nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// They are the farm's.
    Approved,
    /// They are not, and stay out.
    Blocked,
    /// They are gone.
    Deleted,
}

impl Decision {
    const fn verb(self) -> &'static str {
        match self {
            Self::Approved => "approve",
            Self::Blocked => "block",
            Self::Deleted => "delete",
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Blocked => "blocked",
            Self::Deleted => "deleted",
        }
    }

    async fn tell(self, client: &Client, node: &Decided, owner: &Signer) -> Result<(), Error> {
        let id = node.node_id;
        let state = match self {
            Self::Approved => NodeState::Approved,
            Self::Blocked => NodeState::Blocked,
            Self::Deleted => {
                let farm = node.farm_id.unwrap_or(0);
                return client.delete_node(farm, id, owner).await.map(drop);
            }
        };
        client
            .set_node_state(id, state, None, owner)
            .await
            .map(drop)
    }
}

/// What was decided about one node.
#[derive(Serialize)]
struct Decided {
    node_id: NodeId,
    farm_id: Option<u64>,
    state: Decision,
    done: bool,
    error: Option<String>,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Decisions(Vec<Decided>);

impl Show for Decisions {
    fn show(&self, page: &mut Page) {
        for decided in &self.0 {
            let text = match (&decided.error, decided.done) {
                (Some(error), _) => format!("failed: {error}"),
                (None, true) => decided.state.done().to_owned(),
                (None, false) => format!("would be {}", decided.state.done()),
            };
            page.field(&decided.node_id.to_string(), text);
        }
    }
}

/// Tells the directory, after asking if nobody said yes.
pub async fn decide(
    context: &Context<'_>,
    args: NodeDecideArgs,
    state: Decision,
) -> Outcome<ExitStatus> {
    let ids: Vec<NodeId> = args
        .node_ids
        .iter()
        .map(|text| node_id(text))
        .collect::<Outcome<_>>()?;
    let settings = context.settings(&args.connection)?;
    let (client, signer) = connect::writing(&settings).await?;
    // Asked for first: the question then names the farm, and a wrong id changes nothing.
    let mut decisions = Vec::new();
    for id in ids {
        let node = client.node(id, false, Some(&signer)).await?.value;
        let farm_id = Some(node.farm_id);
        decisions.push(Decided {
            node_id: id,
            farm_id,
            state,
            done: false,
            error: None,
        });
    }
    if args.change.dry_run {
        context.printer.data(&Decisions(decisions))?;
        return Ok(ExitStatus::Ok);
    }
    if !args.change.yes {
        let lines = decisions.iter().map(|decided| {
            let farm = decided
                .farm_id
                .map_or(String::new(), |id| format!(" of farm {id}"));
            format!("{} node {}{farm}\n", state.verb(), decided.node_id)
        });
        confirm(context, state.verb(), &lines.collect::<String>())?;
    }
    let total = decisions.len();
    let mut failures = 0;
    for decided in &mut decisions {
        match state.tell(&client, decided, &signer).await {
            Ok(()) => decided.done = true,
            // With one node its error is the command's.
            Err(error) if total == 1 => return Err(error.into()),
            Err(error) => {
                failures += 1;
                decided.error = Some(error.to_string());
            }
        }
    }
    context.printer.data(&Decisions(decisions))?;
    Ok(match failures {
        0 => ExitStatus::Ok,
        n if n == total => ExitStatus::Failed,
        _ => ExitStatus::Partial,
    })
}
