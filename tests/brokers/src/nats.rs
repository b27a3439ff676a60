//! NATS.

use std::fmt::Write;
use std::io;

use crate::certificates::Certificates;
use crate::place::Place;
use crate::recipe::{Recipe, Start};

/// A `nats-server` that nobody has to log in to.
#[derive(Clone, Debug, Default)]
pub struct Nats {
    tls: Option<(Certificates, bool)>,
    jetstream: bool,
    lines: Vec<String>,
}

impl Nats {
    /// Without TLS, without authentication, without JetStream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With JetStream, its files kept over a `restart`.
    #[must_use]
    pub fn jetstream(mut self) -> Self {
        self.jetstream = true;
        self
    }

    /// Only by TLS, with the server's certificate of these.
    #[must_use]
    pub fn tls(mut self, certificates: &Certificates) -> Self {
        self.tls = Some((certificates.clone(), false));
        self
    }

    /// Only by TLS, and only for clients with a certificate of the authority.
    #[must_use]
    pub fn mutual_tls(mut self, certificates: &Certificates) -> Self {
        self.tls = Some((certificates.clone(), true));
        self
    }

    /// Only for those who know the token.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.line(&format!("authorization {{ token: \"{token}\" }}"))
    }

    /// Only for this user.
    #[must_use]
    pub fn user(self, name: &str, password: &str) -> Self {
        self.line(&format!("authorization {{ user: \"{name}\", password: \"{password}\" }}"))
    }

    /// Only for who holds the seed of this public key (`U…`).
    #[must_use]
    pub fn nkey(self, public: &str) -> Self {
        self.line(&format!("authorization {{ users: [ {{ nkey: \"{public}\" }} ] }}"))
    }

    /// One more line of its configuration, for example `max_payload: 1024`.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }
}

impl Recipe for Nats {
    fn program(&self) -> &'static str {
        "nats-server"
    }

    fn package(&self) -> &'static str {
        "nats-server"
    }

    fn prepare(&self, place: &Place, port: u16) -> io::Result<Start> {
        let mut text = format!("listen: \"127.0.0.1:{port}\"\n");
        if self.jetstream {
            _ = writeln!(text, "jetstream {{ store_dir: \"{}\" }}", place.data().display());
        }
        if let Some((certificates, mutual)) = &self.tls {
            let authority = place.write("ca.pem", &certificates.authority)?;
            let certificate = place.write("server.pem", &certificates.server.certificate)?;
            let key = place.write("server.key", &certificates.server.key)?;
            _ = writeln!(
                text,
                "tls {{ cert_file: \"{certificate}\", key_file: \"{key}\", ca_file: \"{authority}\", verify: {mutual} }}"
            );
        }
        for line in &self.lines {
            _ = writeln!(text, "{line}");
        }
        Ok(Start { arguments: vec!["-c".to_owned(), place.write("nats.conf", &text)?], ..Start::default() })
    }

    fn ready(&self) -> Option<&'static str> {
        Some("Server is ready")
    }
}
