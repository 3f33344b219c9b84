//! Names to addresses without the C library: a static glibc binary must not call getaddrinfo.
//!
//! Unlike reqwest's own hickory resolver this one notices when `/etc/resolv.conf` changes (a node
//! has none until DHCP answers), takes name servers as a setting, never asks a public DNS service
//! nobody chose, and gives a typed error.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::parse_resolv_conf;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

const RESOLV_CONF: &str = "/etc/resolv.conf";

/// A name that could not be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Nobody to ask.
    #[error("no DNS server is configured")]
    NoNameServer,
    /// Asked, without success.
    #[error("{0}")]
    Lookup(String),
}

/// Resolver for reqwest.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    name_servers: Arc<[IpAddr]>,
    system: Arc<Mutex<Option<Cached>>>,
}

/// A resolver and the bytes of `resolv.conf` it was made from.
#[derive(Debug)]
struct Cached {
    conf: Vec<u8>,
    resolver: TokioResolver,
}

impl Resolver {
    pub(super) fn new(name_servers: &[IpAddr]) -> Self {
        Self {
            name_servers: name_servers.into(),
            system: Arc::default(),
        }
    }

    fn current(&self) -> Result<TokioResolver, ResolveError> {
        // With fixed servers an empty file stands for "nothing read".
        let conf = if self.name_servers.is_empty() {
            fs::read(RESOLV_CONF).unwrap_or_default()
        } else {
            Vec::new()
        };
        let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = system.as_ref().filter(|cached| cached.conf == conf) {
            return Ok(cached.resolver.clone());
        }
        let (config, options) = if self.name_servers.is_empty() {
            parse_resolv_conf(&conf).map_err(|error| ResolveError::Lookup(error.to_string()))?
        } else {
            let servers = self
                .name_servers
                .iter()
                .map(|ip| NameServerConfig::udp_and_tcp(*ip))
                .collect();
            (
                ResolverConfig::from_name_servers(servers),
                ResolverOpts::default(),
            )
        };
        if config.name_servers().is_empty() {
            return Err(ResolveError::NoNameServer);
        }
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
                .with_options(options);
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        let resolver = builder
            .build()
            .map_err(|error| ResolveError::Lookup(error.to_string()))?;
        *system = Some(Cached {
            conf,
            resolver: resolver.clone(),
        });
        Ok(resolver)
    }

    async fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        // RFC 6761 section 6.3: localhost is never asked about, so it works without any server.
        if name.eq_ignore_ascii_case("localhost") {
            return Ok(vec![
                ([0, 0, 0, 0, 0, 0, 0, 1], 0).into(),
                ([127, 0, 0, 1], 0).into(),
            ]);
        }
        let lookup = self.current()?.lookup_ip(name).await;
        let lookup = lookup.map_err(|error| ResolveError::Lookup(error.to_string()))?;
        Ok(lookup.iter().map(|ip| SocketAddr::new(ip, 0)).collect())
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = resolver.addresses(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
