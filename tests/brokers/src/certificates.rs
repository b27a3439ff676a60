//! Certificates for brokers that are reached by TLS, made when a test needs them.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// An authority, a certificate for a broker on this machine, and one for its clients.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The certificate of the authority, as PEM.
    pub authority: String,
    /// The broker's: `localhost`, `127.0.0.1`.
    pub server: Pair,
    /// A client's; its common name is `client`.
    pub client: Pair,
}

/// A certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Certificates {
    /// New ones, of an authority of their own.
    ///
    /// # Panics
    /// When they cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "brokers");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let authority = params.self_signed(&key).expect("an authority").pem();
        let issuer = Issuer::new(params, key);
        let server = pair(&issuer, &["localhost", "127.0.0.1"]);
        Self { authority, server, client: pair(&issuer, &["client"]) }
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

fn pair(issuer: &Issuer<'static, KeyPair>, names: &[&str]) -> Pair {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names.clone()).expect("names of hosts");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, names[0].as_str());
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    Pair { certificate: certificate.pem(), key: key.serialize_pem() }
}
