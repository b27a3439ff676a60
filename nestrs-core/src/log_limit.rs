//! Log lines that peers can cause, few enough to read.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets so many log lines through in each time, and counts the others: what a peer can cause must not fill a disk.
///
/// The next line that is let through says how many were held back before it; a count after which nothing follows is
/// not logged, so whoever needs it exactly keeps a counter of its own.
///
/// ```
/// use nestrs_core::log_limit::LogLimit;
///
/// static REFUSED: LogLimit = LogLimit::per_second(1);
///
/// for _ in 0..3 {
///     REFUSED.pass(|suppressed| tracing::warn!(suppressed, "too many connections; closed"));
/// }
/// ```
#[derive(Debug)]
pub struct LogLimit {
    lines: u32,
    window: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the present window began; `None` before the first line.
    since: Option<Instant>,
    let_through: u32,
    suppressed: u64,
}

impl LogLimit {
    /// At most `lines` a second; 0 lets nothing through.
    #[must_use]
    pub const fn per_second(lines: u32) -> Self {
        let state = State { since: None, let_through: 0, suppressed: 0 };
        Self { lines, window: Duration::from_secs(1), state: Mutex::new(state) }
    }

    /// Calls `write` with the number of lines that were held back since the last one, or holds this one back too.
    pub fn pass(&self, write: impl FnOnce(u64)) {
        if let Some(suppressed) = self.admit(Instant::now()) {
            write(suppressed);
        }
    }

    fn admit(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.since.is_none_or(|since| now.saturating_duration_since(since) >= self.window) {
            state.since = Some(now);
            state.let_through = 0;
        }
        if state.let_through >= self.lines {
            state.suppressed += 1;
            return None;
        }
        state.let_through += 1;
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_lets_its_lines_through_and_counts_the_others() {
        let limit = LogLimit::per_second(2);
        let start = Instant::now();
        let at = |millis| limit.admit(start + Duration::from_millis(millis));
        assert_eq!((at(0), at(1), at(2), at(999)), (Some(0), Some(0), None, None));
        assert_eq!((at(1000), at(1500), at(1999)), (Some(2), Some(0), None));
        // A quiet hour later the one that was held back is still told of, once.
        assert_eq!((at(3_600_000), at(3_600_001)), (Some(1), Some(0)));
    }
}
