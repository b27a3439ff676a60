//! Calls that wait for their answer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use nestrs_core::{ErrorKind, Payload, Sent, TransportError};
use tokio::sync::{mpsc, oneshot};

use crate::deadline::is_timed_out;
use crate::packet::{NO_HANDLER, ResponseEvent};

/// What a server says to calls that come while it ends; it does not run them.
const SHUTTING_DOWN: &str = "Service is shutting down";

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
    /// Any number of values, and perhaps an error after them. The error has a place of its own, so that no full buffer
    /// can keep it from its reader.
    Many(mpsc::Sender<Payload>, oneshot::Sender<TransportError>),
}

/// Whether somebody waited for a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Taken,
    Nobody,
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

    pub(crate) fn is_waiting(&self, id: u64) -> bool {
        self.lock().waiting.contains_key(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Hands a response to whoever waits for it. One that nobody waits for, or whose id is already answered, is
    /// ignored: the first wins.
    pub(crate) fn settle(&self, id: u64, event: ResponseEvent) -> Settled {
        let mut state = self.lock();
        // One value is enough for a caller that wants one; the rest of the stream is ignored.
        if let ResponseEvent::Value { last: false, .. } = &event
            && let Some((_, Waiter::Many(items, _))) = state.waiting.get(&id)
        {
            let ResponseEvent::Value { payload, .. } = event else { return Settled::Taken };
            let Err(refused) = items.try_send(payload) else { return Settled::Taken };
            let waiter = state.waiting.remove(&id);
            drop(state);
            if let (mpsc::error::TrySendError::Full(_), Some((_, waiter))) = (refused, waiter) {
                waiter.fail(too_slow());
            }
            return Settled::Taken;
        }
        let waiter = state.waiting.remove(&id);
        // A waiter may run at once.
        drop(state);
        let Some((_, waiter)) = waiter else { return Settled::Nobody };
        match (waiter, event) {
            (waiter, ResponseEvent::Error(err)) => waiter.fail(remote_error(err)),
            (Waiter::One(waiter), ResponseEvent::Value { payload, .. }) => _ = waiter.send(Ok(payload)),
            (Waiter::One(waiter), ResponseEvent::End) => _ = waiter.send(Ok(Payload::absent())),
            // Dropping the senders ends the stream.
            (Waiter::Many(items, end), ResponseEvent::Value { payload, .. }) => {
                if let Err(mpsc::error::TrySendError::Full(_)) = items.try_send(payload) {
                    let _ = end.send(too_slow());
                }
            }
            (Waiter::Many(..), ResponseEvent::End) => {}
        }
        Settled::Taken
    }

    /// Fails a call that nobody will answer.
    #[cfg(any(feature = "nats", feature = "redis"))]
    pub(crate) fn refuse(&self, id: u64, error: TransportError) -> Settled {
        let waiter = self.lock().waiting.remove(&id);
        let Some((_, waiter)) = waiter else { return Settled::Nobody };
        waiter.fail(error);
        Settled::Taken
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

/// The `err`s that are not the application's, and none of our own callers' business. What a server says of a call that
/// it did not run must not be passed on: the handler that made the call did run.
fn remote_error(err: serde_json::Value) -> TransportError {
    let kind = if err.as_str() == Some(NO_HANDLER) {
        Some(ErrorKind::NotFound)
    } else if is_farewell(&err) {
        Some(ErrorKind::Unavailable)
    } else if is_not_executed(&err) {
        Some(ErrorKind::Overloaded)
    } else if is_timed_out(&err) {
        Some(ErrorKind::Timeout)
    } else {
        None
    };
    let error = TransportError::from_wire(err).with_sent(Sent::Maybe);
    match kind {
        Some(kind) => error.with_kind(kind).withhold(),
        None => error,
    }
}

fn is_not_executed(err: &serde_json::Value) -> bool {
    err.get("executed") == Some(&serde_json::Value::Bool(false))
}

/// True for what a server says that is about to end: new calls had better go elsewhere.
pub(crate) fn is_farewell(err: &serde_json::Value) -> bool {
    is_not_executed(err) && err.get("message").and_then(serde_json::Value::as_str) == Some(SHUTTING_DOWN)
}

fn too_slow() -> TransportError {
    let text = "the reader of the stream is too slow (`stream_buffer`)";
    TransportError::withheld(ErrorKind::Overloaded, text).with_sent(Sent::Maybe)
}

impl Waiter {
    fn fail(self, error: TransportError) {
        match self {
            Self::One(waiter) => _ = waiter.send(Err(error)),
            Self::Many(_, end) => _ = end.send(error),
        }
    }
}
