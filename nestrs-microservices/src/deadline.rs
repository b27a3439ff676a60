//! The time that a call has left, and how what it calls in turn inherits it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::future::Either;
use nestrs_core::{ErrorKind, TransportError};
use serde_json::Value;
use tokio::time::Sleep;

tokio::task_local! {
    /// Set around handlers that have a deadline, and around nothing else.
    static DEADLINE: Instant;
}

/// When the handler that runs here ends at the latest: the deadline of its [`ExecutionContext`](nestrs_core::ExecutionContext).
/// `None` outside of handlers, and inside of those without one.
///
/// Calls of a [`ClientProxy`](crate::ClientProxy) made here end with it, whatever their own timeouts; so do subscribers of
/// the event bus that a handler waits for by `publish`. What a handler gives to `tokio::spawn`, and what it emits on the
/// bus, is on its own: [`with_deadline`] hands the deadline on. A handler marked `#[run_to_completion]` has none here, since
/// what it does outlasts its caller.
///
/// ```
/// use std::time::{Duration, Instant};
/// use nestrs_microservices::{current_deadline, with_deadline};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(current_deadline(), None);
/// let soon = Instant::now() + Duration::from_millis(200);
/// with_deadline(soon, async {
///     let inherited = current_deadline().unwrap();
///     assert_eq!(inherited, soon);
///     // A task of its own starts without.
///     let task = tokio::spawn(with_deadline(inherited, async { current_deadline() }));
///     assert_eq!(task.await.unwrap(), Some(soon));
///     assert_eq!(tokio::spawn(async { current_deadline() }).await.unwrap(), None);
/// })
/// .await;
/// # }
/// ```
#[must_use]
pub fn current_deadline() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok()
}

/// Runs `work` so that calls made in it end at `deadline`, or at the one it would inherit here if that is earlier. `work`
/// itself is not ended.
pub fn with_deadline<F: Future>(deadline: Instant, work: F) -> impl Future<Output = F::Output> + use<F> {
    let deadline = current_deadline().map_or(deadline, |inherited| inherited.min(deadline));
    DEADLINE.scope(deadline, work)
}

/// [`with_deadline`], where there is one.
pub(crate) fn with_some_deadline<F: Future>(
    deadline: Option<Instant>,
    work: F,
) -> impl Future<Output = F::Output> + use<F> {
    match deadline {
        Some(deadline) => Either::Left(with_deadline(deadline, work)),
        None => Either::Right(work),
    }
}

/// Runs `work` up to `deadline`, which what it calls inherits; `None` when it took longer.
pub(crate) fn until<F: Future>(deadline: Instant, work: Pin<&mut F>) -> Until<'_, F> {
    Until { work, watch: Watch::until(deadline) }
}

/// Work with an end.
pub(crate) struct Until<'a, F> {
    work: Pin<&'a mut F>,
    watch: Watch,
}

impl<F: Future> Future for Until<'_, F> {
    type Output = Option<F::Output>;
    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { work, watch } = &mut *self;
        match watch.scope(|| work.as_mut().poll(task)) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => watch.poll_over(task).map(|()| None),
        }
    }
}

/// The end of some work. Most handlers are done when they are first asked: only one that is not gets a timer.
pub(crate) struct Watch {
    deadline: Instant,
    inherited: Instant,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Watch {
    pub(crate) fn until(deadline: Instant) -> Self {
        let inherited = current_deadline().map_or(deadline, |inherited| inherited.min(deadline));
        Self { deadline, inherited, alarm: None }
    }

    /// Does some of the work: what it calls inherits the deadline.
    pub(crate) fn scope<T>(&self, work: impl FnOnce() -> T) -> T {
        DEADLINE.sync_scope(self.inherited, work)
    }

    /// Ready when the time is over.
    pub(crate) fn poll_over(&mut self, task: &mut Context<'_>) -> Poll<()> {
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(self.deadline.into())));
        alarm.as_mut().poll(task)
    }
}

/// Whether it has passed, by the clock that timers go by.
pub(crate) fn has_passed(deadline: Instant) -> bool {
    deadline <= now()
}

/// Now, by the clock that timers go by.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

const TIMED_OUT: &str = "Request timed out";

/// Whether that is what a server of ours says: it may be heard a moment before the caller's own timer.
pub(crate) fn is_timed_out(err: &Value) -> bool {
    err.as_object().is_some_and(|err| err.len() == 2 && err.get("status").is_some_and(|status| status == "error"))
        && err.get("message").is_some_and(|message| message == TIMED_OUT)
}

/// What a caller reads whose call took too long.
pub(crate) fn timed_out() -> TransportError {
    TransportError::new(TIMED_OUT).with_kind(ErrorKind::Timeout)
}
