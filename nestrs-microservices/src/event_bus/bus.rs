//! The bus: what applications call, and what its parts share.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use nestrs_core::{BusEvent, Pattern};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::event::{EventOutcome, ReceivedEvent};
use super::options::EventBusOptions;
use super::registry::Registry;
use super::report::{Emitted, Published};
use super::stats::{Counters, EventBusStats};
use super::stream::{EventStream, NextEvent};
use super::subscriber::{Call, Subscriber};
use super::subscription::Subscription;
use super::topic::Topic;

/// In-process publish and subscribe: NestJS's `EventEmitter2`. There is one in every application; inject it as
/// `Arc<EventBus>`. Cheap to clone.
///
/// Subscribers are the `#[on_event]` methods of `#[event_routes]` blocks whose types some module provides, and those
/// made at run time by [`EventBus::subscribe`] and its like.
///
/// # Names and wildcards
/// A name is made of segments between dots. A subscriber's `*` stands for one segment and its `**` for any number, none
/// included, as in event-emitter2 with `wildcard: true`; a wildcard is always on. A subscriber sees the name that was
/// published: [`ExecutionContext::pattern`](nestrs_core::ExecutionContext::pattern) or [`ReceivedEvent::name`]. An
/// object is a name as well, of one segment.
///
/// # Order
/// All that match get an event, literal names and wildcards alike, each once: first the methods, in the order of modules
/// and of source text, then those made at run time, in the order they were made. In this order they *begin*; one that
/// waits holds up nobody.
///
/// - [`EventBus::publish`] begins every subscriber at once and waits for all. One that does not finish at its first poll
///   goes on as a task of its own, in the publisher's span, also when the publisher is dropped. Two publishers at a time
///   are two calls at a time of a subscriber. So a subscriber may publish, even what it subscribes to itself.
/// - [`EventBus::emit`] waits for nobody. Each subscriber has a queue, and handles emitted events one after another, in
///   the order they were emitted. What is published does not stand in that queue.
///
/// # Limits
/// [`EventBusOptions`] has them: 1,024 events for each subscriber, waiting or under way; 30 s for a publisher.
///
/// # Failures
/// A subscriber that fails or panics is logged, without its payload, counted and reported to the publisher. It stops
/// nobody else, and gets its next event. One that blocks its thread holds up others on that thread: use
/// `tokio::task::spawn_blocking`.
///
/// # The end
/// As an application closes, events that are queued or under way may finish within its grace period; what is left is
/// dropped with a line in the log. The hooks of providers may still publish; after them the bus is closed.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use nestrs::microservices::memory_pair;
/// use nestrs::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[event("user.created")]
/// #[derive(Clone, Serialize, Deserialize)]
/// struct UserCreated {
///     id: u64,
/// }
///
/// #[injectable]
/// struct Users {
///     bus: Arc<EventBus>,
/// }
///
/// #[injectable]
/// struct Audit {
///     last: AtomicU64,
/// }
///
/// #[event_routes]
/// impl Audit {
///     #[on_event]
///     async fn created(&self, event: UserCreated) {
///         self.last.store(event.id, Ordering::Relaxed);
///     }
///
///     #[on_event("user.*")]
///     async fn any(&self, cx: &ExecutionContext) {
///         assert_eq!(cx.pattern(), "user.created");
///     }
/// }
///
/// #[module(providers = [Users, Audit])]
/// struct AppModule;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ListenError> {
/// let app = NestFactory::create_microservice::<AppModule>(memory_pair().0).start().await?;
/// let published = app.get::<Users>().unwrap().bus.publish_event(&UserCreated { id: 7 }).await;
/// assert_eq!(published.handled, 2);
/// assert_eq!(app.get::<Audit>().unwrap().last.load(Ordering::Relaxed), 7);
/// app.close().await;
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct EventBus {
    pub(super) hub: Arc<Hub>,
}

impl EventBus {
    /// A bus without subscribers, with the default limits; [`EventBus::attach`] brings those of an application.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Publishes an event by name and returns when every subscriber has finished or been given up on: after
    /// [`publish_timeout`](EventBusOptions::publish_timeout), or at once when its queue is full.
    ///
    /// The payload becomes JSON, once, if anybody is subscribed. Needs a tokio runtime for subscribers that wait.
    ///
    /// # Cancel safety
    /// Before it is polled nobody has got the event; after that all have, and go on when the future is dropped.
    pub async fn publish<T: Serialize + Send>(&self, pattern: impl Into<Pattern> + Send, payload: T) -> Published {
        let delivery = self.of_payload(&pattern.into(), &payload);
        self.deliver(delivery).await
    }

    /// Publishes an event that is a type, under [its name](BusEvent::NAME); otherwise like [`EventBus::publish`].
    ///
    /// The event is cloned once for all subscribers, if there are any, and once more for each that takes it by value;
    /// one that takes an `Arc` of it shares it. No JSON is made, unless a pipe or a subscriber asks for it.
    /// An event of ten order lines for two subscribers by value takes a quarter of the time that it takes as JSON.
    pub async fn publish_event<E: BusEvent>(&self, event: &E) -> Published {
        self.deliver(self.of_event(event)).await
    }

    /// Puts an event into the queue of every subscriber and returns (NestJS's `emit`; [`EventBus::publish`] is its
    /// `emitAsync`). A subscriber whose queue is full does not get it: that is reported, counted and logged.
    ///
    /// May be called from any thread once the application has been built; before that, and on a bus without one, it
    /// needs a tokio runtime.
    pub fn emit<T: Serialize>(&self, pattern: impl Into<Pattern>, payload: T) -> Emitted {
        self.queue(self.of_payload(&pattern.into(), &payload))
    }

    /// Emits an event that is a type, under [its name](BusEvent::NAME).
    pub fn emit_event<E: BusEvent>(&self, event: &E) -> Emitted {
        self.queue(self.of_event(event))
    }

    /// Subscribes a function to a name or a wildcard, for as long as the [`Subscription`] lives.
    ///
    /// A wildcard that stands for a part of a segment (`order.cre*`) is taken literally, as event-emitter2 does, and
    /// logged as the mistake it is likely to be.
    ///
    /// ```
    /// use nestrs::prelude::*;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let bus = EventBus::new();
    /// let subscription = bus.subscribe("order.*", |event| async move {
    ///     let id: u64 = event.decode()?;
    ///     assert_eq!((event.name(), id), ("order.created", 7));
    ///     Ok::<(), TransportError>(())
    /// });
    /// assert_eq!(bus.publish("order.created", 7).await.handled, 1);
    /// subscription.unsubscribe();
    /// assert_eq!(bus.publish("order.created", 8).await.handled, 0);
    /// # }
    /// ```
    #[track_caller]
    pub fn subscribe<F, Fut>(&self, pattern: impl Into<Pattern>, handler: F) -> Subscription
    where
        F: Fn(ReceivedEvent) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: EventOutcome> + Send + 'static,
    {
        self.add(&pattern.into(), Subscriber::handler(caller(), call(handler)))
    }

    /// Subscribes a function to an event that is a type.
    #[track_caller]
    pub fn subscribe_event<E, F, Fut>(&self, handler: F) -> Subscription
    where
        E: BusEvent,
        F: Fn(E) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: EventOutcome> + Send + 'static,
    {
        let call: Call = Box::new(move |event| match event.decode() {
            Ok(event) => {
                let running = handler(event);
                Box::pin(async move { running.await.into_outcome() })
            }
            Err(error) => Box::pin(std::future::ready(Err(error))),
        });
        let name = const { nestrs_core::__private::event_name::<E>() };
        self.add(&Pattern::from(name), Subscriber::handler(caller(), call))
    }

    /// Subscribes a function to the next event of a name or a wildcard, and to no other.
    #[track_caller]
    pub fn subscribe_once<F, Fut>(&self, pattern: impl Into<Pattern>, handler: F) -> Subscription
    where
        F: Fn(ReceivedEvent) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: EventOutcome> + Send + 'static,
    {
        self.add(&pattern.into(), Subscriber::handler(caller(), call(handler)).once())
    }

    /// The next event of a name or a wildcard, counted from this call and not from its `await`; `None` when the bus
    /// closes first.
    ///
    /// ```
    /// use nestrs::prelude::*;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let bus = EventBus::new();
    /// let ready = bus.once("cache.ready");
    /// bus.emit("cache.ready", 12);
    /// assert_eq!(ready.await.unwrap().decode::<u32>().unwrap(), 12);
    /// # }
    /// ```
    #[track_caller]
    pub fn once(&self, pattern: impl Into<Pattern>) -> NextEvent {
        NextEvent::new(self.buffered(&pattern.into(), 1, true))
    }

    /// The events of a name or a wildcard from now on, with room for as many as a queue has
    /// ([`queue_len`](EventBusOptions::queue_len)).
    ///
    /// An event is delivered when it is in the stream's buffer; a publisher does not wait until it is taken out.
    #[track_caller]
    pub fn stream(&self, pattern: impl Into<Pattern>) -> EventStream {
        self.buffered(&pattern.into(), self.hub.options().queue_len, false)
    }

    /// The same with room for `events`, at least 1. An event that comes when the buffer is full is not in the stream:
    /// reported, counted and logged like that of a full queue.
    #[track_caller]
    pub fn stream_bounded(&self, pattern: impl Into<Pattern>, events: usize) -> EventStream {
        self.buffered(&pattern.into(), events, false)
    }

    /// Counters since the bus was made.
    #[must_use]
    pub fn stats(&self) -> EventBusStats {
        self.hub.counters.read(self.hub.registry().len())
    }

    #[track_caller]
    fn buffered(&self, pattern: &Pattern, events: usize, once: bool) -> EventStream {
        let (sender, receiver) = mpsc::channel(events.max(1));
        let subscriber = Subscriber::stream(caller(), sender);
        EventStream::new(receiver, self.add(pattern, if once { subscriber.once() } else { subscriber }))
    }

    fn add(&self, pattern: &Pattern, subscriber: Subscriber) -> Subscription {
        if let Some(problem) = nestrs_core::subscription_problem(pattern.route()) {
            tracing::warn!(%pattern, subscriber = &*subscriber.name, problem, "this subscription is likely a mistake");
        }
        let subscriber = Arc::new(subscriber);
        let mut registry = self.hub.registry_mut();
        let max = self.hub.options().subscribers_max;
        let refusal = match registry.len() {
            _ if self.hub.is_closed() => Some("the event bus is closed"),
            len if len >= max => Some("there are too many subscribers: is one made for every request, and kept?"),
            _ => None,
        };
        if let Some(reason) = refusal {
            drop(registry);
            tracing::error!(%pattern, subscriber = &*subscriber.name, reason, "not subscribed");
            subscriber.close(&self.hub);
            return Subscription::new(&self.hub, subscriber, None);
        }
        let place = registry.add(vec![Topic::new(pattern.route())], Arc::clone(&subscriber), true);
        Subscription::new(&self.hub, subscriber, Some(place))
    }
}

/// Where a subscriber was made, for reports and logs.
#[track_caller]
fn caller() -> Arc<str> {
    let place = Location::caller();
    format!("{}:{}", place.file(), place.line()).into()
}

fn call<F, Fut>(handler: F) -> Call
where
    F: Fn(ReceivedEvent) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: EventOutcome> + Send + 'static,
{
    Box::new(move |event| {
        let running = handler(event);
        Box::pin(async move { running.await.into_outcome() })
    })
}

impl fmt::Debug for EventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBus").field("attached", &self.hub.is_attached()).field("stats", &self.stats()).finish()
    }
}

/// What the clones of a bus share.
#[derive(Default)]
pub(super) struct Hub {
    registry: RwLock<Registry>,
    pub(super) counters: Counters,
    /// Everything queued and running, counted by tokens.
    pub(super) work: TaskTracker,
    /// Fires when what runs is to be dropped; a new one takes its place.
    pub(super) cut_off: Mutex<CancellationToken>,
    defaults: EventBusOptions,
    /// Set when the application has been built.
    attached: OnceLock<Attached>,
    closed: AtomicBool,
}

struct Attached {
    options: Option<EventBusOptions>,
    runtime: Option<Handle>,
}

impl Hub {
    pub(super) fn options(&self) -> &EventBusOptions {
        self.attached.get().and_then(|attached| attached.options.as_ref()).unwrap_or(&self.defaults)
    }

    /// False when it was before.
    pub(super) fn set_attached(&self, options: Option<EventBusOptions>) -> bool {
        self.attached.set(Attached { options, runtime: Handle::try_current().ok() }).is_ok()
    }

    pub(super) fn is_attached(&self) -> bool {
        self.attached.get().is_some()
    }

    pub(super) fn set_closed(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn registry(&self) -> RwLockReadGuard<'_, Registry> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn registry_mut(&self) -> RwLockWriteGuard<'_, Registry> {
        self.registry.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose event this is now. Those for one event are taken out of the registry.
    pub(super) fn matching(&self, name: &str) -> Vec<Arc<Subscriber>> {
        let mut found = self.registry().find(name);
        found.retain(|(_, subscriber)| subscriber.claim());
        if found.iter().any(|(_, subscriber)| subscriber.is_for_one_event()) {
            let mut registry = self.registry_mut();
            for (place, _) in found.iter().filter(|(_, subscriber)| subscriber.is_for_one_event()) {
                registry.remove(*place);
            }
        }
        found.into_iter().map(|(_, subscriber)| subscriber).collect()
    }

    /// Runs `work` as a task: of this runtime, or of the application's where the caller has none. Gives it back where
    /// there is neither.
    pub(super) fn spawn<F>(&self, work: F) -> Result<JoinHandle<F::Output>, F>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let known = || self.attached.get().and_then(|attached| attached.runtime.clone());
        match Handle::try_current().ok().or_else(known) {
            Some(runtime) => Ok(runtime.spawn(work)),
            None => Err(work),
        }
    }
}
