//! What can go wrong between us and a directory, told apart so that a console can say it.

use std::error::Error as StdError;
use std::io;

use hw_probe::text::Untrusted;
use rustls::{AlertDescription, CertificateError};

use super::dns::ResolveError;
use super::tls::PinMismatch;
use crate::Pin;
use crate::sign::skew_text;

/// A request that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The base URL cannot be used.
    #[error("{url:?} is no directory URL: {reason}")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `http://` to another machine, without leave.
    #[error("{url} is not encrypted")]
    InsecureHttp {
        /// The URL.
        url: String,
    },
    /// The trust settings cannot be used.
    #[error("cannot set up TLS: {reason}")]
    TrustSetup {
        /// What is wrong.
        reason: String,
    },
    /// The kernel gave no random numbers for the nonce.
    #[error("the system gave no random numbers: {reason}")]
    Random {
        /// Why.
        reason: String,
    },
    /// This needs a strict server.
    #[error("{what} does not exist in directories of the 2020 form")]
    NotSupported {
        /// What was asked for.
        what: &'static str,
    },
    /// A value that does not fit into a request.
    #[error("cannot send this request: {reason}")]
    Request {
        /// What does not fit.
        reason: String,
    },
    /// The name has no address, or no name server answers.
    #[error("cannot resolve {host}")]
    Resolve {
        /// The name.
        host: String,
        /// Why.
        #[source]
        source: ResolveError,
    },
    /// Nothing answers at the address.
    #[error("cannot connect to {server}")]
    Connect {
        /// Host and port.
        server: String,
        /// Why.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The server has another key than the pinned one.
    #[error("{server} is not the pinned server: its key is {actual}, the pin is {expected}")]
    PinMismatch {
        /// Host and port.
        server: String,
        /// The pin in the settings.
        expected: Pin,
        /// The pin of the key the server has.
        actual: Pin,
    },
    /// The TLS handshake failed.
    #[error("no trusted TLS connection to {server}")]
    Tls {
        /// Host and port.
        server: String,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// No answer in time.
    #[error("{server} did not answer {request} in time")]
    Timeout {
        /// Host and port.
        server: String,
        /// Method and path.
        request: String,
    },
    /// The connection broke.
    #[error("the connection to {server} broke during {request}")]
    Broken {
        /// Host and port.
        server: String,
        /// Method and path.
        request: String,
        /// Why.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The server refused the signature because the clocks differ.
    #[error("{server} refused {request}: {}", skew_text(*.seconds))]
    ClockSkew {
        /// Host and port.
        server: String,
        /// Method and path.
        request: String,
        /// Our clock minus the server's, in seconds.
        seconds: i64,
    },
    /// There is no such farm.
    #[error("farm {farm_id} does not exist in the directory at {server}")]
    FarmNotFound {
        /// Host and port.
        server: String,
        /// The farm that was asked for.
        farm_id: u64,
    },
    /// There is no such node: it never registered, or its farmer deleted it.
    #[error("node {node_id} is not registered in the directory at {server}")]
    NodeNotFound {
        /// Host and port.
        server: String,
        /// The node that was asked for.
        node_id: String,
    },
    /// Any other status that is not success.
    #[error("{server} answered {request} with {status}: {message}")]
    Status {
        /// Host and port.
        server: String,
        /// Method and path.
        request: String,
        /// HTTP status code.
        status: u16,
        /// The server's text.
        message: Untrusted,
    },
    /// The answer is not what it should be.
    #[error("{server} answered {request} with something that is no directory answer: {reason}")]
    Decode {
        /// Host and port.
        server: String,
        /// Method and path.
        request: String,
        /// What does not fit.
        reason: Untrusted,
    },
}

impl Error {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::InsecureHttp { .. } => {
                "use https:// (the embedded directory serves it with --self-signed), or allow plain \
                 http with --insecure-http"
            }
            Self::Url { .. } => "write it as https://host[:port]",
            Self::TrustSetup { .. } => "check the CA file or the pin",
            Self::Resolve { .. } => "check the name, and the DNS servers of this network",
            Self::Connect { .. } => {
                "check that the directory runs, its port, and firewalls on the way"
            }
            Self::PinMismatch { .. } => {
                "either the server's key was changed on purpose and the pin must be updated, or \
                 somebody else answers in its place"
            }
            Self::Tls { source, .. } => tls_hint(source),
            Self::ClockSkew { seconds, .. } => {
                return Some(format!(
                    "set this machine's clock (it is {} s {}); check its RTC battery and NTP",
                    seconds.unsigned_abs(),
                    if *seconds < 0 { "slow" } else { "fast" },
                ));
            }
            Self::FarmNotFound { .. } => "check the farm id; `farmer farm list` shows all farms",
            Self::NodeNotFound { .. } => "register the node first",
            Self::NotSupported { .. } => "use a directory that checks strict signatures",
            Self::Status { status: 401, .. } => {
                "the server does not accept this key or kind of signature: check the identity, and \
                 whether the directory is a strict or a compat one"
            }
            Self::Status { status: 403, .. } => {
                "only the farm's owner may do this (or, for its own data, the node)"
            }
            Self::Decode { .. } => "check that the URL, path included, is a directory's",
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// Whether the same request may succeed later without anybody changing it.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Broken { .. }
            | Self::ClockSkew { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::Tls { source, .. } => !matches!(source, rustls::Error::InvalidCertificate(_)),
            _ => false,
        }
    }
}

fn tls_hint(error: &rustls::Error) -> &'static str {
    use CertificateError as C;
    match error {
        rustls::Error::InvalidCertificate(
            C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. },
        ) => {
            "check this machine's clock first; if it is right, the server's certificate must be renewed"
        }
        rustls::Error::InvalidCertificate(
            C::NotValidForName | C::NotValidForNameContext { .. },
        ) => "use the name the certificate was made for, or pin the server's key",
        rustls::Error::InvalidCertificate(C::UnknownIssuer) => {
            "give the certificate authority's file or the pin that `farmer directory serve \
             --self-signed` prints"
        }
        rustls::Error::InvalidMessage(_)
        | rustls::Error::AlertReceived(AlertDescription::DecodeError) => {
            "the server may speak plain http on this port"
        }
        _ => "check that this port serves https",
    }
}

/// What a request was about, for messages.
pub(super) struct Context<'a> {
    pub host: &'a str,
    pub server: &'a str,
    pub request: &'a str,
}

/// Sorts a transport error into the cases above.
pub(super) fn classify(error: reqwest::Error, context: &Context<'_>) -> Error {
    let server = context.server.to_owned();
    let request = context.request.to_owned();
    if let Some(source) = find::<ResolveError>(&error) {
        return Error::Resolve {
            host: context.host.to_owned(),
            source: source.clone(),
        };
    }
    if let Some(source) = find::<rustls::Error>(&error) {
        if let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = source
            && let Some(mismatch) = other.0.downcast_ref::<PinMismatch>()
        {
            let PinMismatch { expected, actual } = *mismatch;
            return Error::PinMismatch {
                server,
                expected,
                actual,
            };
        }
        return Error::Tls {
            server,
            source: source.clone(),
        };
    }
    if error.is_timeout() {
        return Error::Timeout { server, request };
    }
    let connecting = error.is_connect();
    let source = innermost_io(error);
    if connecting {
        Error::Connect { server, source }
    } else {
        Error::Broken {
            server,
            request,
            source,
        }
    }
}

/// The first error of a type in a chain; looks into `io::Error` too, whose `source()` skips the
/// error it wraps.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        if let Some(inner) = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            && let Some(found) = find::<T>(inner)
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The operating system's reason if there is one ("connection refused"), else the whole error.
fn innermost_io(error: reqwest::Error) -> Box<dyn StdError + Send + Sync> {
    match find::<io::Error>(&error).map(|io| (io.raw_os_error(), io.kind())) {
        Some((Some(code), _)) => Box::new(io::Error::from_raw_os_error(code)),
        Some((None, kind)) if kind != io::ErrorKind::Other => Box::new(io::Error::from(kind)),
        // The URL is in our own message already.
        _ => Box::new(error.without_url()),
    }
}
