//! Telling whoever wants to know what connections do, without ever waiting for them.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use nestrs_core::log_limit::LogLimit;
use tokio::sync::{mpsc, oneshot};

use crate::net::{CloseReason, FaultCode};

use super::connection::ConnectionInfo;
use super::stats::Counter;

/// Events that one reader has not taken yet: room for all of 10 000 connections to end together. One more is not given
/// to it, and counted.
const QUEUE_MAX: usize = 16_384;

/// Something that happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// It was accepted.
    #[non_exhaustive]
    Connected {
        /// It, as it begins.
        connection: ConnectionInfo,
    },
    /// It sent what is no frame or no packet, and will be closed for that.
    #[non_exhaustive]
    Faulted {
        /// It, at that moment.
        connection: ConnectionInfo,
        /// What is wrong.
        code: FaultCode,
    },
    /// It has ended.
    #[non_exhaustive]
    Closed {
        /// It, as it ended.
        connection: ConnectionInfo,
        /// Why.
        reason: CloseReason,
    },
}

impl ConnectionEvent {
    /// The connection it is about.
    #[must_use]
    pub fn connection(&self) -> &ConnectionInfo {
        match self {
            Self::Connected { connection } | Self::Faulted { connection, .. } | Self::Closed { connection, .. } => {
                connection
            }
        }
    }
}

/// Is told of a server's connections: [`TcpMicroserviceOptions::observer`](crate::TcpMicroserviceOptions::observer).
///
/// Observers are called one event after another, in order, on a thread of their own that is inside the runtime: one that
/// blocks or panics holds up nothing but itself. `on_close` is called once for each `on_connection`. When 16 384 events
/// wait for it, further ones are not given to it, and counted in
/// [`ServerStats::missed_events`](crate::ServerStats::missed_events). The end of the application waits for what observers
/// have not seen yet, as it waits for handlers: within the grace period. Connections that a limit is against
/// (`max_connections` and its kin) are counted and never seen here.
///
/// ```
/// use nestrs::microservices::net::CloseReason;
/// use nestrs::microservices::{ConnectionInfo, ConnectionObserver, TcpMicroserviceOptions};
///
/// struct Audit;
///
/// impl ConnectionObserver for Audit {
///     fn on_close(&self, connection: &ConnectionInfo, reason: CloseReason) {
///         tracing::info!(id = %connection.id, %reason, bytes = connection.bytes_received, "disconnected");
///     }
/// }
///
/// let options = TcpMicroserviceOptions::default().observer(Audit);
/// # let _ = options;
/// ```
pub trait ConnectionObserver: Send + Sync + 'static {
    /// A connection was accepted.
    fn on_connection(&self, _connection: &ConnectionInfo) {}

    /// A connection sent what is no frame or no packet; it will be closed for that.
    fn on_fault(&self, _connection: &ConnectionInfo, _code: FaultCode) {}

    /// A connection has ended.
    fn on_close(&self, _connection: &ConnectionInfo, _reason: CloseReason) {}
}

/// What happens to a server's connections from now on, in order
/// ([`ServerHandle::events`](crate::ServerHandle::events)). Ends once the server is closed and all is read.
///
/// When 16 384 events have not been read, further ones are missed, and counted.
pub struct ConnectionEvents {
    events: mpsc::Receiver<ConnectionEvent>,
}

impl ConnectionEvents {
    /// The next event; `None` when the server has closed. Spares an import of a stream library.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<ConnectionEvent> {
        self.events.recv().await
    }
}

impl Stream for ConnectionEvents {
    type Item = ConnectionEvent;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<ConnectionEvent>> {
        self.events.poll_recv(task)
    }
}

impl fmt::Debug for ConnectionEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionEvents")
    }
}

/// Hands events to everyone who reads them.
#[derive(Default)]
pub(crate) struct Feed {
    readers: Mutex<Readers>,
    /// How many there are, so that nobody costs nothing.
    count: AtomicUsize,
    pub(super) missed: Counter,
}

#[derive(Default)]
struct Readers {
    queues: Vec<mpsc::Sender<ConnectionEvent>>,
    closed: bool,
}

impl Feed {
    /// A reader of all events from now on; of none when there will be none.
    pub(crate) fn subscribe(&self) -> ConnectionEvents {
        let (queue, events) = mpsc::channel(QUEUE_MAX);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if !readers.closed {
            readers.queues.push(queue);
            self.count.store(readers.queues.len(), Ordering::Relaxed);
        }
        ConnectionEvents { events }
    }

    pub(super) fn emit(&self, event: impl FnOnce() -> ConnectionEvent) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let event = event();
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.queues.retain(|queue| match queue.try_send(event.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.missed.add(1);
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        });
        self.count.store(readers.queues.len(), Ordering::Relaxed);
    }

    /// Lets every reader come to its end.
    pub(super) fn close(&self) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        *readers = Readers { queues: Vec::new(), closed: true };
        self.count.store(0, Ordering::Relaxed);
    }
}

/// Calls observers for each event, on a thread of their own; completes when they have seen the last one.
///
/// A thread and not a task of the blocking pool: the end of a runtime waits for those, and an observer that never
/// returns must not keep the process.
pub(crate) fn watch_with(
    observers: Vec<Arc<dyn ConnectionObserver>>,
    mut events: ConnectionEvents,
) -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let (done, finished) = oneshot::channel::<()>();
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new().name("nestrs-observers".to_owned()).spawn(move || {
        // Dropped last, also by a panic that is not an observer's.
        let _done = done;
        let _inside = runtime.enter();
        while let Some(event) = events.events.blocking_recv() {
            for observer in &observers {
                tell(&**observer, &event);
            }
        }
    })?;
    Ok(async move {
        // Nothing is ever sent: the thread has ended.
        let _ = finished.await;
    })
}

fn tell(observer: &dyn ConnectionObserver, event: &ConnectionEvent) {
    static PANICS: LogLimit = LogLimit::per_second(1);
    let told = std::panic::catch_unwind(AssertUnwindSafe(|| match event {
        ConnectionEvent::Connected { connection } => observer.on_connection(connection),
        ConnectionEvent::Faulted { connection, code } => observer.on_fault(connection, *code),
        ConnectionEvent::Closed { connection, reason } => observer.on_close(connection, *reason),
    }));
    if let Err(panic) = told {
        let text = panic.downcast_ref::<&str>().copied();
        let panic = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)");
        PANICS.pass(|suppressed| {
            tracing::error!(target: "nestrs::tcp", panic, suppressed, "a connection observer panicked");
        });
    }
}
