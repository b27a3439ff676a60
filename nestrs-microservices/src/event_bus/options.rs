//! The limits of a bus, and how an application sets them.

use std::time::Duration;

use nestrs_core::{DynamicModule, Provider};

/// The limits of an application's event bus; [`EventBusModule::for_root`] sets them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EventBusOptions {
    /// How many events may wait for one subscriber or be under way in it; default 1,024, at least 1. One more is not
    /// given to this subscriber: the report of the publisher says so, it is counted as dropped, and a line is logged,
    /// one a second for each subscriber at most.
    pub queue_len: usize,
    /// How long `publish` waits for subscribers; default 30 s, `None` for as long as it takes. Then it returns, the
    /// report names those that have not finished, and they go on.
    pub publish_timeout: Option<Duration>,
    /// How long one subscriber may take for one event; default `None`, as long as it takes. Then it is dropped where
    /// it waits, which is logged and counted as its failure.
    pub handler_timeout: Option<Duration>,
    /// How many subscribers there may be, default 16,384. One more made at run time is never called: an error is
    /// logged, and [`Subscription::is_active`](crate::Subscription::is_active) is false. Methods with `#[on_event]`
    /// count and are always let in.
    pub subscribers_max: usize,
}

impl Default for EventBusOptions {
    fn default() -> Self {
        Self {
            queue_len: 1024,
            publish_timeout: Some(Duration::from_secs(30)),
            handler_timeout: None,
            subscribers_max: 16_384,
        }
    }
}

impl EventBusOptions {
    /// Sets [`EventBusOptions::queue_len`].
    #[must_use]
    pub fn queue_len(mut self, events: usize) -> Self {
        self.queue_len = events.max(1);
        self
    }

    /// Sets [`EventBusOptions::publish_timeout`].
    #[must_use]
    pub fn publish_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.publish_timeout = timeout.into();
        self
    }

    /// Sets [`EventBusOptions::handler_timeout`].
    #[must_use]
    pub fn handler_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.handler_timeout = timeout.into();
        self
    }

    /// Sets [`EventBusOptions::subscribers_max`].
    #[must_use]
    pub fn subscribers_max(mut self, subscribers: usize) -> Self {
        self.subscribers_max = subscribers;
        self
    }
}

/// Sets the limits of an application's event bus (NestJS's `EventEmitterModule`). The bus is there without it.
///
/// ```
/// use std::time::Duration;
/// use nestrs::prelude::*;
///
/// #[module(imports = [
///     EventBusModule::for_root(EventBusOptions::default().queue_len(64).handler_timeout(Duration::from_secs(5))),
/// ])]
/// struct AppModule;
/// ```
#[derive(Debug)]
pub struct EventBusModule;

impl EventBusModule {
    /// The module to import, once, anywhere in the application.
    #[must_use]
    pub fn for_root(options: EventBusOptions) -> DynamicModule {
        DynamicModule::new::<Self>().provide(Provider::value(options)).export::<EventBusOptions>().global()
    }
}
