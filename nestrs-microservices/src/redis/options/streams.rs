//! How a microservice takes events from Redis Streams.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::{Redelivery, setters};

/// How a microservice takes events from Redis Streams, instead of hearing them by publish and subscribe. Redis 6.2 or newer.
///
/// The events of each pattern are a stream of their own, whose key is [`prefix`](Self::prefix) and the pattern. The instances of
/// a service are one consumer group: each event is handled by one of them, acknowledged after its handlers have ended well, and
/// otherwise delivered again: at least once, so that handlers have to bear one twice
/// ([`RedisContext::deliveries`](crate::RedisContext::deliveries)). Those who emit have to write to streams too
/// ([`RedisTransportOptions::streams`](crate::RedisTransportOptions::streams)); what is published, by NestJS for one, is not
/// heard by event handlers any more. Calls stay with publish and subscribe. An event handler's pattern cannot be a wildcard.
///
/// # What is kept
/// A stream is as long as those who emit let it be
/// ([`RedisTransportOptions::stream_max_len`](crate::RedisTransportOptions::stream_max_len)): an event that is older than that
/// is gone, handled or not. One that was delivered before is then counted
/// ([`ServerStats::dropped_events`](crate::ServerStats::dropped_events)) and logged; one that never was is not noticed.
///
/// What Redis has confirmed it has in memory. Whether that outlives a crash is Redis' own setting: with `appendonly yes` and
/// `appendfsync always` it does, with `everysec` the last second may be gone, without a file of its own all is, and a replica
/// that takes over may lack the last writes.
///
/// ```
/// use std::time::Duration;
/// use nestrs_microservices::{RedisMicroserviceOptions, RedisStreamsOptions};
///
/// let streams = RedisStreamsOptions::of("billing").max_deliveries(3).delays([Duration::from_secs(2)]);
/// let options = RedisMicroserviceOptions::to("127.0.0.1:6379").streams(streams);
/// assert_eq!(options.streams.unwrap().group, "billing");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedisStreamsOptions {
    /// The consumer group: the service. Instances that share work have the same, services that should both get an event
    /// have different ones. Default: the name of the program.
    pub group: String,
    /// The consumer: this instance. Default `None`: a name that nobody else has.
    pub consumer: Option<String>,
    /// What stands before a pattern in the key of its stream. Default `events:`. It has to be the emitters' own.
    pub prefix: String,
    /// Whether a group that is new begins with what is emitted from now on. Default false: with the oldest event that
    /// the stream still has. Where somebody has deleted the stream, its next events are all new.
    pub from_now: bool,
    /// An event whose handlers failed this often is put into the stream of dead letters: the stream's key with `.dead` behind it, with
    /// the fields of the event, and `dead-reason`, `dead-kind`, `dead-deliveries`, `dead-id` and `dead-group`. Default 5, at
    /// least 1. One that was delivered twice as often though nobody saw it end is too; one that cannot be read,
    /// or that a guard refuses, at once.
    pub max_deliveries: u32,
    /// How long to wait after the first failure, the second, and so on; the last stands for all that follow. Default 1 s, 5 s,
    /// 30 s, 2 min. They are kept to within half a second; a day at most.
    pub delays: Vec<Duration>,
    /// After how long without a sign of life an instance's events are taken over by others. Default 60 s, at least 30 ms. An
    /// instance gives three signs in that time, however long its handlers take.
    pub claim_after: Duration,
    /// How many dead letters a stream of them keeps, more or less. Default 100 000; of more, the oldest are gone.
    pub dead_max_len: usize,
}

impl Default for RedisStreamsOptions {
    fn default() -> Self {
        let program = std::env::current_exe().ok();
        let name = program.as_deref().and_then(|program| program.file_stem()?.to_str());
        Self {
            group: name.unwrap_or("service").to_owned(),
            consumer: None,
            prefix: super::STREAM_PREFIX.to_owned(),
            from_now: false,
            max_deliveries: 5,
            delays: [1, 5, 30, 120].map(Duration::from_secs).into(),
            claim_after: Duration::from_secs(60),
            dead_max_len: 100_000,
        }
    }
}

impl RedisStreamsOptions {
    /// The defaults, for the service of that name.
    #[must_use]
    pub fn of(group: impl Into<String>) -> Self {
        Self { group: group.into(), ..Self::default() }
    }

    /// Sets the name of this instance, which no other may have.
    #[must_use]
    pub fn consumer(mut self, consumer: impl Into<String>) -> Self {
        self.consumer = Some(consumer.into());
        self
    }

    /// Sets what stands before a pattern in the key of its stream.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how long to wait after each failure.
    #[must_use]
    pub fn delays(mut self, delays: impl IntoIterator<Item = Duration>) -> Self {
        self.delays = delays.into_iter().collect();
        self
    }

    setters! {
        /// Sets whether a group that is new begins with what is emitted from now on.
        from_now: bool,
        /// Sets how often an event may fail.
        max_deliveries: u32,
        /// Sets after how long the events of an instance that is gone are taken over.
        claim_after: Duration,
        /// Sets how many dead letters are kept.
        dead_max_len: usize,
    }

    pub(in crate::redis) fn redelivery(&self) -> Redelivery {
        Redelivery { max_deliveries: self.max_deliveries, delays: Arc::from(&self.delays[..]) }
    }
}
