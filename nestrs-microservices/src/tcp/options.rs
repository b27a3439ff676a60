//! What can be set on either end of a TCP transport.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nestrs_core::{ErrorKind, TransportError, TransportId};

use crate::net::io::{Connector, Listener};
use crate::serializer::{PacketDeserializer, PacketSerializer};

/// One setter per field.
macro_rules! setters {
    ($($(#[$doc:meta])* $field:ident: $type:ty),* $(,)?) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
    )*};
}

/// How a TCP microservice listens.
///
/// ```
/// use std::time::Duration;
/// use nestrs_microservices::TcpMicroserviceOptions;
///
/// let options = TcpMicroserviceOptions::bind("127.0.0.1:3001").max_in_flight(1024).grace_period(Duration::from_secs(5));
/// assert_eq!((options.host.as_str(), options.port), ("127.0.0.1", 3001));
/// assert_eq!(TcpMicroserviceOptions::default().port, 3000);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct TcpMicroserviceOptions {
    /// The address to listen on, a name or an IP address. Default: the environment variable `NESTRS_HOST`, or else
    /// `127.0.0.1`. In a container, `0.0.0.0`.
    pub host: String,
    /// The port to listen on; 0 takes a free one. Default 3000, as in NestJS.
    pub port: u16,
    /// The longest body of a frame, in bytes. Default 64 MiB. A longer one closes the connection as soon as its header
    /// is read; a longer reply is replaced by "Internal server error".
    pub max_frame_bytes: usize,
    /// Connections at a time. Default 10 000; one more is accepted and closed at once.
    pub max_connections: usize,
    /// Calls at a time on one connection that did not finish at once. Default 1 024, at least 1; at the limit the
    /// connection is not read.
    pub max_in_flight_per_conn: usize,
    /// The same for the whole server. Default 16 384, at least 1.
    pub max_in_flight: usize,
    /// Reply bytes queued for one connection above which it is not read, and its streams are not asked for more. Default
    /// 1 MiB.
    pub send_queue_high: usize,
    /// Reply bytes queued for one connection above which it is closed. Default 64 MiB.
    pub send_queue_max: usize,
    /// How long a peer may leave queued replies untaken, without a single byte of progress, before it is closed. Default
    /// 10 s.
    pub write_stall_timeout: Duration,
    /// How long calls under way may take to finish once the server is told to stop. Default 10 s.
    pub grace_period: Duration,
    /// How often to try again when the address cannot be had. Default 0: fail at once.
    pub retry_attempts: u32,
    /// The pause between two tries. Default zero.
    pub retry_delay: Duration,
    /// Whether an HTTP half that asks for the same address shares the listener, each connection told apart by its
    /// first byte. Default true; otherwise one of the two fails to listen.
    pub share_address: bool,
    /// Whether `*` and `>` in the patterns of handlers are wildcards, as on NATS: `orders.*` handles `orders.created`.
    /// Default false: as on NestJS's TCP, every pattern is taken as it is. See [`nestrs_core::WildcardStyle::Nats`].
    pub wildcards: bool,
    pub(crate) transport: TransportId,
    pub(super) serializer: Option<Arc<dyn PacketSerializer>>,
    pub(super) deserializer: Option<Arc<dyn PacketDeserializer>>,
    /// Taken by the server; options are cloned, a listener is not.
    pub(super) listener: Arc<Mutex<Option<Box<dyn Listener>>>>,
}

impl Default for TcpMicroserviceOptions {
    fn default() -> Self {
        Self {
            host: default_host(),
            port: 3000,
            max_frame_bytes: 64 * 1024 * 1024,
            max_connections: 10_000,
            max_in_flight_per_conn: 1024,
            max_in_flight: 16_384,
            send_queue_high: 1024 * 1024,
            send_queue_max: 64 * 1024 * 1024,
            write_stall_timeout: Duration::from_secs(10),
            grace_period: Duration::from_secs(10),
            retry_attempts: 0,
            retry_delay: Duration::ZERO,
            share_address: true,
            wildcards: false,
            transport: TransportId::TCP,
            serializer: None,
            deserializer: None,
            listener: Arc::default(),
        }
    }
}

impl TcpMicroserviceOptions {
    /// The defaults, on `address`: `host:port`, or a host alone.
    #[must_use]
    pub fn bind(address: &str) -> Self {
        let (host, port) = split_address(address);
        Self { host, port, ..Self::default() }
    }

    /// Sets the address to listen on.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    setters! {
        /// Sets the port; 0 takes a free one.
        port: u16,
        /// Sets the longest body of a frame, in bytes.
        max_frame_bytes: usize,
        /// Sets how many connections there may be at a time.
        max_connections: usize,
        /// Sets how many calls one connection may have under way.
        max_in_flight_per_conn: usize,
        /// Sets how many calls the server may have under way.
        max_in_flight: usize,
        /// Sets above how many queued reply bytes a connection is not read.
        send_queue_high: usize,
        /// Sets above how many queued reply bytes a connection is closed.
        send_queue_max: usize,
        /// Sets how long a peer may take nothing of what is queued for it.
        write_stall_timeout: Duration,
        /// Sets how long calls may take to finish at shutdown.
        grace_period: Duration,
        /// Sets how often to try again when the address cannot be had.
        retry_attempts: u32,
        /// Sets the pause between two tries.
        retry_delay: Duration,
        /// Sets whether an HTTP half may share the address.
        share_address: bool,
        /// Sets whether `*` and `>` in the patterns of handlers are wildcards, as on NATS.
        wildcards: bool,
    }

    /// Writes responses through `serializer`.
    #[must_use]
    pub fn serializer(mut self, serializer: impl PacketSerializer) -> Self {
        self.serializer = Some(Arc::new(serializer));
        self
    }

    /// Reads requests and events through `deserializer`.
    #[must_use]
    pub fn deserializer(mut self, deserializer: impl PacketDeserializer) -> Self {
        self.deserializer = Some(Arc::new(deserializer));
        self
    }

    /// Accepts from `listener` instead of listening on host and port: a socket bound elsewhere, a TLS acceptor, a
    /// channel of in-memory streams.
    #[must_use]
    pub fn listener(self, listener: impl Listener) -> Self {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(listener));
        self
    }

    pub(super) fn check_address(&self) -> io::Result<()> {
        check_host(&self.host)
    }

    /// `host:port`, as it is listened on and logged.
    #[must_use]
    pub fn address(&self) -> String {
        join_address(&self.host, self.port)
    }
}

impl fmt::Debug for TcpMicroserviceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpMicroserviceOptions")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("max_frame_bytes", &self.max_frame_bytes)
            .field("max_connections", &self.max_connections)
            .field("max_in_flight_per_conn", &self.max_in_flight_per_conn)
            .field("max_in_flight", &self.max_in_flight)
            .field("grace_period", &self.grace_period)
            .finish_non_exhaustive()
    }
}

/// How a TCP client dials and calls.
///
/// ```
/// use std::time::Duration;
/// use nestrs_microservices::TcpTransportOptions;
///
/// let options = TcpTransportOptions::to("127.0.0.1:3001").request_timeout(Some(Duration::from_secs(2)));
/// assert_eq!(options.port, 3001);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct TcpTransportOptions {
    /// The server's name or IP address. Default `127.0.0.1`.
    pub host: String,
    /// The server's port. Default 3000, as in NestJS.
    pub port: u16,
    /// How long to wait for an answer. Default 30 s; `None` waits for ever. A call may ask for its own.
    pub request_timeout: Option<Duration>,
    /// How long one attempt to connect may take. Default 5 s.
    pub connect_timeout: Duration,
    /// How long a call without a connection waits for one before it fails. Default 1 s, and never longer than its own
    /// timeout; with `retry_attempts`, as long as all tries may take instead.
    pub connect_wait: Duration,
    /// How often to try again when the server cannot be reached. Default 0.
    pub retry_attempts: u32,
    /// The pause between two tries. Default zero.
    pub retry_delay: Duration,
    /// Calls under way at a time. Default 4 096; one more waits, up to its own timeout.
    pub max_pending: usize,
    /// Bytes of requests not yet handed to the socket. Default 64 MiB; above it calls wait, up to their own timeout.
    pub pending_bytes: usize,
    /// The longest body of a frame, in bytes. Default 64 MiB. A longer request fails before anything is sent; a longer
    /// response closes the connection.
    pub max_frame_bytes: usize,
    /// Items of one stream that its reader has not taken yet. Default 1 024; one more ends the stream with
    /// [`ErrorKind::Overloaded`], so that a slow reader cannot hold up the other calls of the connection.
    pub stream_buffer: usize,
    pub(super) serializer: Option<Arc<dyn PacketSerializer>>,
    pub(super) deserializer: Option<Arc<dyn PacketDeserializer>>,
    pub(super) connector: Option<Connector>,
}

impl Default for TcpTransportOptions {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 3000,
            request_timeout: Some(Duration::from_secs(30)),
            connect_timeout: Duration::from_secs(5),
            connect_wait: Duration::from_secs(1),
            retry_attempts: 0,
            retry_delay: Duration::ZERO,
            max_pending: 4096,
            pending_bytes: 64 * 1024 * 1024,
            max_frame_bytes: 64 * 1024 * 1024,
            stream_buffer: 1024,
            serializer: None,
            deserializer: None,
            connector: None,
        }
    }
}

impl TcpTransportOptions {
    /// The defaults, to `address`: `host:port`, or a host alone.
    #[must_use]
    pub fn to(address: &str) -> Self {
        let (host, port) = split_address(address);
        Self { host, port, ..Self::default() }
    }

    /// Sets the server's name or address.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    setters! {
        /// Sets the server's port.
        port: u16,
        /// Sets how long to wait for an answer; `None` waits for ever.
        request_timeout: Option<Duration>,
        /// Sets how long one attempt to connect may take.
        connect_timeout: Duration,
        /// Sets how long a call waits for a connection.
        connect_wait: Duration,
        /// Sets how often to try again when the server cannot be reached.
        retry_attempts: u32,
        /// Sets the pause between two tries.
        retry_delay: Duration,
        /// Sets how many calls may be under way.
        max_pending: usize,
        /// Sets how many bytes of requests may wait for the socket.
        pending_bytes: usize,
        /// Sets the longest body of a frame, in bytes.
        max_frame_bytes: usize,
        /// Sets how many items of a stream may wait for its reader.
        stream_buffer: usize,
    }

    /// Writes requests and events through `serializer`.
    #[must_use]
    pub fn serializer(mut self, serializer: impl PacketSerializer) -> Self {
        self.serializer = Some(Arc::new(serializer));
        self
    }

    /// Reads responses through `deserializer`.
    #[must_use]
    pub fn deserializer(mut self, deserializer: impl PacketDeserializer) -> Self {
        self.deserializer = Some(Arc::new(deserializer));
        self
    }

    /// Dials with `connector` instead of to host and port: over TLS, through a proxy, in memory.
    #[must_use]
    pub fn connector(mut self, connector: Connector) -> Self {
        self.connector = Some(connector);
        self
    }

    pub(super) fn check_address(&self) -> io::Result<()> {
        if self.connector.is_some() { Ok(()) } else { check_host(&self.host) }
    }

    /// `host:port`, as it is dialled and logged.
    #[must_use]
    pub fn address(&self) -> String {
        join_address(&self.host, self.port)
    }

    pub(super) fn too_large(&self, len: usize) -> TransportError {
        let text =
            format!("message of {len} bytes exceeds the limit of {} bytes (`max_frame_bytes`)", self.max_frame_bytes);
        TransportError::withheld(ErrorKind::TooLarge, text)
    }
}

impl fmt::Debug for TcpTransportOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpTransportOptions")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("request_timeout", &self.request_timeout)
            .field("retry_attempts", &self.retry_attempts)
            .finish_non_exhaustive()
    }
}

/// Where servers listen unless told otherwise: `NESTRS_HOST`, or this machine only.
#[must_use]
pub fn default_host() -> String {
    std::env::var("NESTRS_HOST").ok().filter(|host| !host.is_empty()).unwrap_or_else(|| "127.0.0.1".to_owned())
}

/// `host:port`, `[v6]:port` or a host alone, which gets NestJS's port. What is none of these is kept as the host, for
/// [`check_host`] to refuse where an error can be returned.
fn split_address(address: &str) -> (String, u16) {
    const PORT: u16 = 3000;
    let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_owned();
    match address.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || (host.starts_with('[') && host.ends_with(']')) => {
            match port.parse() {
                Ok(port) => (bare(host), port),
                Err(_) => (address.to_owned(), PORT),
            }
        }
        _ => (bare(address), PORT),
    }
}

/// Says what is wrong with an address, before the resolver says something less to the point.
fn check_host(host: &str) -> io::Result<()> {
    let wrong = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if host.is_empty() {
        return wrong("there is no host; write `127.0.0.1:PORT`, or `0.0.0.0:PORT` for all networks".to_owned());
    }
    if host.bytes().all(|byte| byte.is_ascii_digit()) {
        return wrong(format!("`{host}` is no host; for a port write `127.0.0.1:{host}`"));
    }
    if host.contains("://") {
        return wrong(format!("`{host}` is a URL; write `HOST:PORT`"));
    }
    match host.rsplit_once(':') {
        Some((name, port)) if host.parse::<std::net::Ipv6Addr>().is_err() => {
            wrong(format!("`{port}` is no port, in `{name}:{port}`"))
        }
        _ => Ok(()),
    }
}

fn join_address(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        let check = |address: &str, host: &str, port: u16| {
            assert_eq!(split_address(address), (host.to_owned(), port), "{address}");
        };
        check("127.0.0.1:3001", "127.0.0.1", 3001);
        check("localhost", "localhost", 3000);
        check("[::1]:80", "::1", 80);
        check("::1", "::1", 3000);
        assert_eq!(TcpMicroserviceOptions::bind("[::1]:80").address(), "[::1]:80");
        assert_eq!(TcpTransportOptions::default().address(), "127.0.0.1:3000");
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        let refused = |address: &str| {
            let error = TcpMicroserviceOptions::bind(address).check_address().unwrap_err().to_string();
            assert_eq!(TcpTransportOptions::to(address).check_address().unwrap_err().to_string(), error);
            error
        };
        assert_eq!(refused("localhost:99999"), "`99999` is no port, in `localhost:99999`");
        assert_eq!(refused("3001"), "`3001` is no host; for a port write `127.0.0.1:3001`");
        assert!(refused(":3001").starts_with("there is no host"));
        assert_eq!(refused("tcp://127.0.0.1:3001"), "`tcp://127.0.0.1:3001` is a URL; write `HOST:PORT`");
        for good in ["::1", "[::1]:80", "localhost", "127.0.0.1:1"] {
            assert!(TcpMicroserviceOptions::bind(good).check_address().is_ok(), "{good}");
        }
    }
}
