//! Lines of the log that a peer could cause without end, limited in number.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Panics of handlers, wherever they are caught. Of the process, as its log is.
pub(crate) static PANICS: LogLimit = LogLimit::new(10);

/// Lets so many lines a second through, and counts the others.
#[derive(Debug)]
pub(crate) struct LogLimit {
    per_second: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the present second began.
    began: Option<Instant>,
    written: u32,
    suppressed: u64,
}

impl LogLimit {
    pub(crate) const fn new(per_second: u32) -> Self {
        Self { per_second, state: Mutex::new(State { began: None, written: 0, suppressed: 0 }) }
    }

    /// How many lines were not written since the last that was, if one may be written now.
    pub(crate) fn admit(&self) -> Option<u64> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.began.is_none_or(|began| now.saturating_duration_since(began) >= Duration::from_secs(1)) {
            state.began = Some(now);
            state.written = 0;
        }
        if state.written >= self.per_second {
            state.suppressed += 1;
            return None;
        }
        state.written += 1;
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_lines_a_second_and_the_next_says_how_many_were_left_out() {
        let limit = LogLimit::new(2);
        let start = Instant::now();
        let at = |milliseconds| limit.admit_at(start + Duration::from_millis(milliseconds));
        assert_eq!([at(0), at(1), at(2), at(999)], [Some(0), Some(0), None, None]);
        assert_eq!([at(1000), at(1001), at(1002), at(2000)], [Some(2), Some(0), None, Some(1)]);
    }
}
