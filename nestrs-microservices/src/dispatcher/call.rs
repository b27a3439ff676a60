//! A call under way, as a transport polls it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use nestrs_core::{BoxFuture, ErrorKind, TransportError};

use super::answers::Answers;
use super::place::{Beginning, Placed};
use super::stream::Stream;

/// A call under way: the next packets of its answer, once they are there.
pub struct Call {
    running: Running,
    runs_on: bool,
    /// It goes on in place of the one whose progress it is the rest of.
    instead: bool,
}

enum Running {
    Placed(Placed),
    Boxed(BoxFuture<'static, Progress>),
    /// Gone with the progress that has it as its rest.
    Stream(Option<Box<Stream>>),
}

impl Call {
    pub(super) fn new(progress: impl Future<Output = Progress> + Send + 'static) -> Self {
        Self { running: Running::Boxed(Box::pin(progress)), runs_on: false, instead: false }
    }

    #[inline]
    pub(super) fn begin(beginning: Beginning) -> Self {
        Self { running: Running::Placed(Placed::begin(beginning)), runs_on: false, instead: false }
    }

    pub(super) fn streaming(stream: Box<Stream>) -> Self {
        Self { running: Running::Stream(Some(stream)), runs_on: false, instead: false }
    }

    pub(super) fn running_on(unfinished: BoxFuture<'static, ()>) -> Self {
        let progress = async {
            unfinished.await;
            Progress { id: None, answers: Answers::none(), rest: None, failed: None }
        };
        Self { runs_on: true, ..Self::new(progress) }
    }

    /// Whether it has been answered, and is a handler on its way to its end (`#[run_to_completion]`): poll it whatever
    /// becomes of the connection. What else follows answers is a stream, which ends where nobody reads it.
    #[must_use]
    pub fn runs_on(&self) -> bool {
        self.runs_on
    }
}

impl Call {
    /// Whether it is a stream that has its next item already.
    pub(crate) fn has_more(&self) -> bool {
        matches!(&self.running, Running::Stream(Some(stream)) if stream.has_more())
    }
}

impl Progress {
    /// None yet: the call goes on as a stream, which says what it has come to.
    pub(super) fn instead(stream: Box<Stream>) -> Self {
        let call = Call { instead: true, ..Call::streaming(stream) };
        Self { id: None, answers: Answers::none(), rest: Some(call), failed: None }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Call")
    }
}

impl Future for Call {
    type Output = Progress;
    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Progress> {
        match &mut self.running {
            Running::Placed(placed) => {
                let mut progress = placed.poll(task);
                let Poll::Ready(Progress { rest: rest @ Some(Self { instead: true, .. }), .. }) = &mut progress else {
                    return progress;
                };
                let Some(mut call) = rest.take() else { return progress };
                call.instead = false;
                *self = call;
                self.poll(task)
            }
            Running::Boxed(boxed) => boxed.as_mut().poll(task),
            Running::Stream(stream) => Stream::poll(stream, task),
        }
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
