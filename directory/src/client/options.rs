//! How to reach a directory, and what to trust.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use super::error::Error;
use crate::Pin;
use crate::clock::{Clock, SystemClock};
use crate::sign::SignatureMode;

/// The path under which a directory answers when the URL names none.
pub const DEFAULT_PREFIX: &str = "/explorer";

/// Which TLS keys a server may have. There is no "any".
#[derive(Debug, Clone, Default)]
pub enum Trust {
    /// The operating system's certificate authorities.
    #[default]
    System,
    /// Mozilla's list, compiled in: for machines that have none, such as a node.
    Bundled,
    /// Certificate authorities in PEM form, and no others.
    Ca(String),
    /// One key, whoever signed its certificate. Name and validity period of the certificate do not
    /// count, since the key is known: a node whose clock battery is dead can still connect.
    Pin(Pin),
}

/// Settings of a [`Client`](super::Client).
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// `https://host[:port][/prefix]`; without a path, [`DEFAULT_PREFIX`] is used.
    pub base_url: String,
    /// Which server keys to accept.
    pub trust: Trust,
    /// Allows `http://` to hosts other than this one. Everything sent can then be read, and what is
    /// answered can be forged, by anyone on the way.
    pub insecure_http: bool,
    /// Which signatures the server checks.
    pub signature: SignatureMode,
    /// Time to resolve the name, connect and finish the TLS handshake.
    pub connect_timeout: Duration,
    /// Time for a whole request, from connecting to the last byte of the answer.
    pub request_timeout: Duration,
    /// `User-Agent` header.
    pub user_agent: String,
    /// DNS servers; empty means those of `/etc/resolv.conf`, read again when it changes.
    pub name_servers: Vec<IpAddr>,
    /// Where the time of signatures and certificate checks comes from.
    pub clock: Arc<dyn Clock>,
}

impl ClientOptions {
    /// Strict signatures, the system's authorities, 10 s to connect, 30 s per request.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            trust: Trust::System,
            insecure_http: false,
            signature: SignatureMode::Strict,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            user_agent: concat!("farmer-directory/", env!("CARGO_PKG_VERSION")).to_owned(),
            name_servers: Vec::new(),
            clock: Arc::new(SystemClock),
        }
    }

    /// The URL with its prefix, checked against the rule about `http://`.
    pub(super) fn checked_url(&self) -> Result<Url, Error> {
        let invalid = |reason: &str| Error::Url {
            url: self.base_url.clone(),
            reason: reason.to_owned(),
        };
        let mut url =
            Url::parse(self.base_url.trim()).map_err(|error| invalid(&error.to_string()))?;
        if !url.has_host() {
            return Err(invalid("it names no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("user name and password have no meaning here"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("a query or fragment has no meaning here"));
        }
        match url.scheme() {
            "https" => {}
            "http" if self.insecure_http || is_loopback(&url) => {}
            "http" => {
                return Err(Error::InsecureHttp {
                    url: url.to_string(),
                });
            }
            _ => return Err(invalid("it must begin with https://")),
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(if path.is_empty() {
            DEFAULT_PREFIX
        } else {
            &path
        });
        Ok(url)
    }
}

/// Whether the host is this machine: `127.0.0.0/8`, `::1`, `localhost`.
fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || literal
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str) -> Result<String, Error> {
        ClientOptions::new(url)
            .checked_url()
            .map(|url| url.to_string())
    }

    #[test]
    fn the_prefix_is_filled_in_only_where_there_is_none() {
        for (given, used) in [
            ("https://dir.example", "https://dir.example/explorer"),
            ("https://dir.example/", "https://dir.example/explorer"),
            ("https://dir.example/api/v1/", "https://dir.example/api/v1"),
            (
                " https://[2001:db8::1]:8443 ",
                "https://[2001:db8::1]:8443/explorer",
            ),
        ] {
            assert_eq!(check(given).unwrap(), used);
        }
    }

    #[test]
    fn plain_http_needs_leave_unless_it_stays_on_this_machine() {
        for local in [
            "http://localhost:8080",
            "http://127.9.9.9",
            "http://[::1]:1/explorer",
        ] {
            assert!(check(local).is_ok(), "{local}");
        }
        for remote in [
            "http://10.0.2.2:8080",
            "http://localhost.example",
            "http://[2001:db8::1]",
        ] {
            let error = check(remote).unwrap_err();
            assert!(
                matches!(error, Error::InsecureHttp { .. }),
                "{remote}: {error}"
            );
            assert!(error.hint().is_some_and(|hint| hint.contains("https://")));
            let allowed = ClientOptions {
                insecure_http: true,
                ..ClientOptions::new(remote)
            };
            assert!(allowed.checked_url().is_ok());
        }
    }

    #[test]
    fn what_is_no_directory_url_is_refused_in_words() {
        for bad in [
            "",
            "dir.example",
            "ftp://x",
            "https://u:p@x",
            "https://x?y",
            "https://",
        ] {
            assert!(matches!(check(bad), Err(Error::Url { .. })), "{bad}");
        }
    }
}
