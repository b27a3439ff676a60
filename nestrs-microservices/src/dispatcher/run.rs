//! A message that has handlers: runs those that answer to it, and makes packets of what they give.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use nestrs_core::{BoxFuture, ExecutionContext, HandlerResult, Reply, TransportError};

use super::bounded::bounded;
use super::call::{Call, Progress};
use super::failure::log_failure;
use super::several::several;
use super::stream::Stream;
use crate::deadline::{self, timed_out};
use crate::packet::Answer;
use crate::route_table::RouteEntry;

pub(super) async fn run(
    entry: Arc<RouteEntry>,
    cx: ExecutionContext,
    id: Option<Bytes>,
    handler_timeout: Option<Duration>,
) -> Progress {
    let is_request = id.is_some();
    let deadline = cx.deadline();
    if deadline.is_some_and(deadline::has_passed) {
        tracing::debug!(target: "nestrs::call", pattern = &*entry.pattern, is_request, "too late when it came; not started");
        let answers = if is_request { vec![Answer::Error(timed_out())] } else { Vec::new() };
        return Progress { id, answers, rest: None };
    }
    // What panics inside its stages is answered for there; this is for what panics when it is dropped half-way.
    let ran = AssertUnwindSafe(answer(&entry, cx, id.as_ref(), handler_timeout)).catch_unwind().await;
    let Ran { outcome, deadline, unfinished } = ran.unwrap_or_else(|panic| {
        let error = TransportError::panicked(&*panic);
        log_failure(&error, "(dropped)", &entry.pattern, is_request);
        Ran { outcome: Err(error), deadline: None, unfinished: None }
    });
    let rest = unfinished.map(Call::running_on);
    match outcome {
        // Also for an event: its items are made, some at a time, and nobody reads them.
        Ok(Reply::Stream(items)) => {
            Stream { items, pattern: Arc::clone(&entry.pattern), deadline }.next(None, id).await
        }
        // What failed has been logged where it failed.
        _ if !is_request => Progress { id, answers: Vec::new(), rest },
        Ok(Reply::Value(payload)) => Progress { id, answers: vec![Answer::Value { payload, last: true }], rest },
        Ok(Reply::Empty) => Progress { id, answers: vec![Answer::End], rest },
        Err(error) => Progress { id, answers: vec![Answer::Error(error)], rest },
    }
}

/// What running handlers has come to.
pub(super) struct Ran {
    pub(super) outcome: HandlerResult,
    /// The end of a stream that follows.
    pub(super) deadline: Option<Instant>,
    /// Handlers that go on though their caller is answered.
    pub(super) unfinished: Option<BoxFuture<'static, ()>>,
}

/// Runs whoever answers to the pattern; `id` is a request's.
async fn answer(
    entry: &RouteEntry,
    cx: ExecutionContext,
    id: Option<&Bytes>,
    handler_timeout: Option<Duration>,
) -> Ran {
    match (&entry.message, entry.events.as_slice()) {
        (Some(route), _) if id.is_some() => bounded(route, cx, id, handler_timeout).await,
        (Some(route), []) => bounded(route, cx, None, handler_timeout).await,
        (_, [route]) => bounded(route, cx, id, handler_timeout).await,
        (_, routes) => several(routes, &cx, id, handler_timeout).await,
    }
}
