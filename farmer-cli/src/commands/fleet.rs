//! `farmer apply`, `farmer export`

use std::io::Read as _;
use std::path::Path;

use directory::client::{FarmFilter, NodeFilter};
use directory::desired::{DesiredFarms, Invalid, PlanError, of_farm};
use directory::sign::Signer;

use super::change::carry_out;
use super::{Context, connect, farm};
use crate::args::{ApplyArgs, ExportArgs};
use crate::exit::ExitStatus;
use crate::failure::{Classify, Doing as _, Failure, Outcome};

/// Longest file read: some ten thousand nodes.
const MAX_FILE_BYTES: u64 = 16 << 20;

impl Classify for Invalid {
    fn status(&self) -> ExitStatus {
        ExitStatus::Usage
    }
}

impl Classify for PlanError {
    fn status(&self) -> ExitStatus {
        match self {
            Self::Invalid(_) => ExitStatus::Usage,
            Self::Client(error) => error.status(),
            Self::NotYours { .. } | Self::NoUser => ExitStatus::Unauthorised,
            Self::NodeElsewhere { .. } | Self::NodeMissing { .. } => ExitStatus::NotFound,
        }
    }

    fn advice(&self) -> Option<String> {
        match self {
            Self::Client(error) => error.advice(),
            Self::NotYours { .. } => Some(
                "use the identity that owns it; `farmer farm list --mine` shows yours".to_owned(),
            ),
            Self::NodeElsewhere { .. } => {
                Some("`farmer node move` tells how a node changes its farm".to_owned())
            }
            Self::NodeMissing { .. } => {
                Some("a node can be configured once it has registered".to_owned())
            }
            Self::Invalid(_) | Self::NoUser => None,
        }
    }
}

/// `farmer apply`
pub async fn apply(context: &Context<'_>, args: ApplyArgs) -> Outcome<ExitStatus> {
    let desired = read(&args.file)?;
    desired.check()?;
    let settings = context.settings(&args.connection)?;
    let client = connect::anonymous(&settings)?;
    // The first farm of a new farmer may come from a file too; only then an identity is made.
    let owner = match connect::known_owner(&settings, &client).await? {
        Some(owner) => owner,
        None if args.change.dry_run || !args.change.yes => {
            return Err(Failure::new(
                ExitStatus::Unauthorised,
                "there is no identity that this directory knows",
            )
            .with_hint("add `--yes` to register yours, which is made if there is none"));
        }
        None => {
            let owner = connect::owner(&settings, &client, "").await?;
            if owner.is_new {
                let file = settings.identity().display().to_string();
                farm::announce_identity(context, &file);
            }
            owner.signer
        }
    };
    let plan = directory::desired::plan(&desired, &client, &owner).await?;
    carry_out(context, plan.steps, &client, &owner, &args.change).await
}

fn read(path: &Path) -> Outcome<DesiredFarms> {
    let mut text = String::new();
    // One byte more than allowed: half a file would be half of the farmer's wishes.
    let limit = MAX_FILE_BYTES + 1;
    let (result, name) = if path == Path::new("-") {
        let input = std::io::stdin().take(limit).read_to_string(&mut text);
        (input, "standard input".to_owned())
    } else {
        let file =
            std::fs::File::open(path).map_err(|error| Failure::io("opening", path, error))?;
        let input = file.take(limit).read_to_string(&mut text);
        (input, path.display().to_string())
    };
    result.map_err(|error| Failure::io("reading", Path::new(&name), error))?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(Failure::new(
            ExitStatus::Usage,
            format!("{name} is longer than {} MiB", MAX_FILE_BYTES >> 20),
        )
        .with_hint("keep some farms in a file of their own"));
    }
    serde_saphyr::from_str(&text)
        .map_err(|error| Failure::new(ExitStatus::Usage, error.to_string().trim_end().to_owned()))
        .doing(format!("reading {name}"))
        .map_err(|failure: Failure| {
            failure.with_hint("`farmer export` writes such a file; `farmer apply --help` shows one")
        })
}

/// `farmer export`
pub async fn export(context: &Context<'_>, args: ExportArgs) -> Outcome<ExitStatus> {
    let settings = context.settings(&args.connection)?;
    let (client, owner) = connect::writing(&settings).await?;
    let Signer::User { id: you, .. } = owner else {
        return Err(PlanError::NoUser.into());
    };
    let mine = if args.farms.is_empty() {
        let filter = FarmFilter {
            owner: Some(you),
            ..FarmFilter::default()
        };
        client.all_farms(&filter, Some(&owner)).await?
    } else {
        let mut farms = Vec::new();
        for id in args.farms {
            farms.push(client.farm(id.into(), Some(&owner)).await?.value);
        }
        farms
    };
    let mut farms = Vec::new();
    for farm in mine {
        if farm.threebot_id != you {
            return Err(PlanError::NotYours {
                farm: format!("farm {}", farm.id),
                owner: farm.threebot_id,
                you,
            }
            .into());
        }
        let nodes = client
            .all_nodes(&NodeFilter::of_farm(farm.id), Some(&owner))
            .await?;
        farms.push(of_farm(&farm, &nodes));
    }
    context.printer.document(&DesiredFarms { farms })?;
    Ok(ExitStatus::Ok)
}
