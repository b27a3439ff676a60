//! A socket in memory that costs next to nothing, so that what is counted is what uses it.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One end of it, as a server or a client holds it. The other is held by clones.
#[derive(Clone, Default)]
pub struct Socket(Arc<Mutex<Inner>>);

/// What a peer does with what is written to it: looks at that, and appends what is to be read next.
pub(crate) type Peer = fn(written: &[u8], to_read: &mut Vec<u8>);

#[derive(Default)]
struct Inner {
    to_read: Vec<u8>,
    taken: usize,
    reader: Option<Waker>,
    written: Vec<u8>,
    peer: Option<Peer>,
    /// Woken when so many bytes have been written.
    watcher: Option<(usize, Waker)>,
}

impl Socket {
    /// One whose peer answers by itself.
    #[must_use]
    pub fn answered_by(peer: Peer) -> Self {
        let socket = Self::default();
        socket.inner().peer = Some(peer);
        socket
    }

    /// Lets `bytes` be read, all at once, and waits until as many bytes as `reply` has have been written; says whether
    /// they are those of `reply`.
    pub async fn exchange(&self, bytes: &[u8], reply: &[u8]) -> bool {
        self.inner().give(|to_read| to_read.extend_from_slice(bytes));
        poll_fn(|task| {
            let mut inner = self.inner();
            if inner.written.len() < reply.len() {
                inner.watcher = Some((reply.len(), task.waker().clone()));
                return Poll::Pending;
            }
            let is_right = inner.written == reply;
            inner.written.clear();
            Poll::Ready(is_right)
        })
        .await
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn give(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        append(&mut self.to_read);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, task: &mut Context<'_>, chunk: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.inner();
        let rest = &inner.to_read[inner.taken..];
        if rest.is_empty() {
            inner.reader = Some(task.waker().clone());
            return Poll::Pending;
        }
        let len = rest.len().min(chunk.remaining());
        chunk.put_slice(&rest[..len]);
        inner.taken += len;
        if inner.taken == inner.to_read.len() {
            inner.to_read.clear();
            inner.taken = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut inner = self.inner();
        if let Some(peer) = inner.peer {
            inner.give(|to_read| peer(bytes, to_read));
            return Poll::Ready(Ok(bytes.len()));
        }
        inner.written.extend_from_slice(bytes);
        if inner.watcher.as_ref().is_some_and(|(len, _)| inner.written.len() >= *len)
            && let Some((_, watcher)) = inner.watcher.take()
        {
            watcher.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // As a kernel gathers them: one copy, all at once.
        let (last, before) = slices.split_last().map_or((&[][..], &[][..]), |(last, before)| (&**last, before));
        let mut inner = self.inner();
        if inner.peer.is_some() {
            drop(inner);
            return self.poll_write(task, &slices.iter().flat_map(|slice| slice.to_vec()).collect::<Vec<_>>());
        }
        before.iter().for_each(|slice| inner.written.extend_from_slice(slice));
        drop(inner);
        let before: usize = before.iter().map(|slice| slice.len()).sum();
        self.poll_write(task, last).map_ok(|written| before + written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
