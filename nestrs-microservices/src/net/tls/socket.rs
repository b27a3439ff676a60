//! A TLS session as any other socket.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use crate::net::io::{BoxIo, Keepalive, Socket};

/// A session over a socket of any kind.
pub(super) struct TlsSocket(pub(super) TlsStream<BoxIo>);

impl Socket for TlsSocket {
    fn close_abruptly(&self) {
        self.0.get_ref().0.close_abruptly();
    }

    fn peer_has_ended(&self) -> io::Result<bool> {
        self.0.get_ref().0.peer_has_ended()
    }

    fn keep_alive(&self, keepalive: &Keepalive) -> io::Result<()> {
        self.0.get_ref().0.keep_alive(keepalive)
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
