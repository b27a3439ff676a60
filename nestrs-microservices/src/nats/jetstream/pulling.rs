//! Taking messages of one consumer: as many as can be begun, and no more, since the NATS server counts from the moment it sends
//! one.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream::{self, BoxStream, StreamExt};
use nestrs_core::{ErrorKind, TransportError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::broker::Delivery;
use crate::nats::connecting::Wire;
use crate::nats::context::NatsContext;
use crate::nats::headers::NatsHeaders;

use super::settling::{Current, Settling};

/// For how long the NATS server keeps a request for messages.
const EXPIRES: Duration = Duration::from_secs(10);
/// It has not come back in that time: it is made anew.
const OVERDUE: Duration = Duration::from_secs(5);
/// Between two requests that were turned down.
const PAUSE: Duration = Duration::from_millis(250);

/// A consumer of which messages are taken.
pub(in crate::nats) struct Durable {
    pub(in crate::nats) pattern: Arc<str>,
    pub(in crate::nats) stream: String,
    pub(in crate::nats) consumer: String,
    pub(in crate::nats) prefetch: usize,
    pub(in crate::nats) ack_wait: Duration,
    pub(in crate::nats) dead_prefix: Arc<str>,
    pub(in crate::nats) current: Current,
    /// Nothing more is to be taken.
    pub(in crate::nats) stopped: CancellationToken,
    /// Why nothing more can be.
    pub(in crate::nats) broken: Arc<Broken>,
}

/// What ends a connection that is well otherwise.
#[derive(Default)]
pub(in crate::nats) struct Broken {
    token: CancellationToken,
    why: std::sync::OnceLock<String>,
}

impl Broken {
    fn because(&self, why: String) {
        let _ = self.why.set(why);
        self.token.cancel();
    }

    pub(in crate::nats) async fn happened(&self) -> TransportError {
        self.token.cancelled().await;
        let why = self.why.get().cloned().unwrap_or_default();
        TransportError::withheld(ErrorKind::ConnectionClosed, why)
    }
}

struct Pulling {
    durable: Durable,
    wire: Wire,
    inbox: String,
    subscriber: Subscriber,
    /// For what is taken and not settled.
    places: Arc<Semaphore>,
    /// For what the request that is under way may still bring, and until when it must be back.
    asked: Vec<OwnedSemaphorePermit>,
    overdue: Instant,
    /// What had come before the end.
    last: Option<std::vec::IntoIter<Message>>,
}

impl Durable {
    /// Takes messages until it is stopped, or the connection ends.
    pub(in crate::nats) async fn deliveries(self, wire: &Wire) -> Result<BoxStream<'static, Delivery>, TransportError> {
        let inbox = wire.client.new_inbox();
        let subscribed = wire.client.subscribe(inbox.clone()).await;
        let subscriber =
            subscribed.map_err(|error| TransportError::withheld(ErrorKind::Unavailable, error.to_string()))?;
        let places = Arc::new(Semaphore::new(self.prefetch.clamp(1, Semaphore::MAX_PERMITS)));
        let (wire, asked, overdue) = (wire.clone(), Vec::new(), Instant::now());
        let pulling = Pulling { durable: self, wire, inbox, subscriber, places, asked, overdue, last: None };
        Ok(stream::unfold(pulling, |mut pulling| async { Some((pulling.next().await?, pulling)) }).boxed())
    }
}

impl Pulling {
    async fn next(&mut self) -> Option<Delivery> {
        loop {
            if let Some(last) = &mut self.last {
                let message = last.next()?;
                match self.delivery(message) {
                    Some(delivery) => return Some(delivery),
                    None => continue,
                }
            }
            let stopped = self.durable.stopped.clone();
            let message = tokio::select! {
                biased;
                () = stopped.cancelled() => {
                    self.end();
                    continue;
                }
                message = self.message() => message?,
            };
            if let Some(delivery) = self.delivery(message) {
                return Some(delivery);
            }
        }
    }

    /// The next message, asked for where it is not; `None` when there are no more.
    async fn message(&mut self) -> Option<Message> {
        loop {
            if self.asked.is_empty() {
                self.ask().await?;
            }
            let message = tokio::select! {
                biased;
                message = self.subscriber.next() => message?,
                () = tokio::time::sleep_until(self.overdue) => {
                    self.asked.clear();
                    continue;
                }
            };
            let Some(status) = message.status.map(|status| status.as_u16()).filter(|status| *status != 200) else {
                return Some(message);
            };
            let said = message.description.as_deref().unwrap_or_default();
            match status {
                100 => {}
                // Its time was over, and less has come than was asked for.
                404 | 408 => self.asked.clear(),
                409 if !said.contains("Deleted") && !said.contains("push based") => {
                    tracing::debug!(target: "nestrs::nats", consumer = self.durable.consumer, said, "a pull was turned down");
                    self.asked.clear();
                    tokio::time::sleep(PAUSE).await;
                }
                _ => {
                    let Durable { consumer, broken, .. } = &self.durable;
                    broken.because(format!("the consumer `{consumer}` is gone ({status} {said})"));
                    return None;
                }
            }
        }
    }

    /// Asks for as much as can be begun, once anything can.
    async fn ask(&mut self) -> Option<()> {
        self.asked.push(Arc::clone(&self.places).acquire_owned().await.ok()?);
        while let Ok(more) = Arc::clone(&self.places).try_acquire_owned() {
            self.asked.push(more);
        }
        let Durable { stream, consumer, .. } = &self.durable;
        let request = format!(r#"{{"batch":{},"expires":{}}}"#, self.asked.len(), EXPIRES.as_nanos());
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        let inbox = self.inbox.clone();
        self.overdue = Instant::now() + EXPIRES + OVERDUE;
        self.wire.client.publish_with_reply(subject, inbox, Bytes::from(request)).await.ok()
    }

    /// Takes what is there, and tells the NATS server that nobody listens any more, so that what is given back goes elsewhere.
    fn end(&mut self) {
        let mut last = Vec::new();
        while let Some(Some(message)) = self.subscriber.next().now_or_never() {
            if message.status.is_none() {
                last.push(message);
            }
        }
        let _ = self.subscriber.unsubscribe().now_or_never();
        self.last = Some(last.into_iter());
    }

    /// `None` for what is no message of a stream.
    fn delivery(&mut self, message: Message) -> Option<Delivery> {
        let Durable { pattern, ack_wait, dead_prefix, current, .. } = &self.durable;
        let place = self.asked.pop();
        let settling = Settling::new(&message, *ack_wait, dead_prefix, current, place)?;
        let subject = match message.subject.as_str() {
            same if *same == **pattern => Arc::clone(pattern),
            other => Arc::from(other),
        };
        let headers = message.headers.as_ref().map(NatsHeaders::of).unwrap_or_default();
        let metadata = (!headers.is_empty()).then(|| headers.metadata());
        let context =
            Arc::new(NatsContext::kept(Arc::clone(&subject), headers, settling.deliveries, settling.sequence));
        Some(Delivery {
            subscribed: Arc::clone(pattern),
            subject,
            body: message.payload,
            metadata,
            context,
            replier: None,
            acknowledger: Some(Box::new(settling)),
        })
    }
}
