//! Calls that wait for their answer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use nestrs_core::{ErrorKind, Payload, Sent, TransportError};
use tokio::sync::{mpsc, oneshot};

use crate::packet::{NO_HANDLER, ResponseEvent};

/// The calls under way on one connection. Whoever waits is told exactly once.
///
/// Invariant: an id is in `waiting` from before its packet is queued until its last response is taken, its caller is
/// dropped, or the connection ends; `failed` is set once, and from then on `waiting` is empty.
#[derive(Debug, Default)]
pub(crate) struct Pending(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// With where the request begins in all that the connection was given to write.
    waiting: HashMap<u64, (u64, Waiter)>,
    failed: Option<TransportError>,
}

/// Who waits for a response.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// One value, or none.
    One(oneshot::Sender<Result<Payload, TransportError>>),
    /// Any number of values.
    Many(mpsc::Sender<Result<Payload, TransportError>>),
}

impl Pending {
    /// Lets `waiter` wait for responses to `id`.
    ///
    /// # Errors
    /// When the connection has ended.
    pub(crate) fn register(&self, id: u64, start: u64, waiter: Waiter) -> Result<(), TransportError> {
        let mut state = self.lock();
        if let Some(error) = &state.failed {
            return Err(error.clone().with_sent(Sent::No));
        }
        state.waiting.insert(id, (start, waiter));
        Ok(())
    }

    /// Forgets a call whose caller no longer waits.
    pub(crate) fn forget(&self, id: u64) {
        self.lock().waiting.remove(&id);
    }

    /// Hands a response to whoever waits for it. One that nobody waits for, or whose id is already answered, is
    /// ignored: the first wins.
    pub(crate) fn settle(&self, id: u64, event: ResponseEvent) {
        let mut state = self.lock();
        match event {
            ResponseEvent::Value { payload, last: false } => match state.waiting.get(&id) {
                Some((_, Waiter::Many(items))) => match items.try_send(Ok(payload)) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Closed(_)) => _ = state.waiting.remove(&id),
                    Err(mpsc::error::TrySendError::Full(_)) => {
                        if let Some((_, waiter)) = state.waiting.remove(&id) {
                            drop(state);
                            let text = "the reader of the stream is too slow (`stream_buffer`)";
                            waiter.fail(TransportError::withheld(ErrorKind::Overloaded, text));
                        }
                    }
                },
                // One value is enough for a caller that wants one; the rest of the stream is ignored.
                Some((_, Waiter::One(_))) => Self::take(state, id, Ok(payload)),
                None => {}
            },
            ResponseEvent::Value { payload, last: true } => Self::take(state, id, Ok(payload)),
            ResponseEvent::Error(err) => Self::take(state, id, Err(remote_error(err))),
            ResponseEvent::End => match state.waiting.remove(&id) {
                Some((_, Waiter::One(waiter))) => {
                    drop(state);
                    let _ = waiter.send(Ok(Payload::absent()));
                }
                // Dropping the sender ends the stream.
                Some((_, Waiter::Many(_))) | None => {}
            },
        }
    }

    /// Settles a call for good. The lock is released first: a waiter may run at once.
    fn take(mut state: std::sync::MutexGuard<'_, State>, id: u64, outcome: Result<Payload, TransportError>) {
        let waiter = state.waiting.remove(&id);
        drop(state);
        match waiter {
            Some((_, Waiter::One(waiter))) => _ = waiter.send(outcome),
            Some((_, Waiter::Many(items))) => last_item(items, outcome),
            None => {}
        }
    }

    /// Fails every call that waits, and every later one. `sent` tells from where a request begins whether it may have
    /// been executed.
    pub(crate) fn fail(&self, reason: &TransportError, sent: impl Fn(u64) -> Sent) {
        let waiting = {
            let mut state = self.lock();
            state.failed.get_or_insert_with(|| reason.clone());
            std::mem::take(&mut state.waiting)
        };
        for (start, waiter) in waiting.into_values() {
            waiter.fail(reason.clone().with_sent(sent(start)));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one `err` that is not the application's, and none of our own callers' business.
fn remote_error(err: serde_json::Value) -> TransportError {
    let nobody = err.as_str() == Some(NO_HANDLER);
    let error = TransportError::from_wire(err).with_sent(Sent::Maybe);
    if nobody { error.with_kind(ErrorKind::NotFound).withhold() } else { error }
}

impl Waiter {
    fn fail(self, error: TransportError) {
        match self {
            Self::One(waiter) => _ = waiter.send(Err(error)),
            Self::Many(items) => last_item(items, Err(error)),
        }
    }
}

/// Delivers the last item even when the buffer is full at this moment: an end must not be lost.
fn last_item(items: mpsc::Sender<Result<Payload, TransportError>>, item: Result<Payload, TransportError>) {
    if let Err(mpsc::error::TrySendError::Full(item)) = items.try_send(item)
        && let Ok(runtime) = tokio::runtime::Handle::try_current()
    {
        runtime.spawn(async move { items.send(item).await });
    }
}
