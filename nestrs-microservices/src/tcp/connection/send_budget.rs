//! How many bytes of replies a server queues.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use crate::net::registry::ConnectionId;

/// Bytes that peers have not taken, over all connections of a server. What goes out at once is never counted here, so
/// connections whose peers read pay nothing for it.
pub(in crate::tcp) struct SendBudget {
    max_bytes: usize,
    queues: Mutex<Queues>,
}

/// Under one lock, so that a sum is never seen half changed: somebody would be closed for bytes that were counted twice.
///
/// Invariant: `total` is the sum of `open`, and at most the budget whenever nobody holds the lock.
#[derive(Default)]
struct Queues {
    total: usize,
    /// The queues that were not empty at some time, and have not been condemned.
    open: HashMap<ConnectionId, (usize, Arc<Verdict>)>,
}

/// What others may decide over a connection.
#[derive(Default)]
struct Verdict {
    condemned: AtomicBool,
    task: AtomicWaker,
}

/// One connection's share.
pub(super) struct QueueShare {
    budget: Arc<SendBudget>,
    id: ConnectionId,
    /// What is counted for it; of no meaning once it is condemned.
    counted: usize,
    /// `None` until something had to wait.
    verdict: Option<Arc<Verdict>>,
}

impl SendBudget {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, queues: Mutex::default() }
    }

    pub(super) fn share(self: &Arc<Self>, id: ConnectionId) -> QueueShare {
        QueueShare { budget: Arc::clone(self), id, counted: 0, verdict: None }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a queue anew, unless it has been condemned. Where that is too much, the longest queue ends, and one is
    /// enough: it is at least as long as the one that has grown.
    fn count(&self, id: ConnectionId, bytes: usize, verdict: &Arc<Verdict>) {
        let mut queues = self.queues();
        // Decided under the lock, and looked at under it: what was taken out is not put back.
        if verdict.condemned.load(Ordering::Acquire) {
            return;
        }
        let before = queues.open.insert(id, (bytes, Arc::clone(verdict))).map_or(0, |(before, _)| before);
        queues.total = queues.total.saturating_sub(before).saturating_add(bytes);
        if queues.total > self.max_bytes
            && let Some(longest) = queues.open.iter().max_by_key(|(_, (bytes, _))| *bytes).map(|(id, _)| *id)
            && let Some((_, longest)) = queues.remove(longest)
        {
            longest.condemned.store(true, Ordering::Release);
            drop(queues);
            longest.task.wake();
        }
    }
}

impl Queues {
    /// Its bytes count no more from now on: its connection is about to drop them, and the next longest must not pay for
    /// the same excess.
    fn remove(&mut self, id: ConnectionId) -> Option<(usize, Arc<Verdict>)> {
        let removed = self.open.remove(&id)?;
        self.total = self.total.saturating_sub(removed.0);
        Some(removed)
    }
}

impl QueueShare {
    /// Says how many bytes the peer has not taken. Ready when the connection is to be closed for it; otherwise wakes the
    /// task when that is decided.
    pub(super) fn poll_waiting(&mut self, bytes: usize, task: &mut Context<'_>) -> Poll<()> {
        if bytes == 0 && self.verdict.is_none() {
            return Poll::Pending;
        }
        let verdict = self.verdict.get_or_insert_default();
        if bytes > 0 {
            verdict.task.register(task.waker());
        }
        if self.counted != bytes {
            self.counted = bytes;
            self.budget.count(self.id, bytes, verdict);
        }
        if verdict.condemned.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for QueueShare {
    fn drop(&mut self) {
        if self.verdict.is_some() {
            self.budget.queues().remove(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::task::noop_waker_ref;

    #[test]
    fn sl_4_the_longest_queue_pays_and_nobody_else() {
        let budget = Arc::new(SendBudget::new(100));
        let mut shares: Vec<_> = (0..3).map(|id| budget.share(ConnectionId(id))).collect();
        let task = &mut Context::from_waker(noop_waker_ref());
        let mut set = |at: usize, bytes| shares[at].poll_waiting(bytes, task).is_ready();
        assert!(!set(0, 30) && !set(1, 50) && !set(2, 20));
        // The one that asks is not the one that pays.
        assert!(!set(2, 25));
        assert!(set(1, 50) && set(1, 0), "it is over for this one");
        assert!(!set(0, 30) && !set(2, 70));
        assert!(set(2, 71), "its own queue is the longest");
        drop(shares);
        let queues = budget.queues();
        assert!(queues.total == 0 && queues.open.is_empty());
    }

    /// Connections that write at the same time are seen as they are, and none twice.
    #[test]
    fn sl_4_queues_that_change_at_once_and_fit_together_are_left_alone() {
        let budget = Arc::new(SendBudget::new(100));
        let condemned = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for id in 0..8 {
                let mut share = budget.share(ConnectionId(id));
                let condemned = &condemned;
                scope.spawn(move || {
                    let task = &mut Context::from_waker(noop_waker_ref());
                    for round in 0..100_000 {
                        // Together never more than 100.
                        let is_over = share.poll_waiting(10 + 2 * (round % 2), task).is_ready();
                        condemned.fetch_add(usize::from(is_over), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(condemned.into_inner(), 0);
    }

    /// As many pay as there are too many, however many threads find that out together.
    #[test]
    fn sl_4_when_queues_grow_at_once_no_more_pay_than_have_to() {
        for _ in 0..500 {
            let budget = Arc::new(SendBudget::new(100));
            let shares: Vec<_> = (0..4).map(|id| budget.share(ConnectionId(id))).collect();
            let start = std::sync::Barrier::new(4);
            let shares: Vec<_> = std::thread::scope(|scope| {
                let growing = shares.into_iter().map(|mut share| {
                    let start = &start;
                    scope.spawn(move || {
                        let task = &mut Context::from_waker(noop_waker_ref());
                        start.wait();
                        let _ = share.poll_waiting(15, task).is_ready() || share.poll_waiting(30, task).is_ready();
                        share
                    })
                });
                growing.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let task = &mut Context::from_waker(noop_waker_ref());
            // Four of 30 are over 100, three are not.
            let over = shares.into_iter().map(|mut share| share.poll_waiting(30, task).is_ready());
            assert_eq!(over.collect::<Vec<_>>().into_iter().filter(|over| *over).count(), 1);
        }
    }
}
