//! TLS 1.2 and 1.3 on both ends of a connection, by rustls (feature `tls`).
//!
//! A [`TlsCertificate`] is who this side is, [`TlsRoots`] are whom it believes; either can be replaced while connections are
//! open. [`TlsServerOptions`] and [`TlsClientOptions`] put them together. There is no option that turns a check off.
//!
//! Sessions are never resumed, so that every connection is checked against the certificates and roots of its moment; the
//! connections of microservices live long.

mod certificate;
mod client;
mod der;
mod failure;
mod peer;
mod pem;
mod roots;
mod server;
mod socket;
mod version;

pub use certificate::TlsCertificate;
pub use client::TlsClientOptions;
pub use pem::TlsError;
pub use roots::TlsRoots;
pub use server::{ClientCertificates, TlsServerOptions};
pub use version::TlsVersion;
