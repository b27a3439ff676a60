//! What a server refuses, logged at a limited rate: refusing is what it does when it has no time.

use nestrs_core::log_limit::LogLimit;
use nestrs_core::spans::PeerText;
use tracing::field::display;

/// The log of what a server refuses. Its counters are the registry's.
pub(in crate::tcp) struct Tally(LogLimit);

impl Default for Tally {
    fn default() -> Self {
        Self(LogLimit::per_second(1))
    }
}

impl Tally {
    /// A call was answered with `why`, and not executed.
    pub(super) fn refused(&self, pattern: Option<&[u8]>, why: &str) {
        self.0.pass(|suppressed| {
            let pattern = pattern.map(|pattern| display(PeerText(pattern)));
            tracing::warn!(target: "nestrs::tcp", why, pattern, suppressed, "call refused");
        });
    }

    /// An event was dropped; nobody is told of it but the log.
    pub(super) fn dropped(&self, pattern: Option<&[u8]>, why: &str) {
        self.0.pass(|suppressed| {
            let pattern = pattern.map(|pattern| display(PeerText(pattern)));
            tracing::warn!(target: "nestrs::tcp", why, pattern, suppressed, "event dropped");
        });
    }
}
