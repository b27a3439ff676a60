//! What both ends have to know to talk to a Redis server.

use std::time::Duration;

use crate::net::Secret;
use crate::net::io::Keepalive;

use super::address::join;

/// Where the server is, as whom it is talked to, and when it counts as gone. Taken from the options of either end.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) database: u32,
    /// `rediss://`: it is TLS or nothing.
    pub(super) secure: bool,
    /// Why what was given for an address is none.
    pub(super) malformed: Option<&'static str>,
    pub(super) connect_timeout: Duration,
    pub(super) ping_interval: Duration,
    pub(super) keepalive: Keepalive,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<crate::net::tls::TlsClientOptions>,
}

impl Settings {
    /// `host:port`, as it is dialled and logged.
    pub(super) fn address(&self) -> String {
        join(&self.host, self.port)
    }
}
