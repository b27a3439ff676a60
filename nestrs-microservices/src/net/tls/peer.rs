//! From a verified certificate to who it is.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use tokio_rustls::rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::der;
use crate::net::identity::{Identity, PeerIdentity};

/// Who a client is by the chain that it presented and that was verified; `None` for an empty one.
pub(super) fn identity(chain: &[CertificateDer<'_>]) -> Option<PeerIdentity> {
    let own = chain.first()?;
    let texts = |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect();
    let (dns_names, uris) = EndEntityCert::try_from(own).map_or_else(
        |_| (Vec::new(), Vec::new()),
        |own| (texts(&mut own.valid_dns_names()), texts(&mut own.valid_uri_names())),
    );
    Some(PeerIdentity(Arc::new(Identity {
        chain: chain.iter().map(|certificate| certificate.to_vec()).collect(),
        fingerprint: sha256(own)?,
        common_name: der::common_name(own),
        dns_names,
        uris,
    })))
}

/// By the provider that is there for TLS anyway.
fn sha256(bytes: &[u8]) -> Option<[u8; 32]> {
    let suite = TLS13_AES_128_GCM_SHA256.tls13()?;
    suite.common.hash_provider.hash(bytes).as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.1.
    #[test]
    fn fingerprints_are_sha_256() {
        let hash = sha256(b"abc").unwrap();
        assert_eq!(hash[..8], [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea]);
        assert_eq!(hash[28..], [0xf2, 0x00, 0x15, 0xad]);
    }

    #[test]
    fn an_empty_chain_is_nobody() {
        assert_eq!(identity(&[]), None);
        let unreadable = identity(&[CertificateDer::from_slice(b"no certificate")]).unwrap();
        assert_eq!((unreadable.common_name(), unreadable.dns_names().len(), unreadable.uris().len()), (None, 0, 0));
    }
}
