//! Certificates, made when a test needs them.

use std::path::PathBuf;

use nestrs::microservices::net::tls::{TlsCertificate, TlsClientOptions, TlsRoots, TlsServerOptions};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, date_time_ymd,
};

/// An authority.
pub struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub fn roots(&self) -> TlsRoots {
        TlsRoots::from_pem(&self.pem).unwrap()
    }

    /// A certificate for these DNS names or addresses; its common name is the first.
    pub fn issue(&self, names: &[&str]) -> Pair {
        self.issue_with(names, |_| ())
    }

    /// One whose days are over.
    pub fn issue_expired(&self, names: &[&str]) -> Pair {
        self.issue_with(names, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 1);
        })
    }

    pub fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).unwrap();
        if let Some(first) = names.first() {
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, first);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A server at `127.0.0.1`, with a certificate of this authority.
    pub fn server(&self) -> TlsServerOptions {
        TlsServerOptions::new(self.issue(&["127.0.0.1", "localhost"]).load())
    }

    /// A client that believes this authority.
    pub fn client(&self) -> TlsClientOptions {
        TlsClientOptions::new(self.roots())
    }
}

/// A directory that is gone with the test.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nestrs-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// One with the files that `tests/interop` reads: `ca.pem`, `cert.pem` and `key.pem`.
    pub fn with(name: &str, believed: &Authority, own: Option<&Pair>) -> Self {
        let directory = Self::new(name);
        std::fs::write(directory.0.join("ca.pem"), &believed.pem).unwrap();
        if let Some(own) = own {
            std::fs::write(directory.0.join("cert.pem"), &own.certificate).unwrap();
            std::fs::write(directory.0.join("key.pem"), &own.key).unwrap();
        }
        directory
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Pair {
    pub fn load(&self) -> TlsCertificate {
        TlsCertificate::from_pem(&self.certificate, &self.key).unwrap()
    }
}

/// A URI among a certificate's names.
pub fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}
