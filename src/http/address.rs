//! Where HTTP listens.

use std::net::SocketAddr;

use nestrs_microservices::{TcpMicroserviceOptions, default_host};

/// Where HTTP listens: a port, or `host:port`.
pub trait HttpAddress {
    /// As host and port.
    fn host_and_port(self) -> (String, u16);
}

impl HttpAddress for u16 {
    fn host_and_port(self) -> (String, u16) {
        (default_host(), self)
    }
}

impl HttpAddress for SocketAddr {
    fn host_and_port(self) -> (String, u16) {
        (self.ip().to_string(), self.port())
    }
}

impl HttpAddress for &str {
    fn host_and_port(self) -> (String, u16) {
        let options = TcpMicroserviceOptions::bind(self);
        (options.host, options.port)
    }
}
