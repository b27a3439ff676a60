//! The client's side.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncBufRead;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::{ResolvesClientCert, Resumption};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, SignatureScheme};

use super::certificate::TlsCertificate;
use super::failure;
use super::roots::TlsRoots;
use super::socket::{Counted, TlsSocket};
use super::version::{TlsVersion, provider};
use crate::net::io::BoxIo;

/// How long a server that has asked for a certificate may take to say what it thinks of it. One that says nothing may still
/// refuse it later; then the connection is lost.
const VERDICT_WAIT: Duration = Duration::from_millis(500);

/// How a client speaks TLS: NestJS's `tlsOptions` of a client (NestJS fact sheet, section 6.3).
///
/// The server's certificate must lead up to the roots, be valid now, and be for the host that is dialled, a name or an IP
/// address; what a server says of itself changes nothing of that.
///
/// ```no_run
/// use nestrs_microservices::TcpTransportOptions;
/// use nestrs_microservices::net::tls::{TlsCertificate, TlsClientOptions, TlsRoots};
///
/// # fn main() -> Result<(), nestrs_microservices::net::tls::TlsError> {
/// let tls = TlsClientOptions::new(TlsRoots::from_pem_file("ca.pem")?)
///     .certificate(TlsCertificate::from_pem_files("billing.pem", "billing.key")?);
/// let options = TcpTransportOptions::to("math.internal:3001").tls(tls);
/// # let _ = options;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsClientOptions {
    /// Whom the client believes.
    pub roots: TlsRoots,
    /// Who the client is, for servers that ask. Default `None`.
    pub certificate: Option<TlsCertificate>,
    /// The name that the server's certificate must be for, where it is not the host that is dialled: behind a port forward,
    /// or when the host is an address. Default `None`: the host.
    pub server_name: Option<String>,
    /// The oldest version of TLS that is spoken. Default 1.2.
    pub min_version: TlsVersion,
}

impl TlsClientOptions {
    /// TLS 1.2 or newer to servers that these roots vouch for.
    #[must_use]
    pub fn new(roots: TlsRoots) -> Self {
        Self { roots, certificate: None, server_name: None, min_version: TlsVersion::default() }
    }

    /// Sets who the client is.
    #[must_use]
    pub fn certificate(mut self, certificate: TlsCertificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Sets the name that the server's certificate must be for.
    #[must_use]
    pub fn server_name(mut self, server_name: impl Into<String>) -> Self {
        self.server_name = Some(server_name.into());
        self
    }

    /// Sets the oldest version of TLS that is spoken.
    #[must_use]
    pub fn min_version(mut self, min_version: TlsVersion) -> Self {
        self.min_version = min_version;
        self
    }

    /// For a driver that speaks TLS itself, and checks the certificate against the host that it dials.
    ///
    /// # Errors
    /// When a `server_name` is set, which drivers cannot heed.
    #[cfg(any(feature = "nats", feature = "redis"))]
    pub(crate) fn for_driver(&self) -> Result<ClientConfig, nestrs_core::TransportError> {
        use nestrs_core::TransportError;
        if let Some(name) = &self.server_name {
            let text = format!("TLS: `server_name` (`{name}`) is not heeded here; dial the server by that name");
            return Err(TransportError::internal(text));
        }
        let builder = ClientConfig::builder_with_provider(Arc::clone(provider()))
            .with_protocol_versions(self.min_version.and_newer())
            .map_err(|error| TransportError::internal(format!("TLS: {error}")))?
            .with_root_certificates(self.roots.current());
        let mut config = match &self.certificate {
            Some(own) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own.current()))),
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    /// Makes a session of a connection to `host`.
    pub(crate) async fn connect(&self, io: BoxIo, host: &str) -> io::Result<BoxIo> {
        let name = self.server_name.as_deref().unwrap_or(host);
        let server_name = ServerName::try_from(name.to_owned())
            .map_err(|_| failed(format!("`{name}` is no name that a certificate can be for; see `server_name`")))?;
        let own = Arc::new(Own {
            certificate: self.certificate.as_ref().map(TlsCertificate::current),
            asked: AtomicBool::new(false),
        });
        let mut config = ClientConfig::builder_with_provider(Arc::clone(provider()))
            .with_protocol_versions(self.min_version.and_newer())
            .map_err(|_| failed("no version of TLS".to_owned()))?
            .with_root_certificates(self.roots.current())
            .with_client_cert_resolver(Arc::clone(&own) as _);
        config.resumption = Resumption::disabled();
        let why = |error: io::Error| {
            let reason = match failure::reason(&error, "server") {
                // Servers differ in how they say so; that they asked is certain.
                reason if own.was_asked_in_vain() && reason.contains("alert") => {
                    "the server wants a certificate, and this client has presented none".to_owned()
                }
                reason => reason,
            };
            failed(match reason.ends_with("is for another name") {
                true => format!("{reason} than `{name}`"),
                false => reason,
            })
        };
        let mut stream =
            TlsConnector::from(Arc::new(config)).connect(server_name, Counted::new(io)).await.map_err(why)?;
        let undecided = stream.get_ref().1.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        if undecided && own.asked.load(Ordering::Relaxed) {
            // In TLS 1.3 the client's handshake is over before the server has seen its certificate. Without this, a refusal
            // would come when a call may already have been sent.
            match tokio::time::timeout(VERDICT_WAIT, verdict(&mut stream)).await {
                Ok(verdict) => verdict.map_err(why)?,
                Err(_silence) => {}
            }
        }
        Ok(Box::new(TlsSocket(stream.into())))
    }
}

/// Completes when the server has accepted this client, which a ticket tells and data tells, or has refused it.
async fn verdict(stream: &mut TlsStream<Counted>) -> io::Result<()> {
    poll_fn(|task| {
        // Looks at what comes and leaves it there.
        let said = Pin::new(&mut *stream).poll_fill_buf(task)?.map(<[u8]>::len);
        match said {
            Poll::Ready(0) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Poll::Pending if stream.get_ref().1.tls13_tickets_received() == 0 => Poll::Pending,
            Poll::Ready(_) | Poll::Pending => Poll::Ready(Ok(())),
        }
    })
    .await
}

/// This client's certificate, and whether the server asked for it.
#[derive(Debug)]
struct Own {
    certificate: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl Own {
    fn was_asked_in_vain(&self) -> bool {
        self.certificate.is_none() && self.asked.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Own {
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        let certificate = self.certificate.clone()?;
        ResolvesClientCert::resolve(&SingleCertAndKey::from(certificate), hints, schemes)
    }

    /// Said also where there is none, so as to be asked.
    fn has_certs(&self) -> bool {
        true
    }
}

fn failed(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("TLS: {reason}"))
}
