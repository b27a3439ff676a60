//! How long one handler runs: until it is done, its time is over, or its caller is gone.

use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nestrs_core::log_limit::LogLimit;
use nestrs_core::{BoxFuture, Ending, ErrorKind, ExecutionContext, HandlerResult, Route, TransportError};

use super::handler::call;
use super::run::Ran;
use crate::context::Cancellation;
use crate::deadline::{self, timed_out};

/// Of event handlers that take too long.
static LATE: LogLimit = LogLimit::per_second(10);

/// Runs one handler for as long as it may run: up to the earlier of its caller's deadline and its own timeout, and with
/// its caller, where it says so.
pub(super) async fn bounded(
    route: &Route,
    cx: &mut ExecutionContext,
    id: Option<&Bytes>,
    handler_timeout: Option<Duration>,
) -> Ran {
    set_end(route, cx, handler_timeout);
    let deadline = cx.deadline();
    let mut unfinished = None;
    let outcome = match (route.limits.ending, deadline) {
        (Ending::Completion, Some(deadline)) => {
            match Box::pin(answered_by(deadline, route.clone(), cx.take(), id.cloned())).await {
                Ok(outcome) => outcome,
                Err(running) => {
                    unfinished = Some(running);
                    Err(timed_out())
                }
            }
        }
        (Ending::Disconnect, _) if id.is_some() => Box::pin(with_caller(route, cx, id)).await,
        (_, deadline) => {
            // In one place, with a deadline and without: the future of every call is as large as its largest branch.
            let mut calling = pin!(call(route, cx, id));
            match deadline {
                None => calling.await,
                Some(deadline) => match deadline::until(deadline, calling.as_mut()).await {
                    Some(outcome) => in_time(outcome, deadline),
                    None => Err(dropped_at_deadline(route, id.is_some())),
                },
            }
        }
    };
    Ran { outcome, deadline, unfinished }
}

/// Gives the context the handler, and its end if that is earlier than its caller's.
#[inline]
pub(super) fn set_end(route: &Route, cx: &mut ExecutionContext, handler_timeout: Option<Duration>) {
    cx.set_route(route);
    if let Some(own) = route.limits.timeout.or(handler_timeout).and_then(|timeout| deadline::now().checked_add(timeout))
    {
        let end = cx.deadline().map_or(own, |deadline| deadline.min(own));
        cx.set_deadline(end);
    }
}

/// A handler that runs to its end: the future it still is when its caller's time is over.
async fn answered_by(
    deadline: Instant,
    route: Route,
    cx: ExecutionContext,
    id: Option<Bytes>,
) -> Result<HandlerResult, BoxFuture<'static, ()>> {
    let is_request = id.is_some();
    let gone = Cancellation::of(&cx);
    let (handler, pattern) = (route.handler, route.pattern.clone());
    let calling = async move { call(&route, &cx, id.as_ref()).await };
    // What it calls does not inherit the deadline: that would end the work which is to be completed.
    let mut calling = Box::pin(calling);
    match tokio::time::timeout_at(deadline.into(), &mut calling).await {
        Ok(outcome) => Ok(outcome),
        // There is nobody to answer, so nothing to do but to go on.
        Err(_) if gone.is_cancelled() => Ok(calling.await),
        Err(_) => {
            let pattern = pattern.route();
            if is_request {
                tracing::debug!(target: "nestrs::call", handler, pattern, "the deadline has passed; the handler runs on");
            } else {
                LATE.pass(|suppressed| {
                    let suppressed = (suppressed > 0).then_some(suppressed);
                    tracing::warn!(
                        target: "nestrs::call", handler, pattern, suppressed, "event handler takes too long; it runs on"
                    );
                });
            }
            Err(Box::pin(async move {
                let outcome = calling.await;
                tracing::debug!(target: "nestrs::call", handler, ok = outcome.is_ok(), "a handler ended after its deadline");
            }))
        }
    }
}

/// A handler that ends with its caller's connection.
async fn with_caller(route: &Route, cx: &ExecutionContext, id: Option<&Bytes>) -> HandlerResult {
    let deadline = cx.deadline();
    let gone = Cancellation::of(cx);
    let calling = async {
        let calling = call(route, cx, id);
        match deadline {
            None => calling.await,
            Some(deadline) => match deadline::until(deadline, pin!(calling)).await {
                Some(outcome) => in_time(outcome, deadline),
                None => Err(dropped_at_deadline(route, true)),
            },
        }
    };
    tokio::select! {
        biased;
        outcome = calling => return outcome,
        () = gone.cancelled() => {}
    }
    let pattern = route.pattern.route();
    tracing::debug!(target: "nestrs::call", handler = route.handler, pattern, "the caller is gone; handler dropped");
    // A server that drops all calls at its end cancels them first, and answers for those that do not answer in this turn.
    tokio::task::yield_now().await;
    Err(TransportError::withheld(ErrorKind::ConnectionClosed, "the caller is gone"))
}

/// What a handler called ends when it does itself, and may be the first to say so: that is the same failure.
pub(super) fn in_time(outcome: HandlerResult, deadline: Instant) -> HandlerResult {
    match outcome {
        Err(error) if is_late(&error, deadline) => Err(timed_out().with_source(error)),
        outcome => outcome,
    }
}

pub(super) fn is_late(error: &TransportError, deadline: Instant) -> bool {
    error.kind() == ErrorKind::Timeout && deadline::has_passed(deadline)
}

/// For an event it is a failure of its handler, of which nobody else would hear.
pub(super) fn dropped_at_deadline(route: &Route, is_request: bool) -> TransportError {
    let (handler, pattern) = (route.handler, route.pattern.route());
    if is_request {
        tracing::debug!(target: "nestrs::call", handler, pattern, "the deadline has passed; handler dropped");
    } else {
        LATE.pass(|suppressed| {
            let suppressed = (suppressed > 0).then_some(suppressed);
            tracing::warn!(
                target: "nestrs::call", handler, pattern, suppressed, "event handler took too long and was dropped"
            );
        });
    }
    timed_out()
}
