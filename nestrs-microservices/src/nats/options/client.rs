//! How a NATS client calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::{CallingOptions, setters};
use crate::client::Backoff;
use crate::nats::connecting::Connecting;
use crate::nats::credentials::Credentials;
use crate::nats::headers::NatsHeaders;
use crate::nats::jetstream::JetStreamEmitOptions;
use crate::serializer::{PacketDeserializer, PacketSerializer};
use crate::tcp::Overflow;

use super::default_servers;

/// How a NATS client calls.
///
/// ```
/// use std::time::Duration;
/// use nestrs_microservices::NatsTransportOptions;
///
/// let options = NatsTransportOptions::to("127.0.0.1:4222").header("x-tenant", "acme").request_timeout(Some(Duration::from_secs(2)));
/// assert_eq!(options.headers.get("x-tenant"), Some("acme"));
/// assert_eq!(NatsTransportOptions::default().servers, ["localhost:4222"]);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct NatsTransportOptions {
    /// The servers of one cluster, each `host:port`; one after another is tried. Default `localhost:4222`, as in NestJS.
    pub servers: Vec<String>,
    /// The name that the NATS server shows of this connection. Default `None`.
    pub name: Option<String>,
    /// Headers of every request and event, but for those that a call sets itself. Default none.
    pub headers: NatsHeaders,
    /// How long to wait for an answer. Default 30 s; `None` waits for ever. A call may ask for its own.
    pub request_timeout: Option<Duration>,
    /// How long one attempt to connect to one server may take. Default 5 s.
    pub connect_timeout: Duration,
    /// How long a call without a connection waits for one before it fails. Default 1 s, and never longer than its own timeout.
    pub connect_wait: Duration,
    /// The pauses before each try to connect again after a loss. Default: up to 50 ms, doubling to 1 s, so that the first message is handled within 2 s of the return.
    pub backoff: Backoff,
    /// Tries in a row after a loss; then it is left to the next call to connect. Default `None`: for ever.
    pub max_reconnects: Option<u32>,
    /// How often the server is asked for a sign of life. Default 10 s; one that has not answered the second question when the
    /// third is due is lost.
    pub ping_interval: Duration,
    /// What inboxes begin with, where the NATS server lets each client have its own only. Default `None`: `_INBOX`.
    pub inbox_prefix: Option<String>,
    /// Events are sent when a stream has them. Default `None`: when they are given to the operating system.
    pub jetstream: Option<JetStreamEmitOptions>,
    /// Replies that wait to be read. Default 65 536; one more is dropped, and counted in
    /// [`ClientStats::overflowed_replies`](crate::ClientStats::overflowed_replies). Where many are dropped at once some go
    /// uncounted.
    pub subscription_capacity: usize,
    /// Calls under way at a time. Default 4 096, at least 1; what happens to one more, `overflow` says.
    pub max_pending: usize,
    /// What happens to calls beyond that. Default [`Overflow::Wait`], up to their own timeout; [`Overflow::Reject`] fails them
    /// with [`ErrorKind::Overloaded`](nestrs_core::ErrorKind::Overloaded), not sent.
    pub overflow: Overflow,
    /// Items of one stream that its reader has not taken yet. Default 1 024; one more ends the stream with
    /// [`ErrorKind::Overloaded`](nestrs_core::ErrorKind::Overloaded).
    pub stream_buffer: usize,
    /// Whether each request says how long its caller waits, in a header that NestJS ignores. Default true.
    pub send_deadline: bool,
    credentials: Credentials,
    serializer: Option<Arc<dyn PacketSerializer>>,
    deserializer: Option<Arc<dyn PacketDeserializer>>,
    #[cfg(feature = "tls")]
    tls: Option<crate::net::tls::TlsClientOptions>,
}

impl Default for NatsTransportOptions {
    fn default() -> Self {
        let CallingOptions {
            request_timeout,
            connect_wait,
            backoff,
            max_reconnects,
            max_pending,
            overflow,
            stream_buffer,
            send_deadline,
            serializer,
            deserializer,
        } = CallingOptions::default();
        Self {
            servers: default_servers(),
            name: None,
            headers: NatsHeaders::default(),
            request_timeout,
            connect_timeout: Duration::from_secs(5),
            connect_wait,
            backoff,
            max_reconnects,
            ping_interval: Duration::from_secs(10),
            inbox_prefix: None,
            jetstream: None,
            subscription_capacity: 65_536,
            max_pending,
            overflow,
            stream_buffer,
            send_deadline,
            credentials: Credentials::None,
            serializer,
            deserializer,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl NatsTransportOptions {
    /// The defaults, over the NATS server at `address`: `host:port`, or a host alone.
    #[must_use]
    pub fn to(address: &str) -> Self {
        Self { servers: vec![address.to_owned()], ..Self::default() }
    }

    /// Adds a header to every request and event, unless a call sets one of that name itself.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let added = [(name.into(), value.into())];
        let all = self.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).chain(added);
        self.headers = all.collect();
        self
    }

    /// Sets what inboxes begin with.
    #[must_use]
    pub fn inbox_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.inbox_prefix = Some(prefix.into());
        self
    }

    /// Has `emit` wait until a stream has the event.
    #[must_use]
    pub fn jetstream(mut self, emitting: JetStreamEmitOptions) -> Self {
        self.jetstream = Some(emitting);
        self
    }

    reach!();

    setters! {
        /// Sets the headers of every request and event.
        headers: NatsHeaders,
        /// Sets how long to wait for an answer; `None` waits for ever.
        request_timeout: Option<Duration>,
        /// Sets how long one attempt to connect may take.
        connect_timeout: Duration,
        /// Sets how long a call waits for a connection.
        connect_wait: Duration,
        /// Sets the pauses before each try to connect again after a loss.
        backoff: Backoff,
        /// Sets how often to try after a loss; `None` for ever.
        max_reconnects: Option<u32>,
        /// Sets how often the server is asked for a sign of life.
        ping_interval: Duration,
        /// Sets how many replies may wait to be read.
        subscription_capacity: usize,
        /// Sets how many calls may be under way.
        max_pending: usize,
        /// Sets what happens to calls beyond that.
        overflow: Overflow,
        /// Sets how many items of a stream may wait for its reader.
        stream_buffer: usize,
        /// Sets whether requests say how long their callers wait.
        send_deadline: bool,
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

    pub(in crate::nats) fn connecting(&self) -> Connecting {
        Connecting {
            servers: self.servers.clone(),
            name: self.name.clone(),
            credentials: self.credentials.clone(),
            ping_interval: self.ping_interval,
            connect_timeout: self.connect_timeout,
            inbox_prefix: self.inbox_prefix.clone(),
            subscription_capacity: self.subscription_capacity,
            #[cfg(feature = "tls")]
            tls: self.tls.clone(),
            turn: Arc::default(),
        }
    }

    pub(in crate::nats) fn calling(&self) -> CallingOptions {
        CallingOptions {
            request_timeout: self.request_timeout,
            connect_wait: self.connect_wait,
            backoff: self.backoff,
            max_reconnects: self.max_reconnects,
            max_pending: self.max_pending,
            overflow: self.overflow,
            stream_buffer: self.stream_buffer,
            send_deadline: self.send_deadline,
            serializer: self.serializer.clone(),
            deserializer: self.deserializer.clone(),
        }
    }
}

impl fmt::Debug for NatsTransportOptions {
    shown!("NatsTransportOptions");
}
