//! Saying to the NATS server how an event ended.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::{HeaderMap, HeaderValue, Message, Subject};
use async_trait::async_trait;
use bytes::Bytes;
use nestrs_core::{ErrorKind, TransportError};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::broker::{Acknowledger, DeadLetter};
use crate::nats::connecting::Wire;

use super::topology::api;

/// How long to wait until a stream has a dead letter.
const KEPT: Duration = Duration::from_secs(5);

/// The connection that there is now: what came by one can be settled by the next.
#[derive(Clone)]
pub(in crate::nats) struct Current(Arc<watch::Sender<Option<Wire>>>);

impl Default for Current {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Current {
    pub(in crate::nats) fn set(&self, wire: &Wire) {
        self.0.send_replace(Some(wire.clone()));
    }

    /// Waits for one that is not lost.
    async fn wire(&self, limit: Duration) -> Result<Wire, TransportError> {
        let mut current = self.0.subscribe();
        let well = current.wait_for(|wire| wire.as_ref().is_some_and(|wire| !wire.is_lost()));
        let wire = tokio::time::timeout(limit, well).await.ok().and_then(Result::ok).and_then(|wire| wire.clone());
        wire.ok_or_else(|| {
            TransportError::withheld(ErrorKind::ConnectionClosed, "the connection to the NATS server is lost")
        })
    }
}

/// One delivery.
pub(super) struct Settling {
    /// Where the NATS server hears of it.
    told: Subject,
    /// What it came with, for a dead letter.
    subject: Subject,
    body: Bytes,
    headers: Option<HeaderMap>,
    pub(super) deliveries: u32,
    pub(super) sequence: u64,
    consumer: String,
    ack_wait: Duration,
    dead_prefix: Arc<str>,
    current: Current,
    /// Until it is settled, or given up.
    _place: Option<OwnedSemaphorePermit>,
}

impl Settling {
    /// `None` for what was not delivered by a consumer.
    pub(super) fn new(
        message: &Message,
        ack_wait: Duration,
        dead_prefix: &Arc<str>,
        current: &Current,
        place: Option<OwnedSemaphorePermit>,
    ) -> Option<Self> {
        let told = message.reply.clone()?;
        let Origin { consumer, deliveries, sequence } = origin(&told)?;
        Some(Self {
            subject: message.subject.clone(),
            body: message.payload.clone(),
            headers: message.headers.clone(),
            deliveries,
            sequence,
            consumer: consumer.to_owned(),
            ack_wait,
            dead_prefix: Arc::clone(dead_prefix),
            current: current.clone(),
            told,
            _place: place,
        })
    }

    async fn tell(&self, what: impl Into<Bytes>) -> Result<(), TransportError> {
        let wire = self.current.wire(self.ack_wait).await?;
        wire.client
            .publish(self.told.clone(), what.into())
            .await
            .map_err(|error| TransportError::withheld(ErrorKind::ConnectionClosed, error.to_string()))
    }

    /// What a dead letter says of itself, beside the headers that the event had. Those that begin with `Nats-` would mean
    /// something to the stream that keeps it.
    fn letter_headers(&self, letter: &DeadLetter) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, values) in self.headers.iter().flat_map(HeaderMap::iter) {
            if !name.to_string().starts_with("Nats-") {
                values.iter().for_each(|value| headers.append(name.clone(), value.clone()));
            }
        }
        let mut say = |name: &str, value: &str| {
            if let Ok(value) = value.parse::<HeaderValue>() {
                headers.insert(name, value);
            }
        };
        say("Nestrs-Dead-Reason", letter.reason.as_str());
        if let Some(kind) = letter.kind {
            say("Nestrs-Dead-Kind", &format!("{kind:?}"));
        }
        say("Nestrs-Dead-Deliveries", &letter.deliveries.to_string());
        say("Nestrs-Dead-Subject", &self.subject);
        say("Nestrs-Dead-Sequence", &self.sequence.to_string());
        say("Nestrs-Dead-Consumer", &self.consumer);
        // A letter that is written twice is kept once.
        say("Nats-Msg-Id", &format!("{}-{}", self.consumer, self.sequence));
        headers
    }

    /// Returns when a stream has it.
    async fn keep(
        &self,
        wire: &Wire,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(), async_nats::jetstream::context::PublishError> {
        let subject = format!("{}.{}", self.dead_prefix, self.subject);
        let publish = PublishMessage::build().payload(body).headers(headers);
        api(&wire.client, KEPT).send_publish(subject, publish).await?.await.map(drop)
    }
}

#[async_trait]
impl Acknowledger for Settling {
    fn deliveries(&self) -> u32 {
        self.deliveries
    }

    async fn ack(&self) -> Result<(), TransportError> {
        self.tell("+ACK").await
    }

    async fn retry_after(&self, delay: Duration) -> Result<(), TransportError> {
        self.tell(format!(r#"-NAK {{"delay":{}}}"#, delay.as_nanos())).await
    }

    async fn dead(&self, letter: &DeadLetter) -> Result<(), TransportError> {
        let wire = self.current.wire(self.ack_wait).await?;
        let headers = self.letter_headers(letter);
        let mut kept = self.keep(&wire, headers.clone(), self.body.clone()).await;
        if kept.as_ref().is_err_and(|error| error.kind() == PublishErrorKind::MaxPayloadExceeded) {
            // Its own headers are what is too much. The letter says where the event is.
            let mut headers = headers;
            headers.insert("Nestrs-Dead-Body", "left out: too large");
            kept = self.keep(&wire, headers, Bytes::new()).await;
        }
        kept.map_err(|error| {
            TransportError::withheld(ErrorKind::Unavailable, format!("a dead letter is not kept: {error}"))
        })?;
        self.tell("+TERM").await
    }

    async fn release(&self) {
        if let Ok(wire) = self.current.wire(Duration::ZERO).await {
            let _ = wire.client.publish(self.told.clone(), "-NAK".into()).await;
        }
    }

    fn renew_every(&self) -> Option<Duration> {
        Some(self.ack_wait / 3)
    }

    async fn in_progress(&self) {
        if let Ok(wire) = self.current.wire(Duration::ZERO).await {
            let _ = wire.client.publish(self.told.clone(), "+WPI".into()).await;
        }
    }
}

struct Origin<'a> {
    consumer: &'a str,
    deliveries: u32,
    sequence: u64,
}

/// `$JS.ACK.STREAM.CONSUMER.DELIVERIES.SEQUENCE.…`, with a domain and an account before the stream on newer servers.
fn origin(reply: &str) -> Option<Origin<'_>> {
    let words: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
    let words = if words.len() > 7 { words.get(2..)? } else { &words };
    let [_stream, consumer, deliveries, sequence, ..] = words else { return None };
    let deliveries = deliveries.parse::<u64>().ok()?.clamp(1, u64::from(u32::MAX));
    Some(Origin { consumer, deliveries: u32::try_from(deliveries).ok()?, sequence: sequence.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_message_comes_from_is_in_its_reply() {
        for reply in [
            "$JS.ACK.ORDERS.billing.3.17.21.1700000000000000000.5",
            "$JS.ACK._.hash.ORDERS.billing.3.17.21.1700000000000000000.5.random",
        ] {
            let Origin { consumer, deliveries, sequence } = origin(reply).unwrap();
            assert_eq!((consumer, deliveries, sequence), ("billing", 3, 17), "{reply}");
        }
        for reply in ["_INBOX.x", "$JS.ACK.", "$JS.ACK.a.b.c.d.e.f.g", "$JS.ACK.a.b.1"] {
            assert!(origin(reply).is_none(), "{reply}");
        }
    }
}
