//! Events that a broker keeps until it is told how they ended, and delivers again if they did not end well.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use nestrs_core::log_limit::LogLimit;
use nestrs_core::spans::PeerText;
use nestrs_core::{ErrorKind, TransportError};
use tokio::sync::OwnedSemaphorePermit;

use crate::dispatcher::EventFailure;
use crate::packet::Packet;

use super::consumer::Consumer;
use super::message::Delivery;

/// What peers can have a server log, as often as they like.
static DEAD: LogLimit = LogLimit::per_second(10);
static UNSETTLED: LogLimit = LogLimit::per_second(1);

/// How one delivery is settled with its broker: by one of `ack`, `retry_after`, `dead` and `release`, at most once. A delivery
/// that is dropped instead is delivered again when the broker misses it.
#[async_trait]
pub(crate) trait Acknowledger: Send + Sync {
    /// How often this message has been delivered, this time included; at least 1.
    fn deliveries(&self) -> u32;

    /// It is handled: never again.
    ///
    /// # Errors
    /// When the broker could not be told; it delivers the message again some day.
    async fn ack(&self) -> Result<(), TransportError>;

    /// It failed: again, but not before `delay` is over.
    ///
    /// # Errors
    /// As for `ack`.
    async fn retry_after(&self, delay: Duration) -> Result<(), TransportError>;

    /// It is put where dead letters are kept, with what it came with, and is never delivered again. The latter only once the
    /// former is certain.
    ///
    /// # Errors
    /// As for `ack`.
    async fn dead(&self, letter: &DeadLetter) -> Result<(), TransportError>;

    /// It is not handled here, since this server ends: to somebody else, and best at once.
    async fn release(&self) {}

    /// How often the broker wants to hear that a handler is still at it; `None`: never.
    fn renew_every(&self) -> Option<Duration> {
        None
    }

    /// A handler is still at it.
    async fn in_progress(&self) {}
}

/// Why a message is not delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    pub(crate) reason: DeadReason,
    /// What its last handler failed with, where one ran.
    pub(crate) kind: Option<ErrorKind>,
    /// How often it was delivered.
    pub(crate) deliveries: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeadReason {
    /// It is no packet.
    Unreadable,
    /// Nobody handles it.
    NoHandler,
    /// A guard refused it.
    Refused,
    /// Its payload does not fit its handler.
    InvalidPayload,
    /// The last of its tries failed.
    Failed,
    /// It was delivered far too often, and the servers that got it ended before its handler did: it may be why.
    NeverEnded,
}

impl DeadReason {
    /// As dead letters say it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NoHandler => "no-handler",
            Self::Refused => "refused",
            Self::InvalidPayload => "invalid-payload",
            Self::Failed => "failed",
            Self::NeverEnded => "never-ended",
        }
    }
}

/// How often, and when, events that failed are delivered again.
#[derive(Clone, Debug)]
pub(crate) struct Redelivery {
    /// An event that fails this often is a dead letter; at least 1. One that was delivered twice as often without anybody
    /// saying how it ended is too.
    pub(crate) max_deliveries: u32,
    /// How long to wait after the first failure, the second, and so on; the last stands for all that follow. None at all: no
    /// wait.
    pub(crate) delays: Arc<[Duration]>,
}

impl Default for Redelivery {
    fn default() -> Self {
        Self { max_deliveries: 5, delays: Arc::from([1, 5, 30, 120].map(Duration::from_secs)) }
    }
}

impl Redelivery {
    fn delay(&self, deliveries: u32) -> Duration {
        let at = usize::try_from(deliveries.saturating_sub(1)).unwrap_or(usize::MAX);
        self.delays.get(at).or(self.delays.last()).copied().unwrap_or_default()
    }

    /// What becomes of a message whose handler failed.
    fn verdict(&self, failure: EventFailure, deliveries: u32) -> Verdict {
        let reason = match (failure.is_final, failure.kind) {
            (true, ErrorKind::NotFound) => DeadReason::NoHandler,
            (true, ErrorKind::InvalidPayload) => DeadReason::InvalidPayload,
            (true, _) => DeadReason::Refused,
            (false, _) if deliveries >= self.max_deliveries => DeadReason::Failed,
            (false, _) => return Verdict::Retry(self.delay(deliveries)),
        };
        Verdict::Dead(DeadLetter { reason, kind: Some(failure.kind), deliveries })
    }
}

/// What becomes of a message.
enum Verdict {
    Ack,
    Retry(Duration),
    Dead(DeadLetter),
}

impl Consumer {
    /// Runs a delivery that is to be acknowledged, and acknowledges it. It begins where it stands, so that events begin in
    /// the order in which they came.
    pub(super) async fn begin_acknowledged(
        &self,
        packet: Option<Packet>,
        delivery: Delivery,
        acknowledger: Box<dyn Acknowledger>,
        place: OwnedSemaphorePermit,
    ) {
        let deliveries = acknowledger.deliveries();
        let dead = |reason| Verdict::Dead(DeadLetter { reason, kind: None, deliveries });
        let max = self.options.redelivery.max_deliveries.max(1);
        let Some(packet) = packet else {
            return self.settle_aside(delivery, acknowledger, dead(DeadReason::Unreadable), place);
        };
        if deliveries > max.saturating_mul(2) {
            return self.settle_aside(delivery, acknowledger, dead(DeadReason::NeverEnded), place);
        }
        let mut call = self.dispatch(&packet, &delivery);
        let polled = poll_fn(|task| Poll::Ready(Pin::new(&mut call).poll(task))).await;
        let consumer = self.clone();
        self.metered.in_flight(1);
        let running = async move {
            let (shutdown, replier) = (consumer.shutdown.clone(), delivery.replier.as_deref());
            let ended = tokio::select! {
                biased;
                failed = consumer.run(call, polled, replier) => Some(failed),
                () = shutdown.expired() => None,
                never = renewed(&*acknowledger) => match never {},
            };
            match ended {
                Some(None) => consumer.settle(&delivery, &*acknowledger, Verdict::Ack).await,
                Some(Some(failure)) => {
                    let verdict = consumer.options.redelivery.verdict(failure, deliveries);
                    consumer.settle(&delivery, &*acknowledger, verdict).await;
                }
                // A caller is told, and would not wait for another try.
                None if packet.id.is_some() => {
                    consumer.tell_of_the_end(packet.id, replier).await;
                    consumer.settle(&delivery, &*acknowledger, Verdict::Ack).await;
                }
                None => acknowledger.release().await,
            }
            consumer.metered.in_flight(-1);
            drop(place);
        };
        self.shutdown.spawn(self.tasks.track_future(running));
    }

    /// Settles in a task of its own: the broker may take its time.
    fn settle_aside(
        &self,
        delivery: Delivery,
        acknowledger: Box<dyn Acknowledger>,
        verdict: Verdict,
        place: OwnedSemaphorePermit,
    ) {
        let consumer = self.clone();
        let settling = async move {
            consumer.settle(&delivery, &*acknowledger, verdict).await;
            drop(place);
        };
        self.shutdown.spawn(self.tasks.track_future(settling));
    }

    async fn settle(&self, delivery: &Delivery, acknowledger: &dyn Acknowledger, verdict: Verdict) {
        let (counter, settled) = match &verdict {
            Verdict::Ack => (&self.counters.acknowledged_events, acknowledger.ack().await),
            Verdict::Retry(delay) => (&self.counters.retried_events, acknowledger.retry_after(*delay).await),
            Verdict::Dead(letter) => (&self.counters.dead_events, acknowledger.dead(letter).await),
        };
        let (transport, pattern) = (self.transport, PeerText(delivery.subject.as_bytes()));
        match (settled, verdict) {
            (Err(error), _) => UNSETTLED.pass(|suppressed| {
                let suppressed = (suppressed > 0).then_some(suppressed);
                tracing::warn!(
                    target: "nestrs::broker", transport, %pattern, %error, suppressed,
                    "the broker could not be told how an event ended; it will deliver it again"
                );
            }),
            (Ok(()), Verdict::Dead(letter)) => {
                counter.add(1);
                DEAD.pass(|suppressed| {
                    let suppressed = (suppressed > 0).then_some(suppressed);
                    let (reason, deliveries) = (letter.reason.as_str(), letter.deliveries);
                    tracing::warn!(
                        target: "nestrs::broker", transport, %pattern, reason, deliveries, suppressed,
                        "an event is a dead letter"
                    );
                });
            }
            (Ok(()), _) => counter.add(1),
        }
    }
}

enum Never {}

/// Tells the broker, as often as it wants to hear it, that a handler is still at it.
async fn renewed(acknowledger: &dyn Acknowledger) -> Never {
    let Some(every) = acknowledger.renew_every() else { return std::future::pending().await };
    loop {
        tokio::time::sleep(every).await;
        acknowledger.in_progress().await;
    }
}

#[cfg(test)]
mod tests;
