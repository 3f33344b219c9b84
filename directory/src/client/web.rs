//! An HTTP client for other servers than a directory, under the same rules: certificates are always
//! verified, names are resolved without the C library.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect;

use super::error::Error;
use super::options::Trust;
use super::{dns, tls};
use crate::clock::{Clock, SystemClock};

/// Most redirects that are followed.
const REDIRECTS_LIMIT: usize = 5;

/// A client for downloads: no limit on the whole time, but `patience` for connecting and for each
/// piece of the answer. Redirects are followed, never from `https` to `http`.
///
/// # Errors
/// [`Error::TrustSetup`] when this system's certificate authorities cannot be read.
pub fn download_client(patience: Duration, user_agent: &str) -> Result<reqwest::Client, Error> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let follow = redirect::Policy::custom(|attempt| {
        let was_secure = attempt.previous().iter().any(|url| url.scheme() == "https");
        if attempt.previous().len() > REDIRECTS_LIMIT {
            attempt.error("too many redirects")
        } else if was_secure && attempt.url().scheme() != "https" {
            attempt.error("redirected from https to an unencrypted address")
        } else {
            attempt.follow()
        }
    });
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls::config(&Trust::System, &clock)?)
        .dns_resolver(dns::Resolver::new(&[]))
        .redirect(follow)
        .no_proxy()
        .retry(reqwest::retry::never())
        .connect_timeout(patience)
        .read_timeout(patience)
        .user_agent(user_agent)
        .build()
        .map_err(|error| Error::TrustSetup {
            reason: error.to_string(),
        })
}
