//! How a microservice listens on Redis.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::setters;
use crate::client::Backoff;
use crate::net::Secret;
use crate::net::io::Keepalive;
use crate::redis::address::{PORT, Target, join};
use crate::redis::options::RedisStreamsOptions;
use crate::redis::settings::Settings;
use crate::serializer::{PacketDeserializer, PacketSerializer};

/// How a microservice listens on Redis: NestJS's `Transport.REDIS` (NestJS fact sheet, section 7). Redis 6 or newer.
///
/// Every pattern is a channel of Redis' publish and subscribe. Every instance of a service gets every call and every event:
/// with three replicas a request is handled three times, and its caller takes the first answer. What is published while
/// an instance is not connected is gone for it. Events can do better: [`streams`](Self::streams).
///
/// ```
/// use std::time::Duration;
/// use nestrs_microservices::RedisMicroserviceOptions;
///
/// let options = RedisMicroserviceOptions::to("redis://billing:secret@cache.internal:6380/2").grace_period(Duration::from_secs(5));
/// assert_eq!((options.host.as_str(), options.port, options.database), ("cache.internal", 6380, 2));
/// assert_eq!(RedisMicroserviceOptions::default().address(), "localhost:6379");
/// assert!(!format!("{options:?}").contains("secret"));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisMicroserviceOptions {
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
    /// Whether `*`, `?` and `[…]` in the patterns of handlers are wildcards, subscribed to by `PSUBSCRIBE`: `orders:*`
    /// handles `orders:created`. Default false, as in NestJS: every pattern is a channel. A reply goes to the channel that was
    /// published to with `.reply` behind it, as in NestJS 12; in NestJS 11 it went where no client listens.
    pub wildcards: bool,
    /// Messages for one pattern that are handled at a time. Default 64, at least 1; further ones wait in its queue.
    pub prefetch: usize,
    /// Messages for one pattern that wait to be handled. Default 1 024, at least 1. Of what comes beyond, calls are answered
    /// with "Service overloaded", and events are dropped; both are counted
    /// ([`ServerStats`](crate::ServerStats)).
    pub queue: usize,
    /// Bytes of messages that wait to be handled, for all patterns together. Default 64 MiB; beyond it, the same.
    pub queue_bytes: usize,
    /// The longest message, in bytes. Default 64 MiB. A longer one is dropped and counted; a longer reply is replaced by
    /// "Internal server error".
    pub max_message_bytes: usize,
    /// How long a handler may take. Default `None`: as long as it likes. Then a call is answered with "Request timed out"
    /// and the handler is dropped, unless it is marked `#[run_to_completion]`.
    pub handler_timeout: Option<Duration>,
    /// How long calls under way may take to finish once the service is told to stop. Default 10 s.
    pub grace_period: Duration,
    /// How long to go on trying when Redis cannot be reached at the start. Default 30 s; then the application does not
    /// start.
    pub startup_timeout: Duration,
    /// Whether to try for ever instead. Default false. The application starts only once Redis is there.
    pub wait_forever: bool,
    /// How long one attempt to connect may take, TLS and authentication included. Default 5 s.
    pub connect_timeout: Duration,
    /// How often the server is asked whether it is there; one that has not answered after as long again is lost. Default
    /// 10 s.
    pub ping_interval: Duration,
    /// The pauses between attempts to connect. Default up to 50 ms, doubling to 1 s: BR-3 leaves two.
    pub backoff: Backoff,
    /// How events are taken from Redis Streams: shared by the instances, and acknowledged after the handler. Default `None`: they
    /// are heard by publish and subscribe, as in NestJS.
    pub streams: Option<RedisStreamsOptions>,
    /// How a machine that is gone is found. Default: within 30 s.
    pub keepalive: Keepalive,
    pub(in crate::redis) secure: bool,
    pub(in crate::redis) malformed: Option<&'static str>,
    pub(in crate::redis) serializer: Option<Arc<dyn PacketSerializer>>,
    pub(in crate::redis) deserializer: Option<Arc<dyn PacketDeserializer>>,
    #[cfg(feature = "tls")]
    pub(in crate::redis) tls: Option<crate::net::tls::TlsClientOptions>,
}

impl Default for RedisMicroserviceOptions {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: PORT,
            username: None,
            password: None,
            database: 0,
            wildcards: false,
            prefetch: 64,
            queue: 1024,
            queue_bytes: 64 * 1024 * 1024,
            max_message_bytes: 64 * 1024 * 1024,
            handler_timeout: None,
            grace_period: Duration::from_secs(10),
            startup_timeout: Duration::from_secs(30),
            wait_forever: false,
            connect_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(10),
            backoff: Backoff::default(),
            streams: None,
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

impl RedisMicroserviceOptions {
    common!();

    /// Takes events from Redis Streams.
    #[must_use]
    pub fn streams(mut self, streams: RedisStreamsOptions) -> Self {
        self.streams = Some(streams);
        self
    }

    setters! {
        /// Sets the server's port.
        port: u16,
        /// Sets the number of the database.
        database: u32,
        /// Sets whether `*`, `?` and `[…]` in the patterns of handlers are wildcards.
        wildcards: bool,
        /// Sets how many messages for one pattern are handled at a time.
        prefetch: usize,
        /// Sets how many messages for one pattern may wait to be handled.
        queue: usize,
        /// Sets how many bytes of messages may wait to be handled.
        queue_bytes: usize,
        /// Sets the longest message, in bytes.
        max_message_bytes: usize,
        /// Sets how long a handler may take.
        handler_timeout: Option<Duration>,
        /// Sets how long calls may take to finish at shutdown.
        grace_period: Duration,
        /// Sets how long to go on trying at the start.
        startup_timeout: Duration,
        /// Sets whether to try for ever at the start.
        wait_forever: bool,
        /// Sets how long one attempt to connect may take.
        connect_timeout: Duration,
        /// Sets how often the server is asked whether it is there.
        ping_interval: Duration,
        /// Sets the pauses between attempts to connect.
        backoff: Backoff,
        /// Sets how a machine that is gone is found.
        keepalive: Keepalive,
    }
}

impl fmt::Debug for RedisMicroserviceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisMicroserviceOptions")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("username", &self.username)
            .field("database", &self.database)
            .field("wildcards", &self.wildcards)
            .finish_non_exhaustive()
    }
}
