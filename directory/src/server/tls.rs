//! The server's certificate.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use crate::Pin;

/// File names of a self-signed certificate and its key.
const CERT_FILE: &str = "tls-cert.pem";
const KEY_FILE: &str = "tls-key.pem";

/// How connections are encrypted.
#[derive(Debug, Clone, Default)]
pub enum Tls {
    /// Not at all: for loopback, or behind a proxy that does it.
    #[default]
    None,
    /// With a certificate (chain) and key in PEM files.
    Files {
        /// The certificate, followed by intermediate ones.
        cert: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// With a certificate of our own making. The key is made once and kept, so its pin is stable;
    /// the certificate is made again when names are added.
    SelfSigned {
        /// Where certificate and key are kept (`tls-cert.pem`, `tls-key.pem`, the latter 0600).
        dir: PathBuf,
        /// DNS names and IP addresses clients use; `localhost` and the address listened on are
        /// added.
        names: Vec<String>,
    },
}

/// A certificate or key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("cannot {action} {path}")]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that is not what it should be.
    #[error("{path} holds no usable {what}: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// The key belongs to another certificate.
    #[error("certificate {cert} and private key {key} do not belong together")]
    Mismatch {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
        /// What rustls says.
        #[source]
        source: rustls::Error,
    },
    /// A name that fits into no certificate.
    #[error("{name:?} is neither a DNS name nor an IP address")]
    Name {
        /// The name.
        name: String,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate: {reason}")]
    Generate {
        /// Why.
        reason: String,
    },
}

impl TlsError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Format { what, .. } => Some(format!("the {what} must be in PEM form")),
            Self::Name { .. } => Some("write names without scheme, port or brackets".to_owned()),
            _ => None,
        }
    }
}

/// TLS, ready to accept.
pub(super) struct Ready {
    pub(super) acceptor: TlsAcceptor,
    pub(super) pin: Pin,
}

impl Tls {
    pub(super) fn load(&self, local: SocketAddr) -> Result<Option<Ready>, TlsError> {
        let (cert, key) = match self {
            Self::None => return Ok(None),
            Self::Files { cert, key } => (cert.clone(), key.clone()),
            Self::SelfSigned { dir, names } => self_signed(dir, names, local)?,
        };
        let chain = read_chain(&cert)?;
        let first = chain
            .first()
            .ok_or_else(|| no_certificate(&cert, "there is none"))?;
        let pin = Pin::of_certificate(first)
            .map_err(|error| no_certificate(&cert, &error.to_string()))?;
        let private = read_key(&key)?;
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| TlsError::Generate {
                    reason: error.to_string(),
                })?
                .with_no_client_auth()
                .with_single_cert(chain, private)
                .map_err(|source| TlsError::Mismatch { cert, key, source })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Ready {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            pin,
        }))
    }
}

fn no_certificate(path: &Path, reason: &str) -> TlsError {
    TlsError::Format {
        path: path.to_owned(),
        what: "certificate",
        reason: reason.to_owned(),
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    fs::read(path)
        .map(Zeroizing::new)
        .map_err(|source| TlsError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| no_certificate(path, &error.to_string()))
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| TlsError::Format {
        path: path.to_owned(),
        what: "private key",
        reason: error.to_string(),
    })
}

/// Makes what is missing and gives the paths of certificate and key.
fn self_signed(
    dir: &Path,
    names: &[String],
    local: SocketAddr,
) -> Result<(PathBuf, PathBuf), TlsError> {
    let generate = |error: rcgen::Error| TlsError::Generate {
        reason: error.to_string(),
    };
    let (cert_path, key_path) = (dir.join(CERT_FILE), dir.join(KEY_FILE));
    let mut names = names.to_vec();
    names.push("localhost".to_owned());
    names.push(local.ip().to_string());
    if local.ip().is_unspecified() {
        names.extend(["127.0.0.1".to_owned(), "::1".to_owned()]);
    }
    names.retain(|name| name != "0.0.0.0" && name != "::");
    names.sort();
    names.dedup();
    let server_names = names
        .iter()
        .map(|name| {
            ServerName::try_from(name.as_str()).map_err(|_| TlsError::Name { name: name.clone() })
        })
        .collect::<Result<Vec<_>, _>>()?;

    let key = if key_path.exists() {
        let pem = read(&key_path)?;
        let broken = |reason: String| TlsError::Format {
            path: key_path.clone(),
            what: "private key",
            reason,
        };
        let pem = std::str::from_utf8(&pem).map_err(|error| broken(error.to_string()))?;
        rcgen::KeyPair::from_pem(pem).map_err(|error| broken(error.to_string()))?
    } else {
        let key = rcgen::KeyPair::generate().map_err(generate)?;
        let pem = Zeroizing::new(key.serialize_pem());
        write(&key_path, pem.as_bytes(), 0o600)?;
        key
    };
    if !(cert_path.exists() && covers(&cert_path, &key, &server_names)) {
        let mut params = rcgen::CertificateParams::new(names).map_err(generate)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "farmer directory");
        params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        // rcgen's validity of 1975 to 4096 stays: clients pin the key, and a period would only
        // lock out machines whose clocks are wrong.
        let cert = params.self_signed(&key).map_err(generate)?;
        write(&cert_path, cert.pem().as_bytes(), 0o644)?;
    }
    Ok((cert_path, key_path))
}

/// Whether the certificate is this key's and good for all names.
fn covers(path: &Path, key: &rcgen::KeyPair, names: &[ServerName<'_>]) -> bool {
    let Ok(chain) = read_chain(path) else {
        return false;
    };
    let Some(cert) = chain.first() else {
        return false;
    };
    let Ok(parsed) = ParsedCertificate::try_from(cert) else {
        return false;
    };
    let spki = rcgen::PublicKeyData::subject_public_key_info(key);
    let same_key = *parsed.subject_public_key_info() == *spki;
    same_key
        && names
            .iter()
            .all(|name| verify_server_name(&parsed, name).is_ok())
}

/// Writes a whole file or none.
fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), TlsError> {
    let temporary = path.with_extension("new");
    let result = fs::create_dir_all(path.parent().unwrap_or(path)).and_then(|()| {
        let _ = fs::remove_file(&temporary);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    result.map_err(|source| TlsError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}
