//! Bytes on their way to a socket.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::net::io::BoxIo;
use crate::packet::LongFrame;

/// An output buffer of up to this size is kept between batches, by the thread and not by a connection: one for however
/// many there are, of pages that have been touched already.
const SPARE_MAX: usize = 256 * 1024;
/// Less than this is not worth moving the rest for.
const COMPACT_MIN: usize = 64 * 1024;
/// As many pieces as one write is given: five long replies.
const SLICES_MAX: usize = 11;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes on their way to the socket.
#[derive(Default)]
pub(super) struct Out {
    /// What goes before `bytes`, where anything does; in a box, since few connections ever have a long reply.
    ahead: Option<Box<Pieces>>,
    pub(super) bytes: Vec<u8>,
    /// Of the first piece, or of `bytes` if there is none.
    written: usize,
    /// All that the socket has taken, ever.
    taken: u64,
    /// The stream may hold back what it was given, as TLS does.
    flushed: bool,
}

/// Long texts as they are, and what was appended before them. Never empty.
#[derive(Default)]
struct Pieces {
    pieces: VecDeque<Bytes>,
    len: usize,
}

impl Out {
    /// Something is about to be queued.
    pub(super) fn prepare(&mut self) {
        if self.bytes.capacity() == 0 {
            self.bytes = SPARE.take();
        }
    }

    /// Bytes that the socket has not taken.
    pub(super) fn queued(&self) -> usize {
        self.held() - self.written
    }

    /// Appends a frame without a copy of its value.
    pub(super) fn push(&mut self, frame: LongFrame) {
        self.bytes.extend_from_slice(&frame.head);
        let ahead = self.ahead.get_or_insert_default();
        for piece in [Bytes::from(std::mem::replace(&mut self.bytes, frame.tail)), frame.text] {
            ahead.len += piece.len();
            ahead.pieces.push_back(piece);
        }
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
        self.ahead.as_ref().map_or(0, |ahead| ahead.len) + self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queued() == 0 && (self.flushed || self.held() == 0)
    }

    pub(super) fn poll_write(&mut self, io: &mut BoxIo, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushed = false;
        while self.queued() > 0 {
            let Poll::Ready(written) = self.poll_write_some(io, task)? else {
                self.compact();
                return Poll::Pending;
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
            self.taken += written as u64;
            self.drop_written();
        }
        ready!(Pin::new(&mut *io).poll_flush(task))?;
        self.written = 0;
        self.flushed = true;
        let mut bytes = std::mem::take(&mut self.bytes);
        if bytes.capacity() <= SPARE_MAX {
            bytes.clear();
            SPARE.set(bytes);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_some(&self, io: &mut BoxIo, task: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let io = Pin::new(io);
        let Some(ahead) = &self.ahead else {
            return io.poll_write(task, self.bytes.get(self.written..).unwrap_or_default());
        };
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut skipped = self.written;
        for (slice, piece) in slices.iter_mut().zip(ahead.pieces.iter().map(|piece| &**piece).chain([&*self.bytes])) {
            *slice = IoSlice::new(piece.get(std::mem::take(&mut skipped)..).unwrap_or_default());
        }
        io.poll_write_vectored(task, &slices)
    }

    fn drop_written(&mut self) {
        let Some(ahead) = &mut self.ahead else { return };
        while let Some(first) = ahead.pieces.front().filter(|first| first.len() <= self.written) {
            self.written -= first.len();
            ahead.len -= first.len();
            ahead.pieces.pop_front();
        }
        if ahead.pieces.is_empty() {
            self.ahead = None;
        }
    }

    /// Gives back what has been written: a queue that is never empty must not keep all it ever held. Moves at most as
    /// many bytes as it frees.
    fn compact(&mut self) {
        if self.ahead.is_none() && self.written >= COMPACT_MIN && self.written >= self.queued() {
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
    use nestrs_core::Payload;

    use super::*;
    use crate::net::io::Plain;
    use crate::packet::Answer;

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

    /// Long replies and short ones, to a reader that takes a little at a time.
    #[tokio::test]
    async fn long_texts_leave_in_their_place_however_little_is_taken() {
        let (near, mut far) = tokio::io::duplex(1000);
        let mut io: BoxIo = Box::new(Plain(near));
        assert!(io.is_write_vectored());
        let mut out = Out::default();
        let mut expected = Vec::new();
        for number in 0..20_usize {
            let text = format!("\"{}é😀\"", "x".repeat(16 * 1024 + number));
            let answer = Answer::Value { payload: Payload::from_json(text), last: number % 3 == 0 };
            out.push(answer.long_frame("\"漢\"".as_bytes()).unwrap());
            answer.write_frame(&mut expected, "\"漢\"".as_bytes());
            if number % 2 == 0 {
                Answer::End.write_frame(&mut out.bytes, b"1");
                Answer::End.write_frame(&mut expected, b"1");
            }
        }
        assert_eq!((out.queued(), out.held()), (expected.len(), expected.len()));
        let mut taken = Vec::new();
        loop {
            let writing = std::future::poll_fn(|task| Poll::Ready(out.poll_write(&mut io, task)));
            let is_done = tokio::task::unconstrained(writing).await.is_ready();
            assert_eq!(out.taken(), (expected.len() - out.queued()) as u64);
            assert!(out.held() - out.queued() <= 17 * 1024, "what was written is given back");
            let rest = usize::try_from(out.taken()).unwrap() - taken.len();
            let from = taken.len();
            taken.resize(from + rest, 0);
            tokio::task::unconstrained(tokio::io::AsyncReadExt::read_exact(&mut far, &mut taken[from..]))
                .await
                .unwrap();
            if is_done {
                break;
            }
        }
        assert!(taken == expected);
        assert_eq!((out.held(), out.is_empty()), (0, true));
    }

    /// Its other holder may be a frame with a share of a budget, which has to come back whether this peer reads or not.
    #[test]
    fn a_text_that_somebody_else_holds_is_copied() {
        let payload = Payload::from_json("1".repeat(64 * 1024));
        let answer = Answer::Value { payload: payload.clone(), last: true };
        assert!(answer.long_frame(b"1").is_none());
        drop(payload);
        assert!(answer.long_frame(b"1").is_some());
    }
}
