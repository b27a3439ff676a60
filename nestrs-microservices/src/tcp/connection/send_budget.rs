//! How many bytes of replies a server queues.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use crate::net::registry::ConnectionId;

/// Bytes that peers have not taken, over all connections of a server. What goes out at once is never counted here, so
/// connections whose peers read pay nothing for it.
pub(in crate::tcp) struct SendBudget {
    max_bytes: usize,
    total: AtomicUsize,
    /// The queues that were not empty at some time.
    queues: Mutex<HashMap<ConnectionId, Arc<Queue>>>,
}

#[derive(Default)]
struct Queue {
    bytes: AtomicUsize,
    condemned: AtomicBool,
    task: AtomicWaker,
}

/// One connection's share.
pub(super) struct QueueShare {
    budget: Arc<SendBudget>,
    id: ConnectionId,
    /// `None` until something had to wait.
    queue: Option<Arc<Queue>>,
}

impl SendBudget {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, total: AtomicUsize::new(0), queues: Mutex::default() }
    }

    pub(super) fn share(self: &Arc<Self>, id: ConnectionId) -> QueueShare {
        QueueShare { budget: Arc::clone(self), id, queue: None }
    }

    /// Ends the longest queue. Its bytes count no more from now on: its connection is about to drop them, and the next
    /// longest must not pay for the same excess.
    fn condemn_longest(&self) {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        // Others may have found the same excess, and have seen to it.
        if self.total.load(Ordering::Acquire) <= self.max_bytes {
            return;
        }
        let open = queues.values().filter(|queue| !queue.condemned.load(Ordering::Acquire));
        if let Some(longest) = open.max_by_key(|queue| queue.bytes.load(Ordering::Acquire)) {
            longest.condemned.store(true, Ordering::Release);
            let bytes = longest.bytes.swap(0, Ordering::AcqRel);
            self.total.fetch_sub(bytes, Ordering::AcqRel);
            longest.task.wake();
        }
    }
}

impl QueueShare {
    /// Says how many bytes the peer has not taken. Ready when the connection is to be closed for it; otherwise wakes the
    /// task when that is decided.
    pub(super) fn poll_waiting(&mut self, bytes: usize, task: &mut Context<'_>) -> Poll<()> {
        if bytes == 0 && self.queue.is_none() {
            return Poll::Pending;
        }
        let queue = self.queue.get_or_insert_with(|| {
            let queue = Arc::new(Queue::default());
            let mut queues = self.budget.queues.lock().unwrap_or_else(PoisonError::into_inner);
            queues.insert(self.id, Arc::clone(&queue));
            queue
        });
        if bytes > 0 {
            queue.task.register(task.waker());
        }
        if !queue.condemned.load(Ordering::Acquire) && queue.bytes.load(Ordering::Acquire) != bytes {
            // Only this connection adds bytes to its queue, and whoever condemns it takes away what is there.
            let before = queue.bytes.swap(bytes, Ordering::AcqRel);
            let total = self.budget.total.fetch_add(bytes, Ordering::AcqRel) + bytes;
            self.budget.total.fetch_sub(before, Ordering::AcqRel);
            if total - before.min(total) > self.budget.max_bytes {
                self.budget.condemn_longest();
            }
        }
        if queue.condemned.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for QueueShare {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            let mut queues = self.budget.queues.lock().unwrap_or_else(PoisonError::into_inner);
            queues.remove(&self.id);
            let bytes = queue.bytes.swap(0, Ordering::AcqRel);
            self.budget.total.fetch_sub(bytes, Ordering::AcqRel);
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
        assert_eq!(budget.total.load(Ordering::Acquire), 0);
        assert!(budget.queues.lock().unwrap().is_empty());
    }
}
