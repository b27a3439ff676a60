//! Versions of the protocol, and the one provider of cryptography.

use std::sync::{Arc, LazyLock};

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::{SupportedProtocolVersion, version};

/// A version of TLS. Older ones than these are not spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246), and newer.
    #[default]
    V1_2,
    /// TLS 1.3 (RFC 8446), and newer.
    V1_3,
}

impl TlsVersion {
    /// This one and all newer ones.
    pub(super) fn and_newer(self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
        match self {
            Self::V1_2 => &BOTH,
            Self::V1_3 => &BOTH[..1],
        }
    }
}

/// Always named: rustls finds one by itself only as long as no other crate in the program brings a second.
pub(super) fn provider() -> &'static Arc<CryptoProvider> {
    static RING: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));
    &RING
}
