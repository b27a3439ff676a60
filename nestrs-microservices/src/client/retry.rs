//! Calls made again because they may be: idempotent ones, within a budget.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use nestrs_core::{ErrorKind, Pattern, Payload, Sent, TransportError};
use serde_json::Value;
use tokio::time::Instant;

use crate::transport::{CallOptions, CircuitState, ClientStatus, Transport};

use super::backoff::Backoff;
use super::breaker::is_circuit_open;
use super::stats::{ClientStats, Counter};

/// How often a call is made again that may be executed twice without harm.
///
/// Without it a client repeats only what surely was not executed. With it, also calls whose connection was lost under way
/// are tried again: [`ErrorKind::Unavailable`], [`ErrorKind::ConnectionClosed`], [`ErrorKind::Overloaded`], and a try that
/// took longer than `try_timeout`. What the application answered is never repeated, be it an error or not, and nothing is
/// tried beyond the call's own timeout.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Tries in all, the first included. Default 3; 1 is no retry.
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
    fn deposit(&self) {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner).now().1 += 1;
    }

    /// Takes one retry, if there is one.
    fn withdraw(&self, policy: &RetryPolicy) -> bool {
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        seconds.now();
        let (calls, retries) =
            seconds.counts.iter().fold((0_u64, 0_u64), |sum, (_, calls, retries)| (sum.0 + calls, sum.1 + retries));
        let earned = calls.saturating_mul(policy.budget_percent.into()) / 100;
        let allowed = earned.saturating_add(u64::from(policy.budget_per_second) * WINDOW_SECONDS);
        let granted = retries < allowed;
        if granted {
            seconds.now().2 += 1;
            self.retries.add_one();
        } else {
            self.refused.add_one();
        }
        granted
    }
}

/// A transport whose calls are tried again.
pub(crate) struct Retrying {
    inner: Arc<dyn Transport>,
    policy: RetryPolicy,
    budget: Arc<RetryBudget>,
}

impl Retrying {
    pub(crate) fn new(inner: Arc<dyn Transport>, policy: RetryPolicy, budget: Arc<RetryBudget>) -> Self {
        Self { inner, policy, budget }
    }

    /// Makes tries until one succeeds, or the last error is one to be returned.
    async fn tries<T, F>(
        &self,
        options: &CallOptions,
        mut attempt: impl FnMut(CallOptions) -> F,
    ) -> Result<T, TransportError>
    where
        F: Future<Output = Result<T, TransportError>>,
    {
        let mut own = options.clone();
        // Somebody outside retries already: three tries of three would be nine.
        if options.retried || self.policy.max_tries <= 1 {
            return attempt(own).await;
        }
        own.retried = true;
        self.budget.deposit();
        let deadline = options.limit(self.inner.request_timeout()).map(|(end, _)| Instant::from(end));
        let mut sent = Sent::No;
        let mut failed = 0;
        let mut first = None;
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            own.timeout = [left, self.policy.try_timeout, options.timeout].into_iter().flatten().min();
            let cut_short = self.policy.try_timeout.is_some_and(|limit| left.is_none_or(|left| limit < left));
            let error = match attempt(own.clone()).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if error.sent() != Some(Sent::No) {
                sent = Sent::Maybe;
            }
            let refused = error.was_not_executed();
            // The first try may have been executed, whatever became of the last.
            let error = error.with_sent(sent);
            failed += 1;
            let pause = self.policy.backoff.pause(failed - 1);
            let in_time = deadline.is_none_or(|deadline| Instant::now() + pause < deadline);
            if failed >= self.policy.max_tries || !in_time || !is_worth_it(&error, cut_short) {
                return Err(error);
            }
            // What was surely not executed is sent once more in any case; all else must be affordable.
            let affordable = (refused && failed == 1) || self.budget.withdraw(&self.policy);
            tracing::debug!(target: "nestrs::client", %error, failed, affordable, "a try has failed");
            let first = first.get_or_insert(error);
            if !affordable {
                return Err(first.clone().with_sent(sent));
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// Whether another try could end differently. Local limits and the application's own errors could not.
fn is_worth_it(error: &TransportError, cut_short: bool) -> bool {
    match error.kind() {
        ErrorKind::Unavailable if is_circuit_open(error) => false,
        ErrorKind::Unavailable | ErrorKind::ConnectionClosed | ErrorKind::Overloaded => true,
        ErrorKind::Timeout => cut_short,
        _ => false,
    }
}

#[async_trait]
impl Transport for Retrying {
    async fn send_json(&self, pattern: &str, payload: Value) -> Result<Value, TransportError> {
        let options = CallOptions::default();
        self.send_payload(&Pattern::from(pattern), Payload::from_value(payload), &options).await?.into_value()
    }

    async fn emit_json(&self, pattern: &str, payload: Value) -> Result<(), TransportError> {
        self.emit_payload(&Pattern::from(pattern), Payload::from_value(payload), &CallOptions::default()).await
    }

    async fn send_payload(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<Payload, TransportError> {
        let payload = &payload;
        let attempt = |own: CallOptions| async move { self.inner.send_payload(pattern, payload.clone(), &own).await };
        self.tries(options, attempt).await
    }

    async fn emit_payload(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<(), TransportError> {
        let payload = &payload;
        let attempt = |own: CallOptions| async move { self.inner.emit_payload(pattern, payload.clone(), &own).await };
        self.tries(options, attempt).await
    }

    /// Only to its beginning: of a stream that has begun, nothing may come twice.
    async fn send_stream(
        &self,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<BoxStream<'static, Result<Payload, TransportError>>, TransportError> {
        let payload = &payload;
        let attempt = |mut own: CallOptions| async move {
            // Its timeout runs from item to item, and its first answer may still be a refusal.
            (own.timeout, own.retried) = (options.timeout, options.retried);
            self.inner.send_stream(pattern, payload.clone(), &own).await
        };
        self.tries(options, attempt).await
    }

    async fn connect(&self) -> Result<(), TransportError> {
        self.inner.connect().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }

    fn status(&self) -> BoxStream<'static, ClientStatus> {
        self.inner.status()
    }

    fn circuit(&self) -> BoxStream<'static, CircuitState> {
        self.inner.circuit()
    }

    fn request_timeout(&self) -> Option<Duration> {
        self.inner.request_timeout()
    }

    fn stats(&self) -> ClientStats {
        let mut stats = self.inner.stats();
        stats.retries += self.budget.retries.get();
        stats.retries_refused += self.budget.refused.get();
        stats
    }
}

impl fmt::Debug for Retrying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrying").field("policy", &self.policy).finish_non_exhaustive()
    }
}
