//! Giving one event to everyone it is for.

use std::sync::Arc;
use std::task::Poll;

use nestrs_core::{BusEvent, ErrorKind, Pattern, Payload, TransportError};
use serde::Serialize;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::Instrument;

use super::bus::{EventBus, Hub};
use super::event::ReceivedEvent;
use super::report::{Emitted, FailureKind, Published, SubscriberFailure};
use super::subscriber::{Admission, Subscriber};
use super::topic::has_wildcard;

/// An event and whose it is.
pub(super) struct Delivery {
    event: ReceivedEvent,
    subscribers: Vec<Arc<Subscriber>>,
}

type Outcome = Result<(), SubscriberFailure>;

enum Started {
    Done(Outcome),
    /// It did not finish at once, and goes on as a task of its own.
    Task(Arc<Subscriber>, JoinHandle<Outcome>),
    /// The same where there is no runtime to go on in.
    Here(futures_util::future::BoxFuture<'static, Outcome>),
}

impl EventBus {
    pub(super) fn of_payload<T: Serialize>(&self, name: &Pattern, payload: &T) -> Result<Delivery, TransportError> {
        self.hub.delivery(name, || Payload::from_serialize(payload))
    }

    /// The event is cloned if anybody is subscribed, and once for all of them.
    pub(super) fn of_event<E: BusEvent>(&self, event: &E) -> Result<Delivery, TransportError> {
        let name = const { nestrs_core::__private::event_name::<E>() };
        self.hub.delivery(&Pattern::from(name), || Ok(Payload::from_shared(Arc::new(event.clone()))))
    }

    pub(super) async fn deliver(&self, delivery: Result<Delivery, TransportError>) -> Published {
        let Delivery { event, subscribers } = match delivery {
            Ok(delivery) => delivery,
            Err(error) => return Published::of_refusal(error),
        };
        let mut started = Vec::with_capacity(subscribers.len());
        for subscriber in subscribers {
            started.push(self.start(&subscriber, &event).await);
        }
        let in_runtime = tokio::runtime::Handle::try_current().is_ok();
        let timeout = self.hub.options().publish_timeout.filter(|_| in_runtime);
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut published = Published::default();
        for one in started {
            published.add(match one {
                Started::Done(outcome) => outcome,
                Started::Here(running) => running.await,
                Started::Task(subscriber, task) => wait_for(&subscriber, task, deadline, &event).await,
            });
        }
        published
    }

    /// Polls a subscriber once where we are: most finish at that, and so they begin in their order.
    async fn start(&self, subscriber: &Arc<Subscriber>, event: &ReceivedEvent) -> Started {
        let running = match subscriber.admit(&self.hub, event) {
            Admission::Done(outcome) => return Started::Done(outcome),
            Admission::Run(running) => running,
        };
        let mut running = subscriber.run(event.clone(), running);
        let first = std::future::poll_fn(|task| Poll::Ready(running.as_mut().poll(task))).await;
        if let Poll::Ready(outcome) = first {
            return Started::Done(outcome);
        }
        match self.hub.spawn(running.in_current_span()) {
            Ok(task) => Started::Task(Arc::clone(subscriber), task),
            Err(running) => Started::Here(Box::pin(running)),
        }
    }

    pub(super) fn queue(&self, delivery: Result<Delivery, TransportError>) -> Emitted {
        let Delivery { event, subscribers } = match delivery {
            Ok(delivery) => delivery,
            Err(error) => return Emitted { refused: Some(error), ..Emitted::default() },
        };
        let mut emitted = Emitted::default();
        for subscriber in subscribers {
            match subscriber.enqueue(&self.hub, event.clone()) {
                Ok(()) => emitted.queued += 1,
                Err(_) => emitted.dropped += 1,
            }
        }
        emitted
    }
}

async fn wait_for(
    subscriber: &Subscriber,
    task: JoinHandle<Outcome>,
    deadline: Option<Instant>,
    event: &ReceivedEvent,
) -> Outcome {
    let ended = match deadline {
        None => task.await,
        Some(deadline) => match tokio::time::timeout_at(deadline, task).await {
            Ok(ended) => ended,
            Err(_) => {
                tracing::warn!(
                    handler = &*subscriber.name,
                    pattern = &*event.name,
                    "event handler has not finished; its publisher waits no longer"
                );
                return Err(SubscriberFailure::new(&subscriber.name, FailureKind::GivenUp));
            }
        },
    };
    // A panic is caught inside; what is left is a runtime that ends.
    ended.unwrap_or_else(|_| Err(SubscriberFailure::new(&subscriber.name, FailureKind::Closing)))
}

impl Hub {
    fn delivery(
        &self,
        name: &Pattern,
        payload: impl FnOnce() -> Result<Payload, TransportError>,
    ) -> Result<Delivery, TransportError> {
        let refuse = |error: TransportError| {
            self.counters.refused.add(1);
            tracing::error!(pattern = %name, %error, source = std::error::Error::source(&error), "event is refused");
            error
        };
        if self.is_closed() {
            return Err(refuse(TransportError::new("the event bus is closed").with_kind(ErrorKind::Closed)));
        }
        if has_wildcard(name.route()) {
            return Err(refuse(TransportError::new("an event has one name, and no wildcard in it")));
        }
        let subscribers = self.matching(name.route());
        if subscribers.is_empty() && !self.is_attached() {
            tracing::warn!(pattern = %name, "published before the application was built; nobody is subscribed yet");
        }
        let payload = if subscribers.is_empty() { Payload::absent() } else { payload().map_err(refuse)? };
        self.counters.published.add(1);
        Ok(Delivery { event: ReceivedEvent { name: name.route().into(), payload }, subscribers })
    }
}
