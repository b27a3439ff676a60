//! From deliveries to calls, and from what calls come to back to their senders.

use std::borrow::Cow;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use nestrs_core::log_limit::LogLimit;
use nestrs_core::spans::PeerText;
use nestrs_core::{ErrorKind, Metadata, Payload, TransportError};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::dispatcher::{Call, Dispatcher, EventFailure, Inbound, Progress, panicked};
use crate::net::CloseReason;
use crate::net::registry::{Counters, Meter, Registered};
use crate::packet::{Answer, Packet};
use crate::serializer::{PacketDeserializer, PacketSerializer};
use crate::shutdown::Shutdown;

use super::message::{Delivery, Replier};
use super::settling::Redelivery;
use super::writing::body_of;

/// What peers can have a server log, as often as they like.
static BAD_INPUT: LogLimit = LogLimit::per_second(10);
static REFUSED: LogLimit = LogLimit::per_second(1);
static UNSENDABLE: LogLimit = LogLimit::per_second(10);

const SHUTTING_DOWN: &str = "Service is shutting down";

/// What becomes of a body that is not JSON, and of an empty one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum NotJson {
    /// It is counted, logged and dropped: NATS.
    #[default]
    Dropped,
    /// It is an event whose payload is the text: Redis and MQTT.
    Text,
}

/// How deliveries are consumed.
#[derive(Clone)]
pub(crate) struct ConsumerOptions {
    /// Deliveries of one subscription under way at a time, at least 1. More are left with the driver.
    pub(crate) prefetch: usize,
    /// The longest body that is read, in bytes; a longer one is counted, logged and dropped.
    pub(crate) max_body_bytes: usize,
    pub(crate) not_json: NotJson,
    pub(crate) handler_timeout: Option<std::time::Duration>,
    /// Of deliveries that are acknowledged.
    pub(crate) redelivery: Redelivery,
    pub(crate) serializer: Option<Arc<dyn PacketSerializer>>,
    pub(crate) deserializer: Option<Arc<dyn PacketDeserializer>>,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            prefetch: 64,
            max_body_bytes: 64 * 1024 * 1024,
            not_json: NotJson::Dropped,
            handler_timeout: None,
            redelivery: Redelivery::default(),
            serializer: None,
            deserializer: None,
        }
    }
}

/// What all subscriptions of one connection are consumed with. Cheap to clone.
#[derive(Clone)]
pub(super) struct Consumer {
    pub(super) transport: &'static str,
    pub(super) options: Arc<ConsumerOptions>,
    pub(super) dispatcher: Dispatcher,
    pub(super) counters: Arc<Counters>,
    pub(super) shutdown: Shutdown,
    /// Everything that this consumer has begun.
    pub(super) tasks: TaskTracker,
    pub(super) metered: Arc<Metered>,
}

/// The connection to the broker, in the registry. Behind a lock, since a meter is one task's at a time.
pub(super) struct Metered(Mutex<(Option<Registered>, usize)>);

impl Metered {
    pub(super) fn new(registered: Registered) -> Arc<Self> {
        Arc::new(Self(Mutex::new((Some(registered), 0))))
    }

    fn count(&self, count: impl FnOnce(&Meter)) {
        if let (Some(registered), _) = &*self.lock() {
            count(&registered.meter);
        }
    }

    pub(super) fn in_flight(&self, change: isize) {
        let mut held = self.lock();
        held.1 = held.1.saturating_add_signed(change);
        if let (Some(registered), in_flight) = &*held {
            registered.meter.set_in_flight(*in_flight);
        }
    }

    /// The connection is gone; what is still under way counts for nobody. Gives how much that is.
    pub(super) fn close(&self, reason: CloseReason) -> usize {
        let mut held = self.lock();
        if let Some(registered) = held.0.take() {
            registered.close(reason);
        }
        held.1
    }

    fn lock(&self) -> MutexGuard<'_, (Option<Registered>, usize)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Consumer {
    /// Serves deliveries until there are no more, in a task of its own.
    pub(super) fn consume(&self, deliveries: BoxStream<'static, Delivery>) {
        let consumer = self.clone();
        self.shutdown.spawn(self.tasks.track_future(consumer.serve(deliveries)));
    }

    async fn serve(self, mut deliveries: BoxStream<'static, Delivery>) {
        let places = Arc::new(Semaphore::new(self.options.prefetch.clamp(1, Semaphore::MAX_PERMITS)));
        loop {
            // A place first: what cannot be begun stays with the broker's driver.
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await.ok()?;
                Some((deliveries.next().await?, place))
            };
            let next = tokio::select! {
                biased;
                () = self.shutdown.expired() => break,
                next = next => next,
            };
            let Some((delivery, place)) = next else { return };
            self.begin(delivery, place).await;
            // Handlers that are done at once would keep the thread for as long as messages come.
            tokio::task::consume_budget().await;
        }
        // The grace period is over: what has come and was not begun is not.
        while let Some(Some(delivery)) = deliveries.next().now_or_never() {
            self.refuse(delivery).await;
        }
    }

    /// Begins a call where it stands, so that events begin in the order in which they came; it moves aside if it takes time.
    async fn begin(&self, mut delivery: Delivery, place: OwnedSemaphorePermit) {
        self.metered.count(|meter| {
            meter.received(delivery.body.len(), Instant::now());
            meter.frame_received();
        });
        let acknowledger = delivery.acknowledger.take();
        if let Some(acknowledger) = &acknowledger
            && self.shutdown.has_begun()
        {
            // Whoever serves on begins it, and need not wait for it until then.
            return acknowledger.release().await;
        }
        let packet = self.read(&delivery);
        if let Some(acknowledger) = acknowledger {
            return self.begin_acknowledged(packet, delivery, acknowledger, place).await;
        }
        let Some(packet) = packet else { return };
        let mut call = self.dispatch(&packet, &delivery);
        let replier = delivery.replier;
        match poll_fn(|task| Poll::Ready(Pin::new(&mut call).poll(task))).await {
            Poll::Ready(progress) if progress.rest.is_none() => {
                self.answer(progress, replier.as_deref()).await;
            }
            polled => {
                let (consumer, id) = (self.clone(), packet.id);
                self.metered.in_flight(1);
                let running = async move {
                    let shutdown = consumer.shutdown.clone();
                    tokio::select! {
                        biased;
                        _ = consumer.run(call, polled, replier.as_deref()) => {}
                        () = shutdown.expired() => consumer.tell_of_the_end(id, replier.as_deref()).await,
                    }
                    consumer.metered.in_flight(-1);
                    drop(place);
                };
                self.shutdown.spawn(self.tasks.track_future(running));
            }
        }
    }

    /// Runs a call to its end, and gives how it failed if it was an event.
    pub(super) async fn run(
        &self,
        mut call: Call,
        mut polled: Poll<Progress>,
        replier: Option<&dyn Replier>,
    ) -> Option<EventFailure> {
        let mut failed = None;
        loop {
            let progress = match polled {
                Poll::Ready(progress) => progress,
                Poll::Pending => call.await,
            };
            failed = failed.or(progress.failed);
            match self.answer(progress, replier).await {
                Some(rest) => (call, polled) = (rest, Poll::Pending),
                None => return failed,
            }
        }
    }

    /// Answers with what a call has come to, and gives what follows.
    async fn answer(&self, progress: Progress, replier: Option<&dyn Replier>) -> Option<Call> {
        let Progress { id, answers, rest, failed } = progress;
        if let (Some(failure), Some(replier)) = (failed, replier) {
            replier.event_failed(failure.kind);
        }
        let mut all_sent = true;
        if let (Some(id), Some(replier)) = (&id, replier) {
            for answer in answers.iter() {
                all_sent = all_sent && self.reply(answer, id, replier).await;
            }
        }
        // Nobody reads what follows an answer that could not be sent; a handler that is to be completed is.
        rest.filter(|rest| all_sent || rest.runs_on())
    }

    /// Sends one packet; one that cannot be sent is replaced by an error, so that its caller is not left waiting. False when
    /// that was so.
    async fn reply(&self, answer: &Answer, id: &Bytes, replier: &dyn Replier) -> bool {
        replier.answering(answer);
        let sent = match self.write(answer, id) {
            Ok(body) => {
                let len = body.len();
                replier.reply(body).await.inspect(|()| {
                    self.metered.count(|meter| {
                        meter.sent(len, Instant::now());
                        meter.frame_sent();
                    });
                })
            }
            Err(error) => Err(error.with_kind(ErrorKind::TooLarge)),
        };
        let Err(error) = sent else { return true };
        let transport = self.transport;
        UNSENDABLE.pass(|suppressed| {
            tracing::error!(target: "nestrs::broker", transport, %error, suppressed, "reply cannot be sent");
        });
        if error.kind() == ErrorKind::TooLarge {
            // The bare packet, should a serializer refuse that too.
            let answer = Answer::Error(error.withhold());
            let body = self.write(&answer, id).unwrap_or_else(|_| body_of(&answer, id));
            let _ = replier.reply(body).await;
        } else {
            self.counters.abandoned_calls.add(1);
        }
        false
    }

    fn write(&self, answer: &Answer, id: &Bytes) -> Result<Bytes, TransportError> {
        let Some(serializer) = &self.options.serializer else { return Ok(body_of(answer, id)) };
        let packet = answer.to_packet(id);
        let wire = fenced(|| serializer.serialize(packet))
            .map_err(|error| TransportError::internal("the serializer refused a reply").with_source(error))?;
        Ok(Bytes::from(wire.to_string()))
    }

    /// The packet in a delivery; `None` when it holds none, which is counted and logged.
    fn read(&self, delivery: &Delivery) -> Option<Packet> {
        let len = delivery.body.len();
        if len > self.options.max_body_bytes {
            self.bad_input(delivery, "longer than `max_body_bytes`");
            return None;
        }
        let mut body = delivery.body.clone();
        if let Some(deserializer) = &self.options.deserializer {
            let wire = Payload::from_json(body).into_value();
            match wire.and_then(|wire| fenced(|| deserializer.deserialize(wire))) {
                Ok(packet) => body = Bytes::from(packet.to_string()),
                Err(_) => {
                    self.bad_input(delivery, "refused by the deserializer");
                    return None;
                }
            }
        }
        let packet = match Packet::read(&body) {
            // Neither `pattern` nor `data`: the whole is the payload of an event (NestJS fact sheet, section 1).
            Ok(packet) if packet.pattern.is_none() && packet.payload.is_absent() => {
                Packet { payload: Payload::from_json(body), ..packet }
            }
            Ok(packet) => packet,
            Err(_) if self.options.not_json == NotJson::Text => match std::str::from_utf8(&body) {
                Ok(text) => {
                    Packet { pattern: None, payload: Payload::from_value(text.into()), id: None, metadata: None }
                }
                Err(_) => {
                    self.bad_input(delivery, "not UTF-8");
                    return None;
                }
            },
            Err(_) => {
                self.bad_input(delivery, if len == 0 { "an empty body" } else { "not JSON, or no JSON that is taken" });
                return None;
            }
        };
        Some(packet)
    }

    fn bad_input(&self, delivery: &Delivery, why: &str) {
        self.counters.ignored_packets.add(1);
        let transport = self.transport;
        BAD_INPUT.pass(|suppressed| {
            let (pattern, suppressed) = (PeerText(delivery.subject.as_bytes()), (suppressed > 0).then_some(suppressed));
            tracing::warn!(target: "nestrs::broker", transport, %pattern, why, suppressed, "a message was dropped");
        });
    }

    pub(super) fn dispatch(&self, packet: &Packet, delivery: &Delivery) -> Call {
        let inbound = Inbound {
            route: Some(Cow::Borrowed(&*delivery.subject)),
            id: packet.id.clone(),
            payload: packet.payload.clone(),
            metadata: merged(packet.metadata.clone(), delivery.metadata.clone()),
            transport: Arc::clone(&delivery.context),
        };
        self.dispatcher.dispatch_as(&delivery.subscribed, inbound)
    }

    /// Answers a call that is not begun; an event is dropped, and only the counters and the log say so.
    async fn refuse(&self, delivery: Delivery) {
        if let Some(acknowledger) = delivery.acknowledger {
            return acknowledger.release().await;
        }
        let Some(packet) = self.read(&delivery) else { return };
        let transport = self.transport;
        let what = match &packet.id {
            Some(id) => {
                self.counters.refused_calls.add(1);
                let error = TransportError::not_executed(ErrorKind::Unavailable, SHUTTING_DOWN);
                if let Some(replier) = &delivery.replier {
                    self.reply(&Answer::Error(error), id, &**replier).await;
                }
                "call refused"
            }
            None => {
                self.counters.dropped_events.add(1);
                "event dropped"
            }
        };
        REFUSED.pass(|suppressed| {
            let pattern = PeerText(delivery.subject.as_bytes());
            tracing::warn!(target: "nestrs::broker", transport, why = SHUTTING_DOWN, %pattern, suppressed, "{what}");
        });
    }

    /// Answers a caller whose handler was dropped. It had begun, so nothing is said of not executing.
    pub(super) async fn tell_of_the_end(&self, id: Option<Bytes>, replier: Option<&dyn Replier>) {
        if let (Some(id), Some(replier)) = (id, replier) {
            let error = TransportError::new(SHUTTING_DOWN).with_kind(ErrorKind::Unavailable);
            self.reply(&Answer::Error(error), &id, replier).await;
        }
    }
}

/// Headers count for more than what the packet says.
fn merged(packet: Option<Metadata>, headers: Option<Metadata>) -> Option<Metadata> {
    let (Some(mut both), Some(headers)) = (packet.clone(), &headers) else { return headers.or(packet) };
    for (key, value) in headers.iter() {
        both.insert(key, value);
    }
    Some(both)
}

/// A panic in a hook of the user's is an error of one packet.
fn fenced(hook: impl FnOnce() -> Result<Value, TransportError>) -> Result<Value, TransportError> {
    std::panic::catch_unwind(AssertUnwindSafe(hook)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}
