//! Streams of replies that come as fast as they are asked for: what they give a few at a time leaves together. The socket has
//! taken it by then, so nothing is asked for any earlier.

use std::time::Duration;

use tokio::time::Instant;

use super::Connection;

/// A stream whose items take longer is sent as it comes.
const AT_ONCE: Duration = Duration::from_micros(100);

/// Whether the socket gathers small writes.
#[derive(Default)]
pub(super) struct Gathering {
    is_on: bool,
    /// When a stream that goes on was written last.
    written: Option<Instant>,
}

impl Connection {
    /// Before what is queued is written: begins to gather where more is about to follow at once.
    pub(super) fn gather_streams(&mut self) {
        if !self.parked.back().is_some_and(|(_, flight)| flight.call.has_more()) {
            return;
        }
        let now = Instant::now();
        let before = self.gathering.written.replace(now);
        if !self.gathering.is_on && before.is_some_and(|before| now.duration_since(before) < AT_ONCE) {
            self.gathering.is_on = true;
            self.io.gather(true);
        }
    }

    /// Before the task waits or lets others have their turn: what was gathered leaves.
    pub(super) fn send_gathered(&mut self) {
        if std::mem::take(&mut self.gathering.is_on) {
            self.io.gather(false);
        }
    }
}
