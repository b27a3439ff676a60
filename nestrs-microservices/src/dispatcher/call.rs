//! A call under way, as a transport polls it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use nestrs_core::{BoxFuture, ErrorKind, TransportError};

use super::answers::Answers;
use super::direct::Done;
use super::place::{Beginning, Placed};
use super::stream::Stream;
use crate::packet::Answer;

/// A call under way: the next packets of its answer, once they are there.
pub struct Call {
    running: Running,
    /// Whom it answers; taken by the answer. `None` also for what follows an answer.
    id: Option<Bytes>,
    runs_on: bool,
}

enum Running {
    /// The short way, which does without the id.
    Direct(Placed<Done>),
    Run(Placed<Progress>),
    Boxed(BoxFuture<'static, Progress>),
    /// Gone with the progress that has it as its rest.
    Stream(Option<Box<Stream>>),
}

impl Call {
    pub(super) fn new(progress: impl Future<Output = Progress> + Send + 'static) -> Self {
        Self { running: Running::Boxed(Box::pin(progress)), id: None, runs_on: false }
    }

    #[inline]
    pub(super) fn begin(beginning: Beginning, id: Option<Bytes>) -> Self {
        let running = if beginning.is_simple(id.is_some()) {
            Running::Direct(Placed::begin(beginning, id.as_ref()))
        } else {
            Running::Run(Placed::begin(beginning, id.as_ref()))
        };
        Self { running, id, runs_on: false }
    }

    pub(super) fn streaming(stream: Box<Stream>) -> Self {
        Self { running: Running::Stream(Some(stream)), id: None, runs_on: false }
    }

    pub(super) fn running_on(unfinished: BoxFuture<'static, ()>) -> Self {
        let progress = async {
            unfinished.await;
            Progress { id: None, answers: Answers::none(), rest: None, failed: None }
        };
        Self { runs_on: true, ..Self::new(progress) }
    }

    /// Whom it answers, while it has not begun to.
    #[inline]
    pub(crate) fn id(&self) -> Option<&Bytes> {
        self.id.as_ref()
    }

    /// Whether it has been answered, and is a handler on its way to its end (`#[run_to_completion]`): poll it whatever
    /// becomes of the connection. What else follows answers is a stream, which ends where nobody reads it.
    #[must_use]
    pub fn runs_on(&self) -> bool {
        self.runs_on
    }

    /// Polls a call on the short way, and hands over its answer where it is: `None` for an event. What is ready is over.
    /// `None` of this is for any other call, to be polled as a future; so is one whose answer is a stream.
    #[inline]
    pub(crate) fn poll_short(
        &mut self,
        task: &mut Context<'_>,
        ended: impl FnOnce(Option<(&Answer, &Bytes)>),
    ) -> Option<Poll<()>> {
        let Running::Direct(placed) = &mut self.running else { return None };
        match placed.poll(task) {
            Poll::Pending => return Some(Poll::Pending),
            Poll::Ready(Done::Answer(ref answer)) => ended(self.id.as_ref().map(|id| (answer, id))),
            Poll::Ready(Done::Event(_)) => ended(None),
            Poll::Ready(Done::Stream(stream)) => {
                self.follow(stream);
                return None;
            }
        }
        Some(Poll::Ready(()))
    }

    /// Goes on with what its handler has answered by.
    fn follow(&mut self, stream: Box<Stream>) {
        self.running = Running::Stream(Some(stream.to(self.id.clone())));
    }

    /// Whether it is a stream that has its next item already.
    pub(crate) fn has_more(&self) -> bool {
        matches!(&self.running, Running::Stream(Some(stream)) if stream.has_more())
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Call")
    }
}

impl Future for Call {
    type Output = Progress;
    #[inline]
    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Progress> {
        let Self { running, id, .. } = &mut *self;
        match running {
            Running::Direct(placed) => match ready!(placed.poll(task)) {
                Done::Answer(answer) => {
                    let answers = Answers::one(answer);
                    return Poll::Ready(Progress { id: id.take(), answers, rest: None, failed: None });
                }
                Done::Event(failed) => {
                    return Poll::Ready(Progress { id: None, answers: Answers::none(), rest: None, failed });
                }
                Done::Stream(stream) => self.follow(stream),
            },
            Running::Run(placed) => return placed.poll(task),
            Running::Boxed(boxed) => return boxed.as_mut().poll(task),
            Running::Stream(stream) => return Stream::poll(stream, task),
        }
        self.poll(task)
    }
}

/// What a call has come to.
#[derive(Debug)]
pub struct Progress {
    /// The id to answer under; `None` for an event, whose answers nobody reads.
    pub id: Option<Bytes>,
    /// The packets to send now, in order.
    pub answers: Answers,
    /// What follows them, for a streaming reply.
    pub rest: Option<Call>,
    /// How an event has failed; `None` for requests, whose failures are answers, and while something follows that has not
    /// failed yet.
    pub failed: Option<EventFailure>,
}

/// How an event has failed, for transports that can deliver it again.
///
/// Where several handlers get one event it is the failure after which to try again, if one of them has such a failure.
///
/// ```
/// use nestrs_microservices::Progress;
///
/// /// Whether a broker should deliver this event once more.
/// fn again(progress: &Progress) -> bool {
///     progress.failed.is_some_and(|failure| !failure.is_final)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventFailure {
    /// What sort of failure it was; a panic is [`ErrorKind::Internal`].
    pub kind: ErrorKind,
    /// Whether it would fail in the same way again: nobody handles it ([`ErrorKind::NotFound`]), a guard refused it, or its
    /// payload does not fit ([`ErrorKind::InvalidPayload`]).
    pub is_final: bool,
}

impl EventFailure {
    pub(super) const UNHANDLED: Self = Self { kind: ErrorKind::NotFound, is_final: true };

    pub(super) fn of(error: &TransportError) -> Self {
        let is_final = error.is_refusal() || (error.kind() == ErrorKind::InvalidPayload && !error.is_withheld());
        Self { kind: error.kind(), is_final }
    }
}
