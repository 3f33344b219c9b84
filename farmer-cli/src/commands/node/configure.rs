//! `farmer node configure-public`, `free-to-use` and `move`

use std::time::Duration;

use directory::client::Client;
use directory::clock::{Clock as _, SystemClock};
use directory::desired::{DesiredNode, PublicConfig, Step};
use directory::identity::NodeId;
use directory::sign::Signer;
use serde::Serialize;

use super::{WAIT_INTERVAL, node_id};
use crate::args::{NodeConfigurePublicArgs, NodeFreeToUseArgs, NodeMoveArgs};
use crate::commands::change::carry_out;
use crate::commands::{Context, connect};
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::page::Page;
use crate::printer::Show;

/// `farmer node configure-public`
pub async fn configure_public(
    context: &Context<'_>,
    args: NodeConfigurePublicArgs,
) -> Outcome<ExitStatus> {
    let desired = DesiredNode {
        public_config: Some(PublicConfig {
            interface: args.interface,
            ipv4: args.ipv4,
            gw4: args.gw4,
            ipv6: args.ipv6,
            gw6: args.gw6,
        }),
        ..DesiredNode::new(node_id(&args.node_id)?)
    };
    desired
        .check()
        .map_err(|reason| Failure::new(ExitStatus::Usage, reason))?;
    let settings = context.settings(&args.connection)?;
    let (client, owner) = connect::writing(&settings).await?;
    let steps = steps(&client, &owner, [desired]).await?;
    carry_out(context, steps, &client, &owner, &args.change).await
}

/// `farmer node free-to-use`
pub async fn free_to_use(context: &Context<'_>, args: NodeFreeToUseArgs) -> Outcome<ExitStatus> {
    let mut desired = Vec::new();
    for text in &args.node_ids {
        desired.push(DesiredNode {
            free_to_use: Some(!args.off),
            ..DesiredNode::new(node_id(text)?)
        });
    }
    let settings = context.settings(&args.connection)?;
    let (client, owner) = connect::writing(&settings).await?;
    let steps = steps(&client, &owner, desired).await?;
    carry_out(context, steps, &client, &owner, &args.change).await
}

async fn steps(
    client: &Client,
    owner: &Signer,
    desired: impl IntoIterator<Item = DesiredNode>,
) -> Outcome<Vec<Step>> {
    let mut steps = Vec::new();
    for wished in desired {
        let current = client.node(wished.node_id, false, Some(owner)).await?.value;
        steps.extend(Step::of_node(&current, &wished));
    }
    Ok(steps)
}

/// A move that is prepared, or done.
#[derive(Serialize)]
struct Move {
    node_id: NodeId,
    from_farm: u64,
    to_farm: u64,
    /// Of the new farm, for this node only; `null` where the directory knows no tokens, the farm is
    /// another's, or the node is there already.
    token: Option<String>,
    /// What the node's `farm.toml` has to say.
    farm_toml: Option<String>,
    arrived: bool,
}

impl Show for Move {
    fn show(&self, page: &mut Page) {
        page.field("node", self.node_id)
            .field("from farm", self.from_farm)
            .field("to farm", self.to_farm);
        if self.arrived {
            page.field("state", "it is in the new farm");
        }
        if let Some(lines) = &self.farm_toml {
            page.heading("To change in farm.toml on the stick, or with `farmer image customize`")
                .text(lines);
        }
    }
}

/// `farmer node move`
pub async fn prepare_move(context: &Context<'_>, args: NodeMoveArgs) -> Outcome<ExitStatus> {
    let id = node_id(&args.node_id)?;
    let to = u64::from(args.to);
    let settings = context.settings(&args.connection)?;
    let (client, owner) = connect::writing(&settings).await?;
    let node = client.node(id, false, Some(&owner)).await?.value;
    let farm = client.farm(to, Some(&owner)).await?.value;
    let mut planned = Move {
        node_id: id,
        from_farm: node.farm_id,
        to_farm: to,
        token: None,
        farm_toml: None,
        arrived: node.farm_id == to,
    };
    if planned.arrived {
        context.printer.data(&planned)?;
        return Ok(ExitStatus::Ok);
    }
    let prepared = client
        .prepare_move(&node, &farm, args.lifetime, &owner)
        .await?;
    if !prepared.is_own {
        context.printer.warning(&format!(
            "farm {to} belongs to somebody else, who has to approve the node when it arrives"
        ));
    }
    planned.token = prepared.token;
    planned.farm_toml = Some(prepared.farm_toml);
    let Some(seconds) = args.wait else {
        context.printer.data(&planned)?;
        context
            .printer
            .message("the node moves when it boots with this and registers");
        return Ok(ExitStatus::Ok);
    };
    context.printer.event(&planned)?;
    wait(&client, &owner, &mut planned, Duration::from_secs(seconds)).await?;
    context.printer.event(&planned)?;
    Ok(ExitStatus::Ok)
}

async fn wait(
    client: &Client,
    owner: &Signer,
    planned: &mut Move,
    patience: Duration,
) -> Outcome<()> {
    let deadline = SystemClock.monotonic().saturating_add(patience);
    loop {
        match client.node(planned.node_id, false, Some(owner)).await {
            Ok(node) if node.value.farm_id == planned.to_farm => {
                planned.arrived = true;
                planned.farm_toml = None;
                return Ok(());
            }
            Ok(_) => {}
            Err(error) if error.is_retryable() => {}
            Err(error) => return Err(error.into()),
        }
        if SystemClock.monotonic() >= deadline {
            return Err(Failure::new(
                ExitStatus::Pending,
                format!(
                    "node {} has not registered in farm {} within {} s",
                    planned.node_id,
                    planned.to_farm,
                    patience.as_secs()
                ),
            )
            .with_hint("boot it with the new settings; its console says which farm it asks for"));
        }
        tokio::time::sleep(WAIT_INTERVAL).await;
    }
}
