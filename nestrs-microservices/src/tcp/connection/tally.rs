//! What a server refused, counted and logged at a limited rate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nestrs_core::spans::PeerText;
use tokio::time::Instant;

/// At most one line of the log in this time: refusing is what a server does when it has no time.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// What a server refused so far.
#[derive(Default)]
pub(in crate::tcp) struct Tally {
    calls_refused: AtomicU64,
    events_dropped: AtomicU64,
    line: Mutex<Line>,
}

/// When the log was last written to, and what has been counted since.
#[derive(Default)]
struct Line {
    written: Option<Instant>,
    calls: u64,
    events: u64,
}

impl Tally {
    /// Counts a call that was answered with `why` and not executed.
    pub(super) fn call_refused(&self, pattern: Option<&[u8]>, why: &str) {
        self.calls_refused.fetch_add(1, Ordering::Relaxed);
        self.say(pattern, why, 1, 0);
    }

    /// Counts an event that nobody is told about but the log.
    pub(super) fn event_dropped(&self, pattern: Option<&[u8]>, why: &str) {
        self.events_dropped.fetch_add(1, Ordering::Relaxed);
        self.say(pattern, why, 0, 1);
    }

    fn say(&self, pattern: Option<&[u8]>, why: &str, calls: u64, events: u64) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.calls += calls;
        line.events += events;
        let now = Instant::now();
        if line.written.is_some_and(|written| now.duration_since(written) < LINE_EVERY) {
            return;
        }
        let Line { calls, events, .. } =
            std::mem::replace(&mut *line, Line { written: Some(now), calls: 0, events: 0 });
        drop(line);
        let (calls_refused, events_dropped) =
            (self.calls_refused.load(Ordering::Relaxed), self.events_dropped.load(Ordering::Relaxed));
        let pattern = pattern.map(|pattern| tracing::field::display(PeerText(pattern)));
        tracing::warn!(
            target: "nestrs::tcp",
            why, calls, events, calls_refused, events_dropped, pattern,
            "calls refused or events dropped"
        );
    }
}
