//! `farmer farm update`, `farmer farm ip`

use std::net::IpAddr;

use directory::desired::{DesiredFarm, DesiredFarms, DesiredLocation, PublicAddress, Step};
use directory::wire::{Cidr, FarmPublicIp};
use serde::Serialize;

use crate::args::{FarmIpAddArgs, FarmIpListArgs, FarmIpRemoveArgs, FarmUpdateArgs};
use crate::commands::change::carry_out;
use crate::commands::{Context, connect};
use crate::exit::ExitStatus;
use crate::failure::{Failure, Outcome};
use crate::page::{Align, Page};
use crate::printer::Show;

/// `farmer farm update`
pub async fn update(context: &Context<'_>, args: FarmUpdateArgs) -> Outcome<ExitStatus> {
    let settings = context.settings(&args.connection)?;
    let custom_pricing = match (args.custom_prices.is_some(), args.no_custom_prices) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    let desired = DesiredFarm {
        id: Some(args.id.into()),
        name: args.name,
        email: args.email,
        iyo_organization: args.iyo_organization,
        location: Some(DesiredLocation {
            country: args.country,
            city: args.city,
            continent: args.continent,
            latitude: args.latitude,
            longitude: args.longitude,
        }),
        wallets: (args.no_wallet || !args.wallets.is_empty()).then_some(args.wallets),
        prices: (args.no_prices || !args.prices.is_empty()).then_some(args.prices),
        custom_pricing,
        custom_prices: args.custom_prices,
        ..DesiredFarm::default()
    };
    let desired = DesiredFarms {
        farms: vec![desired],
    };
    // A wish that cannot be is refused before anybody is asked.
    desired.check()?;
    let (client, owner) = connect::writing(&settings).await?;
    let plan = directory::desired::plan(&desired, &client, &owner).await?;
    carry_out(context, plan.steps, &client, &owner, &args.change).await
}

/// A farm's public addresses.
#[derive(Serialize)]
#[serde(transparent)]
struct Addresses(Vec<FarmPublicIp>);

impl Show for Addresses {
    fn show(&self, page: &mut Page) {
        let text = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
        let rows: Vec<Vec<String>> = self
            .0
            .iter()
            .map(|ip| {
                vec![
                    text(ip.address.map(|address| address.to_string())),
                    text(ip.gateway.map(|gateway| gateway.to_string())),
                    match ip.reservation_id {
                        0 => "free".to_owned(),
                        id => format!("reservation {id}"),
                    },
                ]
            })
            .collect();
        let columns = [
            ("ADDRESS", Align::Left),
            ("GATEWAY", Align::Left),
            ("USE", Align::Left),
        ];
        page.table(&columns, &rows);
    }
}

/// `farmer farm ip list`
pub async fn list_addresses(context: &Context<'_>, args: FarmIpListArgs) -> Outcome<ExitStatus> {
    let settings = context.settings(&args.connection)?;
    let client = connect::anonymous(&settings)?;
    let farm = client.farm(args.id.into(), None).await?.value;
    context.printer.data(&Addresses(farm.ipaddresses))?;
    Ok(ExitStatus::Ok)
}

/// `farmer farm ip add`
pub async fn add_addresses(context: &Context<'_>, args: FarmIpAddArgs) -> Outcome<ExitStatus> {
    let id = u64::from(args.id);
    let settings = context.settings(&args.connection)?;
    let wanted: Vec<PublicAddress> = args
        .addresses
        .iter()
        .map(|address| PublicAddress {
            address: *address,
            gateway: args.gateway,
        })
        .collect();
    for address in &wanted {
        address
            .check()
            .map_err(|reason| Failure::new(ExitStatus::Usage, reason))?;
    }
    let (client, owner) = connect::writing(&settings).await?;
    let farm = client.farm(id, Some(&owner)).await?.value;
    let has = |address: &Cidr| {
        farm.ipaddresses
            .iter()
            .any(|ip| ip.address == Some(*address))
    };
    if let Some(there) = args.addresses.iter().find(|address| has(address)) {
        return Err(Failure::new(
            ExitStatus::Failed,
            format!("farm {id} has the address {there} already"),
        )
        .with_hint(format!("`farmer farm ip list {id}` shows them")));
    }
    let steps = Step::add_addresses(id, &wanted);
    carry_out(
        context,
        steps.into_iter().collect(),
        &client,
        &owner,
        &args.change,
    )
    .await
}

/// `farmer farm ip remove`
pub async fn remove_addresses(
    context: &Context<'_>,
    args: FarmIpRemoveArgs,
) -> Outcome<ExitStatus> {
    let id = u64::from(args.id);
    let settings = context.settings(&args.connection)?;
    let (client, owner) = connect::writing(&settings).await?;
    let farm = client.farm(id, Some(&owner)).await?.value;
    let mut gone = Vec::new();
    for text in &args.addresses {
        let with_network = text.parse::<Cidr>().ok();
        let alone = text.parse::<IpAddr>().ok();
        let is_meant = |ip: &&FarmPublicIp| {
            ip.address
                .is_some_and(|address| with_network == Some(address) || alone == Some(address.addr))
        };
        let found = farm.ipaddresses.iter().find(is_meant).ok_or_else(|| {
            Failure::new(
                ExitStatus::NotFound,
                format!("farm {id} has no address {text}"),
            )
            .with_hint(format!("`farmer farm ip list {id}` shows them"))
        })?;
        if !gone.contains(&found) {
            gone.push(found);
        }
    }
    let steps = Step::remove_addresses(id, gone);
    carry_out(
        context,
        steps.into_iter().collect(),
        &client,
        &owner,
        &args.change,
    )
    .await
}
