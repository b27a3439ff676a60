//! The short way of a call: one handler inside its stages, which ends by itself or at a deadline. Nearly every call goes
//! here, by one small future. What `run` does beside that takes futures inside of futures.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use bytes::Bytes;
use nestrs_core::{BoxFuture, Ending, HandlerResult, Reply, spans::Timed};

use super::bounded::{dropped_at_deadline, in_time, set_end};
use super::call::EventFailure;
use super::handler::{log_outcome, poll_handler};
use super::place::Beginning;
use super::run::{dropped_with_panic, only};
use super::stream::Stream;
use crate::deadline::{self, Watch};
use crate::packet::Answer;

/// What a call that went the short way has come to.
pub(super) enum Done {
    /// Of a request.
    Answer(Answer),
    /// Of an event: how it has failed, if it has.
    Event(Option<EventFailure>),
    /// What follows is not waited for here, which would make room for all of the above beside it.
    Stream(Box<Stream>),
}

impl Beginning {
    /// Whether it is for one handler, which nothing ends but its deadline, and that lies ahead.
    #[inline]
    pub(super) fn is_simple(&self, is_request: bool) -> bool {
        only(&self.entry, is_request).is_some_and(|route| route.limits.ending == Ending::Deadline)
            && !self.cx.deadline().is_some_and(deadline::has_passed)
    }
}

/// Runs a call that [is simple](Beginning::is_simple). What can be seen to before it is polled is, so that it keeps little.
#[inline]
pub(super) fn direct(beginning: Beginning, id: Option<&Bytes>) -> impl Future<Output = Done> + Send + 'static + use<> {
    let Beginning { entry, mut cx, handler_timeout } = beginning;
    let is_request = id.is_some();
    if let Some(route) = only(&entry, is_request) {
        set_end(route, &mut cx, handler_timeout);
    }
    let span = Timed::call(&cx, id.map(|id| &**id));
    async move {
        let route = only(&entry, is_request).unwrap_or_else(|| unreachable!("a simple call has one handler"));
        let cx = &*cx;
        let mut watch = cx.deadline().map(Watch::until);
        let mut calling: Option<BoxFuture<'_, HandlerResult>> = None;
        let ended = poll_fn(|task| match &mut watch {
            None => poll_handler(&mut calling, route, cx, &span, task).map(Some),
            Some(watch) => match watch.scope(|| poll_handler(&mut calling, route, cx, &span, task)) {
                Poll::Pending => watch.poll_over(task).map(|()| None),
                ready => ready.map(Some),
            },
        })
        .await;
        let mut outcome = match ended {
            Some(outcome) => {
                if let Err(error) = &outcome {
                    log_outcome(error, route, cx, is_request, &span);
                }
                let outcome = span.end_reply(outcome);
                match cx.deadline() {
                    None => outcome,
                    Some(deadline) => in_time(outcome, deadline),
                }
            }
            None => Err(dropped_at_deadline(route, is_request)),
        };
        // One that has panicked, or takes too long, ends before its caller knows.
        if let Some(calling) = calling
            && let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(calling)))
        {
            outcome = Err(dropped_with_panic(&*panic, &entry.pattern, is_request));
        }
        match outcome {
            // Also for an event: its items are made, some at a time, and nobody reads them.
            Ok(Reply::Stream(items)) => Done::Stream(Stream::begin(items, &entry.pattern, cx.deadline())),
            // What failed has been logged where it failed.
            outcome if !is_request => Done::Event(outcome.err().as_ref().map(EventFailure::of)),
            Ok(Reply::Value(payload)) => Done::Answer(Answer::Value { payload, last: true }),
            Ok(Reply::Empty) => Done::Answer(Answer::End),
            Err(error) => Done::Answer(Answer::Error(error)),
        }
    }
}
