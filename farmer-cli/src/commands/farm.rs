//! `farmer farm`

pub mod token;
pub mod update;

use ::tui::node::{Liveness, capacity, decision};
use directory::client::{FarmFilter, NodeFilter};
use directory::clock::{Clock as _, SystemClock};
use directory::desired::{DesiredFarm, DesiredLocation, NO_WALLET};
use directory::wire::{Farm, NodeState, is_valid_farm_name};
use hw_probe::capacity::Capacity;
use serde::Serialize;

use super::{Context, connect};
use crate::args::{FarmCreateArgs, FarmListArgs, FarmShowArgs};
use crate::exit::ExitStatus;
use crate::failure::{Doing as _, Failure, Outcome};
use crate::page::{Align, Page};
use crate::printer::Show;

/// A farm that was just created.
#[derive(Serialize)]
struct Created {
    #[serde(flatten)]
    farm: Farm,
    identity_file: String,
    identity_is_new: bool,
    directory: String,
}

impl Show for Created {
    fn show(&self, page: &mut Page) {
        page.field("farm", self.farm.id)
            .field("name", &self.farm.name)
            .field("owner", self.farm.threebot_id)
            .field("directory", &self.directory)
            .field("identity", &self.identity_file);
    }
}

/// `farmer farm create`
pub async fn create(context: &Context<'_>, args: FarmCreateArgs) -> Outcome<ExitStatus> {
    if !is_valid_farm_name(&args.name) {
        return Err(Failure::new(
            ExitStatus::Usage,
            format!("{:?} cannot be a farm's name", args.name),
        )
        .with_hint("3 to 40 letters, digits, `-` and `_`"));
    }
    if !directory::wire::is_valid_email(&args.email) {
        return Err(Failure::new(
            ExitStatus::Usage,
            format!("{:?} is no e-mail address", args.email),
        ));
    }
    let settings = context.settings(&args.connection)?;
    let client = connect::anonymous(&settings)?;
    // Before an identity is made: a taken name, or a directory that does not answer, leaves nothing.
    let filter = FarmFilter {
        name: Some(args.name.clone()),
        owner: None,
    };
    if let Some(taken) = client.all_farms(&filter, None).await?.first() {
        return Err(name_taken(&args.name, Some(taken.id)));
    }
    let owner = connect::owner(&settings, &client, &args.email).await?;
    let identity_file = settings.identity().display().to_string();
    if owner.is_new {
        announce_identity(context, &identity_file);
    }
    if args.wallets.is_empty() {
        context.printer.warning(
            "no wallet is given, so no reward can be paid; `--wallet ASSET:ADDRESS` names one",
        );
    }
    let desired = DesiredFarm {
        name: Some(args.name.clone()),
        email: Some(args.email),
        wallets: Some(args.wallets),
        location: Some(DesiredLocation {
            country: Some(args.country),
            city: Some(args.city),
            ..DesiredLocation::default()
        }),
        ..DesiredFarm::default()
    };
    let created = client
        .create_farm(&desired.new_farm(owner.id), &owner.signer)
        .await;
    let id = match created {
        Ok(answer) => answer.value,
        // Somebody was faster.
        Err(directory::client::Error::Status { status: 409, .. }) => {
            return Err(name_taken(&args.name, None));
        }
        Err(error) => return Err(Failure::from(error).context("creating the farm")),
    };
    let farm = client
        .farm(id, Some(&owner.signer))
        .await
        .doing("reading the new farm")?
        .value;
    context.printer.data(&Created {
        farm,
        identity_file,
        identity_is_new: owner.is_new,
        directory: client.base_url().to_owned(),
    })?;
    Ok(ExitStatus::Ok)
}

/// Tells that an identity was made on the way, and what that means.
pub fn announce_identity(context: &Context<'_>, file: &str) {
    context.printer.warning(&format!(
        "a new identity was made: {file}\n         it is the only key to your farm. Keep a copy in \
         a safe place:\n         `farmer identity export --out FILE` seals one by a passphrase"
    ));
}

fn name_taken(name: &str, id: Option<u64>) -> Failure {
    let which = id.map_or(String::new(), |id| format!(" (farm {id})"));
    Failure::new(
        ExitStatus::Failed,
        format!("the name {name} is taken{which}"),
    )
    .with_hint("choose another name; if the farm is yours, `farmer farm list --mine` shows it")
}

/// A list of farms.
#[derive(Serialize)]
#[serde(transparent)]
struct Farms(Vec<Farm>);

impl Show for Farms {
    fn show(&self, page: &mut Page) {
        let rows: Vec<Vec<String>> = self.0.iter().map(row).collect();
        page.table(
            &[
                ("ID", Align::Right),
                ("NAME", Align::Left),
                ("OWNER", Align::Right),
                ("COUNTRY", Align::Left),
                ("CITY", Align::Left),
            ],
            &rows,
        );
    }
}

fn row(farm: &Farm) -> Vec<String> {
    vec![
        farm.id.to_string(),
        farm.name.to_string(),
        farm.threebot_id.to_string(),
        farm.location.country.to_string(),
        farm.location.city.to_string(),
    ]
}

/// `farmer farm list`
pub async fn list(context: &Context<'_>, args: FarmListArgs) -> Outcome<ExitStatus> {
    let settings = context.settings(&args.connection)?;
    let (client, signer) = if args.mine {
        let (client, signer) = connect::writing(&settings).await?;
        (client, Some(signer))
    } else {
        (connect::anonymous(&settings)?, None)
    };
    let owner = match &signer {
        Some(directory::sign::Signer::User { id, .. }) => Some(*id),
        _ => None,
    };
    let filter = FarmFilter {
        name: args.name,
        owner,
    };
    let farms = client.all_farms(&filter, signer.as_ref()).await?;
    if farms.is_empty() {
        context
            .printer
            .message("no farms; `farmer farm create NAME --country CODE` makes one");
    }
    context.printer.data(&Farms(farms))?;
    Ok(ExitStatus::Ok)
}

/// A farm with its nodes' totals.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    farm: Farm,
    nodes: Counts,
    /// Of the approved nodes.
    total_capacity: Capacity,
}

#[derive(Default, Serialize)]
struct Counts {
    total: usize,
    up: usize,
    pending: usize,
    blocked: usize,
}

impl Show for Shown {
    fn show(&self, page: &mut Page) {
        let farm = &self.farm;
        page.field("farm", farm.id)
            .field("name", &farm.name)
            .field("owner", farm.threebot_id)
            .field("country", &farm.location.country)
            .field("city", &farm.location.city);
        if !farm.email.is_blank() {
            page.field("e-mail", &farm.email);
        }
        for wallet in &farm.wallet_addresses {
            let text = match wallet.address.raw() {
                NO_WALLET => "none: no reward can be paid".to_owned(),
                _ => format!("{} {}", wallet.asset, wallet.address),
            };
            page.field("wallet", text);
        }
        if !farm.ipaddresses.is_empty() {
            let used = farm.ipaddresses.iter().filter(|ip| ip.reservation_id != 0);
            let text = format!("{} ({} in use)", farm.ipaddresses.len(), used.count());
            page.field("public IPs", text);
        }
        let counts = &self.nodes;
        let total = &self.total_capacity;
        page.field(
            "nodes",
            format!(
                "{} ({} up, {} pending, {} blocked)",
                counts.total, counts.up, counts.pending, counts.blocked
            ),
        )
        .field(
            "capacity",
            format!(
                "{} threads, {} memory, {} SSD, {} HDD in approved nodes",
                total.cru, total.mru_bytes, total.sru_bytes, total.hru_bytes
            ),
        );
    }
}

/// `farmer farm show`
pub async fn show(context: &Context<'_>, args: FarmShowArgs) -> Outcome<ExitStatus> {
    let settings = context.settings(&args.connection)?;
    let connection = connect::reading(&settings).await?;
    let (client, signer) = (&connection.client, connection.signer.as_ref());
    let id = u64::from(args.id);
    let farm = client.farm(id, signer).await?.value;
    let nodes = client.all_nodes(&NodeFilter::of_farm(id), signer).await?;
    let now = SystemClock.now();
    let mut counts = Counts {
        total: nodes.len(),
        ..Counts::default()
    };
    let mut total = Capacity::default();
    for node in &nodes {
        counts.up += usize::from(Liveness::of(node, now) == Liveness::Up);
        match decision(node) {
            NodeState::Pending => counts.pending += 1,
            NodeState::Blocked => counts.blocked += 1,
            NodeState::Approved => {
                let capacity = capacity(node);
                total.cru = total.cru.saturating_add(capacity.cru);
                total.mru_bytes += capacity.mru_bytes;
                total.sru_bytes += capacity.sru_bytes;
                total.hru_bytes += capacity.hru_bytes;
            }
        }
    }
    context.printer.data(&Shown {
        farm,
        nodes: counts,
        total_capacity: total,
    })?;
    Ok(ExitStatus::Ok)
}
