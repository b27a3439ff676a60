//! What a server has done.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde::Serialize;

use crate::net::CloseReason;

/// What a server has done since it was bound, and what it is doing. Every number but `open`, `undecided` and `in_flight` only grows.
///
/// `accepted` is `open` and all of `closed` together. As JSON it has the names of a NestJS application (`bytesReceived`).
/// While connections are at work the numbers are read one after another, so that they may be off by what happens in
/// between.
///
/// ```
/// use nestrs::microservices::ServerHandle;
/// use nestrs::microservices::net::CloseReason;
///
/// fn alarming(server: &ServerHandle) -> bool {
///     let stats = server.stats();
///     stats.rejected.total() > 0 || stats.closed(CloseReason::SlowConsumer) > 10
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ServerStats {
    /// Connections there are now.
    pub open: usize,
    /// Connections that have not said anything yet, on an address shared with HTTP. The limits on connections count them,
    /// and neither `open` nor `accepted` does: they may be HTTP's.
    pub undecided: usize,
    /// Connections that were accepted, those that were closed at once included.
    pub accepted: u64,
    /// Connections that were closed at once, by the limit that was against them.
    pub rejected: RejectedConnections,
    /// Connections that have ended, by [`CloseReason::code`]; reasons that never came up are absent.
    pub closed: BTreeMap<&'static str, u64>,
    /// Times that the listener failed to accept; it goes on.
    pub accept_errors: u64,
    /// Bytes that came, over all connections there were.
    pub bytes_received: u64,
    /// Bytes that sockets took.
    pub bytes_sent: u64,
    /// Whole frames that came.
    pub frames_received: u64,
    /// Frames that were queued to be sent.
    pub frames_sent: u64,
    /// Calls under way now, on the connections there are, that did not finish at once.
    pub in_flight: usize,
    /// Connections whose bytes were no frames or no packets.
    pub faults: u64,
    /// Frames that no handler saw: JSON that is no packet and asks for no answer, or refused by a deserializer.
    pub ignored_packets: u64,
    /// Calls and events that no handler is there for.
    pub unknown_patterns: u64,
    /// Calls and events under way whose connection ended; their handlers run on, and nobody reads their answers.
    pub abandoned_calls: u64,
    /// Calls that were answered with "Service overloaded" or "Service is shutting down", and not begun.
    pub refused_calls: u64,
    /// Events that were not begun for the same reasons.
    pub dropped_events: u64,
    /// Events that a broker was told are handled (JetStream, Redis Streams).
    pub acknowledged_events: u64,
    /// Events that a broker was told to deliver again, since their handlers failed.
    pub retried_events: u64,
    /// Events that were put where dead letters are kept: no try would be different, or the last one failed.
    pub dead_events: u64,
    /// Calls and events that a broker delivered faster than they were taken, and that its driver dropped for want of room
    /// (`subscription_capacity` on NATS).
    pub overflowed_messages: u64,
    /// Connection events that an observer or a reader was too slow for.
    pub missed_events: u64,
}

impl ServerStats {
    /// How many connections have ended for this reason.
    #[must_use]
    pub fn closed(&self, reason: CloseReason) -> u64 {
        self.closed.get(reason.code()).copied().unwrap_or(0)
    }
}

/// Connections that were closed at once, by limit. Each also counts as closed for [`CloseReason::Limit`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RejectedConnections {
    /// `max_connections`.
    pub max_connections: u64,
    /// `max_connections_per_ip`.
    pub per_ip: u64,
    /// `connect_rate_per_ip`.
    pub rate: u64,
}

impl RejectedConnections {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.max_connections + self.per_ip + self.rate
    }
}

/// Which limit a connection was closed at once for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rejection {
    MaxConnections,
    PerIp,
    Rate,
}

impl Rejection {
    /// The option that sets it.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::MaxConnections => "max_connections",
            Self::PerIp => "max_connections_per_ip",
            Self::Rate => "connect_rate_per_ip",
        }
    }
}

/// What a server counts that belongs to no single connection.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) undecided: Gauge,
    pub(crate) accept_errors: Counter,
    pub(crate) faults: Counter,
    pub(crate) ignored_packets: Counter,
    pub(crate) unknown_patterns: Counter,
    pub(crate) abandoned_calls: Counter,
    pub(crate) refused_calls: Counter,
    pub(crate) dropped_events: Counter,
    pub(crate) acknowledged_events: Counter,
    pub(crate) retried_events: Counter,
    pub(crate) dead_events: Counter,
    pub(crate) overflowed_messages: Counter,
}

/// How many there are of something now.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicUsize);

/// One of them, until this is dropped.
pub(crate) struct Held<'a>(&'a Gauge);

impl Gauge {
    pub(crate) fn hold(&self) -> Held<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Held(self)
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A number that only grows, and that several tasks count.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
