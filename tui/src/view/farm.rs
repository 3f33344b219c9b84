//! The farm, or the farms of the directory.

use directory::desired::{Currency, NO_WALLET};
use directory::wire::Location;
use ratatui::text::Line;

use super::{field, section};
use crate::state::State;

pub(super) fn lines(state: &State, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    let Some(farm) = &state.farm else {
        return list(state, width);
    };
    let place = &farm.location;
    let mut lines = vec![
        section(theme, &format!("farm {}", farm.id), width),
        field(theme, "name", &farm.name.to_string(), width),
        field(theme, "owner", &format!("user {}", farm.threebot_id), width),
        field(
            theme,
            "e-mail",
            &match (farm.email.is_blank(), state.may_change()) {
                (false, _) => farm.email.to_string(),
                (true, Ok(())) => "none".to_owned(),
                (true, Err(_)) => "shown to the owner only".to_owned(),
            },
            width,
        ),
        field(theme, "place", &place_text(place), width),
    ];
    for wallet in &farm.wallet_addresses {
        let text = match wallet.address.raw() {
            NO_WALLET => "no wallet: no reward can be paid".to_owned(),
            _ => format!("{} to {}", wallet.asset, wallet.address),
        };
        let mut line = field(theme, "rewards", &text, width);
        if wallet.address == NO_WALLET
            && let Some(value) = line.spans.get_mut(1)
        {
            value.style = theme.caution();
        }
        lines.push(line);
    }
    match farm.verified {
        Some(true) => lines.push(field(theme, "signature", "the owner's, checked", width)),
        Some(false) => lines.push(field(
            theme,
            "signature",
            "none: this farm is somebody's word only",
            width,
        )),
        None => {}
    }
    lines.push(Line::styled(
        "certification is not told by this directory; rewards are counted as DIY",
        theme.dim(),
    ));
    lines.push(section(theme, "public addresses", width));
    if farm.ipaddresses.is_empty() {
        let text = "none; e adds some";
        lines.push(Line::styled(text, theme.dim()));
    }
    for ip in &farm.ipaddresses {
        let text = |value: Option<String>| value.unwrap_or_else(|| "?".to_owned());
        let state = match ip.reservation_id {
            0 => "free".to_owned(),
            id => format!("held by reservation {id}"),
        };
        let value = format!(
            "gateway {}, {state}",
            text(ip.gateway.map(|gateway| gateway.to_string()))
        );
        let address = text(ip.address.map(|address| address.to_string()));
        lines.push(field(theme, &address, &value, width));
    }
    lines.push(section(theme, "prices", width));
    if farm.resource_prices.is_empty() && !farm.enable_custom_pricing {
        lines.push(Line::styled("the grid's", theme.dim()));
    }
    for price in &farm.resource_prices {
        let value = format!(
            "thread {}, GiB of memory {}, SSD {}, HDD {}, traffic {}",
            price.cru, price.mru, price.sru, price.hru, price.nru
        );
        lines.push(field(theme, &currency(price.currency), &value, width));
    }
    if farm.enable_custom_pricing {
        let price = &farm.farm_cloudunits_price;
        let value = format!(
            "{} for a CU, {} SU, {} NU, {} a public address",
            price.cu, price.su, price.nu, price.ipv4u
        );
        let label = format!("{} units", currency(price.currency));
        lines.push(field(theme, &label, &value, width));
    }
    if let Err(why) = state.may_change() {
        lines.push(section(theme, "changes", width));
        lines.push(Line::styled(
            format!("cannot be made: {why}"),
            theme.caution(),
        ));
    }
    lines
}

fn currency(number: i64) -> String {
    Currency::from_number(number).map_or_else(|| "?".to_owned(), |c| c.to_string())
}

/// Continent, country, city, and degrees if anybody gave some.
fn place_text(place: &Location) -> String {
    let degrees = match (place.latitude, place.longitude) {
        (0.0, 0.0) => String::new(),
        (north, east) => format!("({north}, {east})"),
    };
    [
        place.continent.to_string(),
        place.country.to_string(),
        place.city.to_string(),
        degrees,
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect::<Vec<_>>()
    .join(" ")
}

fn list(state: &State, width: u16) -> Vec<Line<'static>> {
    let theme = state.settings.theme;
    if let (Some(id), true) = (state.settings.farm_id, state.health.last_ok.is_some()) {
        let text = format!("the directory knows no farm {id}");
        return vec![Line::styled(text, theme.caution())];
    }
    let mut lines = vec![section(theme, "farms of this directory", width)];
    for farm in &state.farms {
        let value = format!(
            "{}   {} {}",
            farm.name, farm.location.country, farm.location.city
        );
        lines.push(field(theme, &farm.id.to_string(), &value, width));
    }
    lines.push(Line::styled(
        "`farmer tui --farm ID` shows one of them, and edits it if it is yours",
        theme.dim(),
    ));
    lines
}
