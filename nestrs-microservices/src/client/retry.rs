//! Calls made again because they may be: idempotent ones, within a budget.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::backoff::Backoff;
use super::stats::Counter;

/// How often a call is made again that may be executed twice without harm.
///
/// Without it a client repeats only what surely was not executed. With it, also calls whose connection was lost under way
/// are tried again: [`ErrorKind::Unavailable`], [`ErrorKind::ConnectionClosed`], [`ErrorKind::Overloaded`], and a try that
/// took longer than `try_timeout`. What the application answered is never repeated, be it an error or not, and nothing is
/// tried beyond the call's own timeout.
///
/// Where several policies lie around one call, that of the call site counts, which is the outermost; the others, and what
/// the client would send once more by itself, add no try to its own. All tries of a call share its timeout; of a stream,
/// that to its first item.
///
/// All calls of a client that are made with a policy share one budget, so that retries cannot double the load of a server
/// that is in trouble: within any 10 s there are no more retries than `budget_percent` of those calls, and
/// `budget_per_second` a second. When it is empty the first error is returned as it is.
///
/// ```
/// use std::sync::Arc;
/// use nestrs_core::TransportError;
/// use nestrs_microservices::{ClientProxy, MockService, RetryPolicy};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let stock = MockService::new();
/// stock.expect("stock.count").reply(3);
/// let client = ClientProxy::new(Arc::new(stock));
/// // Reading twice does no harm.
/// let count: u32 = client.retry_idempotent().send("stock.count", &7).await?;
/// // The same, with one more try at most.
/// let policy = RetryPolicy::idempotent().max_tries(2);
/// let count: u32 = client.with_retry(policy).send("stock.count", &7).await?;
/// assert_eq!(count, 3);
/// # Ok::<(), TransportError>(()) }).unwrap().unwrap();
/// ```
///
/// [`ErrorKind::Unavailable`]: nestrs_core::ErrorKind::Unavailable
/// [`ErrorKind::ConnectionClosed`]: nestrs_core::ErrorKind::ConnectionClosed
/// [`ErrorKind::Overloaded`]: nestrs_core::ErrorKind::Overloaded
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Tries in all, the first included and those too that a client makes by itself of what was surely not executed. Default
    /// 3; 1 is no retry at all, and so is 0.
    pub max_tries: u32,
    /// The pauses between tries. Default: up to 50 ms, doubling to 1 s.
    pub backoff: Backoff,
    /// How long one try may take, within the call's timeout. Default `None`: as long as the call, so that one which is not
    /// answered at all is not tried again.
    pub try_timeout: Option<Duration>,
    /// Retries for every hundred calls. Default 20.
    pub budget_percent: u32,
    /// Retries a second that there may be in any case. Default 10.
    pub budget_per_second: u32,
}

impl RetryPolicy {
    /// The defaults, for calls that may be executed twice without harm.
    #[must_use]
    pub const fn idempotent() -> Self {
        let backoff = Backoff { min: Duration::from_millis(50), factor: 2, max: Duration::from_secs(1) };
        Self { max_tries: 3, backoff, try_timeout: None, budget_percent: 20, budget_per_second: 10 }
    }

    /// Sets how many tries there may be in all.
    #[must_use]
    pub const fn max_tries(mut self, max_tries: u32) -> Self {
        self.max_tries = max_tries;
        self
    }

    /// Sets the pauses between tries.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets how long one try may take; `None`: as long as the call.
    #[must_use]
    pub const fn try_timeout(mut self, try_timeout: Option<Duration>) -> Self {
        self.try_timeout = try_timeout;
        self
    }

    /// Sets the budget: retries for every hundred calls, and retries a second in any case.
    #[must_use]
    pub const fn budget(mut self, percent: u32, per_second: u32) -> Self {
        self.budget_percent = percent;
        self.budget_per_second = per_second;
        self
    }
}

/// How long calls and retries count.
const WINDOW_SECONDS: u64 = 10;

/// The calls and retries of the last ten seconds. At most ten entries.
#[derive(Debug, Default)]
pub(crate) struct RetryBudget {
    seconds: Mutex<Seconds>,
    retries: Counter,
    refused: Counter,
}

#[derive(Debug, Default)]
struct Seconds {
    /// Seconds count from the first call.
    began: Option<Instant>,
    /// The second, its calls and its retries; oldest first.
    counts: VecDeque<(u64, u64, u64)>,
}

impl Seconds {
    /// The counts of the present second; what is too old is forgotten.
    fn now(&mut self) -> &mut (u64, u64, u64) {
        let second = self.began.get_or_insert_with(Instant::now).elapsed().as_secs();
        while self.counts.front().is_some_and(|(old, ..)| old + WINDOW_SECONDS <= second) {
            self.counts.pop_front();
        }
        if self.counts.back().is_none_or(|(last, ..)| *last != second) {
            self.counts.push_back((second, 0, 0));
        }
        let last = self.counts.len() - 1;
        &mut self.counts[last]
    }
}

impl RetryBudget {
    /// Counts a retry that is made, whether it had to be paid for or not.
    pub(crate) fn made_one(&self) {
        self.retries.add_one();
    }

    pub(crate) fn retries(&self) -> u64 {
        self.retries.get()
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.get()
    }

    pub(crate) fn deposit(&self) {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner).now().1 += 1;
    }

    /// Takes one retry, if there is one.
    pub(crate) fn withdraw(&self, policy: &RetryPolicy) -> bool {
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        seconds.now();
        let (calls, retries) =
            seconds.counts.iter().fold((0_u64, 0_u64), |sum, (_, calls, retries)| (sum.0 + calls, sum.1 + retries));
        let earned = calls.saturating_mul(policy.budget_percent.into()) / 100;
        let allowed = earned.saturating_add(u64::from(policy.budget_per_second) * WINDOW_SECONDS);
        let granted = retries < allowed;
        if granted {
            seconds.now().2 += 1;
        } else {
            self.refused.add_one();
        }
        granted
    }
}
