//! Calls that wait for their answer.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use nestrs_core::{ErrorKind, Payload, Sent, TransportError};
use tokio::sync::{mpsc, oneshot};

use crate::deadline::is_timed_out;
use crate::packet::{NO_HANDLER, ResponseEvent};

/// What a server says to calls that come while it ends; it does not run them.
const SHUTTING_DOWN: &str = "Service is shutting down";

/// The calls under way on one connection. Whoever waits is told exactly once.
///
/// Invariant: an id is in `calls` from before its packet is queued until its caller has taken the answer or is dropped,
/// or, where many values are awaited, until the last of them or the end of the connection; `failed` is set once, and from
/// then on nobody waits.
#[derive(Debug, Default)]
pub(crate) struct Pending(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// With where the request begins in all that the connection was given to write.
    calls: HashMap<u64, (u64, Call), BuildHasherDefault<IdHasher>>,
    /// How many of them are not answered.
    waiting: usize,
    failed: Option<TransportError>,
}

/// One call: the place where its answer is left is the place where it waits, so that an answer needs no channel.
#[derive(Debug)]
enum Call {
    /// Its caller may not have looked yet.
    Waits(Option<Waker>),
    Answered(Result<Payload, TransportError>),
    Many(mpsc::Sender<Payload>, oneshot::Sender<TransportError>),
}

/// Who waits for a response.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// One value, or none; by [`Pending::poll_answer`].
    One,
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
        let call = match waiter {
            Waiter::One => Call::Waits(None),
            Waiter::Many(items, end) => Call::Many(items, end),
        };
        state.waiting += 1;
        state.calls.insert(id, (start, call));
        Ok(())
    }

    /// The answer of a call that wants one; it is taken from here. `None` where nothing is left to wait for.
    pub(crate) fn poll_answer(&self, id: u64, task: &mut Context<'_>) -> Poll<Option<Result<Payload, TransportError>>> {
        let mut state = self.lock();
        match state.calls.get_mut(&id) {
            Some((_, Call::Waits(waker))) => {
                if !waker.as_ref().is_some_and(|waker| waker.will_wake(task.waker())) {
                    let before = waker.replace(task.waker().clone());
                    drop(state);
                    // Without the lock: a task may go with its last waker, and forget its calls.
                    drop(before);
                }
                Poll::Pending
            }
            Some((_, Call::Answered(_))) => match state.calls.remove(&id) {
                Some((_, Call::Answered(answer))) => Poll::Ready(Some(answer)),
                _ => Poll::Ready(None),
            },
            Some((_, Call::Many(..))) | None => Poll::Ready(None),
        }
    }

    /// Forgets a call whose caller no longer waits.
    pub(crate) fn forget(&self, id: u64) {
        let forgotten = self.lock().take(id);
        // What it held is dropped without the lock.
        drop(forgotten);
    }

    pub(crate) fn is_waiting(&self, id: u64) -> bool {
        self.lock().calls.get(&id).is_some_and(|(_, call)| call.is_open())
    }

    /// Calls that wait for an answer.
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting
    }

    /// Hands a response to whoever waits for it. One that nobody waits for, or whose id is already answered, is
    /// ignored: the first wins.
    pub(crate) fn settle(&self, id: u64, event: ResponseEvent) -> Settled {
        let mut state = self.lock();
        let State { calls, waiting, .. } = &mut *state;
        match calls.get_mut(&id) {
            None | Some((_, Call::Answered(_))) => return Settled::Nobody,
            // One value is enough for a caller that wants one; the rest of the stream is ignored.
            Some((_, call @ Call::Waits(_))) => {
                let answer = match event {
                    ResponseEvent::Value { payload, .. } => Ok(payload),
                    ResponseEvent::End => Ok(Payload::absent()),
                    ResponseEvent::Error(err) => Err(remote_error(err)),
                };
                *waiting -= 1;
                let waker = call.answer(answer);
                drop(state);
                if let Some(waker) = waker {
                    // The caller may run at once.
                    waker.wake();
                }
                return Settled::Taken;
            }
            Some((_, Call::Many(items, _))) => {
                if let ResponseEvent::Value { payload, last: false } = event {
                    let Err(refused) = items.try_send(payload) else { return Settled::Taken };
                    let call = state.take(id);
                    drop(state);
                    if let (mpsc::error::TrySendError::Full(_), Some(Call::Many(_, end))) = (refused, call) {
                        let _ = end.send(too_slow());
                    }
                    return Settled::Taken;
                }
            }
        }
        let call = state.take(id);
        // A reader may run at once.
        drop(state);
        // Dropping the senders ends the stream.
        if let Some(Call::Many(items, end)) = call {
            match event {
                ResponseEvent::Error(err) => _ = end.send(remote_error(err)),
                ResponseEvent::Value { payload, .. } => {
                    if let Err(mpsc::error::TrySendError::Full(_)) = items.try_send(payload) {
                        let _ = end.send(too_slow());
                    }
                }
                ResponseEvent::End => {}
            }
        }
        Settled::Taken
    }

    /// Fails every call that waits, and every later one. `sent` tells from where a request begins whether it may have
    /// been executed. Answers that are not taken yet stay what they are.
    pub(crate) fn fail(&self, reason: &TransportError, sent: impl Fn(u64) -> Sent) {
        let mut wakers = Vec::new();
        let mut streams = Vec::new();
        {
            let mut state = self.lock();
            state.failed.get_or_insert_with(|| reason.clone());
            state.waiting = 0;
            let many: Vec<u64> =
                state.calls.iter().filter(|(_, (_, call))| matches!(call, Call::Many(..))).map(|(id, _)| *id).collect();
            streams.extend(many.into_iter().filter_map(|id| state.calls.remove(&id)));
            for (start, call) in state.calls.values_mut().filter(|(_, call)| call.is_open()) {
                wakers.extend(call.answer(Err(reason.clone().with_sent(sent(*start)))));
            }
        }
        for (start, call) in streams {
            // The error is there before the values end.
            if let Call::Many(items, end) = call {
                let _ = end.send(reason.clone().with_sent(sent(start)));
                drop(items);
            }
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, id: u64) -> Option<Call> {
        let (_, call) = self.calls.remove(&id)?;
        if call.is_open() {
            // Those that a lost connection has failed are counted no more, and are not open either.
            self.waiting -= 1;
        }
        Some(call)
    }
}

impl Call {
    /// Whether it waits for a response.
    fn is_open(&self) -> bool {
        !matches!(self, Self::Answered(_))
    }

    /// Leaves the answer for the caller, who is to be woken.
    fn answer(&mut self, answer: Result<Payload, TransportError>) -> Option<Waker> {
        match std::mem::replace(self, Self::Answered(answer)) {
            Self::Waits(waker) => waker,
            Self::Answered(_) | Self::Many(..) => None,
        }
    }
}

/// Spreads ids, which this process counts up. Only they are ever kept: a peer's ids are at most looked for, so that it
/// cannot choose what collides.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, id: u64) {
        // The golden ratio: neighbours end far apart, and the upper bits, which the table looks at too, differ.
        self.0 = (self.0 ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
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
