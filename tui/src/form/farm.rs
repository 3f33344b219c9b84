//! The form in which a farm is edited. What it says becomes a wish, as `farmer farm update` makes one;
//! fields that were not touched are no part of it.

use directory::desired::{
    DesiredFarm, DesiredLocation, NO_WALLET, Prices, PublicAddress, Step, Wallet, of_farm,
};
use directory::wire::{Farm, is_valid_email, is_valid_farm_name};

use super::{Field, Form, Purpose};

/// In a field for wallets: none at all.
const NONE: &str = "none";

/// The form of a farm.
pub(crate) fn form(farm: &Farm) -> Form {
    let place = &farm.location;
    let fields = vec![
        Field::new(
            "name",
            "3 to 40 letters, digits, - or _",
            farm.name.raw(),
            name,
        ),
        Field::new(
            "e-mail",
            "where the grid can reach you",
            farm.email.raw(),
            email,
        ),
        Field::new(
            "wallets",
            "TFT:ADDRESS, with commas between; or none",
            &wallets_text(farm),
            |text| wallets(text).map(drop),
        ),
        Field::new(
            "country",
            "two letters, such as BE",
            place.country.raw(),
            country,
        ),
        Field::new("city", "", place.city.raw(), |_| Ok(())),
        Field::new("continent", "", place.continent.raw(), |_| Ok(())),
        Field::new(
            "latitude",
            "degrees north, -90 to 90",
            &place.latitude.to_string(),
            |text| degrees(text, 90.0),
        ),
        Field::new(
            "longitude",
            "degrees east, -180 to 180",
            &place.longitude.to_string(),
            |text| degrees(text, 180.0),
        ),
        Field::new(
            "addresses",
            "each ADDRESS/BITS gw GATEWAY, with commas between",
            &addresses_text(farm),
            |text| addresses(text).map(drop),
        ),
        Field::new(
            "prices",
            "empty: the grid's; else USD:cru=1,mru=0.5,sru=0.02,hru=0.01",
            &prices_text(farm),
            |text| prices(text).map(drop),
        ),
        Field::new(
            "unit prices",
            "empty: the grid's; else USD:cu=8,su=6,nu=0,ipv4u=5",
            &custom_prices_text(farm),
            |text| custom_prices(text).map(drop),
        ),
    ];
    Form::new(
        "edit the farm",
        Purpose::Farm(Box::new(farm.clone())),
        fields,
    )
}

/// What the form wishes of the farm, and what takes that back.
pub(crate) fn wish(form: &Form, farm: &Farm) -> Result<(DesiredFarm, DesiredFarm), String> {
    form.check()?;
    let text = |label| form.changed(label).map(str::to_owned);
    let number = |label| form.changed(label).and_then(|text| text.parse().ok());
    let mut wish = DesiredFarm {
        id: Some(farm.id),
        name: text("name"),
        email: text("e-mail"),
        location: Some(DesiredLocation {
            country: text("country"),
            city: text("city"),
            continent: text("continent"),
            latitude: number("latitude"),
            longitude: number("longitude"),
        })
        .filter(|place| *place != DesiredLocation::default()),
        wallets: form.changed("wallets").map(wallets).transpose()?,
        prices: form.changed("prices").map(prices).transpose()?,
        ip_addresses: form.changed("addresses").map(addresses).transpose()?,
        ..DesiredFarm::default()
    };
    if let Some(text) = form.changed("unit prices") {
        wish.custom_prices = custom_prices(text)?;
        wish.custom_pricing = Some(wish.custom_prices.is_some());
    }
    if ["country", "city", "continent"]
        .into_iter()
        .all(|label| form.value(label).is_empty())
    {
        return Err(
            "the farm needs a place: nodes without one of their own take it over".to_owned(),
        );
    }
    if let Some(kept) = &wish.ip_addresses {
        let is_kept = |ip: &&directory::wire::FarmPublicIp| {
            kept.iter().any(|one| Some(one.address) == ip.address)
        };
        let mut held = farm.ipaddresses.iter().filter(|ip| ip.reservation_id != 0);
        if let Some(gone) = held.find(|ip| !is_kept(ip)) {
            let address = gone.address.map(|a| a.to_string()).unwrap_or_default();
            return Err(format!(
                "addresses: {address} is held by reservation {} and has to stay",
                gone.reservation_id
            ));
        }
    }
    Ok((wish.clone(), back(&wish, farm)))
}

/// The wish for what `wish` changes as it is now.
fn back(wish: &DesiredFarm, farm: &Farm) -> DesiredFarm {
    let now = of_farm(farm, &[]);
    DesiredFarm {
        id: wish.id,
        name: wish.name.as_ref().and(now.name),
        email: wish.email.as_ref().and(now.email),
        location: wish.location.as_ref().and(now.location),
        wallets: wish.wallets.as_ref().and(now.wallets),
        prices: wish.prices.as_ref().and(now.prices),
        custom_pricing: wish.custom_pricing.and(now.custom_pricing),
        custom_prices: wish.custom_pricing.and(now.custom_prices),
        ip_addresses: wish.ip_addresses.as_ref().and(now.ip_addresses),
        ..DesiredFarm::default()
    }
}

/// What a wish would change, a line each.
pub(crate) fn differences(farm: &Farm, wish: &DesiredFarm) -> Vec<String> {
    Step::of_farm(farm, wish)
        .iter()
        .flat_map(|step| &step.changes)
        .map(|change| {
            let text = |value: &Option<hw_probe::text::Untrusted>| {
                value
                    .as_ref()
                    .map_or("(nothing)".to_owned(), ToString::to_string)
            };
            let field = change.field.trim_start_matches("location.");
            format!("{field}: {} -> {}", text(&change.from), text(&change.to))
        })
        .collect()
}

fn name(text: &str) -> Result<(), String> {
    is_valid_farm_name(text)
        .then_some(())
        .ok_or_else(|| "3 to 40 letters, digits, - or _".to_owned())
}

fn email(text: &str) -> Result<(), String> {
    is_valid_email(text)
        .then_some(())
        .ok_or_else(|| "no e-mail address".to_owned())
}

fn country(text: &str) -> Result<(), String> {
    let is_code = text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
    (is_code || text.is_empty())
        .then_some(())
        .ok_or_else(|| "two capital letters, such as BE".to_owned())
}

fn degrees(text: &str, limit: f64) -> Result<(), String> {
    let degrees: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    (degrees.abs() <= limit)
        .then_some(())
        .ok_or_else(|| format!("between -{limit} and {limit}"))
}

/// The parts of a list, and what each means.
fn list<T: std::str::FromStr<Err = String>>(
    text: &str,
    separator: impl Fn(char) -> bool,
) -> Result<Vec<T>, String> {
    text.split(separator)
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::parse)
        .collect()
}

fn wallets(text: &str) -> Result<Vec<Wallet>, String> {
    if text == NONE {
        return Ok(Vec::new());
    }
    let wallets = list(text, |c| c == ',')?;
    if wallets.is_empty() {
        return Err("at least one, or the word none: no reward can be paid then".to_owned());
    }
    Ok(wallets)
}

fn wallets_text(farm: &Farm) -> String {
    let real: Vec<String> = farm
        .wallet_addresses
        .iter()
        .filter(|wallet| wallet.address != NO_WALLET)
        .map(|wallet| format!("{}:{}", wallet.asset.raw(), wallet.address.raw()))
        .collect();
    match real.is_empty() {
        true => NONE.to_owned(),
        false => real.join(", "),
    }
}

fn addresses(text: &str) -> Result<Vec<PublicAddress>, String> {
    let addresses: Vec<PublicAddress> = list(text, |c| c == ',')?;
    for (index, one) in addresses.iter().enumerate() {
        one.check()?;
        one.on_the_wire()
            .check()
            .map_err(|why| format!("{}: {why}", one.address))?;
        if addresses
            .iter()
            .take(index)
            .any(|other| other.address == one.address)
        {
            return Err(format!("{} is there twice", one.address));
        }
    }
    Ok(addresses)
}

fn addresses_text(farm: &Farm) -> String {
    let known = of_farm(farm, &[]).ip_addresses.unwrap_or_default();
    join(&known, ", ")
}

fn prices(text: &str) -> Result<Vec<Prices>, String> {
    list(text, char::is_whitespace)
}

fn prices_text(farm: &Farm) -> String {
    join(&of_farm(farm, &[]).prices.unwrap_or_default(), " ")
}

fn custom_prices(text: &str) -> Result<Option<directory::desired::CustomPrices>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some)
}

fn custom_prices_text(farm: &Farm) -> String {
    of_farm(farm, &[])
        .custom_prices
        .map_or(String::new(), |prices| prices.to_string())
}

fn join<T: ToString>(parts: &[T], between: &str) -> String {
    let parts: Vec<String> = parts.iter().map(T::to_string).collect();
    parts.join(between)
}

#[cfg(test)]
mod tests {
    use directory::wire::{FarmPublicIp, Location, WalletAddress};

    use super::*;
    use crate::input::Input;

    fn farm() -> Farm {
        Farm {
            id: 1,
            name: "ghent-1".into(),
            email: "f@example.org".into(),
            wallet_addresses: vec![WalletAddress {
                asset: "TFT".into(),
                address: "GABC".into(),
            }],
            location: Location {
                country: "BE".into(),
                ..Location::default()
            },
            ipaddresses: vec![FarmPublicIp {
                address: "192.0.2.10/24".parse().ok(),
                gateway: "192.0.2.1".parse().ok(),
                reservation_id: 3,
            }],
            ..Farm::default()
        }
    }

    fn filled(label: &str, text: &str) -> Form {
        let mut form = form(&farm());
        let field = form.fields.iter_mut().find(|field| field.label == label);
        field.unwrap().input = Input::new(text);
        form
    }

    #[test]
    fn an_untouched_form_changes_nothing() {
        let (wish, _) = wish(&form(&farm()), &farm()).unwrap();
        assert!(differences(&farm(), &wish).is_empty());
        // Neither does what an older program let in.
        let mut odd = farm();
        odd.location.country = "Belgium".into();
        odd.wallet_addresses[0].address = "with blanks".into();
        let (wish, _) = super::wish(&form(&odd), &odd).unwrap();
        assert!(differences(&odd, &wish).is_empty());
    }

    #[test]
    fn wrong_fields_are_named() {
        for (label, text, why) in [
            ("name", "no spaces", "name: 3 to 40"),
            ("e-mail", "nobody", "e-mail: no e-mail"),
            ("wallets", "GABC", "is no wallet"),
            ("wallets", " ", "at least one"),
            ("country", "Belgium", "two capital letters"),
            ("country", "", "needs a place"),
            ("latitude", "91", "between -90 and 90"),
            ("longitude", "east", "not a number"),
            ("addresses", "192.0.2.10/24", "gw GATEWAY"),
            (
                "addresses",
                "192.0.2.11/24 gw 198.51.100.1",
                "not in the network",
            ),
            ("addresses", "", "held by reservation 3"),
            ("prices", "USD:gold=1", "none of cru"),
            ("unit prices", "XYZ:cu=1", "none of EUR"),
        ] {
            let error = wish(&filled(label, text), &farm()).unwrap_err();
            assert!(error.contains(why), "{label} {text:?}: {error}");
        }
    }

    #[test]
    fn differences_are_told_and_can_be_taken_back() {
        for (label, text, told) in [
            ("city", "Ghent", "city: (nothing) -> Ghent"),
            ("wallets", "none", "wallets: TFT:GABC -> (nothing)"),
            (
                "prices",
                "USD:cru=1,mru=0.5",
                "prices: (nothing) -> USD cru=1 mru=0.5 sru=0 hru=0 nru=0",
            ),
            (
                "addresses",
                "192.0.2.10/24 gw 192.0.2.1, 192.0.2.11/24 gw 192.0.2.1",
                "ip_addresses: (nothing) -> 192.0.2.11/24 gateway 192.0.2.1",
            ),
        ] {
            let (wish, back) = wish(&filled(label, text), &farm()).unwrap();
            assert_eq!(differences(&farm(), &wish), [told]);
            assert!(differences(&farm(), &back).is_empty(), "{label}: {back:?}");
            assert_ne!(
                back,
                DesiredFarm {
                    id: Some(1),
                    ..DesiredFarm::default()
                }
            );
        }
    }
}
