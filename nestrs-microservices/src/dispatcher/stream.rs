//! A streaming reply: its items as packets, as many at a time as are ready.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt;
use nestrs_core::{Payload, ReplyStream, TransportError};

use super::answers::Answers;
use super::call::{Call, EventFailure, Progress};
use super::failure::{log_failure, panicked};
use crate::deadline::{self, Watch, timed_out};
use crate::packet::Answer;

/// At most this many items of a streaming reply are taken at once before they are handed to the socket.
pub(super) const STREAM_BUFFER: usize = 16;

type Item = Result<Payload, TransportError>;

/// A streaming reply under way. One box from its first item to its last, handed on from each [`Progress`] to the next.
pub(super) struct Stream {
    items: ReplyStream,
    pattern: Arc<str>,
    id: Option<Bytes>,
    /// Taken one too early, to see whether the one before it was the last.
    ahead: Option<Item>,
    end: Option<End>,
}

/// When a stream ends at the latest, and what wakes it then.
struct End {
    deadline: Instant,
    watch: Watch,
}

/// What follows the items that were ready.
enum After {
    More,
    Nothing { failed: Option<EventFailure> },
}

impl Stream {
    /// For nobody yet, as that of an event stays.
    pub(super) fn begin(items: ReplyStream, pattern: &Arc<str>, deadline: Option<Instant>) -> Box<Self> {
        let end = deadline.map(|deadline| End { deadline, watch: Watch::until(deadline) });
        Box::new(Self { items, pattern: Arc::clone(pattern), id: None, ahead: None, end })
    }

    /// Whom its items answer.
    pub(super) fn to(mut self: Box<Self>, id: Option<Bytes>) -> Box<Self> {
        self.id = id;
        self
    }

    /// Takes the items that are ready; waits for the first only, in its place. The end rides on the last item when both are
    /// ready together, and comes alone otherwise, as in NestJS.
    pub(super) fn poll(place: &mut Option<Box<Self>>, task: &mut Context<'_>) -> Poll<Progress> {
        let Some(stream) = place else { unreachable!("it is taken with its progress only") };
        let mut answers = Vec::new();
        let Poll::Ready(after) = stream.take(&mut answers, task) else { return Poll::Pending };
        let answers = Answers::from(answers);
        Poll::Ready(match after {
            After::More => {
                let id = stream.id.clone();
                Progress { id, answers, rest: place.take().map(Call::streaming), failed: None }
            }
            After::Nothing { failed } => Progress { id: stream.id.take(), answers, rest: None, failed },
        })
    }

    pub(super) fn has_more(&self) -> bool {
        self.ahead.is_some()
    }

    fn take(&mut self, answers: &mut Vec<Answer>, task: &mut Context<'_>) -> Poll<After> {
        let mut next = self.ahead.take().map_or_else(|| self.poll_in_time(task), |item| Poll::Ready(Some(item)));
        loop {
            match next {
                Poll::Pending if answers.is_empty() => return Poll::Pending,
                Poll::Pending => return Poll::Ready(After::More),
                Poll::Ready(Some(item)) if answers.len() + 1 == STREAM_BUFFER => {
                    self.ahead = Some(item);
                    return Poll::Ready(After::More);
                }
                Poll::Ready(Some(Ok(payload))) => {
                    if answers.is_empty() {
                        // Where one is ready the next ones mostly are.
                        answers.reserve_exact(STREAM_BUFFER);
                    }
                    answers.push(Answer::Value { payload, last: false });
                }
                Poll::Ready(Some(Err(error))) => {
                    log_failure(&error, "(stream)", &self.pattern, self.id.is_some());
                    let failed = self.id.is_none().then(|| EventFailure::of(&error));
                    answers.push(Answer::Error(error));
                    return Poll::Ready(After::Nothing { failed });
                }
                Poll::Ready(None) => {
                    match answers.last_mut() {
                        Some(Answer::Value { last, .. }) => *last = true,
                        _ => answers.push(Answer::End),
                    }
                    return Poll::Ready(After::Nothing { failed: None });
                }
            }
            next = self.poll_in_time(task);
        }
    }

    /// The next item, or the error that ends the stream at its deadline.
    fn poll_in_time(&mut self, task: &mut Context<'_>) -> Poll<Option<Item>> {
        let Self { items, end, .. } = self;
        let Some(End { deadline, watch }) = end else { return poll_fenced(items, task) };
        if deadline::has_passed(*deadline) {
            return Poll::Ready(Some(Err(timed_out())));
        }
        match watch.scope(|| poll_fenced(items, task)) {
            Poll::Pending => watch.poll_over(task).map(|()| Some(Err(timed_out()))),
            ready => ready,
        }
    }
}

/// The next item; a panic while making it is the last one.
fn poll_fenced(items: &mut ReplyStream, task: &mut Context<'_>) -> Poll<Option<Item>> {
    catch_unwind(AssertUnwindSafe(|| items.poll_next_unpin(task)))
        .unwrap_or_else(|panic| Poll::Ready(Some(Err(panicked(&*panic)))))
}

/// [`poll_fenced`], waited for.
pub(super) async fn fenced_next(items: &mut ReplyStream) -> Option<Item> {
    poll_fn(|task| poll_fenced(items, task)).await
}
