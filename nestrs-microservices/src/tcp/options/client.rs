//! How a TCP client dials and calls.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use nestrs_core::{ErrorKind, TransportError};

use crate::client::Backoff;
use crate::net::Secret;
use crate::net::io::{Connector, Keepalive};
use crate::serializer::{PacketDeserializer, PacketSerializer};

use super::Overflow;
use super::address::{check_host, join_address, split_address, without_user};

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
    /// How often to try again when the server cannot be reached the first time. Default 0. After a loss the client dials
    /// until it is connected or closed; see `backoff`.
    pub retry_attempts: u32,
    /// The pause between two tries of the first connection. Default zero, which like all below 5 ms waits 5 ms.
    pub retry_delay: Duration,
    /// The pauses before each try to connect again after a loss. Default: up to 50 ms, doubling to 1 s; they begin anew
    /// after a connection that lived for 1 s. None is shorter than 5 ms, so that no value makes a busy loop. Calls that come meanwhile wait as `connect_wait` says.
    pub backoff: Backoff,
    /// Calls under way at a time. Default 4 096, at least 1; what happens to one more, `overflow` says.
    pub max_pending: usize,
    /// Bytes of requests not yet handed to the socket. Default 64 MiB; what happens to calls above it, `overflow` says. A
    /// request that is larger by itself goes out alone.
    pub pending_bytes: usize,
    /// What happens to calls beyond these two limits. Default [`Overflow::Wait`], up to their own timeout;
    /// [`Overflow::Reject`] fails them with [`ErrorKind::Overloaded`], not sent.
    pub overflow: Overflow,
    /// The longest body of a frame, in bytes. Default 64 MiB. A longer request fails before anything is sent; a longer
    /// response closes the connection.
    pub max_frame_bytes: usize,
    /// How long a response may take from its first byte, beside what `min_frame_rate` allows. Default 30 s; `None` lets it
    /// take for ever. One that is late closes the connection. What is sent meanwhile is no sign of the server's life.
    pub frame_idle_timeout: Option<Duration>,
    /// Bytes a second by which a response that arrives gains time. Default 64 KiB; 0 gains none.
    pub min_frame_rate: usize,
    /// Items of one stream that its reader has not taken yet. Default 1 024; one more ends the stream with
    /// [`ErrorKind::Overloaded`], so that a slow reader cannot hold up the other calls of the connection.
    pub stream_buffer: usize,
    /// Whether each request says how long its caller waits, so that the server stops working for one who has gone on: in its
    /// metadata, where NestJS 11 ignores it and NestJS 12 shows it to handlers. Default true. Events never say so.
    pub send_deadline: bool,
    /// How a dead server is found. Default: within 30 s.
    pub keepalive: Keepalive,
    pub(in crate::tcp) serializer: Option<Arc<dyn PacketSerializer>>,
    pub(in crate::tcp) deserializer: Option<Arc<dyn PacketDeserializer>>,
    pub(in crate::tcp) connector: Option<Connector>,
    pub(in crate::tcp) credentials: Option<Secret>,
    #[cfg(feature = "tls")]
    pub(in crate::tcp) tls: Option<crate::net::tls::TlsClientOptions>,
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
            backoff: Backoff::default(),
            max_pending: 4096,
            pending_bytes: 64 * 1024 * 1024,
            overflow: Overflow::Wait,
            max_frame_bytes: 64 * 1024 * 1024,
            frame_idle_timeout: Some(Duration::from_secs(30)),
            min_frame_rate: 64 * 1024,
            stream_buffer: 1024,
            send_deadline: true,
            keepalive: Keepalive::default(),
            serializer: None,
            deserializer: None,
            connector: None,
            credentials: None,
            #[cfg(feature = "tls")]
            tls: None,
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
        /// Sets how often to try again when the server cannot be reached the first time.
        retry_attempts: u32,
        /// Sets the pause between two tries of the first connection.
        retry_delay: Duration,
        /// Sets the pauses before each try to connect again after a loss.
        backoff: Backoff,
        /// Sets how many calls may be under way.
        max_pending: usize,
        /// Sets how many bytes of requests may wait for the socket.
        pending_bytes: usize,
        /// Sets what happens to calls beyond these two limits.
        overflow: Overflow,
        /// Sets the longest body of a frame, in bytes.
        max_frame_bytes: usize,
        /// Sets how long a response may take from its first byte; `None` for ever.
        frame_idle_timeout: Option<Duration>,
        /// Sets by how many bytes a second a response gains time.
        min_frame_rate: usize,
        /// Sets how many items of a stream may wait for its reader.
        stream_buffer: usize,
        /// Sets whether requests say how long their callers wait.
        send_deadline: bool,
        /// Sets how a dead server is found.
        keepalive: Keepalive,
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

    /// Speaks TLS on every connection: NestJS's `tlsOptions`. What is wrong with the server's certificate, or what the server
    /// finds wrong with ours, is in the text of the error of each call, [`ErrorKind::Unavailable`]; nothing of the call was
    /// sent. The handshake is part of `connect_timeout`. Feature `tls`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::net::tls::TlsClientOptions) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Begins every connection with `token`, as a frame with a JSON string, for a server that asks for it
    /// ([`authenticate_by_credentials`](crate::TcpMicroserviceOptions::authenticate_by_credentials)); others, and NestJS's,
    /// take it for a packet and ignore it at best. A server that refuses it closes the connection without a word. Without
    /// TLS, whoever can read the network can read it.
    #[must_use]
    pub fn credentials(mut self, token: impl Into<Secret>) -> Self {
        self.credentials = Some(token.into());
        self
    }

    /// Whether connections are sockets of ours with nothing around them.
    pub(in crate::tcp) fn is_bare(&self) -> bool {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return false;
        }
        self.connector.is_none()
    }

    pub(in crate::tcp) fn check_address(&self) -> io::Result<()> {
        if self.connector.is_some() { Ok(()) } else { check_host(&self.host) }
    }

    /// `host:port`, as it is dialled and logged.
    #[must_use]
    pub fn address(&self) -> String {
        join_address(&self.host, self.port)
    }

    pub(in crate::tcp) fn too_large(&self, len: usize) -> TransportError {
        let text =
            format!("message of {len} bytes exceeds the limit of {} bytes (`max_frame_bytes`)", self.max_frame_bytes);
        TransportError::withheld(ErrorKind::TooLarge, text)
    }
}

impl fmt::Debug for TcpTransportOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpTransportOptions")
            .field("host", &without_user(&self.host))
            .field("port", &self.port)
            .field("request_timeout", &self.request_timeout)
            .field("retry_attempts", &self.retry_attempts)
            .finish_non_exhaustive()
    }
}
