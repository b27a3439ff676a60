//! How a client calls over Redis.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::setters;
use crate::client::Backoff;
use crate::net::Secret;
use crate::net::io::Keepalive;
use crate::redis::address::{PORT, Target, join};
use crate::redis::settings::Settings;
use crate::serializer::{PacketDeserializer, PacketSerializer};
use crate::tcp::Overflow;

/// How a client calls over Redis: NestJS's `Transport.REDIS` (NestJS fact sheet, section 7). Redis 6 or newer.
///
/// ```
/// use std::time::Duration;
/// use nestrs_microservices::{ClientConfig, RedisTransportOptions};
///
/// let options = RedisTransportOptions::to("127.0.0.1:6379").request_timeout(Some(Duration::from_secs(5)));
/// let billing = ClientConfig::redis("billing", options);
/// # let _ = billing;
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisTransportOptions {
    /// The server's name or address. Default `localhost`, as in NestJS.
    pub host: String,
    /// Its port. Default 6379.
    pub port: u16,
    /// A user of its access control list. Default `None`: the user `default`.
    pub username: Option<String>,
    /// The password. Default `None`.
    pub password: Option<Secret>,
    /// The number of a database. Default 0. Publish and subscribe are the same in all of them: it matters to access
    /// control only.
    pub database: u32,
    /// How long to wait for an answer. Default 30 s; `None` waits for ever. Then the call fails with
    /// [`ErrorKind::Timeout`](nestrs_core::ErrorKind::Timeout).
    pub request_timeout: Option<Duration>,
    /// How long one attempt to connect may take, TLS and authentication included. Default 5 s.
    pub connect_timeout: Duration,
    /// How long a call waits for a connection. Default 1 s; then it fails with
    /// [`ErrorKind::Unavailable`](nestrs_core::ErrorKind::Unavailable), and nothing of it was sent.
    pub connect_wait: Duration,
    /// The pauses before each try to connect again after a loss. Default up to 50 ms, doubling to 1 s: BR-3 leaves two.
    pub backoff: Backoff,
    /// How often the server is asked whether it is there; one that has not answered after as long again is lost, and calls
    /// under way fail. Default 10 s.
    pub ping_interval: Duration,
    /// Calls under way at a time. Default 4 096, at least 1.
    pub max_pending: usize,
    /// What happens to calls beyond that. Default [`Overflow::Wait`]: they wait for a place until their deadline.
    pub overflow: Overflow,
    /// Reply channels that are listened to at a time, one for each pattern that is called. Default 1 024, at least 1. For one
    /// more, the one unused for longest is given back; where calls are under way on all of them, the call fails with
    /// [`ErrorKind::Overloaded`](nestrs_core::ErrorKind::Overloaded).
    pub reply_channels: usize,
    /// Whether a call fails at once, with [`ErrorKind::NotFound`](nestrs_core::ErrorKind::NotFound), when nobody listens to
    /// its channel. Default true. A node of a Redis cluster knows of its own listeners only: there, set it to false, and
    /// such a call fails by its timeout.
    pub fail_unheard: bool,
    /// The longest message, in bytes. Default 64 MiB. A longer request is refused before it is sent; a longer reply is
    /// dropped and counted.
    pub max_message_bytes: usize,
    /// Items of one stream that its reader has not taken yet. Default 1 024; one more ends the stream with
    /// [`ErrorKind::Overloaded`](nestrs_core::ErrorKind::Overloaded).
    pub stream_buffer: usize,
    /// Whether each request says how long its caller waits, so that the service stops working for one who has gone on: in its
    /// metadata, which NestJS 11 ignores and NestJS 12 shows to handlers. Default true.
    pub send_deadline: bool,
    /// Whether events are written to Redis Streams, for services that take them from there
    /// ([`RedisMicroserviceOptions::streams`](crate::RedisMicroserviceOptions::streams)). Default false: they are published. `emit`
    /// then returns when Redis has confirmed the event: in its memory, and on disk as far as Redis is told to
    /// (`appendonly`, `appendfsync`). Where the connection is lost meanwhile it may be there or not, and the error says so.
    /// Calls are published all the same.
    pub streams: bool,
    /// What stands before a pattern in the key of its stream. Default `events:`.
    pub stream_prefix: String,
    /// How many events a stream keeps, more or less. Default 1 000 000: of more, the oldest are gone, be they handled or not.
    pub stream_max_len: usize,
    /// How a machine that is gone is found. Default: within 30 s.
    pub keepalive: Keepalive,
    pub(in crate::redis) secure: bool,
    pub(in crate::redis) malformed: Option<&'static str>,
    pub(in crate::redis) serializer: Option<Arc<dyn PacketSerializer>>,
    pub(in crate::redis) deserializer: Option<Arc<dyn PacketDeserializer>>,
    #[cfg(feature = "tls")]
    pub(in crate::redis) tls: Option<crate::net::tls::TlsClientOptions>,
}

impl Default for RedisTransportOptions {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: PORT,
            username: None,
            password: None,
            database: 0,
            request_timeout: Some(Duration::from_secs(30)),
            connect_timeout: Duration::from_secs(5),
            connect_wait: Duration::from_secs(1),
            backoff: Backoff::default(),
            ping_interval: Duration::from_secs(10),
            max_pending: 4096,
            overflow: Overflow::Wait,
            reply_channels: 1024,
            fail_unheard: true,
            max_message_bytes: 64 * 1024 * 1024,
            stream_buffer: 1024,
            send_deadline: true,
            streams: false,
            stream_prefix: super::STREAM_PREFIX.to_owned(),
            stream_max_len: 1_000_000,
            keepalive: Keepalive::default(),
            secure: false,
            malformed: None,
            serializer: None,
            deserializer: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl RedisTransportOptions {
    common!();

    /// Sets what stands before a pattern in the key of its stream.
    #[must_use]
    pub fn stream_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.stream_prefix = prefix.into();
        self
    }

    setters! {
        /// Sets the server's port.
        port: u16,
        /// Sets the number of the database.
        database: u32,
        /// Sets how long to wait for an answer; `None` waits for ever.
        request_timeout: Option<Duration>,
        /// Sets how long one attempt to connect may take.
        connect_timeout: Duration,
        /// Sets how long a call waits for a connection.
        connect_wait: Duration,
        /// Sets the pauses before each try to connect again after a loss.
        backoff: Backoff,
        /// Sets how often the server is asked whether it is there.
        ping_interval: Duration,
        /// Sets how many calls may be under way.
        max_pending: usize,
        /// Sets what happens to calls beyond that.
        overflow: Overflow,
        /// Sets how many reply channels are listened to at a time.
        reply_channels: usize,
        /// Sets whether a call fails at once when nobody listens to its channel.
        fail_unheard: bool,
        /// Sets the longest message, in bytes.
        max_message_bytes: usize,
        /// Sets how many items of a stream may wait for its reader.
        stream_buffer: usize,
        /// Sets whether requests say how long their callers wait.
        send_deadline: bool,
        /// Sets whether events are written to streams.
        streams: bool,
        /// Sets how many events a stream keeps.
        stream_max_len: usize,
        /// Sets how a machine that is gone is found.
        keepalive: Keepalive,
    }
}

impl fmt::Debug for RedisTransportOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTransportOptions")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("username", &self.username)
            .field("database", &self.database)
            .field("request_timeout", &self.request_timeout)
            .finish_non_exhaustive()
    }
}
