//! Events as values: the next one, or all of them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;

use super::event::ReceivedEvent;
use super::subscription::Subscription;

/// The events of a name or a wildcard, in the order they were published ([`EventBus::stream`](crate::EventBus::stream)).
/// It ends when the bus closes, after what is in its buffer. Dropping it unsubscribes.
pub struct EventStream {
    events: mpsc::Receiver<ReceivedEvent>,
    subscription: Subscription,
}

impl EventStream {
    pub(super) fn new(events: mpsc::Receiver<ReceivedEvent>, subscription: Subscription) -> Self {
        Self { events, subscription }
    }

    /// The next event; `None` when the bus has closed.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<ReceivedEvent> {
        self.events.recv().await
    }
}

impl Stream for EventStream {
    type Item = ReceivedEvent;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<ReceivedEvent>> {
        self.events.poll_recv(task)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventStream").field(&self.subscription).finish()
    }
}

/// The next event of a name or a wildcard ([`EventBus::once`](crate::EventBus::once)); `None` when the bus closes
/// first. It counts from when this was made, not from when it is awaited. Dropping it unsubscribes.
#[must_use = "the event is what awaiting this gives"]
pub struct NextEvent(EventStream);

impl NextEvent {
    pub(super) fn new(stream: EventStream) -> Self {
        Self(stream)
    }
}

impl Future for NextEvent {
    type Output = Option<ReceivedEvent>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.events.poll_recv(task)
    }
}

impl fmt::Debug for NextEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NextEvent").field(&self.0.subscription).finish()
    }
}
