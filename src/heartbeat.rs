//! Keeps a runtime awake whose worker is blocked by a handler.
//!
//! The worker that waits for sockets and timers hands that on only when it goes to sleep. When it wakes up for a handler
//! that blocks its thread, the other workers may all be asleep, and nobody listens any more: measured with two workers, one
//! time in three. A task from outside wakes one of them, which takes over.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};

/// How long sockets may go unheard. Four wake-ups a second cost nothing that could be measured.
const EVERY: Duration = Duration::from_millis(250);

/// Beats until it is dropped.
pub(crate) struct Heartbeat(#[expect(dead_code, reason = "its end is the signal")] Sender<()>);

impl Heartbeat {
    /// `None` where there is no other worker to wake, or no thread to be had.
    pub(crate) fn start() -> Option<Self> {
        let runtime = Handle::current();
        if runtime.runtime_flavor() != RuntimeFlavor::MultiThread || runtime.metrics().num_workers() < 2 {
            return None;
        }
        let (alive, ended) = channel::<()>();
        let beating = move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(EVERY) {
                drop(runtime.spawn(async {}));
            }
        };
        std::thread::Builder::new().name("nestrs-heartbeat".to_owned()).spawn(beating).ok()?;
        Some(Self(alive))
    }
}
