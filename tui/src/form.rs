//! The form in which a farm is edited.

use directory::wire::{Farm, Location, WalletAddress, is_valid_email, is_valid_farm_name};

use crate::input::Input;

/// A field of a form.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub label: &'static str,
    pub hint: &'static str,
    pub input: Input,
    check: fn(&str) -> Result<(), String>,
}

impl Field {
    /// What is wrong with it.
    pub fn error(&self) -> Option<String> {
        (self.check)(self.input.text().trim()).err()
    }

    fn value(&self) -> &str {
        self.input.text().trim()
    }
}

/// The form of a farm.
#[derive(Debug, Clone)]
pub(crate) struct FarmForm {
    pub farm: Box<Farm>,
    pub fields: Vec<Field>,
    pub focus: usize,
}

impl FarmForm {
    pub fn of(farm: &Farm) -> Self {
        let place = &farm.location;
        let field = |label, hint, text: &str, check| Field {
            label,
            hint,
            input: Input::new(text),
            check,
        };
        let wallets: Vec<String> = farm
            .wallet_addresses
            .iter()
            .map(|wallet| format!("{}:{}", wallet.asset, wallet.address))
            .collect();
        Self {
            farm: Box::new(farm.clone()),
            fields: vec![
                field(
                    "name",
                    "3 to 40 letters, digits, - or _",
                    farm.name.raw(),
                    name,
                ),
                field(
                    "e-mail",
                    "where the grid can reach you",
                    farm.email.raw(),
                    email,
                ),
                field(
                    "wallets",
                    "TFT:ADDRESS, with commas between",
                    &wallets.join(", "),
                    |text| wallets_of(text).map(drop),
                ),
                field("country", "", place.country.raw(), |_| Ok(())),
                field("city", "", place.city.raw(), |_| Ok(())),
                field("continent", "", place.continent.raw(), |_| Ok(())),
                field(
                    "latitude",
                    "degrees north, -90 to 90",
                    &place.latitude.to_string(),
                    |text| degrees(text, 90.0),
                ),
                field(
                    "longitude",
                    "degrees east, -180 to 180",
                    &place.longitude.to_string(),
                    |text| degrees(text, 180.0),
                ),
            ],
            focus: 0,
        }
    }

    pub fn move_focus(&mut self, step: isize) {
        let count = isize::try_from(self.fields.len()).unwrap_or(1).max(1);
        let next = (isize::try_from(self.focus).unwrap_or(0) + step).rem_euclid(count);
        self.focus = usize::try_from(next).unwrap_or(0);
    }

    /// The first field that is wrong.
    pub fn first_error(&self) -> Option<(usize, String)> {
        self.fields
            .iter()
            .enumerate()
            .find_map(|(at, field)| Some((at, field.error()?)))
    }

    /// The farm as the form says.
    pub fn result(&self) -> Result<Box<Farm>, String> {
        if let Some((at, why)) = self.first_error() {
            let label = self.fields.get(at).map_or("", |field| field.label);
            return Err(format!("{label}: {why}"));
        }
        let [
            name,
            email,
            wallets,
            country,
            city,
            continent,
            latitude,
            longitude,
        ] = self.fields.as_slice()
        else {
            return Err("the form lost a field".to_owned());
        };
        let number = |field: &Field| field.value().parse().unwrap_or_default();
        let mut farm = self.farm.clone();
        farm.name = name.value().into();
        farm.email = email.value().into();
        farm.wallet_addresses = wallets_of(wallets.value())?;
        farm.location = Location {
            country: country.value().into(),
            city: city.value().into(),
            continent: continent.value().into(),
            latitude: number(latitude),
            longitude: number(longitude),
        };
        if farm.location.is_empty() {
            return Err(
                "the farm needs a place: nodes without one of their own take it over".to_owned(),
            );
        }
        Ok(farm)
    }
}

/// What would change, a line each.
pub(crate) fn differences(before: &Farm, after: &Farm) -> Vec<String> {
    let (old, new) = (FarmForm::of(before), FarmForm::of(after));
    old.fields
        .iter()
        .zip(&new.fields)
        .filter(|(old, new)| old.value() != new.value())
        .map(|(old, new)| {
            let shown = |text: &str| match text {
                "" => "(nothing)".to_owned(),
                text => hw_probe::text::Untrusted::from(text).to_string(),
            };
            format!(
                "{}: {} -> {}",
                old.label,
                shown(old.value()),
                shown(new.value())
            )
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

fn degrees(text: &str, limit: f64) -> Result<(), String> {
    let degrees: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    (degrees.abs() <= limit)
        .then_some(())
        .ok_or_else(|| format!("between -{limit} and {limit}"))
}

fn wallets_of(text: &str) -> Result<Vec<WalletAddress>, String> {
    let wallets = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (asset, address) = part
                .split_once(':')
                .ok_or_else(|| format!("{part:?} is not ASSET:ADDRESS"))?;
            let (asset, address) = (asset.trim(), address.trim());
            if asset.is_empty() || address.is_empty() || address.contains(char::is_whitespace) {
                return Err(format!("{part:?} is not ASSET:ADDRESS"));
            }
            Ok(WalletAddress {
                asset: asset.into(),
                address: address.into(),
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if wallets.is_empty() {
        return Err("at least one wallet is needed".to_owned());
    }
    Ok(wallets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn farm() -> Farm {
        Farm {
            name: "ghent-1".into(),
            email: "f@example.org".into(),
            wallet_addresses: wallets_of("TFT:GABC").unwrap(),
            location: Location {
                country: "BE".into(),
                ..Location::default()
            },
            ..Farm::default()
        }
    }

    #[test]
    fn an_untouched_form_changes_nothing() {
        let farm = farm();
        let after = FarmForm::of(&farm).result().unwrap();
        assert_eq!(*after, farm);
        assert!(differences(&farm, &after).is_empty());
    }

    #[test]
    fn wrong_fields_are_named_and_differences_told() {
        for (field, text, why) in [
            (0, "no spaces", "name: 3 to 40"),
            (1, "nobody", "e-mail: no e-mail"),
            (2, "GABC", "not ASSET:ADDRESS"),
            (2, " ", "at least one"),
            (6, "91", "between -90 and 90"),
            (7, "east", "not a number"),
        ] {
            let mut form = FarmForm::of(&farm());
            form.fields[field].input = Input::new(text);
            let error = form.result().unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let mut form = FarmForm::of(&farm());
        form.fields[4].input = Input::new("Ghent");
        let after = form.result().unwrap();
        assert_eq!(differences(&farm(), &after), ["city: (nothing) -> Ghent"]);
    }
}
