//! All connections of one server, and what state it is in.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::net::CloseReason;

use super::connection::{ConnectionId, ConnectionInfo, Meter};
use super::events::{ConnectionEvent, Feed};
use super::stats::{Counters, RejectedConnections, Rejection, ServerStats};

/// What state a server is in (NestJS fact sheet, section 17, `status`).
///
/// ```
/// use nestrs::microservices::ServerStatus;
/// assert_eq!(ServerStatus::Draining.to_string(), "draining");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ServerStatus {
    /// It has its address and takes messages.
    Listening,
    /// It takes no new connections; those that are open finish what is under way.
    Draining,
    /// It has lost its address or its broker for good, while the application runs. Connections that are open go on.
    Failed,
    /// It is over: nothing listens, nobody is connected.
    Closed,
}

impl fmt::Display for ServerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listening => "listening",
            Self::Draining => "draining",
            Self::Failed => "failed",
            Self::Closed => "closed",
        })
    }
}

/// All connections of one server.
pub(crate) struct Registry {
    pub(crate) transport: &'static str,
    state: Mutex<State>,
    status: watch::Sender<ServerStatus>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) counters: Arc<Counters>,
}

#[derive(Default)]
struct State {
    /// In the order in which they were accepted.
    open: BTreeMap<ConnectionId, Arc<Meter>>,
    /// What those that have ended counted, and how they ended.
    past: ServerStats,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("transport", &self.transport).field("status", &self.status()).finish()
    }
}

/// A connection's place in the registry of its server.
pub(crate) struct Registered {
    registry: Arc<Registry>,
    pub(crate) meter: Arc<Meter>,
    reason: Option<CloseReason>,
}

impl Registry {
    pub(crate) fn new(transport: &'static str) -> Arc<Self> {
        Arc::new(Self {
            transport,
            state: Mutex::default(),
            status: watch::Sender::new(ServerStatus::Listening),
            feed: Arc::default(),
            counters: Arc::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a connection that was accepted at this time its place, and its number.
    pub(crate) fn register(self: &Arc<Self>, peer_addr: Option<SocketAddr>, since: Instant) -> Registered {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let id = ConnectionId(NEXT_ID.fetch_add(1, Ordering::Relaxed));
        let meter =
            Meter::new(id, self.transport, peer_addr, since, Arc::clone(&self.feed), Arc::clone(&self.counters));
        let meter = Arc::new(meter);
        let mut state = self.state();
        state.past.accepted += 1;
        state.open.insert(id, Arc::clone(&meter));
        self.feed.emit(|| ConnectionEvent::Connected { connection: meter.read() });
        drop(state);
        Registered { registry: Arc::clone(self), meter, reason: None }
    }

    /// Counts a connection that was closed at once.
    pub(crate) fn reject(&self, why: Rejection) {
        let mut state = self.state();
        let past = &mut state.past;
        past.accepted += 1;
        *past.closed.entry(CloseReason::Limit.code()).or_default() += 1;
        let RejectedConnections { max_connections, per_ip, rate } = &mut past.rejected;
        match why {
            Rejection::MaxConnections => *max_connections += 1,
            Rejection::PerIp => *per_ip += 1,
            Rejection::Rate => *rate += 1,
        }
    }

    fn end(&self, meter: &Meter, reason: CloseReason) {
        let mut state = self.state();
        state.open.remove(&meter.id);
        let last = meter.read();
        let past = &mut state.past;
        *past.closed.entry(reason.code()).or_default() += 1;
        past.bytes_received += last.bytes_received;
        past.bytes_sent += last.bytes_sent;
        past.frames_received += last.frames_received;
        past.frames_sent += last.frames_sent;
        self.feed.emit(|| ConnectionEvent::Closed { connection: last, reason });
        self.close_if_over(&state);
    }

    /// Says what state the server is in; nothing follows `Closed`. A server that drains closes with its last connection.
    pub(crate) fn set_status(&self, status: ServerStatus) {
        let state = self.state();
        if *self.status.borrow() == ServerStatus::Closed {
            return;
        }
        self.status.send_if_modified(|current| std::mem::replace(current, status) != status);
        if status == ServerStatus::Closed {
            self.feed.close();
        }
        self.close_if_over(&state);
    }

    fn close_if_over(&self, state: &State) {
        if state.open.is_empty() && *self.status.borrow() == ServerStatus::Draining {
            self.status.send_replace(ServerStatus::Closed);
            self.feed.close();
        }
    }

    pub(crate) fn status(&self) -> ServerStatus {
        *self.status.borrow()
    }

    /// The present state first, then each later one.
    pub(crate) fn statuses(&self) -> BoxStream<'static, ServerStatus> {
        let mut receiver = self.status.subscribe();
        receiver.mark_changed();
        stream::unfold(Some(receiver), |receiver| async {
            let mut receiver = receiver?;
            receiver.changed().await.ok()?;
            let status = *receiver.borrow_and_update();
            Some((status, (status != ServerStatus::Closed).then_some(receiver)))
        })
        .boxed()
    }

    pub(crate) fn connections(&self) -> Vec<ConnectionInfo> {
        // Read outside of the lock: a long list must hold up nobody who connects.
        let meters: Vec<_> = self.state().open.values().map(Arc::clone).collect();
        meters.iter().map(|meter| meter.read()).collect()
    }

    pub(crate) fn connection(&self, id: ConnectionId) -> Option<ConnectionInfo> {
        let meter = self.state().open.get(&id).map(Arc::clone);
        meter.map(|meter| meter.read())
    }

    /// Asks a connection to end; false when there is no such.
    pub(crate) fn disconnect(&self, id: ConnectionId) -> bool {
        let meter = self.state().open.get(&id).map(Arc::clone);
        meter.inspect(|meter| meter.tell_to_close()).is_some()
    }

    /// Wakes every connection, to look at what has changed for all of them.
    pub(crate) fn wake_all(&self) {
        let meters: Vec<_> = self.state().open.values().map(Arc::clone).collect();
        meters.iter().for_each(|meter| meter.wake());
    }

    pub(crate) fn stats(&self) -> ServerStats {
        let (mut stats, meters) = {
            let state = self.state();
            (state.past.clone(), state.open.values().map(Arc::clone).collect::<Vec<_>>())
        };
        stats.open = meters.len();
        for connection in meters.iter().map(|meter| meter.read()) {
            stats.bytes_received += connection.bytes_received;
            stats.bytes_sent += connection.bytes_sent;
            stats.frames_received += connection.frames_received;
            stats.frames_sent += connection.frames_sent;
            stats.in_flight += connection.in_flight;
        }
        let counters = &self.counters;
        stats.undecided = counters.undecided.get();
        stats.accept_errors = counters.accept_errors.get();
        stats.faults = counters.faults.get();
        stats.ignored_packets = counters.ignored_packets.get();
        stats.unknown_patterns = counters.unknown_patterns.get();
        stats.abandoned_calls = counters.abandoned_calls.get();
        stats.refused_calls = counters.refused_calls.get();
        stats.dropped_events = counters.dropped_events.get();
        stats.missed_events = self.feed.missed.get();
        stats
    }
}

impl Registered {
    /// Gives the place back.
    pub(crate) fn close(mut self, reason: CloseReason) {
        self.reason = Some(reason);
    }
}

/// Also when the task was dropped: at the end of the grace period, or by a panic.
impl Drop for Registered {
    fn drop(&mut self) {
        let reason = self.reason.unwrap_or_else(|| {
            let is_ended = self.registry.status() == ServerStatus::Draining && !std::thread::panicking();
            if is_ended { CloseReason::Shutdown } else { CloseReason::Internal }
        });
        self.registry.end(&self.meter, reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fr_17_a_connection_that_failed_while_the_server_drains_is_counted_as_failed() {
        let registry = Registry::new("tcp");
        let (failed, dropped) = (registry.register(None, Instant::now()), registry.register(None, Instant::now()));
        registry.set_status(ServerStatus::Draining);
        failed.close(CloseReason::Internal);
        drop(dropped);
        let stats = registry.stats();
        assert_eq!((stats.closed(CloseReason::Internal), stats.closed(CloseReason::Shutdown)), (1, 1));
    }
}
