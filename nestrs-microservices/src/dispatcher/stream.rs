//! A streaming reply: its items as packets, as many at a time as are ready.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use nestrs_core::{BoxFuture, Payload, ReplyStream, TransportError};

use super::call::{Call, Progress};
use super::failure::{log_failure, panicked};
use crate::deadline::{self, timed_out};
use crate::packet::Answer;

/// At most this many items of a streaming reply are taken at once before they are handed to the socket.
pub(super) const STREAM_BUFFER: usize = 16;

type Item = Result<Payload, TransportError>;

/// A streaming reply under way.
pub(super) struct Stream {
    pub(super) items: ReplyStream,
    pub(super) pattern: Arc<str>,
    pub(super) deadline: Option<Instant>,
}

impl Stream {
    /// Takes the items that are ready; waits for the first only. The end rides on the last item when both are ready
    /// together, and comes alone otherwise, as in NestJS.
    pub(super) fn next(self, first: Option<Item>, id: Option<Bytes>) -> BoxFuture<'static, Progress> {
        Box::pin(self.take(first, id))
    }

    async fn take(mut self, first: Option<Item>, id: Option<Bytes>) -> Progress {
        let mut answers = Vec::new();
        let mut next = match first {
            Some(first) => Some(first),
            None => self.in_time().await,
        };
        loop {
            match next {
                // Taken one too early, to see whether the one before it was the last.
                Some(item) if answers.len() + 1 == STREAM_BUFFER => {
                    let rest = Some(Call::new(self.next(Some(item), id.clone())));
                    return Progress { id, answers: answers.into(), rest };
                }
                Some(Ok(payload)) => answers.push(Answer::Value { payload, last: false }),
                Some(Err(error)) => {
                    log_failure(&error, "(stream)", &self.pattern, id.is_some());
                    answers.push(Answer::Error(error));
                    return Progress { id, answers: answers.into(), rest: None };
                }
                None => {
                    match answers.last_mut() {
                        Some(Answer::Value { last, .. }) => *last = true,
                        _ => answers.push(Answer::End),
                    }
                    return Progress { id, answers: answers.into(), rest: None };
                }
            }
            match self.in_time().now_or_never() {
                Some(ready) => next = ready,
                None => {
                    let rest = Some(Call::new(self.next(None, id.clone())));
                    return Progress { id, answers: answers.into(), rest };
                }
            }
        }
    }

    /// The next item, or the error that ends the stream at its deadline.
    async fn in_time(&mut self) -> Option<Item> {
        match self.deadline {
            None => fenced_next(&mut self.items).await,
            Some(deadline) if deadline::has_passed(deadline) => Some(Err(timed_out())),
            Some(deadline) => deadline::until(deadline, pin!(fenced_next(&mut self.items)))
                .await
                .unwrap_or_else(|| Some(Err(timed_out()))),
        }
    }
}

/// The next item; a panic while making it is the last one.
pub(super) async fn fenced_next(items: &mut ReplyStream) -> Option<Item> {
    AssertUnwindSafe(items.next()).catch_unwind().await.unwrap_or_else(|panic| Some(Err(panicked(&*panic))))
}
