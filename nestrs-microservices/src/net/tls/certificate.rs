//! Who this side is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error as RustlsError, InconsistentKeys};

use super::pem::{self, TlsError};
use super::{der, version};

/// Who this side is: a certificate, with what leads up to its authority, and its private key. A server has one; a client
/// has one for mutual TLS.
///
/// Clones share what they hold. [`TlsCertificate::replace`] and [`TlsCertificate::reload`] therefore change it for the
/// server or client that was given a clone, while it runs: connections from then on have the new one, those that are open
/// go on with theirs. What cannot be used is refused, and the old one stays.
///
/// ```no_run
/// use nestrs_microservices::net::tls::{TlsCertificate, TlsServerOptions};
/// use nestrs_microservices::TcpMicroserviceOptions;
///
/// # fn main() -> Result<(), nestrs_microservices::net::tls::TlsError> {
/// let certificate = TlsCertificate::from_pem_files("server.pem", "server.key")?;
/// let options = TcpMicroserviceOptions::bind("0.0.0.0:3001").tls(TlsServerOptions::new(certificate.clone()));
/// // Later, when the files have been renewed:
/// certificate.reload()?;
/// # let _ = options;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TlsCertificate(Arc<Shared>);

struct Shared {
    files: Option<(PathBuf, PathBuf)>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl TlsCertificate {
    /// Reads a chain of certificates, one's own first, and its private key (PKCS #8, PKCS #1 or SEC1) from PEM files of at
    /// most 4 MiB. Both may be the same file.
    ///
    /// # Errors
    /// When a file cannot be read, holds no certificate or no key, or when the two do not belong together. A certificate that
    /// has expired is logged and taken: whoever connects will refuse it.
    pub fn from_pem_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        let files = (chain.as_ref().to_owned(), key.as_ref().to_owned());
        let certified = read(&files)?;
        Ok(Self::new(Some(files), certified))
    }

    /// The same from text in memory.
    ///
    /// # Errors
    /// As for files.
    pub fn from_pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        Ok(Self::new(None, certified(chain.as_ref(), key.as_ref(), ("the certificate", "the key"))?))
    }

    fn new(files: Option<(PathBuf, PathBuf)>, certified: CertifiedKey) -> Self {
        if has_expired(&certified) {
            tracing::warn!(target: "nestrs::tls", ?files, "the certificate has expired");
        }
        Self(Arc::new(Shared { files, current: RwLock::new(Arc::new(certified)) }))
    }

    /// Puts another chain and key in, both as PEM text, for connections from now on.
    ///
    /// # Errors
    /// When they cannot be used, as for files, or have expired. The old ones stay.
    pub fn replace(&self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<(), TlsError> {
        self.put(certified(chain.as_ref(), key.as_ref(), ("the certificate", "the key"))?)
    }

    /// Reads the files again that it was made from.
    ///
    /// # Errors
    /// When it was not made from files, or when they cannot be used or have expired. The old ones stay.
    pub fn reload(&self) -> Result<(), TlsError> {
        let Some(files) = &self.0.files else {
            return Err(TlsError::new("the certificate was not read from files; `replace` takes a new one"));
        };
        self.put(read(files)?)
    }

    /// From when on it is refused; `None` where its date cannot be read.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        expires_at(&self.current())
    }

    fn put(&self, certified: CertifiedKey) -> Result<(), TlsError> {
        if has_expired(&certified) {
            return Err(TlsError::new("the new certificate has expired"));
        }
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
        tracing::info!(target: "nestrs::tls", files = ?self.0.files, "the certificate was replaced");
        Ok(())
    }

    pub(super) fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where it is from, and until when it is good. Nothing of the key.
impl fmt::Debug for TlsCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsCertificate")
            .field("files", &self.0.files)
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

fn read((chain, key): &(PathBuf, PathBuf)) -> Result<CertifiedKey, TlsError> {
    let names = (format!("`{}`", chain.display()), format!("`{}`", key.display()));
    certified(&pem::read(chain)?, &pem::read(key)?, (&names.0, &names.1))
}

fn certified(chain: &[u8], key: &[u8], names: (&str, &str)) -> Result<CertifiedKey, TlsError> {
    let chain = pem::certificates(chain, names.0)?;
    let key = pem::private_key(key, names.1)?;
    CertifiedKey::from_der(chain, key, version::provider()).map_err(|error| {
        TlsError::new(match error {
            RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                format!("the private key of {} is not that of the first certificate of {}", names.1, names.0)
            }
            RustlsError::InvalidCertificate(_) => format!("the first certificate of {} cannot be read", names.0),
            _ => format!("the private key of {} cannot be used", names.1),
        })
    })
}

fn expires_at(certified: &CertifiedKey) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(der::not_after(certified.end_entity_cert().ok()?)?)
}

fn has_expired(certified: &CertifiedKey) -> bool {
    expires_at(certified).is_some_and(|end| end < SystemTime::now())
}
