//! rustls configurations for each [`Trust`]. Always ring, always verified.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime as TlsTime};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};

use super::error::Error;
use super::options::Trust;
use crate::Pin;
use crate::clock::Clock;

/// The key of the server is not the pinned one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server's key is {actual}, the pin is {expected}")]
pub(super) struct PinMismatch {
    pub expected: Pin,
    pub actual: Pin,
}

/// A TLS configuration that accepts what `trust` says, as of `clock`.
pub(super) fn config(trust: &Trust, clock: &Arc<dyn Clock>) -> Result<ClientConfig, Error> {
    let setup = |reason: String| Error::TrustSetup { reason };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Pin(pin) => Arc::new(PinVerifier {
            pin: *pin,
            provider: provider.clone(),
        }),
        trust => {
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots(trust)?), provider.clone())
                .build()
                .map_err(|error| setup(error.to_string()))?
        }
    };
    let builder = ClientConfig::builder_with_details(provider, Arc::new(ClockTime(clock.clone())))
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(error.to_string()))?;
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn roots(trust: &Trust) -> Result<RootCertStore, Error> {
    let setup = |reason: String| Error::TrustSetup { reason };
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::Bundled => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Trust::System => {
            let loaded = rustls_native_certs::load_native_certs();
            // One unreadable authority among a hundred is no reason to stop; none at all is.
            roots.add_parsable_certificates(loaded.certs);
            if roots.is_empty() {
                let reason = loaded.errors.first().map(ToString::to_string);
                return Err(setup(reason.unwrap_or_else(|| {
                    "this system has no certificate authorities (package ca-certificates)".into()
                })));
            }
        }
        Trust::Ca(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate =
                    certificate.map_err(|error| setup(format!("broken PEM of the CA: {error}")))?;
                roots
                    .add(certificate)
                    .map_err(|error| setup(format!("unusable CA certificate: {error}")))?;
            }
            if roots.is_empty() {
                return Err(setup("the CA text holds no PEM certificate".into()));
            }
        }
        Trust::Pin(_) => {}
    }
    Ok(roots)
}

/// rustls' view of our clock.
#[derive(Debug)]
struct ClockTime(Arc<dyn Clock>);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<TlsTime> {
        let now = self.0.now().to_system_time();
        let since = now.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(TlsTime::since_unix_epoch(since))
    }
}

/// Accepts one public key. Name, issuer and validity period are not looked at: the pin names the
/// key itself, and a machine with a dead clock battery would otherwise never connect. That the peer
/// *has* the key is still proven by the handshake signature, which is verified as always.
#[derive(Debug)]
struct PinVerifier {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: TlsTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let actual = Pin::of_certificate(end_entity)?;
        if actual == self.pin {
            return Ok(ServerCertVerified::assertion());
        }
        let mismatch = PinMismatch {
            expected: self.pin,
            actual,
        };
        Err(CertificateError::Other(OtherError(Arc::new(mismatch))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
