//! One connection of a client: a task that owns the socket, and what callers share with it.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use nestrs_core::{ErrorKind, Payload, Sent, TransportError};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::{Notify, watch};

use crate::client::{Pending, Waiter};
use crate::net::codec::NestDecoder;
use crate::net::io::BoxIo;
use crate::packet::Response;

use super::call_id::id_of;
use super::options::TcpTransportOptions;

/// How much one read takes at most.
const READ_MAX: usize = 16 * 1024;

/// What callers see of a connection.
pub(super) struct Link {
    pending: Pending,
    out: Mutex<Out>,
    /// Tells callers that bytes were written: those that wait for room, and those that wait for their own.
    progress: Notify,
    ended: watch::Sender<Option<ErrorKind>>,
    pending_bytes: usize,
}

/// Bytes on their way to the socket. Positions count from the beginning of the connection.
#[derive(Default)]
struct Out {
    /// Queued, and not yet taken by the task.
    bytes: Vec<u8>,
    queued: u64,
    /// How far the operating system has taken them. Whatever begins at or after this was never sent.
    written: u64,
    /// Set while the task has nothing to write.
    task: Option<Waker>,
    /// The connection is to end, or has ended, for this reason.
    stopped: Option<TransportError>,
}

/// Where a frame lies in all that a connection was given to write.
#[derive(Clone, Copy)]
pub(super) struct Span {
    start: u64,
    end: u64,
}

impl Link {
    /// Takes over a socket. The task lives until the connection ends.
    pub(super) fn start(io: BoxIo, options: &TcpTransportOptions) -> Arc<Self> {
        let link = Arc::new(Self {
            pending: Pending::default(),
            out: Mutex::default(),
            progress: Notify::new(),
            ended: watch::Sender::new(None),
            pending_bytes: options.pending_bytes,
        });
        let task = Task {
            link: Arc::clone(&link),
            io,
            batch: Vec::new(),
            batch_written: 0,
            buffer: BytesMut::new(),
            decoder: NestDecoder::new(options.max_frame_bytes),
            options: options.clone(),
        };
        tokio::spawn(task.run());
        link
    }

    pub(super) fn is_open(&self) -> bool {
        self.out().stopped.is_none()
    }

    pub(super) fn pending(&self) -> &Pending {
        &self.pending
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
                // A frame larger than the limit still goes out, alone.
                if out.bytes.is_empty() || out.bytes.len() + frame.len() <= self.pending_bytes {
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
                if out.written >= span.end {
                    return Ok(());
                }
                if let Some(error) = &out.stopped {
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

    /// Completes when the connection has ended and nobody waits for it any more.
    pub(super) async fn ended(&self) -> ErrorKind {
        let mut ended = self.ended.subscribe();
        // The sender lives as long as `self`.
        ended.wait_for(Option::is_some).await.ok().and_then(|kind| *kind).unwrap_or(ErrorKind::ConnectionClosed)
    }

    fn fail(&self, reason: TransportError) -> TransportError {
        let (reason, written) = {
            let mut out = self.out();
            out.bytes = Vec::new();
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
        self.link.ended.send_replace(Some(reason.kind()));
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
    options: TcpTransportOptions,
}

impl Task {
    async fn run(mut self) {
        let reason = poll_fn(|task| self.poll(task)).await;
        let reason = self.link.fail(reason);
        // The peer may be gone already.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), self.io.shutdown()).await;
        self.link.ended.send_replace(Some(reason.kind()));
    }

    /// Runs the connection; ready when it has ended.
    fn poll(&mut self, task: &mut Context<'_>) -> Poll<TransportError> {
        // Also while a write is pending: `close` must be able to wake a task whose peer does not read.
        self.link.out().task = Some(task.waker().clone());
        loop {
            match self.poll_write(task) {
                Poll::Ready(Err(error)) => return Poll::Ready(lost(&error.to_string())),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            if let Some(reason) = &self.link.out().stopped {
                return Poll::Ready(reason.clone());
            }
            match ready!(self.poll_read(task)) {
                Ok(0) => return Poll::Ready(lost("the server closed it")),
                Ok(_) => {
                    if let Err(error) = self.deliver() {
                        return Poll::Ready(error);
                    }
                }
                Err(error) => return Poll::Ready(lost(&error.to_string())),
            }
        }
    }

    /// Writes until nothing is queued, and then leaves its waker.
    fn poll_write(&mut self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.batch_written == self.batch.len() {
                self.batch.clear();
                self.batch_written = 0;
                let mut out = self.link.out();
                if out.bytes.is_empty() {
                    out.task = Some(task.waker().clone());
                    drop(out);
                    return Pin::new(&mut self.io).poll_flush(task);
                }
                std::mem::swap(&mut self.batch, &mut out.bytes);
            }
            let rest = self.batch.get(self.batch_written..).unwrap_or_default();
            let written = ready!(Pin::new(&mut self.io).poll_write(task, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.batch_written += written;
            self.link.out().written += written as u64;
            self.link.progress.notify_waiters();
        }
    }

    fn poll_read(&mut self, task: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut scratch = [std::mem::MaybeUninit::uninit(); READ_MAX];
        let mut chunk = ReadBuf::uninit(&mut scratch);
        ready!(Pin::new(&mut self.io).poll_read(task, &mut chunk))?;
        self.buffer.extend_from_slice(chunk.filled());
        Poll::Ready(Ok(chunk.filled().len()))
    }

    /// Hands every complete response to whoever waits for it.
    fn deliver(&mut self) -> Result<(), TransportError> {
        loop {
            match self.decoder.decode(&mut self.buffer) {
                Ok(Some(frame)) => self.settle(frame)?,
                Ok(None) => break,
                Err(fault) => return Err(lost(&fault.to_string())),
            }
        }
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
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
                        tracing::warn!(target: "nestrs::client", %error, "the deserializer refused a response; dropped");
                        return Ok(());
                    }
                }
            }
        };
        let response = match Response::read(&frame) {
            Ok(response) => response,
            // Well-formed JSON that is no object belongs to nobody.
            Err(_) if serde_json::from_slice::<serde::de::IgnoredAny>(&frame).is_ok() => return Ok(()),
            Err(_) => return Err(lost("a response is not JSON")),
        };
        match response.id.as_deref().and_then(id_of) {
            Some(id) => self.link.pending.settle(id, response.event),
            None => tracing::debug!(target: "nestrs::client", "a response to nobody; ignored"),
        }
        Ok(())
    }
}

fn lost(why: &str) -> TransportError {
    TransportError::withheld(ErrorKind::ConnectionClosed, format!("the connection was lost: {why}"))
}
