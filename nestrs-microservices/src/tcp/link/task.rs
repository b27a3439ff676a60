//! The task of one connection: it writes what is queued, and hands out what comes back.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use nestrs_core::log_limit::LogLimit;
use nestrs_core::{Payload, TransportError};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::client::{Counters, Settled, is_farewell};
use crate::net::codec::NestDecoder;
use crate::net::io::BoxIo;
use crate::packet::{PacketError, Response, ResponseEvent, is_readable};
use crate::tcp::call_id::{id_of, was_given};
use crate::tcp::half_frame::HalfFrame;
use crate::tcp::options::TcpTransportOptions;

use super::{Life, Link, lost};

/// How much one read takes at most.
const READ_MAX: usize = 16 * 1024;
/// A buffer of requests of up to this size is kept between batches.
const BATCH_KEPT: usize = 64 * 1024;
/// How often a connection that can no longer be written to is read from.
const SALVAGED_READS_MAX: usize = 1024;

pub(super) struct Task {
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
    pub(super) fn new(link: &Arc<Link>, io: BoxIo, options: &TcpTransportOptions, counters: &Arc<Counters>) -> Self {
        Self {
            link: Arc::clone(link),
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
        }
    }

    pub(super) async fn run(mut self) {
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
        let response = match Response::read(&frame) {
            Ok(response) => response,
            // Well-formed JSON that is no object belongs to nobody.
            Err(PacketError::Json(_)) if is_readable(&frame) => {
                self.counters.unknown_replies.add_one();
                return Ok(());
            }
            Err(error) => return Err(lost(&error.to_string())),
        };
        let id = response.id.and_then(id_of);
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

/// However it ends, by a panic of the user's code or with its runtime, nobody is left waiting.
impl Drop for Task {
    fn drop(&mut self) {
        let reason = self.link.fail(lost("its task has ended"));
        self.link.life.send_replace(Life::Ended(reason.kind()));
    }
}
