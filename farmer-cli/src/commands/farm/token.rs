//! `farmer farm token`

use ::tui::node::duration_text;
use directory::clock::{Clock as _, SystemClock, UnixTime};
use directory::identity::NodeId;
use directory::wire::{EnrolmentTokenInfo, NewEnrolmentToken};
use serde::Serialize;

use crate::args::{FarmTokenListArgs, FarmTokenNewArgs, FarmTokenRevokeArgs};
use crate::commands::change::confirm;
use crate::commands::node::node_id;
use crate::commands::{Context, connect};
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::page::{Align, Page};
use crate::printer::Show;

/// A token that was just made.
#[derive(Serialize)]
struct Created {
    farm_id: u64,
    id: u64,
    token: String,
    node_id: Option<NodeId>,
    uses: u32,
    /// Unix seconds.
    expires: i64,
    lifetime_seconds: u64,
}

impl Show for Created {
    fn show(&self, page: &mut Page) {
        let lifetime = i64::try_from(self.lifetime_seconds).unwrap_or(i64::MAX);
        page.field("token", &self.token)
            .field("number", self.id)
            .field("farm", self.farm_id)
            .field("uses", self.uses)
            .field("good for", duration_text(lifetime));
        if let Some(node) = self.node_id {
            page.field("only for", node);
        }
    }
}

/// `farmer farm token new`
pub async fn new(context: &Context<'_>, args: FarmTokenNewArgs) -> Outcome<ExitStatus> {
    let node_id = args.node.as_deref().map(node_id).transpose()?;
    let farm_id = u64::from(args.id);
    let settings = context.settings(&args.connection)?;
    let (client, owner) = connect::writing(&settings).await?;
    let wanted = NewEnrolmentToken {
        node_id,
        uses: Some(args.uses),
        lifetime_secs: Some(args.lifetime),
        note: args.note.map(Into::into),
    };
    let made = client
        .create_enrolment_token(farm_id, &wanted, &owner)
        .await?
        .value;
    context.printer.data(&Created {
        farm_id,
        id: made.id,
        token: made.token.expose().to_owned(),
        node_id,
        uses: args.uses,
        expires: made.expires.0,
        lifetime_seconds: args.lifetime,
    })?;
    context
        .printer
        .message("it is shown only now; `enrolment_token` in a node's settings carries it");
    Ok(ExitStatus::Ok)
}

/// A farm's tokens.
#[derive(Serialize)]
#[serde(transparent)]
struct Tokens(Vec<EnrolmentTokenInfo>);

impl Show for Tokens {
    fn show(&self, page: &mut Page) {
        let now = SystemClock.now();
        let rows: Vec<Vec<String>> = self
            .0
            .iter()
            .map(|token| {
                let left = UnixTime::from(token.expires).seconds_since(now);
                vec![
                    token.id.to_string(),
                    token.uses_left.to_string(),
                    match left {
                        ..=0 => "expired".to_owned(),
                        left => duration_text(left),
                    },
                    token
                        .node_id
                        .map_or("any".to_owned(), |node| node.to_string()),
                    token.note.to_string(),
                ]
            })
            .collect();
        page.table(
            &[
                ("ID", Align::Right),
                ("USES LEFT", Align::Right),
                ("GOOD FOR", Align::Right),
                ("NODE", Align::Left),
                ("NOTE", Align::Left),
            ],
            &rows,
        );
    }
}

/// `farmer farm token list`
pub async fn list(context: &Context<'_>, args: FarmTokenListArgs) -> Outcome<ExitStatus> {
    let settings = context.settings(&args.connection)?;
    let (client, owner) = connect::writing(&settings).await?;
    let tokens = client.enrolment_tokens(args.id.into(), &owner).await?.value;
    context.printer.data(&Tokens(tokens))?;
    Ok(ExitStatus::Ok)
}

/// Tokens that were, or would be, revoked.
#[derive(Serialize)]
struct Revoked {
    farm_id: u64,
    tokens: Vec<u64>,
    done: bool,
}

impl Show for Revoked {
    fn show(&self, page: &mut Page) {
        let verb = if self.done {
            "revoked"
        } else {
            "would be revoked"
        };
        for token in &self.tokens {
            page.field(&format!("token {token}"), verb);
        }
    }
}

/// `farmer farm token revoke`
pub async fn revoke(context: &Context<'_>, args: FarmTokenRevokeArgs) -> Outcome<ExitStatus> {
    let farm_id = u64::from(args.id);
    let settings = context.settings(&args.connection)?;
    let (client, owner) = connect::writing(&settings).await?;
    let known = client.enrolment_tokens(farm_id, &owner).await?.value;
    if let Some(unknown) = args
        .tokens
        .iter()
        .find(|id| !known.iter().any(|t| t.id == **id))
    {
        return Err(Failure::new(
            ExitStatus::NotFound,
            format!("farm {farm_id} has no token {unknown}"),
        )
        .with_hint(format!("`farmer farm token list {farm_id}` shows them")));
    }
    if !args.change.dry_run {
        if !args.change.yes {
            let what: Vec<String> = known
                .iter()
                .filter(|token| args.tokens.contains(&token.id))
                .map(|token| format!("revoke token {} {}\n", token.id, token.note))
                .collect();
            confirm(context, "revoke", &what.concat())?;
        }
        for token in &args.tokens {
            client
                .revoke_enrolment_token(farm_id, *token, &owner)
                .await?;
        }
    }
    context.printer.data(&Revoked {
        farm_id,
        tokens: args.tokens,
        done: !args.change.dry_run,
    })?;
    Ok(ExitStatus::Ok)
}
