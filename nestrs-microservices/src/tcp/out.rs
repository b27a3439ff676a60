//! Bytes on their way to a socket.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::net::io::BoxIo;

/// An output buffer of up to this size is kept between batches.
const OUT_KEPT: usize = 1024;
/// Less than this is not worth moving the rest for.
const COMPACT_MIN: usize = 64 * 1024;

/// Bytes on their way to the socket.
#[derive(Default)]
pub(super) struct Out {
    pub(super) bytes: Vec<u8>,
    written: usize,
    /// All that the socket has taken, ever.
    taken: u64,
    /// The stream may hold back what it was given, as TLS does.
    flushed: bool,
}

impl Out {
    /// Bytes that the socket has not taken.
    pub(super) fn queued(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// All that the socket has taken, ever.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// What [`Self::taken`] will be when the socket has taken what is queued now.
    pub(super) fn end(&self) -> u64 {
        self.taken + self.queued() as u64
    }

    /// The bytes in memory: those queued, and those written that have not made way yet.
    pub(super) fn held(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queued() == 0 && (self.flushed || self.bytes.is_empty())
    }

    pub(super) fn poll_write(&mut self, io: &mut BoxIo, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushed = false;
        while self.queued() > 0 {
            let rest = self.bytes.get(self.written..).unwrap_or_default();
            let Poll::Ready(written) = Pin::new(&mut *io).poll_write(task, rest)? else {
                self.compact();
                return Poll::Pending;
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
            self.taken += written as u64;
        }
        ready!(Pin::new(&mut *io).poll_flush(task))?;
        self.written = 0;
        self.bytes.clear();
        self.flushed = true;
        if self.bytes.capacity() > OUT_KEPT {
            self.bytes = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Gives back what has been written: a queue that is never empty must not keep all it ever held. Moves at most as
    /// many bytes as it frees.
    fn compact(&mut self) {
        if self.written >= COMPACT_MIN && self.written >= self.queued() {
            self.bytes.drain(..self.written);
            self.written = 0;
            if self.bytes.capacity() / 4 > self.bytes.len() {
                self.bytes.shrink_to(2 * self.bytes.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::io::Plain;

    /// More is queued whenever half is taken, so the queue is never empty.
    #[tokio::test]
    async fn a_queue_that_is_never_empty_keeps_only_what_is_queued() {
        let (near, mut far) = tokio::io::duplex(16 * 1024);
        let mut io: BoxIo = Box::new(Plain(near));
        let mut out = Out::default();
        let mut taken = vec![0; 16 * 1024];
        for _ in 0..1000 {
            while out.queued() < 128 * 1024 {
                out.bytes.extend_from_slice(&[7; 1024]);
            }
            // Writer and reader are one task here, so neither may be told to let the other have a turn.
            let writing = std::future::poll_fn(|task| Poll::Ready(out.poll_write(&mut io, task)));
            assert!(tokio::task::unconstrained(writing).await.is_pending());
            let reading = tokio::io::AsyncReadExt::read_exact(&mut far, &mut taken);
            tokio::task::unconstrained(reading).await.unwrap();
            assert!(out.bytes.len() <= 2 * 128 * 1024 + COMPACT_MIN, "{}", out.bytes.len());
        }
    }
}
