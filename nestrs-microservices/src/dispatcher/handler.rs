//! One handler inside its stages and its span: whatever it does, the caller gets an answer.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use bytes::Bytes;
use nestrs_core::{BoxFuture, Ending, ExecutionContext, HandlerResult, Route, TransportError, spans::Timed};

use super::bounded::{dropped_at_deadline, is_late};
use super::failure::log_failure;

/// Runs one handler inside its stages and its span; whatever it does, the caller gets an answer.
pub(super) async fn call(route: &Route, cx: &ExecutionContext, id: Option<&Bytes>) -> HandlerResult {
    let span = Timed::call(cx, id.map(|id| &**id));
    let mut calling = None;
    let outcome = poll_fn(|task| poll_handler(&mut calling, route, cx, &span, task)).await;
    if let Err(error) = &outcome {
        log_outcome(error, route, cx, id.is_some(), &span);
    }
    span.end_reply(outcome)
}

/// Begins it, or asks how far it is. When it is done it is dropped, for a panic in that is one of the handler, too. By hand,
/// since adapters around it would each be made elsewhere and moved to their place.
#[inline]
pub(super) fn poll_handler<'a>(
    calling: &mut Option<BoxFuture<'a, HandlerResult>>,
    route: &'a Route,
    cx: &'a ExecutionContext,
    span: &Timed,
    task: &mut Context<'_>,
) -> Poll<HandlerResult> {
    let poll = || {
        let running = calling.get_or_insert_with(|| route.endpoint.call(cx, cx.payload()));
        let outcome = running.as_mut().poll(task);
        if outcome.is_ready() {
            *calling = None;
        }
        outcome
    };
    span.enter(|| catch_unwind(AssertUnwindSafe(poll)))
        .unwrap_or_else(|panic| Poll::Ready(Err(TransportError::panicked(&*panic))))
}

/// What the log says of a handler that has failed.
#[cold]
pub(super) fn log_outcome(
    error: &TransportError,
    route: &Route,
    cx: &ExecutionContext,
    is_request: bool,
    span: &Timed,
) {
    let ends_in_time = route.limits.ending != Ending::Completion;
    span.enter(|| match cx.deadline() {
        // It has not failed: what it waited for ended with it.
        Some(deadline) if ends_in_time && is_late(error, deadline) => _ = dropped_at_deadline(route, is_request),
        _ => log_failure(error, cx.handler(), cx.declared_pattern(), is_request),
    });
}
