//! Ports for brokers that come back on the same one.

use std::io;
use std::net::TcpListener;

/// Below the ports that systems give to outgoing connections: a client that dials a broker that is away could otherwise
/// be given the very port it dials, and meet itself.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port of `127.0.0.1` that nobody listens on just now.
///
/// # Errors
/// When there seems to be none.
pub fn free_port() -> io::Result<u16> {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = std::iter::repeat_with(|| fastrand::u16(PORTS)).take(200).find(free);
    port.ok_or_else(|| io::Error::other("no free port was found"))
}
