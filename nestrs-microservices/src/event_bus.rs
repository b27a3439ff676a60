//! Events within one process: published here, handled by `#[on_event]` methods, no wire in between.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use nestrs_core::{
    Application, ContextKind, ExecutionContext, HandlerKind, Pattern, Payload, Reply, Route, TransportError,
};
use serde::Serialize;

use crate::dispatcher::panicked;
use crate::route_table::RouteTable;

/// In-process publish and subscribe. There is one in every application; inject it as `Arc<EventBus>`.
///
/// Subscribers are the `#[on_event]` methods of `#[event_routes]` blocks whose types some module provides. They run
/// concurrently, each inside its stages; one that fails or panics is logged and stops nobody else.
///
/// Events published before the application has been built reach nobody and are logged.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use nestrs::microservices::memory_pair;
/// use nestrs::prelude::*;
///
/// #[injectable]
/// struct Users {
///     bus: Arc<EventBus>,
/// }
///
/// #[injectable]
/// struct Audit {
///     created: AtomicU64,
/// }
///
/// #[event_routes]
/// impl Audit {
///     #[on_event("user.created")]
///     async fn count(&self, _id: u64) {
///         self.created.fetch_add(1, Ordering::Relaxed);
///     }
/// }
///
/// #[module(providers = [Users, Audit])]
/// struct AppModule;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ListenError> {
/// let app = NestFactory::create_microservice::<AppModule>(memory_pair().0).start().await?;
/// let published = app.get::<Users>().unwrap().bus.publish("user.created", 7).await;
/// assert_eq!(published.handled, 1);
/// assert_eq!(app.get::<Audit>().unwrap().created.load(Ordering::Relaxed), 1);
/// app.close().await;
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct EventBus {
    table: Arc<OnceLock<RouteTable>>,
}

/// What became of a published event. It may be ignored: failures have been logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Subscribers that finished well.
    pub handled: usize,
    /// Subscribers that failed.
    pub failed: usize,
}

impl EventBus {
    /// A bus without subscribers; [`EventBus::attach`] brings them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Brings the subscribers of a booted application. A second call changes nothing.
    pub fn attach(&self, application: &Application) {
        let subscribers = application.routes.iter().filter(|route| route.kind == HandlerKind::Bus);
        let _ = self.table.set(RouteTable::new(subscribers));
    }

    /// Publishes an event; returns when every subscriber has finished.
    ///
    /// # Cancel safety
    /// Dropping the future drops the subscribers that have not finished.
    pub async fn publish<T: Serialize + Send>(&self, pattern: impl Into<Pattern> + Send, payload: T) -> Published {
        let pattern = pattern.into();
        let Some(table) = self.table.get() else {
            tracing::warn!(
                target: "nestrs::event_bus",
                %pattern,
                "published before the application was built; nobody is subscribed yet"
            );
            return Published::default();
        };
        let Some(entry) = table.get(pattern.route()) else { return Published::default() };
        let payload = match Payload::from_serialize(&payload) {
            Ok(payload) => payload,
            Err(error) => {
                tracing::error!(target: "nestrs::event_bus", %pattern, %error, "event cannot be serialised");
                return Published { handled: 0, failed: entry.events.len() };
            }
        };
        let cx = ExecutionContext::new(ContextKind::EventBus, Arc::clone(&entry.pattern), payload);
        let outcomes = join_all(entry.events.iter().map(|route| notify(route, cx.clone()))).await;
        let handled = outcomes.iter().filter(|handled| **handled).count();
        Published { handled, failed: outcomes.len() - handled }
    }
}

/// Runs one subscriber; true when it finished well.
async fn notify(route: &Route, cx: ExecutionContext) -> bool {
    let cx = cx.with_handler(route.handler);
    let running = AssertUnwindSafe(async {
        if let Reply::Stream(mut items) = route.endpoint.call(&cx, cx.payload().clone()).await? {
            while let Some(item) = items.next().await {
                item?;
            }
        }
        Ok::<(), TransportError>(())
    });
    let outcome = running.catch_unwind().await.unwrap_or_else(|panic| Err(panicked(&*panic)));
    if let Err(error) = &outcome {
        let (pattern, handler) = (cx.pattern(), cx.handler());
        tracing::error!(target: "nestrs::event_bus", pattern, handler, %error, "subscriber failed");
    }
    outcome.is_ok()
}

impl fmt::Debug for EventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBus").field("attached", &self.table.get().is_some()).finish()
    }
}
