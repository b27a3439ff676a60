//! Whom this side believes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::rustls::RootCertStore;

use super::pem::{self, TlsError};

/// What roots that were not read from a file are called in errors.
pub(super) const NAME: &str = "the roots";

/// Whom this side believes: certificates of authorities. A peer's certificate must lead up to one of them.
///
/// Nothing else is believed: the roots of the operating system are taken by naming their file, on Debian
/// `/etc/ssl/certs/ca-certificates.crt`.
///
/// Clones share what they hold, and [`TlsRoots::replace`] and [`TlsRoots::reload`] change it for connections from then on,
/// as those of [`TlsCertificate`](super::TlsCertificate) do.
///
/// ```no_run
/// use nestrs_microservices::net::tls::{TlsClientOptions, TlsRoots};
/// use nestrs_microservices::TcpTransportOptions;
///
/// # fn main() -> Result<(), nestrs_microservices::net::tls::TlsError> {
/// let roots = TlsRoots::from_pem_file("ca.pem")?;
/// let options = TcpTransportOptions::to("math.internal:3001").tls(TlsClientOptions::new(roots));
/// # let _ = options;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TlsRoots(Arc<Shared>);

struct Shared {
    file: Option<PathBuf>,
    current: RwLock<Arc<RootCertStore>>,
}

impl TlsRoots {
    /// Reads all certificates of a PEM file of at most 4 MiB.
    ///
    /// # Errors
    /// When the file cannot be read, holds no certificate, or one that cannot be a root.
    pub fn from_pem_file(file: impl AsRef<Path>) -> Result<Self, TlsError> {
        let file = file.as_ref().to_owned();
        let roots = read(&file)?;
        Ok(Self(Arc::new(Shared { file: Some(file), current: RwLock::new(Arc::new(roots)) })))
    }

    /// The same from text in memory.
    ///
    /// # Errors
    /// As for a file.
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        let roots = roots(pem.as_ref(), NAME)?;
        Ok(Self(Arc::new(Shared { file: None, current: RwLock::new(Arc::new(roots)) })))
    }

    /// Believes the certificates of this PEM text and no others, for connections from now on.
    ///
    /// # Errors
    /// As for a file; the old ones stay.
    pub fn replace(&self, pem: impl AsRef<[u8]>) -> Result<(), TlsError> {
        self.put(roots(pem.as_ref(), NAME)?);
        Ok(())
    }

    /// Reads the file again that they were made from.
    ///
    /// # Errors
    /// When they were not made from a file, or when it cannot be used; the old ones stay.
    pub fn reload(&self) -> Result<(), TlsError> {
        let Some(file) = &self.0.file else {
            return Err(TlsError::new("the roots were not read from a file; `replace` takes new ones"));
        };
        self.put(read(file)?);
        Ok(())
    }

    fn put(&self, roots: RootCertStore) {
        tracing::info!(target: "nestrs::tls", file = ?self.0.file, roots = roots.len(), "the roots were replaced");
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(roots);
    }

    pub(super) fn current(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for TlsRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsRoots").field("file", &self.0.file).field("roots", &self.current().len()).finish()
    }
}

fn read(file: &Path) -> Result<RootCertStore, TlsError> {
    roots(&pem::read(file)?, &format!("`{}`", file.display()))
}

fn roots(pem: &[u8], name: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for (at, certificate) in pem::certificates(pem, name)?.into_iter().enumerate() {
        roots
            .add(certificate)
            .map_err(|_| TlsError::new(format!("certificate {} of {name} cannot be a root", at + 1)))?;
    }
    Ok(roots)
}
