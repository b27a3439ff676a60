//! Redis.

use std::fmt::Write;
use std::io;

use crate::certificates::Certificates;
use crate::place::Place;
use crate::recipe::{Recipe, Start};

/// A `redis-server` that keeps nothing.
#[derive(Clone, Debug, Default)]
pub struct Redis {
    tls: Option<(Certificates, bool)>,
    lines: Vec<String>,
}

impl Redis {
    /// Without TLS, without a password, and without anything on disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every write is on disk before it is confirmed, so that `kill` loses none.
    #[must_use]
    pub fn durable(self) -> Self {
        self.line("appendonly yes").line("appendfsync always")
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

    /// Nobody without the password, which is the user `default`'s.
    #[must_use]
    pub fn password(self, password: &str) -> Self {
        self.line(&format!("requirepass {password}"))
    }

    /// Nobody but this user, who may do anything.
    #[must_use]
    pub fn user(self, name: &str, password: &str) -> Self {
        self.user_with(name, password, "~* &* +@all")
    }

    /// Nobody but this user, who may do what these rules say, as `ACL SETUSER` has them.
    #[must_use]
    pub fn user_with(self, name: &str, password: &str, rules: &str) -> Self {
        self.line("user default off").line(&format!("user {name} on >{password} {rules}"))
    }

    /// One more line of its configuration.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }
}

impl Recipe for Redis {
    fn program(&self) -> &'static str {
        "redis-server"
    }

    fn package(&self) -> &'static str {
        "redis-server"
    }

    fn prepare(&self, place: &Place, port: u16) -> io::Result<Start> {
        let mut text = format!("bind 127.0.0.1\ndir {}\nsave \"\"\n", place.data().display());
        match &self.tls {
            None => _ = writeln!(text, "port {port}"),
            Some((certificates, mutual)) => {
                let authority = place.write("ca.pem", &certificates.authority)?;
                let certificate = place.write("server.pem", &certificates.server.certificate)?;
                let key = place.write("server.key", &certificates.server.key)?;
                let clients = if *mutual { "yes" } else { "no" };
                _ = write!(
                    text,
                    "port 0\ntls-port {port}\ntls-cert-file {certificate}\ntls-key-file {key}\n\
                     tls-ca-cert-file {authority}\ntls-auth-clients {clients}\n"
                );
            }
        }
        for line in &self.lines {
            _ = writeln!(text, "{line}");
        }
        Ok(Start { arguments: vec![place.write("redis.conf", &text)?], ..Start::default() })
    }

    fn ready(&self) -> Option<&'static str> {
        Some("Ready to accept connections")
    }
}
