//! Who is at the other end, as its certificate says.

use std::fmt::{self, Write};
use std::sync::Arc;

/// Who the other end of a connection has proved to be: the client certificate of mutual TLS, which was checked against the
/// server's roots before anything else was read.
///
/// Guards find it in [`ConnectionContext::identity`](crate::ConnectionContext::identity); a handler may take it as an
/// argument, and fails where there is none, unless it takes an `Option<PeerIdentity>`. Cloning is cheap.
///
/// ```
/// use nestrs::microservices::{ConnectionContext, PeerIdentity};
/// use nestrs::prelude::*;
///
/// /// Lets in the service whose certificate is for `billing.internal`.
/// #[derive(Default)]
/// struct BillingOnly;
///
/// impl CanActivate for BillingOnly {
///     async fn can_activate(&self, cx: &ExecutionContext) -> Result<(), TransportError> {
///         let identity = cx.transport::<ConnectionContext>().and_then(ConnectionContext::identity);
///         match identity.is_some_and(|peer| peer.dns_names().iter().any(|name| name == "billing.internal")) {
///             true => Ok(()),
///             false => Err(nestrs::forbidden()),
///         }
///     }
/// }
///
/// #[injectable]
/// struct Ledger;
///
/// #[micro_routes]
/// impl Ledger {
///     #[message_pattern("ledger.book")]
///     #[use_guards(BillingOnly)]
///     async fn book(&self, _entry: u64, peer: PeerIdentity) -> Option<String> {
///         peer.common_name().map(str::to_owned)
///     }
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PeerIdentity(pub(in crate::net) Arc<Identity>);

#[derive(PartialEq, Eq)]
pub(in crate::net) struct Identity {
    pub(in crate::net) chain: Vec<Vec<u8>>,
    pub(in crate::net) fingerprint: [u8; 32],
    pub(in crate::net) common_name: Option<String>,
    pub(in crate::net) dns_names: Vec<String>,
    pub(in crate::net) uris: Vec<String>,
}

impl PeerIdentity {
    /// The certificates the peer sent, its own first, each in DER.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.0.chain
    }

    /// SHA-256 of the peer's own certificate: what `openssl x509 -fingerprint -sha256` shows, without its colons.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        self.0.fingerprint
    }

    /// The same in 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn fingerprint_hex(&self) -> String {
        self.0.fingerprint.iter().fold(String::with_capacity(64), |mut hex, byte| {
            _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// The common name of the certificate's subject (Node's `getPeerCertificate().subject.CN`); `None` where there is none
    /// or more than one.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.0.common_name.as_deref()
    }

    /// The DNS names among the subject's alternative names, in order.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.0.dns_names
    }

    /// The URIs among the subject's alternative names, in order: a SPIFFE id is one.
    #[must_use]
    pub fn uris(&self) -> &[String] {
        &self.0.uris
    }
}

/// Names and fingerprint, which are no secrets.
impl fmt::Debug for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerIdentity")
            .field("common_name", &self.common_name())
            .field("dns_names", &self.dns_names())
            .field("uris", &self.uris())
            .field("fingerprint", &self.fingerprint_hex())
            .finish_non_exhaustive()
    }
}
