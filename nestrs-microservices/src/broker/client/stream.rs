//! A call that is answered by many values.

use std::sync::Arc;

use nestrs_core::{Pattern, Payload, Sent, TransportError};
use tokio::sync::{mpsc, oneshot};

use crate::client::Waiter;
use crate::tcp::Tries;
use crate::transport::CallOptions;

use super::ClientDriver;
use super::calls::{InFlight, Inner, Limit, Owner, named, timed_out, within};

/// A request that is answered by many values, and what it takes to make it once more.
pub(super) struct StreamCall<D: ClientDriver> {
    shared: Arc<Inner<D>>,
    _owner: Arc<Owner<D>>,
    pattern: Pattern,
    payload: Payload,
    /// From item to item.
    options: CallOptions,
    /// When the first item must be there, however often the request is made.
    limit: Limit,
    tries: Tries,
}

/// The values that come back.
pub(super) struct Items<D: ClientDriver> {
    values: mpsc::Receiver<Payload>,
    /// What went wrong, once the values are taken.
    end: oneshot::Receiver<TransportError>,
    /// Nothing has come back yet.
    first: bool,
    /// `None` while it is made anew: it must not wait for a place that it has itself.
    in_flight: Option<InFlight<D>>,
}

impl<D: ClientDriver> StreamCall<D> {
    /// Sends the request.
    pub(super) async fn open(
        shared: &Arc<Inner<D>>,
        owner: &Arc<Owner<D>>,
        pattern: &Pattern,
        payload: Payload,
        options: &CallOptions,
    ) -> Result<(Self, Items<D>), TransportError> {
        let mut call = Self {
            shared: Arc::clone(shared),
            _owner: Arc::clone(owner),
            pattern: pattern.clone(),
            payload,
            options: options.clone(),
            limit: shared.limit(options),
            tries: Tries::new(options),
        };
        call.options.answer_by = None;
        let items = call.begin().await?;
        call.tries.opened();
        Ok((call, items))
    }

    async fn begin(&mut self) -> Result<Items<D>, TransportError> {
        loop {
            let before = self.tries.sent;
            let (sender, values) = mpsc::channel(self.shared.options.stream_buffer.max(1));
            let (ending, end) = oneshot::channel();
            let (waiter, sent) = (Waiter::Many(sender, ending), &mut self.tries.sent);
            let requesting = self.shared.request(&self.pattern, &self.payload, &self.options, self.limit, waiter, sent);
            let outcome = match within(self.limit, requesting).await {
                Some(outcome) => outcome,
                None => Err(timed_out(&self.pattern, self.limit).with_sent(self.tries.sent)),
            };
            match self.tries.judge(before, outcome) {
                Ok(outcome) => return Ok(Items { values, end, first: true, in_flight: Some(outcome?) }),
                Err(reason) => self.shared.before_resending(&reason, self.limit).await,
            }
        }
    }

    pub(super) async fn next(&mut self, items: &mut Items<D>) -> Option<Result<Payload, TransportError>> {
        loop {
            let limit = if items.first { self.limit } else { self.shared.limit(&self.options) };
            let Some(value) = within(limit, items.values.recv()).await else {
                return Some(Err(timed_out(&self.pattern, limit).with_sent(Sent::Maybe)));
            };
            if let Some(value) = value {
                items.first = false;
                self.tries.answered();
                return Some(Ok(value));
            }
            let error = items.end.try_recv().ok()?;
            let before = self.tries.sent;
            match self.tries.judge::<()>(before, Err(error)) {
                Ok(outcome) => return outcome.err().map(|error| Err(named(error, &self.pattern))),
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
