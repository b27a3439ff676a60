//! One connection of a client: a task that owns the socket, and what callers share with it.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use nestrs_core::log_limit::LogLimit;
use nestrs_core::{ErrorKind, Payload, Sent, TransportError};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;

use crate::client::{Counters, Pending, Settled, Waiter, is_farewell};
use crate::net::codec::NestDecoder;
use crate::net::io::BoxIo;
use crate::packet::{Response, ResponseEvent};

use super::call_id::{id_of, was_given};
use super::half_frame::HalfFrame;
use super::nesting::nests_too_deep;
use super::options::{Overflow, TcpTransportOptions};

/// How much one read takes at most.
const READ_MAX: usize = 16 * 1024;
/// A buffer of requests of up to this size is kept between batches.
const BATCH_KEPT: usize = 64 * 1024;
/// How often a connection that can no longer be written to is read from.
const SALVAGED_READS_MAX: usize = 1024;

/// What callers see of a connection.
pub(super) struct Link {
    pending: Pending,
    out: Mutex<Out>,
    /// Tells callers that bytes were written: those that wait for room, and those that wait for their own.
    progress: Notify,
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
            life: watch::Sender::new(Life::Open),
            leaving: AtomicBool::new(false),
            moved: AtomicBool::new(false),
            pending_bytes: options.pending_bytes,
            overflow: options.overflow,
        });
        let task = Task {
            link: Arc::clone(&link),
            io,
            batch: Vec::new(),
            batch_written: 0,
            buffer: BytesMut::new(),
            decoder: NestDecoder::new(options.max_frame_bytes),
            half_frame: HalfFrame::new(options.frame_idle_timeout, options.min_frame_rate),
            was_idle: true,
            is_bare: options.is_bare(),
            counters: Arc::clone(counters),
            options: options.clone(),
        };
        tasks.spawn(task.run());
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

    /// Queues a frame, and lets `waiter` wait for the responses to its id. Waits while too many bytes are queued.
    pub(super) async fn submit(&self, frame: &[u8], waiter: Option<(u64, Waiter)>) -> Result<Span, TransportError> {
        loop {
            let mut progress = pin!(self.progress.notified());
            progress.as_mut().enable();
            {
                let mut out = self.out();
                if let Some(error) = &out.stopped {
                    return Err(error.clone().with_sent(Sent::No));
                }
                if self.is_leaving() {
                    return Err(lost("the server is shutting down").with_sent(Sent::No));
                }
                // A frame larger than the limit still goes out, alone.
                let waiting = usize::try_from(out.queued - out.written).unwrap_or(usize::MAX);
                if waiting == 0 || waiting.saturating_add(frame.len()) <= self.pending_bytes {
                    let span = Span { start: out.queued, end: out.queued + frame.len() as u64 };
                    // Register before queueing: the reply can arrive while we are still writing.
                    if let Some((id, waiter)) = waiter {
                        self.pending.register(id, span.start, waiter)?;
                    }
                    out.queued = span.end;
                    out.bytes.extend_from_slice(frame);
                    let task = out.task.take();
                    drop(out);
                    if let Some(task) = task {
                        task.wake();
                    }
                    return Ok(span);
                }
            }
            if self.overflow == Overflow::Reject {
                let text = format!("{} bytes of requests wait for the socket (`pending_bytes`)", self.pending_bytes);
                return Err(TransportError::withheld(ErrorKind::Overloaded, text).with_sent(Sent::No));
            }
            progress.await;
        }
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

/// Never guessed down to `No`.
fn sent(start: u64, written: u64) -> Sent {
    if start >= written { Sent::No } else { Sent::Maybe }
}

/// However it ends, by a panic of the user's code or with its runtime, nobody is left waiting.
impl Drop for Task {
    fn drop(&mut self) {
        let reason = self.link.fail(lost("its task has ended"));
        self.link.life.send_replace(Life::Ended(reason.kind()));
    }
}

struct Task {
    link: Arc<Link>,
    io: BoxIo,
    /// Bytes taken off the queue, written up to `batch_written`.
    batch: Vec<u8>,
    batch_written: usize,
    buffer: BytesMut,
    decoder: NestDecoder,
    half_frame: HalfFrame,
    /// No call was under way when the task last had nothing to do.
    was_idle: bool,
    /// A socket of ours, which takes nothing when it fails; other streams may take a part.
    is_bare: bool,
    counters: Arc<Counters>,
    options: TcpTransportOptions,
}

impl Task {
    async fn run(mut self) {
        let reason = poll_fn(|task| self.poll(task)).await;
        let reason = self.link.fail(reason);
        // The peer may be gone already.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), self.io.shutdown()).await;
        self.link.life.send_replace(Life::Ended(reason.kind()));
    }

    /// Runs the connection; ready when it has ended.
    fn poll(&mut self, task: &mut Context<'_>) -> Poll<TransportError> {
        // Also while a write is pending: `close` must be able to wake a task whose peer does not read.
        self.link.out().task = Some(task.waker().clone());
        // Where nothing was under way, the server may have said good-bye: what is not written yet is then surely not sent.
        if std::mem::take(&mut self.was_idle)
            && let Poll::Ready(ended) = self.poll_replies(task, 1)
        {
            return Poll::Ready(ended);
        }
        loop {
            let drained = match self.poll_write(task) {
                Poll::Ready(Err(error)) => {
                    // What the server had answered before can still be read.
                    let _ = self.poll_replies(task, SALVAGED_READS_MAX);
                    return Poll::Ready(lost(&error.to_string()));
                }
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            let leaving = {
                let out = self.link.out();
                if let Some(reason) = &out.stopped {
                    return Poll::Ready(reason.clone());
                }
                self.link.is_leaving() && drained && out.bytes.is_empty()
            };
            if leaving && self.link.pending.len() == 0 {
                return Poll::Ready(lost("the server is shutting down"));
            }
            if let Poll::Ready(read) = self.poll_read(task) {
                if let Err(ended) = self.take(read) {
                    return Poll::Ready(ended);
                }
                continue;
            }
            self.was_idle = self.link.pending.len() == 0;
            ready!(self.half_frame.poll_late(task));
            return Poll::Ready(lost("a reply did not arrive as a whole in time (`frame_idle_timeout`)"));
        }
    }

    /// Reads up to so many times what is there; ready when the connection has ended.
    fn poll_replies(&mut self, task: &mut Context<'_>, reads: usize) -> Poll<TransportError> {
        for _ in 0..reads {
            let read = ready!(self.poll_read(task));
            if let Err(ended) = self.take(read) {
                return Poll::Ready(ended);
            }
        }
        Poll::Pending
    }

    /// What one read brought; an error when it was the last.
    fn take(&mut self, read: io::Result<usize>) -> Result<(), TransportError> {
        match read {
            Ok(0) => Err(lost("the server closed it")),
            Ok(received) => self.deliver(received),
            Err(error) => Err(lost(&error.to_string())),
        }
    }

    /// Writes until nothing is queued. A frame that is queued later finds the waker that `poll` has left.
    fn poll_write(&mut self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.batch_written == self.batch.len() {
                self.batch.clear();
                self.batch_written = 0;
                if self.batch.capacity() > BATCH_KEPT {
                    self.batch = Vec::new();
                }
                let mut out = self.link.out();
                if out.bytes.is_empty() {
                    if out.flushed == out.written {
                        return Poll::Ready(Ok(()));
                    }
                    drop(out);
                    ready!(Pin::new(&mut self.io).poll_flush(task))?;
                    self.wrote(0, true);
                    return Poll::Ready(Ok(()));
                }
                std::mem::swap(&mut self.batch, &mut out.bytes);
            }
            let rest = self.batch.get(self.batch_written..).unwrap_or_default();
            let written = match ready!(Pin::new(&mut self.io).poll_write(task, rest)) {
                Ok(written) => written,
                Err(error) => {
                    // TLS fails at its second record when the first is gone already.
                    let doubtful = if self.is_bare { 0 } else { rest.len() };
                    self.wrote(doubtful, false);
                    return Poll::Ready(Err(error));
                }
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.batch_written += written;
            // A plain socket has nothing to flush; one that has may take more before it is done with this.
            let flush = Pin::new(&mut self.io).poll_flush(task);
            self.wrote(written, matches!(flush, Poll::Ready(Ok(()))));
            if let Poll::Ready(flushed) = flush {
                flushed?;
            }
        }
    }

    fn wrote(&self, bytes: usize, flushed: bool) {
        {
            let mut out = self.link.out();
            out.written += bytes as u64;
            if flushed {
                out.flushed = out.written;
            }
        }
        self.link.progress.notify_waiters();
    }

    fn poll_read(&mut self, task: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut scratch = [std::mem::MaybeUninit::uninit(); READ_MAX];
        let mut chunk = ReadBuf::uninit(&mut scratch);
        ready!(Pin::new(&mut self.io).poll_read(task, &mut chunk))?;
        self.buffer.extend_from_slice(chunk.filled());
        Poll::Ready(Ok(chunk.filled().len()))
    }

    /// Hands every complete response to whoever waits for it.
    fn deliver(&mut self, received: usize) -> Result<(), TransportError> {
        let mut begun_before = true;
        loop {
            match self.decoder.decode(&mut self.buffer) {
                Ok(Some(frame)) => {
                    begun_before = false;
                    self.settle(frame)?;
                }
                Ok(None) => break,
                Err(fault) => return Err(lost(&fault.to_string())),
            }
        }
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        match self.decoder.is_inside_frame(&self.buffer) {
            true if begun_before => self.half_frame.goes_on(received),
            true => self.half_frame.begins(self.buffer.len()),
            false => self.half_frame.ends(),
        }
        Ok(())
    }

    fn settle(&self, frame: Bytes) -> Result<(), TransportError> {
        let frame = match &self.options.deserializer {
            None => frame,
            Some(deserializer) => {
                let wire = Payload::from_json(frame).into_value().map_err(|_| lost("a response is not JSON"))?;
                match deserializer.deserialize(wire) {
                    Ok(packet) => Bytes::from(packet.to_string()),
                    Err(error) => {
                        static REFUSED: LogLimit = LogLimit::per_second(10);
                        REFUSED.pass(|suppressed| {
                            let suppressed = (suppressed > 0).then_some(suppressed);
                            tracing::warn!(
                                target: "nestrs::client", %error, suppressed, "the deserializer refused a response; dropped"
                            );
                        });
                        return Ok(());
                    }
                }
            }
        };
        if nests_too_deep(&frame) {
            return Err(lost("a response is nested too deeply"));
        }
        let response = match Response::read(&frame) {
            Ok(response) => response,
            // Well-formed JSON that is no object belongs to nobody.
            Err(_) if serde_json::from_slice::<serde::de::IgnoredAny>(&frame).is_ok() => {
                self.counters.unknown_replies.add_one();
                return Ok(());
            }
            Err(_) => return Err(lost("a response is not JSON")),
        };
        let id = response.id.as_deref().and_then(id_of);
        if let ResponseEvent::Error(err) = &response.event
            && is_farewell(err)
        {
            // Nobody is sent around in circles by words that answer nothing.
            if id.is_some_and(|id| self.link.pending.is_waiting(id)) {
                self.link.moved.store(true, Ordering::Release);
            }
            self.link.leave();
        }
        match id.map(|id| (id, self.link.pending.settle(id, response.event))) {
            Some((_, Settled::Taken)) => {}
            Some((id, Settled::Nobody)) if was_given(id) => self.counters.late_replies.add_one(),
            Some((_, Settled::Nobody)) | None => self.counters.unknown_replies.add_one(),
        }
        Ok(())
    }
}

pub(super) fn lost(why: &str) -> TransportError {
    TransportError::withheld(ErrorKind::ConnectionClosed, format!("the connection was lost: {why}"))
}
