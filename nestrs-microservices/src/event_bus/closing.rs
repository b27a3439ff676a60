//! The end of a bus: what is under way finishes for a while, the rest is dropped and said to be.

use std::sync::PoisonError;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::bus::{EventBus, Hub};

/// How long what was cut off may take to be gone.
const FAREWELL: Duration = Duration::from_millis(500);

impl EventBus {
    /// Waits until nothing is queued or running, for `grace` at most. What is still queued then is dropped,
    /// which is counted and logged in one line; what still runs is dropped where it waits, and counts as failed.
    ///
    /// The bus goes on afterwards. An application calls this as it closes, when its transports have stopped and before
    /// the hooks of its providers run, with what is left of its grace period.
    pub async fn drain(&self, grace: Duration) {
        let work = &self.hub.work;
        work.close();
        if tokio::time::timeout(grace, work.wait()).await.is_err() {
            self.hub.end_work();
            // A handler that blocks its thread is left behind.
            let _ = tokio::time::timeout(FAREWELL, work.wait()).await;
        }
        work.reopen();
    }

    /// Drains the bus for at most `grace`, then closes it: all subscribers are gone, streams end, and whatever is
    /// published later is refused, counted and logged.
    ///
    /// An application calls this at its very end, for what the hooks of its providers have emitted.
    pub async fn close(&self, grace: Duration) {
        self.drain(grace).await;
        self.abort();
    }

    /// Closes it at once: what is queued or running is dropped.
    pub fn abort(&self) {
        self.hub.set_closed();
        self.hub.end_work();
        let subscribers = self.hub.registry_mut().clear();
        for subscriber in subscribers {
            subscriber.close(&self.hub);
        }
    }
}

impl Hub {
    /// Fires when what runs now is to be dropped.
    pub(super) fn cut_off(&self) -> CancellationToken {
        self.cut_off.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn end_work(&self) {
        // Events are dropped outside the lock: what they carry may have a `Drop` that subscribes.
        let subscribers = self.registry().all();
        let dropped: usize = subscribers.iter().map(|subscriber| subscriber.discard(self)).sum();
        let running = self.counters.running.get();
        if dropped + running as usize > 0 {
            tracing::warn!(queued = dropped, running, "the event bus closes; events are dropped");
        }
        let token = std::mem::take(&mut *self.cut_off.lock().unwrap_or_else(PoisonError::into_inner));
        token.cancel();
    }
}
