//! Finding capacity, and following what changes (extensions: our servers only).

use reqwest::header::IF_NONE_MATCH;

use super::{Query, push};
use crate::client::{Client, Error, Response};
use crate::sign::Signer;
use crate::wire::{CapacityPage, Changes};

/// Which capacity is wanted. The amounts are minima of what is free.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CapacityFilter {
    /// Logical CPUs.
    pub cru: Option<u64>,
    /// Bytes of memory.
    pub mru_bytes: Option<u64>,
    /// Bytes of SSD.
    pub sru_bytes: Option<u64>,
    /// Bytes of HDD.
    pub hru_bytes: Option<u64>,
    /// In exactly this country.
    pub country: Option<String>,
    /// In exactly this city.
    pub city: Option<String>,
    /// Of this farm.
    pub farm_id: Option<u64>,
    /// Only nodes that may be used for FreeTFT.
    pub free_to_use: bool,
    /// Only nodes that report.
    pub online: bool,
}

impl Client {
    /// Approved nodes with at least this much free, best fit first. `after` is the `next` of the
    /// page before; `limit` is 1..=1000.
    pub async fn capacity(
        &self,
        filter: &CapacityFilter,
        limit: u32,
        after: Option<&str>,
    ) -> Result<Response<CapacityPage>, Error> {
        let mut query = Query::new();
        push(&mut query, "cru", filter.cru);
        push(&mut query, "mru", filter.mru_bytes);
        push(&mut query, "sru", filter.sru_bytes);
        push(&mut query, "hru", filter.hru_bytes);
        push(&mut query, "country", filter.country.as_ref());
        push(&mut query, "city", filter.city.as_ref());
        push(&mut query, "farm", filter.farm_id);
        push(
            &mut query,
            "free_to_use",
            filter.free_to_use.then_some("true"),
        );
        push(&mut query, "online", filter.online.then_some("true"));
        push(&mut query, "limit", Some(limit));
        push(&mut query, "after", after);
        let answer = self.get(&["capacity"], &query, None).await;
        answer.map_err(|error| not_there(error, "the search for capacity"))
    }

    /// Farms and nodes that changed after revision `since` (0: all of them), oldest change first;
    /// `None` if nothing did. Status 410 says that `since` is too old to be continued.
    pub async fn changes(
        &self,
        since: u64,
        farm_id: Option<u64>,
        limit: u32,
        signer: Option<&Signer>,
    ) -> Result<Option<Changes>, Error> {
        let mut query = Query::new();
        push(&mut query, "since", Some(since));
        push(&mut query, "farm", farm_id);
        push(&mut query, "limit", Some(limit));
        let known = (since > 0).then(|| format!("\"{since}\""));
        let headers: Vec<_> = known
            .iter()
            .map(|tag| (IF_NONE_MATCH, tag.as_str()))
            .collect();
        match self.get_with(&["changes"], &query, signer, &headers).await {
            Ok(Response { value, .. }) => Ok(Some(value)),
            Err(Error::Status { status: 304, .. }) => Ok(None),
            Err(error) => Err(not_there(error, "following what changes")),
        }
    }
}

/// Other servers have no such endpoint, and say so in several ways.
fn not_there(error: Error, what: &'static str) -> Error {
    match error {
        Error::Status {
            status: 404 | 405, ..
        } => Error::NotSupported { what },
        other => other,
    }
}
