//! How many calls a server has under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts calls that did not finish at once.
///
/// A place belongs to the handler, not to its connection, so that calling and hanging up does not multiply work. Entering
/// never fails: a call is counted after it has shown that it takes its time, and by then it runs. Connections ask for
/// room before they begin one, so the limit can be passed by as many calls as there are threads to begin them at the same
/// instant, and by no more.
pub(in crate::tcp) struct InFlight {
    count: AtomicUsize,
    max: usize,
    room: Notify,
}

/// One call's place.
pub(super) struct Place(Arc<InFlight>);

impl InFlight {
    pub(super) fn new(max: usize) -> Self {
        Self { count: AtomicUsize::new(0), max: max.max(1), room: Notify::new() }
    }

    pub(super) fn has_room(&self) -> bool {
        self.count.load(Ordering::Acquire) < self.max
    }

    pub(super) fn enter(self: &Arc<Self>) -> Place {
        self.count.fetch_add(1, Ordering::AcqRel);
        Place(Arc::clone(self))
    }

    /// Completes when there may be room. Whoever waits is told one after another, for as long as there is some: one that
    /// has nothing to begin must not keep the news to itself.
    pub(super) async fn room(self: Arc<Self>) {
        while !self.has_room() {
            let told = self.room.notified();
            // A place given up between the two lines above is not missed: `notify_one` leaves a note.
            told.await;
        }
        self.room.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let before = self.0.count.fetch_sub(1, Ordering::AcqRel);
        if before <= self.0.max {
            self.0.room.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everyone_who_waits_for_room_is_told_of_one_place() {
        let in_flight = Arc::new(InFlight::new(1));
        let place = in_flight.enter();
        assert!(!in_flight.has_room());
        let waiting: Vec<_> = (0..10).map(|_| tokio::spawn(Arc::clone(&in_flight).room())).collect();
        tokio::task::yield_now().await;
        drop(place);
        for waiter in waiting {
            waiter.await.unwrap();
        }
        // A note that was left over promises nothing.
        let _place = in_flight.enter();
        let late = tokio::spawn(Arc::clone(&in_flight).room());
        tokio::task::yield_now().await;
        assert!(!late.is_finished());
        late.abort();
    }
}
