//! What a client has counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a client has counted since it was made: [`ClientProxy::stats`](crate::ClientProxy::stats). All but `pending` only
/// ever grow.
///
/// Counted by the transports of this crate, and by the layers around it ([`RetryPolicy`](crate::RetryPolicy),
/// [`CircuitBreaker`](crate::CircuitBreaker), fallbacks); a transport of your own counts what its
/// [`Transport::stats`](crate::Transport::stats) says, by default nothing.
///
/// ```
/// use std::sync::Arc;
/// use nestrs_microservices::{ClientProxy, TcpTransport, TcpTransportOptions};
///
/// let client = ClientProxy::new(Arc::new(TcpTransport::new(TcpTransportOptions::to("127.0.0.1:3001"))));
/// assert_eq!(client.stats().connections, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Calls that wait for an answer, now.
    pub pending: usize,
    /// Connections made.
    pub connections: u64,
    /// Attempts to connect that failed.
    pub failed_dials: u64,
    /// Connections lost, in whatever way but by [`ClientProxy::close`](crate::ClientProxy::close).
    pub lost_connections: u64,
    /// Replies that came after their call had ended: timed out, dropped, or answered already. They were ignored.
    pub late_replies: u64,
    /// Replies to an id that this client never gave, or to none. They were ignored.
    pub unknown_replies: u64,
    /// Replies that a broker delivered faster than they were taken, and that its driver dropped for want of room. Their
    /// callers wait until their time is over.
    pub overflowed_replies: u64,
    /// Replies to other clients, and those that came after the first of several instances had answered, on a channel that
    /// all callers of a pattern share: Redis. They were ignored.
    pub foreign_replies: u64,
    /// Requests and events sent once more by themselves, because the first try was surely not executed.
    pub resent: u64,
    /// Tries that a [`RetryPolicy`](crate::RetryPolicy) made, beyond the first of each call.
    pub retries: u64,
    /// Calls that a [`RetryPolicy`](crate::RetryPolicy) would have tried again, had its budget not been empty.
    pub retries_refused: u64,
    /// Calls and events that an open circuit refused.
    pub circuit_refused: u64,
    /// Calls that a fallback was asked for.
    pub fallbacks: u64,
}

/// The counters behind [`ClientStats`] that a connection and its dialler share.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: Counter,
    pub(crate) failed_dials: Counter,
    pub(crate) lost_connections: Counter,
    pub(crate) late_replies: Counter,
    pub(crate) unknown_replies: Counter,
    #[cfg(any(feature = "nats", feature = "redis"))]
    pub(crate) overflowed_replies: Counter,
    #[cfg(feature = "redis")]
    pub(crate) foreign_replies: Counter,
    pub(crate) resent: Counter,
}

/// Only ever grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
