//! One subscriber: how many events it has, and how it is run so that it disturbs nobody.

use std::collections::VecDeque;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use nestrs_core::{BoxFuture, TransportError};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{Instrument, Span};

use super::bus::Hub;
use super::event::ReceivedEvent;
use super::report::{FailureKind, SubscriberFailure};
use crate::deadline::{current_deadline, with_some_deadline};
use crate::dispatcher::{log_failure, panicked};

/// A queue that stays full is logged this often.
const OVERFLOW_LOG_EVERY: Duration = Duration::from_secs(1);
/// A queue that is worked off without ever waiting lets other tasks run after this many events.
const YIELD_EVERY: usize = 32;

pub(super) type Call = Box<dyn Fn(ReceivedEvent) -> BoxFuture<'static, Result<(), TransportError>> + Send + Sync>;

pub(super) struct Subscriber {
    /// `Type::method`, or where it was made.
    pub(super) name: Arc<str>,
    target: Target,
    /// Set once the one event it is for has been found.
    once: Option<AtomicBool>,
    queue: Mutex<Queue>,
}

enum Target {
    Handler(Call),
    /// The buffer of a stream, until it is closed.
    Stream(Mutex<Option<mpsc::Sender<ReceivedEvent>>>),
}

/// Invariant: `waiting` is empty, or a task works it off (`is_drained`).
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    running: usize,
    is_drained: bool,
    is_closed: bool,
    overflow: Overflow,
}

struct Waiting {
    event: ReceivedEvent,
    span: Span,
    token: TaskTrackerToken,
}

/// What was dropped, as far as it has not been logged.
#[derive(Default)]
struct Overflow {
    dropped: u64,
    logged: Option<Instant>,
}

/// What happens to a published event at the door.
pub(super) enum Admission {
    /// It is to be run.
    Run(Running),
    /// There is nothing left to do.
    Done(Result<(), SubscriberFailure>),
}

impl Subscriber {
    pub(super) fn handler(name: Arc<str>, call: Call) -> Self {
        Self { name, target: Target::Handler(call), once: None, queue: Mutex::default() }
    }

    pub(super) fn stream(name: Arc<str>, buffer: mpsc::Sender<ReceivedEvent>) -> Self {
        Self { name, target: Target::Stream(Mutex::new(Some(buffer))), once: None, queue: Mutex::default() }
    }

    /// The same, for one event.
    pub(super) fn once(mut self) -> Self {
        self.once = Some(AtomicBool::new(false));
        self
    }

    /// Whether it gets an event that it matches; one for a single event says so once.
    pub(super) fn claim(&self) -> bool {
        self.once.as_ref().is_none_or(|claimed| !claimed.swap(true, Ordering::Relaxed))
    }

    pub(super) fn is_for_one_event(&self) -> bool {
        self.once.is_some()
    }

    pub(super) fn has_been_claimed(&self) -> bool {
        self.once.as_ref().is_some_and(|claimed| claimed.load(Ordering::Relaxed))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event that is run at once, in whatever order; the publisher waits for it.
    pub(super) fn admit(self: &Arc<Self>, hub: &Arc<Hub>, event: &ReceivedEvent) -> Admission {
        if let Target::Stream(buffer) = &self.target {
            return Admission::Done(self.buffer(buffer, hub, event));
        }
        let mut queue = self.queue();
        if let Err(failure) = self.has_room(&mut queue, hub, event) {
            return Admission::Done(Err(failure));
        }
        queue.running += 1;
        Admission::Run(Running::new(self, hub, hub.work.token()))
    }

    /// Takes an event that is run after those taken before, in a task of the subscriber's own.
    pub(super) fn enqueue(self: &Arc<Self>, hub: &Arc<Hub>, event: ReceivedEvent) -> Result<(), SubscriberFailure> {
        if let Target::Stream(buffer) = &self.target {
            return self.buffer(buffer, hub, &event);
        }
        let mut queue = self.queue();
        self.has_room(&mut queue, hub, &event)?;
        hub.counters.queued.add(1);
        queue.waiting.push_back(Waiting { event, span: Span::current(), token: hub.work.token() });
        if !queue.is_drained {
            queue.is_drained = true;
            let draining = Arc::clone(self).drain(Arc::clone(hub));
            if hub.spawn(draining).is_err() {
                queue.is_drained = false;
                drop(queue);
                tracing::error!(subscriber = &*self.name, "emitted outside a tokio runtime; the event is dropped");
                self.discard(hub);
                return Err(SubscriberFailure::new(&self.name, FailureKind::Closing));
            }
        }
        Ok(())
    }

    fn has_room(&self, queue: &mut Queue, hub: &Hub, event: &ReceivedEvent) -> Result<(), SubscriberFailure> {
        if queue.is_closed {
            hub.counters.dropped.add(1);
            return Err(SubscriberFailure::new(&self.name, FailureKind::Closing));
        }
        if queue.waiting.len() + queue.running < hub.options().queue_len.max(1) {
            return Ok(());
        }
        Err(self.overflow(&mut queue.overflow, hub, event))
    }

    fn buffer(
        &self,
        buffer: &Mutex<Option<mpsc::Sender<ReceivedEvent>>>,
        hub: &Hub,
        event: &ReceivedEvent,
    ) -> Result<(), SubscriberFailure> {
        let buffer = buffer.lock().unwrap_or_else(PoisonError::into_inner);
        match buffer.as_ref().map(|buffer| buffer.try_send(event.clone())) {
            Some(Ok(())) => {
                hub.counters.delivered.add(1);
                Ok(())
            }
            Some(Err(mpsc::error::TrySendError::Full(_))) => Err(self.overflow(&mut self.queue().overflow, hub, event)),
            Some(Err(mpsc::error::TrySendError::Closed(_))) | None => {
                hub.counters.dropped.add(1);
                Err(SubscriberFailure::new(&self.name, FailureKind::Closing))
            }
        }
    }

    fn overflow(&self, overflow: &mut Overflow, hub: &Hub, event: &ReceivedEvent) -> SubscriberFailure {
        hub.counters.dropped.add(1);
        overflow.dropped += 1;
        if overflow.logged.is_none_or(|logged| logged.elapsed() >= OVERFLOW_LOG_EVERY) {
            overflow.logged = Some(Instant::now());
            self.log_overflow(overflow, &event.name);
        }
        SubscriberFailure::new(&self.name, FailureKind::QueueFull)
    }

    fn log_overflow(&self, overflow: &mut Overflow, event: &str) {
        let dropped = std::mem::take(&mut overflow.dropped);
        tracing::warn!(subscriber = &*self.name, event, dropped, "the subscriber's queue is full; events are dropped");
    }

    /// Runs what waits, one event after another.
    async fn drain(self: Arc<Self>, hub: Arc<Hub>) {
        let mut count = 0;
        while let Some((event, span, running)) = self.next(&hub) {
            // A failure has been logged and counted; nobody waits for it.
            let _ = self.run(event, running).instrument(span).await;
            count += 1;
            if count % YIELD_EVERY == 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn next(self: &Arc<Self>, hub: &Arc<Hub>) -> Option<(ReceivedEvent, Span, Running)> {
        let mut queue = self.queue();
        let Some(Waiting { event, span, token }) = queue.waiting.pop_front() else {
            queue.is_drained = false;
            if queue.overflow.dropped > 0 {
                self.log_overflow(&mut queue.overflow, "(several)");
            }
            return None;
        };
        queue.running += 1;
        hub.counters.queued.sub(1);
        Some((event, span, Running::new(self, hub, token)))
    }

    /// Drops what waits; how much that was.
    pub(super) fn discard(&self, hub: &Hub) -> usize {
        let waiting = std::mem::take(&mut self.queue().waiting);
        hub.counters.queued.sub(waiting.len());
        hub.counters.dropped.add(waiting.len());
        waiting.len()
    }

    /// Takes nothing any more and drops what waits; what runs goes on.
    pub(super) fn close(&self, hub: &Hub) -> usize {
        self.queue().is_closed = true;
        if let Target::Stream(buffer) = &self.target {
            buffer.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        self.discard(hub)
    }

    /// Runs the handler for one event: fenced off, bounded in time, cut off when the bus is. Failures are logged here.
    pub(super) fn run(
        self: &Arc<Self>,
        event: ReceivedEvent,
        running: Running,
    ) -> BoxFuture<'static, Result<(), SubscriberFailure>> {
        let subscriber = Arc::clone(self);
        let cut_off = running.hub.cut_off();
        let timeout = running.hub.options().handler_timeout;
        // A publisher waits for it, perhaps in a handler of its own; who emits does not.
        let inherited = current_deadline();
        Box::pin(async move {
            let timeout = timeout.filter(|_| Handle::try_current().is_ok());
            let name = Arc::clone(&event.name);
            let Target::Handler(call) = &subscriber.target else { unreachable!("streams are never run") };
            // A handler may panic before it has made its future.
            let fenced = AssertUnwindSafe(with_some_deadline(inherited, async { call(event).await })).catch_unwind();
            let bounded = async {
                match timeout {
                    None => Some(fenced.await),
                    Some(timeout) => tokio::time::timeout(timeout, fenced).await.ok(),
                }
            };
            let failed = |kind, error: TransportError| {
                log_failure(&error, &subscriber.name, &name, false);
                Err(SubscriberFailure::failed(&subscriber.name, kind, error))
            };
            let given_up = |kind| {
                let failure = SubscriberFailure::new(&subscriber.name, kind);
                let reason = &*failure.error.message;
                tracing::warn!(handler = &*subscriber.name, pattern = &*name, reason, "event handler was dropped");
                Err(failure)
            };
            let outcome = tokio::select! {
                biased;
                outcome = bounded => match outcome {
                    Some(Ok(Ok(()))) => Ok(()),
                    Some(Ok(Err(error))) => failed(FailureKind::Failed, error),
                    Some(Err(panic)) => failed(FailureKind::Panicked, panicked(&*panic)),
                    None => given_up(FailureKind::TimedOut),
                },
                () = cut_off.cancelled() => given_up(FailureKind::Closing),
            };
            running.settle(outcome.is_ok());
            outcome
        })
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subscriber").field(&self.name).finish()
    }
}

/// One event under way in one subscriber, and counted as that for as long as this lives.
pub(super) struct Running {
    subscriber: Arc<Subscriber>,
    hub: Arc<Hub>,
    is_well: bool,
    /// Last, so that whoever waits for the bus to be idle finds it counted.
    _token: TaskTrackerToken,
}

impl Running {
    fn new(subscriber: &Arc<Subscriber>, hub: &Arc<Hub>, token: TaskTrackerToken) -> Self {
        hub.counters.running.add(1);
        Self { subscriber: Arc::clone(subscriber), hub: Arc::clone(hub), is_well: false, _token: token }
    }

    fn settle(mut self, is_well: bool) {
        self.is_well = is_well;
    }
}

/// Also for a run that is dropped with its runtime.
impl Drop for Running {
    fn drop(&mut self) {
        self.subscriber.queue().running -= 1;
        self.hub.counters.running.sub(1);
        let counter = if self.is_well { &self.hub.counters.delivered } else { &self.hub.counters.failed };
        counter.add(1);
    }
}
