//! A typed, asynchronous client of the directory API.
//!
//! One [`Client`] speaks to one directory; it is cheap to clone and keeps connections open. Nothing
//! is retried and nothing falls back: what to do about an error is the caller's decision
//! ([`Error::is_retryable`], [`Backoff`]).

mod backoff;
mod dns;
mod error;
mod moving;
mod options;
mod requests;
mod tls;
mod web;

use std::sync::Arc;

use reqwest::header::HeaderName;
use reqwest::{Method, Url, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use backoff::Backoff;
pub use dns::ResolveError;
pub use error::Error;
pub use moving::{MOVE_LIFETIME_SECONDS, PreparedMove};
pub use options::{ClientOptions, DEFAULT_PREFIX, Trust};
pub use requests::{
    CapacityFilter, FarmFilter, GatewayFilter, NodeFilter, PageRequest, Searched, UserFilter,
};
pub use web::download_client;

use crate::clock::{Clock, UnixTime};
use crate::sign::{RequestParts, SignatureMode, Signer, sign};
use crate::wire::{ErrorBody, Untrusted};

/// An answer larger than this is not read to the end.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// What the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response<T> {
    /// The answer.
    pub value: T,
    /// The server's clock (`Date` header). Over TLS only the server can have set it.
    pub date: Option<UnixTime>,
    /// Number of pages there are of a list (`Pages` header).
    pub pages: Option<u64>,
    /// What became of the enrolment token of a registration (`x-enrolment` header): `accepted`, or
    /// `refused: ` and why.
    pub enrolment: Option<Untrusted>,
}

impl<T> Response<T> {
    fn map<U>(self, f: impl FnOnce(T) -> U) -> Response<U> {
        Response {
            value: f(self.value),
            date: self.date,
            pages: self.pages,
            enrolment: self.enrolment,
        }
    }
}

/// A directory.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    /// Host and port, for messages.
    server: String,
    mode: SignatureMode,
    clock: Arc<dyn Clock>,
}

impl Client {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// A URL or trust settings that cannot be used, `http://` without leave.
    pub fn new(options: &ClientOptions) -> Result<Self, Error> {
        let base = options.checked_url()?;
        let tls = tls::config(&options.trust, &options.clock)?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(dns::Resolver::new(&options.name_servers))
            // A signature covers the path, and a redirect could lead to plain http.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .connect_timeout(options.connect_timeout)
            .timeout(options.request_timeout)
            .user_agent(&options.user_agent)
            .build()
            .map_err(|error| Error::TrustSetup {
                reason: error.to_string(),
            })?;
        let host = base.host_str().unwrap_or_default();
        let server = match base.port_or_known_default() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let (mode, clock) = (options.signature, options.clock.clone());
        Ok(Self {
            http,
            base,
            server,
            mode,
            clock,
        })
    }

    /// Host and port of the directory, for messages.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The directory's URL, prefix included.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.base.as_str()
    }

    /// Which signatures this client makes.
    #[must_use]
    pub fn signature_mode(&self) -> SignatureMode {
        self.mode
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        signer: Option<&Signer>,
    ) -> Result<Response<T>, Error> {
        self.send(Method::GET, path, query, None, signer).await
    }

    async fn get_with<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        signer: Option<&Signer>,
        headers: &[(HeaderName, &str)],
    ) -> Result<Response<T>, Error> {
        self.send_with(Method::GET, path, query, None, signer, headers)
            .await
    }

    async fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: &(impl Serialize + ?Sized),
        signer: Option<&Signer>,
    ) -> Result<Response<T>, Error> {
        let body = serde_json::to_vec(body).map_err(|error| Error::Request {
            reason: error.to_string(),
        })?;
        self.send(method, path, &[], Some(body), signer).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<Vec<u8>>,
        signer: Option<&Signer>,
    ) -> Result<Response<T>, Error> {
        self.send_with(method, path, query, body, signer, &[]).await
    }

    /// `headers` are outside of the signature.
    async fn send_with<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<Vec<u8>>,
        signer: Option<&Signer>,
        headers: &[(HeaderName, &str)],
    ) -> Result<Response<T>, Error> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = format!("{method} {}", url.path());
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let mut builder = self.http.request(method.clone(), url);
        if let Some(signer) = signer {
            let parts = RequestParts {
                method: method.as_str(),
                target: &target,
                body: body.as_deref().unwrap_or_default(),
            };
            let mut nonce = [0; 16];
            getrandom::fill(&mut nonce).map_err(|error| Error::Random {
                reason: error.to_string(),
            })?;
            let now = self.clock.now();
            let signed = sign(
                self.mode,
                signer.seed(),
                &signer.key_id(),
                &parts,
                now,
                nonce,
            );
            for (name, value) in signed.iter() {
                builder = builder.header(name, value);
            }
        }
        for (name, value) in headers {
            builder = builder.header(name, *value);
        }
        if let Some(body) = body {
            builder = builder
                .header("content-type", "application/json")
                .body(body);
        }
        let host = self.base.host_str().unwrap_or_default();
        let context = error::Context {
            host,
            server: &self.server,
            request: &request,
        };
        let failed = |error| error::classify(error, &context);

        let mut answer = builder.send().await.map_err(failed)?;
        let status = answer.status();
        let header = |name: &str| answer.headers().get(name)?.to_str().ok().map(str::to_owned);
        let date = header("date")
            .as_deref()
            .and_then(UnixTime::parse_http_date);
        let enrolment = header("x-enrolment").map(Untrusted::from);
        let pages = header("pages").and_then(|pages| pages.trim().parse().ok());
        let decode = |reason: String| Error::Decode {
            server: self.server.clone(),
            request: request.clone(),
            reason: reason.into(),
        };
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(decode(format!(
                    "it is longer than {MAX_ANSWER_BYTES} bytes"
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(self.refused(status.as_u16(), &bytes, request));
        }
        // Some answers of the original have no body at all where ours say `null`.
        let json: &[u8] = if bytes.trim_ascii().is_empty() {
            b"null"
        } else {
            &bytes
        };
        let value = serde_json::from_slice(json).map_err(|error| decode(error.to_string()))?;
        Ok(Response {
            value,
            date,
            pages,
            enrolment,
        })
    }

    /// The error that an answer other than 2xx stands for.
    fn refused(&self, status: u16, body: &[u8], request: String) -> Error {
        let server = self.server.clone();
        let parsed = serde_json::from_slice::<ErrorBody>(body).ok();
        if let Some(seconds) = parsed
            .as_ref()
            .and_then(|body| body.clock_difference_seconds)
        {
            return Error::ClockSkew {
                server,
                request,
                seconds,
            };
        }
        let message = match parsed {
            Some(body) => body.error,
            // Proxies answer in HTML, the original now and then in plain text.
            None => String::from_utf8_lossy(&body[..body.len().min(400)])
                .into_owned()
                .into(),
        };
        if status == 404 {
            let text = message.raw();
            // `farm with id:12 does not exists`
            let farm = text
                .strip_prefix("farm with id:")
                .and_then(|rest| rest.split(' ').next());
            if let Some(farm_id) = farm.and_then(|id| id.parse().ok()) {
                return Error::FarmNotFound { server, farm_id };
            }
            // `node '<id>' not found`
            let node = text
                .strip_prefix("node '")
                .and_then(|rest| rest.split('\'').next());
            if let Some(node_id) = node.filter(|id| id.bytes().all(|b| b.is_ascii_alphanumeric())) {
                return Error::NodeNotFound {
                    server,
                    node_id: node_id.to_owned(),
                };
            }
        }
        Error::Status {
            server,
            request,
            status,
            message,
        }
    }
}
