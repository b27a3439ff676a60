//! A call that is answered by many values.

use std::sync::Arc;
use std::time::Duration;

use nestrs_core::{Pattern, Payload, Sent, TransportError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::client::Waiter;
use crate::transport::CallOptions;

use super::tries::Tries;
use super::{InFlight, Inner, Owner, timed_out};

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
    ) -> Result<(Self, Items), TransportError> {
        let mut call = Self {
            shared: Arc::clone(shared),
            _owner: Arc::clone(owner),
            pattern: pattern.clone(),
            payload,
            options: options.clone(),
            limit: shared.deadline(options),
            tries: Tries::new(options),
        };
        call.options.answer_by = None;
        let items = call.begin().await?;
        call.tries.opened();
        Ok((call, items))
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

    pub(super) async fn next(&mut self, items: &mut Items) -> Option<Result<Payload, TransportError>> {
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
                items.first = false;
                self.tries.answered();
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
}
