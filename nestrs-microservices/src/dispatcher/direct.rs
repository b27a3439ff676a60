//! The short way of a call: one handler inside its stages, which ends by itself or at a deadline. Nearly every call goes
//! here, by one small future. What `run` does beside that takes futures inside of futures.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use nestrs_core::{BoxFuture, Ending, HandlerResult, Reply, spans::Timed};

use super::answers::Answers;
use super::bounded::{dropped_at_deadline, in_time, set_end};
use super::call::{EventFailure, Progress};
use super::handler::{log_outcome, poll_handler};
use super::place::Beginning;
use super::run::{dropped_with_panic, only};
use super::stream::Stream;
use crate::deadline::{self, Watch};
use crate::packet::Answer;

impl Beginning {
    /// Whether it is for one handler, which nothing ends but its deadline, and that lies ahead.
    #[inline]
    pub(super) fn is_simple(&self) -> bool {
        only(&self.entry, self.id.is_some()).is_some_and(|route| route.limits.ending == Ending::Deadline)
            && !self.cx.deadline().is_some_and(deadline::has_passed)
    }
}

/// Runs a call that [is simple](Beginning::is_simple).
pub(super) fn direct(beginning: Beginning) -> impl Future<Output = Progress> + Send + 'static {
    let Beginning { entry, mut cx, id, handler_timeout } = beginning;
    async move {
        let is_request = id.is_some();
        let route = only(&entry, is_request).unwrap_or_else(|| unreachable!("a simple call has one handler"));
        set_end(route, &mut cx, handler_timeout);
        let cx = &*cx;
        let span = Timed::call(cx, id.as_deref());
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
        let answer = match outcome {
            // Also for an event: its items are made, some at a time, and nobody reads them. Not waited for here, which would
            // make room for all of the above beside it.
            Ok(Reply::Stream(items)) => {
                return Progress::instead(Stream::begin(items, &entry.pattern, cx.deadline(), id));
            }
            // What failed has been logged where it failed.
            outcome if !is_request => {
                let failed = outcome.err().as_ref().map(EventFailure::of);
                return Progress { id, answers: Answers::none(), rest: None, failed };
            }
            Ok(Reply::Value(payload)) => Answer::Value { payload, last: true },
            Ok(Reply::Empty) => Answer::End,
            Err(error) => Answer::Error(error),
        };
        Progress { id, answers: Answers::one(answer), rest: None, failed: None }
    }
}
