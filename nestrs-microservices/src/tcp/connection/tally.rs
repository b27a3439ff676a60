//! What peers can have a server log, at a limited rate: a line that they can cause they can cause a million times, and
//! refusing is what a server does when it has no time.

use nestrs_core::log_limit::LogLimit;
use nestrs_core::spans::PeerText;
use tracing::field::display;

/// Lines a second of each kind that says something about one connection.
const LINES: u32 = 10;

/// How much a server logs of what peers do to it. Its counters are the registry's, and exact.
pub(in crate::tcp) struct Tally {
    /// Calls and events.
    refused: LogLimit,
    /// Connections that could not be understood.
    pub(in crate::tcp) faults: LogLimit,
    /// Connections that TLS or the hook did not let in.
    pub(in crate::tcp) strangers: LogLimit,
    /// Connections that were closed without a word.
    pub(in crate::tcp) cut_off: LogLimit,
    /// Connections that their peers have ended without a word.
    pub(in crate::tcp) gone: LogLimit,
    /// Replies that cannot be sent.
    pub(in crate::tcp) unsendable: LogLimit,
    /// Failures of our own.
    pub(in crate::tcp) failed: LogLimit,
}

impl Default for Tally {
    fn default() -> Self {
        let lines = || LogLimit::per_second(LINES);
        Self {
            refused: LogLimit::per_second(1),
            faults: lines(),
            strangers: lines(),
            cut_off: lines(),
            gone: lines(),
            unsendable: lines(),
            failed: lines(),
        }
    }
}

/// For a line that is rarely held back: `None` when none was.
pub(in crate::tcp) fn some(suppressed: u64) -> Option<u64> {
    (suppressed > 0).then_some(suppressed)
}

impl Tally {
    /// A call was answered with `why`, and not executed.
    pub(super) fn refused(&self, pattern: Option<&[u8]>, why: &str) {
        self.refused.pass(|suppressed| {
            let pattern = pattern.map(|pattern| display(PeerText(pattern)));
            tracing::warn!(target: "nestrs::tcp", why, pattern, suppressed, "call refused");
        });
    }

    /// An event was dropped; nobody is told of it but the log.
    pub(super) fn dropped(&self, pattern: Option<&[u8]>, why: &str) {
        self.refused.pass(|suppressed| {
            let pattern = pattern.map(|pattern| display(PeerText(pattern)));
            tracing::warn!(target: "nestrs::tcp", why, pattern, suppressed, "event dropped");
        });
    }
}
