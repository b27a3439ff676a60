//! The server's side.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::{StoresServerSessions, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::certificate::TlsCertificate;
use super::failure;
use super::peer;
use super::pem::TlsError;
use super::roots::TlsRoots;
use super::socket::{Counted, TlsSocket};
use super::version::{TlsVersion, provider};
use crate::net::PeerIdentity;
use crate::net::io::BoxIo;

/// How a server speaks TLS: NestJS's `tlsOptions` of a server (NestJS fact sheet, section 6.3).
///
/// ```no_run
/// use nestrs_microservices::TcpMicroserviceOptions;
/// use nestrs_microservices::net::tls::{ClientCertificates, TlsCertificate, TlsRoots, TlsServerOptions};
///
/// # fn main() -> Result<(), nestrs_microservices::net::tls::TlsError> {
/// let tls = TlsServerOptions::new(TlsCertificate::from_pem_files("server.pem", "server.key")?)
///     .client_certificates(ClientCertificates::Required(TlsRoots::from_pem_file("clients-ca.pem")?));
/// let options = TcpMicroserviceOptions::bind("0.0.0.0:3001").tls(tls);
/// # let _ = options;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsServerOptions {
    /// Who the server is.
    pub certificate: TlsCertificate,
    /// Which clients may connect. Default [`ClientCertificates::None`]: all.
    pub client_certificates: ClientCertificates,
    /// The oldest version of TLS that is spoken. Default 1.2.
    pub min_version: TlsVersion,
    built: Built,
}

/// Which certificates a server wants of its clients. A handshake that does not meet it is refused before anything is read.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// It asks for none: any client may connect.
    #[default]
    None,
    /// It asks for one and takes a client that has none; what a client does present must lead up to these roots.
    Optional(TlsRoots),
    /// A client must present one that leads up to these roots: mutual TLS.
    Required(TlsRoots),
}

impl TlsServerOptions {
    /// TLS 1.2 or newer with this certificate, for any client.
    #[must_use]
    pub fn new(certificate: TlsCertificate) -> Self {
        Self {
            certificate,
            client_certificates: ClientCertificates::None,
            min_version: TlsVersion::default(),
            built: Built::default(),
        }
    }

    /// Sets which clients may connect.
    #[must_use]
    pub fn client_certificates(mut self, client_certificates: ClientCertificates) -> Self {
        self.client_certificates = client_certificates;
        self
    }

    /// Sets the oldest version of TLS that is spoken.
    #[must_use]
    pub fn min_version(mut self, min_version: TlsVersion) -> Self {
        self.min_version = min_version;
        self
    }

    /// In a word, for logs.
    pub(crate) fn clients(&self) -> &'static str {
        match self.client_certificates {
            ClientCertificates::None => "any",
            ClientCertificates::Optional(_) => "any, certificates are verified",
            ClientCertificates::Required(_) => "with a certificate",
        }
    }

    /// What rustls takes, with the certificate and roots of this moment.
    pub(crate) fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let certificate = self.certificate.current();
        let roots = match &self.client_certificates {
            ClientCertificates::None => None,
            ClientCertificates::Optional(roots) | ClientCertificates::Required(roots) => Some(roots.current()),
        };
        let mut built = self.built.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, config)) = &*built
            && Arc::ptr_eq(&of.certificate, &certificate)
            && of.roots.as_ref().map(Arc::as_ptr) == roots.as_ref().map(Arc::as_ptr)
        {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.build(&certificate, roots.as_ref())?);
        *built = Some((Parts { certificate, roots }, Arc::clone(&config)));
        Ok(config)
    }

    fn build(
        &self,
        certificate: &Arc<CertifiedKey>,
        roots: Option<&Arc<RootCertStore>>,
    ) -> Result<ServerConfig, TlsError> {
        let unusable = |what: &str| TlsError::new(format!("TLS cannot be set up: {what}"));
        let builder = ServerConfig::builder_with_provider(Arc::clone(provider()))
            .with_protocol_versions(self.min_version.and_newer())
            .map_err(|_| unusable("no version of TLS"))?;
        let builder = match roots {
            None => builder.with_no_client_auth(),
            Some(roots) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider()));
                let verifier = match self.client_certificates {
                    ClientCertificates::Optional(_) => verifier.allow_unauthenticated(),
                    _ => verifier,
                };
                builder.with_client_cert_verifier(verifier.build().map_err(|_| unusable("no roots for clients"))?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(certificate))));
        config.session_storage = Arc::new(NothingKept);
        config.send_tls13_tickets = 1;
        Ok(config)
    }

    /// Makes a session of an accepted connection. On failure the connection comes back with the reason, for its farewell.
    pub(crate) async fn accept(&self, io: BoxIo) -> Result<(BoxIo, Option<PeerIdentity>), (String, BoxIo)> {
        let config = match self.config() {
            Ok(config) => config,
            Err(error) => return Err((error.to_string(), io)),
        };
        match TlsAcceptor::from(config).accept(Counted::new(io)).into_fallible().await {
            Ok(stream) => {
                let identity = stream.get_ref().1.peer_certificates().and_then(peer::identity);
                Ok((Box::new(TlsSocket(stream.into())), identity))
            }
            Err((error, io)) => Err((failure::reason(&error, "client"), io.into_inner())),
        }
    }
}

/// What was built last, for as long as nothing is replaced. Options are cloned to be changed, so a clone builds its own.
#[derive(Default)]
struct Built(Mutex<Option<(Parts, Arc<ServerConfig>)>>);

struct Parts {
    certificate: Arc<CertifiedKey>,
    roots: Option<Arc<RootCertStore>>,
}

impl Clone for Built {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Built")
    }
}

/// Keeps no session, but has tickets sent: a ticket tells a client that its certificate was accepted, which in TLS 1.3
/// nothing else does before the first reply.
#[derive(Debug)]
struct NothingKept;

impl StoresServerSessions for NothingKept {
    fn put(&self, _key: Vec<u8>, _value: Vec<u8>) -> bool {
        true
    }

    fn get(&self, _key: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn take(&self, _key: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}
