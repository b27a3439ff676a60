//! Sockets of any kind: what a server accepts from and a client dials with.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::shared::Undecided;

pub use super::shared::SharedListener;

/// A byte stream in both directions: a TCP socket, a TLS session, one half of [`tokio::io::duplex`].
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// Any [`Io`], which its owner may have to get rid of at once.
pub(crate) trait Socket: Io {
    /// Lets closing throw away what the peer has not taken, instead of keeping it for a peer that does not read.
    fn close_abruptly(&self) {}

    /// Whether the peer has sent its last byte, read or not: how a connection that is not read learns that its peer is
    /// gone. What wraps another socket asks that one; a stream that cannot tell says no.
    ///
    /// # Errors
    /// When the connection is broken: the peer has reset it, or no longer answers.
    fn peer_has_ended(&self) -> io::Result<bool> {
        Ok(false)
    }

    /// All bytes that the socket beneath has taken, where those given to this are first kept, as by TLS. `None`: what it
    /// takes is gone.
    fn passed_on(&self) -> Option<u64> {
        None
    }

    /// Whether what does not fill a segment waits for more, 200 ms at the longest; when that ends it leaves. Small writes
    /// that follow each other at once are then sent together, and wake their reader once. Where there is no such thing
    /// (`TCP_CORK`, Linux only) they leave one by one.
    fn gather(&self, _small_writes: bool) {}

    /// Sets how it finds out that its peer is gone, where it is a socket.
    fn keep_alive(&self, _keepalive: &Keepalive) -> io::Result<()> {
        Ok(())
    }
}

/// Any [`Socket`].
pub(crate) type BoxIo = Box<dyn Socket>;

impl Socket for TcpStream {
    fn close_abruptly(&self) {
        // A socket that is already broken has nothing left to throw away.
        let _ = socket2::SockRef::from(self).set_linger(Some(Duration::ZERO));
    }

    fn peer_has_ended(&self) -> io::Result<bool> {
        // Readiness as last seen by the runtime: nothing is waited for, and no byte is taken.
        match self.ready(Interest::READABLE | Interest::ERROR).now_or_never() {
            None => Ok(false),
            Some(ready) => {
                let ready = ready?;
                if ready.is_error()
                    && let Some(error) = self.take_error()?
                {
                    return Err(error);
                }
                Ok(ready.is_read_closed())
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn gather(&self, small_writes: bool) {
        // A socket that is already broken has nothing to send.
        let _ = socket2::SockRef::from(self).set_tcp_cork(small_writes);
    }

    fn keep_alive(&self, keepalive: &Keepalive) -> io::Result<()> {
        // What `Accepted::tcp` has set already.
        if *keepalive == Keepalive::default() { Ok(()) } else { keepalive.tune(self) }
    }
}

/// A stream of which nothing more is known.
pub(crate) struct Plain<T>(pub(crate) T);

impl<T: Io> Socket for Plain<T> {}

impl<T: Io> AsyncRead for Plain<T> {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, chunk: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(task, chunk)
    }
}

impl<T: Io> AsyncWrite for Plain<T> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(task, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(task, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(task)
    }
}

/// One accepted byte stream.
pub struct Accepted {
    pub(crate) stream: Incoming,
    pub(crate) peer_addr: Option<SocketAddr>,
}

/// What was accepted.
pub(crate) enum Incoming {
    Ours(BoxIo),
    /// It came in by an address that two servers share.
    Undecided(Undecided),
}

impl Accepted {
    /// A stream of unknown origin.
    #[must_use]
    pub fn new(io: impl Io) -> Self {
        Self { stream: Incoming::Ours(Box::new(Plain(io))), peer_addr: None }
    }

    /// A TCP connection; its socket sends without delay and is probed as [`Keepalive`] says; a server
    /// sets its own `keepalive` when it accepts it.
    ///
    /// # Errors
    /// When the connection is already broken.
    pub fn tcp(stream: TcpStream, peer_addr: SocketAddr) -> io::Result<Self> {
        Keepalive::default().tune(&stream)?;
        Ok(Self { stream: Incoming::Ours(Box::new(stream)), peer_addr: Some(peer_addr) })
    }

    /// Says where it comes from.
    #[must_use]
    pub fn with_peer_addr(mut self, peer_addr: SocketAddr) -> Self {
        self.peer_addr = Some(peer_addr);
        self
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted").field("peer_addr", &self.peer_addr).finish_non_exhaustive()
    }
}

/// Where a server's connections come from. A [`TcpListener`] is one; so is a [`SharedListener`], and a channel of
/// streams, which is how tests do without sockets.
pub trait Listener: Send + 'static {
    /// The next connection; `None` when there will be no more.
    ///
    /// # Errors
    /// Those of the socket. The server goes on after a transient one.
    ///
    /// # Cancel safety
    /// Dropping the future must lose no connection.
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = io::Result<Option<Accepted>>> + Send + '_>>;

    /// Where it listens, when that is an IP address.
    fn local_addr(&self) -> Option<SocketAddr> {
        None
    }
}

impl Listener for TcpListener {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = io::Result<Option<Accepted>>> + Send + '_>> {
        Box::pin(async {
            loop {
                let (stream, peer_addr) = Self::accept(self).await?;
                // One that is broken already is no failure of the listener.
                if let Ok(accepted) = Accepted::tcp(stream, peer_addr) {
                    return Ok(Some(accepted));
                }
            }
        })
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        Self::local_addr(self).ok()
    }
}

impl Listener for tokio::sync::mpsc::Receiver<Accepted> {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = io::Result<Option<Accepted>>> + Send + '_>> {
        Box::pin(async { Ok(self.recv().await) })
    }
}

/// How a TCP socket finds out that its peer is gone without a word: pulled out, frozen, behind a firewall that forgot.
///
/// ```
/// use std::time::Duration;
/// use nestrs_microservices::TcpMicroserviceOptions;
/// use nestrs_microservices::net::io::Keepalive;
///
/// let sooner = Keepalive { idle: Duration::from_secs(5), interval: Duration::from_secs(1), ..Keepalive::default() };
/// let options = TcpMicroserviceOptions::default().keepalive(sooner);
/// assert_eq!((options.keepalive.probes, options.keepalive.user_timeout), (3, Duration::from_secs(20)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// How long a connection is silent before it is probed. Default 15 s.
    pub idle: Duration,
    /// The pause between two probes. Default 5 s.
    pub interval: Duration,
    /// Unanswered probes after which the peer is dead. Default 3.
    pub probes: u32,
    /// How long sent bytes may stay unacknowledged before the peer is dead (`TCP_USER_TIMEOUT`, RFC 5482). Default 20 s.
    /// Linux only.
    pub user_timeout: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(15),
            interval: Duration::from_secs(5),
            probes: 3,
            user_timeout: Duration::from_secs(20),
        }
    }
}

impl Keepalive {
    /// Sets what every TCP socket of ours has: no delay, and these probes.
    ///
    /// # Errors
    /// When the connection is already broken.
    pub fn tune(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let probes = socket2::TcpKeepalive::new().with_time(self.idle).with_interval(self.interval);
        let socket = socket2::SockRef::from(stream);
        #[cfg(target_os = "linux")]
        {
            socket.set_tcp_keepalive(&probes.with_retries(self.probes))?;
            socket.set_tcp_user_timeout(Some(self.user_timeout))
        }
        #[cfg(not(target_os = "linux"))]
        socket.set_tcp_keepalive(&probes)
    }
}

/// How a client gets its byte stream; called for each new connection.
#[derive(Clone)]
pub struct Connector(Arc<dyn Fn() -> Dial + Send + Sync>);

type Dial = Pin<Box<dyn Future<Output = io::Result<BoxIo>> + Send>>;

impl Connector {
    /// A connector from an async function.
    ///
    /// ```
    /// use nestrs_microservices::net::io::Connector;
    /// let connector = Connector::new(|| async { tokio::net::TcpStream::connect("127.0.0.1:3000").await });
    /// ```
    pub fn new<F, Fut, S>(dial: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<S>> + Send + 'static,
        S: Io,
    {
        Self(Arc::new(move || {
            let dialled = dial();
            Box::pin(async move { Ok(Box::new(Plain(dialled.await?)) as BoxIo) })
        }))
    }

    /// Dials once.
    pub(crate) fn dial(&self) -> Dial {
        (self.0)()
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}
