//! How a TCP microservice listens.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nestrs_core::{TransportError, TransportId};

use crate::authentication::{Authenticator, ConnectionRequest};
use crate::net::io::{Keepalive, Listener};
use crate::net::registry::ConnectionObserver;
use crate::serializer::{PacketDeserializer, PacketSerializer};

use super::address::{check_host, default_host, join_address, split_address, without_user};

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
    /// The same until the authentication hook has let the connection in, where there is one. Default 16 KiB.
    pub max_frame_bytes_unauthenticated: usize,
    /// Bytes of frames above 64 KiB, for the whole server, from their arrival until their payloads are dropped. Default
    /// 256 MiB. Such a frame first reserves the most it can come to, three bytes for each announced unit and never more
    /// than `max_frame_bytes`, all or nothing; until there is room its connection is not read, and its deadline runs on.
    /// A frame longer than the whole budget closes its connection.
    pub recv_budget_bytes: usize,
    /// Reply bytes queued for all connections together. Default 512 MiB; above it the connection with the longest queue is
    /// closed.
    pub send_budget_bytes: usize,
    /// How long a frame may take from its first byte, beside what `min_frame_rate` allows. Default 30 s; a frame that is
    /// late closes its connection.
    pub frame_idle_timeout: Duration,
    /// Bytes a second that a frame must keep up over its whole length. Default 64 KiB; 0 sets no rate, and then
    /// `frame_idle_timeout` begins anew with every byte.
    pub min_frame_rate: usize,
    /// How long TLS and the authentication hook may take together. Default 10 s; then the connection is closed.
    pub handshake_timeout: Duration,
    /// Connections at a time. Default 10 000, and never more than the process may open files, less 64 (as Linux tells when
    /// the server is bound); one more is accepted and closed at once.
    pub max_connections: usize,
    /// Connections at a time from one IP address, an IPv6 address counted by its /64. Default `None`: no limit, since
    /// sidecars and NAT share addresses. One more is accepted and closed at once. Of 65 536 addresses at a time; those of
    /// further ones are not counted.
    pub max_connections_per_ip: Option<usize>,
    /// Connections that one IP address may begin in a time, which runs from the first of them. Default `None`: no limit. One
    /// more is accepted and closed at once, and counts for nothing. Of 65 536 addresses; for one more the oldest is forgotten.
    pub connect_rate_per_ip: Option<(u32, Duration)>,
    /// Calls at a time on one connection that did not finish at once. Default 1 024, at least 1; at the limit the
    /// connection is not read.
    pub max_in_flight_per_conn: usize,
    /// The same for the whole server. Default 16 384, at least 1.
    pub max_in_flight: usize,
    /// What happens to calls beyond these two limits. Default [`Overflow::Wait`].
    pub overflow: Overflow,
    /// Reply bytes queued for one connection above which it is not read, and its streams are not asked for more. Default
    /// 1 MiB.
    pub send_queue_high: usize,
    /// Reply bytes queued for one connection above which it is closed. Default 64 MiB.
    pub send_queue_max: usize,
    /// How long a peer may leave queued replies untaken, without a single byte of progress, before it is closed. Default
    /// 10 s.
    pub write_stall_timeout: Duration,
    /// How dead peers are found. Default: within 30 s.
    pub keepalive: Keepalive,
    /// How long a connection may be without a byte in either direction and without a call under way. Default `None`: for
    /// ever, since NestJS's clients hold silent connections for days. Then it is closed.
    pub idle_timeout: Option<Duration>,
    /// How long a handler may take. Default `None`: as long as it likes. Then a call is answered with "Request timed out"
    /// and the handler is dropped, unless it is marked `#[run_to_completion]`; for an event it counts as a failure.
    pub handler_timeout: Option<Duration>,
    /// How long calls under way may take to finish once the server is told to stop. Default 10 s.
    pub grace_period: Duration,
    /// How often to try again when the address cannot be had. Default 0: fail at once.
    pub retry_attempts: u32,
    /// The pause between two tries. Default zero.
    pub retry_delay: Duration,
    /// Whether an HTTP half that asks for the same address shares the listener, each connection told apart by its
    /// first byte. One that says nothing counts for the limits here, and is taken for a message client's after 10 s.
    /// Default true; otherwise one of the two fails to listen.
    pub share_address: bool,
    /// Whether `*` and `>` in the patterns of handlers are wildcards, as on NATS: `orders.*` handles `orders.created`.
    /// Default false: as on NestJS's TCP, every pattern is taken as it is. See [`nestrs_core::WildcardStyle::Nats`].
    pub wildcards: bool,
    pub(crate) transport: TransportId,
    pub(in crate::tcp) serializer: Option<Arc<dyn PacketSerializer>>,
    pub(in crate::tcp) deserializer: Option<Arc<dyn PacketDeserializer>>,
    pub(in crate::tcp) authenticator: Option<Authenticator>,
    #[cfg(feature = "tls")]
    pub(in crate::tcp) tls: Option<crate::net::tls::TlsServerOptions>,
    /// Taken by the server; options are cloned, a listener is not.
    pub(in crate::tcp) listener: Arc<Mutex<Option<Box<dyn Listener>>>>,
    pub(in crate::tcp) observers: Vec<Arc<dyn ConnectionObserver>>,
}

impl Default for TcpMicroserviceOptions {
    fn default() -> Self {
        Self {
            host: default_host(),
            port: 3000,
            max_frame_bytes: 64 * 1024 * 1024,
            max_frame_bytes_unauthenticated: 16 * 1024,
            recv_budget_bytes: 256 * 1024 * 1024,
            send_budget_bytes: 512 * 1024 * 1024,
            frame_idle_timeout: Duration::from_secs(30),
            min_frame_rate: 64 * 1024,
            handshake_timeout: Duration::from_secs(10),
            max_connections: 10_000,
            max_connections_per_ip: None,
            connect_rate_per_ip: None,
            max_in_flight_per_conn: 1024,
            max_in_flight: 16_384,
            overflow: Overflow::Wait,
            send_queue_high: 1024 * 1024,
            send_queue_max: 64 * 1024 * 1024,
            write_stall_timeout: Duration::from_secs(10),
            keepalive: Keepalive::default(),
            idle_timeout: None,
            handler_timeout: None,
            grace_period: Duration::from_secs(10),
            retry_attempts: 0,
            retry_delay: Duration::ZERO,
            share_address: true,
            wildcards: false,
            transport: TransportId::TCP,
            serializer: None,
            deserializer: None,
            authenticator: None,
            #[cfg(feature = "tls")]
            tls: None,
            listener: Arc::default(),
            observers: Vec::new(),
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
        /// Sets the longest body of a frame before the connection is authenticated, in bytes.
        max_frame_bytes_unauthenticated: usize,
        /// Sets how many bytes of unfinished frames the server holds.
        recv_budget_bytes: usize,
        /// Sets how many reply bytes the server holds.
        send_budget_bytes: usize,
        /// Sets how long a frame may take, beside what its length allows.
        frame_idle_timeout: Duration,
        /// Sets how many bytes a second a frame must keep up.
        min_frame_rate: usize,
        /// Sets how long TLS and authentication may take together.
        handshake_timeout: Duration,
        /// Sets how many connections there may be at a time.
        max_connections: usize,
        /// Sets how many connections one IP address may have.
        max_connections_per_ip: Option<usize>,
        /// Sets how many connections one IP address may begin in a time.
        connect_rate_per_ip: Option<(u32, Duration)>,
        /// Sets how many calls one connection may have under way.
        max_in_flight_per_conn: usize,
        /// Sets how many calls the server may have under way.
        max_in_flight: usize,
        /// Sets what happens to calls beyond these two limits.
        overflow: Overflow,
        /// Sets above how many queued reply bytes a connection is not read.
        send_queue_high: usize,
        /// Sets above how many queued reply bytes a connection is closed.
        send_queue_max: usize,
        /// Sets how long a peer may take nothing of what is queued for it.
        write_stall_timeout: Duration,
        /// Sets how dead peers are found.
        keepalive: Keepalive,
        /// Sets how long a connection may be silent.
        idle_timeout: Option<Duration>,
        /// Sets how long a handler may take.
        handler_timeout: Option<Duration>,
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

    /// Speaks TLS, and nothing else, on every connection: NestJS's `tlsOptions`. Handshakes run beside each other, in the
    /// connections' own tasks, and are over within `handshake_timeout`; one that fails is logged and closed. Feature `tls`.
    ///
    /// An HTTP half on the same address stays in plain HTTP, and the two are told apart by the first byte.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::net::tls::TlsServerOptions) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Asks `hook` about every connection before anything is read from it, by its address and by who it has proved to be
    /// ([`ConnectionRequest`]). An `Err` closes it: the error is logged, and the peer is told nothing. A panic is an `Err`.
    ///
    /// What the hook returns is there for every call of the connection: [`ConnectionContext::authenticated`] in guards,
    /// [`Authenticated`] as an argument of handlers. Hook and TLS handshake together have `handshake_timeout`. A NestJS
    /// client needs nothing for it. The last hook given counts.
    ///
    /// ```
    /// use nestrs_microservices::TcpMicroserviceOptions;
    ///
    /// let options = TcpMicroserviceOptions::default().authenticate(|request| async move {
    ///     match request.peer_addr() {
    ///         Some(address) if address.ip().is_loopback() => Ok(()),
    ///         _ => Err(nestrs_core::forbidden()),
    ///     }
    /// });
    /// # let _ = options;
    /// ```
    ///
    /// [`ConnectionContext::authenticated`]: crate::ConnectionContext::authenticated
    /// [`Authenticated`]: crate::Authenticated
    #[must_use]
    pub fn authenticate<F, Fut, T>(mut self, hook: F) -> Self
    where
        F: Fn(ConnectionRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, TransportError>> + Send + 'static,
        T: Send + Sync + 'static,
    {
        self.authenticator = Some(Authenticator::new(hook, false));
        self
    }

    /// [`TcpMicroserviceOptions::authenticate`] by credentials: the first frame of every connection is no packet but
    /// something for the hook, a token as a JSON string or any other JSON, of at most `max_frame_bytes_unauthenticated`.
    /// It is not answered. Over a network it belongs under TLS, which keeps others from reading it.
    ///
    /// Clients of ours send it by [`TcpTransportOptions::credentials`](crate::TcpTransportOptions::credentials). In NestJS it is a
    /// `socketClass` that extends `JsonSocket`, whose constructor says
    /// `socket.once('connect', () => this.sendMessage(token))`.
    ///
    /// ```
    /// use nestrs_microservices::{Secret, TcpMicroserviceOptions};
    ///
    /// let expected = Secret::new("from the environment");
    /// let options = TcpMicroserviceOptions::default().authenticate_by_credentials(move |request| {
    ///     // In constant time, as `==` is not.
    ///     let known = request.token().is_some_and(|token| expected.matches(token.expose()));
    ///     async move { if known { Ok(()) } else { Err(nestrs_core::forbidden()) } }
    /// });
    /// # let _ = options;
    /// ```
    #[must_use]
    pub fn authenticate_by_credentials<F, Fut, T>(mut self, hook: F) -> Self
    where
        F: Fn(ConnectionRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, TransportError>> + Send + 'static,
        T: Send + Sync + 'static,
    {
        self.authenticator = Some(Authenticator::new(hook, true));
        self
    }

    /// Whether a connection has to show anything before its frames are read.
    pub(in crate::tcp) fn has_admission(&self) -> bool {
        self.authenticator.is_some() || self.has_tls()
    }

    #[cfg(feature = "tls")]
    pub(in crate::tcp) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    #[cfg(not(feature = "tls"))]
    pub(in crate::tcp) fn has_tls(&self) -> bool {
        false
    }

    /// Accepts from `listener` instead of listening on host and port: a socket bound elsewhere, a TLS acceptor, a
    /// channel of in-memory streams.
    #[must_use]
    pub fn listener(self, listener: impl Listener) -> Self {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(listener));
        self
    }

    /// Has connections observed: one more observer beside those there are.
    #[must_use]
    pub fn observer(mut self, observer: impl ConnectionObserver) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    pub(in crate::tcp) fn check_address(&self) -> io::Result<()> {
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
            .field("host", &without_user(&self.host))
            .field("port", &self.port)
            .field("max_frame_bytes", &self.max_frame_bytes)
            .field("max_connections", &self.max_connections)
            .field("max_in_flight_per_conn", &self.max_in_flight_per_conn)
            .field("max_in_flight", &self.max_in_flight)
            .field("grace_period", &self.grace_period)
            .finish_non_exhaustive()
    }
}

/// What happens to calls beyond a limit: on a server `max_in_flight_per_conn` and `max_in_flight`, on a client
/// `max_pending` and `pending_bytes`.
///
/// ```
/// use nestrs_microservices::{Overflow, TcpMicroserviceOptions};
///
/// let options = TcpMicroserviceOptions::default().overflow(Overflow::Reject);
/// assert_eq!(options.overflow, Overflow::Reject);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// They wait. A server does not read connections until there is room, and callers feel it as backpressure; a client
    /// lets calls wait up to their own timeout.
    #[default]
    Wait,
    /// They fail at once. A server answers calls with `{"status":"error","message":"Service overloaded","executed":false}`,
    /// which a client may send elsewhere, and drops and logs events; a client fails them as not sent.
    Reject,
}
