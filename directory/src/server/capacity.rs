//! `GET /capacity` (extension): approved nodes with enough free, the best fit first.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::App;
use super::error::ApiError;
use super::incoming::Incoming;
use crate::store::{CapacityQuery, Place};
use crate::wire::CapacityPage;

/// Two reports: a node whose last one is older counts as offline.
const ONLINE_SECS: i64 = 20 * 60;
/// Offers per page when nothing is asked for.
const DEFAULT_LIMIT: i64 = 100;
/// Offers per page at most.
const LARGEST_LIMIT: i64 = 1000;

/// The text that `next` gives and `after` takes.
fn to_text(place: Place) -> String {
    format!("{:x}.{:x}", place.weight, place.id)
}

fn from_text(text: &str) -> Option<Place> {
    let (weight, id) = text.split_once('.')?;
    let number = |text| i64::from_str_radix(text, 16).ok().filter(|n| *n >= 0);
    Some(Place {
        weight: number(weight)?,
        id: number(id)?,
    })
}

pub(super) async fn search(
    State(app): State<Arc<App>>,
    request: Incoming,
) -> Result<Json<CapacityPage>, ApiError> {
    let params = request.params()?;
    let least = |name| Ok::<_, ApiError>(params.positive(name)?.unwrap_or(0));
    let after = match params.text("after") {
        Some(text) => Some(from_text(text).ok_or_else(|| {
            ApiError::bad_request("parameter \"after\" is not the \"next\" of a page")
        })?),
        None => None,
    };
    let wanted = CapacityQuery {
        cru: least("cru")?,
        mru_bytes: least("mru")?,
        sru_bytes: least("sru")?,
        hru_bytes: least("hru")?,
        country: params.text("country").map(str::to_owned),
        city: params.text("city").map(str::to_owned),
        farm_id: params.positive("farm")?,
        free_to_use: params.flag("free_to_use"),
        online: params.flag("online"),
        online_since: app.clock.now().secs.saturating_sub(ONLINE_SECS),
        limit: params
            .positive("limit")?
            .unwrap_or(DEFAULT_LIMIT)
            .min(LARGEST_LIMIT),
        after,
    };
    let found = app.store.capacity(&wanted).await?;
    Ok(Json(CapacityPage {
        nodes: found.offers,
        next: found.next.map(to_text),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        for (weight, id) in [(0, 0), (1, 2), (i64::MAX, i64::MAX)] {
            let place = Place { weight, id };
            assert_eq!(from_text(&to_text(place)), Some(place));
        }
        for bad in [
            "",
            "1",
            "1.",
            ".1",
            "-1.1",
            "1.-1",
            "1.1.1",
            "g.1",
            "1.8000000000000000",
        ] {
            assert_eq!(from_text(bad), None, "{bad}");
        }
    }
}
