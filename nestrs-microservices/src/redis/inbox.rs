//! Where messages wait for their consumers, and what becomes of those there is no room for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::stream::{self, BoxStream, StreamExt};
use nestrs_core::log_limit::LogLimit;
use nestrs_core::spans::PeerText;
use nestrs_core::{ErrorKind, TransportError};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::broker::{Delivery, Replier, body_of};
use crate::net::registry::Counters;
use crate::packet::{Answer, Packet};

use super::context::RedisContext;
use super::session::Message;

static DROPPED: LogLimit = LogLimit::per_second(1);

/// Messages that wait to be answered with "Service overloaded"; of further ones calls are dropped like events.
const TURNED_AWAY: usize = 1024;

/// How much may wait.
#[derive(Clone, Copy)]
pub(super) struct Room {
    /// Messages for one pattern.
    pub(super) messages: usize,
    /// Bytes for all patterns. One message may be longer, where it is alone.
    pub(super) bytes: usize,
    /// Bytes of one message.
    pub(super) message_bytes: usize,
}

type Repliers = Box<dyn Fn(&str) -> Box<dyn Replier> + Send + Sync>;

/// The queues of one session, one for each pattern.
#[derive(Default)]
pub(super) struct Inbox(RwLock<Option<Queues>>);

struct Queues {
    /// By pattern: a channel's name, or a glob.
    queues: HashMap<Arc<str>, mpsc::Sender<Delivery>>,
    /// What there is no room for.
    beyond: mpsc::Sender<Delivery>,
    room: Room,
    /// Bytes that wait.
    waiting: Arc<AtomicUsize>,
    repliers: Repliers,
    counters: Arc<Counters>,
}

impl Inbox {
    /// Makes the queues: from now on messages are taken.
    pub(super) fn open(
        &self,
        patterns: impl Iterator<Item = Arc<str>>,
        room: Room,
        repliers: Repliers,
        counters: Arc<Counters>,
    ) -> Vec<BoxStream<'static, Delivery>> {
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut streams = Vec::new();
        let queues = patterns.map(|pattern| {
            let (sender, mut receiver) = mpsc::channel(room.messages.max(1));
            let waiting = Arc::clone(&waiting);
            let taken = move |delivery: &Delivery| _ = waiting.fetch_sub(delivery.body.len(), Ordering::Relaxed);
            streams.push(stream::poll_fn(move |task| receiver.poll_recv(task)).inspect(taken).boxed());
            (pattern, sender)
        });
        let queues = queues.collect();
        let (beyond, refused) = mpsc::channel(TURNED_AWAY);
        tokio::spawn(turn_away(refused, Arc::clone(&counters)));
        let queues = Queues { queues, beyond, room, waiting, repliers, counters };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(queues);
        streams
    }

    /// Takes a message. Never waits.
    pub(super) fn take(&self, message: Message) {
        let queues = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(queues) = &*queues {
            queues.take(message);
        }
    }

    pub(super) fn patterns(&self) -> Vec<Arc<str>> {
        let queues = self.0.read().unwrap_or_else(PoisonError::into_inner);
        queues.iter().flat_map(|queues| queues.queues.keys().cloned()).collect()
    }

    /// Takes nothing more; what waits is still served.
    pub(super) fn close(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Queues {
    fn take(&self, message: Message) {
        let Message { glob, channel, body } = message;
        let Some((pattern, queue)) = self.queues.get_key_value(glob.as_deref().unwrap_or(&channel)) else { return };
        let subject: Arc<str> = if channel == **pattern { Arc::clone(pattern) } else { channel.into() };
        let len = body.len();
        if len > self.room.message_bytes {
            self.counters.ignored_packets.add(1);
            dropped(&subject, "longer than `max_message_bytes`");
            return;
        }
        let delivery = Delivery {
            subscribed: Arc::clone(pattern),
            replier: Some((self.repliers)(&subject)),
            context: Arc::new(RedisContext::new(Arc::clone(&subject))),
            subject,
            body,
            metadata: None,
            acknowledger: None,
        };
        let before = self.waiting.fetch_add(len, Ordering::Relaxed);
        let refused = if before > 0 && before + len > self.room.bytes {
            delivery
        } else {
            match queue.try_send(delivery) {
                Ok(()) => return,
                Err(TrySendError::Full(delivery) | TrySendError::Closed(delivery)) => delivery,
            }
        };
        self.waiting.fetch_sub(len, Ordering::Relaxed);
        dropped(&refused.subject, "the queue is full (`queue`, `queue_bytes`)");
        if self.beyond.try_send(refused).is_err() {
            self.counters.dropped_events.add(1);
        }
    }
}

/// Answers calls that nobody has room for; events are gone.
async fn turn_away(mut refused: mpsc::Receiver<Delivery>, counters: Arc<Counters>) {
    while let Some(delivery) = refused.recv().await {
        // Only what a NestJS packet says of itself: no deserializer runs for what is not served.
        match (Packet::read(&delivery.body).ok().and_then(|packet| packet.id), &delivery.replier) {
            (Some(id), Some(replier)) => {
                counters.refused_calls.add(1);
                let error = TransportError::not_executed(ErrorKind::Overloaded, "Service overloaded");
                let _ = replier.reply(body_of(&Answer::Error(error), &id)).await;
            }
            _ => counters.dropped_events.add(1),
        }
    }
}

fn dropped(channel: &str, why: &str) {
    DROPPED.pass(|suppressed| {
        let (pattern, suppressed) = (PeerText(channel.as_bytes()), (suppressed > 0).then_some(suppressed));
        tracing::warn!(target: "nestrs::broker", transport = "redis", %pattern, why, suppressed, "a message was dropped");
    });
}
