//! The layer that makes the tries of a [`RetryPolicy`].

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use nestrs_core::{ErrorKind, Pattern, Payload, Sent, TransportError};
use tokio::time::Instant;

use crate::transport::{CallOptions, Transport};

use super::breaker::is_circuit_open;
use super::layer::ClientLayer;
use super::retry::{RetryBudget, RetryPolicy};
use super::stats::ClientStats;
use super::tries::TriesLeft;

/// Calls that are tried again.
pub(crate) struct Retrying {
    policy: RetryPolicy,
    budget: Arc<RetryBudget>,
}

impl Retrying {
    pub(crate) fn new(policy: RetryPolicy, budget: Arc<RetryBudget>) -> Self {
        Self { policy, budget }
    }

    /// Makes tries until one succeeds, or the last error is one to be returned.
    async fn tries<T, F>(
        &self,
        inner: &dyn Transport,
        options: &CallOptions,
        mut attempt: impl FnMut(CallOptions) -> F,
    ) -> Result<T, TransportError>
    where
        F: Future<Output = Result<T, TransportError>>,
    {
        let mut own = options.clone();
        // Somebody outside retries already: three tries of three would be nine.
        if options.tries_left.is_some() {
            return attempt(own).await;
        }
        // The first is made in any case.
        let tries_left = TriesLeft::new(self.policy.max_tries.saturating_sub(1));
        own.tries_left = Some(tries_left.clone());
        self.budget.deposit();
        let deadline = options.limit(inner.request_timeout()).map(|(end, _)| Instant::from(end));
        own.answer_by = deadline.map(Instant::into_std);
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
            if !in_time || !is_worth_it(&error, cut_short) || !tries_left.take() {
                return Err(error);
            }
            // What was surely not executed is sent once more in any case; all else must be affordable.
            let affordable = (refused && failed == 1) || self.budget.withdraw(&self.policy);
            tracing::debug!(target: "nestrs::client", %error, failed, affordable, "a try has failed");
            let first = first.get_or_insert(error);
            if !affordable {
                return Err(first.clone().with_sent(sent));
            }
            self.budget.made_one();
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
impl ClientLayer for Retrying {
    async fn send(
        &self,
        inner: &dyn Transport,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<Payload, TransportError> {
        let payload = &payload;
        let attempt = |own: CallOptions| async move { inner.send_payload(pattern, payload.clone(), &own).await };
        self.tries(inner, options, attempt).await
    }

    async fn emit(
        &self,
        inner: &dyn Transport,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<(), TransportError> {
        let payload = &payload;
        let attempt = |own: CallOptions| async move { inner.emit_payload(pattern, payload.clone(), &own).await };
        self.tries(inner, options, attempt).await
    }

    /// Only to its beginning: of a stream that has begun, nothing may come twice.
    async fn send_stream(
        &self,
        inner: &dyn Transport,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<BoxStream<'static, Result<Payload, TransportError>>, TransportError> {
        let payload = &payload;
        let attempt = |mut own: CallOptions| async move {
            // Its timeout runs from item to item; the first is due when the call is, whichever try brings it.
            own.timeout = options.timeout;
            inner.send_stream(pattern, payload.clone(), &own).await
        };
        self.tries(inner, options, attempt).await
    }

    fn stats(&self, inner: &dyn Transport) -> ClientStats {
        let mut stats = inner.stats();
        stats.retries += self.budget.retries();
        stats.retries_refused += self.budget.refused();
        stats
    }
}
