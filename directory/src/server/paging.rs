//! Query strings: pages and filters, as lenient as the original.

use std::collections::HashMap;

use axum::http::HeaderValue;

use super::error::ApiError;
use crate::store::Window;

/// Entries per page when nothing is asked for.
const DEFAULT_SIZE: u64 = 100;
/// Entries per page at most.
const LARGEST_SIZE: u64 = 1000;

/// The parameters of a query string; of a repeated one the first counts, as in Go.
#[derive(Debug)]
pub(super) struct Params(HashMap<String, String>);

impl Params {
    pub(super) fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(
            &axum::http::Uri::builder()
                .path_and_query(format!("/?{}", query.unwrap_or_default()))
                .build()
                .map_err(|_| ApiError::bad_request("the query string is malformed"))?,
        )
        .map_err(|_| ApiError::bad_request("the query string is malformed"))?;
        let mut params = HashMap::new();
        for (name, value) in pairs.0 {
            // PostgreSQL cannot compare it.
            if value.contains('\0') {
                return Err(ApiError::bad_request(
                    "the query string holds a NUL character",
                ));
            }
            params.entry(name).or_insert(value);
        }
        Ok(Self(params))
    }

    /// A parameter with text in it.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// An integer above 0; others are as good as absent.
    ///
    /// # Errors
    /// 400 for what is no integer.
    pub(super) fn positive(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let number: i64 = text
            .parse()
            .map_err(|_| ApiError::bad_request(format!("parameter {name:?} is not an integer")))?;
        Ok((number > 0).then_some(number))
    }

    /// Whether a parameter says `true` in one of Go's ways.
    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(
            self.text(name),
            Some("true" | "1" | "t" | "T" | "TRUE" | "True")
        )
    }

    pub(super) fn page(&self) -> Page {
        let number = |name| self.text(name).and_then(|text| text.parse::<u64>().ok());
        Page {
            number: number("page").unwrap_or(1).max(1),
            // The original takes a size it cannot read for "no limit"; nobody relies on that.
            size: number("size")
                .filter(|size| *size > 0)
                .unwrap_or(DEFAULT_SIZE)
                .min(LARGEST_SIZE),
        }
    }
}

/// A page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    number: u64,
    size: u64,
}

impl Page {
    pub(super) fn window(self) -> Window {
        let offset = (self.number - 1).saturating_mul(self.size);
        Window {
            size: i64::try_from(self.size).unwrap_or(i64::MAX),
            offset: i64::try_from(offset).unwrap_or(i64::MAX),
        }
    }

    /// The `Pages` header.
    pub(super) fn pages(self, total: u64) -> [(&'static str, HeaderValue); 1] {
        [("pages", HeaderValue::from(total.div_ceil(self.size)))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Page {
        Params::parse(Some(query)).unwrap().page()
    }

    #[test]
    fn pages_follow_the_reference_vectors() {
        let first = page("");
        assert_eq!(
            first,
            Page {
                number: 1,
                size: 100
            }
        );
        assert_eq!(first.pages(101)[0].1, "2");
        assert_eq!(first.pages(100)[0].1, "1");
        assert_eq!(first.pages(0)[0].1, "0");
        for same in [
            "page=0", "page=1", "page=-3", "page=x", "size=x", "size=0", "size=-1",
        ] {
            assert_eq!(page(same), first, "{same}");
        }
        assert_eq!(page("size=5000&page=3").window().offset, 2000);
        assert_eq!(
            page(&format!("page={}", u64::MAX)).window().offset,
            i64::MAX
        );
    }

    #[test]
    fn filters_are_integers_or_an_error() {
        let params = Params::parse(Some("cru=4&mru=0&sru=x&city=&hru=9&hru=1")).unwrap();
        assert_eq!(params.positive("cru").unwrap(), Some(4));
        assert_eq!(params.positive("mru").unwrap(), None);
        assert!(params.positive("sru").is_err());
        assert_eq!(params.positive("hru").unwrap(), Some(9));
        assert_eq!(params.text("city"), None);
    }
}
