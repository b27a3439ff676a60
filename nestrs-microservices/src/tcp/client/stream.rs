//! A call that is answered by many values.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::Stream;
use futures_util::future::BoxFuture;
use nestrs_core::{Pattern, Payload, Sent, TransportError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::client::Waiter;
use crate::transport::CallOptions;

use super::tries::Tries;
use super::{InFlight, Inner, Owner, timed_out};

/// The values of a call, for whoever asked for them.
///
/// What has come is taken without a clock and where it is; only what must be waited for gets a future, which has the call
/// meanwhile.
pub(super) enum Replies {
    Here(Box<StreamCall>, Items),
    Awaited(BoxFuture<'static, (Option<Item>, Box<StreamCall>, Items)>),
    Over,
}

type Item = Result<Payload, TransportError>;

/// A request that is answered by many values, and what it takes to make it once more.
pub(super) struct StreamCall {
    shared: Arc<Inner>,
    _owner: Arc<Owner>,
    pattern: Pattern,
    payload: Payload,
    /// From item to item.
    options: CallOptions,
    /// When the first item must be there, however often the request is made.
    limit: Option<(Instant, Duration)>,
    tries: Tries,
}

/// The values that come back.
pub(super) struct Items {
    values: mpsc::Receiver<Payload>,
    /// What went wrong, once the values are taken.
    end: oneshot::Receiver<TransportError>,
    /// Nothing has come back yet.
    first: bool,
    /// `None` while it is made anew: it must not wait for a place that it has itself.
    in_flight: Option<InFlight>,
}

impl StreamCall {
    /// Sends the request.
    pub(super) async fn open(
        shared: &Arc<Inner>,
        owner: &Arc<Owner>,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<Replies, TransportError> {
        let mut call = Box::new(Self {
            shared: Arc::clone(shared),
            _owner: Arc::clone(owner),
            pattern: pattern.clone(),
            payload,
            options: options.clone(),
            limit: shared.deadline(options),
            tries: Tries::new(options),
        });
        call.options.answer_by = None;
        let items = call.begin().await?;
        call.tries.opened();
        Ok(Replies::Here(call, items))
    }

    async fn begin(&mut self) -> Result<Items, TransportError> {
        loop {
            let before = self.tries.sent;
            let (sender, values) = mpsc::channel(self.shared.options.stream_buffer.max(1));
            let (ending, end) = oneshot::channel();
            let waiter = Waiter::Many(sender, ending);
            let requesting = self.shared.request(&self.pattern, &self.payload, &self.options, self.limit, waiter);
            let outcome = match self.limit {
                None => requesting.await,
                Some((deadline, timeout)) => match tokio::time::timeout_at(deadline, requesting).await {
                    Ok(outcome) => outcome,
                    Err(_) => Err(timed_out(&self.pattern, timeout).with_sent(Sent::No)),
                },
            };
            match self.tries.judge(before, outcome) {
                Ok(outcome) => return Ok(Items { values, end, first: true, in_flight: Some(outcome?) }),
                Err(reason) => self.shared.before_resending(&reason, self.limit).await,
            }
        }
    }

    async fn next(&mut self, items: &mut Items) -> Option<Item> {
        loop {
            let limit = if items.first { self.limit } else { self.shared.deadline(&self.options) };
            let value = match limit {
                None => items.values.recv().await,
                Some((due, timeout)) => match tokio::time::timeout_at(due, items.values.recv()).await {
                    Ok(value) => value,
                    Err(_) => return Some(Err(timed_out(&self.pattern, timeout).with_sent(Sent::Maybe))),
                },
            };
            if let Some(value) = value {
                self.answered(items);
                return Some(Ok(value));
            }
            let error = items.end.try_recv().ok()?;
            let before = self.tries.sent;
            match self.tries.judge::<()>(before, Err(error)) {
                Ok(outcome) => return outcome.err().map(Err),
                Err(reason) => {
                    items.in_flight = None;
                    self.shared.before_resending(&reason, self.limit).await;
                }
            }
            match self.begin().await {
                Ok(anew) => *items = anew,
                Err(error) => return Some(Err(error)),
            }
        }
    }

    fn answered(&mut self, items: &mut Items) {
        items.first = false;
        self.tries.answered();
    }
}

impl Stream for Replies {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Item>> {
        if let Self::Here(call, items) = &mut *self {
            if let Poll::Ready(Some(value)) = items.values.poll_recv(task) {
                call.answered(items);
                return Poll::Ready(Some(Ok(value)));
            }
            let Self::Here(mut call, mut items) = std::mem::replace(&mut *self, Self::Over) else {
                unreachable!("it is")
            };
            *self = Self::Awaited(Box::pin(async move {
                let item = call.next(&mut items).await;
                (item, call, items)
            }));
        }
        let Self::Awaited(waiting) = &mut *self else { return Poll::Ready(None) };
        let (item, call, items) = ready!(waiting.as_mut().poll(task));
        // An error is the last.
        *self = if matches!(item, Some(Ok(_))) { Self::Here(call, items) } else { Self::Over };
        Poll::Ready(item)
    }
}
