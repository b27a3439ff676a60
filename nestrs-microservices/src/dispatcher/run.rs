//! A message that has handlers: runs those that answer to it, and makes packets of what they give. For all that do not go
//! the short way, `direct`.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use nestrs_core::{BoxFuture, ErrorKind, HandlerResult, Reply, Route, TransportError};

use super::answers::Answers;
use super::bounded::bounded;
use super::call::{Call, EventFailure, Progress};
use super::failure::log_failure;
use super::place::Beginning;
use super::several::several;
use super::stream::Stream;
use crate::deadline::{self, timed_out};
use crate::packet::Answer;
use crate::route_table::RouteEntry;

/// Runs a call. No `async fn`, which would hold its arguments twice.
pub(super) fn run(beginning: Beginning, id: Option<&Bytes>) -> impl Future<Output = Progress> + Send + 'static + use<> {
    let Beginning { entry, mut cx, handler_timeout } = beginning;
    let id = id.cloned();
    async move {
        let is_request = id.is_some();
        let deadline = cx.deadline();
        if deadline.is_some_and(deadline::has_passed) {
            tracing::debug!(target: "nestrs::call", pattern = &*entry.pattern, is_request, "too late when it came; not started");
            let answers = if is_request { Answers::one(Answer::Error(timed_out())) } else { Answers::none() };
            let failed = (!is_request).then_some(EventFailure { kind: ErrorKind::Timeout, is_final: false });
            return Progress { id, answers, rest: None, failed };
        }
        // What panics inside its stages is answered for there; this is for what panics when it is dropped half-way.
        let ran = match only(&entry, is_request) {
            Some(route) => Fenced(pin!(bounded(route, &mut cx, id.as_ref(), handler_timeout))).await,
            None => Fenced(pin!(Box::pin(several(&entry.events, &cx, id.as_ref(), handler_timeout)))).await,
        };
        let Ran { outcome, deadline, unfinished } = ran.unwrap_or_else(|panic| {
            let error = dropped_with_panic(&*panic, &entry.pattern, is_request);
            Ran { outcome: Err(error), deadline: None, unfinished: None }
        });
        let rest = unfinished.map(Call::running_on);
        let answer = match outcome {
            // Also for an event: its items are made, some at a time, and nobody reads them.
            Ok(Reply::Stream(items)) => {
                let mut stream = Some(Stream::begin(items, &entry.pattern, deadline).to(id));
                return poll_fn(|task| Stream::poll(&mut stream, task)).await;
            }
            // What failed has been logged where it failed.
            outcome if !is_request => {
                let failed = outcome.err().as_ref().map(EventFailure::of);
                return Progress { id, answers: Answers::none(), rest, failed };
            }
            Ok(Reply::Value(payload)) => Answer::Value { payload, last: true },
            Ok(Reply::Empty) => Answer::End,
            Err(error) => Answer::Error(error),
        };
        Progress { id, answers: Answers::one(answer), rest, failed: None }
    }
}

/// For a handler that has panicked when it was dropped half-way.
#[cold]
pub(super) fn dropped_with_panic(panic: &(dyn Any + Send), pattern: &str, is_request: bool) -> TransportError {
    let error = TransportError::panicked(panic);
    log_failure(&error, "(dropped)", pattern, is_request);
    error
}

/// What running handlers has come to.
pub(super) struct Ran {
    pub(super) outcome: HandlerResult,
    /// The end of a stream that follows.
    pub(super) deadline: Option<Instant>,
    /// Handlers that go on though their caller is answered.
    pub(super) unfinished: Option<BoxFuture<'static, ()>>,
}

/// The one handler that runs; `None` where it is every one of several for events.
#[inline]
pub(super) fn only(entry: &RouteEntry, is_request: bool) -> Option<&Route> {
    match (&entry.message, entry.events.as_slice()) {
        (Some(route), []) => Some(route),
        (Some(route), _) if is_request => Some(route),
        (_, [route]) => Some(route),
        _ => None,
    }
}

/// A future in its place, whose panic is a value.
struct Fenced<'a, F>(Pin<&'a mut F>);

impl<F: Future> Future for Fenced<'_, F> {
    type Output = std::thread::Result<F::Output>;
    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(task))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}
