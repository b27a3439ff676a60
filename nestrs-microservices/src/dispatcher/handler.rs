//! One handler inside its stages and its span: whatever it does, the caller gets an answer.

use std::panic::AssertUnwindSafe;
use std::pin::pin;

use bytes::Bytes;
use futures_util::FutureExt;
use nestrs_core::{Ending, ExecutionContext, HandlerResult, Route, TransportError, spans::Timed};

use super::bounded::{dropped_at_deadline, is_late};
use super::failure::log_failure;

/// Runs one handler inside its stages and its span; whatever it does, the caller gets an answer.
pub(super) async fn call(route: &Route, cx: ExecutionContext, id: Option<&Bytes>) -> HandlerResult {
    let span = Timed::call(&cx, id.map(|id| &**id));
    let calling = AssertUnwindSafe(async { route.endpoint.call(&cx, cx.payload().clone()).await });
    let calling = pin!(calling.catch_unwind());
    let outcome = span.drive(calling).await.unwrap_or_else(|panic| Err(TransportError::panicked(&*panic)));
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
