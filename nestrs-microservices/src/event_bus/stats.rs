//! Counters of a bus.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a bus has done since it was made, and what it is doing: [`EventBus::stats`](crate::EventBus::stats).
///
/// Every subscriber that an event is for is counted in exactly one of `delivered`, `failed`, `dropped`, `queued` and
/// `running`. While events are under way the numbers are read one after another, so that their sum may be off by what
/// happens in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventBusStats {
    /// Events that were published or emitted and not refused, whether or not anybody was subscribed.
    pub published: u64,
    /// Events that were given to nobody: serde refuses them, their name has a wildcard, or the bus is closed.
    pub refused: u64,
    /// Subscribers that finished an event well.
    pub delivered: u64,
    /// Subscribers that began an event and failed, panicked, took too long or were cut off at the end.
    pub failed: u64,
    /// Subscribers that did not get an event: their queue was full, they unsubscribed or the application ended first.
    pub dropped: u64,
    /// Events that wait in a queue now, counted once for each subscriber.
    pub queued: u64,
    /// Subscribers that are at work on an event now.
    pub running: u64,
    /// Subscribers there are now.
    pub subscribers: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) published: Counter,
    pub(super) refused: Counter,
    pub(super) delivered: Counter,
    pub(super) failed: Counter,
    pub(super) dropped: Counter,
    pub(super) queued: Counter,
    pub(super) running: Counter,
}

impl Counters {
    pub(super) fn read(&self, subscribers: usize) -> EventBusStats {
        EventBusStats {
            published: self.published.get(),
            refused: self.refused.get(),
            delivered: self.delivered.get(),
            failed: self.failed.get(),
            dropped: self.dropped.get(),
            queued: self.queued.get(),
            running: self.running.get(),
            subscribers: subscribers as u64,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn sub(&self, count: usize) {
        self.0.fetch_sub(count as u64, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
