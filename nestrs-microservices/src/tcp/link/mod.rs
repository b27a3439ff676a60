//! One connection of a client: what callers share, and the task that owns the socket.

mod task;

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use nestrs_core::{ErrorKind, Payload, Sent, TransportError};
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;

use crate::client::{Counters, Pending, Waiter};
use crate::net::io::BoxIo;

use super::options::{Overflow, TcpTransportOptions};

use task::Task;

/// What callers see of a connection.
pub(super) struct Link {
    pending: Pending,
    out: Mutex<Out>,
    /// Tells callers that bytes were written: who waits for room, and those that wait for their own.
    progress: Notify,
    /// Held by the one that is next to have room; the others wait for it in the order in which they came.
    turn: tokio::sync::Mutex<()>,
    life: watch::Sender<Life>,
    /// No more is queued. Set under the lock of `out`.
    leaving: AtomicBool,
    /// It was asked to leave by the answer to a call.
    moved: AtomicBool,
    pending_bytes: usize,
    overflow: Overflow,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Takes calls.
    Open,
    /// Takes no more calls, and ends when those under way are answered: the server says that it is about to end.
    Leaving,
    /// Over, and nobody waits for it any more.
    Ended(ErrorKind),
}

/// Bytes on their way to the socket. Positions count from the beginning of the connection.
#[derive(Default)]
struct Out {
    /// Queued, and not yet taken by the task.
    bytes: Vec<u8>,
    queued: u64,
    /// Callers that wait for room: whoever comes later goes behind them, however little it has.
    waiting: usize,
    /// How far the stream has taken them. Whatever begins at or after this was never sent.
    written: u64,
    /// How far the operating system has taken them, which is less where the stream has a buffer of its own, as TLS has.
    flushed: u64,
    /// Set while the task has nothing to write.
    task: Option<Waker>,
    /// The connection is to end, or has ended, for this reason.
    stopped: Option<TransportError>,
    /// It has ended: no more is written.
    ended: bool,
}

/// Where a frame lies in all that a connection was given to write.
#[derive(Clone, Copy)]
pub(super) struct Span {
    start: u64,
    end: u64,
}

impl Link {
    /// Takes over a socket. The task lives until the connection ends.
    pub(super) fn start(
        io: BoxIo,
        options: &TcpTransportOptions,
        counters: &Arc<Counters>,
        tasks: &TaskTracker,
    ) -> Arc<Self> {
        let link = Arc::new(Self {
            pending: Pending::default(),
            out: Mutex::default(),
            progress: Notify::new(),
            turn: tokio::sync::Mutex::default(),
            life: watch::Sender::new(Life::Open),
            leaving: AtomicBool::new(false),
            moved: AtomicBool::new(false),
            pending_bytes: options.pending_bytes,
            overflow: options.overflow,
        });
        tasks.spawn(Task::new(&link, io, options, counters).run());
        link
    }

    /// True while it takes calls.
    pub(super) fn is_open(&self) -> bool {
        let out = self.out();
        out.stopped.is_none() && !self.is_leaving()
    }

    /// Calls that wait for an answer.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The answer of a call that wants one.
    pub(super) fn poll_answer(&self, id: u64, task: &mut Context<'_>) -> Poll<Result<Payload, TransportError>> {
        let answer = ready!(self.pending.poll_answer(id, task));
        Poll::Ready(answer.unwrap_or_else(|| Err(lost("nobody answers any more"))))
    }

    /// Forgets a call whose caller no longer waits.
    pub(super) fn forget(&self, id: u64) {
        self.pending.forget(id);
        // It may have been the last that the connection was there for.
        if self.is_leaving() {
            let task = self.out().task.take();
            if let Some(task) = task {
                task.wake();
            }
        }
    }

    fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// Whether its server has said to a call that it is about to end, which is no failure of the connection.
    pub(super) fn has_moved(&self) -> bool {
        self.moved.load(Ordering::Acquire)
    }

    /// Takes no more calls. Those under way may still be answered.
    fn leave(&self) {
        {
            // Under the lock: nobody who sees `false` there queues anything later.
            let _out = self.out();
            self.leaving.store(true, Ordering::Release);
        }
        self.progress.notify_waiters();
        self.life.send_if_modified(|life| match life {
            Life::Open => {
                *life = Life::Leaving;
                true
            }
            Life::Leaving | Life::Ended(_) => false,
        });
    }

    /// Queues a request that wants one answer, if there is room for it and nobody waits for some. `false`, with nothing
    /// done, where it has to wait or cannot be sent.
    pub(super) fn submit_at_once(&self, frame: &[u8], id: u64) -> bool {
        let mut out = self.out();
        if out.waiting > 0 {
            return false;
        }
        let Ok(Some(queued)) = self.enqueue(&mut out, frame, &mut Some((id, Waiter::One))) else { return false };
        drop(out);
        queued.begin();
        true
    }

    /// Queues a frame, and lets `waiter` wait for the responses to its id. Waits while too many bytes are queued; first
    /// come, first served, since a large frame would never find room among small ones that pass it by.
    pub(super) async fn submit(&self, frame: &[u8], mut waiter: Option<(u64, Waiter)>) -> Result<Span, TransportError> {
        let _waiting = {
            let mut out = self.out();
            if out.waiting == 0
                && let Some(queued) = self.enqueue(&mut out, frame, &mut waiter)?
            {
                drop(out);
                return Ok(queued.begin());
            }
            self.refuse_to_wait(&out)?;
            out.waiting += 1;
            Waiting(self)
        };
        let _turn = self.turn.lock().await;
        loop {
            let mut progress = pin!(self.progress.notified());
            progress.as_mut().enable();
            let queued = self.enqueue(&mut self.out(), frame, &mut waiter)?;
            if let Some(queued) = queued {
                return Ok(queued.begin());
            }
            progress.await;
        }
    }

    /// An error where waiting would be in vain, or is not wanted.
    fn refuse_to_wait(&self, out: &Out) -> Result<(), TransportError> {
        self.refuse_ended(out)?;
        if self.overflow == Overflow::Reject {
            let text = format!("{} bytes of requests wait for the socket (`pending_bytes`)", self.pending_bytes);
            return Err(TransportError::withheld(ErrorKind::Overloaded, text).with_sent(Sent::No));
        }
        Ok(())
    }

    fn refuse_ended(&self, out: &Out) -> Result<(), TransportError> {
        if let Some(error) = &out.stopped {
            return Err(error.clone().with_sent(Sent::No));
        }
        if self.is_leaving() {
            return Err(lost("the server is shutting down").with_sent(Sent::No));
        }
        Ok(())
    }

    /// Queues a frame if there is room for it.
    fn enqueue(
        &self,
        out: &mut Out,
        frame: &[u8],
        waiter: &mut Option<(u64, Waiter)>,
    ) -> Result<Option<Queued>, TransportError> {
        self.refuse_ended(out)?;
        // A frame larger than the limit still goes out, alone.
        let unwritten = usize::try_from(out.queued - out.written).unwrap_or(usize::MAX);
        if unwritten > 0 && unwritten.saturating_add(frame.len()) > self.pending_bytes {
            return Ok(None);
        }
        let span = Span { start: out.queued, end: out.queued + frame.len() as u64 };
        // Register before queueing: the reply can arrive while we are still writing.
        if let Some((id, waiter)) = waiter.take() {
            self.pending.register(id, span.start, waiter)?;
        }
        out.queued = span.end;
        out.bytes.extend_from_slice(frame);
        Ok(Some(Queued { span, task: out.task.take() }))
    }

    /// Waits until the operating system has taken the whole frame.
    pub(super) async fn written(&self, span: Span) -> Result<(), TransportError> {
        loop {
            let mut progress = pin!(self.progress.notified());
            progress.as_mut().enable();
            {
                let out = self.out();
                if out.flushed >= span.end {
                    return Ok(());
                }
                // While it has not ended, what is queued may still be written.
                if let Some(error) = out.stopped.as_ref().filter(|_| out.ended) {
                    return Err(error.clone().with_sent(sent(span.start, out.written)));
                }
            }
            progress.await;
        }
    }

    /// Ends the connection; every call under way fails with `reason`.
    pub(super) fn close(&self, reason: &TransportError) {
        let task = {
            let mut out = self.out();
            out.stopped.get_or_insert_with(|| reason.clone());
            out.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Completes when the connection takes no more calls.
    pub(super) async fn left(&self) -> Life {
        self.life_after(|life| *life != Life::Open).await
    }

    /// Completes when the connection has ended and nobody waits for it any more.
    pub(super) async fn ended(&self) {
        self.life_after(|life| matches!(life, Life::Ended(_))).await;
    }

    async fn life_after(&self, reached: impl FnMut(&Life) -> bool) -> Life {
        let mut life = self.life.subscribe();
        // The sender lives as long as `self`.
        life.wait_for(reached).await.map_or(Life::Ended(ErrorKind::ConnectionClosed), |life| *life)
    }

    fn fail(&self, reason: TransportError) -> TransportError {
        let (reason, written) = {
            let mut out = self.out();
            out.bytes = Vec::new();
            out.ended = true;
            (out.stopped.get_or_insert(reason).clone(), out.written)
        };
        self.pending.fail(&reason, |start| sent(start, written));
        self.progress.notify_waiters();
        reason
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A frame that has been queued, and the task that does not know of it yet.
#[must_use]
struct Queued {
    span: Span,
    task: Option<Waker>,
}

impl Queued {
    /// Wakes the task, which is better done without the lock.
    fn begin(self) -> Span {
        if let Some(task) = self.task {
            task.wake();
        }
        self.span
    }
}

/// A caller among those that wait for room, until it has some or is dropped.
struct Waiting<'a>(&'a Link);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.out().waiting -= 1;
    }
}

/// Never guessed down to `No`.
fn sent(start: u64, written: u64) -> Sent {
    if start >= written { Sent::No } else { Sent::Maybe }
}

pub(super) fn lost(why: &str) -> TransportError {
    TransportError::withheld(ErrorKind::ConnectionClosed, format!("the connection was lost: {why}"))
}
