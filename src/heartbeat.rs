//! Keeps a runtime awake whose worker is blocked by a handler.
//!
//! The worker that waits for sockets and timers hands that on only when it goes to sleep. When it wakes up for a handler
//! that blocks its thread, the other workers may all be asleep, and nobody listens any more: measured with two workers, one
//! time in three. A task from outside wakes one of them, which takes over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};

/// How long sockets may go unheard. Four wake-ups a second cost nothing that could be measured.
const EVERY: Duration = Duration::from_millis(250);

/// Beats until it is dropped. A flag and a parked thread: a channel of the standard library brings all three of its kinds.
pub(crate) struct Heartbeat {
    ended: Arc<AtomicBool>,
    thread: Thread,
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Heartbeat {
    /// `None` where there is no other worker to wake, or no thread to be had.
    pub(crate) fn start() -> Option<Self> {
        let runtime = Handle::current();
        if runtime.runtime_flavor() != RuntimeFlavor::MultiThread || runtime.metrics().num_workers() < 2 {
            return None;
        }
        let ended = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ended);
        let beating = move || {
            loop {
                // Awake before its time is one beat more.
                std::thread::park_timeout(EVERY);
                if over.load(Ordering::Acquire) {
                    return;
                }
                drop(runtime.spawn(async {}));
            }
        };
        let thread = std::thread::Builder::new().name("nestrs-heartbeat".to_owned()).spawn(beating).ok()?;
        Some(Self { ended, thread: thread.thread().clone() })
    }
}
