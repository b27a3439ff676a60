//! One connection: what it counts, and how that is read.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::task::AtomicWaker;
use serde::{Deserialize, Serialize, Serializer};
use tokio::time::Instant;

use crate::net::FaultCode;

use super::events::{ConnectionEvent, Feed};
use super::stats::Counters;

/// Numbers a connection within its process; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One connection of a server, as it was when it was looked at.
///
/// Bytes are those of the messages: of a TLS connection, before encryption. As JSON it has the names of a NestJS
/// application (`bytesReceived`), `connectedAt` and `lastActivity` in milliseconds since 1970.
///
/// ```
/// use std::time::Duration;
/// use nestrs::microservices::ServerHandle;
///
/// /// Ends connections that have been silent for an hour.
/// fn sweep(server: &ServerHandle) {
///     for connection in server.connections() {
///         if connection.idle() > Duration::from_secs(3600) && connection.in_flight == 0 {
///             server.disconnect(connection.id);
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Which one it is: [`ConnectionContext::id`](crate::ConnectionContext::id) of its calls.
    pub id: ConnectionId,
    /// `"tcp"`.
    pub transport: &'static str,
    /// The other end's address, where the transport has one.
    pub peer_addr: Option<SocketAddr>,
    /// When it was accepted, by the wall clock.
    #[serde(serialize_with = "milliseconds")]
    pub connected_at: SystemTime,
    /// When it last took or sent a byte, by the wall clock; `connected_at` before the first one.
    #[serde(serialize_with = "milliseconds")]
    pub last_activity: SystemTime,
    /// Bytes that came.
    pub bytes_received: u64,
    /// Bytes that the socket took.
    pub bytes_sent: u64,
    /// Whole frames that came.
    pub frames_received: u64,
    /// Frames that were queued to be sent.
    pub frames_sent: u64,
    /// Calls under way that did not finish at once.
    pub in_flight: usize,
    #[serde(skip)]
    uptime: Duration,
    #[serde(skip)]
    idle: Duration,
}

impl ConnectionInfo {
    /// How long it has been connected.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.uptime
    }

    /// How long no byte has come or gone.
    #[must_use]
    pub fn idle(&self) -> Duration {
        self.idle
    }
}

fn milliseconds<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    serializer.serialize_u64(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// What one connection counts while it is served.
///
/// Invariant: only the connection's own task counts, so an addition is a load and a store; everyone else reads.
pub(crate) struct Meter {
    pub(crate) id: ConnectionId,
    pub(crate) transport: &'static str,
    pub(crate) peer_addr: Option<SocketAddr>,
    connected_at: SystemTime,
    pub(crate) since: Instant,
    /// Milliseconds after `since`.
    last_activity: AtomicU64,
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    frames_received: AtomicU64,
    frames_sent: AtomicU64,
    in_flight: AtomicUsize,
    told_to_close: AtomicBool,
    /// The connection's task: woken when it is told something, or the server's state changes.
    task: AtomicWaker,
    feed: Arc<Feed>,
    server: Arc<Counters>,
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, transport, peer_addr, .. } = self;
        f.debug_struct("Meter").field("id", id).field("transport", transport).field("peer_addr", peer_addr).finish()
    }
}

/// Adds without a locked instruction: there is one writer.
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}

impl Meter {
    pub(super) fn new(
        id: ConnectionId,
        transport: &'static str,
        peer_addr: Option<SocketAddr>,
        since: Instant,
        feed: Arc<Feed>,
        server: Arc<Counters>,
    ) -> Self {
        let now = SystemTime::now();
        Self {
            id,
            transport,
            peer_addr,
            connected_at: now.checked_sub(since.elapsed()).unwrap_or(now),
            since,
            last_activity: AtomicU64::new(0),
            bytes_received: AtomicU64::new(0),
            bytes_sent: AtomicU64::new(0),
            frames_received: AtomicU64::new(0),
            frames_sent: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            told_to_close: AtomicBool::new(false),
            task: AtomicWaker::new(),
            feed,
            server,
        }
    }

    /// Counts what one read took.
    pub(crate) fn received(&self, bytes: usize, now: Instant) {
        add(&self.bytes_received, bytes as u64);
        self.active(now);
    }

    /// Counts what the socket took.
    pub(crate) fn sent(&self, bytes: usize, now: Instant) {
        add(&self.bytes_sent, bytes as u64);
        self.active(now);
    }

    fn active(&self, now: Instant) {
        let since = now.saturating_duration_since(self.since);
        // Not `as_millis`, which divides 128 bits.
        let millis = since.as_secs().saturating_mul(1000).saturating_add(since.subsec_millis().into());
        self.last_activity.store(millis, Ordering::Relaxed);
    }

    /// Counts a whole frame that came.
    pub(crate) fn frame_received(&self) {
        add(&self.frames_received, 1);
    }

    /// Counts a frame that was queued.
    pub(crate) fn frame_sent(&self) {
        self.frames_sent(1);
    }

    /// The same for several.
    pub(crate) fn frames_sent(&self, count: usize) {
        add(&self.frames_sent, count as u64);
    }

    /// Says how many calls are under way.
    pub(crate) fn set_in_flight(&self, calls: usize) {
        self.in_flight.store(calls, Ordering::Relaxed);
    }

    /// Counts a frame that no handler sees: no packet, or refused by a deserializer.
    pub(crate) fn ignored_packet(&self) {
        self.server.ignored_packets.add(1);
    }

    /// Counts a call that was answered, and not begun.
    pub(crate) fn refused_call(&self) {
        self.server.refused_calls.add(1);
    }

    /// Counts an event that was not begun, and that nobody is told of but the log.
    pub(crate) fn dropped_event(&self) {
        self.server.dropped_events.add(1);
    }

    /// Counts calls under way whose connection is gone.
    pub(crate) fn abandoned(&self, calls: usize) {
        self.server.abandoned_calls.add(calls as u64);
    }

    /// Tells whoever observes that the connection cannot be understood; it closes for that a moment later.
    pub(crate) fn fault(&self, code: FaultCode) {
        self.server.faults.add(1);
        self.feed.emit(|| ConnectionEvent::Faulted { connection: self.read(), code });
    }

    /// Completes when somebody asks for this connection to end.
    pub(crate) fn poll_told_to_close(&self, task: &Context<'_>) -> Poll<()> {
        self.listen(task);
        if self.is_told_to_close() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether somebody has asked for it.
    pub(crate) fn is_told_to_close(&self) -> bool {
        self.told_to_close.load(Ordering::Acquire)
    }

    pub(super) fn tell_to_close(&self) {
        self.told_to_close.store(true, Ordering::Release);
        self.wake();
    }

    /// Has this task woken when there is something to look at. Whoever listens looks after that, and misses nothing.
    pub(crate) fn listen(&self, task: &Context<'_>) {
        self.task.register(task.waker());
    }

    pub(super) fn wake(&self) {
        self.task.wake();
    }

    pub(super) fn read(&self) -> ConnectionInfo {
        let last_activity = Duration::from_millis(self.last_activity.load(Ordering::Relaxed));
        let uptime = self.since.elapsed();
        ConnectionInfo {
            id: self.id,
            transport: self.transport,
            peer_addr: self.peer_addr,
            connected_at: self.connected_at,
            last_activity: self.connected_at.checked_add(last_activity).unwrap_or(self.connected_at),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
            bytes_sent: self.bytes_sent.load(Ordering::Relaxed),
            frames_received: self.frames_received.load(Ordering::Relaxed),
            frames_sent: self.frames_sent.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            uptime,
            idle: uptime.saturating_sub(last_activity),
        }
    }
}
