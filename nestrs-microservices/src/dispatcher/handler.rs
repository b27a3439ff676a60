//! One handler inside its stages and its span: whatever it does, the caller gets an answer.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use bytes::Bytes;
use nestrs_core::{BoxFuture, Ending, ExecutionContext, HandlerResult, Route, TransportError, spans::Timed};

use super::bounded::{dropped_at_deadline, is_late};
use super::failure::log_failure;

/// Runs one handler inside its stages and its span; whatever it does, the caller gets an answer.
pub(super) async fn call(route: &Route, cx: &ExecutionContext, id: Option<&Bytes>) -> HandlerResult {
    let span = Timed::call(cx, id.map(|id| &**id));
    let mut calling: Option<BoxFuture<'_, HandlerResult>> = None;
    // By hand, since adapters around it would each be made elsewhere and moved here.
    let outcome = poll_fn(|task| {
        let poll = || {
            let outcome =
                calling.get_or_insert_with(|| route.endpoint.call(cx, cx.payload().clone())).as_mut().poll(task);
            if outcome.is_ready() {
                calling = None;
            }
            outcome
        };
        span.enter(|| catch_unwind(AssertUnwindSafe(poll)))
            .unwrap_or_else(|panic| Poll::Ready(Err(TransportError::panicked(&*panic))))
    })
    .await;
    if let Err(error) = &outcome {
        let ends_in_time = route.limits.ending != Ending::Completion;
        span.enter(|| match cx.deadline() {
            // It has not failed: what it waited for ended with it.
            Some(deadline) if ends_in_time && is_late(error, deadline) => _ = dropped_at_deadline(route, id.is_some()),
            _ => log_failure(error, cx.handler(), cx.declared_pattern(), id.is_some()),
        });
    }
    span.end_reply(outcome)
}
