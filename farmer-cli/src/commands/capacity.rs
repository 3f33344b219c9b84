//! `farmer capacity`

use ::tui::node::duration_text;
use directory::client::{CapacityFilter, Searched};
use directory::clock::{Clock as _, SystemClock, UnixTime};
use directory::wire::Offer;
use serde::Serialize;

use super::{Context, connect};
use crate::args::CapacityFindArgs;
use crate::exit::ExitStatus;
use crate::failure::Outcome;
use crate::page::{Align, Page};
use crate::printer::Show;

#[derive(Serialize)]
#[serde(transparent)]
struct Offers(Vec<Offer>);

impl Show for Offers {
    fn show(&self, page: &mut Page) {
        let now = SystemClock.now();
        let rows: Vec<Vec<String>> = self
            .0
            .iter()
            .map(|offer| {
                let age = now.seconds_since(UnixTime::from(offer.updated));
                let place = [&offer.city, &offer.country];
                let place: Vec<String> = place
                    .into_iter()
                    .filter(|part| !part.is_blank())
                    .map(ToString::to_string)
                    .collect();
                vec![
                    offer.node_id.to_string(),
                    offer.farm_id.to_string(),
                    offer.free.cru.to_string(),
                    offer.free.mru_bytes.to_string(),
                    offer.free.sru_bytes.to_string(),
                    offer.free.hru_bytes.to_string(),
                    if offer.free_to_use { "yes" } else { "no" }.to_owned(),
                    if offer.online {
                        "up".to_owned()
                    } else {
                        duration_text(age)
                    },
                    place.join(", "),
                ]
            })
            .collect();
        page.table(
            &[
                ("NODE", Align::Left),
                ("FARM", Align::Right),
                ("FREE CRU", Align::Right),
                ("MEMORY", Align::Right),
                ("SSD", Align::Right),
                ("HDD", Align::Right),
                ("FREE TO USE", Align::Left),
                ("SEEN", Align::Right),
                ("PLACE", Align::Left),
            ],
            &rows,
        );
    }
}

/// `farmer capacity find`
pub async fn find(context: &Context<'_>, args: CapacityFindArgs) -> Outcome<ExitStatus> {
    let settings = context.settings(&args.connection)?;
    let client = connect::anonymous(&settings)?;
    let filter = CapacityFilter {
        cru: args.cru,
        mru_bytes: args.mru.map(|bytes| bytes.0),
        sru_bytes: args.sru.map(|bytes| bytes.0),
        hru_bytes: args.hru.map(|bytes| bytes.0),
        country: args.country,
        city: args.city,
        farm_id: args.farm.map(u64::from),
        free_to_use: args.free_to_use,
        online: args.online,
    };
    let (offers, searched) = client
        .find_capacity(&filter, args.limit, SystemClock.now())
        .await?;
    if searched == Searched::Here {
        context.printer.warning(
            "this directory has no search for capacity: its nodes were asked for by what they have \
             in all, and searched here",
        );
    }
    if offers.is_empty() {
        context
            .printer
            .message("no approved node has that much free");
    }
    context.printer.data(&Offers(offers))?;
    Ok(ExitStatus::Ok)
}
