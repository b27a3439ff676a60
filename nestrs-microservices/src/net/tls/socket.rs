//! A TLS session as any other socket.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use crate::net::io::{BoxIo, Keepalive, Socket};

/// A session over a socket of any kind.
pub(super) struct TlsSocket(pub(super) TlsStream<Counted>);

/// The socket beneath a session, and how many bytes it has taken of it.
pub(super) struct Counted {
    io: BoxIo,
    taken: u64,
}

impl Counted {
    pub(super) fn new(io: BoxIo) -> Self {
        Self { io, taken: 0 }
    }

    pub(super) fn into_inner(self) -> BoxIo {
        self.io
    }

    fn count(&mut self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(taken)) = outcome {
            self.taken += taken as u64;
        }
        outcome
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, chunk: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(task, chunk)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(task, bytes);
        self.count(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(task, slices);
        self.count(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(task)
    }
}

impl Socket for TlsSocket {
    fn gather(&self, small_writes: bool) {
        self.0.get_ref().0.io.gather(small_writes);
    }

    fn close_abruptly(&self) {
        self.0.get_ref().0.io.close_abruptly();
    }

    fn peer_has_ended(&self) -> io::Result<bool> {
        self.0.get_ref().0.io.peer_has_ended()
    }

    fn passed_on(&self) -> Option<u64> {
        Some(self.0.get_ref().0.taken)
    }

    fn keep_alive(&self, keepalive: &Keepalive) -> io::Result<()> {
        self.0.get_ref().0.io.keep_alive(keepalive)
    }
}

impl AsyncRead for TlsSocket {
    /// A stream that ends without TLS's own good-bye just ends, as for Node: every message says how long it is, so that none
    /// can be cut short unseen.
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, chunk: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.0).poll_read(task, chunk)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            outcome => Poll::Ready(outcome),
        }
    }
}

impl AsyncWrite for TlsSocket {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(task)
    }
}
