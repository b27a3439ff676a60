//! What a handler answers, and how its return type becomes that.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use serde::Serialize;

use crate::error::TransportError;
use crate::payload::Payload;

/// A boxed future, as the seam between a route and its handler needs it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The items of a streaming reply; the first error ends it.
pub type ReplyStream = Pin<Box<dyn Stream<Item = Result<Payload, TransportError>> + Send>>;

/// What a handler's future gives.
pub type HandlerResult = Result<Reply, TransportError>;

/// The answer to a call (NestJS fact sheet, section 2).
///
/// What a handler returns becomes one: `()` is [`Reply::Empty`], a `Stream` is [`Reply::Stream`], and all else is a
/// [`Reply::Value`], `None` being `null`.
pub enum Reply {
    /// One value: `{"response":…,"isDisposed":true}`.
    Value(Payload),
    /// No value, NestJS's `undefined`: `{"isDisposed":true}`.
    Empty,
    /// Any number of values, an Observable's: one packet each, the last with `isDisposed`.
    Stream(ReplyStream),
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(payload) => f.debug_tuple("Value").field(payload).finish(),
            Self::Empty => f.write_str("Empty"),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// The error a handler returned, as the caller will read it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error a handler can answer with",
    label = "does not convert into `TransportError`",
    note = "implement `From<{Self}> for TransportError`, or map it: `.map_err(|error| TransportError::new(..))?`"
)]
pub trait HandlerError {
    /// Converts it.
    fn into_transport_error(self) -> TransportError;
}

#[diagnostic::do_not_recommend]
impl<E: Into<TransportError>> HandlerError for E {
    fn into_transport_error(self) -> TransportError {
        self.into().converted_from::<E>()
    }
}

/// A value a handler can answer with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something a handler can answer with",
    label = "neither `Serialize`, nor `()`, nor a `Stream` of such",
    note = "derive `serde::Serialize` for it"
)]
pub trait HandlerReply {
    /// Converts it.
    ///
    /// # Errors
    /// When serde refuses the value.
    fn into_reply(self) -> HandlerResult;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize> HandlerReply for T {
    fn into_reply(self) -> HandlerResult {
        Payload::from_serialize(&self).map(Reply::Value)
    }
}

/// Decides by type whether what a method returned is a `Result`, whatever its name: aliases hide it from macros.
#[derive(Debug)]
pub struct OutcomeOf<'a, T>(pub &'a T);

/// The outcome is a `Result`.
pub trait FallibleOutcome {
    /// The kind of outcome this is.
    fn kind(&self) -> FallibleKind {
        FallibleKind
    }
}
impl<T, E> FallibleOutcome for &OutcomeOf<'_, Result<T, E>> {}

/// The outcome is the value itself.
pub trait PlainOutcome {
    /// The kind of outcome this is.
    fn kind(&self) -> PlainKind {
        PlainKind
    }
}
impl<T> PlainOutcome for OutcomeOf<'_, T> {}

/// See [`FallibleOutcome`].
#[derive(Debug)]
pub struct FallibleKind;
/// See [`PlainOutcome`].
#[derive(Debug)]
pub struct PlainKind;

impl FallibleKind {
    /// The value, or the error as the caller will read it.
    ///
    /// # Errors
    /// The handler's own.
    pub fn split<T, E: HandlerError>(self, outcome: Result<T, E>) -> Result<T, TransportError> {
        outcome.map_err(HandlerError::into_transport_error)
    }
}

impl PlainKind {
    /// The value.
    ///
    /// # Errors
    /// Never.
    pub fn split<T>(self, outcome: T) -> Result<T, TransportError> {
        Ok(outcome)
    }
}

/// Decides by type what a value means. Method lookup takes the implementation with the most references that fits: a
/// stream of results, a stream of values, `()`, and last anything that serialises.
#[derive(Debug)]
pub struct ReplyOf<'a, T>(pub &'a T);

/// The value is a stream of results.
pub trait TryStreamReply {
    /// The kind of reply this value makes.
    fn kind(&self) -> TryStreamKind {
        TryStreamKind
    }
}
impl<S, T, E> TryStreamReply for &&&ReplyOf<'_, S> where S: Stream<Item = Result<T, E>> {}

/// The value is a stream of values.
pub trait StreamReply {
    /// The kind of reply this value makes.
    fn kind(&self) -> StreamKind {
        StreamKind
    }
}
impl<S: Stream> StreamReply for &&ReplyOf<'_, S> {}

/// The value is `()`.
pub trait EmptyReply {
    /// The kind of reply this value makes.
    fn kind(&self) -> EmptyKind {
        EmptyKind
    }
}
impl EmptyReply for &ReplyOf<'_, ()> {}

/// The value is anything else.
pub trait ValueReply {
    /// The kind of reply this value makes.
    fn kind(&self) -> ValueKind {
        ValueKind
    }
}
impl<T> ValueReply for ReplyOf<'_, T> {}

/// See [`TryStreamReply`].
#[derive(Debug)]
pub struct TryStreamKind;
/// See [`StreamReply`].
#[derive(Debug)]
pub struct StreamKind;
/// See [`EmptyReply`].
#[derive(Debug)]
pub struct EmptyKind;
/// See [`ValueReply`].
#[derive(Debug)]
pub struct ValueKind;

impl TryStreamKind {
    /// Converts the value.
    ///
    /// # Errors
    /// Never; items bring their own.
    pub fn reply<S, T, E>(self, stream: S) -> HandlerResult
    where
        S: Stream<Item = Result<T, E>> + Send + 'static,
        T: HandlerReply + Send,
        E: HandlerError + Send,
    {
        Ok(Reply::Stream(generate(move |emitter| async move { self.drive(stream, &emitter).await })))
    }

    /// Hands every item to `emitter`.
    ///
    /// # Errors
    /// The first error of the stream, or of serialising an item.
    pub async fn drive<S, T, E>(self, stream: S, emitter: &Emitter) -> Result<(), TransportError>
    where
        S: Stream<Item = Result<T, E>>,
        T: HandlerReply,
        E: HandlerError,
    {
        let mut stream = std::pin::pin!(stream);
        while let Some(item) = next(&mut stream).await {
            let item = item_of(item.map_err(HandlerError::into_transport_error)?)?;
            emitter.emit(item).await;
        }
        Ok(())
    }
}

impl StreamKind {
    /// Converts the value.
    ///
    /// # Errors
    /// Never; an item that serde refuses ends the stream.
    pub fn reply<S: Stream<Item: HandlerReply + Send> + Send + 'static>(self, stream: S) -> HandlerResult {
        Ok(Reply::Stream(generate(move |emitter| async move { self.drive(stream, &emitter).await })))
    }

    /// Hands every item to `emitter`.
    ///
    /// # Errors
    /// When an item cannot be serialised.
    pub async fn drive<S: Stream<Item: HandlerReply>>(
        self,
        stream: S,
        emitter: &Emitter,
    ) -> Result<(), TransportError> {
        let mut stream = std::pin::pin!(stream);
        while let Some(item) = next(&mut stream).await {
            let item = item_of(item)?;
            emitter.emit(item).await;
        }
        Ok(())
    }
}

impl EmptyKind {
    /// Converts the value.
    ///
    /// # Errors
    /// Never.
    pub fn reply(self, (): ()) -> HandlerResult {
        Ok(Reply::Empty)
    }
}

impl ValueKind {
    /// Converts the value.
    ///
    /// # Errors
    /// When serde refuses it.
    pub fn reply<T: HandlerReply>(self, value: T) -> HandlerResult {
        value.into_reply()
    }
}

fn item_of<T: HandlerReply>(item: T) -> Result<Payload, TransportError> {
    match item.into_reply()? {
        Reply::Value(payload) => Ok(payload),
        Reply::Empty | Reply::Stream(_) => Ok(Payload::absent()),
    }
}

async fn next<S: Stream>(stream: &mut Pin<&mut S>) -> Option<S::Item> {
    std::future::poll_fn(|task| stream.as_mut().poll_next(task)).await
}

/// A stream written as an async block that hands items to an [`Emitter`]. The block owns what it needs, so a handler's
/// stream may borrow its service. An error that it returns is the last item.
///
/// ```
/// use futures_util::StreamExt;
/// use nestrs_core::{Payload, generate};
///
/// # futures_util::FutureExt::now_or_never(async {
/// let countdown = generate(|emitter| async move {
///     for number in ["2", "1", "0"] {
///         emitter.emit(Payload::from_json(number)).await;
///     }
///     Ok(())
/// });
/// let items: Vec<_> = countdown.map(|item| item.unwrap().decode::<u8>().unwrap()).collect().await;
/// assert_eq!(items, [2, 1, 0]);
/// # }).unwrap();
/// ```
pub fn generate<F, Fut>(body: F) -> ReplyStream
where
    F: FnOnce(Emitter) -> Fut,
    Fut: Future<Output = Result<(), TransportError>> + Send + 'static,
{
    let slot = Arc::new(Mutex::new(Slot::default()));
    let body = Box::pin(body(Emitter(Arc::clone(&slot))));
    Box::pin(Generated { body: Some(body), failure: None, reader: None, waiting: Vec::new(), slot })
}

/// Takes the items of a generated stream, one at a time.
#[derive(Debug)]
pub struct Emitter(Arc<Mutex<Slot>>);

/// What the block and its stream share.
#[derive(Debug, Default)]
struct Slot {
    item: Option<Payload>,
    /// Whoever asked for the last item. What waits with this waker is polled with the block.
    reader: Option<Waker>,
    /// Other parts of the block that wait for the next item to be asked for.
    waiting: Vec<Waker>,
}

impl Emitter {
    /// Hands one item over and waits until the next one is asked for. Several may wait at a time.
    ///
    /// Only the stream's own block makes it move: awaited in a task that the block has spawned, it waits for ever.
    pub async fn emit(&self, item: Payload) {
        let mut item = Some(item);
        std::future::poll_fn(|task| {
            let Some(next) = item.take() else { return Poll::Ready(()) };
            let mut slot = lock(&self.0);
            match slot.item {
                Some(_) => item = Some(next),
                None => slot.item = Some(next),
            }
            if !is(&slot.reader, task) {
                slot.waiting.push(task.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is(waker: &Option<Waker>, task: &Context<'_>) -> bool {
    waker.as_ref().is_some_and(|waker| waker.will_wake(task.waker()))
}

struct Generated<Fut> {
    /// `None` once it has ended.
    body: Option<Pin<Box<Fut>>>,
    /// What it ended with, kept until its last item is taken.
    failure: Option<TransportError>,
    /// As in `slot`, to be compared without the lock: it is the same one from item to item.
    reader: Option<Waker>,
    /// Those of `slot` who waited when the last item was taken. The two lists take turns, so that none is made for an item.
    waiting: Vec<Waker>,
    slot: Arc<Mutex<Slot>>,
}

impl<Fut: Future<Output = Result<(), TransportError>>> Stream for Generated<Fut> {
    type Item = Result<Payload, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { body, failure, reader, waiting, slot } = &mut *self;
        if let Some(running) = body {
            if !is(reader, task) {
                *reader = Some(task.waker().clone());
                let before = std::mem::replace(&mut lock(slot).reader, reader.clone());
                // Without the lock: a task may go with its last waker.
                drop(before);
            }
            // The next item is asked for. A part with a waker of its own would not be polled again without this.
            waiting.drain(..).for_each(Waker::wake);
            if let Poll::Ready(outcome) = running.as_mut().poll(task) {
                *body = None;
                *failure = outcome.err();
            }
        }
        let item = {
            let mut slot = lock(slot);
            std::mem::swap(waiting, &mut slot.waiting);
            slot.item.take()
        };
        match item {
            Some(item) => Poll::Ready(Some(Ok(item))),
            None if body.is_some() => Poll::Pending,
            None => Poll::Ready(failure.take().map(Err)),
        }
    }
}

#[cfg(test)]
mod tests;
