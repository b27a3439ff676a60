//! What can be set of JetStream.

use std::time::Duration;

use crate::broker::{Redelivery, setters};

/// Events that are kept until they are handled: for [`NatsMicroserviceOptions::jetstream`].
///
/// Event handlers whose patterns lie in the stream get their events from it: each is acknowledged after its handler ended well,
/// delivered again with growing pauses when the handler failed, panicked or took too long, and put under a dead subject after
/// [`max_deliveries`](Self::max_deliveries), or at once where another try could not help: bytes that are no packet, a payload
/// that does not fit, a guard that refuses. Handlers see by [`NatsContext::deliveries`] how often an event has come: an event
/// can come more than once, also after its handler ended well, when the connection breaks just then. Where several handlers
/// have one pattern, all of them run again when one has failed.
///
/// All other handlers are served as without this. A message handler whose subject lies in the stream is an error at start:
/// the stream would answer its callers.
///
/// Each pattern has a durable consumer of its own, named after the service ([`durable`](Self::durable)) and the pattern; all
/// replicas share it, and what was sent while none of them ran comes when one does. A consumer of a pattern that is handled no
/// more stays at the NATS server until somebody deletes it.
///
/// ```
/// use std::time::Duration;
/// use nestrs_microservices::{JetStreamOptions, NatsMicroserviceOptions};
///
/// let jetstream = JetStreamOptions::stream("ORDERS").subject("orders.>").retry_delays([Duration::from_secs(2)]);
/// let options = NatsMicroserviceOptions::to("127.0.0.1:4222").queue("billing").jetstream(jetstream);
/// assert_eq!(options.jetstream.unwrap().max_deliveries, 5);
/// ```
///
/// [`NatsMicroserviceOptions::jetstream`]: crate::NatsMicroserviceOptions::jetstream
/// [`NatsContext::deliveries`]: crate::NatsContext::deliveries
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JetStreamOptions {
    /// The name of the stream.
    pub stream: String,
    /// The subjects of the stream. Default none: those that it has. One that the stream has not is an error at start.
    pub subjects: Vec<String>,
    /// Whether a stream that is not there is made, with these subjects, on disk. Default true. One that is there is used as it
    /// is, and never changed.
    pub declare: bool,
    /// What the consumers are named after, and all replicas have in common. Default `None`: the queue group of the handler.
    pub durable: Option<String>,
    /// How often an event is delivered at most, if it fails each time. Default 5, at least 1. One that was delivered twice as
    /// often without anybody saying how it ended is a dead letter too: it may be what ends its servers.
    pub max_deliveries: u32,
    /// How long to wait after the first failure, the second, and so on; the last stands for all that follow. Default 1 s, 5 s,
    /// 30 s, 2 min.
    pub retry_delays: Vec<Duration>,
    /// How long the NATS server waits for a word of an event before it delivers it again: of a server that is gone. Default
    /// 30 s, at least 100 ms. A handler that takes longer needs no more than this: the server hears three times in this time
    /// that it is still at it.
    pub ack_wait: Duration,
    /// Events of one consumer that may be without an end at a time, over all replicas, those that wait for another try
    /// included. Default 1 000, at least `prefetch`; beyond it nothing new is delivered.
    pub max_ack_pending: usize,
    /// What the subjects of dead letters begin with: `PREFIX.` and the event's own. Default `None`: the name of the stream and
    /// `.dead`, as in `ORDERS.dead.orders.created`. They must lie in a stream; where they do not, one of the name
    /// `ORDERS_DEAD` is declared, or it is an error at start, as [`declare`](Self::declare) says.
    pub dead_prefix: Option<String>,
    /// How long a stream that is declared keeps events, handled or not. Default 7 days; older ones are gone.
    pub max_age: Duration,
    /// How large a stream that is declared may grow, in bytes. Default 1 GiB. Then events are refused, and `emit` fails where it
    /// waits for the stream ([`JetStreamEmitOptions`]); of dead letters the oldest are dropped.
    pub max_bytes: usize,
    /// On how many servers of a cluster a stream that is declared is kept. Default 1.
    pub replicas: usize,
}

impl JetStreamOptions {
    /// The defaults, with the stream of this name.
    #[must_use]
    pub fn stream(name: impl Into<String>) -> Self {
        let Redelivery { max_deliveries, delays } = Redelivery::default();
        Self {
            stream: name.into(),
            subjects: Vec::new(),
            declare: true,
            durable: None,
            max_deliveries,
            retry_delays: delays.to_vec(),
            ack_wait: Duration::from_secs(30),
            max_ack_pending: 1000,
            dead_prefix: None,
            max_age: Duration::from_secs(7 * 24 * 60 * 60),
            max_bytes: 1024 * 1024 * 1024,
            replicas: 1,
        }
    }

    /// Adds a subject of the stream; wildcards are NATS's.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subjects.push(subject.into());
        self
    }

    /// Sets what the consumers are named after.
    #[must_use]
    pub fn durable(mut self, name: impl Into<String>) -> Self {
        self.durable = Some(name.into());
        self
    }

    /// Sets the pauses between deliveries.
    #[must_use]
    pub fn retry_delays(mut self, delays: impl IntoIterator<Item = Duration>) -> Self {
        self.retry_delays = delays.into_iter().collect();
        self
    }

    /// Sets what the subjects of dead letters begin with.
    #[must_use]
    pub fn dead_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.dead_prefix = Some(prefix.into());
        self
    }

    setters! {
        /// Sets whether a stream that is not there is made.
        declare: bool,
        /// Sets how often an event that fails is delivered.
        max_deliveries: u32,
        /// Sets how long the NATS server waits for a word of an event.
        ack_wait: Duration,
        /// Sets how many events of one consumer may be without an end.
        max_ack_pending: usize,
        /// Sets how long a stream that is declared keeps events.
        max_age: Duration,
        /// Sets how large a stream that is declared may grow, in bytes.
        max_bytes: usize,
        /// Sets on how many servers a stream that is declared is kept.
        replicas: usize,
    }

    pub(in crate::nats) fn redelivery(&self) -> Redelivery {
        Redelivery { max_deliveries: self.max_deliveries, delays: self.retry_delays.clone().into() }
    }

    pub(in crate::nats) fn ack_wait_or_least(&self) -> Duration {
        self.ack_wait.max(Duration::from_millis(100))
    }

    pub(super) fn dead_prefix_or_default(&self) -> String {
        self.dead_prefix.clone().unwrap_or_else(|| format!("{}.dead", self.stream))
    }
}

/// Events that are not sent before a stream has them: for [`NatsTransportOptions::jetstream`].
///
/// `emit` returns once the NATS server says that a stream has kept the event, and fails where none has: with
/// [`ErrorKind::NotFound`] and surely not kept where no stream has the subject and nobody is subscribed to it, with
/// [`ErrorKind::Timeout`] where no word comes in time.
///
/// ```
/// use nestrs_microservices::{JetStreamEmitOptions, NatsTransportOptions};
///
/// let options = NatsTransportOptions::to("127.0.0.1:4222").jetstream(JetStreamEmitOptions::default().message_ids(true));
/// assert!(options.jetstream.is_some());
/// ```
///
/// [`NatsTransportOptions::jetstream`]: crate::NatsTransportOptions::jetstream
/// [`ErrorKind::NotFound`]: nestrs_core::ErrorKind::NotFound
/// [`ErrorKind::Timeout`]: nestrs_core::ErrorKind::Timeout
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JetStreamEmitOptions {
    /// How long to wait for the word of the stream. Default 5 s, and never longer than the timeout of the call.
    pub ack_timeout: Duration,
    /// Whether each event has an id of its own in the header `Nats-Msg-Id`, unless it has one already. Default false. A stream
    /// keeps one event of an id within its window for duplicates (2 minutes unless it is told otherwise), so that an event
    /// that may have been kept can be sent again: by a policy for retries, or by hand under an id of yours.
    pub message_ids: bool,
}

impl Default for JetStreamEmitOptions {
    fn default() -> Self {
        Self { ack_timeout: Duration::from_secs(5), message_ids: false }
    }
}

impl JetStreamEmitOptions {
    setters! {
        /// Sets how long to wait for the word of the stream.
        ack_timeout: Duration,
        /// Sets whether each event has an id.
        message_ids: bool,
    }
}
