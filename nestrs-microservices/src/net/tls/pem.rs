//! Certificates and keys in PEM, and what is wrong with them.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The longest file that is read, in bytes. A longer one is an error; Mozilla's whole list of roots has 0.2 MiB.
const FILE_MAX: u64 = 4 * 1024 * 1024;

/// Why a certificate, a key or roots cannot be used. Names the file and the cause, never what is in the file.
///
/// ```
/// use nestrs_microservices::net::tls::TlsRoots;
///
/// let error = TlsRoots::from_pem("no PEM at all").unwrap_err();
/// assert_eq!(error.to_string(), "the roots hold no certificate");
/// ```
#[derive(Debug)]
pub struct TlsError {
    text: String,
    source: Option<io::Error>,
}

impl TlsError {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: None }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

/// A file's bytes.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let name = path.display();
    let mut bytes = Vec::new();
    let reading = File::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes));
    match reading {
        Ok(len) if len as u64 > FILE_MAX => Err(TlsError::new(format!("`{name}` is longer than {FILE_MAX} bytes"))),
        Ok(_) => Ok(bytes),
        Err(error) => Err(TlsError { text: format!("cannot read `{name}`: {error}"), source: Some(error) }),
    }
}

/// All certificates in `pem`, which `name` is for errors.
pub(super) fn certificates(pem: &[u8], name: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found.map_err(|error| not_pem(&error, name))? {
        found if found.is_empty() => Err(TlsError::new(format!("{name} {} no certificate", holds(name)))),
        found => Ok(found),
    }
}

/// The first private key in `pem`.
pub(super) fn private_key(pem: &[u8], name: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        pem::Error::NoItemsFound if contains(pem, b"ENCRYPTED PRIVATE KEY") => {
            TlsError::new(format!("{name} {} an encrypted private key; decrypt it first", holds(name)))
        }
        pem::Error::NoItemsFound => TlsError::new(format!("{name} {} no private key", holds(name))),
        error => not_pem(&error, name),
    })
}

/// Says what is wrong in words of ours: those of the parser quote the file.
fn not_pem(error: &pem::Error, name: &str) -> TlsError {
    TlsError::new(match error {
        pem::Error::MissingSectionEnd { .. } => format!("{name} ends inside a PEM section"),
        pem::Error::IllegalSectionStart { .. } => format!("{name} has a broken `-----BEGIN` line"),
        pem::Error::Base64Decode(_) => format!("{name} has a PEM section that is not base64"),
        _ => format!("{name} cannot be read as PEM"),
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// `the roots hold`, `a file holds`.
fn holds(name: &str) -> &'static str {
    if name == super::roots::NAME { "hold" } else { "holds" }
}
